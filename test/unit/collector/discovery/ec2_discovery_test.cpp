// SPDX-License-Identifier: Apache-2.0
#include "collector/discovery/ec2_discovery.h"

#include <filesystem>
#include <mutex>
#include <optional>
#include <set>

#include "core/time/duration.h"
#include "test/support/aws_signature.h"
#include "test/support/background_process.h"
#include "test/unit/collector/discovery/discovery_world.h"
#include "test/unit/core/net/client_fixture.h"

namespace collector::discovery {
namespace {

using core::net::LocalServer;
using Keys = std::array<std::string, 3>;  // access key, secret key, session token

// 20260102T030405Z, as AWS writes times.
std::string aws_time(const core::Clock& clock) {
  std::string text;
  for (const char c : core::format_rfc3339(clock.wall_now()).substr(0, 19)) {
    if (c != '-' && c != ':') text += c;
  }
  return text + "Z";
}

// EC2, STS and the instance's metadata service, each strict: requests that AWS would refuse are refused and noted.
class Ec2DiscoveryTest : public DiscoveryTest {
 protected:
  Ec2DiscoveryTest() {
    metadata->Put("/latest/api/token",
                  [this](const auto& request, auto& response) { answer_token(request, response); });
    metadata->Get("/latest/meta-data/.*",
                  [this](const auto& request, auto& response) { answer_metadata(request, response); });
    metadata.start();
    ec2->Post("/", [this](const auto& request, auto& response) { answer_ec2(request, response); });
    ec2.start();
    sts->Post("/", [this](const auto& request, auto& response) { answer_sts(request, response); });
    sts.start();
    environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = metadata.url("");
    environment["AWS_ENDPOINT_URL_STS"] = sts.url("/");
    environment["HOME"] = folder.string();
    pages = {
        page("<item><ownerId>42</ownerId><instancesSet>" + instance("i-1", "10.0.0.1") + "</instancesSet></item>")};
  }
  ~Ec2DiscoveryTest() override {
    discovery.reset();
    http.reset();  // the servers could not stop while the client keeps its connections
    EXPECT_THAT(violations, testing::IsEmpty());
  }

  static std::string instance(const std::string& id, const std::string& ip, const std::string& more = "") {
    return "<item><instanceId>" + id + "</instanceId><privateIpAddress>" + ip +
           "</privateIpAddress><instanceState><code>16</code><name>running</name></instanceState><placement>"
           "<availabilityZone>eu-west-1a</availabilityZone></placement>" +
           more + "</item>";
  }
  static std::string page(const std::string& reservations, const std::string& next = "") {
    return "<DescribeInstancesResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><reservationSet>" +
           reservations + "</reservationSet>" + (next.empty() ? "" : "<nextToken>" + next + "</nextToken>") +
           "</DescribeInstancesResponse>";
  }

  void start(const std::string& yaml = "", const std::string& interval = "100ms") {
    discovery =
        make_ec2_discovery(must_read<Ec2Config>("{endpoint: '" + ec2.url("/") + "', refresh_interval: " + interval +
                                                (yaml.empty() ? "" : ", ") + yaml + "}"),
                           context, sink);
  }

  void answer_token(const httplib::Request& request, httplib::Response& response) {
    const std::lock_guard lock(mutex);
    const std::string ttl = request.get_header_value("X-aws-ec2-metadata-token-ttl-seconds");
    const bool number = !ttl.empty() && ttl.find_first_not_of("0123456789") == std::string::npos;
    if (!number || std::stoi(ttl) < 1 || std::stoi(ttl) > 21600) return violate(response, 400, "token TTL " + ttl);
    // A request that came through a proxy is refused: that is what version 2 is for.
    if (request.has_header("X-Forwarded-For")) return violate(response, 403, "forwarded");
    const std::string token = "token-" + std::to_string(tokens.size());
    tokens.insert(token);
    response.set_content(token, "text/plain");
  }

  void answer_metadata(const httplib::Request& request, httplib::Response& response) {
    const std::lock_guard lock(mutex);
    if (!tokens.contains(request.get_header_value("X-aws-ec2-metadata-token"))) {
      return violate(response, 401, "metadata without a token: " + request.path);
    }
    if (request.path == "/latest/meta-data/placement/region") return response.set_content("eu-west-1", "text/plain");
    if (request.path == "/latest/meta-data/iam/security-credentials/") {
      return response.set_content("watchkeeper-role", "text/plain");
    }
    if (request.path != "/latest/meta-data/iam/security-credentials/watchkeeper-role") {
      response.status = 404;
      return;
    }
    ++role_reads;
    response.set_content("{\"Code\": \"Success\", \"AccessKeyId\": \"" + keys[0] + "\", \"SecretAccessKey\": \"" +
                             keys[1] + "\", \"Token\": \"" + keys[2] + "\", \"Expiration\": \"2999-01-01T00:00:00Z\"}",
                         "application/json");
  }

  bool is_signed(const httplib::Request& request, const std::string& service, httplib::Response& response) {
    test_support::SignedRequest seen{"POST", "/", "", {}, request.body};
    for (const auto& [name, value] : request.headers) seen.headers.emplace(name, value);
    const Keys& wanted = service == "sts" ? own_keys : keys;
    const std::string wrong =
        test_support::check_aws_signature(seen, "eu-west-1", service, wanted[0], wanted[1], wanted[2], aws_time(clock));
    if (wrong.empty()) return true;
    refusals.push_back(wrong);
    response.status = 403;
    response.set_content(
        "<Response><Errors><Error><Code>AuthFailure</Code><Message>AWS was not able to validate</Message></Error>"
        "</Errors></Response>",
        "text/xml");
    return false;
  }

  void answer_ec2(const httplib::Request& request, httplib::Response& response) {
    const std::lock_guard lock(mutex);
    if (!is_signed(request, "ec2", response)) return;
    if (request.get_param_value("Version") != "2016-11-15") return violate(response, 400, "version");
    const std::string action = request.get_param_value("Action");
    last_form = request.body;
    if (action == "DescribeAvailabilityZones") {
      ++zone_calls;
      if (!may_see_zones) {
        response.status = 403;
        return response.set_content(
            "<Response><Errors><Error><Code>UnauthorizedOperation</Code></Error></Errors></Response>", "text/xml");
      }
      return response.set_content(
          "<DescribeAvailabilityZonesResponse><availabilityZoneInfo><item><zoneName>eu-west-1a</zoneName>"
          "<zoneId>euw1-az2</zoneId></item></availabilityZoneInfo></DescribeAvailabilityZonesResponse>",
          "text/xml");
    }
    if (action != "DescribeInstances") return violate(response, 400, "action " + action);
    const std::string token = request.get_param_value("NextToken");
    const std::size_t index = token.empty() ? 0 : std::stoul(token);
    if (index >= pages.size() || pages[index] == "error") {
      response.status = 503;
      return response.set_content(
          "<Response><Errors><Error><Code>RequestLimitExceeded</Code><Message>slow down</Message></Error></Errors>"
          "</Response>",
          "text/xml");
    }
    response.set_content(pages[index], "text/xml");
  }

  void answer_sts(const httplib::Request& request, httplib::Response& response) {
    const std::lock_guard lock(mutex);
    const std::string action = request.get_param_value("Action");
    if (request.get_param_value("Version") != "2011-06-15") return violate(response, 400, "version");
    if (request.get_param_value("RoleSessionName").empty()) return violate(response, 400, "no session name");
    if (action == "AssumeRole") {
      if (!is_signed(request, "sts", response)) return;
      if (request.get_param_value("ExternalId") != "ext-1") return violate(response, 400, "external id");
    } else if (action == "AssumeRoleWithWebIdentity") {
      if (request.has_header("Authorization")) return violate(response, 400, "a web identity is not signed");
      if (request.get_param_value("WebIdentityToken") != "jwt-1") return violate(response, 400, "web token");
    } else {
      return violate(response, 400, "action " + action);
    }
    if (request.get_param_value("RoleArn") != "arn:aws:iam::42:role/watch") return violate(response, 400, "role");
    response.set_content("<" + action + "Response><" + action + "Result><Credentials><AccessKeyId>" + keys[0] +
                             "</AccessKeyId><SecretAccessKey>" + keys[1] + "</SecretAccessKey><SessionToken>" +
                             keys[2] + "</SessionToken><Expiration>2999-01-01T00:00:00Z</Expiration></Credentials></" +
                             action + "Result></" + action + "Response>",
                         "text/xml");
  }

  void violate(httplib::Response& response, int status, const std::string& what) {
    violations.push_back(what);
    response.status = status;
  }

  std::filesystem::path folder = test_support::fresh_folder(
      std::string("ec2_sd_") + testing::UnitTest::GetInstance()->current_test_info()->name());
  std::mutex mutex;
  Keys keys{"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "session/token+1=="};
  Keys own_keys{"AKIDOWN", "own-secret", ""};
  std::set<std::string> tokens;
  int role_reads = 0;
  int zone_calls = 0;
  bool may_see_zones = true;
  std::vector<std::string> pages;
  std::string last_form;
  std::vector<std::string> violations;
  std::vector<std::string> refusals;
  LocalServer<httplib::Server> metadata;
  LocalServer<httplib::Server> ec2;
  LocalServer<httplib::Server> sts;
  std::unique_ptr<Discovery> discovery;
};

TEST_F(Ec2DiscoveryTest, AnInstanceFindsItsRegionAndItsRole) {
  start();
  run_until([&] { return !sink.groups.empty(); });
  EXPECT_EQ(sink.groups.begin()->first, "eu-west-1");
  EXPECT_EQ(sink.groups.begin()->second.targets,
            (std::vector<LabelMap>{{{"__address__", "10.0.0.1:80"},
                                    {"__meta_ec2_instance_id", "i-1"},
                                    {"__meta_ec2_private_ip", "10.0.0.1"},
                                    {"__meta_ec2_instance_state", "running"},
                                    {"__meta_ec2_availability_zone", "eu-west-1a"},
                                    {"__meta_ec2_availability_zone_id", "euw1-az2"},
                                    {"__meta_ec2_owner_id", "42"},
                                    {"__meta_ec2_region", "eu-west-1"}}}));
  run_until([&] { return sink.updates >= 3; });
  const std::lock_guard lock(mutex);
  EXPECT_THAT(refusals, testing::IsEmpty());
  EXPECT_EQ(role_reads, 1) << "keys are kept until they expire";
  EXPECT_EQ(zone_calls, 1) << "zones are asked for until they are known";
}

TEST_F(Ec2DiscoveryTest, EveryLabelOfAnInstance) {
  keys = {"AK", "SK", ""};
  pages = {page(
      "<item><ownerId>42</ownerId><instancesSet>" +
      instance(
          "i-1", "10.0.0.1",
          "<imageId>ami-1</imageId><architecture>arm64</architecture><instanceType>m7g.large</instanceType>"
          "<instanceLifecycle>spot</instanceLifecycle><platform>windows</platform>"
          "<privateDnsName>ip-10-0-0-1.internal</privateDnsName><ipAddress>192.0.2.1</ipAddress>"
          "<dnsName>ec2.example</dnsName><vpcId>vpc-1</vpcId><subnetId>subnet-b</subnetId>"
          "<networkInterfaceSet>"
          "<item><subnetId>subnet-b</subnetId><attachment><deviceIndex>0</deviceIndex></attachment></item>"
          "<item><subnetId>subnet-a</subnetId><attachment><deviceIndex>2</deviceIndex></attachment>"
          "<ipv6AddressesSet><item><ipv6Address>2001:db8::1</ipv6Address><isPrimaryIpv6>true</isPrimaryIpv6></item>"
          "<item><ipv6Address>2001:db8::2</ipv6Address></item></ipv6AddressesSet></item>"
          "<item><subnetId>subnet-b</subnetId></item></networkInterfaceSet>"
          "<tagSet><item><key>kube/cluster-name</key><value>eth &amp; co</value></item>"
          "<item><key>Name</key><value>geth</value></item></tagSet>") +
      "<item><instanceId>i-gone</instanceId></item>"
      "<item><instanceId>i-6</instanceId><networkInterfaceSet><item><subnetId>s</subnetId><ipv6AddressesSet><item>"
      "<ipv6Address>2001:db8::6</ipv6Address></item></ipv6AddressesSet></item></networkInterfaceSet></item>"
      "</instancesSet></item>")};
  start("region: eu-west-1, access_key: AK, secret_key: SK, port: 9100");
  run_until([&] { return !sink.groups.empty(); });
  EXPECT_EQ(sink.addresses(), "10.0.0.1:9100 [2001:db8::6]:9100");
  EXPECT_EQ(sink.groups.at("eu-west-1").targets[0],
            (LabelMap{{"__address__", "10.0.0.1:9100"},
                      {"__meta_ec2_ami", "ami-1"},
                      {"__meta_ec2_architecture", "arm64"},
                      {"__meta_ec2_availability_zone", "eu-west-1a"},
                      {"__meta_ec2_availability_zone_id", "euw1-az2"},
                      {"__meta_ec2_default_ipv6_address", "2001:db8::1"},
                      {"__meta_ec2_instance_id", "i-1"},
                      {"__meta_ec2_instance_lifecycle", "spot"},
                      {"__meta_ec2_instance_state", "running"},
                      {"__meta_ec2_instance_type", "m7g.large"},
                      {"__meta_ec2_ipv6_addresses", ",2001:db8::1,2001:db8::2,"},
                      {"__meta_ec2_owner_id", "42"},
                      {"__meta_ec2_platform", "windows"},
                      {"__meta_ec2_primary_ipv6_addresses", ",,,2001:db8::1,"},
                      {"__meta_ec2_primary_subnet_id", "subnet-b"},
                      {"__meta_ec2_private_dns_name", "ip-10-0-0-1.internal"},
                      {"__meta_ec2_private_ip", "10.0.0.1"},
                      {"__meta_ec2_public_dns_name", "ec2.example"},
                      {"__meta_ec2_public_ip", "192.0.2.1"},
                      {"__meta_ec2_region", "eu-west-1"},
                      {"__meta_ec2_subnet_id", ",subnet-b,subnet-a,"},
                      {"__meta_ec2_tag_Name", "geth"},
                      {"__meta_ec2_tag_kube_cluster_name", "eth & co"},
                      {"__meta_ec2_vpc_id", "vpc-1"}}));
}

TEST_F(Ec2DiscoveryTest, PagesAreOneAnswerAndFiltersAreSent) {
  pages = {page("<item><instancesSet>" + instance("i-1", "10.0.0.1") + "</instancesSet></item>", "1"),
           page("<item><instancesSet>" + instance("i-2", "10.0.0.2") + "</instancesSet></item>")};
  start("filters: [{name: 'tag:role', values: [geth, 'a b']}, {name: instance-state-name, values: [running]}]");
  run_until([&] { return sink.addresses() == "10.0.0.1:80 10.0.0.2:80"; });
  {
    const std::lock_guard lock(mutex);
    EXPECT_NE(last_form.find("Filter.1.Name=tag%3Arole&Filter.1.Value.1=geth&Filter.1.Value.2=a+b&Filter.2.Name="
                             "instance-state-name&Filter.2.Value.1=running"),
              std::string::npos)
        << last_form;
    pages[1] = "error";
  }
  run_until([&] { return !sink.errors.empty(); });
  EXPECT_EQ(sink.errors[0], "could not describe instances: RequestLimitExceeded: slow down");
  EXPECT_EQ(sink.addresses(), "10.0.0.1:80 10.0.0.2:80") << "a page that is missing changes nothing";
}

TEST_F(Ec2DiscoveryTest, KeysThatAreRotatedAreReadAgain) {
  start();
  run_until([&] { return !sink.groups.empty(); });
  {
    const std::lock_guard lock(mutex);
    keys = {"AKIDNEW", "another", "session-2"};
  }
  run_until([&] { return !sink.errors.empty(); });
  EXPECT_EQ(sink.errors[0], "could not describe instances: AuthFailure: AWS was not able to validate");
  const int before = sink.updates;
  run_until([&] { return sink.updates > before; });
  const std::lock_guard lock(mutex);
  EXPECT_EQ(role_reads, 2);
}

TEST_F(Ec2DiscoveryTest, TheEnvironmentGoesBeforeTheSharedFilesAndANamedProfileBeforeBoth) {
  std::filesystem::create_directories(folder / ".aws");
  test_support::write_file(folder / ".aws" / "credentials",
                           "[default]\naws_access_key_id = NO\naws_secret_access_key = NO\n[ops]\n"
                           "aws_access_key_id=AKOPS\naws_secret_access_key=ops/secret\naws_session_token=t\n");
  test_support::write_file(folder / ".aws" / "config",
                           "[default]\nregion = eu-west-1\n[profile ops]\nregion=eu-west-1\n");
  environment["AWS_ACCESS_KEY_ID"] = "AKENV";
  environment["AWS_SECRET_ACCESS_KEY"] = "env-secret";
  environment["AWS_SESSION_TOKEN"] = "env-token";
  keys = {"AKENV", "env-secret", "env-token"};
  start();
  run_until([&] { return !sink.groups.empty(); });
  {
    const std::lock_guard lock(mutex);
    keys = {"AKOPS", "ops/secret", "t"};
  }
  sink.groups.clear();
  start("profile: ops");
  run_until([&] { return !sink.groups.empty(); });
  sink.errors.clear();
  start("profile: nobody, region: eu-west-1");
  run_until([&] { return !sink.errors.empty(); });
  EXPECT_NE(sink.errors[0].find("AWS profile nobody has no keys in the shared files"), std::string::npos);
}

TEST_F(Ec2DiscoveryTest, ARoleIsTakenOnThroughSts) {
  start(
      "region: eu-west-1, access_key: AKIDOWN, secret_key: own-secret, role_arn: 'arn:aws:iam::42:role/watch', "
      "external_id: ext-1");
  run_until([&] { return !sink.groups.empty(); });
  EXPECT_THAT(refusals, testing::IsEmpty());
}

TEST_F(Ec2DiscoveryTest, AWebIdentityIsExchangedThroughSts) {
  test_support::write_file(folder / "jwt", "jwt-1\n");
  environment["AWS_WEB_IDENTITY_TOKEN_FILE"] = (folder / "jwt").string();
  environment["AWS_ROLE_ARN"] = "arn:aws:iam::42:role/watch";
  environment["AWS_REGION"] = "eu-west-1";
  start();
  run_until([&] { return !sink.groups.empty(); });
}

TEST_F(Ec2DiscoveryTest, WithoutTheRightToZonesTheirIdsAreMissing) {
  may_see_zones = false;
  start();
  run_until([&] { return !sink.groups.empty(); });
  EXPECT_EQ(sink.label("__meta_ec2_availability_zone_id"), "-");
  EXPECT_EQ(sink.label("__meta_ec2_availability_zone"), "eu-west-1a");
}

TEST_F(Ec2DiscoveryTest, MistakesAreNamed) {
  const std::pair<const char*, const char*> cases[] = {
      {"{filters: [{name: x, values: []}]}", "EC2 SD configuration filter values cannot be empty"},
      {"{access_key: x}", "expected access_key and secret_key together, or neither"},
      {"{bearer_token: x}", "requests to EC2 are signed"},
      {"{port: 70000}", "65535"},
  };
  for (const auto& [yaml, error] : cases) {
    const auto config = read<Ec2Config>(yaml);
    ASSERT_FALSE(config) << yaml;
    EXPECT_NE(config.error().message.find(error), std::string::npos) << config.error().message;
  }
}

}  // namespace
}  // namespace collector::discovery

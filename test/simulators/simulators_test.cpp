// SPDX-License-Identifier: Apache-2.0
// The simulators refuse what the real programs refuse, and their faults show.
#include "test/simulators/simulation.h"

#include <atomic>
#include <set>
#include <sstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/time/clock.h"
#include "test/simulators/beacon_node.h"

namespace simulators {
namespace {

using nlohmann::json;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

// A clock that the servers' threads may read while the test moves it.
class SteppedClock final : public core::Clock {
 public:
  core::WallTime wall_now() const override { return core::from_unix_ms(1'700'000'000'000 + seconds_ * 1000); }
  core::SteadyTime steady_now() const override { return core::SteadyTime(seconds(seconds_)); }
  void advance(seconds by) { seconds_ += by.count(); }

 private:
  std::atomic<std::int64_t> seconds_{1000};
};

class SimulatorsTest : public ::testing::Test {
 protected:
  httplib::Result get(const std::string& port, const std::string& path, const httplib::Headers& headers = {}) {
    return client(port).Get(path.c_str(), headers);
  }
  httplib::Result post(const std::string& port, const std::string& path, const std::string& body,
                       const char* type = "application/json") {
    return client(port).Post(path.c_str(), body, type);
  }
  httplib::Client client(const std::string& port) { return httplib::Client("127.0.0.1", simulation.ports().at(port)); }
  void fault(const std::string& path) { ASSERT_EQ(post("control", "/fault/" + path, "")->status, 200) << path; }
  void clear(const std::string& path) { ASSERT_EQ(client("control").Delete(("/fault/" + path).c_str())->status, 200); }
  // The value of an exposed series, given as `name` or `name{labels}`; -1 if it is absent.
  double metric(const std::string& port, const std::string& path, const std::string& series) {
    std::istringstream lines(get(port, path)->body);
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with(series + " ")) return std::stod(line.substr(series.size() + 1));
    }
    return -1;
  }
  double beacon(const std::string& series) { return metric("beacon_metrics", "/metrics", series); }
  double geth(const std::string& series) { return metric("geth_metrics", "/debug/metrics/prometheus", series); }
  json rpc(const std::string& body) { return json::parse(post("geth_rpc", "/", body)->body); }

  SteppedClock clock;
  Simulation simulation{clock, {}};
};

TEST_F(SimulatorsTest, TheChainMovesAndStallsOnDemand) {
  const double head = beacon("beacon_head_slot");
  const double block = geth("chain_head_block");
  clock.advance(seconds(12 * 40));
  EXPECT_GE(beacon("beacon_head_slot"), head + 38);
  EXPECT_GE(geth("chain_head_block"), block + 36);
  EXPECT_EQ(beacon("slotclock_present_epoch") - 2, beacon("beacon_finalized_epoch"));
  EXPECT_EQ(beacon("sync_eth2_synced"), 1);

  const double before = beacon("beacon_head_slot");
  fault("beacon/head-stalls");
  clock.advance(seconds(12 * 20));
  EXPECT_EQ(beacon("beacon_head_slot"), before);
  EXPECT_EQ(beacon("sync_eth2_synced"), 0);
  EXPECT_EQ(metric("validator_metrics", "/metrics", "vc_beacon_nodes_synced_count"), 0);
  const json syncing = json::parse(get("beacon_api", "/eth/v1/node/syncing")->body)["data"];
  EXPECT_EQ(syncing["is_syncing"], true);
  EXPECT_GE(std::stoi(syncing["sync_distance"].get<std::string>()), 20);
  EXPECT_EQ(get("beacon_api", "/eth/v1/node/health")->status, 206);
  clear("beacon/head-stalls");
  EXPECT_GE(beacon("beacon_head_slot"), before + 18);
}

TEST_F(SimulatorsTest, TheSameSeedGivesTheSameBody) {
  Simulation twin(clock, {});
  httplib::Client other("127.0.0.1", twin.ports().at("geth_metrics"));
  EXPECT_EQ(other.Get("/debug/metrics/prometheus")->body, get("geth_metrics", "/debug/metrics/prometheus")->body);
  Simulation::Options options;
  options.seed = 2;
  Simulation stranger(clock, options);
  httplib::Client third("127.0.0.1", stranger.ports().at("geth_metrics"));
  EXPECT_NE(third.Get("/debug/metrics/prometheus")->body, get("geth_metrics", "/debug/metrics/prometheus")->body);
}

TEST_F(SimulatorsTest, EveryNodeExposesManyFamiliesWithItsOwnQuirks) {
  const auto families = [](const std::string& body) {
    std::set<std::string> names;
    std::istringstream lines(body);
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("# TYPE ")) names.insert(line.substr(7));
    }
    return names.size();
  };
  const std::string beacon_body = get("beacon_metrics", "/metrics")->body;
  EXPECT_GT(families(beacon_body), 200U);
  EXPECT_THAT(beacon_body, AllOf(HasSubstr("# UNIT libp2p_bandwidth_bytes bytes\n"), HasSubstr("le=\"1.0\""),
                                 HasSubstr("Client=\"Lighthouse\""), HasSubstr("validator=\"total\"")));
  EXPECT_TRUE(beacon_body.ends_with("# EOF\n"));
  const std::string geth_body = get("geth_metrics", "/debug/metrics/prometheus")->body;
  EXPECT_GT(families(geth_body), 200U);
  EXPECT_THAT(geth_body, AllOf(HasSubstr("geth_info {arch=\"amd64\", commit="), HasSubstr(" {quantile=\"0.9999\"} "),
                               HasSubstr("# TYPE rpc_duration_all_count counter\n"), Not(HasSubstr("# HELP"))));
  EXPECT_GT(families(get("validator_metrics", "/metrics")->body), 15U);
}

TEST_F(SimulatorsTest, CountersNeverGoBack) {
  const std::string missed = "validator_monitor_prev_epoch_on_chain_attester_miss{validator=\"total\"}";
  const std::string signed_so_far = "vc_signed_attestations_total{status=\"success\"}";
  EXPECT_EQ(beacon(missed), 0);
  fault("validator/missed-attestations");
  const double at_start = metric("validator_metrics", "/metrics", signed_so_far);
  clock.advance(seconds(384));
  EXPECT_EQ(beacon(missed), kValidators);
  EXPECT_EQ(metric("validator_metrics", "/metrics", signed_so_far), at_start);
  clear("validator/missed-attestations");
  clock.advance(seconds(3840));
  EXPECT_EQ(beacon(missed), kValidators);
  EXPECT_GT(metric("validator_metrics", "/metrics", signed_so_far), at_start + 150);
}

TEST_F(SimulatorsTest, BeaconApiAnswersAndRefusesLikeLighthouse) {
  const struct {
    const char* path;
    int status;
  } cases[] = {
      {"/eth/v1/node/version", 200},
      {"/eth/v1/beacon/genesis", 200},
      {"/eth/v1/config/spec", 200},
      {"/eth/v1/beacon/headers/head", 200},
      {"/eth/v1/beacon/headers/99999999", 404},
      {"/eth/v1/beacon/headers/tail", 400},
      {"/eth/v1/beacon/states/head/finality_checkpoints", 200},
      {"/eth/v1/beacon/states/head/validators?id=4200,4201", 200},
      {"/eth/v1/beacon/states/head/validators?id=xyz", 400},
      {"/eth/v1/beacon/states/head/validators/4200", 200},
      {"/eth/v1/beacon/states/head/validators/1", 404},
      {"/eth/v1/validator/duties/proposer/1", 200},
      {"/eth/v1/validator/duties/proposer/99999999", 400},
      {"/eth/v1/validator/liveness/1", 405},
      {"/eth/v1/events", 400},
      {"/eth/v1/node/nothing", 404},
  };
  for (const auto& one : cases) {
    const auto response = get("beacon_api", one.path);
    ASSERT_TRUE(response) << one.path;
    EXPECT_EQ(response->status, one.status) << one.path;
    const json body = json::parse(response->body, nullptr, false);
    ASSERT_TRUE(body.is_object()) << one.path;
    EXPECT_EQ(body.value("code", 200), one.status) << one.path;
  }
  const std::string epoch = std::to_string(simulation.chain().epoch());
  const auto alive = post("beacon_api", "/eth/v1/validator/liveness/" + epoch, "[\"4200\"]");
  EXPECT_EQ(json::parse(alive->body)["data"][0]["is_live"], true);
  EXPECT_EQ(post("beacon_api", "/eth/v1/validator/liveness/" + epoch, "[4200]")->status, 400);
  EXPECT_EQ(post("beacon_api", "/eth/v1/validator/liveness/1", "[\"4200\"]")->status, 400);
  EXPECT_EQ(post("beacon_api", "/eth/v1/node/version", "")->status, 405);
  fault("beacon/execution-layer-offline");
  EXPECT_EQ(get("beacon_api", "/eth/v1/node/health")->status, 503);
}

TEST_F(SimulatorsTest, BlocksCommitteesAndRewardsTellOneStory) {
  const auto data = [&](const std::string& path) {
    const auto response = get("beacon_api", path);
    EXPECT_EQ(response->status, 200) << path;
    return json::parse(response->body)["data"];
  };
  clock.advance(seconds(12 * 70));
  const json head = data("/eth/v1/beacon/headers/head");
  const std::string root = head["root"];
  const json block = data("/eth/v1/beacon/blinded_blocks/" + root);
  EXPECT_EQ(block["message"]["parent_root"], head["header"]["message"]["parent_root"]);
  EXPECT_EQ(block["message"]["body"]["attestations"], data("/eth/v2/beacon/blocks/" + root + "/attestations"));
  EXPECT_EQ(data("/eth/v2/beacon/blocks/head")["message"]["slot"], head["header"]["message"]["slot"]);
  const std::string epoch = std::to_string(simulation.chain().epoch());
  const json committees = data("/eth/v1/beacon/states/head/committees?epoch=" + epoch);
  ASSERT_EQ(committees.size(), kSlotsPerEpoch);
  const auto duties = json::parse(post("beacon_api", "/eth/v1/validator/duties/attester/" + epoch, "[\"4200\"]")->body);
  const json duty = duties["data"].at(0);
  const std::uint64_t offset = std::stoull(duty["slot"].get<std::string>()) % kSlotsPerEpoch;
  const std::uint64_t position = std::stoull(duty["validator_committee_index"].get<std::string>());
  EXPECT_EQ(committees[offset]["validators"][position], "4200");
  EXPECT_EQ(data("/eth/v1/beacon/states/head/committees?slot=" + duty["slot"].get<std::string>())[0],
            committees[offset]);
  const std::pair<const char*, int> refused[] = {
      {"/eth/v1/beacon/states/head/committees?epoch=7", 400},
      {"/eth/v1/beacon/states/head/committees?epoch=x", 400},
      {"/eth/v1/beacon/states/head/committees?epoch=7&slot=9999999", 400},
      {"/eth/v1/beacon/blinded_blocks/0x1111111111111111111111111111111111111111111111111111111111111111", 404},
      {"/eth/v1/beacon/blinded_blocks/tail", 400},
      {"/eth/v2/beacon/blocks/99999999/attestations", 404},
      {"/eth/v1/beacon/rewards/attestations/1", 405},
      {"/eth/v1/events?topics=head&topics=nothing", 400},
  };
  for (const auto& [path, status] : refused) EXPECT_EQ(get("beacon_api", path)->status, status) << path;
  EXPECT_EQ(post("beacon_api", "/eth/v1/beacon/states/head/validators", R"({"ids":["4200","1"]})")->status, 200);
  EXPECT_EQ(post("beacon_api", "/eth/v1/beacon/states/head/validators", R"(["4200"])")->status, 400);
  EXPECT_EQ(post("beacon_api", "/eth/v1/beacon/states/head/validators", R"({"ids":["x"]})")->status, 400);
  EXPECT_EQ(post("beacon_api", "/eth/v1/beacon/rewards/attestations/" + epoch, "[\"4200\"]")->status, 404);
  EXPECT_EQ(post("beacon_api", "/eth/v1/validator/duties/sync/99999999", "[\"4200\"]")->status, 400);
}

TEST_F(SimulatorsTest, JsonRpcAnswersAndRefusesLikeGeth) {
  EXPECT_THAT(rpc(R"({"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":[]})")["result"],
              ContainsRegex("0x[0-9a-f]+"));
  EXPECT_EQ(rpc(R"({"jsonrpc":"2.0","id":1,"method":"eth_syncing"})")["result"], false);
  EXPECT_EQ(rpc("{")["error"]["code"], -32700);
  EXPECT_EQ(rpc(R"({"id":1,"method":"eth_blockNumber"})")["error"]["code"], -32600);
  EXPECT_EQ(rpc(R"({"jsonrpc":"2.0","id":1,"method":"eth_nothing"})")["error"]["code"], -32601);
  EXPECT_EQ(rpc(R"({"jsonrpc":"2.0","id":1,"method":"eth_getBlockByNumber","params":["latest"]})")["error"]["code"],
            -32602);
  EXPECT_EQ(rpc(R"([{"jsonrpc":"2.0","id":1,"method":"eth_chainId"},7])").size(), 2U);
  EXPECT_EQ(post("geth_rpc", "/", "{}", "text/plain")->status, 415);
  EXPECT_EQ(client("geth_rpc").Put("/", "", "text/plain")->status, 405);
  fault("geth/head-stalls");
  clock.advance(seconds(12 * 30));
  EXPECT_TRUE(rpc(R"({"jsonrpc":"2.0","id":1,"method":"eth_syncing"})")["result"].is_object());
}

TEST_F(SimulatorsTest, VaultHasAStatusForEveryState) {
  const std::pair<const char*, int> states[] = {{"sealed", 503},
                                                {"standby", 429},
                                                {"performance-standby", 473},
                                                {"dr-secondary", 472},
                                                {"standby-without-active", 474},
                                                {"uninitialized", 501},
                                                {"removed", 530}};
  EXPECT_EQ(get("vault", "/v1/sys/health")->status, 200);
  for (const auto& [state, status] : states) {
    fault(std::string("vault/") + state);
    EXPECT_EQ(get("vault", "/v1/sys/health")->status, status) << state;
    EXPECT_EQ(client("vault").Head("/v1/sys/health")->status, status) << state;
    clear(std::string("vault/") + state);
  }
  const std::string metrics = "/v1/sys/metrics?format=prometheus";
  EXPECT_EQ(get("vault", metrics)->status, 403);
  EXPECT_EQ(get("vault", metrics, {{"X-Vault-Token", "wrong"}})->status, 403);
  const auto body = get("vault", metrics, {{"Authorization", "Bearer s.simulated-vault-token"}})->body;
  EXPECT_THAT(body, AllOf(HasSubstr("# HELP vault_core_unsealed vault_core_unsealed\n"), HasSubstr("NaN"),
                          HasSubstr("vault_core_unsealed{cluster=\"\"} 1")));
  fault("vault/sealed");
  EXPECT_EQ(get("vault", metrics, {{"X-Vault-Token", "s.simulated-vault-token"}})->status, 503);
  EXPECT_EQ(get("vault", "/v1/sys/health?sealedcode=299")->status, 299);
  EXPECT_EQ(post("vault", "/v1/sys/health", "")->status, 405);
  EXPECT_EQ(get("vault", "/v1/nothing")->status, 404);
}

TEST_F(SimulatorsTest, PortsGoAndComeBack) {
  EXPECT_TRUE(get("vault", "/v1/sys/health"));
  fault("vault/gone");
  EXPECT_EQ(get("vault", "/v1/sys/health").error(), httplib::Error::Connection);
  clear("vault/gone");
  EXPECT_TRUE(get("vault", "/v1/sys/health"));
  fault("vault/garbage");
  EXPECT_TRUE(json::parse(get("vault", "/v1/sys/health")->body, nullptr, false).is_discarded());
  fault("vault/hung");
  httplib::Client impatient = client("vault");
  impatient.set_read_timeout(0, 50000);
  EXPECT_FALSE(impatient.Get("/v1/sys/health"));
  EXPECT_EQ(post("control", "/fault/vault/nothing", "")->status, 404);
  EXPECT_EQ(post("control", "/fault/nobody/hung", "")->status, 404);
  EXPECT_EQ(json::parse(get("control", "/faults")->body)["vault"]["hung"], true);
}

const char* const kGoodWebhook = R"({"version":"4","groupKey":"{}:{}","truncatedAlerts":0,"status":"firing",
  "receiver":"ops","groupLabels":{},"commonLabels":{},"commonAnnotations":{},"externalURL":"http://w",
  "alerts":[{"status":"firing","labels":{"alertname":"A"},"annotations":{},"startsAt":"2026-01-01T00:00:00Z",
  "endsAt":"0001-01-01T00:00:00Z","generatorURL":"","fingerprint":"0123456789abcdef"}]})";

TEST_F(SimulatorsTest, WebhookAcceptsOnlyWholeDocuments) {
  EXPECT_EQ(post("webhook", kWebhookPath, kGoodWebhook)->status, 200);
  const std::pair<const char*, json> wrongs[] = {{"/version", 4},
                                                 {"/status", "resolved"},
                                                 {"/alerts", json::array()},
                                                 {"/alerts/0/fingerprint", "12"},
                                                 {"/alerts/0/startsAt", "yesterday"},
                                                 {"/groupLabels", json::array()},
                                                 {"/commonLabels/x", 1},
                                                 {"/receiver", ""}};
  for (const auto& [place, value] : wrongs) {
    json document = json::parse(kGoodWebhook);
    document[json::json_pointer(place)] = value;
    EXPECT_EQ(post("webhook", kWebhookPath, document.dump())->status, 400) << place;
  }
  EXPECT_EQ(post("webhook", kWebhookPath, kGoodWebhook, "text/plain")->status, 400);
  const json inbox = json::parse(get("control", "/received?receiver=webhook")->body)["received"];
  EXPECT_EQ(inbox.size(), 2 + std::size(wrongs));
  EXPECT_EQ(inbox[0]["accepted"], true);
  EXPECT_EQ(inbox[0]["body"]["receiver"], "ops");
  EXPECT_EQ(inbox[1]["accepted"], false);
  EXPECT_EQ(client("control").Delete("/received")->status, 200);
  EXPECT_TRUE(json::parse(get("control", "/received")->body)["received"].empty());
}

TEST_F(SimulatorsTest, DiscordHoldsItsLimits) {
  const std::string path = kDiscordWebhookPath;
  const auto embed = [](const std::string& key, const json& value) {
    return json{{"embeds", json::array({{{key, value}}})}};
  };
  const std::string thousand(1000, 'x');
  const json fields26(26, {{"name", "n"}, {"value", "v"}});
  const json big = {{"description", std::string(3001, 'x')}};
  const std::pair<json, int> cases[] = {
      {{{"content", "hello"}}, 204},
      {{{"content", std::string(2000, 'x')}}, 204},
      {{{"content", std::string(2001, 'x')}}, 400},
      {{{"content", ""}}, 400},
      {{{"content", 7}}, 400},
      {json::array(), 400},
      {embed("title", std::string(256, 'x')), 204},
      {embed("title", std::string(257, 'x')), 400},
      {embed("description", std::string(4097, 'x')), 400},
      {embed("fields", fields26), 400},
      {embed("fields", json::array({{{"name", "n"}, {"value", ""}}})), 400},
      {{{"embeds", json(11, {{"title", "t"}})}}, 400},
      {{{"embeds", json::array({big, big})}}, 400},
      {{{"embeds", json::array({{{"title", "t"}, {"color", 0x1000000}}})}}, 400},
      {{{"content", "x"}, {"allowed_mentions", {{"parse", json::array({"all"})}}}}, 400},
      {{{"content", "x"}, {"username", std::string(81, 'x')}}, 400},
  };
  for (const auto& [body, status] : cases)
    EXPECT_EQ(post("discord", path, body.dump())->status, status) << body.dump().substr(0, 80);
  // Code points count, not bytes.
  std::string wide;
  for (int i = 0; i < 2000; ++i) wide += "ü";
  EXPECT_EQ(post("discord", path, json{{"content", wide}}.dump())->status, 204);
  EXPECT_EQ(post("discord", path + "?wait=true", R"({"content":"x"})")->status, 200);
  EXPECT_EQ(post("discord", "/api/webhooks/1/abc", R"({"content":"x"})")->status, 404);
  EXPECT_EQ(post("discord", "/api/webhooks/112233445566778899/wrong", R"({"content":"x"})")->status, 401);
  EXPECT_EQ(post("discord", path, "{")->status, 400);
  fault("discord/ratelimit");
  const auto limited = post("discord", path, R"({"content":"x"})");
  EXPECT_EQ(limited->status, 429);
  EXPECT_EQ(limited->get_header_value("Retry-After"), "1");
  EXPECT_TRUE(json::parse(limited->body)["retry_after"].is_number_float());
}

TEST_F(SimulatorsTest, PagerdutyHoldsItsLimits) {
  const json good = {{"routing_key", std::string(32, 'a')},
                     {"event_action", "trigger"},
                     {"dedup_key", "k"},
                     {"payload", {{"summary", "s"}, {"source", "w"}, {"severity", "critical"}}}};
  EXPECT_EQ(post("pagerduty", kPagerdutyPath, good.dump())->status, 202);
  const std::pair<const char*, json> wrongs[] = {
      {"/routing_key", "short"}, {"/event_action", "fire"},     {"/dedup_key", std::string(256, 'k')},
      {"/payload", nullptr},     {"/payload/severity", "page"}, {"/payload/summary", std::string(1025, 's')},
      {"/payload/source", ""},   {"/links", {{{"href", "x"}}}}};
  for (const auto& [place, value] : wrongs) {
    json event = good;
    event[json::json_pointer(place)] = value;
    EXPECT_EQ(post("pagerduty", kPagerdutyPath, event.dump())->status, 400) << place;
  }
  json resolve = good;
  resolve.erase("payload");
  resolve["event_action"] = "resolve";
  EXPECT_EQ(post("pagerduty", kPagerdutyPath, resolve.dump())->status, 202);
  resolve.erase("dedup_key");
  EXPECT_EQ(post("pagerduty", kPagerdutyPath, resolve.dump())->status, 400);
  json large = good;
  large["payload"]["custom_details"] = {{"text", std::string(513 << 10, 'x')}};
  EXPECT_EQ(post("pagerduty", kPagerdutyPath, large.dump())->status, 413);
  fault("pagerduty/down");
  EXPECT_EQ(post("pagerduty", kPagerdutyPath, good.dump())->status, 503);
}

TEST_F(SimulatorsTest, SignersAndBuildersAreOnlyEverRead) {
  EXPECT_EQ(get("web3signer", "/upcheck")->body, "OK");
  const auto check = [this](const std::string& id) {
    const json health = json::parse(get("web3signer", "/healthcheck")->body);
    for (const auto& each : health["checks"]) {
      if (each["id"] == id) return each["status"].get<std::string>();
    }
    return std::string("absent");
  };
  EXPECT_EQ(check("slashing-protection-db-health-check"), "UP");
  EXPECT_EQ(json::parse(get("web3signer", "/api/v1/eth2/highWatermark")->body), json::object());
  EXPECT_EQ(json::parse(get("web3signer", "/api/v1/eth2/publicKeys")->body).size(), 2U);
  fault("web3signer/db-down");
  EXPECT_EQ(get("web3signer", "/healthcheck")->status, 503);
  EXPECT_EQ(check("slashing-protection-db-health-check"), "DOWN");
  fault("web3signer/unprotected");
  EXPECT_EQ(check("slashing-protection-db-health-check"), "absent");
  fault("web3signer/fenced");
  EXPECT_TRUE(json::parse(get("web3signer", "/api/v1/eth2/highWatermark")->body)["slot"].is_string());
  fault("web3signer/old");
  EXPECT_EQ(get("web3signer", "/healthcheck")->status, 404);
  EXPECT_EQ(post("web3signer", "/api/v1/eth2/sign/0x12", "{}")->status, 418);
  EXPECT_EQ(get("mevboost", "/eth/v1/builder/status")->status, 200);
  fault("mevboost/no-relay");
  EXPECT_EQ(get("mevboost", "/eth/v1/builder/status")->status, 503);
  EXPECT_EQ(post("mevboost", "/eth/v1/builder/validators", "[]")->status, 418);
}

TEST(CloudHostsTest, AwsRefusesWhatIsNotSignedAndAHostThatDiesTakesItsPortDown) {
  const SteppedClock clock;
  Simulation::Options options;
  options.aws_hosts = 1;
  const Simulation simulation(clock, options);
  const auto ask = [&](const char* port, const char* action) {
    return httplib::Client("127.0.0.1", simulation.ports().at(port))
        .Post("/", std::string("Action=") + action, "application/x-www-form-urlencoded");
  };
  const auto ec2 = ask("aws_ec2", "DescribeInstances");
  EXPECT_EQ(ec2->status, 400);
  EXPECT_THAT(ec2->body, HasSubstr("<Errors><Error><Code>MissingParameter</Code>"));
  const auto group = ask("aws_autoscaling", "DescribeAutoScalingGroups");
  EXPECT_EQ(group->status, 403);
  EXPECT_THAT(group->body, HasSubstr("<Code>MissingAuthenticationToken</Code>"));

  httplib::Client control("127.0.0.1", simulation.ports().at("control"));
  const json aws = json::parse(control.Get("/aws")->body);
  EXPECT_EQ(aws["violations"].size(), 2U);
  EXPECT_TRUE(aws["calls"].empty());
  const std::string host = "i-00000000000000001";
  httplib::Client client(aws["instances"][host].value("address", "").c_str(), simulation.ports().at("aws_hosts"));
  EXPECT_THAT(client.Get("/metrics")->body, HasSubstr("chain_head_block "));
  ASSERT_EQ(control.Post(("/fault/" + host + "/gone").c_str(), "", "text/plain")->status, 200);
  EXPECT_FALSE(client.Get("/metrics"));
  ASSERT_EQ(control.Delete(("/fault/" + host + "/gone").c_str())->status, 200);
  EXPECT_TRUE(client.Get("/metrics"));
}

}  // namespace
}  // namespace simulators

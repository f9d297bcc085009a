// SPDX-License-Identifier: Apache-2.0
#include "collector/discovery/dns_discovery.h"

#include <filesystem>
#include <optional>

#include "test/support/background_process.h"
#include "test/unit/collector/discovery/discovery_world.h"

namespace collector::discovery {
namespace {

// Against Debian's dnsmasq on a port of its own, which knows the domain example.test and refuses all others.
class DnsDiscoveryTest : public DiscoveryTest {
 protected:
  DnsDiscoveryTest() {
    options.resolver_file = (folder / "resolv.conf").string();
    options.port = static_cast<std::uint16_t>(test_support::free_port());
    options.timeout = std::chrono::milliseconds(500);
    resolver("nameserver 127.0.0.1\nsearch nowhere.test example.test\noptions ndots:2\n");
  }

  void resolver(const std::string& text) { test_support::write_file(folder / "resolv.conf", text); }

  void serve(const std::vector<std::string>& more = {}) {
    std::vector<std::string> argv = {
        "dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--port=" + std::to_string(options.port),
        "--listen-address=127.0.0.1", "--bind-interfaces", "--no-resolv", "--no-hosts", "--user=root",
        "--pid-file=", "--local=/example.test/", "--local=/nowhere.test/", "--local=/svc/", "--local=/gone/",
        "--srv-host=_metrics._tcp.example.test,node1.example.test,9100,1",
        "--srv-host=_metrics._tcp.example.test,node2.example.test,9101,2",
        "--host-record=node1.example.test,192.0.2.1,2001:db8::1", "--host-record=node2.example.test,192.0.2.2",
        "--cname=alias.example.test,node1.example.test", "--mx-host=example.test,mail.example.test,10",
        // NS records have no option of their own: type 2, ns1.example.test.
        "--dns-rr=example.test,2,036e7331076578616d706c65047465737400"};
    argv.insert(argv.end(), more.begin(), more.end());
    server.emplace(argv, folder / "dnsmasq.log");
    ASSERT_TRUE(test_support::eventually(std::chrono::seconds(10), [this] {
      return server->log_text().find("started") != std::string::npos;
    })) << server->log_text();
  }

  void start(const std::string& yaml, const std::string& interval = "100ms") {
    dns = core::net::make_dns_client(loop, options);
    with_dns.emplace(Context{clock, loop, *http, *dns, *folders, context.environment});
    discovery =
        make_dns_discovery(must_read<DnsConfig>("{" + yaml + ", refresh_interval: " + interval + "}"), *with_dns, sink);
  }

  std::filesystem::path folder = test_support::fresh_folder(
      std::string("dns_sd_") + testing::UnitTest::GetInstance()->current_test_info()->name());
  core::net::DnsClientOptions options;
  std::optional<test_support::BackgroundProcess> server;
  std::optional<Context> with_dns;
  std::unique_ptr<Discovery> discovery;
};

TEST_F(DnsDiscoveryTest, ServiceRecordsBringTheirPorts) {
  serve();
  start("names: [_metrics._tcp.example.test]");
  run_until([&] { return sink.groups.size() == 1 && sink.groups.begin()->second.targets.size() == 2; });
  EXPECT_EQ(sink.groups.begin()->first, "_metrics._tcp.example.test");
  EXPECT_NE(sink.addresses().find("node1.example.test:9100"), std::string::npos) << sink.addresses();
  EXPECT_NE(sink.addresses().find("node2.example.test:9101"), std::string::npos) << sink.addresses();
  const std::size_t first = sink.label("__address__") == "node1.example.test:9100" ? 0 : 1;
  EXPECT_EQ(sink.label("__meta_dns_name", first), "_metrics._tcp.example.test");
  EXPECT_EQ(sink.label("__meta_dns_srv_record_target", first), "node1.example.test.");
  EXPECT_EQ(sink.label("__meta_dns_srv_record_port", first), "9100");
}

TEST_F(DnsDiscoveryTest, EveryTypeHasItsAddressAndLabels) {
  serve();
  const struct {
    const char* yaml;
    const char* address;
    const char* label;
    const char* value;
  } cases[] = {
      {"names: [node1.example.test], type: A, port: 9100", "192.0.2.1:9100", "__meta_dns_name", "node1.example.test"},
      {"names: [node1.example.test.], type: aaaa, port: 9100", "[2001:db8::1]:9100", "__meta_dns_name",
       "node1.example.test."},
      // The address behind an alias, and not the alias.
      {"names: [alias.example.test], type: A, port: 1", "192.0.2.1:1", "__meta_dns_name", "alias.example.test"},
      {"names: [example.test], type: MX, port: 25", "mail.example.test:25", "__meta_dns_mx_record_target",
       "mail.example.test."},
      {"names: [example.test], type: NS, port: 53", "ns1.example.test:53", "__meta_dns_ns_record_target",
       "ns1.example.test."},
      // Fewer dots than ndots: the search list first, where the first domain has no such name.
      {"names: [node2], type: A, port: 2", "192.0.2.2:2", "__meta_dns_name", "node2"},
  };
  for (const auto& each : cases) {
    sink.groups.clear();
    start(each.yaml);
    run_until([&] { return !sink.groups.empty(); });
    EXPECT_EQ(sink.addresses(), each.address) << each.yaml;
    EXPECT_EQ(sink.label(each.label), each.value) << each.yaml;
  }
  EXPECT_TRUE(sink.errors.empty()) << sink.errors[0];
}

TEST_F(DnsDiscoveryTest, AnAnswerTooLargeForADatagramComesOverTcp) {
  std::vector<std::string> many;
  for (int i = 0; i < 60; ++i) {
    many.push_back("--srv-host=_many._tcp.example.test,a-name-that-takes-some-room-" + std::to_string(i) +
                   ".example.test," + std::to_string(9000 + i));
  }
  serve(many);
  start("names: [_many._tcp.example.test]");
  run_until([&] { return !sink.groups.empty(); });
  EXPECT_EQ(sink.groups.begin()->second.targets.size(), 60U);
}

TEST_F(DnsDiscoveryTest, ANameThatIsNoMoreHasNoTargetsAndOneThatCannotBeToldKeepsThem) {
  serve();
  start("names: [node1.example.test, node2.example.test], type: A, port: 1");
  run_until([&] { return sink.groups.size() == 2; });
  // The server is away: nothing is known, and so nothing is taken back.
  server.reset();
  run_until([&] { return sink.errors.size() >= 2; });
  EXPECT_EQ(sink.groups.size(), 2U);
  EXPECT_EQ(
      sink.errors[0],
      "could not resolve \"node1.example.test\": all servers responded with errors to at least one search domain");
  // It comes back without the second node.
  server.emplace(
      std::vector<std::string>{"dnsmasq", "--no-daemon", "--conf-file=/dev/null",
                               "--port=" + std::to_string(options.port), "--listen-address=127.0.0.1",
                               "--bind-interfaces", "--no-resolv", "--no-hosts", "--user=root",
                               "--pid-file=", "--local=/test/", "--host-record=node1.example.test,192.0.2.9"},
      folder / "dnsmasq2.log");
  run_until([&] { return sink.addresses() == "192.0.2.9:1"; });
}

TEST_F(DnsDiscoveryTest, AServerThatRefusesIsPassedOver) {
  serve();
  // 127.0.0.2 has nobody who listens; the resolver's file is read again for every look-up.
  resolver("nameserver 127.0.0.2\n");
  start("names: [node1.example.test], type: A, port: 1");
  run_until([&] { return !sink.errors.empty(); });
  resolver("nameserver 127.0.0.2\nnameserver 127.0.0.1\n");
  run_until([&] { return sink.addresses() == "192.0.2.1:1"; });
}

TEST_F(DnsDiscoveryTest, MistakesAreNamed) {
  const std::pair<const char*, const char*> cases[] = {
      {"{}", "DNS-SD config must contain at least one SRV record name"},
      {"{names: [a], type: A}", "a port is required in DNS-SD configs for all record types except SRV"},
      {"{names: [a], type: TXT, port: 1}", "invalid DNS-SD records type TXT"},
      {"{names: [a], port: 65536}", "65535"},
  };
  for (const auto& [yaml, error] : cases) {
    const auto config = read<DnsConfig>(yaml);
    ASSERT_FALSE(config) << yaml;
    EXPECT_NE(config.error().message.find(error), std::string::npos) << config.error().message;
  }
}

}  // namespace
}  // namespace collector::discovery

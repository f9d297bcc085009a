// SPDX-License-Identifier: Apache-2.0
// dns and ntp against strict fakes, dns and the resolver against a real dnsmasq, ntp against a real chrony, icmp
// against the kernel.
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "collector/probe/dns_message.h"
#include "collector/probe/ntp_message.h"
#include "core/task.h"
#include "loopback_servers.h"
#include "probe_fixture.h"
#include "test/support/background_process.h"
#include "test/unit/core/net/raw_server.h"

namespace collector::probe {
namespace {

namespace fs = std::filesystem;
using test_support::BackgroundProcess;

class DatagramProbersTest : public ProbeTest {
 protected:
  // A dnsmasq that knows a few names and nobody to ask.
  std::string start_dnsmasq() {
    const fs::path folder = test_support::fresh_folder("probe-dnsmasq");
    dns_port_ = test_support::free_port();
    dnsmasq_ = std::make_unique<BackgroundProcess>(
        std::vector<std::string>{"dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
                                 "--listen-address=127.0.0.1", "--bind-interfaces", "--user=root",
                                 "--pid-file=", "--port=" + std::to_string(dns_port_), "--local=/test/",
                                 "--auth-ttl=60", "--host-record=both.test,192.0.2.1,2001:db8::1",
                                 "--host-record=four.test,192.0.2.4", "--cname=alias.test,four.test",
                                 "--txt-record=text.test,hello world", "--mx-host=mail.test,four.test,10"},
        folder / "log");
    const std::string target = "127.0.0.1:" + std::to_string(dns_port_);
    EXPECT_TRUE(test_support::eventually(std::chrono::seconds(10), [&] {
      return probe("{prober: dns, dns: {query_name: four.test, query_type: A}}", target)->verdict() == Verdict::kUp;
    })) << dnsmasq_->log_text();
    return target;
  }

  Outcome<std::vector<Address>> lookup(Resolver& resolver, const std::string& name, Families families,
                                       core::Duration limit = std::chrono::seconds(5)) {
    std::optional<Outcome<std::vector<Address>>> found;
    core::RootTask task = look_up(resolver, name, families, clock_.steady_now() + limit, found);
    loop_.post([&] { task.start(); });
    loop_.run();
    return *found;
  }
  core::RootTask look_up(Resolver& resolver, std::string name, Families families, core::SteadyTime deadline,
                         std::optional<Outcome<std::vector<Address>>>& found) {
    auto result = co_await resolver.lookup(std::move(name), families, deadline);
    found = std::move(result);
    loop_.stop();
  }

  int dns_port_ = 0;
  std::unique_ptr<BackgroundProcess> dnsmasq_;
};

TEST_F(DatagramProbersTest, DnsAnswersAreJudged) {
  const std::string target = start_dnsmasq();
  for (const std::string transport : {"udp", "tcp"}) {
    const auto ask = [&](const std::string& more) {
      return probe("{prober: dns, dns: {transport_protocol: " + transport + ", " + more + "}}", target);
    };
    auto result = ask("query_name: alias.test, query_type: A");
    EXPECT_EQ(reason(result), "none") << debug_text(*result);
    EXPECT_EQ(value(result, "probe_dns_answer_rrs"), 2);
    EXPECT_EQ(value(result, "probe_dns_query_succeeded"), 1);
    EXPECT_GT(value(result, "probe_dns_duration_seconds", "request"), 0);
    result = ask("query_name: none.test, query_type: A");
    EXPECT_EQ(reason(result), "dns_rcode");
    EXPECT_EQ(value(result, "probe_dns_query_succeeded"), 1);
    EXPECT_EQ(reason(ask("query_name: none.test, query_type: A, valid_rcodes: [NXDOMAIN]")), "none");
    EXPECT_EQ(reason(ask("query_name: none.test, query_type: A, valid_rcodes: [NOPE]")), "bad_target");
    EXPECT_EQ(reason(ask("query_name: other.example, query_type: A, valid_rcodes: [REFUSED]")), "none");
    const std::string text = "query_name: text.test, query_type: TXT, validate_answer_rrs: ";
    EXPECT_EQ(reason(ask(text + "{fail_if_not_matches_regexp: ['\"hello world\"']}")), "none");
    EXPECT_EQ(reason(ask(text + "{fail_if_matches_regexp: ['hello']}")), "dns_records");
    EXPECT_EQ(reason(ask(text + "{fail_if_none_matches_regexp: ['a{3}', 'b{3}']}")), "dns_records");
    const std::string mixed = "query_name: alias.test, query_type: A, validate_answer_rrs: ";
    EXPECT_EQ(reason(ask(mixed + "{fail_if_all_match_regexp: ['CNAME']}")), "dns_records") << "not all match";
    EXPECT_EQ(reason(ask(mixed + "{fail_if_all_match_regexp: ['test']}")), "none") << "all match";
    EXPECT_EQ(reason(ask("query_name: none.test, query_type: A, valid_rcodes: [NXDOMAIN], validate_answer_rrs: "
                         "{fail_if_not_matches_regexp: ['x']}")),
              "dns_records")
        << "an empty section";
  }
  EXPECT_EQ(reason(probe("{prober: dns, dns: {query_name: a, transport_protocol: sctp}}", target)), "bad_target");
  EXPECT_EQ(reason(probe("{prober: dns, dns: {query_name: a, dns_over_tls: true}}", target)), "bad_target");
}

TEST_F(DatagramProbersTest, DnsServersThatMisbehave) {
  const std::string module = "{prober: dns, dns: {query_name: node.test, query_type: A}}";
  const auto refused = probe(module, "127.0.0.1:" + std::to_string(closed_port()));
  EXPECT_EQ(reason(refused), "refused");
  EXPECT_GT(value(refused, "probe_dns_duration_seconds", "connect"), 0);
  EXPECT_GT(value(refused, "probe_dns_duration_seconds", "request"), 0);
  const DatagramServer silent([](const std::string&) { return std::vector<std::string>{}; });
  EXPECT_EQ(reason(probe(module, silent.target(), std::chrono::milliseconds(200))), "timeout");
  // Other ids, and garbage of its own id after it.
  const DatagramServer liar([](const std::string& request) {
    std::string other = request;
    other[0] = static_cast<char>(other[0] + 1);
    return std::vector<std::string>{other, request.substr(0, 2) + "x"};
  });
  EXPECT_EQ(reason(probe(module, liar.target())), "protocol");
  const DatagramServer foreign([](const std::string& request) {
    std::string other = request;
    other[0] = static_cast<char>(other[0] + 1);
    return std::vector<std::string>(3, other);
  });
  EXPECT_EQ(reason(probe(module, foreign.target(), std::chrono::milliseconds(200))), "timeout");
  const DatagramServer echo([](const std::string& request) { return std::vector<std::string>{request}; });
  EXPECT_EQ(reason(probe(module, echo.target(), std::chrono::milliseconds(200))), "protocol");
  const std::string over_tcp = "{prober: dns, dns: {query_name: node.test, query_type: A, transport_protocol: tcp}}";
  const core::net::RawServer cutting(
      [](core::net::RawServer::Peer& peer) { peer.write(std::string("\0\x20half", 6)); });
  EXPECT_THAT(reason(probe(over_tcp, "127.0.0.1:" + std::to_string(cutting.port()))),
              testing::AnyOf("closed", "reset"));  // it closes before it has read the question
}

TEST_F(DatagramProbersTest, TheResolverTellsNoSuchNameFromNobodyToAsk) {
  start_dnsmasq();
  const fs::path folder = test_support::fresh_folder("probe-resolver");
  const std::string hosts = (folder / "hosts").string();
  const std::string configuration = (folder / "resolv.conf").string();
  test_support::write_file(hosts, "192.0.2.9 Listed.Test other # comment\n2001:db8::9 listed.test\n");
  test_support::write_file(configuration, "nameserver 127.0.0.1\nsearch test\noptions timeout:1 attempts:1\n");
  Resolver resolver(loop_, clock_, {configuration, hosts, static_cast<std::uint16_t>(dns_port_)});
  const auto texts = [](const Outcome<std::vector<Address>>& found) {
    std::vector<std::string> all;
    for (const Address& each : found.value()) all.push_back(each.to_string());
    return all;
  };
  EXPECT_THAT(texts(lookup(resolver, "listed.test", Families::kBoth)),
              testing::UnorderedElementsAre("192.0.2.9", "2001:db8::9"));
  EXPECT_THAT(texts(lookup(resolver, "LISTED.test.", Families::kV6)), testing::ElementsAre("2001:db8::9"));
  EXPECT_THAT(texts(lookup(resolver, "localhost", Families::kV4)), testing::ElementsAre("127.0.0.1"));
  EXPECT_THAT(texts(lookup(resolver, "both.test", Families::kBoth)),
              testing::UnorderedElementsAre("192.0.2.1", "2001:db8::1"));
  EXPECT_THAT(texts(lookup(resolver, "both", Families::kV4)), testing::ElementsAre("192.0.2.1")) << "searched";
  EXPECT_THAT(texts(lookup(resolver, "alias.test", Families::kBoth)), testing::ElementsAre("192.0.2.4"));
  EXPECT_THAT(texts(lookup(resolver, "four.test", Families::kV6)), testing::IsEmpty())
      << "the name has no such address";
  EXPECT_EQ(lookup(resolver, "none.test", Families::kBoth).error().reason, Reason::kDnsNotFound);

  // A name server that refuses, is not there, or says nothing: nobody can say.
  EXPECT_EQ(lookup(resolver, "other.example.", Families::kBoth).error().reason, Reason::kResolver);
  Resolver closed(loop_, clock_, {configuration, hosts, static_cast<std::uint16_t>(closed_port())});
  EXPECT_EQ(lookup(closed, "both.test", Families::kBoth).error().reason, Reason::kResolver);
  const DatagramServer silent([](const std::string&) { return std::vector<std::string>{}; });
  Resolver unheard(loop_, clock_, {configuration, hosts, static_cast<std::uint16_t>(silent.port())});
  EXPECT_EQ(lookup(unheard, "both.test", Families::kBoth, std::chrono::milliseconds(200)).error().reason,
            Reason::kResolver);
}

TEST_F(DatagramProbersTest, AnUnknownNameIsDownAndAMuteResolverUnknown) {
  start_dnsmasq();
  const fs::path folder = test_support::fresh_folder("probe-names");
  test_support::write_file(folder / "resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n");
  const auto ask = [&](int port, const std::string& target) {
    ProbeRunnerOptions options;
    options.resolver = {(folder / "resolv.conf").string(), "/dev/null", static_cast<std::uint16_t>(port)};
    ProbeRunner runner(loop_, clock_, options);
    ProbeQuery query;
    query.module = "http_2xx";
    query.target = target;
    query.timeout = std::chrono::seconds(3);
    ProbeResultPtr result;
    runner.run(std::move(query), [&](ProbeResultPtr ended) {
      result = std::move(ended);
      loop_.stop();
    });
    loop_.run();
    return result;
  };
  auto result = ask(dns_port_, "http://none.test/");
  EXPECT_EQ(reason(result), "dns_not_found");
  EXPECT_EQ(result->verdict(), Verdict::kDown);
  EXPECT_EQ(value(result, "probe_ip_protocol"), 0);
  EXPECT_TRUE(std::isnan(value(result, "probe_http_duration_seconds", "connect"))) << "only resolve";
  result = ask(closed_port(), "http://both.test/");
  EXPECT_EQ(reason(result), "resolver");
  EXPECT_EQ(result->verdict(), Verdict::kUnknown);
}

// A reply of a time server, to be spoilt.
std::string time_reply(const std::string& request) {
  std::string reply(48, '\0');
  reply[0] = 0x24;
  reply[1] = 2;
  reply.replace(12, 3, "GPS");
  reply.replace(24, 8, request.substr(40, 8));
  return reply;
}

void put_time(std::string& reply, std::size_t at, std::uint64_t seconds) {
  for (std::size_t i = 0; i < 4; ++i) reply[at + i] = static_cast<char>(seconds >> (8 * (3 - i)) & 0xff);
}

TEST_F(DatagramProbersTest, NtpServersThatMisbehave) {
  constexpr std::uint64_t kEpoch = 2'208'988'800;
  const auto ahead = [this](const std::string& request) {
    std::string reply = time_reply(request);
    const auto now = static_cast<std::uint64_t>(clock_.unix_ms() / 1000) + kEpoch;
    put_time(reply, 32, now + 100);
    put_time(reply, 40, now + 100);
    return reply;
  };
  const std::string module = "{prober: ntp, ntp: {max_offset: 1s}}";
  const DatagramServer wrong([&](const std::string& request) { return std::vector<std::string>{ahead(request)}; });
  auto result = probe(module, wrong.target());
  EXPECT_EQ(reason(result), "ntp_offset");
  EXPECT_NEAR(value(result, "probe_ntp_offset_seconds"), 99.5, 1);
  EXPECT_EQ(value(result, "probe_ntp_stratum"), 2);
  EXPECT_EQ(reason(probe("{prober: ntp}", wrong.target())), "none") << "an offset alone is no failure";
  EXPECT_EQ(reason(probe("{prober: ntp, ntp: {max_stratum: 1}}", wrong.target())), "ntp_offset");

  const auto spoilt = [&](const std::function<void(std::string&)>& spoil,
                          core::Duration limit = std::chrono::seconds(5)) {
    const DatagramServer server([&](const std::string& request) {
      std::string reply = ahead(request);
      spoil(reply);
      return std::vector<std::string>{reply};
    });
    return reason(probe(module, server.target(), limit));
  };
  constexpr auto kShort = std::chrono::milliseconds(200);
  EXPECT_EQ(spoilt([](std::string& reply) { reply[0] = static_cast<char>(0xe4); }), "ntp_unsynchronised");
  EXPECT_EQ(spoilt([](std::string& reply) { reply[1] = 16; }), "ntp_unsynchronised");
  EXPECT_EQ(spoilt([](std::string& reply) { reply[1] = 0; }), "ntp_refused");
  EXPECT_EQ(spoilt([](std::string& reply) { reply[24] = static_cast<char>(reply[24] + 1); }, kShort), "protocol");
  EXPECT_EQ(spoilt([](std::string& reply) { reply.resize(20); }, kShort), "protocol");
  EXPECT_EQ(reason(probe(module, "127.0.0.1:" + std::to_string(closed_port()))), "refused");
}

TEST_F(DatagramProbersTest, NtpAsksARealChrony) {
  const fs::path folder = test_support::fresh_folder("probe-chrony");
  const int port = test_support::free_port();
  test_support::write_file(folder / "chrony.conf",
                           "port " + std::to_string(port) +
                               "\nbindaddress 127.0.0.1\nallow 127.0.0.1\nlocal stratum 7\ncmdport 0\n"
                               "pidfile " +
                               (folder / "pid").string() + "\nbindcmdaddress /\n");
  BackgroundProcess chrony({"chronyd", "-x", "-d", "-f", (folder / "chrony.conf").string()}, folder / "log");
  const std::string target = "127.0.0.1:" + std::to_string(port);
  ProbeResultPtr result;
  EXPECT_TRUE(test_support::eventually(std::chrono::seconds(15),
                                       [&] {
                                         result = probe("{prober: ntp, ntp: {max_offset: 1s}}", target,
                                                        std::chrono::seconds(1));
                                         return result->verdict() == Verdict::kUp;
                                       }))
      << chrony.log_text() << debug_text(*result);
  EXPECT_EQ(value(result, "probe_ntp_stratum"), 7);
  EXPECT_NEAR(value(result, "probe_ntp_offset_seconds"), 0, 0.1) << "it is this host's own clock";
}

// Whether the kernel permits either kind of socket, found out without the prober.
bool may_send_icmp() {
  for (const int type : {SOCK_DGRAM, SOCK_RAW}) {
    const int made = ::socket(AF_INET, type | SOCK_CLOEXEC, IPPROTO_ICMP);
    if (made < 0) continue;
    ::close(made);
    return true;
  }
  return false;
}

TEST_F(DatagramProbersTest, IcmpEchoesOnLoopback) {
  const bool permitted = may_send_icmp();
  for (const std::string more : {"", ", icmp: {payload_size: 1000, dont_fragment: true, ttl: 5}"}) {
    const auto result = probe("{prober: icmp" + more + "}", "127.0.0.1", std::chrono::seconds(2));
    if (!permitted) {
      EXPECT_EQ(reason(result), "forbidden") << debug_text(*result);
      continue;
    }
    EXPECT_EQ(reason(result), "none") << debug_text(*result);
    EXPECT_GT(value(result, "probe_icmp_duration_seconds", "rtt"), 0);
    EXPECT_EQ(value(result, "probe_icmp_reply_hop_limit"), 64);
  }
  const auto nobody = probe("{prober: icmp, icmp: {ip_protocol_fallback: false}}", "127.0.0.1");
  EXPECT_EQ(reason(nobody), "dns_no_address");
  EXPECT_EQ(value(nobody, "probe_icmp_duration_seconds", "rtt"), 0);
  EXPECT_TRUE(absent(nobody, "probe_icmp_reply_hop_limit"));
}

}  // namespace
}  // namespace collector::probe

// SPDX-License-Identifier: Apache-2.0
// The http prober against servers that behave exactly as told: verdicts, reasons and metrics.
#include "loopback_servers.h"
#include "probe_fixture.h"
#include "test/unit/core/net/raw_server.h"

namespace collector::probe {
namespace {

using core::net::RawServer;
using testing::HasSubstr;

std::string ok(const std::string& body, const std::string& headers = "") {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + headers + "\r\n" + body;
}

// Answers a path with a text; what it was sent is kept for the test.
class HttpProberTest : public ProbeTest {
 protected:
  std::string url(const RawServer& server, const std::string& path = "/") { return server.url(path); }

  static RawServer::Peer* none;
};

RawServer answering(const std::string& answer) {
  return RawServer([answer](RawServer::Peer& peer) {
    peer.read_request();
    peer.write(answer);
  });
}

TEST_F(HttpProberTest, APassHasEveryMetric) {
  const RawServer server = answering(ok("hello, world!\n", "Last-Modified: Wed, 21 Oct 2015 07:28:00 GMT\r\n"));
  const auto result = probe("{prober: http}", server.url("/x"));
  EXPECT_EQ(reason(result), "none");
  EXPECT_EQ(value(result, "probe_http_status_code"), 200);
  EXPECT_EQ(value(result, "probe_http_content_length"), 14);
  EXPECT_EQ(value(result, "probe_http_uncompressed_body_length"), 14);
  EXPECT_EQ(value(result, "probe_http_redirects"), 0);
  EXPECT_EQ(value(result, "probe_http_ssl"), 0);
  EXPECT_EQ(value(result, "probe_http_version"), 1.1);
  EXPECT_EQ(value(result, "probe_http_last_modified_timestamp_seconds"), 1445412480);
  EXPECT_EQ(value(result, "probe_failed_due_to_regex"), 0);
  EXPECT_EQ(value(result, "probe_ip_protocol"), 4);
  EXPECT_EQ(value(result, "probe_ip_addr_hash"), 3668918509);
  EXPECT_GT(value(result, "probe_http_duration_seconds", "connect"), 0);
  EXPECT_GT(value(result, "probe_http_duration_seconds", "processing"), 0);
  EXPECT_EQ(value(result, "probe_http_duration_seconds", "tls"), 0);
  EXPECT_TRUE(absent(result, "probe_ssl_earliest_cert_expiry"));
}

TEST_F(HttpProberTest, LargeBodiesAreJudgedAsTheSmallOnes) {
  const std::string filling(1 << 20, 'x');
  const std::string json = R"({"peers": 3, "filling": ")" + filling + R"("})";
  struct Case {
    std::string rule;
    std::string reason;
  };
  for (const Case& each :
       std::vector<Case>{{"fail_if_body_matches_regexp: ['peers']", "body_mismatch"},
                         {"fail_if_body_matches_regexp: ['nothing']", "none"},
                         {"fail_if_body_json_not_matches_cel: body.peers == 3", "none"},
                         {"fail_if_body_json_matches_cel: body.peers == 3", "body_mismatch"},
                         {"valid_status_codes: [500], fail_if_body_matches_regexp: ['nothing']", "http_status"}}) {
    const RawServer server = answering(ok(json));
    const auto result = probe("{prober: http, http: {" + each.rule + "}}", server.url("/"));
    EXPECT_EQ(reason(result), each.reason) << each.rule;
    EXPECT_EQ(value(result, "probe_http_uncompressed_body_length"), static_cast<double>(json.size()));
    EXPECT_EQ(value(result, "probe_http_status_code"), 200);
    EXPECT_EQ(result->report.evidence.status, 200);
  }
}

TEST_F(HttpProberTest, SendsWhatItIsTold) {
  std::string request;
  const RawServer server([&](RawServer::Peer& peer) {
    request = peer.read_request();
    peer.write(ok(""));
  });
  auto result = probe(
      "{prober: http, http: {method: PUT, headers: {Host: node.test, X-A: b}, basic_auth: {username: u, "
      "password: p}}}",
      server.url("/a/../b?q=1"));
  EXPECT_EQ(reason(result), "none");
  EXPECT_THAT(request, testing::StartsWith("PUT /a/../b?q=1 HTTP/1.1\r\n"));
  EXPECT_THAT(request, HasSubstr("\r\nHost: node.test\r\n"));
  EXPECT_THAT(request, HasSubstr("\r\nX-A: b\r\n"));
  EXPECT_THAT(request, HasSubstr("\r\nAuthorization: Basic dTpw\r\n"));
  EXPECT_THAT(request, HasSubstr("\r\nConnection: close\r\n"));
  EXPECT_THAT(request, HasSubstr("\r\nUser-Agent: Watchkeeper\r\n"));
  EXPECT_THAT(request, testing::Not(HasSubstr("Accept")));
  result = probe("{prober: http}", server.url(), std::chrono::seconds(5), "other.test");
  EXPECT_THAT(request, HasSubstr("\r\nHost: other.test\r\n"));
  // Without a scheme.
  result = probe("{prober: http}", "127.0.0.1:" + std::to_string(server.port()));
  EXPECT_EQ(reason(result), "none");
}

TEST_F(HttpProberTest, FollowsRedirectsAndCountsThem) {
  std::vector<std::string> requests;
  const RawServer server([&](RawServer::Peer& peer) {
    requests.push_back(peer.read_request());
    const bool first = requests.back().find(" /old ") != std::string::npos;
    // The body of a redirect is announced and never comes: it must not be waited for.
    peer.write(first ? "HTTP/1.1 302 Found\r\nLocation: new?x=1\r\nSet-Cookie: k=v\r\nContent-Length: 1000\r\n\r\n"
                     : ok("there"));
  });
  auto result =
      probe("{prober: http, http: {method: POST, body: abc, headers: {Authorization: secret}}}", server.url("/old"));
  EXPECT_EQ(reason(result), "none");
  EXPECT_EQ(value(result, "probe_http_redirects"), 1);
  EXPECT_EQ(value(result, "probe_http_uncompressed_body_length"), 5);
  ASSERT_EQ(requests.size(), 2U);
  EXPECT_THAT(requests[1], testing::StartsWith("GET /new?x=1 HTTP/1.1\r\n"));
  EXPECT_THAT(requests[1], HasSubstr("Cookie: k=v\r\n"));
  EXPECT_THAT(requests[1], HasSubstr("Authorization: secret\r\n"));

  requests.clear();
  result = probe("{prober: http, http: {follow_redirects: false, valid_status_codes: [302]}}", server.url("/old"));
  EXPECT_EQ(reason(result), "none");
  EXPECT_EQ(value(result, "probe_http_redirects"), 1);
  EXPECT_EQ(value(result, "probe_http_uncompressed_body_length"), 0);
  EXPECT_EQ(value(result, "probe_http_content_length"), 1000);
  result = probe(
      "{prober: http, http: {no_follow_redirects: true, valid_status_codes: [302], "
      "fail_if_body_not_matches_regexp: [x]}}",
      server.url("/old"));
  EXPECT_EQ(reason(result), "body_mismatch");
  EXPECT_EQ(value(result, "probe_failed_due_to_regex"), 1);
}

TEST_F(HttpProberTest, AnEndlessRedirectEndsAfterTen) {
  const RawServer server = answering("HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n");
  const auto result = probe("{prober: http}", server.url());
  EXPECT_EQ(reason(result), "http_redirects");
  EXPECT_EQ(value(result, "probe_http_redirects"), 11);
  EXPECT_EQ(value(result, "probe_http_status_code"), 302);
  const RawServer lost = answering("HTTP/1.1 302 Found\r\nContent-Length: 2\r\n\r\nab");
  const auto without = probe("{prober: http}", lost.url());
  EXPECT_EQ(reason(without), "http_status");
  EXPECT_EQ(value(without, "probe_http_redirects"), 0);
}

struct BadAnswer {
  const char* name;
  std::string module;
  std::string answer;
  std::string reason;
  double status;
};

TEST_F(HttpProberTest, WhatIsWrongIsNamed) {
  const std::string gzip_of_nothing("\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0", 20);
  const BadAnswer cases[] = {
      {"status", "{prober: http}", "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", "http_status", 503},
      {"codes", "{prober: http, http: {valid_status_codes: [204]}}", ok("x"), "http_status", 200},
      {"version", "{prober: http, http: {valid_http_versions: [HTTP/2.0]}}", ok("x"), "http_version", 200},
      {"not ssl", "{prober: http, http: {fail_if_not_ssl: true}}", ok("x"), "http_not_ssl", 200},
      {"body", "{prober: http, http: {fail_if_body_matches_regexp: ['wo.ld']}}", ok("a world"), "body_mismatch", 200},
      {"body not", "{prober: http, http: {fail_if_body_not_matches_regexp: ['^b']}}", ok("a"), "body_mismatch", 200},
      {"header", "{prober: http, http: {fail_if_header_matches: [{header: x-a, regexp: b}]}}", ok("", "X-A: abc\r\n"),
       "header_mismatch", 200},
      {"header absent", "{prober: http, http: {fail_if_header_not_matches: [{header: X-A, regexp: b}]}}", ok(""),
       "header_mismatch", 200},
      {"limit", "{prober: http, http: {body_size_limit: 10B}}", ok("fourteen bytes"), "body_too_large", 200},
      {"no gzip", "{prober: http, http: {compression: gzip}}", ok("plain"), "http_encoding", 200},
      {"no coding", "{prober: http, http: {compression: zstd}}", ok("plain"), "http_encoding", 200},
      {"cut body", "{prober: http}", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this", "closed", 200},
      {"nothing", "{prober: http}", "", "closed", 0},
      {"no http", "{prober: http}", "220 ready\r\n", "protocol", 0},
      {"bad chunk", "{prober: http}", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "closed", 200},
      {"bad location", "{prober: http}", "HTTP/1.1 302 F\r\nLocation: http://[bad\r\n\r\n", "protocol", 0},
  };
  for (const BadAnswer& each : cases) {
    const RawServer server = answering(each.answer);
    const auto result = probe(each.module, server.url());
    EXPECT_EQ(reason(result), each.reason) << each.name << ": " << debug_text(*result);
    EXPECT_EQ(value(result, "probe_http_status_code"), each.status) << each.name;
  }
  const RawServer empty = answering(ok(gzip_of_nothing));
  const auto result = probe("{prober: http, http: {compression: gzip}}", empty.url());
  EXPECT_EQ(reason(result), "none");
  EXPECT_EQ(value(result, "probe_http_uncompressed_body_length"), 0);
  const RawServer limited = answering(ok("fourteen bytes"));
  EXPECT_EQ(value(probe("{prober: http, http: {body_size_limit: 10B}}", limited.url()),
                  "probe_http_uncompressed_body_length"),
            10);
}

TEST_F(HttpProberTest, RulesOfCelJudgeTheSameBodyAsPatterns) {
  const RawServer server = answering(ok(R"({"data": {"sync_distance": "1", "is_syncing": false}})"));
  const auto with = [&](const std::string& rules) {
    return probe("{prober: http, http: {" + rules + "}}", server.url());
  };
  const std::string synced = "fail_if_body_json_not_matches_cel: 'int(body.data.sync_distance) <= 2'";
  auto result = with(synced + ", fail_if_body_json_matches_cel: body.data.is_syncing");
  EXPECT_EQ(reason(result), "none");
  EXPECT_EQ(value(result, "probe_failed_due_to_cel"), 0);
  EXPECT_EQ(value(result, "probe_failed_due_to_regex"), 0);
  // blackbox_exporter has no body left for CEL after a pattern.
  EXPECT_EQ(reason(with(synced + ", fail_if_body_not_matches_regexp: [sync]")), "none");
  for (const char* const rule :
       {"fail_if_body_json_not_matches_cel: body.data.is_syncing",
        "fail_if_body_json_matches_cel: '!body.data.is_syncing'", "fail_if_body_json_matches_cel: body.none",
        "fail_if_body_json_not_matches_cel: body.none"}) {
    result = with(rule);
    EXPECT_EQ(reason(result), "body_mismatch") << rule;
    EXPECT_EQ(value(result, "probe_failed_due_to_cel"), 1) << rule;
    EXPECT_EQ(value(result, "probe_failed_due_to_regex"), 0) << rule;
  }
  EXPECT_THAT(result->report.failure().detail, HasSubstr("there is no field none"));
  result = with("fail_if_body_matches_regexp: [sync], " + synced);
  EXPECT_EQ(value(result, "probe_failed_due_to_regex"), 1);
  EXPECT_EQ(value(result, "probe_failed_due_to_cel"), 0) << "what failed before is not judged again";
  EXPECT_TRUE(absent(with("method: GET"), "probe_failed_due_to_cel"));
  const RawServer page = answering(ok("<html></html>"));
  result = probe("{prober: http, http: {" + synced + "}}", page.url());
  EXPECT_EQ(value(result, "probe_failed_due_to_cel"), 1);
  EXPECT_THAT(result->report.failure().detail, HasSubstr("not JSON"));
}

TEST_F(HttpProberTest, AnAllowedMissingHeaderPasses) {
  const RawServer server = answering(ok(""));
  EXPECT_EQ(reason(probe("{prober: http, http: {fail_if_header_not_matches: [{header: X-A, regexp: b, allow_missing: "
                         "true}]}}",
                         server.url())),
            "none");
}

TEST_F(HttpProberTest, WhoDoesNotAnswerIsTimedOut) {
  constexpr auto kLimit = std::chrono::milliseconds(300);
  const RawServer silent([](RawServer::Peer& peer) { peer.hang(); });
  auto result = probe("{prober: http}", silent.url(), kLimit);
  EXPECT_EQ(reason(result), "timeout");
  EXPECT_EQ(value(result, "probe_http_status_code"), 0);
  EXPECT_GT(value(result, "probe_http_duration_seconds", "connect"), 0);
  EXPECT_EQ(value(result, "probe_http_duration_seconds", "processing"), 0);

  const RawServer stalling([](RawServer::Peer& peer) {
    peer.read_request();
    peer.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ntwenty bytes are here");
    peer.hang();
  });
  result = probe("{prober: http}", stalling.url(), kLimit);
  EXPECT_EQ(reason(result), "timeout");
  EXPECT_EQ(value(result, "probe_http_status_code"), 200);
  EXPECT_EQ(value(result, "probe_http_uncompressed_body_length"), 21);
  EXPECT_GT(value(result, "probe_http_duration_seconds", "transfer"), 0.2);

  const BlackHole hole;
  result = probe("{prober: http}", "http://127.0.0.1:" + std::to_string(hole.port()), kLimit);
  EXPECT_EQ(reason(result), "timeout");
  EXPECT_EQ(value(result, "probe_http_duration_seconds", "connect"), 0);

  // A byte at a time does not move the deadline.
  const RawServer dripping([](RawServer::Peer& peer) {
    peer.read_request();
    peer.write("HTTP/1.1 200 OK\r\n");
    while (peer.write("X-Drip: 1\r\n")) ::usleep(10'000);
  });
  result = probe("{prober: http}", dripping.url(), kLimit);
  EXPECT_EQ(reason(result), "timeout");
}

TEST_F(HttpProberTest, WhereNobodyListens) {
  auto result = probe("{prober: http}", "http://127.0.0.1:" + std::to_string(closed_port()));
  EXPECT_EQ(reason(result), "refused");
  EXPECT_EQ(value(result, "probe_http_duration_seconds", "connect"), 0);
  EXPECT_EQ(value(result, "probe_ip_protocol"), 4);
  const RawServer resetting([](RawServer::Peer& peer) {
    peer.read_request();
    peer.reset_on_close();
  });
  EXPECT_EQ(reason(probe("{prober: http}", resetting.url())), "reset");
}

TEST_F(HttpProberTest, AGiantBodyIsCountedNotKept) {
  constexpr std::size_t kMegabytes = 40;
  const RawServer server([](RawServer::Peer& peer) {
    peer.read_request();
    const std::string piece(1 << 20, 'x');
    peer.write("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
    for (std::size_t i = 0; i < kMegabytes && peer.write(piece); ++i) {
    }
  });
  auto result = probe("{prober: http}", server.url(), std::chrono::seconds(20));
  EXPECT_EQ(reason(result), "none");
  EXPECT_EQ(value(result, "probe_http_uncompressed_body_length"), kMegabytes << 20);
  EXPECT_EQ(value(result, "probe_http_content_length"), -1);
  EXPECT_LE(result->report.evidence.reply_start.size(), kEvidenceBodyMax + 3);
  result = probe("{prober: http, http: {fail_if_body_matches_regexp: [y]}}", server.url(), std::chrono::seconds(20));
  EXPECT_EQ(reason(result), "body_too_large");
}

TEST_F(HttpProberTest, ABadTargetOrFileIsNoFaultOfTheTarget) {
  auto result = probe("{prober: http}", "http://[::1");
  EXPECT_EQ(reason(result), "bad_target");
  EXPECT_EQ(result->verdict(), Verdict::kUnknown);
  EXPECT_TRUE(absent(result, "probe_http_duration_seconds"));
  EXPECT_EQ(value(result, "probe_http_status_code"), 0);
  result = probe("{prober: http, http: {body_file: /nonexistent/body}}", "http://127.0.0.1:1/");
  EXPECT_EQ(reason(result), "local_file");
  EXPECT_THAT(metrics_text(*result, Audience::kRing), HasSubstr("\nprobe_unknown 1\n"));
  EXPECT_THAT(metrics_text(*result, Audience::kRing), testing::Not(HasSubstr("probe_success")));
  EXPECT_THAT(metrics_text(*result, Audience::kExporter), HasSubstr("\nprobe_success 0\n"));
}

TEST_F(HttpProberTest, IPv6WithoutFallbackWantsIPv6) {
  const RawServer server = answering(ok(""));
  const auto result = probe("{prober: http, http: {ip_protocol_fallback: false}}", server.url());
  EXPECT_EQ(reason(result), "dns_no_address");
  EXPECT_EQ(value(result, "probe_ip_protocol"), 0);
}

TEST_F(HttpProberTest, OneThatHangsDelaysNoOther) {
  const RawServer silent([](RawServer::Peer& peer) { peer.hang(); });
  const RawServer quick = answering(ok("x"));
  runner_.configure(*parse("m: {prober: http}"));
  int quick_ones = 0;
  int slow_ones = 0;
  const auto ask = [&](const std::string& target, int& count) {
    ProbeQuery query;
    query.module = "m";
    query.target = target;
    query.timeout = std::chrono::seconds(1);
    runner_.run(std::move(query), [&](const ProbeResultPtr& result) {
      ++count;
      if (count <= 20 && &count == &quick_ones) {
        EXPECT_EQ(reason(result), "none");
        EXPECT_EQ(slow_ones, 0);
      }
      if (quick_ones == 20 && slow_ones == 200) loop_.stop();
    });
  };
  for (int i = 0; i < 200; ++i) ask(silent.url(), slow_ones);
  for (int i = 0; i < 20; ++i) ask(quick.url(), quick_ones);
  loop_.run();
  EXPECT_EQ(runner_.stats().in_flight.load(), 0U);
  EXPECT_EQ(runner_.history().failures.size(), kFailuresMax);
  EXPECT_EQ(runner_.history().recent.size(), kRecentMax);
}

TEST_F(HttpProberTest, TooManyAtOnceAreUnknown) {
  ProbeRunnerOptions options;
  options.in_flight_max = 1;
  ProbeRunner small(loop_, clock_, options);
  const RawServer silent([](RawServer::Peer& peer) { peer.hang(); });
  std::vector<std::string> reasons;
  const auto ask = [&] {
    ProbeQuery query;
    query.module = std::string(kDefaultModule);
    query.target = silent.url();
    query.timeout = std::chrono::milliseconds(200);
    return small.run(std::move(query), [&](const ProbeResultPtr& result) {
      reasons.push_back(reason(result));
      if (reasons.size() == 2) loop_.stop();
    });
  };
  ask();
  ask();
  // Taken back: never called.
  small.cancel(ask());
  loop_.run();
  EXPECT_THAT(reasons, testing::ElementsAre("overloaded", "timeout"));
}

}  // namespace
}  // namespace collector::probe

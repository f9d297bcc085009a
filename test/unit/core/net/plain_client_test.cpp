// SPDX-License-Identifier: Apache-2.0
// Requests that go without libcurl: what they share with those that do is tested by http_client_*_test.cpp.
#include "core/net/plain_client.h"

#include <atomic>
#include <set>

#include "client_fixture.h"
#include "core/byte_budget.h"
#include "core/net/answer_body.h"
#include "core/net/observation.h"
#include "core/net/url.h"
#include "raw_server.h"

namespace core::net {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using Peer = RawServer::Peer;

std::string answer(const std::string& body, const std::string& headers = "") {
  return "HTTP/1.1 200 OK\r\n" + headers + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

class PlainClientTest : public HttpClientTest {
 protected:
  Request request(const std::string& url) {
    Request request;
    request.url = url;
    return request;
  }
  static bool is_plain(const Request& request) {
    const auto url = parse_url(request.url);
    return url && PlainClient::endpoint_of(request, *url).has_value();
  }
};

TEST_F(PlainClientTest, WhatNeedsLibcurlIsLeftToIt) {
  const Request usual = request("http://127.0.0.1:9100/metrics?x=1");
  EXPECT_TRUE(is_plain(usual));
  EXPECT_TRUE(is_plain(request("http://[::1]:9100/")));
  EXPECT_TRUE(is_plain(request("http://node-a.test/metrics")));
  for (const char* const url :
       {"https://127.0.0.1/", "http://u:p@127.0.0.1/", "http://127.0.0.1/a/../b", "http://[fe80::1%25eth0]/"}) {
    EXPECT_FALSE(is_plain(request(url))) << url;
  }
  const std::pair<const char*, std::function<void(Request&)>> changes[] = {
      {"proxy", [](Request& r) { r.proxy.url = "http://127.0.0.1:3128"; }},
      {"signature", [](Request& r) { r.aws_signature.emplace(); }},
      {"stream", [](Request& r) { r.on_body = [](std::string_view) { return true; }; }},
      {"h2", [](Request& r) { r.http2_without_tls = true; }},
      {"redirected POST", [](Request& r) { r.method = "POST", r.follow_redirects = true; }},
      {"framing", [](Request& r) { r.headers = {{"transfer-encoding", "chunked"}}; }},
      {"no time", [](Request& r) { r.timeout = Duration::zero(); }},
      {"unix", [](Request& r) { r.observation = std::make_shared<Observation>(), r.observation->unix_socket = "/x"; }},
  };
  for (const auto& [what, change] : changes) {
    Request changed = usual;
    change(changed);
    EXPECT_FALSE(is_plain(changed)) << what;
  }
}

TEST_F(PlainClientTest, TheRequestIsAsLibcurlSendsIt) {
  std::vector<std::string> seen;
  auto& server = serve<RawServer>([&](Peer& peer) {
    seen.push_back(peer.read_request());
    peer.write(answer("ok", "Connection: close\r\n"));
  });
  Request asked = request(server.url("/m?a=b"));
  asked.headers = {{"X-Empty", " "}, {"X-One", "1"}};
  asked.credentials.username = "user";
  asked.credentials.password = "secret";
  ASSERT_TRUE(is_plain(asked));
  ASSERT_TRUE(fetch(asked));
  asked.headers.emplace_back("TE", "");  // so that libcurl is asked
  ASSERT_FALSE(is_plain(asked));
  ASSERT_TRUE(fetch(asked));
  ASSERT_EQ(seen.size(), 2U);
  const auto lines = [](std::string text) {
    std::set<std::string> found;
    for (std::size_t end = 0; (end = text.find("\r\n")) != std::string::npos; text.erase(0, end + 2)) {
      if (!text.starts_with("TE:")) found.insert(text.substr(0, end));
    }
    return found;
  };
  EXPECT_EQ(lines(seen[0]), lines(seen[1]));
  EXPECT_THAT(seen[0], StartsWith("GET /m?a=b HTTP/1.1\r\nHost: 127.0.0.1:"));
}

TEST_F(PlainClientTest, AnAnswerMayComeByteByByte) {
  const std::string text =
      "HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nup "
      "\r\n2\r\n1\n\r\n0\r\n\r\n";
  auto& server = serve<RawServer>([&](Peer& peer) {
    peer.read_request();
    for (const char c : text) peer.write({&c, 1});
  });
  const auto response = fetch(server.url());
  ASSERT_TRUE(response) << error_of(response);
  EXPECT_EQ(response->body, "up 1\n");
}

TEST_F(PlainClientTest, ABufferIsUsedAgainWhateverItHolds) {
  const std::string bodies[] = {std::string(300'000, 'a'), std::string(200'000, 'b'), "", std::string(400'000, 'c')};
  std::string buffer;
  for (const std::string& body : bodies) {
    for (const bool chunked : {false, true}) {
      auto& server = serve<RawServer>([&, chunked](Peer& peer) {
        peer.read_request();
        if (!chunked) peer.write(answer(body));
        if (chunked) {
          peer.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
          if (!body.empty()) peer.write(fmt::format("{:x}\r\n", body.size()) + body + "\r\n");
          peer.write("0\r\n\r\n");
        }
      });
      Request wanted = request(server.url());
      wanted.buffer = std::move(buffer);
      auto response = fetch(std::move(wanted));
      ASSERT_TRUE(response) << error_of(response);
      EXPECT_TRUE(response->body == body) << response->body.size();
      EXPECT_EQ(response->wire_bytes, body.size());
      buffer = std::move(response->body);
    }
  }
  EXPECT_GE(buffer.capacity(), 400'000U);
}

// libcurl looks the name up and connects, and has no more to do with it.
TEST_F(PlainClientTest, ANameIsLookedUpForAConnectionAndNotForARequest) {
  auto& server = serve<RawServer>([](Peer& peer) {
    for (std::string asked; !(asked = peer.read_request()).empty();) {
      EXPECT_THAT(asked, HasSubstr("\r\nHost: localhost:"));
      if (!peer.write(answer("ok"))) return;
    }
  });
  const Request wanted = request("http://localhost:" + std::to_string(server.port()) + "/");
  for (int i = 0; i < 3; ++i) {
    const auto response = fetch(wanted);
    ASSERT_TRUE(response) << error_of(response);
    EXPECT_EQ(response->body, "ok");
    EXPECT_EQ(response->remote_address, "127.0.0.1:" + std::to_string(server.port()));
    EXPECT_EQ(response->timings.resolve > Duration::zero(), i == 0);
    EXPECT_EQ(response->timings.connect > Duration::zero(), i == 0);
    EXPECT_GE(response->timings.total, response->timings.resolve + response->timings.connect);
  }
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(PlainClientTest, ADiallingRequestCanBeTakenBackAndHasItsDeadline) {
  auto& server = serve<RawServer>([](Peer& peer) { peer.hang(); });
  Request wanted = request("http://localhost:" + std::to_string(server.port()) + "/");
  client = make_http_client(loop, clock, {.max_in_flight = 2});
  const auto never = [](const Result<Response>&) { ADD_FAILURE() << "cancelled"; };
  // One is no more than one, though two clients have a part in it.
  const TransferId first = client->send(wanted, never);
  wanted.timeout = milliseconds(50);
  EXPECT_EQ(error_of(fetch(wanted)), "Get \"" + wanted.url + "\": context deadline exceeded");
  client->cancel(first);
  client->cancel(client->send(wanted, never));
  EXPECT_EQ(error_of(fetch(wanted)), "Get \"" + wanted.url + "\": context deadline exceeded");
}

// A promise costs nothing: memory is made ready for as much as has come, and a little at the beginning.
TEST(AnswerBody, AnAnnouncedBodyTakesNoMemoryBeforeItComes) {
  Request wanted;
  wanted.budget = std::make_shared<ByteBudget>(64 << 20);
  Response response;
  response.status = 200;
  response.headers = {{"Content-Length", "10000000"}};
  AnswerBody body(wanted, response);
  ASSERT_TRUE(body.begin());
  std::uint64_t left = 10'000'000;
  EXPECT_EQ(body.room(left).size(), 64U << 10);
  body.filled(1000);
  left -= 1000;
  EXPECT_LE(body.room(left).size(), 65U << 10);
  while (left > 0) {
    const std::size_t size = body.room(left).size();
    ASSERT_GT(size, 0U);
    ASSERT_LE(size, std::max<std::size_t>(64 << 10, 10'000'000 - left)) << "as much as has come, at most";
    ASSERT_LE(wanted.budget->used(), 10'000'000 - left + size + kBodyBytesFree);
    body.filled(size);
    left -= size;
  }
  EXPECT_TRUE(body.is_large());
  EXPECT_TRUE(body.finish());
  EXPECT_EQ(response.body.size(), 10'000'000U);
}

TEST_F(PlainClientTest, ConnectionsAreUsedAgainUntilSomethingIsOdd) {
  // Static: a server's thread may be looking at it when the client has its answer already.
  static const struct {
    std::string says;
    int connections;  // that are new for this answer and a usual one after it
  } cases[] = {
      {answer("first"), 1},
      {answer("again"), 0},
      {"HTTP/1.1 204 Nothing\r\n\r\n", 0},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 0},
      {answer("closes", "Connection: close\r\n"), 1},
      // An answer that nobody asked for is not the next one's.
      {answer("ok") + "HTTP/1.1 200 Poisoned\r\nContent-Length: 0\r\n\r\n", 1},
  };
  static const std::string usual = answer("ok");
  std::atomic<std::size_t> served = 0;
  auto& server = serve<RawServer>([&](Peer& peer) {
    while (!peer.read_request().empty()) {
      const std::size_t number = served++;
      if (!peer.write(number % 2 == 0 ? cases[number / 2].says : usual)) return;
    }
  });
  for (const auto& one : cases) {
    const int before = server.connections();
    EXPECT_TRUE(fetch(server.url())) << one.says;
    EXPECT_TRUE(fetch(server.url())) << one.says;
    EXPECT_EQ(server.connections() - before, one.connections) << one.says;
  }
  EXPECT_EQ(served, 12U);
}

// Whether they are read with the answer before or lie there still.
TEST_F(PlainClientTest, BytesThatNobodyAskedForAreNotTheNextAnswer) {
  const std::string poison = "HTTP/1.1 200 Poisoned\r\nContent-Length: 0\r\n\r\n";
  auto& server = serve<RawServer>([&](Peer& peer) {
    while (!peer.read_request().empty()) {
      // Longer than what is read with a head, so that the client stops reading at the body's end.
      if (!peer.write(answer(std::string(100'000, 'x')) + poison)) return;
    }
  });
  std::vector<std::string> reasons;
  std::function<void()> ask = [&] {
    client->send(request(server.url()), [&](const Result<Response>& response) {
      reasons.push_back(response ? response->reason : response.error().message);
      // At once, before the loop can have seen what else has come.
      reasons.size() < 5 ? ask() : loop.stop();
    });
  };
  ask();
  run_until_stopped();
  EXPECT_THAT(reasons, testing::Each("OK"));
}

TEST_F(PlainClientTest, AConnectionThatDiesUnderARequestIsReplacedOnce) {
  std::atomic<int> seen = 0;
  auto& server = serve<RawServer>([&](Peer& peer) {
    // The first connection answers once and takes a second request without a word; the next ones say nothing at all.
    const bool first = ++seen == 1;
    peer.read_request();
    if (!first) return;
    peer.write(answer("ok"));
    peer.read_request();
  });
  ASSERT_TRUE(fetch(server.url()));
  const auto response = fetch(server.url());
  EXPECT_EQ(error_of(response), "Get \"" + server.url() + "\": EOF");
  EXPECT_EQ(seen, 2) << "one new connection, and no third";
}

// A server may act and die before it says so: over a kept connection such a request would be sent again.
TEST_F(PlainClientTest, WhatMayDoHarmTwiceHasAConnectionOfItsOwn) {
  std::atomic<int> port = 0;
  auto& server = serve<LocalServer<httplib::Server>>();
  const auto note = [&](const httplib::Request& asked, httplib::Response&) { port = asked.remote_port; };
  server->set_keep_alive_max_count(1000);
  server->Get("/", note).Post("/", note).Put("/", note).Delete("/", note);
  server.start();
  const std::string by_name = "http://localhost:" + std::to_string(server.port()) + "/";
  for (const auto& [url, with_libcurl] : {std::pair(server.url(), false), {server.url(), true}, {by_name, false}}) {
    Request wanted = request(url);
    if (with_libcurl) wanted.headers = {{"TE", ""}};
    ASSERT_EQ(is_plain(wanted), !with_libcurl);
    for (const char* const method : {"GET", "POST", "PUT", "DELETE"}) {
      for (const bool repeatable : {false, true}) {
        wanted.method = "GET";
        ASSERT_TRUE(fetch(wanted));
        const int kept = port;
        wanted.method = method;
        wanted.repeatable = repeatable;
        ASSERT_TRUE(fetch(wanted));
        EXPECT_EQ(port == kept, repeatable || wanted.method == "GET") << method << repeatable << url << with_libcurl;
        wanted.method = "GET";
        ASSERT_TRUE(fetch(wanted));
        EXPECT_EQ(port, kept) << "what was its own is not kept";
      }
    }
  }
}

TEST_F(PlainClientTest, ARequestIsNotRepeatedOnceAnAnswerHasBegun) {
  std::atomic<int> seen = 0;
  auto& server = serve<RawServer>([&](Peer& peer) {
    ++seen;
    peer.read_request();
    peer.write(answer("ok"));
    if (!peer.read_request().empty()) peer.write("HTTP/1.1 200 OK\r\nConte");
  });
  ASSERT_TRUE(fetch(server.url()));
  EXPECT_EQ(error_of(fetch(server.url())), "Get \"" + server.url() + "\": unexpected EOF");
  EXPECT_EQ(seen, 1);
}

TEST_F(PlainClientTest, ALargeRequestIsSentInPieces) {
  const std::string body(3 << 20, 'x');
  auto& server = serve<LocalServer<httplib::Server>>();
  std::atomic<std::size_t> got = 0;
  server->set_payload_max_length(8 << 20);
  server->Post("/", [&](const httplib::Request& asked, httplib::Response&) { got = asked.body.size(); });
  server.start();
  Request wanted = request(server.url());
  wanted.method = "POST";
  wanted.body = body;
  ASSERT_TRUE(is_plain(wanted));
  ASSERT_TRUE(fetch(wanted));
  EXPECT_EQ(got, body.size());
}

// A server may refuse a request before it has come to its end, and hang up.
TEST_F(PlainClientTest, AnAnswerToHalfARequestIsTaken) {
  auto& server = serve<RawServer>([](Peer& peer) {
    peer.read_request();
    peer.write("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
    peer.hang();
  });
  Request wanted = request(server.url());
  wanted.method = "POST";
  wanted.body = std::string(64 << 20, 'x');
  const auto response = fetch(wanted);
  ASSERT_TRUE(response) << error_of(response);
  EXPECT_EQ(response->status, 413);
}

TEST_F(PlainClientTest, RedirectsAreFollowedByLibcurlFromTheSecondTimeOnAtOnce) {
  std::atomic<int> asked = 0;
  auto& server = serve<LocalServer<httplib::Server>>();
  server->Get("/here", [&](const httplib::Request&, httplib::Response& response) {
    ++asked;
    response.set_redirect("/there");
  });
  server->Get("/there", [](const httplib::Request&, httplib::Response& r) { r.set_content("ok", "text/plain"); });
  server.start();
  Request wanted = request(server.url("/here"));
  wanted.follow_redirects = true;
  for (const int times : {2, 3, 4}) {
    const auto response = fetch(wanted);
    ASSERT_TRUE(response) << error_of(response);
    EXPECT_EQ(response->body, "ok");
    EXPECT_EQ(asked, times);
  }
}

TEST_F(PlainClientTest, ObserversSeeHowFarItCame) {
  static const struct {
    std::string says;
    HttpFault fault;
    int status;
    bool resets = false;
  } cases[] = {
      {answer("ok"), HttpFault::kNone, 200},
      {"HTTP/1.0 200 OK\r\n\r\nok", HttpFault::kNone, 200},
      {"", HttpFault::kClosed, 0},
      {"", HttpFault::kReset, 0, true},
      {"HTTP/1.1 200 OK\r\nX: y\r\n", HttpFault::kClosed, 200},
      {"HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 9\r\n\r\nok", HttpFault::kClosed, 200},
      {"HTTP/1.1 200 OK\r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", HttpFault::kClosed, 200},
      {"up 1\n", HttpFault::kMalformed, 0},
      {"HTTP/1.1 200 OK\r\n" + std::string(kBodyBytesFree, 'x'), HttpFault::kHeadersTooLarge, 200},
      {answer("much too long"), HttpFault::kBodyTooLarge, 200},
      {"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 99\r\n\r\n", HttpFault::kNone, 302},
  };
  for (const auto& one : cases) {
    auto& server = serve<RawServer>([&one](Peer& peer) {
      EXPECT_THAT(peer.read_request(), HasSubstr("\r\nConnection: close\r\n"));
      peer.write(one.says);
      if (one.resets) peer.reset_on_close();
    });
    Request wanted = request("http://node.test:" + std::to_string(server.port()) + "/");
    wanted.body_limit = 10;
    wanted.observation = std::make_shared<Observation>();
    wanted.observation->dial_address = "127.0.0.1";
    ASSERT_TRUE(is_plain(wanted));
    const Observation& seen = *wanted.observation;
    EXPECT_EQ(fetch(wanted).has_value(), one.fault == HttpFault::kNone) << one.says.substr(0, 99);
    EXPECT_EQ(seen.fault, one.fault) << one.says.substr(0, 99);
    EXPECT_EQ(seen.status, one.status) << one.says.substr(0, 99);
    EXPECT_EQ(seen.fault == HttpFault::kNone, seen.fault_text.empty());
    EXPECT_EQ(seen.redirects, one.status == 302);
    EXPECT_TRUE(seen.connected);
    EXPECT_EQ(seen.first_byte, one.status != 0);
    EXPECT_GT(seen.timings.connect, Duration::zero());
    if (seen.first_byte) {
      EXPECT_GT(seen.timings.processing, Duration::zero());
    }
    EXPECT_GE(seen.timings.total, seen.timings.connect + seen.timings.processing + seen.timings.transfer);
  }
}

TEST_F(PlainClientTest, ARefusedObservedConnectionSaysSo) {
  int port = 0;
  {
    const RawServer server([](Peer&) {});
    port = server.port();
  }
  Request wanted = request("http://node.test:" + std::to_string(port) + "/");
  wanted.observation = std::make_shared<Observation>();
  wanted.observation->dial_address = "127.0.0.1";
  EXPECT_FALSE(fetch(wanted));
  EXPECT_EQ(wanted.observation->fault, HttpFault::kConnect);
  EXPECT_EQ(wanted.observation->os_error, ECONNREFUSED);
  EXPECT_FALSE(wanted.observation->connected);
}

// Each has its own, though they share a timer.
TEST_F(PlainClientTest, DeadlinesAreKeptWhateverTheirOrder) {
  auto& server = serve<RawServer>([](Peer& peer) { peer.hang(); });
  std::vector<int> ended;
  for (const int timeout : {90, 30, 60}) {
    Request wanted = request(server.url());
    wanted.timeout = milliseconds(timeout);
    const SteadyTime begun = clock.steady_now();
    client->send(wanted, [&, timeout, begun](const Result<Response>& response) {
      EXPECT_EQ(response.error().code, Errc::kTimeout);
      EXPECT_GE(clock.steady_now() - begun, milliseconds(timeout));
      ended.push_back(timeout);
      if (ended.size() == 3) loop.stop();
    });
  }
  run_until_stopped();
  EXPECT_THAT(ended, testing::ElementsAre(30, 60, 90));
}

// A large body does not come as fast as it can, and comes all the same.
TEST_F(PlainClientTest, LargeBodiesArePaced) {
  const std::string large(4 << 20, 'x');
  auto& server = serve<RawServer>([&](Peer& peer) {
    peer.read_request();
    peer.write(answer(large));
  });
  Request wanted = request(server.url());
  wanted.budget = std::make_shared<ByteBudget>(64 << 20);
  const SteadyTime begun = clock.steady_now();
  const auto response = fetch(wanted);
  ASSERT_TRUE(response) << error_of(response);
  EXPECT_TRUE(response->body == large);
  // Three of four MiB at 32 a second.
  EXPECT_GE(clock.steady_now() - begun, milliseconds(50));
}

}  // namespace
}  // namespace core::net

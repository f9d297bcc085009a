// SPDX-License-Identifier: Apache-2.0
// What a peer can do wrong, and what the caller is told.
#include <zlib.h>

#include "client_fixture.h"
#include "raw_server.h"

namespace core::net {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::StartsWith;
using Plain = LocalServer<httplib::Server>;
using Peer = RawServer::Peer;

std::string gzip(const std::string& text) {
  z_stream z{};
  deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 9, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&z, text.size()), '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  z.avail_in = static_cast<uInt>(text.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  deflate(&z, Z_FINISH);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

// Answers every connection with these bytes, then closes.
std::function<void(Peer&)> says(std::string bytes) {
  return [bytes = std::move(bytes)](Peer& peer) {
    peer.read_request();
    peer.write(bytes);
  };
}

std::string answer(const std::string& headers, const std::string& body) {
  return "HTTP/1.1 200 OK\r\n" + headers + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

class HttpClientFaultTest : public HttpClientTest {
 protected:
  // Fails the request against a server with this script; the server is gone afterwards.
  Error failure(std::function<void(Peer&)> script, milliseconds timeout = milliseconds(10000),
                std::uint64_t body_limit = 1 << 20) {
    auto& server = serve<RawServer>(std::move(script));
    Request request;
    request.url = url = server.url("/m");
    request.timeout = timeout;
    request.body_limit = body_limit;
    const auto response = fetch(request);
    EXPECT_FALSE(response);
    return response ? Error{} : response.error();
  }
  std::string url;
};

TEST_F(HttpClientFaultTest, RefusedConnection) {
  int port = 0;
  {
    const RawServer server([](Peer&) {});
    port = server.port();
  }
  const auto response = fetch("http://user:secret@127.0.0.1:" + std::to_string(port) + "/metrics?a=b");
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Errc::kUnavailable);
  EXPECT_EQ(
      error_of(response),
      fmt::format(
          "Get \"http://user:***@127.0.0.1:{0}/metrics?a=b\": dial tcp 127.0.0.1:{0}: connect: connection refused",
          port));
}

TEST_F(HttpClientFaultTest, UnknownName) {
  const auto response = fetch("http://no-such-host.invalid/metrics");
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Errc::kUnavailable);
  EXPECT_EQ(error_of(response),
            "Get \"http://no-such-host.invalid/metrics\": dial tcp: lookup no-such-host.invalid: no such host");
}

TEST_F(HttpClientFaultTest, HungBeforeTheHeaders) {
  const SteadyTime begun = clock.steady_now();
  const Error error = failure([](Peer& peer) { peer.hang(); }, milliseconds(60));
  EXPECT_EQ(error.code, Errc::kTimeout);
  EXPECT_EQ(error.message, "Get \"" + url + "\": context deadline exceeded");
  EXPECT_GE(clock.steady_now() - begun, milliseconds(59));
  EXPECT_LT(clock.steady_now() - begun, milliseconds(5000));
}

TEST_F(HttpClientFaultTest, HungInTheHeaders) {
  const Error error =
      failure([](Peer& peer) { peer.write("HTTP/1.1 200 OK\r\nContent-"), peer.hang(); }, milliseconds(60));
  EXPECT_EQ(error, (Error{Errc::kTimeout, "Get \"" + url + "\": context deadline exceeded"}));
}

TEST_F(HttpClientFaultTest, HungInTheBody) {
  const Error error =
      failure([](Peer& peer) { peer.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nup 1\n"), peer.hang(); },
              milliseconds(60));
  EXPECT_EQ(error, (Error{Errc::kTimeout, "context deadline exceeded"}));
}

TEST_F(HttpClientFaultTest, NoTimeAtAll) {
  const Error error = failure([](Peer& peer) { peer.hang(); }, milliseconds(0));
  EXPECT_EQ(error.code, Errc::kTimeout);
}

TEST_F(HttpClientFaultTest, ClosedWithoutAnAnswer) {
  const Error error = failure(says(""));
  EXPECT_EQ(error, (Error{Errc::kUnavailable, "Get \"" + url + "\": EOF"}));
}

TEST_F(HttpClientFaultTest, ResetWithoutAnAnswer) {
  const Error error = failure([](Peer& peer) {
    peer.read_request();
    peer.reset_on_close();
  });
  EXPECT_EQ(error.code, Errc::kUnavailable);
  EXPECT_THAT(error.message, MatchesRegex("Get \"[^\"]+\": read tcp 127.0.0.1:[0-9]+: connection reset by peer"));
}

TEST_F(HttpClientFaultTest, ClosedInsideTheBody) {
  const std::string bodies[] = {"Content-Length: 100\r\n\r\nup 1\n",
                                "Transfer-Encoding: chunked\r\n\r\n5\r\nup 1\n\r\n20\r\nhalf"};
  for (const std::string& rest : bodies) {
    EXPECT_EQ(failure(says("HTTP/1.1 200 OK\r\n" + rest)), (Error{Errc::kUnavailable, "unexpected EOF"})) << rest;
  }
}

TEST_F(HttpClientFaultTest, BrokenChunks) {
  const Error error = failure(says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nup 1\n"));
  EXPECT_EQ(error, (Error{Errc::kUnavailable, "malformed chunked encoding"}));
}

TEST_F(HttpClientFaultTest, Garbage) {
  const std::string noises[] = {"SSH-2.0-OpenSSH_9.2\r\n", std::string("\x16\x03\x01\x02\x00\x01", 6), "\r\n\r\n",
                                "up 1\n"};
  for (const std::string& noise : noises) {
    const Error error = failure(says(noise));
    EXPECT_EQ(error.code, Errc::kUnavailable) << noise;
    EXPECT_THAT(error.message, StartsWith("Get \"" + url + "\": ")) << noise;
  }
}

TEST_F(HttpClientFaultTest, EndlessHeaders) {
  const Error error = failure([](Peer& peer) {
    peer.read_request();
    if (!peer.write("HTTP/1.1 200 OK\r\n")) return;
    while (peer.write("X-Filler: " + std::string(1000, 'x') + "\r\n")) {
    }
  });
  EXPECT_THAT(error.message, HasSubstr("header"));
}

TEST_F(HttpClientFaultTest, BodyLargerThanItsLimit) {
  const Error expected{Errc::kLimitExceeded, "body size limit exceeded"};
  EXPECT_EQ(failure(says(answer("", std::string(1001, 'x'))), milliseconds(10000), 1000), expected);
  // Without an announced length, and without an end.
  const auto endless = [](Peer& peer) {
    peer.read_request();
    if (!peer.write("HTTP/1.1 200 OK\r\n\r\n")) return;
    while (peer.write(std::string(4096, 'x'))) {
    }
  };
  EXPECT_EQ(failure(endless, milliseconds(10000), 100000), expected);
}

TEST_F(HttpClientFaultTest, BodyAsLargeAsItsLimit) {
  auto& server = serve<RawServer>(says(answer("", std::string(1000, 'x'))));
  Request request;
  request.url = server.url();
  request.body_limit = 1000;
  const auto response = fetch(request);
  ASSERT_TRUE(response) << error_of(response);
  EXPECT_EQ(response->body.size(), 1000U);
}

TEST_F(HttpClientFaultTest, GzipIsInflated) {
  const std::string text = "up 1\n" + std::string(200000, ' ');
  const std::string packed = gzip(text);
  auto& server = serve<RawServer>(says(answer("Content-Encoding: gzip\r\n", packed)));
  const auto response = fetch(server.url());
  ASSERT_TRUE(response) << error_of(response);
  EXPECT_EQ(response->body, text);
  EXPECT_EQ(response->wire_bytes, packed.size());
}

TEST_F(HttpClientFaultTest, GzipOfSeveralMembersIsInflated) {
  auto& server = serve<RawServer>(says(answer("content-encoding: gzip\r\n", gzip("one ") + gzip("two"))));
  const auto response = fetch(server.url());
  ASSERT_TRUE(response) << error_of(response);
  EXPECT_EQ(response->body, "one two");
}

TEST_F(HttpClientFaultTest, GzipThatWasNotWantedStaysAsItIs) {
  const std::string packed = gzip("up 1\n");
  auto& server = serve<RawServer>(says(answer("Content-Encoding: gzip\r\n", packed)));
  Request request;
  request.url = server.url();
  request.accept_gzip = false;
  const auto response = fetch(request);
  ASSERT_TRUE(response) << error_of(response);
  EXPECT_EQ(response->body, packed);
}

TEST_F(HttpClientFaultTest, GzipBomb) {
  const std::string bomb = gzip(std::string(64 << 20, '\0'));  // about 64 KiB on the wire
  const Error error = failure(says(answer("Content-Encoding: gzip\r\n", bomb)), milliseconds(10000), 1 << 20);
  EXPECT_EQ(error, (Error{Errc::kLimitExceeded, "body size limit exceeded"}));
}

TEST_F(HttpClientFaultTest, GzipThatIsCutOrIsNone) {
  const std::string packed = gzip("up 1\nup 2\n");
  EXPECT_EQ(failure(says(answer("Content-Encoding: gzip\r\n", packed.substr(0, packed.size() - 4)))),
            (Error{Errc::kUnavailable, "unexpected EOF"}));
  EXPECT_THAT(failure(says(answer("Content-Encoding: gzip\r\n", "up 1\n"))).message, HasSubstr("gzip: invalid"));
}

TEST_F(HttpClientFaultTest, InterimAnswersAndTrailersAreNotTheAnswer) {
  auto& server = serve<RawServer>(
      says("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\n\r\n"
           "3\r\nup \r\n2\r\n1\n\r\n0\r\nX-Trailer: 1\r\n\r\n"));
  const auto response = fetch(server.url());
  ASSERT_TRUE(response) << error_of(response);
  EXPECT_EQ(response->reason, "Fine");
  EXPECT_EQ(response->body, "up 1\n");
  EXPECT_EQ(find_header(response->headers, "Link"), "");
  EXPECT_EQ(find_header(response->headers, "X-Trailer"), "");
}

TEST_F(HttpClientFaultTest, CancelledRequestsNeverCallBack) {
  auto& server = serve<RawServer>([](Peer& peer) { peer.hang(); });
  Request request;
  request.url = server.url();
  const auto never = [](const Result<Response>&) { ADD_FAILURE() << "a cancelled request called back"; };
  client->cancel(client->send(request, never));  // before it began
  const TransferId second = client->send(request, never);
  client->cancel(0);
  loop.schedule_after(clock, milliseconds(30), [&] {
    client->cancel(second);  // on its way
    client->cancel(second);
    loop.stop();
  });
  run_until_stopped();
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(HttpClientFaultTest, CancelInsideACallbackHoldsForAnswersAlreadyThere) {
  Plain& server = serve<Plain>();
  server->Get("/", [](const httplib::Request&, httplib::Response&) {});
  server.start();
  Request wrong;  // both fail in the same turn of the loop
  wrong.url = "nothing";
  TransferId second = 0;
  client->send(wrong, [&](const Result<Response>&) { client->cancel(second); });
  second = client->send(wrong, [](const Result<Response>&) { ADD_FAILURE() << "cancelled"; });
  EXPECT_TRUE(fetch(server.url()));
}

TEST_F(HttpClientFaultTest, DestroyingTheClientDropsWhatIsInFlight) {
  auto& server = serve<RawServer>([](Peer& peer) { peer.write("HTTP/1.1 200 OK\r\n\r\nbegun"), peer.hang(); });
  Request request;
  request.url = server.url();
  for (int i = 0; i < 20; ++i) {
    client->send(request, [](const Result<Response>&) { ADD_FAILURE() << "called back after the end"; });
  }
  request.url = "http://slow-look-up.invalid/";
  client->send(request, [](const Result<Response>&) {});
  loop.schedule_after(clock, milliseconds(20), [&] {
    client.reset();
    loop.schedule_after(clock, milliseconds(20), [&] { loop.stop(); });
  });
  run_until_stopped();
}

TEST_F(HttpClientFaultTest, ACallbackMayDestroyTheClient) {
  auto& server = serve<RawServer>(says(answer("", "ok")));
  Request request;
  request.url = server.url();
  client->send(request, [&](const Result<Response>& response) {
    EXPECT_TRUE(response);
    client.reset();
    loop.post([&] { loop.stop(); });
  });
  client->send(request, [](const Result<Response>&) {});
  run_until_stopped();
}

TEST_F(HttpClientFaultTest, AConnectionThatDiedWhileIdleIsReplaced) {
  auto& server = serve<RawServer>(says(answer("", "ok")));  // promises keep-alive, then closes
  for (int i = 0; i < 3; ++i) {
    const auto response = fetch(server.url());
    ASSERT_TRUE(response) << error_of(response);
  }
  EXPECT_EQ(server.connections(), 3);
}

TEST_F(HttpClientFaultTest, OtherThreadsSendAndCancel) {
  auto& server = serve<RawServer>(says(answer("", "ok")));
  constexpr int kEach = 15;  // of both kinds and threads no more than wait to be accepted, so that none is tried again
  int answered = 0;
  const auto work = [&] {
    for (int i = 0; i < kEach; ++i) {
      Request request;
      request.url = server.url();
      client->send(request, [&](const Result<Response>&) {
        if (++answered == 2 * kEach) loop.stop();
      });
      client->cancel(client->send(request, [](const Result<Response>&) {}));
    }
  };
  std::thread one(work);
  std::thread two(work);
  run_until_stopped();
  one.join();
  two.join();
  EXPECT_EQ(answered, 2 * kEach);
}

}  // namespace
}  // namespace core::net

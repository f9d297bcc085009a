// SPDX-License-Identifier: Apache-2.0
// Requests, routes and the guard, without a socket; then the server with one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <condition_variable>
#include <mutex>

#include "agent/api/guard.h"
#include "agent/api/http_message.h"
#include "agent/api/http_server.h"
#include "agent/api/router.h"

namespace agent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(ParametersTest, TheBodyComesFirst) {
  const Parameters parameters("query=url&match[]=a&x=%2B+%zz&empty=&flag", "query=body&match%5B%5D=b%20c");
  EXPECT_EQ(parameters.get("query"), "body");
  EXPECT_THAT(parameters.all("match[]"), ElementsAre("b c", "a"));
  EXPECT_EQ(parameters.get("x"), "+ %zz") << "a broken escape stays";
  EXPECT_TRUE(parameters.has("empty"));
  EXPECT_TRUE(parameters.has("flag"));
  EXPECT_FALSE(parameters.has("absent"));
}

ApiRequest request(std::string method, std::string path) {
  ApiRequest given;
  given.method = std::move(method);
  given.path = std::move(path);
  given.from_loopback = true;
  return given;
}

Router two_routes() {
  Router router;
  router.add({"GET", "POST"}, "/read/*/values", Effect::kReads,
             [](const ApiRequest&, std::string_view segment) { return plain_text(200, std::string(segment)); });
  router.add({"POST"}, "/change", Effect::kChanges,
             [](const ApiRequest&, std::string_view) { return plain_text(200, "changed"); });
  return router;
}

TEST(RouterTest, FindsByPathAndMethod) {
  const Router router = two_routes();
  EXPECT_EQ(router.handle(request("GET", "/read/a%2Fb/values")).response.body, "a%2Fb");
  EXPECT_EQ(router.handle(request("HEAD", "/read/x/values")).response.status, 200);
  EXPECT_EQ(router.handle(request("GET", "/read//values")).response.status, 404);
  EXPECT_EQ(router.handle(request("GET", "/read/a/b/values")).response.status, 404);
  EXPECT_EQ(router.handle(request("GET", "/change")).response.status, 405);
  EXPECT_EQ(router.handle(request("GET", "/change")).route, "other");
  EXPECT_EQ(router.handle(request("POST", "/change")).route, "/change");
  EXPECT_EQ(router.handle(request("OPTIONS", "/change")).response.status, 204);
  EXPECT_THAT(router.handle(request("GET", "/api/v1/nothing")).response.body, HasSubstr("\"errorType\":\"not_found\""));
}

struct GuardCase {
  const char* what;
  std::vector<std::pair<std::string, std::string>> headers;
  bool passes;
};

class GuardTest : public testing::TestWithParam<GuardCase> {};

TEST_P(GuardTest, TakesChangesFromOurOwnPageAndFromPrograms) {
  ApiRequest given = request("POST", "/change");
  given.headers = GetParam().headers;
  EXPECT_EQ(!refusal_of_change(given, RemoteChanges::kRefused).has_value(), GetParam().passes) << GetParam().what;
  EXPECT_EQ(two_routes().handle(given).response.status, GetParam().passes ? 200 : 403);
}

INSTANTIATE_TEST_SUITE_P(
    Table, GuardTest,
    testing::Values(
        GuardCase{"curl", {{"Host", "127.0.0.1:9780"}}, true},
        GuardCase{"curl by a name", {{"Host", "node1.example.org:9780"}}, true},
        GuardCase{"our page",
                  {{"Host", "localhost:9780"}, {"Origin", "http://localhost:9780"}, {"Sec-Fetch-Site", "same-origin"}},
                  true},
        GuardCase{"our page, IPv6", {{"host", "[::1]:9780"}, {"origin", "http://[::1]:9780"}}, true},
        GuardCase{"another site", {{"Host", "127.0.0.1:9780"}, {"Origin", "https://evil.example"}}, false},
        GuardCase{
            "another port of this host", {{"Host", "127.0.0.1:9780"}, {"Origin", "http://127.0.0.1:8000"}}, false},
        GuardCase{"a sandboxed frame", {{"Host", "127.0.0.1:9780"}, {"Origin", "null"}}, false},
        GuardCase{"a form of another site", {{"Host", "127.0.0.1:9780"}, {"Sec-Fetch-Site", "cross-site"}}, false},
        GuardCase{"a sibling site", {{"Host", "127.0.0.1:9780"}, {"Sec-Fetch-Site", "same-site"}}, false},
        GuardCase{
            "DNS rebinding",
            {{"Host", "evil.example:9780"}, {"Origin", "http://evil.example:9780"}, {"Sec-Fetch-Site", "same-origin"}},
            false}));

TEST(GuardTest, ChangesComeFromThisHostUnlessAllowed) {
  ApiRequest given = request("POST", "/change");
  given.from_loopback = false;
  EXPECT_TRUE(refusal_of_change(given, RemoteChanges::kRefused).has_value());
  EXPECT_FALSE(refusal_of_change(given, RemoteChanges::kAllowed).has_value());
}

TEST(ListenAddressTest, IsHostAndPort) {
  EXPECT_EQ(parse_listen_address("0.0.0.0:80")->to_string(), "0.0.0.0:80");
  EXPECT_EQ(parse_listen_address("[::1]:9780")->host, "::1");
  EXPECT_EQ(parse_listen_address("[::1]:9780")->to_string(), "[::1]:9780");
  for (const char* bad : {"", "9780", ":9780", "host", "host:", "host:x", "host:65536", "::1:80", "[]:80"}) {
    EXPECT_FALSE(parse_listen_address(bad)) << bad;
  }
}

// An endpoint that answers only once its client has left, and counts those.
class Waiting {
 public:
  ApiResponse answer(const ApiRequest& request) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, request.hung_up, [] { return false; });
    ++hangups_;
    changed_.notify_all();
    return plain_text(200, "nobody reads this");
  }
  void wait_for_hangups(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return hangups_ >= count; });
  }
  std::size_t hangups() const {
    const std::lock_guard lock(mutex_);
    return hangups_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::size_t hangups_ = 0;  // guarded by mutex_
};

class HttpServerTest : public testing::Test {
 protected:
  HttpServerTest() {
    router_.add({"GET"}, "/wait", Effect::kReads,
                [this](const ApiRequest& given, std::string_view) { return waiting_.answer(given); });
    router_.add({"GET", "POST"}, "/echo", Effect::kReads, [](const ApiRequest& given, std::string_view) {
      return plain_text(200, std::string(given.parameters.get("q")));
    });
    router_.add({"GET"}, "/long", Effect::kReads,
                [](const ApiRequest&, std::string_view) { return plain_text(200, std::string(100'000, 'x')); });
    router_.add({"GET"}, "/throws", Effect::kReads,
                [](const ApiRequest&, std::string_view) -> ApiResponse { throw std::bad_alloc(); });
    HttpServerOptions options;
    options.body_limit = 200'000;
    auto server = HttpServer::bind({"127.0.0.1", 0}, clock_, options);
    EXPECT_TRUE(server) << server.error().message;
    server_ = std::move(*server);
    server_->serve(router_);
  }
  httplib::Client client() const { return httplib::Client("127.0.0.1", server_->address().port); }

  core::SystemClock clock_;
  Waiting waiting_;
  Router router_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, AnswersGetAndForms) {
  auto http = client();
  auto got = http.Get("/echo?q=a%20b%2Bc");
  ASSERT_TRUE(got);
  EXPECT_EQ(got->body, "a b+c");
  EXPECT_EQ(got->get_header_value("X-Content-Type-Options"), "nosniff");
  const std::string long_text(100'000, 'y');
  got = http.Post("/echo?q=url", "q=" + long_text, "application/x-www-form-urlencoded");
  ASSERT_TRUE(got);
  EXPECT_EQ(got->body, long_text) << "forms are longer than the library's own limit";
  got = http.Post("/echo?q=url", "q=no", "text/plain");
  ASSERT_TRUE(got);
  EXPECT_EQ(got->body, "url");
  EXPECT_EQ(server_->counts().at({"/echo", 200}).requests, 3U);
}

TEST_F(HttpServerTest, APostWithoutABodyIsAnsweredAtOnce) {
  // As `curl -X POST` sends it: neither a length nor a transfer coding.
  const int connection = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(server_->address().port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(connect(connection, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  const std::string request = "POST /echo?q=yes HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
  ASSERT_EQ(send(connection, request.data(), request.size(), 0), static_cast<ssize_t>(request.size()));
  std::string answer;
  std::array<char, 1024> part{};
  for (ssize_t size = 0; (size = recv(connection, part.data(), part.size(), 0)) > 0;) {
    answer.append(part.data(), static_cast<std::size_t>(size));
  }
  close(connection);
  EXPECT_THAT(answer, HasSubstr("200 OK"));
  EXPECT_THAT(answer, HasSubstr("\r\n\r\nyes"));
}

int connected_to(std::uint16_t port) {
  const int connection = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(connection, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  return connection;
}

TEST_F(HttpServerTest, ARequestHearsThatItsClientHasLeft) {
  const int staying = connected_to(server_->address().port);
  const int leaving = connected_to(server_->address().port);
  const std::string request = "GET /wait HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
  ASSERT_EQ(send(leaving, request.data(), request.size(), 0), static_cast<ssize_t>(request.size()));
  ASSERT_EQ(send(staying, request.data(), request.size(), 0), static_cast<ssize_t>(request.size()));
  close(leaving);
  waiting_.wait_for_hangups(1);
  EXPECT_EQ(waiting_.hangups(), 1U) << "the other client is still there";
  close(staying);
  waiting_.wait_for_hangups(2);
}

TEST_F(HttpServerTest, BoundsWhatItReads) {
  auto got = client().Post("/echo", std::string(300'000, 'z'), "application/x-www-form-urlencoded");
  ASSERT_TRUE(got);
  EXPECT_EQ(got->status, 413);
  got = client().Get("/" + std::string(9'000, 'a'));
  ASSERT_TRUE(got);
  EXPECT_EQ(got->status, 414);
  got = client().Get("/" + std::string(8'000, 'a'));
  ASSERT_TRUE(got);
  EXPECT_EQ(got->status, 404);
}

TEST_F(HttpServerTest, RefusesRanges) {
  const auto got = client().Get("/long", httplib::Headers{{"Range", "bytes=0-,0-,0-,0-"}});
  ASSERT_TRUE(got);
  EXPECT_EQ(got->status, 416);
  EXPECT_LT(got->body.size(), 1000U);
}

TEST_F(HttpServerTest, CompressesOnRequest) {
  const auto got = client().Get("/long", httplib::Headers{{"Accept-Encoding", "gzip"}});
  ASSERT_TRUE(got);
  EXPECT_EQ(got->get_header_value("Content-Encoding"), "gzip");
  EXPECT_EQ(got->body, std::string(100'000, 'x'));
}

TEST_F(HttpServerTest, AFailingEndpointIsAnAnswer) {
  const auto got = client().Get("/throws");
  ASSERT_TRUE(got);
  EXPECT_EQ(got->status, 500);
  EXPECT_THAT(got->body, HasSubstr("\"errorType\":\"internal\""));
}

TEST_F(HttpServerTest, APortInUseIsAnErrorThatNamesIt) {
  const auto second = HttpServer::bind(server_->address(), clock_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, core::Errc::kUnavailable);
  EXPECT_EQ(second.error().message, "cannot listen on " + server_->address().to_string() + ": Address already in use");
}

TEST_F(HttpServerTest, StopsAtOnceAndTwice) {
  server_->stop();
  server_->stop();
  EXPECT_FALSE(client().Get("/echo"));
}

}  // namespace
}  // namespace agent

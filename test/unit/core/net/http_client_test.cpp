// SPDX-License-Identifier: Apache-2.0
#include "core/net/http_client.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <mutex>
#include <set>

#include "client_fixture.h"
#include "core/net/url.h"

namespace core::net {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using Plain = LocalServer<httplib::Server>;

TEST_F(HttpClientTest, GetsStatusHeadersBodyAndTimings) {
  Plain& server = serve<Plain>();
  server->Get("/metrics", [](const httplib::Request& request, httplib::Response& response) {
    response.set_header("X-Seen", request.get_header_value("User-Agent") + "|" + request.get_header_value("X-Mine") +
                                      "|" + request.get_header_value("Accept-Encoding"));
    response.set_content("up 1\n", "text/plain");
  });
  server.start();
  Request request;
  request.url = server.url("/metrics?a=1");
  request.headers = {{"X-Mine", "7"}};
  const auto response = fetch(request);
  ASSERT_TRUE(response) << error_of(response);
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(response->reason, "OK");
  EXPECT_EQ(response->body, "up 1\n");
  EXPECT_GT(response->wire_bytes, 0U);
  EXPECT_EQ(find_header(response->headers, "x-seen"), "watchkeeper|7|gzip");
  EXPECT_EQ(find_header(response->headers, "X-Absent"), "");
  EXPECT_EQ(response->remote_address, "127.0.0.1:" + std::to_string(server.port()));
  EXPECT_GT(response->timings.total, Duration::zero());
  EXPECT_GT(response->timings.connect, Duration::zero());
  EXPECT_EQ(response->timings.tls, Duration::zero());
}

TEST_F(HttpClientTest, AnyStatusIsAResponse) {
  Plain& server = serve<Plain>();
  server->Get("/sealed", [](const httplib::Request&, httplib::Response& response) {
    response.status = 503;
    response.set_content("{\"sealed\":true}", "application/json");
  });
  server.start();
  const auto response = fetch(server.url("/sealed"));
  ASSERT_TRUE(response) << error_of(response);
  EXPECT_EQ(response->status, 503);
  EXPECT_EQ(response->reason, "Service Unavailable");
  EXPECT_EQ(response->body, "{\"sealed\":true}");
}

TEST_F(HttpClientTest, SendsMethodsAndBodiesAsGiven) {
  Plain& server = serve<Plain>();
  std::string seen;
  const auto echo = [&seen](const httplib::Request& request, httplib::Response& response) {
    seen = request.method + " " + request.body + " " + request.get_header_value("Content-Type");
    EXPECT_FALSE(request.has_header("Expect"));
    response.status = 204;
  };
  server->Post("/x", echo).Put("/x", echo).Patch("/x", echo).Delete("/x", echo);
  server.start();
  for (const std::string method : {"POST", "PUT", "PATCH", "DELETE"}) {
    Request request;
    request.method = method;
    request.url = server.url("/x");
    request.body = "{\"n\":1}";
    request.headers = {{"Content-Type", "application/json"}};
    const auto response = fetch(request);
    ASSERT_TRUE(response) << error_of(response);
    EXPECT_EQ(response->status, 204);
    EXPECT_EQ(seen, method + " {\"n\":1} application/json");
  }
}

TEST_F(HttpClientTest, ThousandRequestsShareFewConnections) {
  Plain& server = serve<Plain>();
  std::set<int> client_ports;
  std::mutex mutex;
  server->set_keep_alive_max_count(100000);
  server->Get("/", [&](const httplib::Request& request, httplib::Response& response) {
    const std::lock_guard lock(mutex);
    client_ports.insert(request.remote_port);
    response.set_content("ok", "text/plain");
  });
  server.start();
  constexpr int kRequests = 1000;
  constexpr int kAtOnce = 4;
  int sent = 0;
  int answered = 0;
  std::function<void()> send_one = [&] {
    ++sent;
    Request request;
    request.url = server.url();
    client->send(request, [&](const Result<Response>& response) {
      EXPECT_TRUE(response && response->body == "ok");
      ++answered;
      if (sent < kRequests) {
        send_one();
      } else if (answered == kRequests) {
        loop.stop();
      }
    });
  };
  for (int i = 0; i < kAtOnce; ++i) send_one();
  run_until_stopped();
  EXPECT_EQ(answered, kRequests);
  EXPECT_LE(client_ports.size(), static_cast<std::size_t>(kAtOnce));
}

TEST_F(HttpClientTest, SendsBasicCredentialsAndReadsTheFileAgainForEveryRequest) {
  Plain& server = serve<Plain>();
  std::string seen;
  server->Get("/", [&](const httplib::Request& request, httplib::Response&) {
    seen = request.get_header_value("Authorization");
  });
  server.start();
  const auto folder = std::filesystem::temp_directory_path() / ("net_credentials_" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  const std::string file = (folder / "secret").string();
  Request basic;
  basic.url = server.url();
  basic.credentials.username = "prom";
  basic.credentials.password_file = file;
  Request bearer;
  bearer.url = server.url();
  bearer.credentials.token_file = file;
  const std::pair<std::string, std::string> rotations[] = {{"one", "cHJvbTpvbmU="}, {"two", "cHJvbTp0d28="}};
  for (const auto& [secret, encoded] : rotations) {
    std::ofstream(file) << secret << "\n";
    ASSERT_TRUE(fetch(basic));
    EXPECT_EQ(seen, "Basic " + encoded);
    ASSERT_TRUE(fetch(bearer));
    EXPECT_EQ(seen, "Bearer " + secret);
  }
  std::filesystem::remove_all(folder);
  const auto response = fetch(bearer);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Errc::kUnavailable);
  EXPECT_THAT(error_of(response), HasSubstr("open " + file + ": No such file"));
}

TEST_F(HttpClientTest, FollowsRedirectsOnlyWhenAskedAndKeepsCredentialsToTheFirstHost) {
  Plain& other = serve<Plain>();
  std::string other_saw = "nothing";
  other->Get("/there", [&](const httplib::Request& request, httplib::Response& response) {
    other_saw = request.get_header_value("Authorization") + request.get_header_value("Cookie");
    response.set_content("moved", "text/plain");
  });
  other.start();
  Plain& first = serve<Plain>();
  std::string first_saw;
  first->Get("/here", [&](const httplib::Request& request, httplib::Response& response) {
    first_saw = request.get_header_value("Authorization");
    response.set_redirect("http://127.0.0.1:" + std::to_string(other.port()) + "/there");
  });
  first->Get("/loop", [](const httplib::Request&, httplib::Response& response) { response.set_redirect("/loop"); });
  first->Get("/file", [](const httplib::Request&, httplib::Response& response) {
    response.set_redirect("file:///etc/hostname");
  });
  first.start();
  Request request;
  request.url = first.url("/here");
  request.credentials.token = "secret";
  request.headers = {{"Cookie", "session=1"}};
  auto response = fetch(request);
  ASSERT_TRUE(response) << error_of(response);
  EXPECT_EQ(response->status, 302);
  EXPECT_EQ(other_saw, "nothing");
  request.follow_redirects = true;
  response = fetch(request);
  ASSERT_TRUE(response) << error_of(response);
  EXPECT_EQ(response->body, "moved");
  EXPECT_EQ(first_saw, "Bearer secret");
  EXPECT_EQ(other_saw, "");

  request.url = first.url("/loop");
  response = fetch(request);
  ASSERT_FALSE(response);
  EXPECT_EQ(error_of(response), "Get \"" + request.url + "\": stopped after 10 redirects");
  request.url = first.url("/file");
  response = fetch(request);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Errc::kUnavailable);
}

TEST_F(HttpClientTest, WrongRequestsAreInvalid) {
  const struct {
    std::string url;
    std::string method;
    Headers headers;
    std::string says;
  } cases[] = {
      {"", "GET", {}, "expected http:// or https://"},
      {"ftp://h/x", "GET", {}, "unsupported protocol scheme \"ftp\""},
      {"http://", "GET", {}, "no host"},
      {"http://h:99999/", "GET", {}, "\"99999\" is not a number"},
      {"http://h/a b", "GET", {}, "blank"},
      {"http://h/\r\nX: y", "GET", {}, "blank or control"},
      {"http://[::1/", "GET", {}, "']'"},
      {"http://h/", "G T", {}, "method"},
      {"http://h/", "GET", {{"a b", "x"}}, "header name"},
      {"http://h/", "GET", {{"X", "a\r\nEvil: 1"}}, "line break"},
  };
  for (const auto& one : cases) {
    Request request;
    request.url = one.url;
    request.method = one.method;
    request.headers = one.headers;
    const auto response = fetch(request);
    ASSERT_FALSE(response) << one.url;
    EXPECT_EQ(response.error().code, Errc::kInvalid) << one.url;
    EXPECT_THAT(error_of(response), HasSubstr(one.says));
  }
}

TEST_F(HttpClientTest, RefusesMoreThanTheLimitInFlight) {
  Plain& server = serve<Plain>();
  server->Get("/", [](const httplib::Request&, httplib::Response&) {});
  server.start();
  client = make_http_client(loop, clock, {.max_in_flight = 2});
  int answered = 0;
  int refused = 0;
  for (int i = 0; i < 5; ++i) {
    Request request;
    request.url = server.url();
    client->send(request, [&](const Result<Response>& response) {
      if (!response) {
        EXPECT_EQ(response.error().code, Errc::kLimitExceeded);
        ++refused;
      }
      if (++answered == 5) loop.stop();
    });
  }
  run_until_stopped();
  EXPECT_EQ(refused, 3);
}

TEST(UrlTest, SplitsAndPrints) {
  const auto url = parse_url("HTTP://user:pw@Example.COM:8080/a%20b?x=1&y=2#frag");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->scheme, "http");
  EXPECT_EQ(url->userinfo, "user:pw");
  EXPECT_EQ(url->host, "example.com");
  EXPECT_EQ(url->port, 8080);
  EXPECT_EQ(url->path, "/a%20b");
  EXPECT_EQ(url->query, "x=1&y=2");
  EXPECT_EQ(url->to_string(), "http://user:pw@example.com:8080/a%20b?x=1&y=2");
  EXPECT_EQ(parse_url("https://[::1]:9/x")->authority(), "[::1]:9");
  EXPECT_EQ(parse_url("https://h?q")->to_string(), "https://h/?q");
  EXPECT_EQ(parse_url("https://h")->port, 443);
}

TEST(UrlTest, RedactsThePasswordOnly) {
  EXPECT_EQ(redact_url("http://user:pw@h/x?y=a:b@c"), "http://user:***@h/x?y=a:b@c");
  EXPECT_EQ(redact_url("http://user@h:1/x"), "http://user@h:1/x");
  EXPECT_EQ(redact_url("http://h:1/x@y"), "http://h:1/x@y");
}

TEST(UrlTest, EscapesAsPrometheusDoes) {
  EXPECT_EQ(escape_query("x y~*/"), "x+y~%2A%2F");
  EXPECT_EQ(escape_path("/metrics?x=1"), "/metrics%3Fx=1");
  EXPECT_EQ(build_query({{"m[]", "up"}, {"a", "2"}, {"b", "x y"}, {"a", "1"}}), "a=2&a=1&b=x+y&m%5B%5D=up");
}

}  // namespace
}  // namespace core::net

// SPDX-License-Identifier: Apache-2.0
#include "collector/discovery/http_discovery.h"

#include <mutex>

#include "test/unit/collector/discovery/discovery_world.h"
#include "test/unit/core/net/client_fixture.h"

namespace collector::discovery {
namespace {

class HttpDiscoveryTest : public DiscoveryTest {
 protected:
  struct Answer {
    int status = 200;
    std::string type = "application/json";
    std::string body = "";
  };

  HttpDiscoveryTest() {
    server->Get("/sd", [this](const httplib::Request& request, httplib::Response& response) {
      const std::lock_guard lock(mutex);
      seen = request;
      ++requests;
      response.status = answer.status;
      response.set_content(answer.body, answer.type.c_str());
    });
    server.start();
  }
  ~HttpDiscoveryTest() override {
    discovery.reset();
    http.reset();  // the server could not stop while the client keeps its connections
  }
  void answers(Answer next) {
    const std::lock_guard lock(mutex);
    answer = std::move(next);
  }
  void start(const std::string& more = "") {
    discovery = make_http_discovery(
        must_read<HttpConfig>("{url: '" + server.url("/sd") + "', refresh_interval: 500ms" + more + "}"), context,
        sink);
  }

  std::mutex mutex;
  Answer answer;          // guarded by mutex
  httplib::Request seen;  // guarded by mutex
  int requests = 0;       // guarded by mutex
  core::net::LocalServer<httplib::Server> server;
  std::unique_ptr<Discovery> discovery;
};

TEST_F(HttpDiscoveryTest, AsksAsPrometheusDoes) {
  answers({.body = R"([{"targets": ["a:1", "a:2"], "labels": {"k": "v"}}, {"targets": ["b:1"]}])"});
  start(", authorization: {credentials: s3cret}, http_headers: {X-Team: {values: [infra]}}");
  run_until([&] { return sink.addresses() == "a:1 a:2 b:1"; });
  EXPECT_EQ(sink.label("__meta_url", 2), server.url("/sd"));
  EXPECT_EQ(sink.label("k"), "v");
  {
    const std::lock_guard lock(mutex);
    EXPECT_EQ(seen.get_header_value("Accept"), "application/json");
    EXPECT_EQ(seen.get_header_value("X-Prometheus-Refresh-Interval-Seconds"), "0.5");
    EXPECT_EQ(seen.get_header_value("Authorization"), "Bearer s3cret");
    EXPECT_EQ(seen.get_header_value("X-Team"), "infra");
  }
  answers({.type = "Application/JSON; charset=\"UTF-8\"", .body = R"([{"targets": ["a:3"]}])"});
  run_until([&] { return sink.addresses() == "a:3"; });
  answers({.body = "[]"});
  run_until([&] { return sink.addresses().empty(); });
  EXPECT_TRUE(sink.errors.empty()) << sink.errors[0];
}

TEST_F(HttpDiscoveryTest, AFailureKeepsTheTargets) {
  answers({.body = R"([{"targets": ["a:1"]}])"});
  start();
  run_until([&] { return sink.addresses() == "a:1"; });
  const std::pair<Answer, const char*> cases[] = {
      {{.status = 503, .body = "[]"}, "server returned HTTP status 503 Service Unavailable"},
      {{.status = 204, .body = ""}, "server returned HTTP status 204"},
      {{.type = "text/html", .body = "[]"}, "unsupported content type \"text/html\""},
      {{.type = "application/json; charset=latin1", .body = "[]"}, "unsupported content type"},
      {{.body = "[{\"targets\": [1]}]"}, ":1:16: expected a target as a string"},
      {{.body = std::string(17 << 20, ' ')}, "body size limit exceeded"},
  };
  for (const auto& [bad, error] : cases) {
    sink.errors.clear();
    answers(bad);
    run_until([&, text = error] { return !sink.errors.empty() && sink.errors.back().find(text) != std::string::npos; });
    EXPECT_EQ(sink.addresses(), "a:1") << error;
  }
}

TEST_F(HttpDiscoveryTest, ANewAnswerAfterAFailureIsTaken) {
  answers({.status = 500, .body = "[]"});
  start();
  run_until([&] { return sink.errors.size() >= 2; });
  EXPECT_EQ(sink.updates, 0);
  answers({.body = R"([{"targets": ["a:1"]}])"});
  run_until([&] { return sink.addresses() == "a:1"; });
}

TEST_F(HttpDiscoveryTest, MistakesAreNamed) {
  const std::pair<const char*, const char*> cases[] = {
      {"{}", "URL is missing"},
      {"{url: 'ftp://x'}", "URL scheme must be 'http' or 'https'"},
      {"{url: 'http:///x'}", "host is missing in URL"},
      {"{url: 'http://x', refresh_interval: 0s}", "refresh_interval: expected more than 0"},
      {"{url: 'http://x', oauth2: {}}", "OAuth 2.0 is not supported"},
  };
  for (const auto& [yaml, error] : cases) {
    const auto config = read<HttpConfig>(yaml);
    ASSERT_FALSE(config) << yaml;
    EXPECT_NE(config.error().message.find(error), std::string::npos) << config.error().message;
  }
}

// What a set refuses, because it would be too much, was not told: what was there before is still to be taken back.
TEST_F(HttpDiscoveryTest, GroupsThatWereRefusedAreRemovedLater) {
  answers({.body = R"([{"targets": ["a:1"]}, {"targets": ["b:1"]}, {"targets": ["c:1"]}])"});
  start();
  run_until([&] { return sink.addresses() == "a:1 b:1 c:1"; });
  sink.refuses = true;
  answers({.body = R"([{"targets": ["a:1"]}])"});
  const int before = sink.updates;
  run_until([&] { return sink.updates > before + 1; });
  sink.refuses = false;
  run_until([&] { return sink.addresses() == "a:1"; });
}

}  // namespace
}  // namespace collector::discovery

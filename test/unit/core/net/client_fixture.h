// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <httplib.h>

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/net/http_client.h"
#include "core/net/io_loop.h"

namespace core::net {

// A cpp-httplib server on a port of its own, listening from start() until it goes.
//
// Thread safety: confined to one thread.
template <class Server>
class LocalServer {
 public:
  template <class... Args>
  explicit LocalServer(Args&&... args) : server_(std::forward<Args>(args)...) {}
  ~LocalServer() {
    server_.stop();
    if (thread_.joinable()) thread_.join();
  }
  Server* operator->() { return &server_; }

  void start() {
    server_.set_tcp_nodelay(true);
    port_ = server_.bind_to_any_port("127.0.0.1");
    ASSERT_GT(port_, 0);
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::yield();  // stop() before that would be lost
  }
  int port() const { return port_; }
  std::string url(const std::string& path = "/", const std::string& scheme = "http") const {
    return scheme + "://127.0.0.1:" + std::to_string(port_) + path;
  }

 private:
  Server server_;
  int port_ = 0;
  std::thread thread_;
};

class HttpClientTest : public ::testing::Test {
 protected:
  // Runs the loop until somebody stops it; fails after 20 s.
  void run_until_stopped() {
    const TimerId watchdog = loop.schedule_after(clock, std::chrono::seconds(20), [this] {
      ADD_FAILURE() << "nothing happened for 20 s";
      loop.stop();
    });
    loop.run();
    loop.cancel(watchdog);
  }

  Result<Response> fetch(Request request) {
    std::optional<Result<Response>> result;
    client->send(std::move(request), [&](Result<Response> answer) {
      EXPECT_TRUE(loop.on_loop_thread());
      EXPECT_FALSE(result.has_value()) << "called back twice";
      result = std::move(answer);
      loop.stop();
    });
    EXPECT_FALSE(result.has_value()) << "called back inside send()";
    run_until_stopped();
    return result ? std::move(*result) : Result<Response>(fail(Errc::kCancelled, "no answer"));
  }
  Result<Response> fetch(const std::string& url) {
    Request request;
    request.url = url;
    return fetch(request);
  }
  std::string error_of(const Result<Response>& result) { return result ? "no error" : result.error().message; }

  // A server that lives longer than the client: it could not stop while the client keeps its connections.
  template <class Server, class... Args>
  Server& serve(Args&&... args) {
    auto server = std::make_shared<Server>(std::forward<Args>(args)...);
    servers_.push_back(server);
    return *server;
  }

 private:
  std::vector<std::shared_ptr<void>> servers_;

 protected:
  SystemClock clock;
  IoLoop loop{clock};
  std::unique_ptr<HttpClient> client = make_http_client(loop, clock);
};

}  // namespace core::net

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <thread>

#include "core/net/http_client.h"
#include "core/net/io_loop.h"
#include "core/time/clock.h"

namespace actions::backup {

// A client on a loop of its own: what a large answer does to the disk must not hold up the agent's.
//
// Thread safety: confined to one thread; the client's callbacks come on the loop's.
class OwnLoop {
 public:
  explicit OwnLoop(const core::Clock& clock)
      : loop_(clock), client_(core::net::make_http_client(loop_, clock)), thread_([this] { loop_.run(); }) {}
  OwnLoop(const OwnLoop&) = delete;
  OwnLoop& operator=(const OwnLoop&) = delete;
  // The client goes while the loop does not run, and with it what is under way.
  ~OwnLoop() {
    loop_.stop();
    thread_.join();
  }
  core::net::HttpClient& client() { return *client_; }

 private:
  core::net::IoLoop loop_;
  std::unique_ptr<core::net::HttpClient> client_;
  std::thread thread_;
};

}  // namespace actions::backup

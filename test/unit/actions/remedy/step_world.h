// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <thread>

#include "actions/remedy/step_surroundings.h"
#include "core/net/io_loop.h"

namespace actions::remedy {

// A real HTTP client on a loop that runs, and looks that follow one another quickly.
//
// Thread safety: confined to one thread.
class StepWorld {
 public:
  explicit StepWorld(std::function<std::string(const char*)> environment)
      : around{.scheduler = loop_,
               .http = *http_,
               .clock = clock_,
               .environment = std::move(environment),
               .poll = std::chrono::milliseconds(2)},
        thread_([this] { loop_.run(); }) {}
  // The client goes while the loop does not run.
  ~StepWorld() {
    loop_.stop();
    thread_.join();
  }

  Task task(int attempt = 1) {
    Task task;
    task.name = "restart-geth-0123456789abcdef-1700000000000/1";
    task.attempt = attempt;
    task.started = clock_.wall_now();
    task.protection = std::make_shared<const ProtectionConfig>(protection);
    task.stop = stop.get_token();
    return task;
  }

  ProtectionConfig protection;
  std::stop_source stop;

 private:
  core::SystemClock clock_;
  core::net::IoLoop loop_{clock_};
  std::unique_ptr<core::net::HttpClient> http_ = core::net::make_http_client(loop_, clock_);

 public:
  Surroundings around;

 private:
  std::thread thread_;
};

}  // namespace actions::remedy

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "core/time/clock.h"
#include "core/time/scheduler.h"

namespace boost::asio {
class io_context;
}

namespace core::net {

// The I/O thread's loop: timers, signals, sockets. One a process, beside as many as tests like.
//
// Thread safety: any thread, except run().
class IoLoop final : public Scheduler {
 public:
  explicit IoLoop(const Clock& clock);
  ~IoLoop() override;
  IoLoop(const IoLoop&) = delete;
  IoLoop& operator=(const IoLoop&) = delete;

  // Works until stop(); the calling thread becomes the I/O thread.
  void run();
  void stop();
  bool on_loop_thread() const;

  TimerId schedule_at(SteadyTime when, std::function<void()> task) override;
  bool cancel(TimerId timer) override;
  void post(std::function<void()> task) override;

  // Calls `handler(signal)` on the loop for each of these signals, instead of their default action.
  void on_signals(const std::vector<int>& signals, std::function<void(int)> handler);

  // For the few files that speak Asio themselves.
  boost::asio::io_context& context();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace core::net

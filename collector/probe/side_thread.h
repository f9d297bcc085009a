// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <coroutine>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "core/net/io_loop.h"
#include "core/time/serial_thread.h"

namespace collector::probe {

// Work that the loop's thread must not wait for - files on a disk that may hang, rules on a large body - one after the
// other on a thread of its own. A probe waits for it until its deadline and no longer, though the work goes on; while
// too much of it waits, further work is refused.
//
// Thread safety: confined to the loop's thread.
class SideThread {
 public:
  // More than `pending_max` pieces of work are refused. REQUIRES: loop and clock outlive this.
  SideThread(core::net::IoLoop& loop, const core::Clock& clock, std::string name, int pending_max)
      : loop_(loop), pending_max_(pending_max), thread_(clock, std::move(name)) {}

  template <class T>
  class Work;

  // co_await gives what `work` returns, which must not refer to what may go; none if it was not done by the deadline or
  // was refused.
  template <class T>
  Work<T> run(core::SteadyTime deadline, std::function<T()> work) {
    return Work<T>(*this, deadline, std::move(work));
  }

 private:
  core::net::IoLoop& loop_;
  const int pending_max_;
  std::shared_ptr<std::atomic<int>> pending_ = std::make_shared<std::atomic<int>>(0);
  core::SerialThread thread_;
};

template <class T>
class SideThread::Work {
 public:
  Work(SideThread& thread, core::SteadyTime deadline, std::function<T()> work)
      : thread_(thread), deadline_(deadline), work_(std::move(work)) {}
  Work(const Work&) = delete;
  Work& operator=(const Work&) = delete;
  ~Work() {
    wait_->waiting = {};
    thread_.loop_.cancel(wait_->timer);
  }

  bool await_ready() const noexcept { return thread_.pending_->load() >= thread_.pending_max_; }
  void await_suspend(std::coroutine_handle<> waiting) {
    wait_->waiting = waiting;
    wait_->timer = thread_.loop_.schedule_at(deadline_, [wait = wait_] { wait->resume(); });
    ++*thread_.pending_;
    thread_.thread_.post([wait = wait_, work = std::move(work_), pending = thread_.pending_, &loop = thread_.loop_] {
      auto value = std::make_shared<T>(work());
      --*pending;
      loop.post([wait, value] {
        wait->value = std::move(*value);
        wait->resume();
      });
    });
  }
  std::optional<T> await_resume() { return std::move(wait_->value); }

 private:
  // Confined to the loop's thread.
  struct Wait {
    std::coroutine_handle<> waiting;
    core::TimerId timer = 0;
    std::optional<T> value;
    void resume() {
      if (waiting) std::exchange(waiting, {}).resume();
    }
  };

  SideThread& thread_;
  core::SteadyTime deadline_;
  std::function<T()> work_;
  std::shared_ptr<Wait> wait_ = std::make_shared<Wait>();
};

}  // namespace collector::probe

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <coroutine>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "core/net/io_loop.h"
#include "core/time/serial_thread.h"

namespace collector::probe {

// Work on files that may wait for a disk, away from the loop's thread: one after the other. A probe waits for it until
// its deadline and no longer, though the work goes on; while too much of it hangs, further work is refused.
//
// Thread safety: confined to the loop's thread.
class FileThread {
 public:
  static constexpr int kPendingMax = 64;

  // REQUIRES: both outlive this.
  FileThread(core::net::IoLoop& loop, const core::Clock& clock)
      : loop_(loop), clock_(clock), thread_(clock, "probe-files") {}

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
  const core::Clock& clock_;
  std::shared_ptr<std::atomic<int>> pending_ = std::make_shared<std::atomic<int>>(0);
  core::SerialThread thread_;
};

template <class T>
class FileThread::Work {
 public:
  Work(FileThread& thread, core::SteadyTime deadline, std::function<T()> work)
      : thread_(thread), deadline_(deadline), work_(std::move(work)) {}
  Work(const Work&) = delete;
  Work& operator=(const Work&) = delete;
  ~Work() {
    wait_->waiting = {};
    thread_.loop_.cancel(wait_->timer);
  }

  bool await_ready() const noexcept { return thread_.pending_->load() >= kPendingMax; }
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

  FileThread& thread_;
  core::SteadyTime deadline_;
  std::function<T()> work_;
  std::shared_ptr<Wait> wait_ = std::make_shared<Wait>();
};

}  // namespace collector::probe

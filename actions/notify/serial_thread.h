// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "core/time/clock.h"
#include "core/time/scheduler.h"

namespace actions::notify {

// A thread that runs one task after the other, now or at a steady time: the strand of the notifier, whose disk work
// must not hold up the I/O thread. Its queue is as long as what its users post; the notifier posts one task a pending
// piece of work, an answer, or a timer.
//
// Thread safety: any thread may call. stop() waits for the task that runs and drops the others.
class SerialThread final : public core::Scheduler {
 public:
  // `name` shows in ps and gdb; at most 15 bytes count.
  SerialThread(const core::Clock& clock, std::string name);
  ~SerialThread() override;
  SerialThread(const SerialThread&) = delete;
  SerialThread& operator=(const SerialThread&) = delete;

  core::TimerId schedule_at(core::SteadyTime when, std::function<void()> task) override;
  bool cancel(core::TimerId timer) override;
  void post(std::function<void()> task) override;
  // REQUIRES: not called from a task of this thread.
  void stop();

 private:
  void run();

  const core::Clock& clock_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::pair<core::SteadyTime, core::TimerId>, std::function<void()>> tasks_;  // guarded by mutex_
  core::TimerId next_timer_ = 1;                                                       // guarded by mutex_
  bool stopping_ = false;                                                              // guarded by mutex_
  std::thread thread_;                                                                 // last: it uses the others
};

}  // namespace actions::notify

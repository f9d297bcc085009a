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

namespace core {

// A thread that runs one task after the other, now or at a steady time: a strand for work on the disk or the processor
// that must not hold up the I/O thread (the notifier, remote write). Its queue is as long as what its users post: one
// task a pending piece of work, an answer, or a timer.
//
// Thread safety: any thread may call. stop() waits for the task that runs and drops the others.
class SerialThread final : public Scheduler {
 public:
  // `name` shows in ps and gdb; at most 15 bytes count.
  SerialThread(const Clock& clock, std::string name);
  ~SerialThread() override;
  SerialThread(const SerialThread&) = delete;
  SerialThread& operator=(const SerialThread&) = delete;

  TimerId schedule_at(SteadyTime when, std::function<void()> task) override;
  bool cancel(TimerId timer) override;
  void post(std::function<void()> task) override;
  // REQUIRES: not called from a task of this thread.
  void stop();

 private:
  void run();

  const Clock& clock_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::pair<SteadyTime, TimerId>, std::function<void()>> tasks_;  // guarded by mutex_
  TimerId next_timer_ = 1;                                                 // guarded by mutex_
  bool stopping_ = false;                                                  // guarded by mutex_
  std::thread thread_;                                                     // last: it uses the others
};

}  // namespace core

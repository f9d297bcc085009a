// SPDX-License-Identifier: Apache-2.0
#include "core/time/serial_thread.h"

#include <pthread.h>

#include <algorithm>

namespace core {
namespace {

// The kernel's limit on a thread's name, without its end.
constexpr std::size_t kThreadNameMax = 15;

}  // namespace

SerialThread::SerialThread(const Clock& clock, std::string name) : clock_(clock) {
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), name.substr(0, kThreadNameMax).c_str());
}

SerialThread::~SerialThread() { stop(); }

TimerId SerialThread::schedule_at(SteadyTime when, std::function<void()> task) {
  TimerId id = 0;
  {
    const std::lock_guard lock(mutex_);
    id = next_timer_++;
    if (!stopping_) tasks_.emplace(std::pair(when, id), std::move(task));
  }
  changed_.notify_one();
  return id;
}

bool SerialThread::cancel(TimerId timer) {
  const std::lock_guard lock(mutex_);
  return std::erase_if(tasks_, [timer](const auto& each) { return each.first.second == timer; }) > 0;
}

void SerialThread::post(std::function<void()> task) { schedule_at(SteadyTime::min(), std::move(task)); }

void SerialThread::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
  const std::lock_guard lock(mutex_);
  tasks_.clear();
}

void SerialThread::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (tasks_.empty()) {
      changed_.wait(lock);
      continue;
    }
    const SteadyTime due = tasks_.begin()->first.first;
    const SteadyTime now = clock_.steady_now();
    if (due > now) {
      changed_.wait_for(lock, due - now);
      continue;
    }
    auto task = tasks_.extract(tasks_.begin());
    lock.unlock();
    task.mapped()();
    task.mapped() = nullptr;  // what it holds is let go without the lock
    lock.lock();
  }
}

}  // namespace core

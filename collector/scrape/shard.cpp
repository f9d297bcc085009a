// SPDX-License-Identifier: Apache-2.0
#include "collector/scrape/shard.h"

#include <sys/resource.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

namespace collector::scrape {
namespace {

class ThreadShard final : public Shard {
 public:
  ThreadShard(core::ring::Ring& ring, ThreadShardOptions options)
      : appender_(ring.make_appender()), options_(options), thread_([this] { run(); }) {}

  ~ThreadShard() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_one();
    thread_.join();
  }

  bool post(Task task) override {
    {
      const std::lock_guard lock(mutex_);
      if (queue_.size() >= options_.capacity) return false;
      queue_.push_back(std::move(task));
    }
    changed_.notify_one();
    return true;
  }

  bool run_here(const Task& task) override {
    {
      const std::lock_guard lock(mutex_);
      if (busy_ || !queue_.empty()) return false;
      busy_ = true;
    }
    task(*appender_);
    bool waits = false;
    {
      const std::lock_guard lock(mutex_);
      busy_ = false;
      waits = !queue_.empty() || stopping_;
    }
    if (waits) changed_.notify_one();
    return true;
  }

 private:
  void run() {
    // On Linux this is the thread's own, not the process's. It may be forbidden, and is only a courtesy.
    if (options_.nice != 0) static_cast<void>(::setpriority(PRIO_PROCESS, 0, options_.nice));
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return !busy_ && (stopping_ || !queue_.empty()); });
      if (queue_.empty()) return;
      const Task task = std::move(queue_.front());
      queue_.pop_front();
      busy_ = true;
      lock.unlock();
      task(*appender_);
      lock.lock();
      busy_ = false;
    }
  }

  std::unique_ptr<core::ring::Appender> appender_;  // used by the task that runs
  const ThreadShardOptions options_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Task> queue_;  // guarded by mutex_
  bool stopping_ = false;   // guarded by mutex_
  bool busy_ = false;       // guarded by mutex_: a task runs, on whatever thread
  std::thread thread_;      // last: starts when everything else is there
};

}  // namespace

std::unique_ptr<Shard> make_thread_shard(core::ring::Ring& ring, ThreadShardOptions options) {
  return std::make_unique<ThreadShard>(ring, options);
}

}  // namespace collector::scrape

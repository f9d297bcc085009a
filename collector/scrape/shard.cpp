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

 private:
  void run() {
    // On Linux this is the thread's own, not the process's. It may be forbidden, and is only a courtesy.
    if (options_.nice != 0) static_cast<void>(::setpriority(PRIO_PROCESS, 0, options_.nice));
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) return;
      const Task task = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      task(*appender_);
      lock.lock();
    }
  }

  std::unique_ptr<core::ring::Appender> appender_;  // used by the thread only
  const ThreadShardOptions options_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Task> queue_;  // guarded by mutex_
  bool stopping_ = false;   // guarded by mutex_
  std::thread thread_;      // last: starts when everything else is there
};

}  // namespace

std::unique_ptr<Shard> make_thread_shard(core::ring::Ring& ring, ThreadShardOptions options) {
  return std::make_unique<ThreadShard>(ring, options);
}

}  // namespace collector::scrape

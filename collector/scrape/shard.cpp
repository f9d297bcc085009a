// SPDX-License-Identifier: Apache-2.0
#include "collector/scrape/shard.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

namespace collector::scrape {
namespace {

class ThreadShard final : public Shard {
 public:
  ThreadShard(core::ring::Ring& ring, std::size_t capacity)
      : appender_(ring.make_appender()), capacity_(capacity), thread_([this] { run(); }) {}

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
      if (queue_.size() >= capacity_) return false;
      queue_.push_back(std::move(task));
    }
    changed_.notify_one();
    return true;
  }

 private:
  void run() {
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
  const std::size_t capacity_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Task> queue_;  // guarded by mutex_
  bool stopping_ = false;   // guarded by mutex_
  std::thread thread_;      // last: starts when everything else is there
};

}  // namespace

std::unique_ptr<Shard> make_thread_shard(core::ring::Ring& ring, std::size_t capacity) {
  return std::make_unique<ThreadShard>(ring, capacity);
}

}  // namespace collector::scrape

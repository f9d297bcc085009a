// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include "collector/scrape/ingest_scratch.h"
#include "core/ring/ring.h"

namespace collector::scrape {

// Work waiting for one shard. A target has one scrape under way, so this is a bound on targets more than on time.
inline constexpr std::size_t kShardQueueMax = 16'384;

// A worker with an appender of its own: targets belong to one shard each, and so has a series one writer.
//
// Thread safety: any thread. Tasks run one after another, those that wait in the order they were posted. scratch() is
// for them.
class Shard {
 public:
  using Task = std::function<void(core::ring::Appender&)>;

  virtual ~Shard() = default;
  // False if the queue is full; the task will not run.
  [[nodiscard]] virtual bool post(Task task) = 0;
  // Runs the task on the calling thread, unless another one runs or waits; false then, and nothing was done. It spares
  // waking the shard's thread, and moving what the task reads into the cache of another processor.
  [[nodiscard]] virtual bool run_here(const Task& task) = 0;
  // What tasks need for their time only, so that it is there once a shard and not once a target.
  IngestScratch& scratch() { return scratch_; }

 private:
  IngestScratch scratch_;
};

// Runs a task inside post(): for tests and the simulation.
//
// Thread safety: confined to one thread.
class InlineShard final : public Shard {
 public:
  explicit InlineShard(core::ring::Ring& ring) : appender_(ring.make_appender()) {}
  bool post(Task task) override {
    task(*appender_);
    return true;
  }
  bool run_here(const Task& task) override { return post(task); }

 private:
  std::unique_ptr<core::ring::Appender> appender_;
};

struct ThreadShardOptions {
  std::size_t capacity = kShardQueueMax;  // tasks that wait
  int nice = 0;                           // more: others get the processor first
};

// A thread with a queue. Its destruction runs what is queued and waits for the thread.
std::unique_ptr<Shard> make_thread_shard(core::ring::Ring& ring, ThreadShardOptions options = {});

}  // namespace collector::scrape

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <stop_token>

#include "core/result.h"
#include "core/time/clock.h"

namespace agent {

struct QueryGateCounts {
  std::size_t limit = 0;
  std::size_t running = 0;
  std::size_t waiting = 0;
  std::uint64_t timed_out = 0;  // gave up waiting
  std::uint64_t refused = 0;    // too many waited already
};

// Threads of the HTTP server that queries may hold, running or waiting. The rest stay free for /-/healthy, /metrics and
// the like: an agent that is asked much is not one that hangs.
inline constexpr std::size_t kQueryThreadsMax = 28;

// Lets a bounded number of queries run at once, so that many clients cannot take more memory than that many queries
// may: the others wait, each on its own thread, no longer than its timeout; of those, too, there is a bounded number.
//
// Thread safety: any thread.
class QueryGate {
 public:
  QueryGate(std::size_t limit, std::size_t most_waiting) : limit_(limit), most_waiting_(most_waiting) {}

  // A place for one query; it is free again when this is destroyed.
  class Place {
   public:
    explicit Place(QueryGate& gate) : gate_(&gate) {}
    ~Place();
    Place(Place&& other) noexcept : gate_(other.gate_) { other.gate_ = nullptr; }
    Place& operator=(Place&&) = delete;
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

   private:
    QueryGate* gate_;
  };

  // Waits for a place. kTimeout where there is none in time, kCancelled where `stop` was requested meanwhile,
  // kUnavailable at once where too many wait already.
  core::Result<Place> enter(core::Millis timeout, const std::stop_token& stop);
  QueryGateCounts counts() const;

 private:
  void leave();

  const std::size_t limit_;
  const std::size_t most_waiting_;
  mutable std::mutex mutex_;
  std::condition_variable_any free_;
  std::size_t running_ = 0;      // guarded by mutex_
  std::size_t waiting_ = 0;      // guarded by mutex_
  std::uint64_t timed_out_ = 0;  // guarded by mutex_
  std::uint64_t refused_ = 0;    // guarded by mutex_
};

}  // namespace agent

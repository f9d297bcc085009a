// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "core/ring/ring.h"
#include "core/time/clock.h"

namespace rules {

// The scrape of a target has landed: its samples can be read.
struct Arrival {
  std::string job;
  std::string instance;
  std::int64_t time_ms = 0;  // of the samples
};

// A target whose scrapes come, by the number of its first one.
using SourceNumber = std::uint32_t;

// Arrivals from one target that wait to be looked at, as one.
struct SourceArrivals {
  SourceNumber source = 0;
  std::string job;
  std::string instance;
  std::int64_t first_ms = 0;  // the earliest scrape among them
  std::int64_t last_ms = 0;
  core::SteadyTime landed;  // when the first of them came
};

// The targets whose scrapes a rule thread wants to hear of.
struct ArrivalInterest {
  bool in_any = false;
  std::vector<bool> sources;  // by number
  // The ring's index for which this was found out. Beyond it a new series may feed a rule from a target that did not
  // before, so that everything is of interest.
  std::uint64_t generation = 0;

  bool includes(SourceNumber source) const { return in_any || (source < sources.size() && sources[source]); }
};

// What collectors tell one rule thread, and where it waits. Arrivals from a target that are not looked at yet are one.
// The first arrival of a target is always taken: it tells that the target is there.
//
// Thread safety: any thread; offer() waits for nothing but the queue's own short lock.
class ArrivalQueue {
 public:
  // Targets that are known, those that are gone included. The scrapes of more are dropped, which leaves their rules to
  // the interval.
  static constexpr std::size_t kSourcesMax = 65'536;

  enum class Offered { kIgnored, kTaken, kCoalesced, kDropped };

  explicit ArrivalQueue(const core::ring::Reader& reader) : reader_(reader) {}

  Offered offer(const Arrival& arrival, core::SteadyTime now);
  std::vector<SourceArrivals> take();
  // None: nothing is taken at all.
  void set_interest(std::optional<ArrivalInterest> interest);

  // Until there is something to take, wake() was called, the thread is to stop, or the time has passed.
  void wait(const std::stop_token& stop, core::Duration at_most);
  void wake();

 private:
  const core::ring::Reader& reader_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::map<std::pair<std::string, std::string>, SourceNumber> numbers_;  // guarded by mutex_
  std::optional<ArrivalInterest> interest_;                              // guarded by mutex_
  std::map<SourceNumber, SourceArrivals> waiting_;                       // guarded by mutex_
  bool woken_ = false;                                                   // guarded by mutex_
};

}  // namespace rules

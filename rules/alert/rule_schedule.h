// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "core/time/clock.h"

namespace rules {

// When a group is evaluated: at the slots k * interval + offset of wall time. The offset spreads groups over the
// interval; it is the FNV-1a fingerprint of {file, name} modulo the interval in milliseconds, so it is the same after
// every restart. (Prometheus takes xxHash64 of the same pair: other offsets, equal spread.)
//
// Thread safety: confined to its group.
class RuleSchedule {
 public:
  // The first slot is the first one not before `now`.
  RuleSchedule(std::string_view file, std::string_view name, core::Millis interval, core::WallTime now);

  struct Due {
    core::WallTime slot;
    std::uint64_t missed = 0;  // slots passed over since the last one, because an evaluation took too long
  };
  // The slot to evaluate at `now`, and moves on; none if none is due yet.
  std::optional<Due> take(core::WallTime now);

  // No slot up to `time` is taken any more.
  void start_after(core::WallTime time);

  core::WallTime last() const { return last_; }
  // The next slot to be taken, given the clock's time: the clock may have gone back.
  core::WallTime next(core::WallTime now) const { return last_before(now) + interval_; }
  core::Millis interval() const { return interval_; }
  core::Millis offset() const { return offset_; }

 private:
  core::WallTime slot_at_or_before(core::WallTime time) const;
  core::WallTime last_before(core::WallTime now) const;

  core::Millis interval_;
  core::Millis offset_;
  core::WallTime last_;
};

}  // namespace rules

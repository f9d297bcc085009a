// SPDX-License-Identifier: Apache-2.0
#include "rules/alert/rule_schedule.h"

#include <algorithm>
#include <string>

#include "core/check.h"
#include "core/ring/labels.h"

namespace rules {

using core::Millis;
using core::WallTime;

RuleSchedule::RuleSchedule(std::string_view file, std::string_view name, Millis interval, WallTime now)
    : interval_(interval) {
  CHECK(interval > Millis::zero(), "a rule group has an interval");
  const core::ring::Labels identity{{"file", std::string(file)}, {"name", std::string(name)}};
  offset_ = Millis(identity.fingerprint() % static_cast<std::uint64_t>(interval.count()));
  last_ = slot_at_or_before(now - std::chrono::nanoseconds(1));
}

std::optional<RuleSchedule::Due> RuleSchedule::take(WallTime now) {
  last_ = last_before(now);
  if (now < last_ + interval_) return std::nullopt;
  Due due;
  due.missed = static_cast<std::uint64_t>((now - last_) / interval_ - 1);
  due.slot = last_ + interval_ * (static_cast<std::int64_t>(due.missed) + 1);
  last_ = due.slot;
  return due;
}

// When the wall clock went back, waiting for it to catch up would leave the group without evaluations.
WallTime RuleSchedule::last_before(WallTime now) const {
  return now < last_ - interval_ ? slot_at_or_before(now) - interval_ : last_;
}

void RuleSchedule::start_after(WallTime time) { last_ = std::max(last_, slot_at_or_before(time)); }

WallTime RuleSchedule::slot_at_or_before(WallTime time) const {
  const std::int64_t since_offset = core::to_unix_ms(time) - offset_.count();
  const std::int64_t interval = interval_.count();
  std::int64_t index = since_offset / interval;
  if (since_offset < 0 && index * interval != since_offset) --index;
  return core::from_unix_ms(index * interval + offset_.count());
}

}  // namespace rules

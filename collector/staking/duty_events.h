// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "collector/staking/validator_keys.h"

namespace collector::staking {

// What happened to one validator's duty, or to several at once.
struct DutyEvent {
  std::int64_t time_ms = 0;  // when it was found out
  std::uint64_t epoch = 0;
  std::optional<std::uint64_t> slot;
  std::string_view kind;                   // missed_attestation, missed_proposal, slashed, status, ...: a name of ours
  std::optional<std::uint64_t> validator;  // none: an event of several, or of an epoch
  std::optional<PublicKey> key;
  std::uint32_t label_set = 0;  // of the key
  std::string reason;           // why, as far as can be told
};

// What the API shows of the duties.
struct DutySnapshot {
  bool watching = false;   // there are keys and beacon nodes
  bool unknown = true;     // nobody can tell now
  std::string_view cause;  // why not
  std::uint64_t keys = 0;
  std::uint64_t keys_known = 0;  // of these, known to the chain
  std::optional<std::uint64_t> head_slot;
  std::optional<std::uint64_t> judged_epoch;
  std::vector<LabelSet> label_sets;
  std::vector<DutyEvent> events;  // newest first
  std::uint64_t events_dropped = 0;
  // Who is watched, and of each the newest epoch whose vote the chain has, as far as it was judged; none while nothing
  // is watched.
  std::shared_ptr<const WatchedKeys> watched;
  std::shared_ptr<const std::vector<std::optional<std::uint64_t>>> attested;
};

// The newest events. Of one kind and one epoch no more than kOfOneKindMax are kept singly; the rest is one event that
// says how many: a failure of everything must not push out what came before it.
//
// Thread safety: confined to one thread.
class DutyEvents {
 public:
  static constexpr std::size_t kMost = 1000;
  static constexpr std::size_t kOfOneKindMax = 50;

  void add(DutyEvent event);
  std::vector<DutyEvent> newest_first() const { return {events_.rbegin(), events_.rend()}; }
  std::uint64_t dropped() const { return dropped_; }

 private:
  std::deque<DutyEvent> events_;
  std::uint64_t dropped_ = 0;
};

}  // namespace collector::staking

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "collector/staking/duty_facts.h"
#include "collector/staking/validator_keys.h"

namespace collector::staking {

// What is counted of the watched validators of one label set, and of the network.
enum class DutyCount : std::uint8_t {
  kAttestations,
  kMissed,
  kLate,
  kLateSource,
  kWrongHead,
  kWrongTarget,
  kUnknown,
  kWeighted,
  kMissedWeighted,
  kProposals,
  kMissedProposals,
  kOrphanedProposals,
  kSyncMessages,
  kMissedSyncMessages,
  kIdealRewards,
  kRewards,
  kPenalties,
  kSlashed,
};
inline constexpr std::size_t kDutyCounts = 18;
using DutyCounts = std::array<double, kDutyCounts>;
// As the series has it, without its beginning: attestations_total.
std::string_view to_string(DutyCount count);

// What a restart must not lose of the books of duties: how far they are closed, what was counted, and what is known of
// each validator that its record does not say.
struct DutyBooks {
  struct Validator {
    PublicKey key{};
    ValidatorStatus status = ValidatorStatus::kUnknown;
    std::uint32_t misses = 0;  // one after the other
    bool slashing_told = false;
    bool operator==(const Validator&) const = default;
  };

  // Whose they are: another clock is another chain.
  std::int64_t genesis_ms = 0;
  std::int64_t slot_ms = 0;
  std::uint64_t slots_per_epoch = 0;

  std::uint64_t next_slot = 0;   // to be judged
  std::uint64_t next_epoch = 0;  // to be closed
  std::optional<std::uint64_t> judged_epoch;
  std::vector<std::uint64_t> blind_epochs;     // to be judged by rewards, if they come
  std::vector<std::uint64_t> rewarded_epochs;  // of the last ones, those whose rewards are counted
  std::uint64_t reorgs_after_verdict = 0;
  std::map<std::string, DutyCounts> counts;  // by text_of() the label set
  DutyCounts network{};
  std::optional<std::pair<PublicKey, std::uint64_t>> missed_proposal;  // the last one, and its slot
  std::optional<std::vector<Validator>> validators;                    // by key; none: as they were
  bool operator==(const DutyBooks&) const = default;
};

// A label set as a JSON object.
std::string text_of(const LabelSet& labels);

}  // namespace collector::staking

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "collector/staking/json.h"
#include "collector/staking/slot_clock.h"
#include "collector/staking/validator_keys.h"
#include "core/result.h"

namespace collector::staking {

using Root = std::array<std::uint8_t, 32>;

std::optional<Root> parse_root(std::string_view text);
std::string to_string(const Root& root);
// 0x and whole bytes in hexadecimal.
std::optional<std::vector<std::uint8_t>> parse_bytes(std::string_view text);

constexpr bool bit(const std::vector<std::uint8_t>& bytes, std::size_t at) {
  return (bytes[at / 8] >> (at % 8) & 1U) != 0;
}

inline constexpr std::uint64_t kFarFutureEpoch = ~std::uint64_t{0};

// What a network's specification says of duties. All of it comes from a beacon node.
struct DutySpec {
  SlotClock clock;
  std::uint64_t epochs_per_sync_period = 0;
  std::uint64_t sync_committee_size = 0;
  std::uint64_t weight_unit_gwei = 0;     // MIN_ACTIVATION_BALANCE, before Electra MAX_EFFECTIVE_BALANCE
  std::uint64_t attestation_due_bps = 0;  // of a slot
  std::uint64_t inclusion_delay = 1;      // in slots: what is included later lost the reward for its head
  bool operator==(const DutySpec&) const = default;

  std::uint64_t first_slot(std::uint64_t epoch) const { return epoch * clock.slots_per_epoch(); }
  std::uint64_t last_slot(std::uint64_t epoch) const { return first_slot(epoch + 1) - 1; }
  std::uint64_t epoch_of(std::uint64_t slot) const { return slot / clock.slots_per_epoch(); }
  // A slot is settled when so many slots of the chain lie above it.
  std::uint64_t settle_slots() const { return std::max<std::uint64_t>(1, clock.slots_per_epoch() / 8); }
  // A vote that is included later than this is not rewarded for its source (altair,
  // get_attestation_participation_flag).
  std::uint64_t source_delay_max() const;
  // None where the specification lacks what sync committees and weights need: those duties are not judged then.
  static core::Result<DutySpec> make(const Json& spec, const Json& genesis);
};

// A vote as a block has it.
struct Attestation {
  std::uint64_t slot = 0;
  std::uint64_t index = 0;  // before Electra: of the committee
  Root head{};
  std::uint64_t target_epoch = 0;
  Root target{};
  std::vector<std::uint8_t> voters;                         // with the bit that marks the length
  std::optional<std::vector<std::uint8_t>> committee_bits;  // from Electra on
};

// A block with what duties need of it.
struct Block {
  Root root{};
  Root parent{};
  std::uint64_t slot = 0;
  std::uint64_t proposer = 0;
  bool body_known = false;  // else only the header could be had
  std::vector<Attestation> attestations;
  std::optional<std::vector<std::uint8_t>> sync_bits;
  std::vector<std::uint64_t> slashed;  // validators that its slashings name
};

enum class ValidatorStatus : std::uint8_t {
  kUnknown,  // the chain does not know the key (yet)
  kPendingInitialized,
  kPendingQueued,
  kActiveOngoing,
  kActiveExiting,
  kActiveSlashed,
  kExitedUnslashed,
  kExitedSlashed,
  kWithdrawalPossible,
  kWithdrawalDone,
};
inline constexpr std::size_t kValidatorStatuses = 10;
std::string_view to_string(ValidatorStatus status);

struct ValidatorRecord {
  std::uint64_t index = 0;
  PublicKey key{};
  std::uint64_t balance_gwei = 0;
  std::uint64_t effective_gwei = 0;
  bool slashed = false;
  std::uint64_t activation_eligibility = kFarFutureEpoch;
  std::uint64_t activation = kFarFutureEpoch;
  std::uint64_t exit = kFarFutureEpoch;
  std::uint64_t withdrawable = kFarFutureEpoch;

  // What the record comes to in `epoch`; clients differ in whether, and how, they say it themselves.
  ValidatorStatus status(std::uint64_t epoch) const;
};

// Where a watched validator sits in the committees of an epoch.
struct Seat {
  std::uint32_t slot_offset = 0;  // in the epoch
  std::uint32_t position = 0;     // among all voters of the slot, committee after committee
  std::uint32_t watched = 0;
  auto operator<=>(const Seat&) const = default;
};

struct Committees {
  std::uint64_t epoch = 0;
  std::vector<std::vector<std::uint32_t>> lengths;  // of each committee, by slot offset
  std::vector<Seat> seats;                          // sorted
};

struct ProposerDuty {
  std::uint64_t slot = 0;
  std::uint64_t validator = 0;
};

// A watched validator's positions in a sync committee.
struct SyncSeat {
  std::uint32_t watched = 0;
  std::uint32_t position = 0;
};

struct AttestationReward {
  std::uint64_t validator = 0;
  std::int64_t head = 0;
  std::int64_t target = 0;
  std::int64_t source = 0;
  std::int64_t inactivity = 0;
};

struct IdealReward {
  std::uint64_t effective_gwei = 0;
  std::int64_t sum = 0;
};

struct RewardAnswer {
  std::vector<IdealReward> ideal;
  std::vector<AttestationReward> total;
};

struct Liveness {
  std::uint64_t validator = 0;
  bool live = false;
};

}  // namespace collector::staking

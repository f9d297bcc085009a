// SPDX-License-Identifier: Apache-2.0
#include "collector/staking/duty_facts.h"

#include <algorithm>

#include <fmt/format.h>

#include "collector/staking/hex_digit.h"

namespace collector::staking {
namespace {

using core::Errc;
using core::fail;
using core::Result;

// Reads hexadecimal into `bytes`, which has the right length.
bool read_hex(std::string_view digits, std::uint8_t* bytes) {
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
    const int high = hex_digit(digits[i]);
    const int low = hex_digit(digits[i + 1]);
    if (high < 0 || low < 0) return false;
    bytes[i / 2] = static_cast<std::uint8_t>(high * 16 + low);
  }
  return true;
}

}  // namespace

std::optional<Root> parse_root(std::string_view text) {
  Root root{};
  if (text.size() != 2 + 2 * root.size() || !text.starts_with("0x")) return std::nullopt;
  if (!read_hex(text.substr(2), root.data())) return std::nullopt;
  return root;
}

std::string to_string(const Root& root) {
  std::string text = "0x";
  for (const std::uint8_t byte : root) text += fmt::format("{:02x}", byte);
  return text;
}

std::optional<std::vector<std::uint8_t>> parse_bytes(std::string_view text) {
  if (!text.starts_with("0x") || text.size() % 2 != 0) return std::nullopt;
  std::vector<std::uint8_t> bytes(text.size() / 2 - 1);
  if (!read_hex(text.substr(2), bytes.data())) return std::nullopt;
  return bytes;
}

std::uint64_t DutySpec::source_delay_max() const {
  std::uint64_t root = 0;
  while ((root + 1) * (root + 1) <= clock.slots_per_epoch()) ++root;
  return root;
}

Result<DutySpec> DutySpec::make(const Json& spec, const Json& genesis) {
  const auto clock = SlotClock::make(spec, genesis);
  if (!clock) return fail(clock.error());
  DutySpec result{.clock = *clock};
  result.epochs_per_sync_period = spec.number("data/EPOCHS_PER_SYNC_COMMITTEE_PERIOD").value_or(0);
  result.sync_committee_size = spec.number("data/SYNC_COMMITTEE_SIZE").value_or(0);
  result.weight_unit_gwei =
      spec.number("data/MIN_ACTIVATION_BALANCE").value_or(spec.number("data/MAX_EFFECTIVE_BALANCE").value_or(0));
  // A third of the slot until Gloas says otherwise; older nodes do not write it.
  constexpr std::uint64_t kDueBps = 3333;
  result.attestation_due_bps = spec.number("data/ATTESTATION_DUE_BPS").value_or(kDueBps);
  result.inclusion_delay = spec.number("data/MIN_ATTESTATION_INCLUSION_DELAY").value_or(1);
  return result;
}

std::string_view to_string(ValidatorStatus status) {
  static constexpr std::array<std::string_view, kValidatorStatuses> kNames = {
      "unknown",        "pending_initialized", "pending_queued", "active_ongoing",      "active_exiting",
      "active_slashed", "exited_unslashed",    "exited_slashed", "withdrawal_possible", "withdrawal_done"};
  return kNames[static_cast<std::size_t>(status)];
}

ValidatorStatus ValidatorRecord::status(std::uint64_t epoch) const {
  if (activation > epoch) {
    return activation_eligibility == kFarFutureEpoch ? ValidatorStatus::kPendingInitialized
                                                     : ValidatorStatus::kPendingQueued;
  }
  if (epoch < exit) {
    if (exit == kFarFutureEpoch) return ValidatorStatus::kActiveOngoing;
    return slashed ? ValidatorStatus::kActiveSlashed : ValidatorStatus::kActiveExiting;
  }
  if (epoch < withdrawable) return slashed ? ValidatorStatus::kExitedSlashed : ValidatorStatus::kExitedUnslashed;
  return balance_gwei > 0 ? ValidatorStatus::kWithdrawalPossible : ValidatorStatus::kWithdrawalDone;
}

}  // namespace collector::staking

// SPDX-License-Identifier: Apache-2.0
#include "collector/staking/fork_schedule.h"

#include "collector/staking/duty_facts.h"

namespace collector::staking {

using core::Errc;
using core::fail;
using core::Result;

std::optional<std::uint32_t> parse_fork_version(std::string_view text) {
  constexpr std::size_t kBytes = 4;
  const auto bytes = parse_bytes(text);
  if (!bytes || bytes->size() != kBytes) return std::nullopt;
  std::uint32_t version = 0;
  for (const std::uint8_t byte : *bytes) version = version << 8 | byte;
  return version;
}

Result<ForkSchedule> ForkSchedule::read(const Json& answer) {
  constexpr std::size_t kForksMax = 100;
  const auto forks = answer.items("data");
  if (forks.size() > kForksMax) return fail(Errc::kInvalid, "more than {} forks", kForksMax);
  ForkSchedule schedule;
  for (const Json& fork : forks) {
    const auto epoch = fork.number("epoch");
    const auto version = parse_fork_version(fork.text("current_version").value_or(""));
    if (!epoch || !version) return fail(Errc::kInvalid, "expected an epoch and a current_version of each fork");
    // Not planned yet.
    if (*epoch == kFarFutureEpoch) continue;
    schedule.versions_[*epoch] = *version;
  }
  if (!schedule.versions_.contains(0)) return fail(Errc::kInvalid, "expected a fork of epoch 0");
  return schedule;
}

std::optional<std::uint64_t> ForkSchedule::next_after(std::uint64_t epoch) const {
  const auto next = versions_.upper_bound(epoch);
  return next == versions_.end() ? std::nullopt : std::optional(next->first);
}

}  // namespace collector::staking

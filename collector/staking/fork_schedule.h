// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <iterator>
#include <map>
#include <optional>
#include <string_view>

#include "collector/staking/json.h"
#include "core/result.h"

namespace collector::staking {

// Which rules a chain has from which epoch on, as a beacon node knows it: of those that begin together, the last
// counts.
//
// Thread safety: a value.
class ForkSchedule {
 public:
  // /eth/v1/config/fork_schedule. kInvalid if it is none, or has no fork of the chain's beginning.
  static core::Result<ForkSchedule> read(const Json& answer);

  std::uint32_t version_at(std::uint64_t epoch) const { return std::prev(versions_.upper_bound(epoch))->second; }
  // The epoch in which the next fork begins; none is planned otherwise.
  std::optional<std::uint64_t> next_after(std::uint64_t epoch) const;

 private:
  std::map<std::uint64_t, std::uint32_t> versions_;  // by the epoch in which each begins; one at 0
};

// "0x" and eight hexadecimal digits.
std::optional<std::uint32_t> parse_fork_version(std::string_view text);

}  // namespace collector::staking

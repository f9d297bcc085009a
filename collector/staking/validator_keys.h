// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/result.h"

namespace collector::staking {

// A validator's BLS public key.
using PublicKey = std::array<std::uint8_t, 48>;

// 96 hex digits, with or without 0x: clients differ.
std::optional<PublicKey> parse_public_key(std::string_view text);
std::string to_string(const PublicKey& key);

// Names and values, by name: what the counts of a validator are summed by, and all of it that a series shows.
using LabelSet = std::vector<std::pair<std::string, std::string>>;

struct WatchedKey {
  PublicKey key{};
  std::uint32_t label_set = 0;   // which of WatchedKeys::label_sets
  std::string validator_client;  // the one that is to hold it; empty: not told
  bool operator==(const WatchedKey&) const = default;
};

// Most keys of one file, and of one validator client.
inline constexpr std::size_t kKeysMax = 500'000;
// Most label sets of one file: each has its own series.
inline constexpr std::size_t kLabelSetsMax = 1'000;

// The validators that are watched, sorted by key.
//
// Thread safety: immutable after construction; shared as shared_ptr<const WatchedKeys>.
struct WatchedKeys {
  std::vector<WatchedKey> keys;
  std::vector<LabelSet> label_sets;
  bool operator==(const WatchedKeys&) const = default;

  // A YAML map of public keys: to the name of a group, or to {group: NAME, validator_client: NAME, labels: {..}}. Or a
  // list of such maps that have `pubkey` too. Errors are kInvalid with file:line:column.
  static core::Result<std::shared_ptr<const WatchedKeys>> read(const std::string& path);
  static core::Result<std::shared_ptr<const WatchedKeys>> parse(std::string_view text, const std::string& file);
  const WatchedKey* find(const PublicKey& key) const;
};

}  // namespace collector::staking

// SPDX-License-Identifier: Apache-2.0
#include "collector/staking/validator_keys.h"

#include <algorithm>

#include <fmt/format.h>

#include "core/config/table.h"

namespace collector::staking {
namespace {

using core::Result;
using core::config::Node;
using core::config::Table;

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// What stands beside a key.
struct KeyNote {
  std::string group;
  std::string validator_client;
  static const Table<KeyNote>& fields();
};

const Table<KeyNote>& KeyNote::fields() {
  static const auto table =
      Table<KeyNote>("validator", "A validator that is watched.")
          .field("group", &KeyNote::group, {.help = "What its counts are summed by."})
          .field("validator_client", &KeyNote::validator_client, {.help = "The validator client that is to hold it."});
  return table;
}

Result<WatchedKey> read_key(const Node& name, const Node& value) {
  WatchedKey watched;
  const auto key = name.is_scalar() ? parse_public_key(name.scalar()) : std::nullopt;
  if (!key) return core::fail(name.error("expected a public key of 96 hex digits, got {}", name.describe()));
  watched.key = *key;
  if (value.is_scalar()) {
    watched.group = value.scalar();
    return watched;
  }
  auto note = KeyNote::fields().read(value);
  if (!note) return core::fail(note.error());
  watched.group = std::move(note->group);
  watched.validator_client = std::move(note->validator_client);
  return watched;
}

Result<std::shared_ptr<const WatchedKeys>> from_node(const Node& root) {
  if (!root.is_map() && !root.is_null()) {
    return core::fail(root.error("expected a map of public keys, got {}", root.describe()));
  }
  auto result = std::make_shared<WatchedKeys>();
  const auto entries = root.entries();
  if (entries.size() > kKeysMax) return core::fail(root.error("more than {} keys", kKeysMax));
  for (const auto& entry : entries) {
    auto key = read_key(entry.key, entry.value);
    if (!key) return core::fail(key.error());
    result->keys.push_back(std::move(*key));
  }
  std::ranges::sort(result->keys, {}, &WatchedKey::key);
  const auto twice = std::ranges::adjacent_find(result->keys, {}, &WatchedKey::key);
  // One key in two notations: the same text twice is refused by the reader of the file.
  if (twice != result->keys.end()) return core::fail(root.error("the key {} is given twice", to_string(twice->key)));
  return result;
}

}  // namespace

std::optional<PublicKey> parse_public_key(std::string_view text) {
  if (text.starts_with("0x")) text.remove_prefix(2);
  PublicKey key{};
  if (text.size() != 2 * key.size()) return std::nullopt;
  for (std::size_t i = 0; i < key.size(); ++i) {
    const int high = hex_digit(text[2 * i]);
    const int low = hex_digit(text[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    key[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  return key;
}

std::string to_string(const PublicKey& key) {
  std::string text = "0x";
  for (const std::uint8_t byte : key) text += fmt::format("{:02x}", byte);
  return text;
}

Result<std::shared_ptr<const WatchedKeys>> WatchedKeys::read(const std::string& path) {
  const auto root = Node::parse_file(path);
  return root ? from_node(*root) : core::fail(root.error());
}

Result<std::shared_ptr<const WatchedKeys>> WatchedKeys::parse(std::string_view text, const std::string& file) {
  const auto root = Node::parse(text, file);
  return root ? from_node(*root) : core::fail(root.error());
}

const WatchedKey* WatchedKeys::find(const PublicKey& key) const {
  const auto found = std::ranges::lower_bound(keys, key, {}, &WatchedKey::key);
  return found != keys.end() && found->key == key ? &*found : nullptr;
}

}  // namespace collector::staking

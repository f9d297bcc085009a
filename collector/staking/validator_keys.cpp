// SPDX-License-Identifier: Apache-2.0
#include "collector/staking/validator_keys.h"

#include <algorithm>
#include <array>
#include <map>

#include <fmt/format.h>

#include "collector/staking/hex_digit.h"
#include "core/config/table.h"

namespace collector::staking {
namespace {

using core::Result;
using core::config::Node;
using core::config::Table;

// What stands beside a key.
struct KeyNote {
  std::string pubkey;  // of an element of a list
  std::string group;
  std::map<std::string, std::string> labels;
  std::string validator_client;
  static const Table<KeyNote>& fields();
};

bool is_label_name(std::string_view name) {
  // What the series have of their own.
  static constexpr std::array<std::string_view, 12> kTaken = {
      "scope", "job", "instance", "observer", "network", "n", "target", "status", "reason", "period", "node", "le"};
  const auto fits = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  return !name.empty() && !name.starts_with("__") && fits(name.front()) &&
         std::ranges::all_of(name, [&](char c) { return fits(c) || (c >= '0' && c <= '9'); }) &&
         std::ranges::find(kTaken, name) == kTaken.end();
}

const Table<KeyNote>& KeyNote::fields() {
  static const auto table =
      Table<KeyNote>("validator", "A validator that is watched.")
          .field("pubkey", &KeyNote::pubkey, {.help = "Its public key, in a list."})
          .field("group", &KeyNote::group, {.help = "What its counts are summed by: the label group."})
          .field("labels", &KeyNote::labels, {.help = "Further labels that its counts are summed by."})
          .field("validator_client", &KeyNote::validator_client, {.help = "The validator client that is to hold it."})
          .check([](const KeyNote& note, const Node& node) -> Result<void> {
            for (const auto& [name, value] : note.labels) {
              if (!is_label_name(name)) {
                return core::fail(node.find("labels").error("\"{}\" cannot be a label of validators", name));
              }
            }
            if (!note.group.empty() && note.labels.contains("group")) {
              return core::fail(node.error("the label group is given twice"));
            }
            return {};
          });
  return table;
}

// Reads keys one by one, and gives each distinct set of labels its number.
class KeyList {
 public:
  Result<void> add(const Node& name, const Node& value) {
    if (value.is_scalar()) {
      KeyNote only_group;
      only_group.group = value.scalar();
      return add(name, only_group, value);
    }
    auto note = KeyNote::fields().read(value);
    if (!note) return core::fail(note.error());
    if (!note->pubkey.empty()) return core::fail(value.error("the key stands before the colon already"));
    return add(name, *note, value);
  }
  Result<void> add(const Node& element) {
    auto note = KeyNote::fields().read(element);
    if (!note) return core::fail(note.error());
    const Node name = element.find("pubkey");
    if (name.is_null()) return core::fail(element.error("validator: missing key \"pubkey\""));
    return add(name, *note, element);
  }
  std::shared_ptr<WatchedKeys> take() { return std::move(keys_); }

 private:
  Result<void> add(const Node& name, const KeyNote& note, const Node& place) {
    WatchedKey watched;
    const auto key = name.is_scalar() ? parse_public_key(name.scalar()) : std::nullopt;
    if (!key) return core::fail(name.error("expected a public key of 96 hex digits, got {}", name.describe()));
    watched.key = *key;
    watched.validator_client = note.validator_client;
    std::map<std::string, std::string> labels = note.labels;
    if (!note.group.empty()) labels["group"] = note.group;
    const auto [found, fresh] =
        sets_.emplace(LabelSet(labels.begin(), labels.end()), static_cast<std::uint32_t>(sets_.size()));
    if (fresh) {
      // A label for each key would be a series for each key.
      if (sets_.size() > kLabelSetsMax) return core::fail(place.error("more than {} sets of labels", kLabelSetsMax));
      keys_->label_sets.push_back(found->first);
    }
    watched.label_set = found->second;
    keys_->keys.push_back(std::move(watched));
    return {};
  }

  std::shared_ptr<WatchedKeys> keys_ = std::make_shared<WatchedKeys>();
  std::map<LabelSet, std::uint32_t> sets_;
};

Result<std::shared_ptr<const WatchedKeys>> from_node(const Node& root) {
  if (!root.is_map() && !root.is_sequence() && !root.is_null()) {
    return core::fail(root.error("expected a map or a list of public keys, got {}", root.describe()));
  }
  KeyList list;
  const auto entries = root.entries();
  const auto items = root.items();
  if (entries.size() + items.size() > kKeysMax) return core::fail(root.error("more than {} keys", kKeysMax));
  for (const auto& entry : entries) {
    if (auto added = list.add(entry.key, entry.value); !added) return core::fail(added.error());
  }
  for (const Node& item : items) {
    if (auto added = list.add(item); !added) return core::fail(added.error());
  }
  auto result = list.take();
  std::ranges::sort(result->keys, {}, &WatchedKey::key);
  const auto twice = std::ranges::adjacent_find(result->keys, {}, &WatchedKey::key);
  // One key in two notations, or twice in a list: the same text twice in a map is refused by the reader of the file.
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
  // A hundred thousand keys are written once an epoch, on the I/O thread.
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text = "0x";
  text.reserve(2 + 2 * key.size());
  for (const std::uint8_t byte : key) {
    text += kDigits[byte >> 4U];
    text += kDigits[byte & 15U];
  }
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

// SPDX-License-Identifier: Apache-2.0
#include "core/config/table.h"

#include <algorithm>
#include <numeric>

namespace core::config {
namespace {

// Edits (insert, delete, replace) between two keys: Wagner and Fischer's table, one row at a time.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({row[j] + 1, row[j + 1] + 1, replaced});
    }
  }
  return row.back();
}

// The known key that was probably meant; "" if none is near.
std::string_view nearest_key(std::string_view given, const TableDescription& description) {
  constexpr std::size_t kLongestKey = 64;  // keys are short; a long text is no misspelling
  if (given.size() > kLongestKey) return {};
  std::string_view nearest;
  std::size_t least = std::max<std::size_t>(2, given.size() / 3) + 1;
  for (const FieldDescription& field : description.fields) {
    const std::size_t distance = edit_distance(given, field.key);
    if (distance < least && distance < field.key.size()) {
      least = distance;
      nearest = field.key;
    }
  }
  return nearest;
}

}  // namespace

Result<void> check_keys(const Node& node, const TableDescription& description) {
  for (const Entry& entry : node.entries()) {
    const std::string& key = entry.key.scalar();
    if (std::ranges::find(description.fields, key, &FieldDescription::key) != description.fields.end()) continue;
    for (const auto& [refused, why] : description.refused) {
      if (key != refused) continue;
      Error error = entry.key.error("{}: key \"{}\" is not supported: {}", description.name, key, why);
      error.code = Errc::kNotSupported;
      return fail(std::move(error));
    }
    const std::string_view nearest = nearest_key(key, description);
    if (nearest.empty()) return fail(entry.key.error("{}: unknown key \"{}\"", description.name, key));
    return fail(entry.key.error("{}: unknown key \"{}\" (did you mean \"{}\"?)", description.name, key, nearest));
  }
  return {};
}

}  // namespace core::config

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

std::ptrdiff_t offset_of(const void* value, const void* member) {
  return static_cast<const std::byte*>(member) - static_cast<const std::byte*>(value);
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

TableBase::TableBase(std::string_view name, std::string_view help) {
  description_.name = name, description_.help = help;
}
TableBase::TableBase(const TableBase&) = default;
TableBase::~TableBase() = default;

void TableBase::add_field(std::string_view key, const MemberCodec& codec, const void* defaults, const void* member,
                          const FieldOptions& options) {
  description_.fields.push_back({std::string(key), codec.describe(), codec.print(member), options});
  fields_.push_back({&codec, offset_of(defaults, member)});
}

void TableBase::add_inner(const TableBase& inner, const void* defaults, const void* member) {
  const std::ptrdiff_t offset = offset_of(defaults, member);
  description_.fields.insert(description_.fields.end(), inner.description_.fields.begin(),
                             inner.description_.fields.end());
  description_.refused.insert(description_.refused.end(), inner.description_.refused.begin(),
                              inner.description_.refused.end());
  for (const Field& field : inner.fields_) fields_.push_back({field.codec, offset + field.offset});
  for (const Check& each : inner.checks_) checks_.push_back({offset + each.offset, each.check});
}

void TableBase::add_refused(std::string_view key, std::string_view why) { description_.refused.emplace_back(key, why); }

void TableBase::add_check(Checker check) { checks_.push_back({0, std::move(check)}); }

Result<void> TableBase::read_into(const Node& node, void* value) const {
  if (!node.is_map() && !node.is_null()) {
    return fail(node.error("expected a map ({}), got {}", description_.name, node.describe()));
  }
  if (auto known = check_keys(node, description_); !known) return known;
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    const FieldDescription& field = description_.fields[i];
    const Node given = node.find(field.key);
    if (given.is_null()) {
      if (field.options.required) return fail(node.error("{}: missing key \"{}\"", description_.name, field.key));
      continue;
    }
    if (auto done = fields_[i].codec->read(given, static_cast<std::byte*>(value) + fields_[i].offset); !done)
      return done;
  }
  for (const Check& each : checks_) {
    if (auto done = each.check(static_cast<const std::byte*>(value) + each.offset, node); !done) return done;
  }
  return {};
}

}  // namespace core::config

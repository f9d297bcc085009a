// SPDX-License-Identifier: Apache-2.0
#include "collector/staking/json_rows.h"

#include <charconv>

#include "collector/staking/json.h"

namespace collector::staking {

const JsonRow::Value* JsonRow::only(std::size_t field) const {
  const Cell& cell = cells_[field];
  return cell.count == 1 ? &cell.values.front() : nullptr;
}

void JsonRow::clear() {
  for (Cell& cell : cells_) cell.count = 0;
}

std::optional<std::string_view> JsonRow::text(std::size_t field) const {
  const Value* const value = only(field);
  if (value == nullptr || value->kind != JsonEvents::Scalar::kText) return std::nullopt;
  return value->text;
}

std::optional<bool> JsonRow::flag(std::size_t field) const {
  const Value* const value = only(field);
  if (value == nullptr) return std::nullopt;
  if (value->kind == JsonEvents::Scalar::kTrue) return true;
  if (value->kind == JsonEvents::Scalar::kFalse) return false;
  return std::nullopt;
}

std::optional<std::uint64_t> JsonRow::number(std::size_t field) const {
  return cells_[field].count == 1 ? number(field, 0) : std::nullopt;
}

std::optional<std::uint64_t> JsonRow::number(std::size_t field, std::size_t element) const {
  const Value& value = cells_[field].values[element];
  if (value.kind != JsonEvents::Scalar::kText && value.kind != JsonEvents::Scalar::kNumber) return std::nullopt;
  return parse_number(value.text);
}

std::optional<std::int64_t> JsonRow::signed_number(std::size_t field) const {
  const Value* const value = only(field);
  if (value == nullptr) return std::nullopt;
  if (value->kind != JsonEvents::Scalar::kText && value->kind != JsonEvents::Scalar::kNumber) return std::nullopt;
  std::int64_t result = 0;
  const char* const last = value->text.data() + value->text.size();
  const auto [end, problem] = std::from_chars(value->text.data(), last, result);
  if (problem != std::errc() || end != last) return std::nullopt;
  return result;
}

JsonRows::JsonRows(std::vector<std::string_view> singles, std::vector<Table> tables, std::size_t most)
    : feed_(*this), single_fields_(std::move(singles)), singles_(single_fields_.size()), most_(most) {
  for (Table& table : tables) {
    const std::size_t fields = table.fields.size();
    readings_.push_back({std::move(table), JsonRow(fields)});
  }
}

core::Result<void> JsonRows::finish() {
  if (auto whole = feed_.finish(); !whole) return whole;
  for (const Reading& reading : readings_) {
    if (!reading.there && reading.table.required)
      return core::fail(core::Errc::kInvalid, "expected a list under {}", reading.table.list);
  }
  return {};
}

bool JsonRows::begin(bool object) {
  const bool in_array = !objects_.empty() && !objects_.back();
  if (current_ == nullptr) {
    for (Reading& reading : readings_) {
      if (path_ != reading.table.list) continue;
      if (!in_array) {
        if (object || reading.there) return false;
        reading.there = true;
      } else {
        // An element; an array in the array has no fields.
        if (!object || ++rows_ > most_) return false;
        current_ = &reading;
        current_depth_ = objects_.size();
        current_prefix_ = path_.size() + 1;
        reading.row.clear();
      }
    }
  }
  objects_.push_back(object);
  lengths_.push_back(in_array ? path_.size() : key_from_);
  return true;
}

bool JsonRows::end() {
  objects_.pop_back();
  const bool in_array = !objects_.empty() && !objects_.back();
  if (!in_array) path_.resize(lengths_.back());
  lengths_.pop_back();
  if (current_ == nullptr || objects_.size() != current_depth_) return true;
  Reading& reading = *current_;
  current_ = nullptr;
  return reading.table.take(reading.row);
}

bool JsonRows::key(std::string_view name) {
  constexpr std::size_t kPathBytesMax = 4096;
  key_from_ = path_.size();
  if (path_.size() + name.size() > kPathBytesMax) return false;
  if (!path_.empty()) path_ += '/';
  path_ += name;
  return true;
}

bool JsonRows::scalar(Scalar kind, std::string_view text) {
  const bool in_array = !objects_.empty() && !objects_.back();
  if (current_ != nullptr) {
    if (path_.size() > current_prefix_) {
      note(current_->row, current_->table.fields, std::string_view(path_).substr(current_prefix_), kind, text);
    }
  } else {
    for (const Reading& reading : readings_) {
      // Where a list is to be, or an element of it, stands something else.
      if (path_ == reading.table.list) return false;
    }
    note(singles_, single_fields_, path_, kind, text);
  }
  if (!in_array && !objects_.empty()) path_.resize(key_from_);
  return true;
}

void JsonRows::note(JsonRow& row, const std::vector<std::string_view>& fields, std::string_view path, Scalar kind,
                    std::string_view text) {
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (fields[i] != path) continue;
    JsonRow::Cell& cell = row.cells_[i];
    if (cell.values.size() == cell.count) cell.values.emplace_back();
    cell.values[cell.count].kind = kind;
    cell.values[cell.count].text = text;
    ++cell.count;
    return;
  }
}

}  // namespace collector::staking

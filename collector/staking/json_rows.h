// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "collector/staking/json_feed.h"
#include "core/result.h"

namespace collector::staking {

// The fields of one object that were asked for. A field that is an array has all its elements.
//
// Thread safety: confined to one thread.
class JsonRow {
 public:
  explicit JsonRow(std::size_t fields) : cells_(fields) {}

  // None if it is absent, null, given twice, or of another kind.
  std::optional<std::string_view> text(std::size_t field) const;
  std::optional<bool> flag(std::size_t field) const;
  // Whole and of 64 bits, as a number or as a decimal text.
  std::optional<std::uint64_t> number(std::size_t field) const;
  std::optional<std::int64_t> signed_number(std::size_t field) const;
  std::size_t count(std::size_t field) const { return cells_[field].count; }
  std::optional<std::uint64_t> number(std::size_t field, std::size_t element) const;

 private:
  friend class JsonRows;
  struct Value {
    JsonEvents::Scalar kind{};
    std::string text;
  };
  struct Cell {
    std::size_t count = 0;  // `values` may be longer: its memory stays for the next row
    std::vector<Value> values;
  };
  void clear();
  const Value* only(std::size_t field) const;

  std::vector<Cell> cells_;
};

// Objects of a JSON answer as they come, and the few fields of each that matter. Paths are the keys from the top, with
// slashes between them; arrays add nothing to a path.
//
// Thread safety: confined to one thread.
class JsonRows final : public JsonEvents {
 public:
  struct Table {
    std::string_view list;                 // the path of an array of objects: "data/total_rewards"
    std::vector<std::string_view> fields;  // paths within its elements
    // Called at the end of each element; false refuses the answer.
    std::function<bool(const JsonRow&)> take;
    bool required = true;  // whether an answer without the list is refused
  };

  // `singles` are fields outside of the lists. More than `most` rows refuse the answer.
  JsonRows(std::vector<std::string_view> singles, std::vector<Table> tables, std::size_t most);
  JsonRows(const JsonRows&) = delete;
  JsonRows& operator=(const JsonRows&) = delete;

  bool feed(std::string_view piece) { return feed_.feed(piece); }
  // kInvalid: not one whole JSON value, refused on the way, or a list is not there.
  core::Result<void> finish();
  const JsonRow& singles() const { return singles_; }

  bool begin(bool object) override;
  bool end() override;
  bool key(std::string_view name) override;
  bool scalar(Scalar kind, std::string_view text) override;

 private:
  struct Reading {
    Table table;
    JsonRow row;
    bool there = false;
  };
  static void note(JsonRow& row, const std::vector<std::string_view>& fields, std::string_view path, Scalar kind,
                   std::string_view text);

  JsonFeed feed_;
  std::vector<std::string_view> single_fields_;
  JsonRow singles_;
  std::vector<Reading> readings_;
  const std::size_t most_;
  std::size_t rows_ = 0;
  std::string path_;
  std::vector<std::size_t> lengths_;  // of path_, before each open container's key
  std::vector<bool> objects_;
  Reading* current_ = nullptr;  // whose element is being read
  std::size_t current_depth_ = 0;
  std::size_t current_prefix_ = 0;  // bytes of path_ before the element's own
  std::size_t key_from_ = 0;        // where the last key stands in path_
};

}  // namespace collector::staking

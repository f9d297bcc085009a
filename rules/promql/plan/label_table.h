// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/ring/labels.h"
#include "rules/promql/series.h"

namespace rules::promql::plan {

// A label pair of a pool.
enum class PairId : std::uint32_t {};

// The label pairs that the series of one query have, each text once: a label set is then a few small numbers, and two
// sets are equal if their numbers are. A query that is kept between evaluations keeps these instead of label sets.
//
// Thread safety: confined to the thread that runs the query.
class LabelPool {
 public:
  PairId id(const core::ring::Label& pair);
  const core::ring::Label& pair(PairId id) const { return *pairs_[static_cast<std::size_t>(id)]; }
  std::size_t size() const { return pairs_.size(); }

 private:
  struct PairHash {
    std::size_t operator()(const core::ring::Label& pair) const;
  };
  std::unordered_map<core::ring::Label, PairId, PairHash> ids_;
  std::vector<const core::ring::Label*> pairs_;  // into the map, whose keys stay where they are
};

// The label sets of a vector's series, by number.
//
// Thread safety: confined to the thread that runs the query.
class LabelTable {
 public:
  // `pool` outlives the table.
  explicit LabelTable(LabelPool& pool) : pool_(pool) {}

  void add(const Labels& labels);
  // REQUIRES: pairs sorted by name, as those of another table of the pool are.
  void add(std::span<const PairId> pairs);

  std::size_t size() const { return ends_.size(); }
  LabelPool& pool() const { return pool_; }
  std::span<const PairId> pairs(std::size_t series) const;
  // The value of a label; "" if absent.
  std::string_view value(std::size_t series, std::string_view name) const;
  // Made when it is first asked for: most series of a rule never make it into a result.
  const LabelsPtr& labels(std::size_t series) const;

 private:
  LabelPool& pool_;
  std::vector<PairId> pairs_;
  std::vector<std::uint32_t> ends_;
  mutable std::vector<LabelsPtr> made_;
};

using LabelTablePtr = std::shared_ptr<const LabelTable>;

}  // namespace rules::promql::plan

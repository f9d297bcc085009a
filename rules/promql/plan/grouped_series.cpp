// SPDX-License-Identifier: Apache-2.0
#include "rules/promql/plan/grouped_series.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

namespace rules::promql::plan {

namespace {

struct IdsHash {
  std::size_t operator()(const std::vector<PairId>& ids) const {
    std::uint64_t hash = 0xcbf29ce484222325;
    for (const PairId id : ids) hash = (hash ^ static_cast<std::uint64_t>(id)) * 0x9e3779b97f4a7c15;
    return static_cast<std::size_t>(hash ^ (hash >> 32));
  }
};

// Whether pairs are kept, each looked at once.
class KeptPairs {
 public:
  KeptPairs(const LabelPool& pool, const std::function<bool(std::string_view)>& keep)
      : pool_(pool), keep_(keep), known_(pool.size(), Kept::kUnknown) {}

  bool operator()(PairId id) {
    Kept& kept = known_[static_cast<std::size_t>(id)];
    if (kept == Kept::kUnknown) kept = keep_(pool_.pair(id).name) ? Kept::kKept : Kept::kLeft;
    return kept == Kept::kKept;
  }

 private:
  enum class Kept : std::uint8_t { kUnknown, kKept, kLeft };
  const LabelPool& pool_;
  const std::function<bool(std::string_view)>& keep_;
  std::vector<Kept> known_;
};

}  // namespace

GroupedSeries::GroupedSeries(LabelTablePtr input, const std::function<bool(std::string_view)>& keep)
    : input_(std::move(input)) {
  KeptPairs kept(input_->pool(), keep);
  auto groups = std::make_shared<LabelTable>(input_->pool());
  std::unordered_map<std::vector<PairId>, std::uint32_t, IdsHash> known;
  group_of_.reserve(input_->size());
  std::vector<PairId> ids;
  for (std::size_t i = 0; i < input_->size(); ++i) {
    ids.clear();
    const auto pairs = input_->pairs(i);
    std::copy_if(pairs.begin(), pairs.end(), std::back_inserter(ids), [&kept](PairId id) { return kept(id); });
    const auto [found, added] = known.try_emplace(ids, static_cast<std::uint32_t>(groups->size()));
    if (added) groups->add(ids);
    group_of_.push_back(found->second);
  }
  groups_ = std::move(groups);
}

GroupedSeries without_reserved(LabelTablePtr input) {
  return {std::move(input), [](std::string_view name) { return !is_reserved(name); }};
}

}  // namespace rules::promql::plan

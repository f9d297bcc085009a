// SPDX-License-Identifier: Apache-2.0
#include "rules/promql/plan/label_table.h"

#include <functional>
#include <utility>

namespace rules::promql::plan {

using core::ring::Label;

std::size_t LabelPool::PairHash::operator()(const Label& pair) const {
  const std::hash<std::string_view> hash;
  return hash(pair.name) * 31 + hash(pair.value);
}

PairId LabelPool::id(const Label& pair) {
  const auto [found, added] = ids_.try_emplace(pair, static_cast<PairId>(pairs_.size()));
  if (added) pairs_.push_back(&found->first);
  return found->second;
}

void LabelTable::add(const Labels& labels) {
  for (const Label& pair : labels) pairs_.push_back(pool_.id(pair));
  ends_.push_back(static_cast<std::uint32_t>(pairs_.size()));
}

void LabelTable::add(std::span<const PairId> pairs) {
  pairs_.insert(pairs_.end(), pairs.begin(), pairs.end());
  ends_.push_back(static_cast<std::uint32_t>(pairs_.size()));
}

std::span<const PairId> LabelTable::pairs(std::size_t series) const {
  const std::size_t begin = series == 0 ? 0 : ends_[series - 1];
  return std::span(pairs_).subspan(begin, ends_[series] - begin);
}

std::string_view LabelTable::value(std::size_t series, std::string_view name) const {
  for (const PairId id : pairs(series)) {
    const Label& pair = pool_.pair(id);
    if (pair.name == name) return pair.value;
  }
  return "";
}

const LabelsPtr& LabelTable::labels(std::size_t series) const {
  if (made_.empty()) made_.resize(size());
  LabelsPtr& labels = made_[series];
  if (!labels) {
    std::vector<Label> made;
    made.reserve(pairs(series).size());
    for (const PairId id : pairs(series)) made.push_back(pool_.pair(id));
    labels = std::make_shared<const Labels>(Labels::from_sorted(std::move(made)));
  }
  return labels;
}

}  // namespace rules::promql::plan

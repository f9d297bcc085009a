// SPDX-License-Identifier: Apache-2.0
#include "rules/promql/plan/counter_doubts.h"

namespace rules::promql::plan {

CounterDoubts::CounterDoubts(const LabelTablePtr& series, CounterCheck check) : by_name_(series, is_reserved) {
  const LabelTable& names = *by_name_.groups();
  for (std::size_t i = 0; i < names.size(); ++i) {
    doubts_.push_back(doubt_about_counter(*names.labels(i), check));
    any_ = any_ || !doubts_.back().empty();
  }
}

void CounterDoubts::note(std::size_t series, AnnotationLog& log, Place place) const {
  const std::string& doubt = doubts_[by_name_.group_of(series)];
  if (!doubt.empty()) log.add(AnnotationKind::kInfo, doubt, place);
}

}  // namespace rules::promql::plan

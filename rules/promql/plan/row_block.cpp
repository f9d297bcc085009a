// SPDX-License-Identifier: Apache-2.0
#include "rules/promql/plan/row_block.h"

#include <algorithm>

namespace rules::promql::plan {

void RowBlock::drop_empty_rows() {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < rows(); ++i) {
    const auto from = row(i);
    if (std::none_of(from.begin(), from.end(), has_value)) continue;
    if (kept != i) {
      std::copy(from.begin(), from.end(), row(kept).begin());
      series[kept] = series[i];
    }
    ++kept;
  }
  series.resize(kept);
  values.resize(kept * steps);
}

}  // namespace rules::promql::plan

// SPDX-License-Identifier: Apache-2.0
#include "rules/promql/plan/row_block.h"

#include <algorithm>
#include <numeric>

namespace rules::promql::plan {

void RowBlock::assign(std::uint32_t first, std::size_t count) {
  series.resize(count);
  std::iota(series.begin(), series.end(), first);
  values.assign(count * steps, no_value());
}

void RowBlock::drop_empty_rows() {
  if (std::all_of(values.begin(), values.end(), has_value)) return;
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

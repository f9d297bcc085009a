// SPDX-License-Identifier: Apache-2.0
#include "rules/promql/histogram.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "rules/promql/value.h"

namespace rules::promql {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
// Relative differences below this between neighbouring counts come from arithmetic, not from the data.
constexpr double kCountTolerance = 1e-12;

// Sorts by bound and adds up buckets of one bound (`1` and `1.0`). False if the highest is not +Inf.
bool normalize(std::vector<Bucket>& buckets) {
  std::stable_sort(buckets.begin(), buckets.end(),
                   [](const Bucket& a, const Bucket& b) { return a.upper_bound < b.upper_bound; });
  if (buckets.empty() || buckets.back().upper_bound != kInfinity) return false;
  std::size_t last = 0;
  for (std::size_t i = 1; i < buckets.size(); ++i) {
    if (buckets[i].upper_bound == buckets[last].upper_bound) {
      buckets[last].count += buckets[i].count;
    } else {
      buckets[++last] = buckets[i];
    }
  }
  buckets.resize(last + 1);
  return true;
}

bool almost_equal(double a, double b) {
  if (std::isnan(a) && std::isnan(b)) return true;
  if (a == b) return true;
  constexpr double kSmallest = std::numeric_limits<double>::min();
  const double sum = std::fabs(a) + std::fabs(b);
  const double difference = std::fabs(a - b);
  if (a == 0 || b == 0 || sum < kSmallest) return difference < kCountTolerance * kSmallest;
  return difference / std::min(sum, std::numeric_limits<double>::max()) < kCountTolerance;
}

std::optional<MonotonicityRepair> make_monotonic(std::vector<Bucket>& buckets) {
  std::optional<MonotonicityRepair> repair;
  double previous = buckets.front().count;
  for (Bucket& bucket : buckets) {
    if (bucket.count == previous) continue;
    if (almost_equal(bucket.count, previous)) {
      bucket.count = previous;
    } else if (bucket.count < previous) {
      if (!repair) repair = MonotonicityRepair{bucket.upper_bound, bucket.upper_bound, 0};
      repair->highest_bound = bucket.upper_bound;
      repair->largest_drop = std::max(repair->largest_drop, previous - bucket.count);
      bucket.count = previous;
    } else {
      previous = bucket.count;
    }
  }
  return repair;
}

}  // namespace

BucketQuantile bucket_quantile(double phi, std::vector<Bucket> buckets) {
  if (std::isnan(phi)) return {normal_nan(), {}};
  if (phi < 0) return {-kInfinity, {}};
  if (phi > 1) return {kInfinity, {}};
  if (!normalize(buckets)) return {normal_nan(), {}};
  const auto repair = make_monotonic(buckets);
  const std::size_t last = buckets.size() - 1;
  const double total = buckets[last].count;
  if (buckets.size() < 2 || total == 0) return {normal_nan(), repair};
  const double rank = phi * total;
  const auto found =
      std::find_if(buckets.begin(), buckets.end() - 1, [rank](const Bucket& bucket) { return bucket.count >= rank; });
  const auto b = static_cast<std::size_t>(found - buckets.begin());
  if (b == last) return {buckets[last - 1].upper_bound, repair};
  const double end = buckets[b].upper_bound;
  if (b == 0 && end <= 0) return {end, repair};
  const double start = b == 0 ? 0 : buckets[b - 1].upper_bound;
  const double below = b == 0 ? 0 : buckets[b - 1].count;
  return {start + (end - start) * ((rank - below) / (buckets[b].count - below)), repair};
}

double bucket_fraction(double lower, double upper, std::vector<Bucket> buckets) {
  if (!normalize(buckets)) return normal_nan();
  const double total = buckets.back().count;
  if (total == 0 || std::isnan(lower) || std::isnan(upper)) return normal_nan();
  if (lower >= upper) return 0;
  std::optional<double> lower_rank;
  std::optional<double> upper_rank;
  double rank = 0;
  for (std::size_t i = 0; i < buckets.size() && !(lower_rank && upper_rank); ++i) {
    const double end = buckets[i].upper_bound;
    const double count = buckets[i].count;
    const double first_start = end > 0 ? 0 : -kInfinity;
    const double start = i == 0 ? first_start : buckets[i - 1].upper_bound;
    const auto rank_of = [&](double bound) -> std::optional<double> {
      if (start >= bound) return rank;
      if (bound >= end) return std::nullopt;
      return start == -kInfinity ? count : rank + (count - rank) * (bound - start) / (end - start);
    };
    if (!lower_rank) lower_rank = rank_of(lower);
    if (!upper_rank) upper_rank = rank_of(upper);
    rank = count;
  }
  if (!lower_rank || *lower_rank > total) lower_rank = total;
  if (!upper_rank || *upper_rank > total) upper_rank = total;
  return (*upper_rank - *lower_rank) / total;
}

}  // namespace rules::promql

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <vector>

namespace rules::promql {

// A classic histogram's bucket: the count of observations at or below its bound.
struct Bucket {
  double upper_bound = 0;
  double count = 0;
};

// Counts that fell from one bucket to the next and were lifted.
struct MonotonicityRepair {
  double lowest_bound = 0;
  double highest_bound = 0;
  double largest_drop = 0;
};

struct BucketQuantile {
  double value = 0;
  std::optional<MonotonicityRepair> repair;
};

// Linear interpolation inside the bucket that holds the φ-quantile. Takes buckets in any order. NaN without a +Inf
// bucket, with fewer than two buckets or without observations.
BucketQuantile bucket_quantile(double phi, std::vector<Bucket> buckets);

// The share of observations between two values, by linear interpolation inside buckets.
double bucket_fraction(double lower, double upper, std::vector<Bucket> buckets);

}  // namespace rules::promql

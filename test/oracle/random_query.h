// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "dice.h"

namespace oracle {

// Makes queries over the series of made_series.h, in the language that Prometheus 2.42 and 3.14 share and with what
// means the same in both:
// - every time, range and offset is so that no window has a sample at its border;
// - counters that are reset have no gaps, for how far a rate reaches over one changed;
// - what makes much of the last bit (%, ^, sine) is asked of samples only: the two mathematics libraries differ in it;
// - infinities stay out of variances, and what depends on the order of equal values out of topk;
// - atan2 is used on scalars only (it kept the name), and @ not with predict_linear (its window moved with the steps),
//   nor with timestamp and an offset (which was forgotten).
//
// Thread safety: confined to one thread.
class RandomQuery {
 public:
  explicit RandomQuery(std::uint64_t seed) : dice_(seed) {}

  std::string next() { return one_in_many() ? scalar(2) : vector(3); }
  // A time that a query may be asked for, in milliseconds.
  std::int64_t time_ms();
  Dice& dice() { return dice_; }

 private:
  bool one_in_many() { return dice_.one_in(12); }
  std::string seconds(std::int64_t low, std::int64_t high);
  std::string number();
  std::string shift();
  std::string at();
  std::string offset();
  std::string braces(bool instance);
  std::string labels();
  std::string grouping();

  std::string selector();
  std::string plain(const std::string& metric, bool instance);
  std::string scalar(int depth);
  std::string vector(int depth);
  std::string elementwise(int depth);
  std::string over_range(int depth);
  std::string rate();
  std::string subquery(int depth);
  std::string aggregation(int depth);
  std::string with_scalar(int depth);
  std::string of_vectors(int depth);
  std::string labelled(int depth);
  std::string histogram();
  std::string absence();
  std::string of_time();
  std::string time_of_sample();

  Dice dice_;
  bool in_subquery_ = false;  // where the steps are whole seconds: the window of another may begin at one of its points
};

}  // namespace oracle

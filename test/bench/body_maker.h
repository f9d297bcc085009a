// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "dice.h"

namespace collection_bench {

// Metrics bodies of a made-up target in the text format: counters, gauges and histograms with the labels and the
// lengths of real ones (about 75 bytes a sample), the same lines in every body. From one scrape to the next about one
// value in two is another.
//
// Thread safety: confined to one thread.
class BodyMaker {
 public:
  BodyMaker(std::size_t series, std::uint64_t seed);
  std::string next();
  std::size_t series() const { return lines_.size(); }

 private:
  enum class Kind : std::uint8_t { kConstant, kCount, kGauge, kSeconds };
  struct Line {
    std::string before;  // metadata, if any, and name and labels
    Kind kind;
    std::int64_t value;
  };

  void add_family(std::string_view name, std::string_view type, Kind kind, std::size_t series);
  void add_histogram(std::string_view name, std::size_t handlers);

  std::vector<Line> lines_;
  ring_bench::Dice dice_;
};

}  // namespace collection_bench

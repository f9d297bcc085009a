// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "recorded_series.h"

namespace ring_bench {

// Which times the samples carry.
enum class Times {
  kAligned,  // when the scrape was due: what Prometheus stores if the scrape was late by little
  kScraped,  // when the request went out
};

struct XorChunksSize {
  std::uint64_t bytes = 0;
  std::uint64_t samples = 0;
};

// What the recording takes in Prometheus's chunks (tsdb/chunkenc/xor.go of 2.42): 120 samples each, two bytes of head.
// Counted bit by bit as the format says; what its head block, index and write-ahead log take comes on top there, and is
// left out here.
XorChunksSize xor_chunks_size(std::span<const RecordedTarget> recording, Times times);

}  // namespace ring_bench

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "collector/exposition/entry.h"
#include "collector/scrape/line_table.h"
#include "core/ring/labels.h"
#include "core/ring/sample.h"

namespace collector::scrape {

// Samples of one body; more fail the scrape. Far more than any ring has room for, and a bound on the memory that a body
// of many short lines takes while it is read: 160 MiB.
inline constexpr std::size_t kBodySamplesMax = 1 << 22;

// A sample that was read, until the body is known to be whole.
struct PendingSample {
  core::ring::Sample sample;
  std::string_view text;  // of the line, in the body
  LineNumber line;
  exposition::MetricType type;  // in the light of which the text is read
  bool own_time;
};

// What a body needs while it is read. Bodies of one shard are read one after another, so that they share it.
//
// Thread safety: confined to its shard.
class IngestScratch {
 public:
  // Samples whose memory is kept for the next body; more are given back.
  static constexpr std::size_t kSamplesKept = 1 << 14;

  // After each body: what points into it is forgotten.
  void clear() {
    pending.clear();
    if (pending.capacity() > kSamplesKept) std::vector<PendingSample>().swap(pending);
    index.forget();
  }

  std::size_t bytes() const { return pending.capacity() * sizeof(PendingSample) + index.bytes(); }

  std::vector<PendingSample> pending;
  LineIndex index;
  std::vector<core::ring::Label> labels;  // of the line at hand
};

}  // namespace collector::scrape

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "collector/exposition/entry.h"
#include "collector/scrape/line_table.h"
#include "core/ring/labels.h"
#include "core/ring/sample.h"

namespace collector::scrape {

// Samples of one body; more fail the scrape. Far more than any ring has room for, and a bound on the memory that a body
// of many short lines takes while it is read: 96 MiB.
inline constexpr std::size_t kBodySamplesMax = 1 << 22;

// Bytes of one body; more fail the scrape: places in it take four bytes.
inline constexpr std::size_t kBodyOffsetMax = 0xffff'ffff;

// A sample that was read, until the body is known to be whole.
struct PendingSample {
  double value;
  core::ring::SeriesRef series;  // kNone: has to be made
  std::uint32_t at;              // where its line begins in the body
  LineNumber line : 30;
  bool own_time : 1;  // its time is the next of IngestScratch::own_times
  bool settled : 1;   // the series has samples already: nothing of the line need be looked at
};
static_assert(sizeof(PendingSample) == 24 && LineTable::kLinesMax <= 1U << 30);

// From here on in the body, lines are read in the light of this type.
struct TypeChange {
  std::uint32_t at;
  exposition::MetricType type;
};

// What a body needs while it is read. Bodies of one shard are read one after another, so that they share it.
//
// Thread safety: confined to its shard.
class IngestScratch {
 public:
  // Samples whose memory is kept for the next body; more are given back.
  static constexpr std::size_t kSamplesKept = 1 << 14;
  // The same of times and types.
  static constexpr std::size_t kOthersKept = 1 << 12;

  // After each body: what points into it is forgotten.
  void clear() {
    empty(pending, kSamplesKept);
    empty(own_times_ms, kOthersKept);
    empty(types, kOthersKept);
    index.forget();
  }

  std::size_t bytes() const {
    return pending.capacity() * sizeof(PendingSample) + own_times_ms.capacity() * sizeof(std::int64_t) +
           types.capacity() * sizeof(TypeChange) + index.bytes();
  }

  std::vector<PendingSample> pending;
  std::vector<std::int64_t> own_times_ms;
  std::vector<TypeChange> types;  // of those that were met
  LineIndex index;
  std::vector<core::ring::Label> labels;  // of the line at hand

 private:
  template <class T>
  static void empty(std::vector<T>& list, std::size_t kept) {
    list.clear();
    if (list.capacity() > kept) std::vector<T>().swap(list);
  }
};

}  // namespace collector::scrape

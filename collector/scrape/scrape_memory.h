// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>

#include "collector/scrape/ingest_scratch.h"
#include "core/byte_budget.h"

namespace collector::scrape {

// Bytes of a body when body_size_limit is not set.
inline constexpr std::uint64_t kBodyBytesMax = 128ULL << 20;

// What all targets of an agent may take of its memory, whatever they answer. docs/scraping.md adds it up.
//
// Thread safety: the budgets from any thread; the rest is immutable.
struct ScrapeMemory {
  // Bodies that are being received, or wait to be read: as they came, packed or not.
  std::shared_ptr<core::ByteBudget> bodies = std::make_shared<core::ByteBudget>(2 * kBodyBytesMax);
  // What is remembered of lines. None: no bound but LineTable::kLinesMax.
  std::shared_ptr<core::ByteBudget> lines;
  std::uint64_t samples_max = kBodySamplesMax;  // of one body

  // For a ring of so many series: a target that is alone may show twice as many lines as the ring has room for.
  static ScrapeMemory for_series(std::uint64_t max_series) {
    ScrapeMemory memory;
    memory.lines = std::make_shared<core::ByteBudget>((4 * max_series + 65'536) * sizeof(Line));
    memory.samples_max = std::clamp<std::uint64_t>(2 * max_series, 65'536, kBodySamplesMax);
    return memory;
  }
};

}  // namespace collector::scrape

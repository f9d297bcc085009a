// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>

#include <fmt/format.h>

#include "collector/exposition/parser.h"
#include "collector/scrape/layout_reader.h"

namespace test_support {

inline std::string sample_text(std::string_view series, double value, std::optional<std::int64_t> time_ms,
                               collector::exposition::MetricType type) {
  return fmt::format("{} = {:016x} at {} as {}\n", series, std::bit_cast<std::uint64_t>(value),
                     time_ms ? fmt::format("{}", *time_ms) : "scrape", to_string(type));
}

// What a body says, by the full parser alone: its samples, but for the second and later ones of a line that have no
// time of their own, and its error.
inline std::string read_in_full(std::string_view body, collector::exposition::Format format) {
  using collector::exposition::Entry;
  std::string text;
  std::unordered_set<std::string_view> shown;
  collector::exposition::Parser parser(body, format);
  for (Entry entry = parser.next(); entry != Entry::kEnd; entry = parser.next()) {
    if (entry == Entry::kInvalid) return text + parser.error().message;
    if (entry != Entry::kSample) continue;
    if (!shown.insert(parser.series()).second && !parser.timestamp_ms()) continue;
    text += sample_text(parser.series(), parser.value(), parser.timestamp_ms(), parser.type());
  }
  return text;
}

struct ReadBody {
  std::string text;              // as read_in_full() has it
  std::size_t read_in_full = 0;  // samples that were not known by the body before
};

// Bodies read one after another, each by its difference to the one before.
//
// Thread safety: confined to one thread.
class DifferenceReading {
 public:
  ReadBody read(std::string_view body, collector::exposition::Format format) {
    using namespace collector::scrape;
    LayoutReader::Options options;
    options.format = format;
    options.trusts_lines = format_ == format;
    options.scrape = ++scrape_;
    format_ = format;
    lines_.begin_body(scratch_.index);
    LayoutReader reader(body, options, hash_, lines_, scratch_);
    const std::string error = go_over(reader);
    ReadBody result{written(body) + error, reader.counts().scraped - reader.counts().known};
    scratch_.clear();
    lines_.end_body();
    return result;
  }

 private:
  static std::string go_over(collector::scrape::LayoutReader& reader) {
    using collector::exposition::Entry;
    for (;;) {
      reader.take_known(std::numeric_limits<std::uint32_t>::max());
      const Entry entry = reader.next();
      if (entry == Entry::kEnd) return {};
      if (entry == Entry::kInvalid) return reader.parser().error().message;
      if (entry != Entry::kSample) continue;
      reader.count_scraped();
      reader.count_kept();
      reader.take(reader.line() == collector::scrape::kNoLine ? reader.add_line() : reader.line());
    }
  }

  std::string written(std::string_view body) {
    std::string text;
    std::size_t own_times = 0;
    std::size_t types = 0;
    auto type = collector::exposition::MetricType::kUnknown;
    for (const auto& pending : scratch_.pending) {
      for (; types < scratch_.types.size() && scratch_.types[types].at <= pending.at; ++types) {
        type = scratch_.types[types].type;
      }
      std::optional<std::int64_t> time_ms;
      if (pending.own_time) time_ms = scratch_.own_times_ms[own_times++];
      text += sample_text(body.substr(pending.at, lines_[pending.line].key.length), pending.value, time_ms, type);
      // As if it had been written.
      lines_[pending.line].series = core::ring::SeriesRef{1};
      lines_[pending.line].marks.has_samples = true;
    }
    return text;
  }

  collector::scrape::LineHash hash_;
  collector::scrape::LineTable lines_;
  collector::scrape::IngestScratch scratch_;
  std::optional<collector::exposition::Format> format_;
  std::uint32_t scrape_ = 0;
};

}  // namespace test_support

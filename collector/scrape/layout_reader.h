// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

#include "collector/exposition/parser.h"
#include "collector/scrape/ingest_scratch.h"
#include "collector/scrape/line_hash.h"
#include "collector/scrape/line_table.h"

namespace collector::scrape {

// Reads a body by its difference to the one before. A line that has the name and labels of the line which stood there
// last time is known by its hash, and only its number is read; the lines between samples are known in blocks. Whatever
// is not as it was is read in full by exposition::Parser, one entry, and then the lines are as expected again: a line
// more, a line less or another order costs about as much as the lines that are concerned.
//
//   LayoutReader reader(body, format, options, lines, scratch);
//   for (;;) {
//     reader.take_known(most);
//     switch (reader.next()) { ... kSample: reader.line(), or reader.add_line() for a new one; reader.take(line) ... }
//   }
//
// Thread safety: confined to one thread.
// Invariants: what is taken, line by line, is what a Parser alone would have found.
class LayoutReader {
 public:
  struct Options {
    exposition::Format format = exposition::Format::kPrometheusText;
    exposition::Tolerance tolerance = exposition::Tolerance::kAsPrometheus;
    // The lines have been read in this format before, so that what is known of them holds.
    bool trusts_lines = true;
    // Blocks are read again even if they are as they were.
    bool reads_blocks = false;
    bool honors_timestamps = true;
    bool tracks_own_times = false;  // lines with times of their own go stale too
    std::uint32_t scrape = 0;       // the count that lines are marked with
  };

  // What the body came to so far.
  struct Counts {
    std::uint64_t scraped = 0;          // sample lines
    std::uint64_t post_relabeling = 0;  // of these, not dropped
    std::uint64_t duplicates = 0;
    std::uint64_t lines = 0;        // lines and blocks, each once
    std::uint64_t lines_again = 0;  // of these, shown by the scrape before
    std::uint64_t known = 0;        // sample lines that were not read in full
  };

  // REQUIRES: `body` holds fewer than 2^32 bytes and outlives this; `lines.begin_body()` has been called.
  LayoutReader(std::string_view body, const Options& options, const LineHash& hash, LineTable& lines,
               IngestScratch& scratch);

  // Takes the samples of lines that stand where they are expected, until something else comes or `most` are taken.
  void take_known(std::uint64_t most);
  // The next entry, read in full. A sample is not taken yet.
  exposition::Entry next();

  // After a kSample: the line, or kNoLine if it is new; and makes it one that is known.
  LineNumber line() const { return line_; }
  LineNumber add_line() { return line_ = add(key_); }
  // Takes the sample, as one of this line. REQUIRES: kSample; not dropped.
  void take(LineNumber number);
  // Notes that the line is there, if that is all there is to do with it.
  void pass(LineNumber number);

  // Counts the sample, before anything else is done with it.
  void count_scraped() { ++counts_.scraped; }
  void count_kept() { ++counts_.post_relabeling; }
  const Counts& counts() const { return counts_; }
  const exposition::Parser& parser() const { return parser_; }

 private:
  void take_usual(std::uint64_t most);
  bool take_one_known();
  // False if the body has shown the line before.
  bool show(Line& line);
  void keep(Line& line, LineNumber number, std::size_t at, double value, const std::int64_t* own_time_ms);
  LineNumber known_line(LineNumber number, const char* at) const;
  bool is_here(const Line& line, const char* at) const;
  const char* read_value(const char* at, double& value, std::int64_t& time_ms, bool& has_time) const;
  void end_block(std::size_t start, std::size_t end);
  LineNumber add(const LineKey& key);
  void note_type(std::size_t at, exposition::MetricType type);

  std::string_view body_;
  const Options options_;
  const LineHash& hash_;
  LineTable& lines_;
  IngestScratch& scratch_;
  exposition::Parser parser_;
  std::uint32_t scrape_before_;
  std::size_t whole_;   // where the last line begins that has no line feed
  std::size_t at_ = 0;  // read up to here
  bool moved_ = false;  // the parser has to be told so
  bool in_block_ = false;
  std::size_t block_start_ = 0;
  bool block_has_type_ = false;
  exposition::MetricType type_ = exposition::MetricType::kUnknown;
  LineNumber line_ = kNoLine;
  LineKey key_;
  Counts counts_;
};

}  // namespace collector::scrape

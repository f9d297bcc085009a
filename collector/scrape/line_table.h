// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "collector/scrape/line_hash.h"
#include "core/ring/ring.h"

namespace collector::scrape {

// A line's place in its table; changes only when lines are forgotten.
using LineNumber = std::uint32_t;
inline constexpr LineNumber kNoLine = std::numeric_limits<LineNumber>::max();

// Scrapes are counted modulo this. A count comes again after 8 years of a scrape a second: a line that was not seen in
// all that time, nor forgotten, would then miss one sample.
inline constexpr std::uint32_t kScrapeCountMask = (1U << 28) - 1;

// What a line was found to be. All of it fits one word, so that what most lines are is one comparison.
struct LineMarks {
  std::uint32_t seen : 28 = 0;  // the last scrape that showed it, & kScrapeCountMask
  bool dropped : 1 = false;     // by metric relabelling
  bool has_samples : 1 = false;
  bool tracked : 1 = false;   // stale when the scrape after `seen` does not show it
  bool is_block : 1 = false;  // of lines that are no samples
  bool operator==(const LineMarks& other) const {
    return std::bit_cast<std::uint32_t>(*this) == std::bit_cast<std::uint32_t>(other);
  }
};

// What is remembered of a series' line between scrapes: there are as many of these as series, so every byte counts. The
// lines between samples (comments, HELP, TYPE) are remembered too, each block of them as one line, so that a body is
// known to be as it was without another look at what they say.
//
// Invariants: a line with samples has a series.
struct Line {
  LineKey key;
  core::ring::SeriesRef series = core::ring::SeriesRef::kNone;  // of a block: see LayoutReader
  LineNumber next = kNoLine;                                    // which followed it last time
  LineMarks marks;
};
static_assert(sizeof(Line) == 32);

// Finds the lines of one table by key, while one body is read. It is built when the first line stands where it was not
// expected, which in most bodies none does: so it need not be kept for each target.
//
// Thread safety: confined to one thread.
// Invariants: at most half of the slots are taken, so that a search ends soon.
class LineIndex {
 public:
  // Slots whose memory is kept for the next body; more are given back.
  static constexpr std::size_t kSlotsKept = 1 << 16;

  bool built() const { return built_; }
  void build(std::span<const Line> lines);
  void forget();

  // The functions below REQUIRE: built() from these lines, those that were inserted since among them.
  LineNumber find(const LineKey& key, std::span<const Line> lines) const;
  // The last of `lines` is new.
  void insert_last(std::span<const Line> lines);

  std::size_t bytes() const { return slots_.capacity() * sizeof(LineNumber); }

 private:
  void place(const LineKey& key, LineNumber number);

  std::vector<LineNumber> slots_;  // a power of two of them
  bool built_ = false;
};

// The lines of a target. They are looked for in the order of the body before, which costs one comparison where the
// order is the same.
//
// Thread safety: confined to one thread.
class LineTable {
 public:
  static constexpr std::size_t kLinesMax = 1 << 25;

  // Before each body. `index` is this table's until its end.
  void begin_body(LineIndex& index);
  // Which line followed the last one in the body before; kNoLine if none is known.
  LineNumber expected() const {
    const LineNumber number = last_ == kNoLine ? first_ : lines_[last_].next;
    return number < lines_.size() ? number : kNoLine;
  }
  // The body has this line here.
  void take(LineNumber number) {
    if (number != expected()) follow(number);
    last_ = number;
  }
  // kNoLine if there is none; else take() is done.
  LineNumber find(const LineKey& key, LineIndex& index) {
    const LineNumber number = expected();
    if (number != kNoLine && lines_[number].key == key) return last_ = number;
    return search(key, index);
  }
  // A new line, which is then the last. What was expected in its place is expected after it.
  // REQUIRES: no line has this key; fewer than kLinesMax lines.
  LineNumber add(const LineKey& key, LineIndex& index);
  // Forgets the lines from `size` on, which are the newest. REQUIRES: as forget_if().
  void cut(std::size_t size);
  // After each body: gives back what was taken for growth, once nothing grows any more.
  void end_body();

  // Takes lines as long as `here(line, number)` says that they follow.
  template <class Here>
  void take_while(Here here) {
    LineNumber last = last_;
    for (LineNumber number = expected(); number < lines_.size() && here(lines_[number], number);) {
      last = number;
      number = lines_[number].next;
    }
    last_ = last;
  }

  Line& operator[](LineNumber number) { return lines_[number]; }
  std::size_t size() const { return lines_.size(); }
  auto begin() { return lines_.begin(); }
  auto end() { return lines_.end(); }
  std::size_t bytes() const { return lines_.capacity() * sizeof(Line); }

  // REQUIRES: between bodies; numbers mean nothing after it.
  template <class Predicate>
  void forget_if(Predicate predicate) {
    if (std::erase_if(lines_, predicate) > 0) renumber();
  }

 private:
  LineNumber search(const LineKey& key, LineIndex& index);
  void follow(LineNumber number);
  void renumber();

  std::vector<Line> lines_;
  LineNumber first_ = kNoLine;  // of the body before
  LineNumber last_ = kNoLine;   // found or added in this body
  bool grown_ = false;          // in this body
};

}  // namespace collector::scrape

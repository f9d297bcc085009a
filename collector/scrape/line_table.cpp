// SPDX-License-Identifier: Apache-2.0
#include "collector/scrape/line_table.h"

#include <algorithm>
#include <bit>

#include "core/check.h"

namespace collector::scrape {
namespace {

constexpr std::size_t kSlotsMin = 64;

}  // namespace

void LineIndex::build(std::span<const Line> lines) {
  slots_.assign(std::max(kSlotsMin, std::bit_ceil(2 * (lines.size() + 1))), kNoLine);
  for (std::size_t i = 0; i < lines.size(); ++i) place(lines[i].key, static_cast<LineNumber>(i));
  built_ = true;
}

void LineIndex::forget() {
  built_ = false;
  if (slots_.capacity() > kSlotsKept) std::vector<LineNumber>().swap(slots_);
}

// Any bits of a key are as good as any others.
void LineIndex::place(const LineKey& key, LineNumber number) {
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = key.low & mask;
  while (slots_[slot] != kNoLine) slot = (slot + 1) & mask;
  slots_[slot] = number;
}

LineNumber LineIndex::find(const LineKey& key, std::span<const Line> lines) const {
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t slot = key.low & mask;; slot = (slot + 1) & mask) {
    const LineNumber number = slots_[slot];
    if (number == kNoLine || lines[number].key == key) return number;
  }
}

void LineIndex::insert_last(std::span<const Line> lines) {
  if (2 * lines.size() > slots_.size()) return build(lines);
  place(lines.back().key, static_cast<LineNumber>(lines.size() - 1));
}

void LineTable::begin_body(LineIndex& index) {
  index.forget();
  last_ = kNoLine;
  grown_ = false;
}

LineNumber LineTable::search(const LineKey& key, LineIndex& index) {
  // The same line again, as samples with times of their own come: what follows it is learnt from the last of them.
  if (last_ != kNoLine && lines_[last_].key == key) return last_;
  if (!index.built()) index.build(lines_);
  const LineNumber found = index.find(key, lines_);
  if (found != kNoLine) follow(found);
  return found;
}

LineNumber LineTable::add(const LineKey& key, LineIndex& index) {
  CHECK(lines_.size() < kLinesMax, "a new line has room");
  // By an eighth: doubling would leave up to half of the memory idle for as long as the target grows a little.
  if (lines_.size() == lines_.capacity()) lines_.reserve(lines_.size() + lines_.size() / 8 + 16);
  const LineNumber after = expected();
  lines_.emplace_back(Line{key, core::ring::SeriesRef::kNone, after, {}});
  if (index.built()) index.insert_last(lines_);
  grown_ = true;
  const auto number = static_cast<LineNumber>(lines_.size() - 1);
  follow(number);
  return number;
}

void LineTable::follow(LineNumber number) {
  (last_ == kNoLine ? first_ : lines_[last_].next) = number;
  last_ = number;
}

void LineTable::end_body() {
  const std::size_t idle = lines_.capacity() - lines_.size();
  if (!grown_ && idle > lines_.size() / 32 + 4) lines_.shrink_to_fit();
}

// What followed a line may be gone now, or another line later: whoever expects it looks at its key.
void LineTable::cut(std::size_t size) {
  lines_.resize(std::min(size, lines_.size()));
  lines_.shrink_to_fit();
  last_ = kNoLine;
}

// The order among those that are left is a guess; the next body corrects it.
void LineTable::renumber() {
  lines_.shrink_to_fit();
  for (std::size_t i = 0; i < lines_.size(); ++i) lines_[i].next = static_cast<LineNumber>(i + 1);
  first_ = 0;
  last_ = kNoLine;
}

}  // namespace collector::scrape

// SPDX-License-Identifier: Apache-2.0
#include "collector/scrape/layout_reader.h"

#include <cstring>

#include "collector/exposition/number.h"
#include "collector/exposition/plain_number.h"
#include "core/check.h"

namespace collector::scrape {
namespace {

using core::ring::SeriesRef;
using exposition::Entry;
using exposition::Format;
using exposition::MetricType;

// How many lines may be gone from between two others before they are looked for one by one.
constexpr int kSkippedMax = 8;

// A block's line keeps, where others keep their series, the type that holds after it; kNone if it names none.
SeriesRef ref_of(MetricType type) { return SeriesRef{1 + static_cast<std::uint64_t>(type)}; }
MetricType type_of(SeriesRef ref) { return static_cast<MetricType>(static_cast<std::uint64_t>(ref) - 1); }

// A sample's line begins with none of these but a blank, a block's with nothing else.
bool is_block_start(char c) { return c == '#' || c == '\n' || c == ' ' || c == '\t'; }

}  // namespace

LayoutReader::LayoutReader(std::string_view body, const Options& options, const LineHash& hash, LineTable& lines,
                           IngestScratch& scratch)
    : body_(body),
      options_(options),
      hash_(hash),
      lines_(lines),
      scratch_(scratch),
      parser_(body, options.format, options.tolerance),
      scrape_before_((options.scrape - 1) & kScrapeCountMask),
      whole_(body.rfind('\n') + 1) {}  // npos + 1 is 0

inline bool LayoutReader::show(Line& line) {
  if (line.marks.seen == options_.scrape) return false;
  if (line.marks.seen == scrape_before_) ++counts_.lines_again;
  line.marks.seen = options_.scrape & kScrapeCountMask;
  ++counts_.lines;
  return true;
}

inline void LayoutReader::keep(Line& line, LineNumber number, std::size_t at, double value,
                               const std::int64_t* own_time_ms) {
  if (show(line)) {
    line.marks.tracked = own_time_ms == nullptr || options_.tracks_own_times;
  } else if (own_time_ms == nullptr) {
    ++counts_.duplicates;
    return;
  }
  if (own_time_ms != nullptr) scratch_.own_times_ms.push_back(*own_time_ms);
  scratch_.pending.push_back({.value = value,
                              .series = line.series,
                              .at = static_cast<std::uint32_t>(at),
                              .line = number & ((1U << 30) - 1),
                              .own_time = own_time_ms != nullptr,
                              .settled = own_time_ms == nullptr && line.marks.has_samples});
}

// Whether the text at `at` is that of the line. What follows a sample's name and labels must be a blank: else the name
// might go on, or its labels begin.
inline bool LayoutReader::is_here(const Line& line, const char* at) const {
  const auto room = static_cast<std::size_t>(body_.data() + whole_ - at);
  const std::size_t size = line.key.length;
  if (line.marks.is_block) {
    return !options_.reads_blocks && size <= room && is_block_start(*at) && hash_({at, size}) == line.key;
  }
  return size < room && at[size] == ' ' && hash_({at, size}) == line.key;
}

// The expected line, or one of the next after it; kNoLine if it is none of them.
inline LineNumber LayoutReader::known_line(LineNumber number, const char* at) const {
  for (int skipped = 0; number < lines_.size() && skipped <= kSkippedMax; ++skipped) {
    const Line& line = lines_[number];
    if (is_here(line, at)) [[likely]]
      return number;
    number = line.next;
  }
  return kNoLine;
}

// Reads what follows a name and the blank after it, up to and with the line feed; nullptr if it takes a closer look. A
// byte that ends every number comes in time: the line feed.
inline const char* LayoutReader::read_value(const char* at, double& value, std::int64_t& time_ms,
                                            bool& has_time) const {
  const char* end = exposition::read_plain_number(at, value);
  if (end != nullptr && *end == '\n') [[likely]]
    return end + 1;
  if (end == nullptr || *end != ' ') {
    end = static_cast<const char*>(std::memchr(at, '\n', static_cast<std::size_t>(body_.data() + whole_ - at)));
    const std::string_view token(at, static_cast<std::size_t>(end - at));
    if (token.find_first_of(" \t") != std::string_view::npos) return nullptr;
    const auto parsed = exposition::parse_value(token);
    if (!parsed) return nullptr;
    value = *parsed;
    return end + 1;
  }
  // OpenMetrics writes times as decimal fractions, and exemplars in this place.
  if (options_.format != Format::kPrometheusText) return nullptr;
  std::uint64_t time = 0;
  const char* const first = end + 1;
  end = exposition::read_digits(first, time);
  constexpr std::ptrdiff_t kDigitsMax = 18;
  if (*end != '\n' || end == first || end - first > kDigitsMax) return nullptr;
  time_ms = static_cast<std::int64_t>(time);
  has_time = true;
  return end + 1;
}

void LayoutReader::take_known(std::uint64_t most) {
  // Past a last line without a line feed, the parser stands behind the body.
  if (!options_.trusts_lines || in_block_ || at_ >= whole_) return;
  const std::size_t from = at_;
  const std::uint64_t enough = counts_.post_relabeling + most;
  do {
    take_usual(enough - counts_.post_relabeling);
  } while (counts_.post_relabeling < enough && take_one_known());
  if (at_ != from) moved_ = true;
}

// The lines that follow and are what nearly all are: a sample without a time, of a series that has samples and had one
// in the scrape before.
void LayoutReader::take_usual(std::uint64_t most) {
  const LineMarks usual = {.seen = scrape_before_ & kScrapeCountMask,
                           .dropped = false,
                           .has_samples = true,
                           .tracked = true,
                           .is_block = false};
  LineMarks now = usual;
  now.seen = options_.scrape & kScrapeCountMask;
  const char* const begin = body_.data();
  const char* const end = begin + whole_;
  const char* at = begin + at_;
  const std::size_t before = scratch_.pending.size();
  const std::size_t enough = before + most;
  lines_.take_while([&](Line& line, LineNumber number) {
    const std::size_t size = line.key.length;
    if (size >= static_cast<std::size_t>(end - at) || at[size] != ' ' || line.marks != usual) return false;
    if (scratch_.pending.size() >= enough || hash_({at, size}) != line.key) return false;
    double value = 0;
    const char* const stop = exposition::read_plain_number(at + size + 1, value);
    if (stop == nullptr || *stop != '\n') return false;
    line.marks = now;
    scratch_.pending.push_back({.value = value,
                                .series = line.series,
                                .at = static_cast<std::uint32_t>(at - begin),
                                .line = number & ((1U << 30) - 1),
                                .own_time = false,
                                .settled = true});
    at = stop + 1;
    return true;
  });
  at_ = static_cast<std::size_t>(at - begin);
  const std::uint64_t taken = scratch_.pending.size() - before;
  counts_.scraped += taken;
  counts_.known += taken;
  counts_.post_relabeling += taken;
  counts_.lines += taken;
  counts_.lines_again += taken;
}

// Any line that is known and stands where it is expected, or after some that are gone; false if there is none.
bool LayoutReader::take_one_known() {
  if (at_ >= whole_) return false;
  const char* const at = body_.data() + at_;
  const LineNumber number = known_line(lines_.expected(), at);
  if (number == kNoLine) return false;
  Line& line = lines_[number];
  const std::size_t size = line.key.length;
  if (line.marks.is_block) {
    show(line);
    at_ += size;
    if (line.series != SeriesRef::kNone) note_type(at_, type_of(line.series));
  } else {
    double value = 0;
    std::int64_t time_ms = 0;
    bool has_time = false;
    const char* const end = read_value(at + size + 1, value, time_ms, has_time);
    if (end == nullptr) return false;
    ++counts_.scraped;
    ++counts_.known;
    if (line.marks.dropped) {
      show(line);
    } else {
      ++counts_.post_relabeling;
      keep(line, number, at_, value, has_time && options_.honors_timestamps ? &time_ms : nullptr);
    }
    at_ = static_cast<std::size_t>(end - body_.data());
  }
  lines_.take(number);
  return true;
}

void LayoutReader::note_type(std::size_t at, MetricType type) {
  if (type == type_) return;
  type_ = type;
  scratch_.types.push_back({static_cast<std::uint32_t>(at), type});
}

Entry LayoutReader::next() {
  if (moved_) parser_.resume(at_, type_);
  moved_ = false;
  const std::size_t from = at_;
  const Entry entry = parser_.next();
  at_ = parser_.offset();
  switch (entry) {
    case Entry::kSample: {
      const auto start = static_cast<std::size_t>(parser_.series().data() - body_.data());
      if (in_block_ || start > from) end_block(in_block_ ? block_start_ : from, start);
      note_type(start, parser_.type());
      key_ = hash_(parser_.series());
      line_ = lines_.find(key_, scratch_.index);
      break;
    }
    case Entry::kHelp:
    case Entry::kType:
    case Entry::kUnit:
    case Entry::kComment:
      if (!in_block_) {
        in_block_ = true;
        block_start_ = from;
        block_has_type_ = false;
      }
      if (entry == Entry::kType) block_has_type_ = true;
      break;
    default:
      break;
  }
  return entry;
}

// The lines from `start` to `end`, which the next sample follows, are one block. Where another block was expected, this
// is what became of it.
void LayoutReader::end_block(std::size_t start, std::size_t end) {
  const bool has_type = in_block_ && block_has_type_;
  in_block_ = false;
  if (end - start > exposition::kSeriesBytesMax) return;
  const LineKey key = hash_(body_.substr(start, end - start));
  const LineNumber expected = lines_.expected();
  const bool is_free = expected != kNoLine && lines_[expected].marks.is_block &&
                       (lines_[expected].marks.seen != options_.scrape || lines_[expected].key == key);
  LineNumber number = expected;
  if (is_free) {
    lines_.take(number);
  } else {
    if (lines_.size() >= LineTable::kLinesMax) return;
    number = add(key);
  }
  Line& line = lines_[number];
  line.key = key;
  line.marks.is_block = true;
  line.series = has_type ? ref_of(parser_.type()) : SeriesRef::kNone;
  show(line);
}

LineNumber LayoutReader::add(const LineKey& key) {
  const LineNumber number = lines_.add(key, scratch_.index);
  // Not in the scrape before.
  lines_[number].marks.seen = (scrape_before_ - 1) & kScrapeCountMask;
  return number;
}

void LayoutReader::pass(LineNumber number) { show(lines_[number]); }

void LayoutReader::take(LineNumber number) {
  const auto start = static_cast<std::size_t>(parser_.series().data() - body_.data());
  const std::optional<std::int64_t> time_ms = parser_.timestamp_ms();
  keep(lines_[number], number, start, parser_.value(),
       time_ms.has_value() && options_.honors_timestamps ? &*time_ms : nullptr);
}

}  // namespace collector::scrape

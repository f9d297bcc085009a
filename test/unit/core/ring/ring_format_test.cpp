// SPDX-License-Identifier: Apache-2.0
// docs/formats/ring.md and the code say the same: sizes, offsets, bits, names, and one chunk byte by byte.
#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "core/ring/chunk_decode.h"
#include "core/ring/chunk_learning.h"
#include "core/ring/chunk_writer.h"
#include "core/ring/label_store.h"
#include "core/ring/mapped_ring.h"
#include "core/ring/ring_layout.h"
#include "core/ring/sample.h"

namespace core::ring {
namespace {

struct Table {
  std::string heading;
  std::vector<std::vector<std::string>> rows;  // without the line below the header
};

std::vector<std::string> lines_of_page() {
  std::ifstream file(WATCHKEEPER_SOURCE_DIR "/docs/formats/ring.md");
  EXPECT_TRUE(file.is_open());
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

std::string trimmed(const std::string& text) {
  const std::size_t first = text.find_first_not_of(' ');
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(' ') - first + 1);
}

// The tables whose header begins with this cell.
std::vector<Table> tables(const std::string& first_cell) {
  std::vector<Table> found;
  std::string heading;
  bool inside = false;
  std::size_t row = 0;
  for (const std::string& line : lines_of_page()) {
    if (line.starts_with("#")) heading = trimmed(line.substr(line.find_first_not_of('#')));
    if (!line.starts_with("|")) {
      row = 0;
      continue;
    }
    std::vector<std::string> cells;
    std::istringstream rest(line.substr(1));
    for (std::string cell; std::getline(rest, cell, '|');) cells.push_back(trimmed(cell));
    if (row++ == 0) {
      inside = cells.front() == first_cell;
      if (inside) found.push_back({heading, {}});
    } else if (row > 2 && inside) {
      found.back().rows.push_back(cells);
    }
  }
  return found;
}

Table table(const std::string& first_cell) {
  const std::vector<Table> found = tables(first_cell);
  EXPECT_EQ(found.size(), 1U) << first_cell;
  return found.empty() ? Table{} : found.front();
}

// The line of the page that begins with this text, without it.
std::string line_behind(const std::string& begin) {
  for (const std::string& line : lines_of_page()) {
    if (line.starts_with(begin)) return line.substr(begin.size());
  }
  ADD_FAILURE() << "no line begins with " << begin;
  return "";
}

struct Field {
  std::string name;
  std::size_t offset;
  std::size_t bytes;
};

#define FIELD(type, name) \
  Field { #name, offsetof(type, name), sizeof(type::name) }

TEST(RingFormat, TheTablesOfBytesAreTheStructs) {
  const std::map<std::string, std::pair<std::size_t, std::vector<Field>>> wanted = {
      {"Superblock",
       {sizeof(Superblock),
        {FIELD(Superblock, magic), FIELD(Superblock, version), FIELD(Superblock, check), FIELD(Superblock, file_bytes),
         FIELD(Superblock, max_series), FIELD(Superblock, boot_id), FIELD(Superblock, clean),
         FIELD(Superblock, segments_taken), FIELD(Superblock, pages_taken), FIELD(Superblock, series_used),
         FIELD(Superblock, timelines_used)}}},
      {"Series entry",
       {sizeof(SeriesEntry),
        {FIELD(SeriesEntry, place), FIELD(SeriesEntry, last), FIELD(SeriesEntry, changed),
         FIELD(SeriesEntry, labels)}}},
      {"Labels",
       {sizeof(LabelRecord),
        {FIELD(LabelRecord, check), FIELD(LabelRecord, length), FIELD(LabelRecord, kind), FIELD(LabelRecord, uses),
         FIELD(LabelRecord, name), FIELD(LabelRecord, hash)}}},
      {"Timeline",
       {sizeof(TimelineEntry),
        {FIELD(TimelineEntry, identity), FIELD(TimelineEntry, span), FIELD(TimelineEntry, count),
         FIELD(TimelineEntry, writing), FIELD(TimelineEntry, reserved), FIELD(TimelineEntry, pages)}}},
      {"Page of times",
       {sizeof(PageEntry),
        {FIELD(PageEntry, owner), FIELD(PageEntry, base), FIELD(PageEntry, check), FIELD(PageEntry, reserved)}}},
  };
  const std::vector<Table> found = tables("offset");
  ASSERT_EQ(found.size(), wanted.size());
  for (const Table& each : found) {
    ASSERT_TRUE(wanted.contains(each.heading)) << each.heading;
    const auto& [size, fields] = wanted.at(each.heading);
    ASSERT_EQ(each.rows.size(), fields.size()) << each.heading;
    std::size_t end = 0;
    for (std::size_t i = 0; i < fields.size(); ++i) {
      const std::vector<std::string> row = {std::to_string(fields[i].offset), std::to_string(fields[i].bytes),
                                            fields[i].name};
      EXPECT_EQ(std::vector<std::string>(each.rows[i].begin(), each.rows[i].begin() + 3), row) << each.heading;
      EXPECT_EQ(fields[i].offset, end) << each.heading << " has a hole before " << fields[i].name;
      end = fields[i].offset + fields[i].bytes;
    }
    EXPECT_EQ(end, size) << each.heading;
  }
}

using Masks = std::vector<std::pair<std::string, std::uint64_t>>;

void expect_bits(const std::string& word, const Masks& wanted) {
  Masks found;
  for (const auto& row : table(word + " bits").rows) {
    const std::uint64_t first = std::stoull(row[0]);
    const std::uint64_t last = std::stoull(row[0].substr(row[0].find('-') + 1));
    found.emplace_back(row[1], (~std::uint64_t{0} >> (63 - last)) & (~std::uint64_t{0} << first));
  }
  EXPECT_EQ(found, wanted) << word;
}

std::uint64_t head_with(auto&& set) {
  ChunkHead head;
  set(head);
  return head.pack();
}

std::uint64_t previous_with(auto&& set) {
  PreviousChunk previous{{0, 0}, 0};
  ChunkParams params;
  set(previous, params);
  return pack_previous(previous, params);
}

TEST(RingFormat, TheTablesOfBitsAreWhatIsPacked) {
  expect_bits("place", {{"slot", SeriesPlace{{ChunkLink::kNoSlot, 0}, 0}.pack()},
                        {"generation", SeriesPlace{{0, 0xffff}, 0}.pack()},
                        {"timeline", SeriesPlace{{0, 0}, 0xffff}.pack()}});
  expect_bits("changed", {{"scrape", pack_changed(0xffffffff, 0)}, {"generation", pack_changed(0, 0xffffffff)}});
  expect_bits("labels", {{"set", pack_labels(0xffffffff, 0, SeriesState::kFree)},
                         {"check", pack_labels(0, 0xffffffff, SeriesState::kFree)},
                         {"state", pack_labels(0, 0, static_cast<SeriesState>(0xff))}});
  const std::uint64_t used = pack_page_owner(0, 0);
  expect_bits("owner", {{"timeline", pack_page_owner(0xffff, 0) ^ used},
                        {"page", pack_page_owner(0, 0xffffffff) ^ used},
                        {"used", used}});
  expect_bits("time", {{"offset", kBurnt - 1}, {"burnt", kBurnt}});
  expect_bits("head", {{"generation", head_with([](ChunkHead& h) { h.generation = 0xffff; })},
                       {"controls", head_with([](ChunkHead& h) { h.controls = 0xffff; })},
                       {"timed", head_with([](ChunkHead& h) { h.timed = true; })},
                       {"starts", head_with([](ChunkHead& h) { h.starts = true; })},
                       {"escaped", head_with([](ChunkHead& h) { h.escaped = true; })},
                       {"uneven", head_with([](ChunkHead& h) { h.uneven = true; })},
                       {"check", head_with([](ChunkHead& h) { h.check = 0xffffffff; })}});
  std::uint64_t domains = 0;
  for (std::uint32_t code = 0; code < 27; ++code) {
    domains |= previous_with([code](auto&, ChunkParams& p) { p.domain = domain_of(code); });
  }
  expect_bits("previous", {{"slot", previous_with([](PreviousChunk& c, auto&) { c.link.slot = ChunkLink::kNoSlot; })},
                           {"generation", previous_with([](PreviousChunk& c, auto&) { c.link.generation = 0xffff; })},
                           {"controls", previous_with([](PreviousChunk& c, auto&) { c.controls = 0xffff; })},
                           {"domain", domains},
                           {"narrow", previous_with([](auto&, ChunkParams& p) { p.narrow = 31; })},
                           {"wide", previous_with([](auto&, ChunkParams& p) { p.wide = 31; })},
                           {"ulps", previous_with([](auto&, ChunkParams& p) { p.ulps = 7; })},
                           {"age", previous_with([](auto&, ChunkParams& p) { p.age = 1; })},
                           {"fell", previous_with([](PreviousChunk& c, auto&) { c.fell = true; })},
                           {"has_center", previous_with([](auto&, ChunkParams& p) { p.has_center = true; })}});
}

void expect_numbered(const std::string& first_cell, const std::vector<std::string>& names) {
  std::vector<std::string> found;
  for (const auto& row : table(first_cell).rows) {
    EXPECT_EQ(row[0], std::to_string(found.size())) << first_cell;
    found.push_back(row[1]);
  }
  EXPECT_EQ(found, names) << first_cell;
}

TEST(RingFormat, StatesControlsAndEscapesHaveTheirNumbers) {
  static_assert(static_cast<int>(SeriesState::kNew) == 1 && static_cast<int>(SeriesState::kPresent) == 2 &&
                static_cast<int>(SeriesState::kAbsent) == 3 && static_cast<int>(SeriesState::kLeft) == 4 &&
                static_cast<int>(SeriesState::kTimed) == 5);
  expect_numbered("state", {"free", "new", "present", "absent", "left", "timed"});
  static_assert(kSame == 0 && kNarrow == 1 && kWide == 2 && kEscape == 3);
  expect_numbered("control", {"same", "narrow", "wide", "escape"});
  static_assert(kShortRun == 0 && kRun == 1 && kLongRun == 2 && kRaw == 3 && kFar == 4 && kAbsent == 5 && kReturn == 6);
  expect_numbered("escape", {"short run", "run", "long run", "raw", "far", "absent", "return"});
  const auto escapes = table("escape").rows;
  const auto run = [](std::uint32_t least) { return "n + " + std::to_string(least) + " scrapes with the same value"; };
  EXPECT_EQ(escapes[kShortRun][3], run(kShortRunLeast));
  EXPECT_EQ(escapes[kRun][3], run(kRunLeast));
  EXPECT_EQ(escapes[kLongRun][3], run(kLongRunLeast));
  EXPECT_EQ(escapes[kShortRun][2], std::to_string(kShortRunBits) + " bits");
  EXPECT_EQ(escapes[kRun][2], std::to_string(kRunBits) + " bits");
  std::vector<std::string> found;
  for (const auto& row : table("found").rows) found.push_back(row[0]);
  std::vector<std::string> states;
  for (int state = 0; state <= static_cast<int>(FoundState::kMigrated); ++state) {
    states.emplace_back(to_string(static_cast<FoundState>(state)));
  }
  EXPECT_EQ(found, states);
}

std::string joined(const auto& numbers) {
  std::string text;
  for (const int number : numbers) text += (text.empty() ? "" : " ") + std::to_string(number);
  return text;
}

TEST(RingFormat, NumbersInTheTextAreThoseOfTheCode) {
  EXPECT_EQ(line_behind("    widths: "), joined(kWidths));
  EXPECT_EQ(line_behind("    ulp widths: "), joined(kUlpWidths));
  EXPECT_EQ(line_behind("`version` is ").substr(0, 2), std::to_string(kRingVersion) + ".");
  std::map<std::string, std::string> limits;
  for (const auto& row : table("what").rows) limits[row[0]] = row[1];
  EXPECT_EQ(limits["slots"], "134,217,664 (16 GiB)");
  EXPECT_EQ((ChunkLink::kNoSlot - 1) / kSlotsPerSegment * kSlotsPerSegment, 134'217'664U);
  EXPECT_EQ(limits["scrapes of a timeline that are remembered"], "262,144");
  EXPECT_EQ(kPagesPerTimeline * kTimesPerPage, 262'144U);
  EXPECT_EQ(limits["bytes of a label's name or value"], "65,535");
  EXPECT_EQ(kLabelTextMax, 65'535U);
  EXPECT_EQ(limits["labels of a series"], std::to_string(kLabelsPerSeriesMax));
  EXPECT_EQ(limits["controls of one chunk"], std::to_string((kSlotBits - kStreamBegin) / 2));
}

TEST(RingFormat, TheExampleOfAGeometryIsWhatTheFormulaGives) {
  std::map<std::string, std::uint64_t> page;
  for (const auto& row : table("example").rows) page[row[0]] = std::stoull(row[1]);
  const auto g = RingGeometry::make(page["file_bytes"], page["max_series"]);
  ASSERT_TRUE(g.has_value());
  MappedRingOptions options;
  options.size_bytes = g->file_bytes;
  options.max_series = g->max_series;
  const std::map<std::string, std::uint64_t> code = {
      {"file_bytes", g->file_bytes},
      {"max_series", g->max_series},
      {"max_timelines", g->max_timelines},
      {"label_bytes", g->label_bytes},
      {"series_at", g->series_at},
      {"labels_at", g->labels_at},
      {"timelines_at", g->timelines_at},
      {"page_entries_at", g->page_entries_at},
      {"pages", g->pages},
      {"pages_at", g->pages_at},
      {"segment_times_at", g->segment_times_at},
      {"segments", g->segments},
      {"slots_at", g->slots_at},
      {"bytes_max", mapped_ring_bytes_max(options)},
  };
  EXPECT_EQ(page, code);
  EXPECT_EQ(code.at("bytes_max"), g->file_bytes + g->file_bytes / 8192 + 71 * g->max_series + (4 << 20));
}

// The worked example.

constexpr std::uint32_t kExampleSlot = 70;
const Labels kExampleLabels{{"__name__", "attic_temperature"}, {"room", "attic"}};

SlotImage bytes_of_example() {
  SlotImage image{};
  bool inside = false;
  for (const std::string& line : lines_of_page()) {
    if (line.starts_with("## ")) inside = line == "## Worked example";
    if (!inside || !line.starts_with("    ")) continue;
    std::istringstream text(line);
    text >> std::hex;
    std::uint32_t at = 0;
    text >> at;
    for (std::uint32_t i = 0; i < 8; ++i) {
      std::uint64_t byte = 0;
      text >> byte;
      image[(at + i) / 8] |= byte << 8 * ((at + i) % 8);
    }
    EXPECT_FALSE(text.fail()) << line;
  }
  return image;
}

using Samples = std::map<std::uint32_t, std::optional<std::uint64_t>>;

Samples samples_of_example() {
  Samples samples;
  for (const auto& row : table("scrape").rows) {
    auto& bits = samples[static_cast<std::uint32_t>(std::stoul(row[0]))];
    if (row[1] == "none") continue;
    bits = row[1].front() == '"' ? std::stoull(row[1].substr(1), nullptr, 16)
                                 : std::bit_cast<std::uint64_t>(std::stod(row[1]));
  }
  return samples;
}

struct SampleList {
  static constexpr bool kMantissas = false;
  static constexpr bool kOnlyFirst = false;
  Samples all;
  std::optional<std::uint32_t> absent_since;

  std::uint32_t first() const { return 0; }
  bool one(std::uint32_t index, double value) {
    for (; absent_since && *absent_since < index; ++*absent_since) all[*absent_since] = std::nullopt;
    absent_since.reset();
    all[index] = std::bit_cast<std::uint64_t>(value);
    return true;
  }
  bool many(std::uint32_t index, const double* values, std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i) one(index + i, values[i]);
    return true;
  }
  bool run(std::uint32_t index, std::uint32_t count, double value) {
    for (; count > 0; --count) one(index++, value);
    return true;
  }
  bool absent(std::uint32_t index) {
    absent_since = index;
    return true;
  }
};

std::uint32_t owner_check() {
  std::vector<std::uint64_t> region(512);
  LabelStore store(reinterpret_cast<std::byte*>(region.data()), region.size() * 8);
  return store.set_check(store.make_set(kExampleLabels).value());
}

TEST(RingFormat, TheWorkedExampleSaysWhatThePageSays) {
  const SlotImage image = bytes_of_example();
  ChunkStart start = decode_start(image);
  const std::uint32_t check = start.head.check;
  start.head.check = chunk_seed(owner_check(), kExampleSlot, image);
  SampleList got;
  const ChunkEnd end = walk_chunk<true>(image, start, got);
  EXPECT_FALSE(end.damaged);
  EXPECT_EQ(end.check, check);
  EXPECT_EQ(got.all, samples_of_example());
  EXPECT_EQ(line_behind("The owner check of the example's labels is "), fmt::format("{:#010x}.", owner_check()));
}

TEST(RingFormat, TheWorkedExampleIsWhatTheWriterMakesOfItsSamples) {
  const Samples samples = samples_of_example();
  ASSERT_FALSE(samples.empty());
  ChunkOpening opening;
  opening.self = {kExampleSlot, 5};
  opening.previous = {{12, 9}, 100};
  opening.params.domain = {DomainKind::kDecimal, 1};
  opening.params.narrow = width_index(3);
  opening.params.wide = width_index(8);
  opening.params.age = 1;
  opening.owner_check = owner_check();
  opening.index = samples.begin()->first;
  opening.bits = samples.begin()->second.value();
  Slot slot{};
  ChunkPen pen;
  open_chunk(slot, opening, pen);
  std::uint64_t last = opening.bits;
  for (const auto& [index, bits] : samples) {
    if (!bits && pen.absent == 0) {
      EXPECT_TRUE(append_absent(slot, pen, index));
    } else if (bits && (*bits != last || pen.absent != 0)) {
      EXPECT_TRUE(append_value(slot, pen, index, *bits, last));
      last = *bits;
    }
  }
  const SlotImage wanted = bytes_of_example();
  for (std::size_t i = 0; i < kSlotWords; ++i) {
    EXPECT_EQ(slot.words[i].load(std::memory_order_relaxed), wanted[i]) << "word " << i;
  }
}

}  // namespace
}  // namespace core::ring

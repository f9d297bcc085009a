// SPDX-License-Identifier: Apache-2.0
// The writer of chunks beside their decoder. RING_SEED=<seed> repeats a run.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <vector>

#include "core/ring/chunk_decode.h"
#include "core/ring/chunk_learning.h"
#include "core/ring/chunk_writer.h"
#include "test/unit/core/ring/ring_model.h"
#include "test/unit/core/ring/value_families.h"

namespace core::ring {
namespace {

using ring_test::Random;

// Scrapes in a row with one value.
struct Stretch {
  std::uint32_t first = 0;
  std::uint32_t last = 0;
  std::uint64_t bits = 0;
  bool operator==(const Stretch&) const = default;
};

// What a chunk says from scrape `from` on; runs may be millions of scrapes long, so that they are not spelt out.
struct Stretches {
  static constexpr bool kMantissas = false;
  static constexpr bool kOnlyFirst = false;
  std::uint32_t from = 0;
  std::vector<Stretch> all;

  void add(std::uint32_t index, std::uint32_t last, std::uint64_t bits) {
    if (last < from) return;
    index = std::max(index, from);
    if (!all.empty() && all.back().last + 1 == index && all.back().bits == bits) {
      all.back().last = last;
    } else {
      all.push_back({index, last, bits});
    }
  }
  std::uint32_t first() const { return from; }
  bool one(std::uint32_t index, double value) {
    add(index, index, std::bit_cast<std::uint64_t>(value));
    return true;
  }
  bool many(std::uint32_t index, const double* values, std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i) one(index + i, values[i]);
    return true;
  }
  bool run(std::uint32_t index, std::uint32_t count, double value) {
    add(index, index + count - 1, std::bit_cast<std::uint64_t>(value));
    return true;
  }
  bool absent(std::uint32_t index) {
    if (!all.empty()) {
      EXPECT_EQ(all.back().last + 1, index);
    }
    return true;
  }
};

// The same from a walk that gives decimals as whole numbers.
struct MantissaStretches : Stretches {
  static constexpr bool kMantissas = true;
  static constexpr bool kOnlyFirst = false;
  double power = 1;
  bool mantissa(std::uint32_t index, std::int64_t m) { return one(index, decimal_value(m, power)); }
  bool mantissas(std::uint32_t index, const std::int64_t* ms, std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i) mantissa(index + i, ms[i]);
    return true;
  }
};

struct TimedList {
  std::vector<Sample> all;
  bool timed(std::int64_t time_ms, double value) {
    all.push_back({time_ms, value});
    return true;
  }
};

SlotImage image_of(const Slot& slot) {
  SlotImage image{};
  for (std::size_t i = 0; i < kSlotWords; ++i) image[i] = slot.words[i].load(std::memory_order_relaxed);
  return image;
}

bool same_pen(const ChunkPen& a, const ChunkPen& b) {
  return a.m == b.m && a.index == b.index && a.data == b.data && a.controls == b.controls && a.absent == b.absent &&
         a.ulps == b.ulps;
}

bool unused_bits_are_zero(const SlotImage& image, const ChunkPen& pen) {
  for (std::uint32_t bit = pen.data; bit < kSlotBits - 2 * pen.controls; ++bit) {
    if ((image[bit / 64] >> bit % 64 & 1) != 0) return false;
  }
  return true;
}

ChunkParams any_params(Random& random, double first) {
  ChunkParams params;
  params.domain = domain_of(static_cast<std::uint32_t>(random.below(27)));
  if (!mantissa_of(params.domain, first).exact) params.domain = find_domain(first);
  params.narrow = static_cast<std::uint8_t>(random.below(kWidths.size()));
  params.wide = static_cast<std::uint8_t>(params.narrow + random.below(kWidths.size() - params.narrow));
  params.ulps = static_cast<std::uint8_t>(random.below(kUlpWidths.size()));
  params.age = static_cast<std::uint8_t>(random.below(2));
  params.has_center = random.one_in(3);
  if (params.has_center) params.center = static_cast<std::uint16_t>(random.bits());
  return params;
}

// A chunk being written, and what it should say.
class Writing {
 public:
  explicit Writing(Random& random)
      : random_(random), source_(static_cast<ring_test::Family>(random.below(ring_test::kFamilies)), random.bits()) {
    for (Word& word : slot_.words) word.store(random.bits(), std::memory_order_relaxed);
    opening_.self = {static_cast<std::uint32_t>(random.below(ChunkLink::kNoSlot)),
                     static_cast<std::uint16_t>(random.bits())};
    opening_.previous = {
        {static_cast<std::uint32_t>(random.below(ChunkLink::kNoSlot)), static_cast<std::uint16_t>(random.below(128))},
        static_cast<std::uint16_t>(random.below(433))};
    opening_.owner_check = static_cast<std::uint32_t>(random.bits());
    opening_.index = static_cast<std::uint32_t>(random.below(1U << 24));
    opening_.bits = std::bit_cast<std::uint64_t>(source_.next());
    const auto next = std::bit_cast<std::uint64_t>(source_.next());
    opening_.params =
        random.one_in(2) ? first_params(opening_.bits, next) : any_params(random, std::bit_cast<double>(opening_.bits));
    if (random.one_in(3)) {
      opening_.left = {static_cast<std::uint16_t>(random.bits()), static_cast<std::uint32_t>(random.bits())};
    }
    last_ = opening_.bits;
  }

  void open() {
    open_chunk(slot_, opening_, pen_);
    wanted_.add(opening_.index, opening_.index, opening_.bits);
  }

  // False if there was no room; nothing has changed then.
  bool step() {
    const SlotImage before = image_of(slot_);
    const ChunkPen pen = pen_;
    const bool absent = pen_.absent != 0;
    const std::uint32_t index = pen_.index + gap() + (absent ? 0 : 1);
    bool done = false;
    if (!absent && random_.one_in(12)) {
      done = append_absent(slot_, pen_, index);
      if (done) wanted_.all.back().last = index - 1;
    } else {
      auto bits = std::bit_cast<std::uint64_t>(source_.next());
      if (bits == last_ && !absent) bits ^= 1;
      done = append_value(slot_, pen_, index, bits, last_);
      if (done && !absent) wanted_.all.back().last = index - 1;
      if (done) wanted_.add(index, index, bits);
      if (done) last_ = bits;
    }
    if (!done) {
      EXPECT_EQ(image_of(slot_), before);
      EXPECT_TRUE(same_pen(pen_, pen));
    }
    return done;
  }

  void check() const {
    const auto image = copy_slot(slot_, opening_.self.generation);
    ASSERT_TRUE(image.has_value());
    EXPECT_FALSE(copy_slot(slot_, opening_.self.generation + 1).has_value());
    ChunkStart start = decode_start(*image);
    EXPECT_EQ(start.params, opening_.params);
    EXPECT_EQ(start.previous.link, opening_.previous.link);
    EXPECT_EQ(start.previous.controls, opening_.previous.controls);
    EXPECT_EQ(start.head.starts, opening_.left.has_value());
    if (opening_.left) {
      EXPECT_EQ(start.left_timeline, opening_.left->timeline);
      EXPECT_EQ(start.left_index, opening_.left->index);
    }
    const std::uint32_t wanted_check = start.head.check;
    start.head.check = chunk_seed(opening_.owner_check, opening_.self.slot, *image);
    Stretches got;
    const ChunkEnd end = walk_chunk<true>(*image, start, got);
    EXPECT_FALSE(end.damaged);
    EXPECT_EQ(end.check, wanted_check);
    ASSERT_EQ(got.all, wanted_.all);
    EXPECT_EQ(end.index, pen_.index);
    EXPECT_EQ(end.bits, last_);
    EXPECT_EQ(end.m, pen_.m);
    EXPECT_EQ(end.ulps, pen_.ulps);
    EXPECT_EQ(end.absent, pen_.absent != 0);
    EXPECT_EQ(end.data, pen_.data);
    EXPECT_EQ(start.head.controls, pen_.controls);
    EXPECT_TRUE(unused_bits_are_zero(*image, pen_));
    check_from(*image, start, 0);
    check_from(*image, start, wanted_.all[random_.below(wanted_.all.size())].first);
    check_from(*image, start, wanted_.all[random_.below(wanted_.all.size())].last);
  }

  const Slot& slot() const { return slot_; }

 private:
  // What a reader gets that asks for the scrapes from `from` on.
  void check_from(const SlotImage& image, const ChunkStart& start, std::uint32_t from) const {
    Stretches wanted;
    wanted.from = from;
    for (const Stretch& each : wanted_.all) wanted.add(each.first, each.last, each.bits);
    Stretches got;
    MantissaStretches whole;
    got.from = whole.from = from;
    whole.power = kPowersOfTen[start.params.domain.places];
    const ChunkEnd end = walk_chunk<false>(image, start, got);
    (void)walk_chunk<false>(image, start, whole);
    EXPECT_EQ(got.all, wanted.all);
    EXPECT_EQ(whole.all, wanted.all);
    EXPECT_FALSE(end.damaged);
    EXPECT_EQ(end.index, pen_.index);
    EXPECT_EQ(end.bits, last_);
  }

  // Around each limit of the lengths of runs.
  std::uint32_t gap() {
    if (!random_.one_in(3)) return 0;
    constexpr std::array<std::uint32_t, 4> kEdges = {kShortRunLeast, kRunLeast, kLongRunLeast, 1U << 20};
    if (random_.one_in(2)) return static_cast<std::uint32_t>(random_.below(8));
    return kEdges[random_.below(kEdges.size())] - 1 + static_cast<std::uint32_t>(random_.below(3));
  }

  Random& random_;
  ring_test::ValueSource source_;
  Slot slot_{};
  ChunkPen pen_;
  ChunkOpening opening_;
  std::uint64_t last_ = 0;
  Stretches wanted_;
};

TEST(ChunkCodec, AChunkSaysWhatWasWrittenIntoIt) {
  Random random(ring_test::test_seed());
  for (int round = 0; round < 400 && !testing::Test::HasFailure(); ++round) {
    Writing writing(random);
    writing.open();
    writing.check();
    // What has no room may be followed by something shorter.
    for (int full = 0; full < 4 && !testing::Test::HasFailure();) {
      if (!writing.step()) ++full;
      if (random.one_in(5)) writing.check();
    }
    writing.check();
  }
}

// Decoding takes two values at once as long as their mantissas are below 2^51, and of differences that fill a word all
// bits: chunks that go over both limits, and narrower ones.
TEST(ChunkCodec, MantissasAndDifferencesOfEverySizeComeBack) {
  struct Case {
    Domain domain;
    std::int64_t first;
    std::int64_t step;
    std::uint8_t width;  // in bits
  };
  constexpr std::int64_t kLimit = std::int64_t{1} << 51;
  const Case cases[] = {
      {{DomainKind::kDecimal, 1}, kLimit - 7, 3, 4},  {{DomainKind::kDecimal, 1}, 7 - kLimit, -3, 4},
      {{DomainKind::kDecimal, 3}, 2 * kLimit, 1, 64}, {{DomainKind::kDecimal, 0}, kLimit - 7, 3, 4},
      {{DomainKind::kNear, 3}, kLimit - 7, 3, 4},     {{DomainKind::kNear, 3}, 7 - kLimit, -3, 40},
      {{DomainKind::kNear, 3}, 2 * kLimit, 1, 64},    {{DomainKind::kBits, 0}, -1234567, std::int64_t{1} << 62, 64},
      {{DomainKind::kBits, 0}, 99, -3, 64},           {{DomainKind::kDecimal, 2}, -5, 1, 52}};
  for (const Case& each : cases) {
    Slot slot{};
    ChunkPen pen;
    const auto value = [&](std::int64_t i) {
      const auto m = static_cast<std::uint64_t>(each.first) +
                     static_cast<std::uint64_t>(each.step) * static_cast<std::uint64_t>(i);
      const std::int32_t ulps = each.domain.kind == DomainKind::kNear ? static_cast<std::int32_t>(i % 5 - 2) : 0;
      return std::bit_cast<std::uint64_t>(value_of(each.domain, static_cast<std::int64_t>(m), ulps));
    };
    ChunkOpening opening;
    opening.self = {3, 1};
    opening.params.domain = each.domain;
    opening.params.wide = width_index(each.width);
    opening.params.ulps = 4;
    opening.index = 10;
    opening.bits = value(0);
    ASSERT_TRUE(mantissa_of(each.domain, std::bit_cast<double>(opening.bits)).exact);
    open_chunk(slot, opening, pen);
    Stretches wanted;
    wanted.add(10, 10, value(0));
    for (std::int64_t i = 1; append_value(slot, pen, 10 + static_cast<std::uint32_t>(i), value(i), value(i - 1)); ++i) {
      wanted.add(10 + static_cast<std::uint32_t>(i), 10 + static_cast<std::uint32_t>(i), value(i));
    }
    ASSERT_GT(wanted.all.size(), 10U);
    const SlotImage image = image_of(slot);
    for (const std::uint32_t from : {0U, 15U}) {
      Stretches kept;
      Stretches got;
      kept.from = got.from = from;
      for (const Stretch& stretch : wanted.all) kept.add(stretch.first, stretch.last, stretch.bits);
      EXPECT_FALSE(walk_chunk<false>(image, decode_start(image), got).damaged);
      EXPECT_EQ(got.all, kept.all) << "first " << each.first << " step " << each.step << " width " << +each.width;
    }
  }
}

TEST(ChunkCodec, UnchangedScrapesCostWhatTheirNumberCosts) {
  // Up to five are controls; then an escape of 2 bits with 3 + 6, 3 + 12 or 3 + 32 of data.
  const std::pair<std::uint32_t, std::uint32_t> cases[] = {{0, 0},   {5, 10},    {6, 11},    {69, 11},
                                                           {70, 17}, {4165, 17}, {4166, 37}, {4'000'000, 37}};
  for (const auto& [unchanged, bits] : cases) {
    Slot slot{};
    ChunkPen pen;
    ChunkOpening opening;
    opening.params = learn_params({DomainKind::kDecimal, 0}, {});
    opening.index = 100;
    open_chunk(slot, opening, pen);
    const std::uint32_t before = pen.data;
    ASSERT_TRUE(append_value(slot, pen, 101 + unchanged, std::bit_cast<std::uint64_t>(1.0), 0));
    EXPECT_EQ(pen.data - before + 2 * pen.controls, bits + 2 + 4) << unchanged;
  }
}

TEST(ChunkCodec, ATimedChunkSaysWhatWasWrittenIntoIt) {
  Random random(ring_test::test_seed());
  for (int round = 0; round < 400; ++round) {
    ring_test::ValueSource source(static_cast<ring_test::Family>(random.below(ring_test::kFamilies)), random.bits());
    Slot slot{};
    ChunkPen pen;
    ChunkOpening opening;
    opening.index = 5;
    opening.self = {9, 3};
    opening.bits = std::bit_cast<std::uint64_t>(source.next());
    opening.params = any_params(random, std::bit_cast<double>(opening.bits));
    opening.time_ms = random.between(-(1LL << 61), 1LL << 61);
    open_chunk(slot, opening, pen);
    std::vector<Sample> wanted{{*opening.time_ms, std::bit_cast<double>(opening.bits)}};
    TimedStep before{*opening.time_ms, 0};
    std::int64_t step = 1;
    while (true) {
      if (random.one_in(4)) step = random.between(1, 1LL << random.below(random.one_in(5) ? 56 : 22));
      const std::int64_t time_ms = before.time_ms + step;
      const double value = random.one_in(4) ? wanted.back().value : source.next();
      const SlotImage image = image_of(slot);
      const ChunkPen pen_before = pen;
      if (!append_timed(slot, pen, before, time_ms, std::bit_cast<std::uint64_t>(value),
                        std::bit_cast<std::uint64_t>(wanted.back().value))) {
        ASSERT_EQ(image_of(slot), image);
        ASSERT_TRUE(same_pen(pen, pen_before));
        break;
      }
      before = {time_ms, step};
      wanted.push_back({time_ms, value});
    }
    const SlotImage image = image_of(slot);
    ChunkStart start = decode_start(image);
    const std::uint32_t check = start.head.check;
    start.head.check = chunk_seed(opening.owner_check, opening.self.slot, image);
    TimedList got;
    const ChunkEnd end = walk_timed<true>(image, start, got);
    ASSERT_TRUE(ring_test::agree(got.all, wanted));
    ASSERT_FALSE(end.damaged);
    ASSERT_EQ(end.check, check);
    ASSERT_EQ(end.data, pen.data);
    ASSERT_EQ(end.time_ms, before.time_ms);
    ASSERT_EQ(end.step_ms, before.step_ms);
    ASSERT_TRUE(unused_bits_are_zero(image, pen));
  }
}

TEST(ChunkCodec, ASourceOfBitsGivesZerosPastItsLimit) {
  SlotImage image{};
  image.fill(~std::uint64_t{0});
  BitSource source(image, 150, 200);
  EXPECT_EQ(source.take(0), 0U);
  EXPECT_EQ(source.take(42), (std::uint64_t{1} << 42) - 1);
  EXPECT_EQ(source.take_signed(8), -1);
  EXPECT_FALSE(source.spent());
  EXPECT_EQ(source.position(), 200U);
  EXPECT_EQ(source.take(1), 0U);
  EXPECT_TRUE(source.spent());
  // For good, and however often it is asked.
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(source.take(64), 0U);
  EXPECT_EQ(source.take_signed(64), 0);
  EXPECT_TRUE(source.spent());
}

// Counts what it is told.
struct Counts {
  static constexpr bool kMantissas = false;
  static constexpr bool kOnlyFirst = false;
  std::uint32_t from = 0;
  std::uint64_t samples = 0;
  std::uint64_t runs = 0;
  std::uint32_t first() const { return from; }
  bool one(std::uint32_t, double) { return ++samples != 0; }
  bool many(std::uint32_t, const double*, std::uint32_t count) { return (samples += count) != 0; }
  bool run(std::uint32_t, std::uint32_t, double) { return ++runs != 0; }
  bool absent(std::uint32_t) { return true; }
  bool timed(std::int64_t, double) { return ++samples != 0; }
};

template <bool kChecked>
void decode_anyhow_as(const SlotImage& image) {
  const ChunkStart start = decode_start(image);
  Counts counts;
  const ChunkEnd end =
      start.head.timed ? walk_timed<kChecked>(image, start, counts) : walk_chunk<kChecked>(image, start, counts);
  ASSERT_LE(counts.samples + counts.runs, start.head.controls + 1U);
  if (!end.damaged) {
    ASSERT_LE(end.data + 2U * start.head.controls, kSlotBits);
  }
}

void decode_anyhow(const SlotImage& image) {
  decode_anyhow_as<true>(image);
  decode_anyhow_as<false>(image);
  (void)next_params(image, image[7]);
}

TEST(ChunkCodec, AnyBytesAreDecodedWithinBounds) {
  Random random(ring_test::test_seed());
  for (int round = 0; round < 20'000; ++round) {
    SlotImage image{};
    for (std::size_t i = 0; i < kSlotWords; ++i) image[i] = random.bits();
    ChunkHead head = ChunkHead::unpack(image[0]);
    if (!random.one_in(8)) head.controls = static_cast<std::uint16_t>(random.below(434));
    image[0] = head.pack();
    decode_anyhow(image);
  }
}

TEST(ChunkCodec, ChunksWithBitsTurnedRoundAreDecodedWithinBounds) {
  Random random(ring_test::test_seed());
  for (int round = 0; round < 300; ++round) {
    Writing writing(random);
    writing.open();
    while (writing.step()) {
    }
    for (int turned = 0; turned < 30; ++turned) {
      SlotImage image = image_of(writing.slot());
      for (std::uint64_t left = 1 + random.below(3); left > 0; --left) {
        image[random.below(kSlotWords)] ^= std::uint64_t{1} << random.below(64);
      }
      decode_anyhow(image);
    }
  }
}

}  // namespace
}  // namespace core::ring

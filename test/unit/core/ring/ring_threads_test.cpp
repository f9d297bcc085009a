// SPDX-License-Identifier: Apache-2.0
// Readers beside writers, with series that come and go and samples that are overwritten. A value is a function of its
// series and its time, so that every sample that anybody reads can be judged.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <barrier>
#include <deque>
#include <map>
#include <memory>
#include <thread>

#include "core/ring/mapped_ring.h"
#include "core/ring/ring.h"
#include "test/unit/core/ring/ring_model.h"

namespace core::ring {
namespace {

using ring_test::Random;

constexpr std::size_t kWriters = 2;
constexpr std::size_t kReaders = 3;
constexpr std::size_t kSteady = 24;  // series of a writer that are in every scrape
constexpr std::size_t kPassing = 2;  // new ones in every scrape, gone with the next
constexpr std::int64_t kScrapes = 9000;
constexpr std::int64_t kScrapesALook = 3;
constexpr std::int64_t kStepMs = 15'000;
constexpr std::int64_t kStartMs = 1'700'000'000'000;

// One series in three changes hardly ever, the others in every bit.
double value_of(const Labels& labels, std::int64_t time_ms) {
  const std::uint64_t name = labels.fingerprint();
  const auto number = static_cast<std::uint64_t>(time_ms - kStartMs) / kStepMs;
  const std::uint64_t bits = Random::mix(name ^ (name % 3 == 0 ? number / 64 : number) * 0x9e3779b97f4a7c15ULL);
  // Finite, so that a counter's window can be compared by its values.
  return static_cast<double>(bits >> 11) / 1024;
}

// Judges what one reader sees.
class Witness {
 public:
  Witness(const Reader& reader, std::uint64_t seed) : reader_(reader), random_(seed) {}

  void look() {
    switch (random_.below(6)) {
      case 0:
        return choose();
      case 1:
        return look_at_last();
      case 2:
        return look_at_window();
      case 3:
        return look_at_usage();
      case 4:
        return look_at_two();
      default:
        return look_at_samples();
    }
  }

  std::uint64_t samples_seen() const { return samples_seen_; }

 private:
  static bool steady(const Labels& labels) { return labels.has("steady"); }

  void choose() {
    const bool all = random_.one_in(3);
    const Matcher matcher = all ? *Matcher::make(MatchType::kRegexMatch, "__name__", ".+")
                                : Matcher::equal("writer", std::to_string(random_.below(kWriters)));
    const std::vector<SelectedSeries> found = reader_.select(std::vector{matcher});
    std::vector<SelectedSeries> lasting;
    for (const SelectedSeries& each : found) {
      ASSERT_TRUE(matcher.matches(*each.labels)) << each.labels->to_string();
      if (steady(*each.labels)) lasting.push_back(each);
    }
    // They were there before this thread was, and never ended.
    ASSERT_EQ(lasting.size(), kSteady * (all ? kWriters : 1));
    for (int i = 0; i < 4; ++i) {
      chosen_.push_back(found[random_.below(found.size())]);
      chosen_.push_back(lasting[random_.below(lasting.size())]);
      // Some are kept for long: a reference must not come to mean another series.
      while (chosen_.size() > 200) chosen_.pop_front();
    }
  }

  const SelectedSeries* any() {
    if (chosen_.empty()) choose();
    return chosen_.empty() ? nullptr : &chosen_[random_.below(chosen_.size())];
  }

  void judge(const Labels& labels, const Sample& sample) {
    ++samples_seen_;
    if (is_stale(sample.value)) {
      ASSERT_FALSE(steady(labels)) << labels.to_string();
      return;
    }
    ASSERT_TRUE(same_bits(sample.value, value_of(labels, sample.time_ms)))
        << labels.to_string() << ": " << ring_test::to_string(sample) << ", wanted "
        << value_of(labels, sample.time_ms);
  }

  void look_at_samples() {
    const SelectedSeries* series = any();
    if (series == nullptr) return;
    const auto edge = [&] { return kStartMs + random_.between(0, kScrapes) * kStepMs; };
    const std::int64_t from_ms = random_.one_in(3) ? ring_test::kEarliest : edge();
    const std::int64_t to_ms = random_.one_in(3) ? ring_test::kLatest : edge();
    reader_.read(series->ref, from_ms, to_ms, samples_);
    for (std::size_t i = 0; i < samples_.size(); ++i) {
      judge(*series->labels, samples_[i]);
      ASSERT_GE(samples_[i].time_ms, from_ms);
      ASSERT_LE(samples_[i].time_ms, to_ms);
      // Overwriting takes from the old end only: what is shown has no holes.
      if (i > 0) {
        ASSERT_EQ(samples_[i].time_ms, samples_[i - 1].time_ms + kStepMs) << series->labels->to_string();
      }
    }
  }

  void look_at_last() {
    const SelectedSeries* series = any();
    if (series == nullptr) return;
    const std::optional<Sample> last = reader_.last(series->ref);
    if (!last) return;
    judge(*series->labels, *last);
    std::int64_t& newest_ms = newest_ms_[*series->labels];
    ASSERT_GE(last->time_ms, newest_ms) << series->labels->to_string() << " went back in time";
    newest_ms = last->time_ms;
  }

  void look_at_window() {
    const SelectedSeries* series = any();
    if (series == nullptr || !steady(*series->labels)) return;
    const CounterWindow window = reader_.counter_window(series->ref, ring_test::kEarliest, ring_test::kLatest);
    if (window.count == 0) return;
    judge(*series->labels, window.first);
    judge(*series->labels, window.last);
    const auto steps = static_cast<std::uint64_t>((window.last.time_ms - window.first.time_ms) / kStepMs);
    ASSERT_EQ(window.count, steps + 1);
    double lost = 0;
    for (std::int64_t t = window.first.time_ms; t < window.last.time_ms; t += kStepMs) {
      const double value = value_of(*series->labels, t);
      if (value_of(*series->labels, t + kStepMs) < value) lost += value;
    }
    ASSERT_EQ(window.lost_to_resets, lost) << series->labels->to_string();
  }

  // What is published together is seen together: the series looked at later cannot be the older one.
  void look_at_two() {
    const SelectedSeries* a = any();
    const SelectedSeries* b = any();
    if (a == nullptr || !steady(*a->labels) || !steady(*b->labels)) return;
    if (a->labels->get("writer") != b->labels->get("writer")) return;
    const std::optional<Sample> of_a = reader_.last(a->ref);
    reader_.read(b->ref, ring_test::kEarliest, ring_test::kLatest, samples_);
    if (!of_a) return;
    ASSERT_FALSE(samples_.empty()) << b->labels->to_string();
    ASSERT_GE(samples_.back().time_ms, of_a->time_ms) << "a scrape was seen in parts";
  }

  void look_at_usage() {
    const RingUsage usage = reader_.usage();
    ASSERT_LE(usage.bytes, usage.bytes_limit);
    ASSERT_LE(usage.series, usage.series_limit);
    ASSERT_GE(usage.samples_appended, appended_);
    ASSERT_EQ(usage.damaged, 0U);
    appended_ = usage.samples_appended;
    const std::uint64_t generation = reader_.index_generation();
    ASSERT_GE(generation, generation_);
    generation_ = generation;
  }

  const Reader& reader_;
  Random random_;
  std::deque<SelectedSeries> chosen_;
  std::vector<Sample> samples_;
  std::map<Labels, std::int64_t> newest_ms_;
  std::uint64_t appended_ = 0;
  std::uint64_t generation_ = 0;
  std::uint64_t samples_seen_ = 0;
};

// One target's scrapes, one after the other.
class Writer {
 public:
  Writer(Ring& ring, std::size_t number) : appender_(ring.make_appender()), number_(std::to_string(number)) {
    timeline_ = *appender_->open_timeline(number + 1);
    for (std::size_t i = 0; i < kSteady; ++i) {
      steady_.push_back({{"__name__", "steady"}, {"steady", std::to_string(i)}, {"writer", number_}});
      refs_.push_back(*appender_->upsert(timeline_, steady_.back()));
    }
    scrape(0);
  }

  void scrape(std::int64_t number) {
    const std::int64_t time_ms = kStartMs + number * kStepMs;
    appender_->begin(timeline_, time_ms);
    for (std::size_t i = 0; i < kSteady; ++i) {
      ASSERT_EQ(appender_->append(refs_[i], value_of(steady_[i], time_ms)), AppendOutcome::kAppended);
    }
    for (const SeriesRef ended : passing_) {
      // Gone is what a series may be that is overwritten or given up meanwhile.
      const AppendOutcome outcome = appender_->append(ended, stale_marker());
      ASSERT_TRUE(outcome == AppendOutcome::kAppended || outcome == AppendOutcome::kGone);
    }
    passing_.clear();
    for (std::size_t i = 0; i < kPassing; ++i) {
      const Labels labels{
          {"__name__", "passing"}, {"id", std::to_string(number * 10) + "-" + std::to_string(i)}, {"writer", number_}};
      const auto made = appender_->upsert(timeline_, labels);
      refused_ += made ? 0 : 1;
      if (!made) continue;
      passing_.push_back(*made);
      ASSERT_EQ(appender_->append(*made, value_of(labels, time_ms)), AppendOutcome::kAppended);
    }
    appender_->publish();
  }

  std::uint64_t refused() const { return refused_; }

 private:
  std::unique_ptr<Appender> appender_;
  std::string number_;
  TimelineRef timeline_ = TimelineRef::kNone;
  std::vector<Labels> steady_;
  std::vector<SeriesRef> refs_;
  std::vector<SeriesRef> passing_;
  std::uint64_t refused_ = 0;
};

void run(Ring& ring, std::uint64_t seed) {
  std::vector<std::unique_ptr<Writer>> writers;
  for (std::size_t i = 0; i < kWriters; ++i) writers.push_back(std::make_unique<Writer>(ring, i));
  std::atomic<std::size_t> writing{kWriters};
  // The writers keep together: one that the machine forgets for a while would find its series overwritten.
  std::barrier<> together(kWriters);
  std::atomic<std::uint64_t> progress{0};
  std::atomic<std::uint64_t> seen{0};
  {
    std::vector<std::jthread> threads;
    for (auto& writer : writers) {
      threads.emplace_back([&writing, &together, &progress, &writer] {
        for (std::int64_t i = 1; i <= kScrapes && !testing::Test::HasFatalFailure(); ++i) {
          writer->scrape(i);
          if (i % kScrapesALook == 0) {
            ++progress;
            progress.notify_all();
          }
          if (i % 50 == 0) together.arrive_and_wait();
        }
        together.arrive_and_drop();
        --writing;
        ++progress;
        progress.notify_all();
      });
    }
    for (std::size_t i = 0; i < kReaders; ++i) {
      threads.emplace_back([&, i] {
        Witness witness(ring.reader(), seed + i);
        // However fast the writers were, everybody looks; however few processors there are, writers come to write.
        for (int looks = 0; (looks < 500 || writing > 0) && !testing::Test::HasFatalFailure(); ++looks) {
          const std::uint64_t now = progress;
          witness.look();
          if (writing > 0) progress.wait(now);
        }
        seen += witness.samples_seen();
      });
    }
  }
  std::uint64_t refused = 0;
  for (const auto& writer : writers) refused += writer->refused();
  const RingUsage usage = ring.reader().usage();
  std::printf("[  threads ] %llu samples judged, %llu series given up, %llu refused\n",
              static_cast<unsigned long long>(seen.load()), static_cast<unsigned long long>(usage.series_reclaimed),
              static_cast<unsigned long long>(refused));
  EXPECT_GT(seen, 1000U);
  EXPECT_EQ(usage.series_refused, refused);
  // Hours pass here in a second, in which a reader that is interrupted in a selection keeps what was given up from
  // being used again.
  EXPECT_LT(refused, kWriters * kPassing * kScrapes * 3 / 4) << "ended series make room";
  EXPECT_GT(usage.series_reclaimed, 0U) << "nothing came to be overwritten: the test is too small";
}

// Writers that take the same series from each other all the time, as two targets with equal series do.
void contend(Ring& ring) {
  constexpr std::size_t kContended = 12;
  constexpr int kRounds = 6000;
  std::atomic<std::int64_t> clock{kStartMs};
  std::atomic<std::size_t> writing{kWriters};
  const auto labels = [](std::size_t i) -> Labels { return {{"__name__", "both"}, {"i", std::to_string(i)}}; };
  std::vector<std::jthread> threads;
  for (std::size_t w = 0; w < kWriters; ++w) {
    threads.emplace_back([&, w] {
      const auto appender = ring.make_appender();
      const TimelineRef timeline = *appender->open_timeline(w + 1);
      std::array<SeriesRef, kContended> refs{};
      for (int round = 0; round < kRounds && !testing::Test::HasFatalFailure(); ++round) {
        const std::int64_t time_ms = clock += kStepMs;
        appender->begin(timeline, time_ms);
        for (std::size_t i = 0; i < kContended; ++i) {
          const double value = value_of(labels(i), time_ms);
          AppendOutcome outcome = appender->append(refs[i], value);
          // Now and then it is left to the other for a while.
          if (outcome == AppendOutcome::kGone && (round + static_cast<int>(i)) % 3 != 0) {
            const auto made = appender->upsert(timeline, labels(i));
            ASSERT_TRUE(made) << made.error().message;
            refs[i] = *made;
            outcome = appender->append(refs[i], value);
          }
          // The other may have it again already, or be further in time.
          ASSERT_TRUE(outcome == AppendOutcome::kAppended || outcome == AppendOutcome::kGone ||
                      outcome == AppendOutcome::kOutOfOrder);
        }
        appender->publish();
      }
      --writing;
    });
  }
  std::uint64_t samples_seen = 0;
  std::vector<Sample> samples;
  while (writing > 0 && !testing::Test::HasFatalFailure()) {
    for (const SelectedSeries& series : ring.reader().select({})) {
      ring.reader().read(series.ref, ring_test::kEarliest, ring_test::kLatest, samples);
      for (std::size_t i = 0; i < samples.size(); ++i) {
        ASSERT_TRUE(same_bits(samples[i].value, value_of(*series.labels, samples[i].time_ms)))
            << series.labels->to_string() << ": " << ring_test::to_string(samples[i]);
        if (i > 0) {
          ASSERT_GT(samples[i].time_ms, samples[i - 1].time_ms);
        }
      }
      samples_seen += samples.size();
    }
  }
  threads.clear();
  for (std::size_t i = 0; i < kContended; ++i) {
    EXPECT_GT(ring_test::history(ring.reader(), labels(i)).size(), 100U) << i << ": what was published is kept";
  }
  EXPECT_EQ(ring.reader().usage().damaged, 0U);
  std::printf("[  threads ] %llu samples judged\n", static_cast<unsigned long long>(samples_seen));
}

TEST(RingThreads, WritersOfTheMemoryRingTakeSeriesFromEachOther) {
  const auto ring = make_memory_ring({.max_series = 1000, .max_samples = 200'000});
  contend(*ring);
}

TEST(RingThreads, WritersOfTheMappedRingTakeSeriesFromEachOther) {
  const ring_test::RingFolder folder;
  const auto ring = ring_test::open_or_abort(
      {.path = folder.file(), .size_bytes = kLeastMappedRingBytes, .max_series = 1000, .boot_id = "b"});
  contend(*ring);
}

TEST(RingThreads, ReadersJudgeEverySampleOfTheMemoryRing) {
  const auto ring = make_memory_ring({.max_series = 50'000, .max_samples = 40'000});
  run(*ring, ring_test::test_seed());
}

TEST(RingThreads, ReadersJudgeEverySampleOfTheMappedRing) {
  const ring_test::RingFolder folder;
  const auto ring = ring_test::open_or_abort(
      {.path = folder.file(), .size_bytes = kLeastMappedRingBytes, .max_series = 1000, .boot_id = "b"});
  run(*ring, ring_test::test_seed());
}

}  // namespace
}  // namespace core::ring

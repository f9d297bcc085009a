// SPDX-License-Identifier: Apache-2.0
// Random operations on a ring, with a plain model beside it. RING_SEED=<seed> repeats a run.
#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <memory>

#include "core/ring/mapped_ring.h"
#include "core/ring/ring.h"
#include "test/unit/core/ring/ring_model.h"
#include "test/unit/core/ring/shadow.h"

namespace core::ring {
namespace {

using ring_test::agree;
using ring_test::Comparison;
using ring_test::kFamilies;
using ring_test::Memory;
using ring_test::Random;
using ring_test::read;
using ring_test::ShadowSeries;

constexpr std::size_t kAppenders = 2;
constexpr std::size_t kTimelines = 7;

struct Plan {
  bool mapped = true;
  Memory memory = Memory::kAll;
  std::uint64_t size_bytes = 16ULL << 20;
  std::size_t series = 70;
  int steps = 0;
  int burst = 0;  // whole scrapes before each that is taken in steps
  // One step in so many is of the kind; 0: none is.
  std::uint64_t check_every = 40;
  std::uint64_t move_every = 12;
  std::uint64_t close_every = 60;
  std::uint64_t reopen_every = 0;
  std::uint64_t copy_every = 0;
  // Families of values that the series take, from the first on.
  std::uint64_t first_family = 0;
};

struct Timeline {
  std::uint64_t identity = 0;
  std::optional<TimelineRef> ref;
  std::size_t appender = 0;
  std::int64_t last_ms = ring_test::kEarliest;
};

// A reference that is no longer its appender's.
struct LostRef {
  SeriesRef ref;
  std::size_t appender;
  std::size_t timeline;
  const ShadowSeries* series;
};

// A ring, its appenders, and what should be in it.
class World {
 public:
  World(const Plan& plan, std::uint64_t seed) : plan_(plan), random_(seed), path_(folder_.file()) {
    for (std::size_t i = 0; i < plan.series; ++i) {
      const auto family = static_cast<ring_test::Family>(plan.first_family + i % (kFamilies - plan.first_family));
      series_.emplace_back(labels(i), family, random_.bits());
      series_.back().home = i % kTimelines;
    }
    for (std::size_t i = 0; i < kTimelines; ++i) {
      timelines_.push_back({.identity = i % 3 == 2 ? 0 : 100 + i, .ref = {}, .appender = i % kAppenders});
    }
    start();
  }

  void run() {
    for (step_ = 0; step_ < plan_.steps && !testing::Test::HasFailure(); ++step_) one_step();
    publish_all();
    check_all(ring_->reader(), plan_.memory);
    check_newest_are_there();
    std::printf("[    world ] %d steps, %llu samples, %d restarts, %d copies, %d moves, %llu given up\n", step_,
                static_cast<unsigned long long>(samples_), restarts_, copies_, moves_,
                static_cast<unsigned long long>(ring_->reader().usage().series_reclaimed));
  }

 private:
  static Labels labels(std::size_t i) {
    std::vector<Label> pairs = {{"__name__", "metric_" + std::to_string(i % 7)}, {"i", std::to_string(i)}};
    if (i % 3 == 0) pairs.push_back({"zone", std::string(1, static_cast<char>('a' + i % 5))});
    if (i % 11 == 0) pairs.push_back({"wide \"label\"\n", std::string(1 + i * 4, 'x') + "\xff"});
    return Labels(pairs);
  }

  bool now_is(std::uint64_t every) { return every != 0 && random_.one_in(every); }

  void start() {
    if (plan_.mapped) {
      mapped_ = ring_test::open_or_abort(
          {.path = path_, .size_bytes = plan_.size_bytes, .max_series = 1000, .boot_id = boot_});
      ring_ = mapped_;
    } else {
      ring_ = make_memory_ring({.max_series = 1000, .max_samples = 10'000'000});
    }
    for (auto& appender : appenders_) appender = ring_->make_appender();
    for (Timeline& timeline : timelines_) open(timeline);
  }

  void open(Timeline& timeline) {
    const auto made = appenders_[timeline.appender]->open_timeline(timeline.identity);
    ASSERT_TRUE(made) << made.error().message;
    timeline.ref = *made;
    if (timeline.identity == 0) timeline.last_ms = ring_test::kEarliest;
  }

  void one_step() {
    if (now_is(plan_.check_every)) check_some();
    if (now_is(plan_.copy_every)) look_at_a_copy();
    if (now_is(plan_.reopen_every)) restart();
    if (now_is(plan_.close_every)) close_one();
    if (now_is(plan_.move_every)) move(random_.below(series_.size()));
    const std::size_t appender = random_.below(kAppenders);
    if (!open_scrape_[appender]) {
      begin(appender);
    } else if (random_.one_in(3)) {
      append_some(appender);
    } else {
      publish(appender);
    }
  }

  void begin(std::size_t appender) {
    std::size_t which = random_.below(kTimelines);
    while (timelines_[which].appender != appender) which = (which + 1) % kTimelines;
    if (!timelines_[which].ref) open(timelines_[which]);
    for (ShadowSeries& series : series_) {
      if (!series.timeline && series.home == which && random_.one_in(2)) upsert(series, which);
    }
    for (int i = 0; i < plan_.burst; ++i) {
      begin(appender, which);
      publish(appender);
    }
    begin(appender, which);
  }

  void begin(std::size_t appender, std::size_t which) {
    Timeline& timeline = timelines_[which];
    now_ms_ +=
        random_.one_in(50) ? random_.between(0, 86'400'000) : random_.between(1, 3) * 5000 + random_.between(-9, 9);
    // Equal and backward times come too.
    scrape_ms_[appender] = random_.one_in(30) ? now_ms_ - random_.between(0, 40'000) : now_ms_;
    if (random_.one_in(30) && timeline.last_ms != ring_test::kEarliest) scrape_ms_[appender] = timeline.last_ms;
    backward_[appender] = scrape_ms_[appender] < timeline.last_ms;
    timeline.last_ms = std::max(timeline.last_ms, scrape_ms_[appender]);
    appenders_[appender]->begin(*timeline.ref, scrape_ms_[appender]);
    open_scrape_[appender] = which;
    // Some scrapes have everything, some nearly, some next to nothing.
    constexpr std::array<std::uint64_t, 4> kMissing = {0, 2, 15, 85};
    missing_percent_[appender] = kMissing[random_.below(kMissing.size())];
    append_some(appender);
  }

  void append_some(std::size_t appender) {
    const std::size_t which = *open_scrape_[appender];
    // By number: a series that has to be upserted again joins at the end.
    for (std::size_t at = 0; at < on_[which].size(); ++at) {
      const std::size_t i = on_[which][at];
      ShadowSeries& series = series_[i];
      if (random_.below(100) < missing_percent_[appender]) continue;
      Sample sample{scrape_ms_[appender], series.source.next()};
      const bool own_time = i % 10 == 0 ? !random_.one_in(4) : random_.one_in(200);
      if (own_time) sample.time_ms += random_.between(-12'000, 2'000);
      append(appender, series, sample, own_time);
      if (::testing::Test::HasFailure()) return;
    }
    try_lost_refs(appender, which);
  }

  void append(std::size_t appender, ShadowSeries& series, const Sample& sample, bool own_time) {
    Appender& by = *appenders_[appender];
    AppendOutcome outcome = own_time ? by.append_at(series.ref, sample) : by.append(series.ref, sample.value);
    if (outcome == AppendOutcome::kGone && plan_.memory == Memory::kNewest) {
      // Its samples were overwritten: made anew, it starts again.
      upsert(series, *open_scrape_[appender]);
      outcome = own_time ? by.append_at(series.ref, sample) : by.append(series.ref, sample.value);
    }
    const AppendOutcome wanted = series.judge(sample);
    // Of a scrape that is older than its timeline's last a ring may take nothing.
    const bool may_refuse = backward_[appender] && outcome == AppendOutcome::kOutOfOrder;
    ASSERT_TRUE(outcome == wanted || may_refuse)
        << "step " << step_ << ", " << series.labels.to_string() << ": " << ring_test::to_string(sample) << " gave "
        << static_cast<int>(outcome) << ", wanted " << static_cast<int>(wanted);
    if (outcome == AppendOutcome::kAppended) {
      series.staged.push_back(sample);
      ++samples_;
    }
  }

  void try_lost_refs(std::size_t appender, std::size_t which) {
    for (const LostRef& lost : lost_) {
      if (lost.appender != appender || lost.timeline != which) continue;
      EXPECT_EQ(appenders_[appender]->append(lost.ref, 1), AppendOutcome::kGone) << "step " << step_;
    }
  }

  void publish(std::size_t appender) {
    if (!open_scrape_[appender]) return;
    appenders_[appender]->publish();
    for (const std::size_t i : on_[*open_scrape_[appender]]) {
      ShadowSeries& series = series_[i];
      series.published.insert(series.published.end(), series.staged.begin(), series.staged.end());
      series.staged.clear();
    }
    open_scrape_[appender].reset();
  }

  void publish_all() {
    for (std::size_t i = 0; i < kAppenders; ++i) publish(i);
  }

  void move(std::size_t index) {
    ShadowSeries& series = series_[index];
    if (!series.staged.empty()) return;
    const std::size_t which = random_.below(kTimelines);
    if (!timelines_[which].ref) open(timelines_[which]);
    const std::size_t owner = timelines_[which].appender;
    if (series.timeline && timelines_[*series.timeline].appender != owner) {
      lost_.push_back({series.ref, timelines_[*series.timeline].appender, *series.timeline, &series});
    }
    ++moves_;
    series.home = which;
    upsert(series, which);
  }

  void upsert(ShadowSeries& series, std::size_t which) {
    const std::size_t owner = timelines_[which].appender;
    std::erase_if(lost_, [&](const LostRef& lost) { return lost.series == &series && lost.appender == owner; });
    const auto made = appenders_[timelines_[which].appender]->upsert(*timelines_[which].ref, series.labels);
    ASSERT_TRUE(made) << made.error().message;
    series.ref = *made;
    if (series.timeline != which) {
      const auto index = static_cast<std::size_t>(&series - series_.data());
      if (series.timeline) std::erase(on_[*series.timeline], index);
      on_[which].push_back(index);
      series.timeline = which;
    }
    const std::vector<Sample> kept = read(ring_->reader(), *made);
    if (plan_.memory == Memory::kAll) {
      ASSERT_TRUE(agree(kept, series.published)) << "step " << step_ << ": an upsert changed what is there";
    } else {
      // What was overwritten is forgotten here too, so that a series that starts again may take any time.
      ASSERT_LE(kept.size(), series.published.size());
      series.published.erase(series.published.begin(),
                             series.published.end() - static_cast<std::ptrdiff_t>(kept.size()));
      ASSERT_TRUE(agree(kept, series.published)) << "step " << step_;
    }
  }

  void close_one() {
    const std::size_t which = random_.below(kTimelines);
    Timeline& timeline = timelines_[which];
    if (!timeline.ref || open_scrape_[timeline.appender] == which) return;
    appenders_[timeline.appender]->close_timeline(*timeline.ref);
    timeline.ref.reset();
    // A closed timeline may go on under another appender.
    timeline.appender = random_.below(kAppenders);
    leave(which);
    if (timelines_of(0) == 0) timeline.appender = 0;
    if (timelines_of(1) == 0) timeline.appender = 1;
  }

  std::size_t timelines_of(std::size_t appender) const {
    return static_cast<std::size_t>(
        std::count_if(timelines_.begin(), timelines_.end(), [&](const Timeline& t) { return t.appender == appender; }));
  }

  void leave(std::size_t which) {
    for (const std::size_t i : on_[which]) series_[i].timeline.reset();
    on_[which].clear();
    std::erase_if(lost_, [&](const LostRef& lost) { return lost.timeline == which; });
  }

  void restart() {
    publish_all();
    for (std::size_t i = 0; i < kTimelines; ++i) {
      // Some are closed in order, some left as at the end of a process.
      if (timelines_[i].ref && random_.one_in(2))
        appenders_[timelines_[i].appender]->close_timeline(*timelines_[i].ref);
      leave(i);
    }
    for (auto& appender : appenders_) appender.reset();
    mapped_.reset();
    ring_.reset();
    ++restarts_;
    FoundState wanted = FoundState::kClean;
    if (random_.one_in(4)) {
      boot_ += "+";
      wanted = FoundState::kRebooted;
    }
    if (plan_.memory == Memory::kAll && random_.one_in(5)) {
      // Larger only: what has to be left behind is another test's question.
      plan_.size_bytes += 1ULL << 20;
      wanted = FoundState::kMigrated;
    }
    start();
    SCOPED_TRACE(testing::Message() << "after a restart, found " << to_string(wanted));
    EXPECT_EQ(mapped_->recovery().found, wanted) << to_string(mapped_->recovery().found);
    check_all(ring_->reader(), plan_.memory);
  }

  // The file as it is now is what a process would leave that is killed now.
  void look_at_a_copy() {
    ++copies_;
    SCOPED_TRACE("in a copy");
    const std::string copy = folder_.file("copy");
    std::filesystem::copy_file(path_, copy, std::filesystem::copy_options::overwrite_existing);
    MappedRingOptions options{.path = copy, .size_bytes = plan_.size_bytes, .max_series = 1000, .boot_id = boot_};
    // Whether or not the machine went down as well: all that was written is in the file here.
    const FoundState wanted = random_.one_in(3) ? FoundState::kRebooted : FoundState::kKilled;
    if (wanted == FoundState::kRebooted) options.boot_id += "?";
    SCOPED_TRACE(to_string(wanted));
    auto killed = open_mapped_ring(options);
    ASSERT_TRUE(killed) << killed.error().message;
    EXPECT_EQ((*killed)->recovery().found, wanted);
    EXPECT_EQ((*killed)->reader().usage().damaged, 0U);
    check_all((*killed)->reader(), plan_.memory);
    killed->reset();
    SCOPED_TRACE("opened again");
    auto again = open_mapped_ring(options);
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ((*again)->recovery().found, FoundState::kClean);
    check_all((*again)->reader(), plan_.memory);
  }

  void check_all(const Reader& reader, Memory memory) {
    const Comparison comparison(reader, memory);
    for (const ShadowSeries& series : series_) {
      ASSERT_TRUE(comparison.series(series, random_, 2)) << "step " << step_;
    }
    ASSERT_TRUE(comparison.selection({}, series_)) << "step " << step_;
  }

  void check_some() {
    const Comparison comparison(ring_->reader(), plan_.memory);
    for (int i = 0; i < 3; ++i) {
      ASSERT_TRUE(comparison.series(series_[random_.below(series_.size())], random_, 6)) << "step " << step_;
    }
    std::vector<Matcher> matchers;
    for (std::uint64_t i = random_.below(3); i <= 2; ++i) matchers.push_back(any_matcher());
    ASSERT_TRUE(comparison.selection(matchers, series_)) << "step " << step_;
    const RingUsage usage = ring_->reader().usage();
    EXPECT_LE(usage.bytes, usage.bytes_limit);
    EXPECT_LE(usage.series, usage.series_limit);
    EXPECT_EQ(usage.damaged, 0U);
  }

  Matcher any_matcher() {
    const auto type = static_cast<MatchType>(random_.below(4));
    const bool regex = type == MatchType::kRegexMatch || type == MatchType::kRegexNotMatch;
    const std::array<const char*, 4> names = {"__name__", "i", "zone", "absent"};
    const std::string name = names[random_.below(names.size())];
    const Labels& some = series_[random_.below(series_.size())].labels;
    std::string value(random_.one_in(4) ? "" : some.get(name));
    if (regex && random_.one_in(2)) value += random_.one_in(2) ? "|metric_[1-4]|a" : ".*";
    return *Matcher::make(type, name, value);
  }

  // A ring that forgets must not forget what is new: an eighth of its bytes is less than it needs for this many.
  void check_newest_are_there() {
    if (plan_.memory == Memory::kAll) return;
    std::vector<std::int64_t> times;
    for (const ShadowSeries& series : series_) {
      for (const Sample& sample : series.published) times.push_back(sample.time_ms);
    }
    const std::size_t newest = std::min<std::size_t>(times.size() / 4, plan_.size_bytes / 8 / sizeof(Sample));
    std::nth_element(times.begin(), times.end() - static_cast<std::ptrdiff_t>(newest), times.end());
    const std::int64_t since_ms = *(times.end() - static_cast<std::ptrdiff_t>(newest));
    for (const ShadowSeries& series : series_) {
      const auto found = ring_test::find(ring_->reader(), series.labels);
      const auto wanted = ring_test::cut(series.published, since_ms, ring_test::kLatest);
      if (wanted.empty()) continue;
      ASSERT_TRUE(found) << series.labels.to_string() << " with " << wanted.size() << " new samples is gone";
      EXPECT_TRUE(agree(read(ring_->reader(), *found, since_ms), wanted)) << series.labels.to_string();
    }
  }

  Plan plan_;
  Random random_;
  ring_test::RingFolder folder_;
  std::string path_;
  std::string boot_ = "boot";
  std::shared_ptr<MappedRing> mapped_;
  std::shared_ptr<Ring> ring_;
  std::array<std::unique_ptr<Appender>, kAppenders> appenders_;
  std::array<std::optional<std::size_t>, kAppenders> open_scrape_;
  std::array<std::int64_t, kAppenders> scrape_ms_{};
  std::array<bool, kAppenders> backward_{};
  std::array<std::uint64_t, kAppenders> missing_percent_{};
  std::vector<Timeline> timelines_;
  std::vector<ShadowSeries> series_;
  std::array<std::vector<std::size_t>, kTimelines> on_;  // which series are on each timeline
  std::vector<LostRef> lost_;
  std::int64_t now_ms_ = 1'700'000'000'000;
  int step_ = 0;
  std::uint64_t samples_ = 0;
  int restarts_ = 0;
  int copies_ = 0;
  int moves_ = 0;
};

TEST(RingProperty, TheMemoryRingAgreesWithAPlainModel) {
  World({.mapped = false, .steps = 4000, .burst = 4}, ring_test::test_seed()).run();
}

TEST(RingProperty, TheMappedRingAgreesWithAPlainModel) {
  World({.steps = 4000, .burst = 4}, ring_test::test_seed()).run();
}

TEST(RingProperty, TheMappedRingAgreesOverRestartsAndKills) {
  World({.steps = 2500, .burst = 2, .reopen_every = 120, .copy_every = 100}, ring_test::test_seed()).run();
}

// The least file there may be, with more than goes into it: values that compress badly, a few that do well.
TEST(RingProperty, WhatIsOverwrittenGoesFromTheOldEnd) {
  World({.memory = Memory::kNewest,
         .size_bytes = kLeastMappedRingBytes,
         .steps = 14'000,
         .burst = 14,
         .check_every = 200,
         .move_every = 100,
         .close_every = 400,
         .reopen_every = 2500,
         .copy_every = 2500,
         .first_family = 3},
        ring_test::test_seed())
      .run();
}

}  // namespace
}  // namespace core::ring

// SPDX-License-Identifier: Apache-2.0
// Writers that are killed at any moment: what they published is there, what they were writing is not.
// RING_SEED=<seed> makes the same choices again, though not at the same instants; RING_KILLS=<n> sets how many.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mman.h>

#include <atomic>
#include <filesystem>
#include <set>
#include <thread>

#include "core/ring/mapped_ring.h"
#include "test/fault/child.h"
#include "test/fault/scrape_script.h"

namespace fault_test {
namespace {

using core::ring::Appender;
using core::ring::AppendOutcome;
using core::ring::FoundState;
using core::ring::MappedRing;
using core::ring::MappedRingOptions;
using core::ring::SelectedSeries;
using core::ring::SeriesRef;
using core::ring::TimelineRef;

constexpr std::size_t kThreads = 2;
// So many of the newest scrapes must be there whatever was overwritten: a fifth of what the file holds uncompressed.
constexpr std::int64_t kSurelyKept = 200;
// So many of the newest are read after every round, all that there are after every fourth.
constexpr std::int64_t kUsuallyRead = 1500;

// What writer and test tell each other. Sequentially consistent throughout: a counter says only what was published.
struct Board {
  std::atomic<bool> started{false};
  std::atomic<bool> stop{false};
  std::array<std::atomic<std::int64_t>, kTimelines> published{};  // the number of the next scrape
  std::atomic<bool> trouble{false};
  std::array<char, 256> message{};
};

// One timeline's scrapes in a writer.
class Target {
 public:
  Target(Board& board, Appender& appender, std::size_t timeline, std::uint64_t round)
      : board_(board), appender_(appender), number_(timeline), round_(round), next_(board.published[timeline]) {
    const auto made = appender_.open_timeline(timeline + 1);
    if (!made) {
      complain("timeline: " + made.error().message);
      return;
    }
    timeline_ = *made;
    for (std::size_t i = 0; i < kSeries + kPassing; ++i) {
      slots_.push_back({Slot::at(timeline, i, next_), SeriesRef::kNone});
      upsert(slots_.back());
    }
  }

  void scrape() {
    // A series that comes may do so before the scrape or within it.
    if (next_ % 2 == 0) renew();
    appender_.begin(timeline_, time_of(number_, next_));
    if (next_ % 2 == 1) renew();
    for (auto& slot : slots_) {
      const auto sample = sample_of(slot.slot, next_, round_);
      if (!sample) continue;
      AppendOutcome outcome = append(slot, *sample);
      if (outcome == AppendOutcome::kGone) {
        upsert(slot);
        outcome = append(slot, *sample);
      }
      const bool repeated = slot.slot.own_time() && outcome == AppendOutcome::kUnchanged;
      if (outcome != AppendOutcome::kAppended && !repeated) {
        complain(slot.slot.labels().to_string() + " in scrape " + std::to_string(next_) + ": outcome " +
                 std::to_string(static_cast<int>(outcome)) + " for " + ring_test::to_string(*sample));
      }
    }
    appender_.publish();
    board_.published[number_] = ++next_;
  }

 private:
  struct Place {
    Slot slot;
    SeriesRef ref;
  };

  AppendOutcome append(const Place& place, const Sample& sample) {
    return place.slot.own_time() ? appender_.append_at(place.ref, sample) : appender_.append(place.ref, sample.value);
  }

  void upsert(Place& place) {
    const auto made = appender_.upsert(timeline_, place.slot.labels());
    if (!made) return complain(place.slot.labels().to_string() + ": " + made.error().message);
    place.ref = *made;
  }

  void renew() {
    for (std::size_t i = kSeries; i < slots_.size(); ++i) {
      if (slots_[i].slot.epoch == next_ / kEpoch) continue;
      slots_[i].slot.epoch = next_ / kEpoch;
      upsert(slots_[i]);
    }
  }

  void complain(const std::string& what) {
    if (board_.trouble.exchange(true)) return;
    std::snprintf(board_.message.data(), board_.message.size(), "%s", what.c_str());
  }

  Board& board_;
  Appender& appender_;
  std::size_t number_;
  std::uint64_t round_;
  std::int64_t next_;
  TimelineRef timeline_ = TimelineRef::kNone;
  std::vector<Place> slots_;
};

// The writer: opens the ring, and appends until it is killed or asked to stop.
void write(Board& board, const MappedRingOptions& options, std::uint64_t round) {
  board.started = true;
  const auto ring = core::ring::open_mapped_ring(options);
  if (!ring) {
    board.trouble = true;
    std::snprintf(board.message.data(), board.message.size(), "opening: %s", ring.error().message.c_str());
    return;
  }
  std::vector<std::jthread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      const auto appender = (*ring)->make_appender();
      std::vector<Target> targets;
      for (std::size_t i = t; i < kTimelines; i += kThreads) targets.emplace_back(board, *appender, i, round);
      while (!board.stop && !board.trouble) {
        for (Target& target : targets) target.scrape();
      }
    });
  }
}

// What was published so far, and whether a ring shows it.
class Record {
 public:
  // Everything in the ring against the record, which takes over the scrapes up to `reported` as of this round, and one
  // more where it was published and could not be reported any more. An empty answer: all is well.
  std::string check(const MappedRing& ring, const Board& board, std::uint64_t round, std::int64_t in_flight) {
    thorough_ = round % 4 == 0;
    for (std::size_t t = 0; t < kTimelines; ++t) {
      const std::int64_t came_to = last_scrape(ring, t) + 1;
      const std::int64_t reported = board.published[t];
      if (came_to < reported || came_to > reported + in_flight) {
        return "timeline " + std::to_string(t) + " shows " + std::to_string(came_to) + " scrapes of " +
               std::to_string(reported) + " reported";
      }
      rounds_[t].resize(static_cast<std::size_t>(came_to), round);
    }
    return check_series(ring);
  }

  std::int64_t scrapes(std::size_t timeline) const { return static_cast<std::int64_t>(rounds_[timeline].size()); }
  // The next writer leaves out one number, as a scrape that was missed.
  void skip(std::size_t timeline) { rounds_[timeline].push_back(kSkipped); }
  // The first scrape of which anything was left when last looked.
  std::int64_t oldest() const { return oldest_; }
  // Whether samples of a series that goes on were overwritten by newer ones.
  bool overwritten() const { return overwritten_; }
  std::uint64_t samples() const { return samples_; }

 private:
  static constexpr std::uint64_t kSkipped = 0;

  std::int64_t last_scrape(const MappedRing& ring, std::size_t timeline) const {
    const auto first = ring_test::find(ring.reader(), Slot::at(timeline, 0, 0).labels());
    const auto last = first ? ring.reader().last(*first) : std::nullopt;
    // Numbers left out since count as made: the next writer starts behind them.
    return std::max(last ? scrape_at(last->time_ms) : -1, scrapes(timeline) - 1);
  }

  std::string check_series(const MappedRing& ring) {
    std::set<Labels> seen;
    if (thorough_) oldest_ = std::numeric_limits<std::int64_t>::max();
    for (const SelectedSeries& series : ring.reader().select({})) {
      const Slot slot = slot_of(*series.labels);
      if (slot.labels() != *series.labels) return series.labels->to_string() + " was never made";
      if (!seen.insert(*series.labels).second) return series.labels->to_string() + " is there twice";
      const std::string wrong = check_one(ring, slot, series.ref);
      if (!wrong.empty()) return series.labels->to_string() + ": " + wrong;
    }
    for (std::size_t t = 0; t < kTimelines; ++t) {
      for (std::size_t i = 0; i < kSeries + kPassing; ++i) {
        const Slot slot = Slot::at(t, i, scrapes(t) - 1);
        const bool new_samples = first_kept(slot, scrapes(t) - kSurelyKept) < scrapes(t);
        if (new_samples && !seen.contains(slot.labels())) return slot.labels().to_string() + " is lost";
      }
    }
    return {};
  }

  static Slot slot_of(const Labels& labels) {
    const auto number = [&](const char* name) {
      return std::strtoull(std::string(labels.get(name)).c_str(), nullptr, 10);
    };
    return {number("timeline"), number("slot"), static_cast<std::int64_t>(number("epoch"))};
  }

  std::optional<Sample> made(const Slot& slot, std::int64_t scrape) const {
    const std::uint64_t round = rounds_[slot.timeline][static_cast<std::size_t>(scrape)];
    return round == kSkipped ? std::nullopt : sample_of(slot, scrape, round);
  }

  // The first scrape at or behind `from` in which the series has a sample.
  std::int64_t first_kept(const Slot& slot, std::int64_t from) const {
    std::int64_t scrape = std::max<std::int64_t>(from, 0);
    while (scrape < scrapes(slot.timeline) && !made(slot, scrape)) ++scrape;
    return scrape;
  }

  std::optional<Sample> newest(const Slot& slot) const {
    const std::int64_t end = slot.passing() ? (slot.epoch + 1) * kEpoch : scrapes(slot.timeline);
    for (std::int64_t scrape = std::min(end, scrapes(slot.timeline)); scrape-- > 0;) {
      if (const auto sample = made(slot, scrape)) return sample;
    }
    return std::nullopt;
  }

  // What is shown is the end of what was made: contiguous, exact, to the last one.
  std::string check_one(const MappedRing& ring, const Slot& slot, SeriesRef ref) {
    const std::int64_t end = scrapes(slot.timeline);
    const std::int64_t from_ms = thorough_ ? ring_test::kEarliest : time_of(slot.timeline, end - kUsuallyRead);
    ring.reader().read(ref, from_ms, ring_test::kLatest, shown_);
    const std::int64_t surely = std::max<std::int64_t>(end - kSurelyKept, 0);
    const std::int64_t from = shown_.empty() ? surely : scrape_at(shown_.front().time_ms);
    if (from < 0 || from > end) return "a sample of no scrape: " + ring_test::to_string(shown_.front());
    if (thorough_) oldest_ = std::min(oldest_, from);
    // A series that never changed needs no chunk, and may have all its samples for ever.
    if (thorough_ && !slot.passing() && !shown_.empty()) overwritten_ = overwritten_ || first_kept(slot, 0) < from;
    samples_ += shown_.size();
    std::size_t at = 0;
    std::int64_t newest_ms = ring_test::kEarliest;
    for (std::int64_t scrape = std::min(from, surely); scrape < end; ++scrape) {
      const std::optional<Sample> sample = made(slot, scrape);
      if (!sample || sample->time_ms <= newest_ms) continue;
      newest_ms = sample->time_ms;
      // Of three scrapes with one sample the first counts.
      if (scrape < from && slot.own_time() && scrape / 3 * 3 < surely) continue;
      if (at == shown_.size() || !ring_test::same_sample(shown_[at], *sample)) {
        return "scrape " + std::to_string(scrape) + " of " + std::to_string(end) + ": shown " +
               (at < shown_.size() ? ring_test::to_string(shown_[at]) : "nothing") + ", made " +
               ring_test::to_string(*sample) + "; shown from scrape " + std::to_string(from);
      }
      ++at;
    }
    if (at != shown_.size()) return "invented: " + ring_test::to_string(shown_[at]);
    const std::optional<Sample> last = ring.reader().last(ref);
    // Of a series whose samples are overwritten the last one may still be known.
    const std::optional<Sample> wanted = !shown_.empty() ? std::optional(shown_.back()) : last ? newest(slot) : last;
    if (last.has_value() != wanted.has_value() || (last && !ring_test::same_sample(*last, *wanted))) {
      return "last() is " + (last ? ring_test::to_string(*last) : "nothing");
    }
    return {};
  }

  std::array<std::vector<std::uint64_t>, kTimelines> rounds_;  // by scrape: in which round it was made
  std::vector<Sample> shown_;
  bool thorough_ = true;  // everything is read, not only what is new
  std::int64_t oldest_ = 0;
  bool overwritten_ = false;
  std::uint64_t samples_ = 0;
};

class RingKill : public testing::Test {
 protected:
  RingKill() {
    void* const memory = ::mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED, "no shared memory");
    board_ = new (memory) Board;
  }
  ~RingKill() override { ::munmap(board_, sizeof(Board)); }

  // One writer's life. False if it ended otherwise than it was made to.
  enum class End { kStopped, kKilledEarly, kKilled };

  Ended live(End end, std::uint64_t round) {
    board_->started = false;
    board_->stop = false;
    const pid_t writer = fork_child([&] { write(*board_, options_, round); });
    const std::size_t watched = random_.below(kTimelines);
    const std::int64_t target = board_->published[watched] + random_.between(1, random_.one_in(4) ? 3 : 250);
    while (!board_->started) ::sched_yield();
    if (end != End::kKilledEarly) {
      while (board_->published[watched] < target && !board_->trouble && !ended(writer)) ::sched_yield();
    }
    // Opening takes about a millisecond, a scrape some microseconds.
    spin(random_.below(end == End::kKilledEarly ? 1'000'000 : 20'000));
    if (end == End::kStopped) {
      board_->stop = true;
    } else {
      ::kill(writer, SIGKILL);
    }
    return wait_for(writer);
  }

  static bool ended(pid_t writer) {
    siginfo_t info{};
    return ::waitid(P_PID, static_cast<id_t>(writer), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == writer;
  }

  static void spin(std::uint64_t turns) {
    // relaxed: nobody else sees it; atomic so that the turns are taken.
    std::atomic<std::uint64_t> turn{0};
    while (turn.fetch_add(1, std::memory_order_relaxed) < turns) continue;
  }

  // The ring as the writer left it: the file itself, or a copy, so that the next writer finds it as it was.
  std::string check(End end, std::uint64_t round) {
    if (!std::filesystem::exists(options_.path)) return end == End::kKilledEarly ? "" : "no file";
    MappedRingOptions options = options_;
    if (random_.one_in(2)) {
      options.path = folder_.file("copy");
      std::filesystem::copy_file(options_.path, options.path, std::filesystem::copy_options::overwrite_existing);
    }
    auto ring = core::ring::open_mapped_ring(options);
    if (!ring) return "opening: " + ring.error().message;
    const core::ring::RingRecovery& recovery = (*ring)->recovery();
    if (recovery.series_dropped + recovery.chunks_dropped + recovery.times_dropped != 0) return "something was dropped";
    const bool as_left = end == End::kStopped ? recovery.found == FoundState::kClean
                                              : end == End::kKilledEarly || recovery.found == FoundState::kKilled;
    if (!as_left) return "found " + std::string(core::ring::to_string(recovery.found));
    return record_.check(**ring, *board_, round, end == End::kStopped ? 0 : 1);
  }

  Random random_{ring_test::test_seed()};
  ring_test::RingFolder folder_;
  MappedRingOptions options_{
      .path = folder_.file(), .size_bytes = core::ring::kLeastMappedRingBytes, .max_series = 1500, .boot_id = "b"};
  Board* board_ = nullptr;
  Record record_;
};

TEST_F(RingKill, WhatWasPublishedSurvivesEveryKill) {
  const char* const asked = std::getenv("RING_KILLS");
  const std::uint64_t rounds = asked != nullptr ? std::strtoull(asked, nullptr, 10) : 300;
  std::array<int, 3> ends{};
  for (std::uint64_t round = 1; round <= rounds; ++round) {
    const std::uint64_t draw = random_.below(10);
    const End end = draw == 0 ? End::kStopped : draw == 1 ? End::kKilledEarly : End::kKilled;
    ++ends[static_cast<std::size_t>(end)];
    const Ended ended = live(end, round);
    ASSERT_FALSE(board_->trouble) << "round " << round << ": " << board_->message.data();
    // A writer that is killed early may have come to its end before.
    ASSERT_TRUE(end == End::kStopped ? ended.exit_code == 0 : ended.signal == SIGKILL)
        << "round " << round << ": exit " << ended.exit_code << ", signal " << ended.signal;
    ASSERT_EQ(check(end, round), "") << "round " << round;
    for (std::size_t t = 0; t < kTimelines; ++t) {
      if (random_.one_in(3)) record_.skip(t);
      board_->published[t] = record_.scrapes(t);
    }
  }
  std::printf(
      "[    kills ] %d killed, %d while opening, %d stopped; %lld scrapes, the oldest left %lld, %llu samples "
      "compared\n",
      ends[2], ends[1], ends[0], static_cast<long long>(record_.scrapes(0)), static_cast<long long>(record_.oldest()),
      static_cast<unsigned long long>(record_.samples()));
  if (rounds >= 300) {
    EXPECT_TRUE(record_.overwritten()) << "the test is too small";
  }
}

}  // namespace
}  // namespace fault_test

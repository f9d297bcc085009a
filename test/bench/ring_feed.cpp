// SPDX-License-Identifier: Apache-2.0
#include "ring_feed.h"

#include <bit>

#include <fmt/format.h>

#include "ring_bench.h"

namespace ring_bench {
namespace {

using core::ring::AppendOutcome;
using core::ring::SeriesRef;

// So many values are got ready before the clock runs: enough for reading the clocks to cost nothing, few enough to be
// in cache still, where a parser would have left them.
constexpr std::size_t kStagedValues = 8192;

}  // namespace

Spent& Spent::operator+=(const Spent& other) {
  cpu_ns += other.cpu_ns;
  wall_ns += other.wall_ns;
  samples += other.samples;
  return *this;
}

RingFeed::RingFeed(core::ring::Ring& ring, SampleSource& source) : source_(source), appender_(ring.make_appender()) {
  for (std::size_t i = 0; i < source.targets(); ++i) {
    const auto timeline = appender_->open_timeline(i + 1);
    if (!timeline) give_up(timeline.error().message);
    timelines_.push_back(*timeline);
    std::vector<SeriesRef>& refs = series_.emplace_back();
    refs.reserve(source.series(i));
    for (std::size_t j = 0; j < source.series(i); ++j) refs.push_back(make(i, j));
  }
}

SeriesRef RingFeed::make(std::size_t target, std::size_t series) {
  const auto ref = appender_->upsert(timelines_[target], source_.labels(target, series));
  if (!ref) give_up(ref.error().message);
  return *ref;
}

Spent RingFeed::round(std::size_t targets_that_take_part) {
  Spent spent;
  std::size_t dropped = 0;
  for (std::size_t next = 0; next < targets_that_take_part;) {
    staged_.clear();
    values_.clear();
    for (; next < targets_that_take_part && values_.size() < kStagedValues; ++next) {
      Staged& scrape = staged_.emplace_back(Staged{next, 0, values_.size()});
      values_.resize(values_.size() + series_[next].size());
      scrape.time_ms = source_.scrape(next, step_, std::span(values_).subspan(scrape.first_value));
    }
    const Stopwatch watch;
    append_staged(staged_.size(), dropped);
    spent += {.cpu_ns = watch.cpu_ns(), .wall_ns = watch.wall_ns(), .samples = values_.size()};
  }
  ++step_;
  if (dropped != 0) give_up(fmt::format("{} samples of {} were dropped", dropped, spent.samples));
  return spent;
}

void RingFeed::append_staged(std::size_t targets, std::size_t& dropped) {
  for (std::size_t i = 0; i < targets; ++i) {
    const Staged& scrape = staged_[i];
    std::vector<SeriesRef>& refs = series_[scrape.target];
    const double* values = values_.data() + scrape.first_value;
    appender_->begin(timelines_[scrape.target], scrape.time_ms);
    for (std::size_t j = 0; j < refs.size(); ++j) {
      if (std::bit_cast<std::uint64_t>(values[j]) == kAbsentBits) continue;
      AppendOutcome outcome = appender_->append(refs[j], values[j]);
      if (outcome == AppendOutcome::kGone) {
        // Away for so long that the ring gave its place to others: made again, as the scrape loop does.
        refs[j] = make(scrape.target, j);
        outcome = appender_->append(refs[j], values[j]);
      }
      dropped += outcome == AppendOutcome::kAppended ? 0 : 1;
    }
    appender_->publish();
  }
}

void RingFeed::warm_up(std::size_t rounds) {
  const std::size_t joining = rounds / 2;
  for (std::size_t i = 0; i < rounds; ++i) {
    round(i < joining ? (targets() * (i + 1) + joining - 1) / joining : targets());
  }
}

void RingFeed::leave_torn() {
  std::vector<double> row(series_.front().size());
  const std::int64_t time_ms = source_.scrape(0, step_, row);
  appender_->begin(timelines_.front(), time_ms);
  for (std::size_t j = 0; j < row.size() / 2; ++j) {
    if (std::bit_cast<std::uint64_t>(row[j]) != kAbsentBits) appender_->append(series_.front()[j], row[j]);
  }
}

}  // namespace ring_bench

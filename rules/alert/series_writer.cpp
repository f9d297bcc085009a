// SPDX-License-Identifier: Apache-2.0
#include "rules/alert/series_writer.h"

#include <utility>
#include <vector>

namespace rules {
namespace {

using core::ring::AppendOutcome;
using core::ring::TimelineRef;

void drop(SeriesWriter::Outcome& outcome, std::string reason) {
  if (outcome.dropped++ == 0) outcome.reason = std::move(reason);
}

std::string_view reason_of(AppendOutcome outcome) {
  switch (outcome) {
    case AppendOutcome::kOutOfOrder:
      return "out of order sample";
    case AppendOutcome::kDuplicate:
      return "duplicate sample for timestamp";
    case AppendOutcome::kGone:
      return "the ring reclaimed the series";
    case AppendOutcome::kAppended:
    case AppendOutcome::kUnchanged:
      break;
  }
  return "";
}

}  // namespace

core::Result<TimelineRef> SeriesWriter::open_timeline(std::uint64_t identity) {
  const std::lock_guard lock(mutex_);
  return appender_->open_timeline(identity);
}

void SeriesWriter::close_timeline(TimelineRef timeline) {
  const std::lock_guard lock(mutex_);
  std::erase_if(owners_, [timeline](const auto& owner) { return owner.second == timeline; });
  appender_->close_timeline(timeline);
}

SeriesWriter::Outcome SeriesWriter::write(TimelineRef timeline, RuleSeries& own, std::span<const SeriesSample> samples,
                                          std::int64_t time_ms) {
  const std::lock_guard lock(mutex_);
  Outcome outcome;
  ++own.round_;
  std::vector<const SeriesSample*> staged;
  staged.reserve(samples.size());
  for (const SeriesSample& sample : samples) {
    if (stage(timeline, own, sample, outcome)) staged.push_back(&sample);
  }
  appender_->begin(timeline, time_ms);
  for (const SeriesSample* sample : staged) append(timeline, own, *sample, outcome);
  for (auto each = own.entries_.begin(); each != own.entries_.end();) {
    if (each->second.round == own.round_) {
      ++each;
      continue;
    }
    // Whatever comes of it: a series that is gone or has a newer sample needs no marker.
    (void)appender_->append(each->second.ref, core::ring::stale_marker());
    owners_.erase(each->first);
    each = own.entries_.erase(each);
  }
  appender_->publish();
  return outcome;
}

// Makes the series of a sample this rule's own.
bool SeriesWriter::stage(TimelineRef timeline, RuleSeries& own, const SeriesSample& sample, Outcome& outcome) {
  if (const auto known = own.entries_.find(sample.labels); known != own.entries_.end()) {
    known->second.round = own.round_;
    return true;
  }
  if (const auto owner = owners_.find(sample.labels); owner != owners_.end() && owner->second != timeline) {
    drop(outcome, sample.labels.to_string() + ": a rule of another group writes this series too");
    return false;
  }
  core::Result<core::ring::SeriesRef> series = appender_->upsert(timeline, sample.labels);
  if (!series) {
    drop(outcome, sample.labels.to_string() + ": " + series.error().message);
    return false;
  }
  owners_.insert_or_assign(sample.labels, timeline);
  own.entries_.insert_or_assign(sample.labels, RuleSeries::Entry{*series, own.round_});
  return true;
}

void SeriesWriter::append(TimelineRef timeline, RuleSeries& own, const SeriesSample& sample, Outcome& outcome) {
  RuleSeries::Entry& entry = own.entries_.find(sample.labels)->second;
  AppendOutcome done = appender_->append(entry.ref, sample.value);
  if (done == AppendOutcome::kGone) {
    if (core::Result<core::ring::SeriesRef> again = appender_->upsert(timeline, sample.labels)) {
      entry.ref = *again;
      done = appender_->append(entry.ref, sample.value);
    }
  }
  if (done != AppendOutcome::kAppended && done != AppendOutcome::kUnchanged) {
    drop(outcome, sample.labels.to_string() + ": " + std::string(reason_of(done)));
  }
}

}  // namespace rules

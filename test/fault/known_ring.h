// SPDX-License-Identifier: Apache-2.0
// A ring whose content is known, and the question whether something shows no more than that.
#pragma once

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/ring/mapped_ring.h"
#include "test/unit/core/ring/ring_model.h"
#include "test/unit/core/ring/value_families.h"

namespace fault_test {

using core::ring::Labels;
using core::ring::MappedRing;
using core::ring::MappedRingOptions;
using core::ring::Sample;
using core::ring::SelectedSeries;
using core::ring::SeriesRef;
using core::ring::TimelineRef;

// Everything that was ever appended.
using Known = std::map<Labels, std::vector<Sample>>;

struct Shown {
  std::string wrong;  // empty: all that was shown had been appended
  std::size_t series = 0;
  std::size_t samples = 0;
};

// Whether every sample of `shown` is among `known`, in its order.
inline std::string subset(const std::vector<Sample>& shown, const std::vector<Sample>& known) {
  if (shown.empty()) return {};
  const auto earlier = [](const Sample& sample, std::int64_t time_ms) { return sample.time_ms < time_ms; };
  auto at = std::lower_bound(known.begin(), known.end(), shown.front().time_ms, earlier);
  for (const Sample& sample : shown) {
    while (at != known.end() && at->time_ms < sample.time_ms) ++at;
    if (at == known.end() || !ring_test::same_sample(*at, sample)) {
      return "never appended, or out of order: " + ring_test::to_string(sample) +
             (at == known.end() ? "" : "; next to it is " + ring_test::to_string(*at));
    }
    ++at;
  }
  return {};
}

// Reads all of a ring in every way there is.
inline Shown look(const core::ring::Reader& reader, const Known& known) {
  Shown shown;
  std::map<Labels, int> seen;
  for (const SelectedSeries& series : reader.select({})) {
    const auto found = known.find(*series.labels);
    const std::string name = series.labels->to_string();
    if (found == known.end()) return {"never made: " + name, 0, 0};
    if (++seen[*series.labels] > 1) return {"twice: " + name, 0, 0};
    const std::vector<Sample> samples = ring_test::read(reader, series.ref);
    if (const std::string wrong = subset(samples, found->second); !wrong.empty()) return {name + ": " + wrong, 0, 0};
    const std::optional<Sample> last = reader.last(series.ref);
    if (last && !subset({*last}, found->second).empty())
      return {name + ": last() " + ring_test::to_string(*last), 0, 0};
    // Of a series whose samples are gone the last one may still be known.
    if (!samples.empty() && (!last || last->time_ms != samples.back().time_ms)) {
      return {name + ": last() is not the last of " + std::to_string(samples.size()), 0, 0};
    }
    if (auto right = ring_test::agree(reader.counter_window(series.ref, ring_test::kEarliest, ring_test::kLatest),
                                      ring_test::fold(samples));
        !right) {
      return {name + ": counter_window " + right.message(), 0, 0};
    }
    ++shown.series;
    shown.samples += samples.size();
  }
  return shown;
}

// Appends scrapes of several targets to a ring, and knows them.
//
// Thread safety: confined to one thread.
class KnownWriter {
 public:
  static constexpr std::size_t kTimelines = 3;
  static constexpr std::size_t kSeries = 48;

  KnownWriter(core::ring::Ring& ring, Known& known, std::uint64_t seed)
      : known_(known), random_(seed), appender_(ring.make_appender()) {
    for (std::size_t i = 0; i < kTimelines; ++i) timelines_.push_back(appender_->open_timeline(i + 1));
    for (std::size_t i = 0; i < kSeries; ++i) {
      sources_.emplace_back(static_cast<ring_test::Family>(i % ring_test::kFamilies), random_.bits());
    }
  }

  // One scrape of each target, `now_ms` later than all before. Refusals are taken as they come: after damage there may
  // be any.
  void scrape(std::int64_t now_ms) {
    for (std::size_t t = 0; t < kTimelines; ++t) {
      if (!timelines_[t]) continue;
      appender_->begin(*timelines_[t], now_ms + static_cast<std::int64_t>(t));
      for (std::size_t i = t; i < kSeries; i += kTimelines) append(t, i, now_ms + static_cast<std::int64_t>(t));
      appender_->publish();
    }
    ++scrapes_;
  }

  std::uint64_t refused() const { return refused_; }

 private:
  // Most series stay; those of one family in nine are called otherwise every 200 scrapes.
  Labels labels(std::size_t i) const {
    const std::string era = i % 9 == 8 ? std::to_string(scrapes_ / 200) : "";
    return {{"__name__", "known"}, {"era", era}, {"i", std::to_string(i)}, {"job", "target"}};
  }

  void append(std::size_t t, std::size_t i, std::int64_t time_ms) {
    if (i % 7 == 3 && random_.one_in(5)) return;
    Sample sample{time_ms, sources_[i].next()};
    if (i % 16 == 5) sample.time_ms -= 700;
    const bool renamed = i % 9 == 8 && scrapes_ % 200 == 0;
    if (refs_[i] == SeriesRef::kNone || renamed) upsert(t, i);
    auto outcome = append(i, sample);
    if (outcome == core::ring::AppendOutcome::kGone) {
      upsert(t, i);
      outcome = append(i, sample);
    }
    if (outcome == core::ring::AppendOutcome::kAppended) {
      samples_of_[i]->push_back(sample);
    } else {
      ++refused_;
    }
  }

  core::ring::AppendOutcome append(std::size_t i, const Sample& sample) {
    return i % 16 == 5 ? appender_->append_at(refs_[i], sample) : appender_->append(refs_[i], sample.value);
  }

  void upsert(std::size_t t, std::size_t i) {
    const auto made = appender_->upsert(*timelines_[t], labels(i));
    refs_[i] = made ? *made : SeriesRef::kNone;
    samples_of_[i] = &known_[labels(i)];
  }

  Known& known_;
  ring_test::Random random_;
  std::unique_ptr<core::ring::Appender> appender_;
  std::vector<core::Result<TimelineRef>> timelines_;
  std::vector<ring_test::ValueSource> sources_;
  std::array<SeriesRef, kSeries> refs_{};
  std::array<std::vector<Sample>*, kSeries> samples_of_{};  // in known_, whose elements stay where they are
  std::int64_t scrapes_ = 0;
  std::uint64_t refused_ = 0;
};

}  // namespace fault_test

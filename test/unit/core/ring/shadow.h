// SPDX-License-Identifier: Apache-2.0
// The plain model beside a ring, and the comparison of the two.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/ring/ring.h"
#include "test/unit/core/ring/ring_model.h"
#include "test/unit/core/ring/value_families.h"

namespace ring_test {

// How much of the past a ring has to show.
enum class Memory {
  kAll,     // it was never full
  kNewest,  // of each series a suffix
};

// One series as it should be.
struct ShadowSeries {
  ShadowSeries(Labels name, Family family, std::uint64_t seed) : labels(std::move(name)), source(family, seed) {}

  // What the next sample's outcome must be.
  core::ring::AppendOutcome judge(const Sample& sample) const {
    const Sample* newest = !staged.empty() ? &staged.back() : !published.empty() ? &published.back() : nullptr;
    if (newest == nullptr || sample.time_ms > newest->time_ms) return core::ring::AppendOutcome::kAppended;
    if (sample.time_ms < newest->time_ms) return core::ring::AppendOutcome::kOutOfOrder;
    return core::ring::same_bits(sample.value, newest->value) ? core::ring::AppendOutcome::kUnchanged
                                                              : core::ring::AppendOutcome::kDuplicate;
  }

  Labels labels;
  ValueSource source;
  std::vector<Sample> published;
  std::vector<Sample> staged;
  std::optional<std::size_t> timeline;  // on which it is now; none: it has to be upserted first
  std::size_t home = 0;                 // on which it will be then
  SeriesRef ref = SeriesRef::kNone;
};

// What a reader shows, held against the model.
//
// Thread safety: confined to one thread.
class Comparison {
 public:
  Comparison(const Reader& reader, Memory memory) : reader_(reader), memory_(memory) {}

  // Everything of one series: all of it, its last sample, windows at random.
  testing::AssertionResult series(const ShadowSeries& wanted, Random& random, int windows) const {
    const std::vector<SelectedSeries> found = find_all(reader_, wanted.labels);
    if (found.size() > 1) return failure(wanted) << "is there " << found.size() << " times";
    if (found.empty()) {
      const bool may_be_gone = memory_ == Memory::kNewest || wanted.published.empty();
      return may_be_gone ? testing::AssertionSuccess() : failure(wanted) << "is not there";
    }
    const SeriesRef ref = found.front().ref;
    const std::vector<Sample> shown = read(reader_, ref);
    if (auto right = suffix(shown, wanted.published); !right) return failure(wanted) << right.message();
    const std::optional<Sample> last = reader_.last(ref);
    // Of a series whose samples are overwritten the last one may still be known.
    const bool overwritten = memory_ == Memory::kNewest && shown.empty();
    const std::vector<Sample>& known = overwritten && last ? wanted.published : shown;
    if (last.has_value() == known.empty() || (last && !same_sample(*last, known.back()))) {
      return failure(wanted) << "last() is " << (last ? to_string(*last) : "nothing") << " of " << shown.size();
    }
    std::vector<std::optional<Sample>> lasts;
    reader_.lasts(std::array{ref, SeriesRef::kNone, ref}, lasts);
    const auto same = [&](const std::optional<Sample>& each) {
      return each.has_value() == last.has_value() && (!last || same_sample(*each, *last));
    };
    if (lasts.size() != 3 || !same(lasts[0]) || lasts[1] || !same(lasts[2])) {
      return failure(wanted) << "lasts() says something else than last()";
    }
    for (int i = 0; i < windows; ++i) {
      if (auto right = window(ref, shown, random); !right) return failure(wanted) << right.message();
    }
    return testing::AssertionSuccess();
  }

  // The list that a selector gives: the series that are there, no other. REQUIRES: `all` holds every series.
  testing::AssertionResult selection(const std::vector<Matcher>& matchers, const std::vector<ShadowSeries>& all) const {
    std::map<Labels, int> shown;
    for (const SelectedSeries& each : reader_.select(matchers)) ++shown[*each.labels];
    for (const ShadowSeries& each : all) {
      const bool accepted =
          std::all_of(matchers.begin(), matchers.end(), [&](const Matcher& m) { return m.matches(each.labels); });
      const auto found = shown.find(each.labels);
      const int times = found == shown.end() ? 0 : found->second;
      if (times > (accepted ? 1 : 0)) return failure(each) << "selected " << times << " times by " << text(matchers);
      const bool must_be_there = accepted && memory_ == Memory::kAll && !each.published.empty();
      if (times == 0 && must_be_there) return failure(each) << "not selected by " << text(matchers);
      if (found != shown.end()) shown.erase(found);
    }
    if (shown.empty()) return testing::AssertionSuccess();
    return testing::AssertionFailure() << "selected and never made: " << shown.begin()->first.to_string();
  }

 private:
  static testing::AssertionResult failure(const ShadowSeries& series) {
    return testing::AssertionFailure() << series.labels.to_string() << ": ";
  }

  static std::string text(const std::vector<Matcher>& matchers) {
    std::string joined;
    for (const Matcher& matcher : matchers) joined += matcher.to_string() + " ";
    return joined;
  }

  testing::AssertionResult suffix(const std::vector<Sample>& shown, const std::vector<Sample>& wanted) const {
    if (memory_ == Memory::kAll || shown.size() > wanted.size()) return agree(shown, wanted);
    return agree(shown, {wanted.end() - static_cast<std::ptrdiff_t>(shown.size()), wanted.end()});
  }

  testing::AssertionResult window(SeriesRef ref, const std::vector<Sample>& shown, Random& random) const {
    // Edges at samples, beside them, anywhere and nowhere.
    const auto edge = [&] {
      if (shown.empty() || random.one_in(8)) return random.one_in(2) ? kEarliest : kLatest;
      return shown[random.below(shown.size())].time_ms + random.between(-1, 1);
    };
    const std::int64_t from_ms = edge();
    const std::int64_t to_ms = edge();
    const std::vector<Sample> wanted = cut(shown, from_ms, to_ms);
    const std::string where = " in [" + std::to_string(from_ms) + ", " + std::to_string(to_ms) + "]";
    if (auto right = agree(read(reader_, ref, from_ms, to_ms), wanted); !right) {
      return testing::AssertionFailure() << right.message() << where;
    }
    auto right = agree(reader_.counter_window(ref, from_ms, to_ms), fold(wanted));
    std::vector<CounterWindow> windows;
    reader_.counter_windows(std::array{ref, SeriesRef::kNone}, from_ms, to_ms, windows);
    if (right) right = agree(windows.at(0), fold(wanted));
    return right ? right : testing::AssertionFailure() << "counter_window " << right.message() << where;
  }

  const Reader& reader_;
  Memory memory_;
};

}  // namespace ring_test

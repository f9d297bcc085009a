// SPDX-License-Identifier: Apache-2.0
#include "core/ring/series_index.h"

#include <algorithm>
#include <utility>

#include "core/ring/matched_pairs.h"

namespace core::ring {
namespace {

// Erased series are taken out of the postings when they are an eighth of what lives, and at least so many.
constexpr std::size_t kErasedLeast = 256;
// A level is merged with the one before unless that is so many times its size.
constexpr std::size_t kLevelFactor = 3;

}  // namespace

SeriesIndex::SeriesIndex(LabelStore& labels, const SeriesEntry* entries, std::uint64_t max_series)
    : labels_(labels), entries_(entries), max_series_(max_series), levels_(new Levels) {}

SeriesIndex::~SeriesIndex() { delete levels_.load(std::memory_order_relaxed); }

std::uint32_t SeriesIndex::hash_set(std::span<const LabelRef> pairs) const {
  std::uint32_t hash = 0;
  for (const LabelRef pair : pairs) hash = check_step(hash, pair, pair);
  return hash;
}

std::optional<SeriesNumber> SeriesIndex::find(const Labels& labels) {
  if (!labels_.find_pairs(labels, pairs_)) return std::nullopt;
  const std::uint32_t found = by_set_.find(hash_set(pairs_), [&](std::uint32_t ref) {
    const auto members = labels_.pairs(set_of(ref - 1));
    return std::equal(members.begin(), members.end(), pairs_.begin(), pairs_.end());
  });
  return found == 0 ? std::nullopt : std::optional(found - 1);
}

Result<SeriesIndex::Room> SeriesIndex::make(const Labels& labels) {
  if (labels.empty()) return fail(Errc::kInvalid, "a series has at least one label");
  if (labels.size() > kLabelsPerSeriesMax) {
    return fail(Errc::kInvalid, "{} labels on one series: at most {}", labels.size(), kLabelsPerSeriesMax);
  }
  for (const Label& label : labels) {
    if (label.name.empty()) return fail(Errc::kInvalid, "a label without a name");
    if (label.value.size() > kLabelTextMax || label.name.size() > kLabelTextMax) {
      return fail(Errc::kInvalid, "label {}: a text of {} bytes, at most {}", label.name.substr(0, 64),
                  std::max(label.name.size(), label.value.size()), kLabelTextMax);
    }
  }
  if (free_.empty() && unused_from_ >= max_series_) {
    return fail(Errc::kLimitExceeded, "the ring is full: {} series (ring.max_series)", max_series_);
  }
  const auto set = labels_.make_set(labels);
  if (!set) {
    return fail(Errc::kLimitExceeded, "the ring is full: {} bytes of labels (ring.max_series gives them room)",
                labels_.bytes());
  }
  Room room{unused_from_, *set};
  if (free_.empty()) {
    ++unused_from_;
  } else {
    room.series = free_.back();
    free_.pop_back();
  }
  return room;
}

void SeriesIndex::insert(SeriesNumber series) {
  by_set_.insert(hash_set(labels_.pairs(set_of(series))), series + 1);
  pending_.push_back(series);
  // relaxed: a figure for people.
  live_.fetch_add(1, std::memory_order_relaxed);
}

std::shared_ptr<const Postings> SeriesIndex::build(std::vector<SeriesNumber> series) const {
  return Postings::build(labels_, std::move(series), [this](SeriesNumber each) { return set_of(each); });
}

void SeriesIndex::replace_levels(Levels levels) {
  const Levels* const before = levels_.load(std::memory_order_relaxed);
  // release: pairs with the acquire in candidates().
  levels_.store(new Levels(std::move(levels)), std::memory_order_release);
  retired_.push_back({epoch_.current(), std::unique_ptr<const Levels>(before)});
  generation_.fetch_add(1, std::memory_order_release);
}

void SeriesIndex::flush() {
  if (pending_.empty()) return;
  Levels levels = *levels_.load(std::memory_order_relaxed);
  std::vector<SeriesNumber> series = std::move(pending_);
  pending_.clear();
  while (!levels.empty() && levels.back()->size() <= series.size() * kLevelFactor) {
    levels.back()->append_all(series);
    levels.pop_back();
  }
  std::sort(series.begin(), series.end());
  levels.push_back(build(std::move(series)));
  replace_levels(std::move(levels));
}

void SeriesIndex::erase(SeriesNumber series, std::function<bool()> busy) {
  flush();
  const LabelRef set = set_of(series);
  by_set_.erase(hash_set(labels_.pairs(set)), series + 1);
  if (erased_set_.size() <= series) erased_set_.resize(series + 1);
  erased_set_[series] = true;
  erased_.push_back({series, set, std::move(busy)});
  live_.fetch_sub(1, std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_release);
}

void SeriesIndex::rebuild() {
  std::vector<SeriesNumber> series;
  for (const auto& level : *levels_.load(std::memory_order_relaxed)) level->append_all(series);
  std::erase_if(series, [this](SeriesNumber each) { return each < erased_set_.size() && erased_set_[each]; });
  std::sort(series.begin(), series.end());
  Levels levels;
  if (!series.empty()) levels.push_back(build(std::move(series)));
  replace_levels(std::move(levels));
  for (const Erased& each : erased_) erased_set_[each.series] = false;
  leaving_.push_back({epoch_.current(), std::move(erased_)});
  erased_.clear();
}

void SeriesIndex::collect(const std::function<void(SeriesNumber)>& finish) {
  flush();
  const bool full = free_.empty() && unused_from_ >= max_series_;
  if (!erased_.empty() && (full || erased_.size() >= std::max<std::size_t>(kErasedLeast, live() / 8))) rebuild();
  epoch_.try_advance();
  const std::uint64_t now = epoch_.current();
  std::erase_if(retired_, [now](const Retired& each) { return each.epoch + 2 <= now; });
  std::erase_if(leaving_, [&](Leaving& group) {
    if (group.epoch + 2 > now) return false;
    std::erase_if(group.series, [&](const Erased& each) {
      if (each.busy && each.busy()) return false;
      finish(each.series);
      labels_.release(each.set);
      free_.push_back(each.series);
      return true;
    });
    return group.series.empty();
  });
}

bool SeriesIndex::adopt(SeriesNumber series, SeriesNumber& known) {
  const auto members = labels_.pairs(set_of(series));
  const std::uint32_t hash = hash_set(members);
  const std::uint32_t found = by_set_.find(hash, [&](std::uint32_t ref) {
    const auto other = labels_.pairs(set_of(ref - 1));
    return std::equal(members.begin(), members.end(), other.begin(), other.end());
  });
  if (found != 0) {
    known = found - 1;
    return false;
  }
  by_set_.insert(hash, series + 1);
  unused_from_ = std::max(unused_from_, series + 1);
  pending_.push_back(series);
  live_.fetch_add(1, std::memory_order_relaxed);
  return true;
}

void SeriesIndex::forget_adopted(SeriesNumber series) {
  by_set_.erase(hash_set(labels_.pairs(set_of(series))), series + 1);
  // It was adopted not long ago, and there are few of these.
  const auto last = std::find(pending_.rbegin(), pending_.rend(), series);
  if (last != pending_.rend()) pending_.erase(std::prev(last.base()));
  live_.fetch_sub(1, std::memory_order_relaxed);
}

void SeriesIndex::finish_adoption() {
  std::vector<bool> taken(unused_from_);
  for (const SeriesNumber each : pending_) taken[each] = true;
  for (SeriesNumber series = unused_from_; series-- > 0;) {
    if (!taken[series]) free_.push_back(series);
  }
  flush();
}

std::vector<SeriesIndex::Candidate> SeriesIndex::candidates(std::span<const Matcher> matchers) const {
  // acquire: pairs with the release in replace_levels().
  const Levels& levels = *levels_.load(std::memory_order_acquire);
  std::vector<Candidate> found;
  for (const auto& level : levels) {
    std::vector<MatchedPairs> matched;
    matched.reserve(matchers.size());
    for (const Matcher& matcher : matchers) matched.push_back(match_pairs(*level, labels_, matcher));
    take_from(*level, matched, found);
  }
  std::sort(found.begin(), found.end(), [](const Candidate& a, const Candidate& b) { return a.series < b.series; });
  const auto same = [](const Candidate& a, const Candidate& b) { return a.series == b.series; };
  found.erase(std::unique(found.begin(), found.end(), same), found.end());
  return found;
}

void SeriesIndex::take_from(const Postings& level, std::span<const MatchedPairs> matched,
                            std::vector<Candidate>& out) const {
  // The matcher that leaves the fewest gives the list; the others look at each of its labels.
  const MatchedPairs* narrowest = nullptr;
  for (const MatchedPairs& each : matched) {
    if (each.required && (narrowest == nullptr || each.series < narrowest->series)) narrowest = &each;
  }
  std::vector<SeriesNumber> series;
  if (narrowest == nullptr || narrowest->series >= level.size()) {
    level.append_all(series);
  } else {
    for (const std::size_t place : narrowest->places) level.append(place, series);
  }
  for (const SeriesNumber each : series) {
    const std::uint64_t word = own(each);
    if (state_of(word) == SeriesState::kFree) continue;
    const auto pairs = labels_.pairs(core::ring::set_of(word));
    const bool all =
        std::all_of(matched.begin(), matched.end(), [&](const MatchedPairs& m) { return m.accepts(pairs); });
    if (all) out.push_back({each, core::ring::set_of(word)});
  }
}

}  // namespace core::ring

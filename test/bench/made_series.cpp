// SPDX-License-Identifier: Apache-2.0
#include "made_series.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include <fmt/format.h>

namespace ring_bench {
namespace {

constexpr std::int64_t kFirstScrapeMs = 1'795'338'000'000;

const MadeShare& share_of(MadeKind kind) {
  return *std::find_if(kMadeShares.begin(), kMadeShares.end(),
                       [kind](const MadeShare& share) { return share.kind == kind; });
}

// What counters step by: 1 for half of them, then with a long tail (the recording: 2 at the median of its steps, 64 at
// nine tenths, 400,000 at 99 of 100).
double counter_step(Dice& dice) {
  const double rank = dice.part();
  if (rank < 0.5) return 1;
  if (rank < 0.75) return 1 + dice.part() * 7;
  if (rank < 0.93) return 8 + dice.part() * 120;
  return std::exp2(7 + dice.part() * 13);
}

std::int64_t lateness_ms(Dice& dice) {
  if (!dice.chance(0.15)) return 0;
  return dice.chance(0.9) ? 1 + dice.below(5) : 1 + dice.below(24);
}

// Up to a handful of small labels beside the name, as exporters have them.
core::ring::Labels labels_of(const MadeShare& share, const std::string& instance, std::size_t number) {
  constexpr std::array<std::string_view, 6> kTopics = {"beacon_block",   "beacon_attestation", "voluntary_exit",
                                                       "sync_committee", "blob_sidecar",       "proposer_slashing"};
  return core::ring::Labels(
      {{std::string(core::ring::kMetricName), fmt::format("made_{}_{}", number / 60, share.metric)},
       {"instance", instance},
       {"job", "made"},
       {"method", fmt::format("onGossip{}", number % 10)},
       {"topic", std::string(kTopics[number / 10 % kTopics.size()])}});
}

}  // namespace

MadeSeries::MadeSeries(MadeKind kind, std::int64_t interval_ms, Dice& dice) : kind_(kind) {
  double in_5s = share_of(kind).changes_in_5s;
  // Kinds that change now and then differ among themselves; those that nearly always do, do not.
  if (in_5s < 0.6) in_5s *= 0.4 + 1.2 * dice.part();
  chance_ = 1 - std::pow(1 - in_5s, static_cast<double>(interval_ms) / 5000);
  switch (kind) {
    case MadeKind::kConstant:
      value_ = dice.chance(0.6) ? 0 : static_cast<double>(dice.below(1 << dice.below(20)));
      break;
    case MadeKind::kRareCounter:
    case MadeKind::kSlowCounter:
    case MadeKind::kBusyCounter:
      step_ = kind == MadeKind::kRareCounter   ? 1
              : kind == MadeKind::kSlowCounter ? 1 + dice.part()
                                               : counter_step(dice);
      value_ = std::floor(step_ * 3000 * dice.part());
      break;
    case MadeKind::kSteadyCounter:
      step_ = static_cast<double>(1 + dice.below(30));
      value_ = static_cast<double>(dice.below(100'000));
      break;
    case MadeKind::kRareGauge:
      step_ = 2;
      break;
    case MadeKind::kBusyGauge:
      // One in three is a handful of something, one counts pages, one bytes.
      unit_ = dice.chance(0.33) ? 4096 : 1;
      step_ = dice.chance(0.5) ? 5 : std::exp2(4 + 14 * dice.part());
      count_ = static_cast<std::int64_t>(step_ * 50);
      value_ = static_cast<double>(count_) * unit_;
      break;
    case MadeKind::kDecimal:
      unit_ = 100;
      step_ = std::exp2(dice.part() * 9);
      count_ = dice.below(200'000);
      value_ = static_cast<double>(count_) / unit_;
      break;
    case MadeKind::kRareSum:
    case MadeKind::kSlowSum:
    case MadeKind::kBusySum:
      unit_ = dice.chance(0.2) ? 1e3 : dice.chance(0.25) ? 1e6 : 1e9;
      step_ = unit_ * (unit_ == 1e3 ? 0.02 : 0.001) * (1 + 20 * dice.part() * dice.part());
      value_ = std::floor(static_cast<double>(dice.below(1000)) * step_) / unit_;
      break;
    case MadeKind::kDuration:
      unit_ = 1e9;
      step_ = std::exp2(13 + 11 * dice.part());
      value_ = std::floor(step_) / unit_;
      break;
    case MadeKind::kScore:
      step_ = std::exp2(dice.part() * 6);
      value_ = step_ * 10 * dice.part();
      break;
  }
}

double MadeSeries::next(Dice& dice) {
  if (chance_ > 0 && dice.chance(chance_)) change(dice);
  return value_;
}

void MadeSeries::change(Dice& dice) {
  switch (kind_) {
    case MadeKind::kConstant:
      break;
    case MadeKind::kRareCounter:
    case MadeKind::kSlowCounter:
    case MadeKind::kBusyCounter:
      // Between half and one and a half of the usual step, one at least.
      value_ += std::max(1.0, std::floor(step_ * (0.5 + dice.part())));
      break;
    case MadeKind::kSteadyCounter:
      value_ += step_;
      break;
    case MadeKind::kRareGauge:
      value_ = static_cast<double>(dice.below(4));
      break;
    case MadeKind::kBusyGauge: {
      const auto reach = static_cast<std::int64_t>(step_);
      count_ = std::abs(count_ + dice.below(2 * reach + 1) - reach);
      value_ = static_cast<double>(count_) * unit_;
      break;
    }
    case MadeKind::kDecimal:
      count_ += 1 + dice.below(static_cast<std::int64_t>(step_));
      value_ = static_cast<double>(count_) / unit_;
      break;
    case MadeKind::kRareSum:
    case MadeKind::kSlowSum:
    case MadeKind::kBusySum:
      // Added one observation at a time, so that the last digits gather the error that such sums have.
      for (std::int64_t observed = 1 + dice.below(6); observed > 0; --observed) {
        value_ += std::floor(step_ * (0.5 + dice.part())) / unit_;
      }
      break;
    case MadeKind::kDuration:
      value_ = std::floor(step_ * (1 + dice.part())) / unit_;
      break;
    case MadeKind::kScore:
      value_ = value_ * 0.98 + step_ * (dice.part() - 0.4);
      break;
  }
}

RecordedTarget make_target(const std::string& instance, std::span<const MadeKind> kinds, std::size_t scrapes,
                           std::int64_t interval_ms, std::uint64_t seed) {
  RecordedTarget target;
  target.name = instance;
  Dice dice(seed);
  for (std::size_t k = 0; k < scrapes; ++k) {
    target.due_ms.push_back(kFirstScrapeMs + static_cast<std::int64_t>(k) * interval_ms);
    target.scraped_ms.push_back(target.due_ms.back() + lateness_ms(dice));
  }
  target.bits.reserve(kinds.size() * scrapes);
  for (std::size_t j = 0; j < kinds.size(); ++j) {
    target.labels.push_back(labels_of(share_of(kinds[j]), instance, j));
    MadeSeries series(kinds[j], interval_ms, dice);
    for (std::size_t k = 0; k < scrapes; ++k) target.bits.push_back(std::bit_cast<std::uint64_t>(series.next(dice)));
  }
  return target;
}

std::vector<RecordedTarget> make_recording(std::size_t targets, std::size_t series_each, std::size_t scrapes,
                                           std::int64_t interval_ms) {
  std::vector<RecordedTarget> recording;
  for (std::size_t i = 0; i < targets; ++i) {
    // By the table, then shuffled in short runs: an exposition has its kinds in runs, too.
    std::vector<MadeKind> kinds;
    for (const MadeShare& share : kMadeShares) {
      const std::size_t some = (series_each * static_cast<std::size_t>(share.of_1000) + 500) / 1000;
      kinds.insert(kinds.end(), some, share.kind);
    }
    kinds.resize(series_each, MadeKind::kConstant);
    Dice dice(i);
    constexpr std::size_t kRun = 8;
    for (std::size_t from = kinds.size() / kRun; from > 1; --from) {
      const auto with = static_cast<std::size_t>(dice.below(static_cast<std::int64_t>(from)));
      const auto run = kinds.begin() + static_cast<std::ptrdiff_t>((from - 1) * kRun);
      const auto other = kinds.begin() + static_cast<std::ptrdiff_t>(with * kRun);
      if (other != run) std::swap_ranges(run, run + kRun, other);
    }
    recording.push_back(make_target(fmt::format("made-{}:9100", i), kinds, scrapes, interval_ms, i));
  }
  return recording;
}

}  // namespace ring_bench

// SPDX-License-Identifier: Apache-2.0
// What the tests of the rings share: seeds, folders, the plain way to find and fold samples.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "core/check.h"
#include "core/ring/mapped_ring.h"
#include "core/ring/ring.h"

namespace ring_test {

using core::ring::CounterWindow;
using core::ring::Label;
using core::ring::Labels;
using core::ring::Matcher;
using core::ring::Reader;
using core::ring::Sample;
using core::ring::SelectedSeries;
using core::ring::SeriesRef;

inline constexpr std::int64_t kEarliest = std::numeric_limits<std::int64_t>::min();
inline constexpr std::int64_t kLatest = std::numeric_limits<std::int64_t>::max();

// SplitMix64: the tests are built without optimisation, where the standard's generators would be most of their time.
//
// Thread safety: confined to one thread.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  static constexpr std::uint64_t mix(std::uint64_t bits) {
    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9ULL;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebULL;
    return bits ^ (bits >> 31);
  }

  std::uint64_t bits() { return mix(state_ += 0x9e3779b97f4a7c15ULL); }
  std::uint64_t below(std::uint64_t bound) { return bits() % bound; }
  bool one_in(std::uint64_t n) { return below(n) == 0; }
  std::int64_t between(std::int64_t least, std::int64_t most) {
    return least + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(most - least) + 1));
  }

 private:
  std::uint64_t state_;
};

// The seed of a random test, printed so that RING_SEED=<seed> in the environment repeats the run.
inline std::uint64_t test_seed() {
  const char* given = std::getenv("RING_SEED");
  const std::uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 0) : std::random_device{}();
  std::printf("[     seed ] RING_SEED=%llu\n", static_cast<unsigned long long>(seed));
  std::fflush(stdout);
  return seed;
}

// A folder that goes with this object. In memory where there is such a place: these tests are about what is in a file,
// not about how fast a disk takes it.
//
// Thread safety: confined to one thread.
class RingFolder {
 public:
  RingFolder() {
    const bool in_memory = ::access("/dev/shm", W_OK) == 0;
    std::string pattern = (in_memory ? "/dev/shm" : std::filesystem::temp_directory_path().string()) + "/ring.XXXXXX";
    CHECK(::mkdtemp(pattern.data()) != nullptr, "no folder for a ring");
    path_ = pattern;
  }
  RingFolder(const RingFolder&) = delete;
  RingFolder& operator=(const RingFolder&) = delete;
  ~RingFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  std::string file(const std::string& name = "ring") const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline std::string file_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

inline void write_bytes(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

inline bool same_sample(const Sample& a, const Sample& b) {
  return a.time_ms == b.time_ms && core::ring::same_bits(a.value, b.value);
}

inline bool same_samples(const std::vector<Sample>& a, const std::vector<Sample>& b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), same_sample);
}

inline std::string to_string(const Sample& sample) {
  std::array<char, 96> text{};
  std::snprintf(text.data(), text.size(), "%.17g (%016llx) @%lld", sample.value,
                static_cast<unsigned long long>(std::bit_cast<std::uint64_t>(sample.value)),
                static_cast<long long>(sample.time_ms));
  return text.data();
}

// Where two lists differ first, for a person.
inline std::string difference(const std::vector<Sample>& got, const std::vector<Sample>& wanted) {
  std::size_t i = 0;
  while (i < got.size() && i < wanted.size() && same_sample(got[i], wanted[i])) ++i;
  const auto at = [&](const std::vector<Sample>& list) { return i < list.size() ? to_string(list[i]) : "the end"; };
  return std::to_string(got.size()) + " samples, wanted " + std::to_string(wanted.size()) + "; at " +
         std::to_string(i) + " got " + at(got) + ", wanted " + at(wanted);
}

inline testing::AssertionResult agree(const std::vector<Sample>& got, const std::vector<Sample>& wanted) {
  if (same_samples(got, wanted)) return testing::AssertionSuccess();
  return testing::AssertionFailure() << difference(got, wanted);
}

inline std::vector<Sample> read(const Reader& reader, SeriesRef series, std::int64_t from_ms = kEarliest,
                                std::int64_t to_ms = kLatest) {
  std::vector<Sample> samples;
  reader.read(series, from_ms, to_ms, samples);
  return samples;
}

// Every series with exactly these labels: one, or none.
inline std::vector<SelectedSeries> find_all(const Reader& reader, const Labels& labels) {
  std::vector<Matcher> matchers;
  for (const Label& label : labels) matchers.push_back(Matcher::equal(label.name, label.value));
  std::vector<SelectedSeries> found = reader.select(matchers);
  std::erase_if(found, [&](const SelectedSeries& series) { return *series.labels != labels; });
  return found;
}

inline std::optional<SeriesRef> find(const Reader& reader, const Labels& labels) {
  const std::vector<SelectedSeries> found = find_all(reader, labels);
  EXPECT_LE(found.size(), 1U) << labels.to_string() << " is there twice";
  return found.empty() ? std::nullopt : std::optional(found.front().ref);
}

// The samples under these labels, whichever reference they have now.
inline std::vector<Sample> history(const Reader& reader, const Labels& labels) {
  const std::optional<SeriesRef> series = find(reader, labels);
  return series ? read(reader, *series) : std::vector<Sample>();
}

inline std::vector<Sample> cut(const std::vector<Sample>& samples, std::int64_t from_ms, std::int64_t to_ms) {
  std::vector<Sample> inside;
  for (const Sample& sample : samples) {
    if (sample.time_ms >= from_ms && sample.time_ms <= to_ms) inside.push_back(sample);
  }
  return inside;
}

// A counter's window, folded the plain way.
inline CounterWindow fold(const std::vector<Sample>& samples) {
  CounterWindow window;
  for (const Sample& sample : samples) {
    if (core::ring::is_stale(sample.value)) continue;
    if (window.count == 0) window.first = sample;
    if (window.count > 0 && sample.value < window.last.value) window.lost_to_resets += window.last.value;
    window.last = sample;
    ++window.count;
  }
  return window;
}

inline testing::AssertionResult agree(const CounterWindow& got, const CounterWindow& wanted) {
  const auto same_sum = [](double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); };
  const bool same = got.count == wanted.count &&
                    (wanted.count == 0 || (same_sample(got.first, wanted.first) && same_sample(got.last, wanted.last) &&
                                           same_sum(got.lost_to_resets, wanted.lost_to_resets)));
  if (same) return testing::AssertionSuccess();
  const auto text = [](const CounterWindow& w) {
    std::array<char, 32> lost{};
    std::snprintf(lost.data(), lost.size(), "%.17g", w.lost_to_resets);
    return std::to_string(w.count) + " from " + to_string(w.first) + " to " + to_string(w.last) + " lost " +
           lost.data();
  };
  return testing::AssertionFailure() << "got " << text(got) << ", wanted " << text(wanted);
}

// Begins, appends, publishes: a scrape of series that have a value each.
inline void scrape(core::ring::Appender& appender, core::ring::TimelineRef timeline, std::int64_t time_ms,
                   const std::vector<std::pair<SeriesRef, double>>& values) {
  appender.begin(timeline, time_ms);
  for (const auto& [series, value] : values) appender.append(series, value);
  appender.publish();
}

inline std::unique_ptr<core::ring::MappedRing> open_or_abort(const core::ring::MappedRingOptions& options) {
  auto ring = core::ring::open_mapped_ring(options);
  if (!ring) std::fprintf(stderr, "opening %s: %s\n", options.path.c_str(), ring.error().message.c_str());
  CHECK(ring.has_value(), "the ring opens");
  return std::move(*ring);
}

}  // namespace ring_test

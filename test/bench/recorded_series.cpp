// SPDX-License-Identifier: Apache-2.0
#include "recorded_series.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <sstream>

#include "core/ring/sample.h"
#include "rules/promql/parser.h"

namespace ring_bench {
namespace {

using core::Errc;
using core::fail;
using core::Result;
using core::ring::Labels;

static_assert(std::endian::native == std::endian::little, "recordings are read as they lie in the file");

// Where a copy of the recording starts, in scrapes after the one before: prime, so that the copies spread over all of
// it.
constexpr std::size_t kPhaseStep = 97;

class FileCursor {
 public:
  explicit FileCursor(std::string_view bytes) : rest_(bytes) {}

  // False, and nothing read, if the file ends before.
  bool take(void* to, std::size_t size) {
    if (rest_.size() < size) return false;
    std::memcpy(to, rest_.data(), size);
    rest_.remove_prefix(size);
    return true;
  }
  template <class T>
  bool take(T& number) {
    return take(&number, sizeof number);
  }
  template <class T>
  bool take(std::vector<T>& numbers, std::size_t count) {
    if (rest_.size() / sizeof(T) < count) return false;
    numbers.resize(count);
    return take(numbers.data(), count * sizeof(T));
  }
  bool take(std::string& text, std::size_t size) {
    if (rest_.size() < size) return false;
    text = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return true;
  }

 private:
  std::string_view rest_;
};

Result<RecordedTarget> load_target(FileCursor& file) {
  RecordedTarget target;
  std::uint16_t name_length = 0;
  std::uint32_t scrapes = 0;
  std::uint32_t series = 0;
  if (!file.take(name_length) || !file.take(scrapes) || !file.take(series) || !file.take(target.name, name_length) ||
      !file.take(target.due_ms, scrapes) || !file.take(target.scraped_ms, scrapes)) {
    return fail(Errc::kInvalid, "ends inside a target's head");
  }
  if (scrapes < 2 || target.due_ms[1] <= target.due_ms[0]) {
    return fail(Errc::kInvalid, "target {}: two scrapes at least, in the order of time", target.name);
  }
  for (std::uint32_t i = 0; i < series; ++i) {
    std::uint8_t type = 0;
    std::uint16_t key_length = 0;
    std::string key;
    if (!file.take(type) || !file.take(key_length) || !file.take(key, key_length)) {
      return fail(Errc::kInvalid, "target {}: ends at series {} of {}", target.name, i, series);
    }
    auto labels = rules::promql::parse_metric(key);
    if (!labels) return fail(labels.error().with_context("target {}: {}", target.name, key));
    target.labels.push_back(labels->with("job", "recorded").with("instance", target.name));
  }
  if (!file.take(target.bits, std::size_t{scrapes} * series)) {
    return fail(Errc::kInvalid, "target {}: ends inside the values", target.name);
  }
  return target;
}

}  // namespace

std::size_t series_of(const SampleSource& source) {
  std::size_t all = 0;
  for (std::size_t i = 0; i < source.targets(); ++i) all += source.series(i);
  return all;
}

Result<std::vector<RecordedTarget>> load_recorded_series(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) return fail(Errc::kNotFound, "{}: cannot be opened", path.string());
  std::stringstream content;
  content << stream.rdbuf();
  const std::string bytes = std::move(content).str();
  FileCursor file(bytes);
  std::string magic;
  std::uint32_t count = 0;
  std::uint32_t zero = 0;
  if (!file.take(magic, 8) || magic != std::string_view("WKSER1\0\0", 8) || !file.take(count) || !file.take(zero)) {
    return fail(Errc::kInvalid, "{}: not a recording (WKSER1)", path.string());
  }
  std::vector<RecordedTarget> targets;
  for (std::uint32_t i = 0; i < count; ++i) {
    auto target = load_target(file);
    if (!target) return fail(target.error().with_context("{}", path.string()));
    targets.push_back(std::move(*target));
  }
  return targets;
}

std::vector<RecordedTarget> record(SampleSource& source, std::size_t scrapes, std::int64_t interval_ms) {
  std::vector<RecordedTarget> recording;
  for (std::size_t i = 0; i < source.targets(); ++i) {
    RecordedTarget target;
    const std::size_t series = source.series(i);
    for (std::size_t j = 0; j < series; ++j) target.labels.push_back(source.labels(i, j));
    target.name = target.labels.front().get("instance");
    target.bits.resize(series * scrapes);
    std::vector<double> row(series);
    for (std::size_t k = 0; k < scrapes; ++k) {
      const std::int64_t time_ms = source.scrape(i, static_cast<std::int64_t>(k), row);
      const std::int64_t first_ms = k == 0 ? time_ms : target.due_ms.front();
      target.due_ms.push_back(first_ms + static_cast<std::int64_t>(k) * interval_ms);
      target.scraped_ms.push_back(time_ms);
      for (std::size_t j = 0; j < series; ++j) target.bits[j * scrapes + k] = std::bit_cast<std::uint64_t>(row[j]);
    }
    recording.push_back(std::move(target));
  }
  return recording;
}

Replay::Replay(std::vector<RecordedTarget> recording, std::size_t series_wanted) : recording_(std::move(recording)) {
  std::size_t recorded_series = 0;
  for (const RecordedTarget& target : recording_) {
    recorded_series += target.series();
    std::vector<std::uint64_t>& rows = rows_.emplace_back(target.bits.size());
    for (std::size_t j = 0; j < target.series(); ++j) {
      for (std::size_t k = 0; k < target.scrapes(); ++k) {
        rows[k * target.series() + j] = target.bits[j * target.scrapes() + k];
      }
    }
  }
  const std::size_t copies = (series_wanted + recorded_series - 1) / recorded_series;
  const double share = static_cast<double>(series_wanted) / static_cast<double>(copies * recorded_series);
  double owed = 0;  // series that rounding has held back so far
  for (std::size_t copy = 0; copy < copies; ++copy) {
    for (std::size_t i = 0; i < recording_.size(); ++i) {
      const std::size_t all = recording_[i].series();
      owed += share * static_cast<double>(all);
      const std::size_t some = std::min(all, static_cast<std::size_t>(std::max(0L, std::lround(owed))));
      owed -= static_cast<double>(some);
      Target target{.recorded = i, .copy = copy, .phase = copy * kPhaseStep % recording_[i].scrapes(), .picked = {}};
      for (std::size_t j = 0; j < some; ++j) target.picked.push_back(static_cast<std::uint32_t>(j * all / some));
      if (some != 0) targets_.push_back(std::move(target));
    }
  }
}

Labels Replay::labels(std::size_t target, std::size_t series) const {
  const Target& from = targets_[target];
  const Labels& recorded = recording_[from.recorded].labels[from.picked[series]];
  return from.copy == 0 ? recorded
                        : recorded.with("instance", fmt::format("{}-{}", recorded.get("instance"), from.copy));
}

std::int64_t Replay::scrape(std::size_t target, std::int64_t step, std::span<double> row) {
  const Target& from = targets_[target];
  const RecordedTarget& recorded = recording_[from.recorded];
  const std::size_t k = (static_cast<std::size_t>(step) + from.phase) % recorded.scrapes();
  const std::size_t before = (k + recorded.scrapes() - 1) % recorded.scrapes();
  const std::uint64_t* values = rows_[from.recorded].data() + k * recorded.series();
  const std::uint64_t* values_before = rows_[from.recorded].data() + before * recorded.series();
  for (std::size_t j = 0; j < from.picked.size(); ++j) {
    std::uint64_t bits = values[from.picked[j]];
    // A scraper marks the end of a series that left the exposition, once.
    if (bits == kAbsentBits && step != 0 && values_before[from.picked[j]] != kAbsentBits) bits = core::ring::kStaleBits;
    row[j] = std::bit_cast<double>(bits);
  }
  const std::int64_t interval_ms = recorded.due_ms[1] - recorded.due_ms[0];
  return recorded.due_ms[0] + step * interval_ms + recorded.scraped_ms[k] - recorded.due_ms[k];
}

}  // namespace ring_bench

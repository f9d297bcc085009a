// SPDX-License-Identifier: Apache-2.0
#include "collector/remote_write/batch_reader.h"

#include <algorithm>
#include <utility>

namespace collector::remote_write {
namespace {

using core::ring::Sample;
using core::ring::SeriesRef;

}  // namespace

std::uint64_t Batch::drop_older(std::int64_t cutoff_ms) {
  if (oldest_ms >= cutoff_ms) return 0;
  std::string kept;
  std::vector<Part> kept_parts;
  std::size_t begin = 0;
  for (const Part& part : parts) {
    if (part.time_ms >= cutoff_ms) {
      kept.append(bytes, begin, part.end - begin);
      kept_parts.push_back({kept.size(), part.time_ms});
    }
    begin = part.end;
  }
  const std::uint64_t dropped = parts.size() - kept_parts.size();
  bytes = std::move(kept);
  parts = std::move(kept_parts);
  samples -= dropped;
  oldest_ms = newest_ms;
  for (const Part& part : parts) oldest_ms = std::min(oldest_ms, part.time_ms);
  body = compress(bytes);
  return dropped;
}

void Loss::add(const Loss& other) {
  if (other.series == 0) return;
  from_ms = series == 0 ? other.from_ms : std::min(from_ms, other.from_ms);
  to_ms = series == 0 ? other.to_ms : std::max(to_ms, other.to_ms);
  series += other.series;
  samples += other.samples;
}

void BatchReader::configure(Settings settings) {
  settings_ = std::move(settings);
  label_bytes_ = 0;
  for (TrackedSeries& each : cursors_.series()) {
    each.labels.reset();
    each.dropped = false;
  }
}

Loss BatchReader::begin(const PassWindow& window) {
  const std::uint64_t gone = cursors_.refresh();
  label_bytes_ = 0;
  for (const TrackedSeries& each : cursors_.series()) {
    if (each.labels != nullptr) label_bytes_ += each.labels->size();
  }
  window_ = window;
  positions_.assign(window.lanes, 0);
  return {.series = gone, .samples = 0, .from_ms = 0, .to_ms = window.oldest_ms};
}

// Neighbours are of one target, so that a lane of its own for each would share nothing; spread by a hash, lanes are
// even.
std::size_t BatchReader::lane_of(SeriesRef ref) const {
  if (window_.lanes == 1) return 0;
  const std::uint64_t mixed = static_cast<std::uint64_t>(ref) * 0x9e3779b97f4a7c15;
  return static_cast<std::size_t>((mixed >> 32) % window_.lanes);
}

std::optional<Batch> BatchReader::next(std::size_t lane) {
  std::size_t& position = positions_[lane];
  const std::size_t series = cursors_.series().size();
  WriteRequest request;
  Batch batch;
  for (; position < series && batch.samples < settings_.samples_max; ++position) {
    const TrackedSeries& each = cursors_.series()[position];
    if (each.dropped || lane_of(each.ref) != lane) continue;
    if (!read_series(position, request, batch)) break;
  }
  if (batch.samples == 0) return std::nullopt;
  batch.body = compress(request.bytes());
  if (settings_.ageing) batch.bytes = request.bytes();
  return batch;
}

bool BatchReader::read_series(std::size_t index, WriteRequest& request, Batch& batch) {
  TrackedSeries& series = cursors_.series()[index];
  const auto last = reader_.last(series.ref);
  if (!last || last->time_ms <= series.sent_ms) return true;
  // While the sample that was sent last is still there, so are all after it.
  const bool look_back = series.exact && !series.ended && window_.oldest_ms > series.sent_ms;
  reader_.read(series.ref, series.sent_ms + (look_back ? 0 : 1), window_.end_ms, samples_);
  if (samples_.empty()) return true;
  const std::string* const labels = labels_of(series);
  if (labels == nullptr) return true;
  auto sample = samples_.begin();
  if (look_back && sample->time_ms == series.sent_ms) {
    if (++sample == samples_.end()) return true;
  } else if (look_back) {
    note_hole(series);
  }
  batch.before.push_back({index, series.sent_ms, series.exact, series.ended});
  for (; sample != samples_.end(); ++sample) {
    const bool too_old = sample->time_ms < window_.cutoff_ms;
    if (!too_old && batch.samples == settings_.samples_max) return false;
    series.sent_ms = sample->time_ms;
    series.exact = true;
    series.ended = core::ring::is_stale(sample->value);
    if (too_old) {
      ++too_old_;
      continue;
    }
    request.add(*labels, *sample);
    batch.oldest_ms = batch.samples == 0 ? sample->time_ms : std::min(batch.oldest_ms, sample->time_ms);
    batch.newest_ms = batch.samples == 0 ? sample->time_ms : std::max(batch.newest_ms, sample->time_ms);
    ++batch.samples;
    if (settings_.ageing) batch.parts.push_back({request.size(), sample->time_ms});
  }
  return true;
}

// The distance of the next two samples tells how many there were: the series' target is scraped at an interval.
void BatchReader::note_hole(const TrackedSeries& series) {
  const std::int64_t first_ms = samples_.front().time_ms;
  std::vector<Sample> after;
  // The window may end between the two.
  constexpr std::int64_t kFarMs = 60 * 60 * 1000;
  reader_.read(series.ref, first_ms + 1, first_ms + kFarMs, after);
  const std::int64_t step_ms = after.empty() ? 0 : after.front().time_ms - first_ms;
  const std::int64_t likely = step_ms > 0 ? (first_ms - series.sent_ms) / step_ms - 1 : 1;
  loss_.add({.series = 1,
             .samples = static_cast<std::uint64_t>(std::max<std::int64_t>(likely, 1)),
             .from_ms = series.sent_ms,
             .to_ms = first_ms});
}

// None if the series has gone, or relabelling drops it.
const std::string* BatchReader::labels_of(TrackedSeries& series) {
  if (series.labels != nullptr) return series.labels.get();
  const auto own = reader_.labels(series.ref);
  if (own == nullptr) return nullptr;
  series.fingerprint = own->fingerprint();
  relabel::LabelBuilder labels(*own);
  for (const core::ring::Label& each : settings_.external_labels) {
    if (labels.get(each.name).empty()) labels.set(each.name, each.value);
  }
  if (!settings_.rules.apply(labels) || labels.pairs().empty()) {
    series.dropped = true;
    return nullptr;
  }
  labels_ = encode_labels(labels.build());
  if (label_bytes_ + labels_.size() > kLabelBytesKept) return &labels_;
  label_bytes_ += labels_.size();
  series.labels = std::make_unique<const std::string>(labels_);
  return series.labels.get();
}

void BatchReader::take_back(const Batch& batch) {
  for (auto before = batch.before.rbegin(); before != batch.before.rend(); ++before) {
    TrackedSeries& series = cursors_.series()[before->series];
    series.sent_ms = before->sent_ms;
    series.exact = before->exact;
    series.ended = before->ended;
  }
}

void BatchReader::skip_dropped(std::int64_t until_ms) {
  for (TrackedSeries& each : cursors_.series()) {
    if (!each.dropped) continue;
    each.sent_ms = std::max(each.sent_ms, until_ms);
    each.exact = each.ended = true;
  }
}

Loss BatchReader::take_loss() { return std::exchange(loss_, {}); }

std::uint64_t BatchReader::take_too_old() { return std::exchange(too_old_, 0); }

std::uint64_t BatchReader::series_dropped() const {
  return static_cast<std::uint64_t>(std::ranges::count_if(cursors_.series(), &TrackedSeries::dropped));
}

}  // namespace collector::remote_write

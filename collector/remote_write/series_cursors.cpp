// SPDX-License-Identifier: Apache-2.0
#include "collector/remote_write/series_cursors.h"

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <utility>

#include "collector/remote_write/write_request.h"

namespace collector::remote_write {
namespace {

using core::Errc;
using core::fail;
using core::ring::SeriesRef;

// Bytes of a saved list, decompressed: some twenty times what a million series need.
constexpr std::size_t kSavedBytesMax = 256 << 20;
constexpr std::uint64_t kVersion = 1;
// Series whose labels are noted, to find out whether references still mean what they did.
constexpr std::size_t kWitnesses = 64;

std::uint64_t zigzag(std::int64_t value) {
  return (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
}
std::int64_t unzigzag(std::uint64_t value) {
  return static_cast<std::int64_t>(value >> 1) ^ -static_cast<std::int64_t>(value & 1);
}

class Bytes {
 public:
  explicit Bytes(std::string_view bytes) : rest_(bytes) {}

  std::optional<std::uint64_t> varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      value |= std::uint64_t{byte & 0x7fU} << shift;
      if (byte < 0x80) return value;
    }
    return std::nullopt;
  }
  std::size_t left() const { return rest_.size(); }

 private:
  std::string_view rest_;
};

tl::unexpected<core::Error> damaged() { return fail(Errc::kInvalid, "the saved cursors are damaged"); }

std::uint64_t fingerprint_of(const core::ring::Reader& reader, SeriesRef ref) {
  const auto labels = reader.labels(ref);
  return labels == nullptr ? 0 : labels->fingerprint();
}

}  // namespace

// version, witnesses * (ref, fingerprint), series * (step of ref, step of time with `ended` in the lowest bit). Series
// of one target follow each other and have one time, so that nearly all of this is repetition, which snappy folds.
std::string SeriesCursors::save() const {
  std::vector<const TrackedSeries*> exact;
  for (const TrackedSeries& each : series_) {
    if (each.exact) exact.push_back(&each);
  }
  std::string bytes;
  put_varint(bytes, kVersion);
  const std::size_t step = exact.size() / kWitnesses + 1;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> witnesses;
  for (std::size_t i = 0; i < exact.size(); i += step) {
    const std::uint64_t known = exact[i]->fingerprint;
    const std::uint64_t print = known != 0 ? known : fingerprint_of(reader_, exact[i]->ref);
    if (print != 0) witnesses.emplace_back(static_cast<std::uint64_t>(exact[i]->ref), print);
  }
  put_varint(bytes, witnesses.size());
  for (const auto& [ref, print] : witnesses) {
    put_varint(bytes, ref);
    put_varint(bytes, print);
  }
  put_varint(bytes, exact.size());
  std::uint64_t ref = 0;
  std::int64_t time_ms = 0;
  for (const TrackedSeries* each : exact) {
    put_varint(bytes, static_cast<std::uint64_t>(each->ref) - ref);
    put_varint(bytes, zigzag(each->sent_ms - time_ms) << 1 | (each->ended ? 1U : 0U));
    ref = static_cast<std::uint64_t>(each->ref);
    time_ms = each->sent_ms;
  }
  return compress(bytes);
}

core::Result<void> SeriesCursors::restore(std::string_view saved) {
  const auto bytes = decompress(saved, kSavedBytesMax);
  if (!bytes) return fail(bytes.error());
  Bytes in(*bytes);
  const auto version = in.varint();
  const auto witnesses = in.varint();
  if (!version || *version != kVersion || !witnesses) return damaged();
  for (std::uint64_t i = 0; i < *witnesses; ++i) {
    const auto ref = in.varint();
    const auto print = in.varint();
    if (!ref || !print) return damaged();
    const std::uint64_t now = fingerprint_of(reader_, SeriesRef{*ref});
    if (now != 0 && now != *print) return fail(Errc::kInvalid, "the ring is another one than the cursors are of");
  }
  const auto count = in.varint();
  if (!count || *count > in.left()) return damaged();
  std::vector<TrackedSeries> series;
  series.reserve(*count);
  std::uint64_t ref = 0;
  std::int64_t time_ms = 0;
  for (std::uint64_t i = 0; i < *count; ++i) {
    const auto step = in.varint();
    const auto time = in.varint();
    if (!step || !time || *step == 0) return damaged();
    ref += *step;
    time_ms += unzigzag(*time >> 1);
    TrackedSeries& each = series.emplace_back();
    each.ref = SeriesRef{ref};
    each.sent_ms = time_ms;
    each.exact = true;
    each.ended = (*time & 1) != 0;
  }
  if (in.left() != 0 || !std::ranges::is_sorted(series, {}, &TrackedSeries::ref)) return damaged();
  series_ = std::move(series);
  generation_ = 0;
  return {};
}

void SeriesCursors::set_back(std::int64_t now_ms) {
  if (now_ms >= start_ms_) return;
  start_ms_ = now_ms;
  for (TrackedSeries& each : series_) {
    if (!each.exact) each.sent_ms = std::min(each.sent_ms, now_ms);
  }
}

std::uint64_t SeriesCursors::refresh() {
  // Before the list: what appears meanwhile is seen next time.
  const std::uint64_t generation = reader_.index_generation();
  if (generation == generation_) return 0;
  generation_ = generation;
  std::vector<SeriesRef> refs = reader_.list();
  std::ranges::sort(refs);
  std::vector<TrackedSeries> kept;
  std::vector<TrackedSeries> gone;
  std::vector<TrackedSeries> added;
  kept.reserve(refs.size());
  auto known = series_.begin();
  for (const SeriesRef ref : refs) {
    for (; known != series_.end() && known->ref < ref; ++known) gone.push_back(std::move(*known));
    if (known != series_.end() && known->ref == ref) {
      kept.push_back(std::move(*known++));
      continue;
    }
    TrackedSeries& made = added.emplace_back();
    made.ref = ref;
    made.sent_ms = start_ms_;
  }
  std::move(known, series_.end(), std::back_inserter(gone));
  take_over(gone, added);
  const std::size_t middle = kept.size();
  std::ranges::move(added, std::back_inserter(kept));
  std::ranges::inplace_merge(kept, kept.begin() + static_cast<std::ptrdiff_t>(middle), {}, &TrackedSeries::ref);
  series_ = std::move(kept);
  return static_cast<std::uint64_t>(
      std::ranges::count_if(gone, [](const TrackedSeries& each) { return each.exact && !each.ended; }));
}

// A series that another target takes over goes on under a new reference, with its samples.
void SeriesCursors::take_over(std::vector<TrackedSeries>& gone, std::vector<TrackedSeries>& added) {
  std::unordered_map<std::uint64_t, std::size_t> by_labels;
  for (std::size_t i = 0; i < gone.size(); ++i) {
    if (gone[i].fingerprint != 0) by_labels.emplace(gone[i].fingerprint, i);
  }
  if (by_labels.empty()) return;
  for (TrackedSeries& each : added) {
    const auto found = by_labels.find(fingerprint_of(reader_, each.ref));
    if (found == by_labels.end()) continue;
    TrackedSeries& before = gone[found->second];
    const SeriesRef ref = each.ref;
    each = std::move(before);
    each.ref = ref;
    before = {};
  }
}

}  // namespace collector::remote_write

// SPDX-License-Identifier: Apache-2.0
#include "core/ring/mapped_ring.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <stop_token>
#include <thread>

#include "core/ring/mapped_appender.h"
#include "core/ring/ring_recovery.h"
#include "core/ring/ring_state.h"
#include "core/ring/series_reader.h"

namespace core::ring {
namespace {

class MappedReader final : public Reader {
 public:
  explicit MappedReader(RingState& ring) : ring_(ring) {}

  std::vector<SelectedSeries> select(std::span<const Matcher> matchers) const override {
    std::vector<SelectedSeries> selected;
    const ReadEpoch::Guard guard(ring_.index.epoch());
    for (const auto& each : ring_.index.candidates(matchers)) {
      const auto entry = in_use(each.series);
      if (!entry || entry->set != each.set) continue;
      auto materialised = ring_.labels.materialise(each.set);
      if (!materialised) continue;
      selected.push_back({entry->ref, std::make_shared<const Labels>(std::move(*materialised))});
    }
    return selected;
  }

  std::uint64_t index_generation() const override { return ring_.index.generation(); }

  void read(SeriesRef series, std::int64_t from_ms, std::int64_t to_ms, std::vector<Sample>& out) const override {
    read_samples(ring_, number_of(series), generation_of(series), from_ms, to_ms, out);
  }

  std::optional<Sample> last(SeriesRef series) const override {
    return find_newest(ring_, number_of(series), generation_of(series));
  }

  void lasts(std::span<const SeriesRef> series, std::vector<std::optional<Sample>>& out) const override {
    constexpr std::size_t kEntriesAhead = 16;
    out.resize(series.size());
    NewestScrape remembered;
    for (std::size_t i = 0; i < series.size(); ++i) {
      if (i + kEntriesAhead < series.size()) prefetch_entry(ring_, number_of(series[i + kEntriesAhead]));
      out[i] = find_newest(ring_, number_of(series[i]), generation_of(series[i]), remembered);
    }
  }

  CounterWindow counter_window(SeriesRef series, std::int64_t from_ms, std::int64_t to_ms) const override {
    CounterWindow window;
    if (fold_counter(ring_, number_of(series), generation_of(series), from_ms, to_ms, window)) return window;
    return Reader::counter_window(series, from_ms, to_ms);
  }

  void counter_windows(std::span<const SeriesRef> series, std::int64_t from_ms, std::int64_t to_ms,
                       std::vector<CounterWindow>& out) const override {
    thread_local std::vector<std::size_t> left;
    fold_counters(ring_, series, from_ms, to_ms, out, left);
    for (const std::size_t i : left) out[i] = Reader::counter_window(series[i], from_ms, to_ms);
  }

  RingUsage usage() const override {
    RingUsage usage;
    usage.series = ring_.index.live();
    usage.series_limit = ring_.geometry.max_series;
    usage.chunk_bytes =
        ring_.slots.segments_used() * kSlotsPerSegment * kSlotBytes + ring_.timelines.pages_used() * sizeof(TimePage);
    usage.bytes_limit = ring_.geometry.file_bytes;
    {
      const std::lock_guard lock(ring_.index_mutex);
      usage.bytes = usage.chunk_bytes + ring_.labels.bytes_used() + usage.series * sizeof(SeriesEntry);
    }
    usage.samples_appended = ring_.counters.appended.load(std::memory_order_relaxed);
    usage.series_refused = ring_.counters.refused.load(std::memory_order_relaxed);
    usage.series_reclaimed = ring_.counters.reclaimed.load(std::memory_order_relaxed);
    usage.damaged = ring_.counters.damaged.load(std::memory_order_relaxed);
    usage.newest_ms = ring_.timelines.newest_ms();
    usage.oldest_ms = std::max(ring_.timelines.oldest_ms(), ring_.slots.horizon_ms().value_or(0));
    return usage;
  }

  std::vector<SeriesRef> list() const override {
    std::vector<SeriesRef> refs;
    const ReadEpoch::Guard guard(ring_.index.epoch());
    for (const auto& each : ring_.index.candidates({})) {
      if (const auto entry = in_use(each.series); entry && entry->set == each.set) refs.push_back(entry->ref);
    }
    return refs;
  }

  std::shared_ptr<const Labels> labels(SeriesRef series) const override {
    const SeriesNumber number = number_of(series);
    if (number >= ring_.geometry.max_series) return nullptr;
    const ReadEpoch::Guard guard(ring_.index.epoch());
    const auto entry = in_use(number);
    if (!entry || entry->ref != series) return nullptr;
    auto materialised = ring_.labels.materialise(entry->set);
    return materialised ? std::make_shared<const Labels>(std::move(*materialised)) : nullptr;
  }

 private:
  struct InUse {
    SeriesRef ref;
    LabelRef set;
  };
  // None for a number that no series has. REQUIRES: a guard of the index's epoch.
  std::optional<InUse> in_use(SeriesNumber series) const {
    // acquire, twice: the labels are those of the generation.
    const SeriesEntry& entry = ring_.entries[series];
    const auto generation = static_cast<std::uint32_t>(entry.changed.load(std::memory_order_acquire) >> 32);
    const std::uint64_t labels = entry.labels.load(std::memory_order_acquire);
    if (state_of(labels) == SeriesState::kFree || ring_.is_erased(series)) return std::nullopt;
    return InUse{make_ref(series, generation), set_of(labels)};
  }

  RingState& ring_;
};

class FileRing final : public MappedRing {
 public:
  FileRing(std::unique_ptr<RingState> state, RingRecovery recovery)
      : state_(std::move(state)), recovery_(recovery), reader_(*state_) {
    keeper_ = std::jthread([this](std::stop_token stop) { state_->hot.keep(std::move(stop)); });
  }
  // REQUIRES: its appenders are gone.
  ~FileRing() override {
    keeper_ = {};
    state_->superblock.clean.store(1, std::memory_order_release);
  }

  std::unique_ptr<Appender> make_appender() override { return std::make_unique<MappedAppender>(*state_); }
  const Reader& reader() const override { return reader_; }
  std::string problem() const override { return state_->file->problem(); }
  const RingRecovery& recovery() const override { return recovery_; }

 private:
  std::unique_ptr<RingState> state_;
  RingRecovery recovery_;
  MappedReader reader_;
  std::jthread keeper_;
};

std::string boot_id_of(const MappedRingOptions& options) {
  if (!options.boot_id.empty()) return options.boot_id;
  std::string id;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> id;
  return id;
}

std::uint64_t max_series_of(const MappedRingOptions& options) {
  return options.max_series != 0 ? options.max_series : options.size_bytes / kBytesPerSeriesDefault;
}

MappedFile::Options file_options(const MappedRingOptions& options) { return {options.lock_memory, options.huge_pages}; }

bool same_shape(const RingGeometry& a, const RingGeometry& b) {
  return a.file_bytes == b.file_bytes && a.max_series == b.max_series;
}

// A new ring beside the path, under a name that nothing else uses: an attempt that was cut off leaves it there.
Result<std::unique_ptr<MappedFile>> create_beside(const MappedRingOptions& options, const RingGeometry& geometry,
                                                  const std::string& boot_id) {
  const std::string path = options.path + ".new";
  unlink(path.c_str());
  auto file = MappedFile::create(path, geometry.file_bytes, file_options(options));
  if (file) format_ring(**file, geometry, boot_id);
  return file;
}

Result<std::unique_ptr<MappedRing>> ring_in(std::unique_ptr<MappedFile> file, const RingGeometry& geometry,
                                            const std::string& boot_id, std::optional<FoundState> found,
                                            const RingRecovery& before = {}) {
  auto state = std::make_unique<RingState>(std::move(file), geometry);
  RingRecovery recovery = recover_ring(*state, boot_id);
  if (found) recovery.found = *found;
  // What was bad in the file that this one was made from.
  recovery.series_dropped += before.series_dropped;
  recovery.chunks_dropped += before.chunks_dropped;
  recovery.times_dropped += before.times_dropped;
  state->counters.damaged.fetch_add(before.series_dropped + before.chunks_dropped + before.times_dropped,
                                    std::memory_order_relaxed);
  return std::make_unique<FileRing>(std::move(state), recovery);
}

Result<std::unique_ptr<MappedRing>> migrate(std::unique_ptr<MappedFile> file, const RingGeometry& old_shape,
                                            const RingGeometry& shape, const MappedRingOptions& options,
                                            const std::string& boot_id) {
  auto created = create_beside(options, shape, boot_id);
  if (!created) return fail(created.error().with_context("resizing the ring"));
  RingRecovery recovery;
  {
    RingState from(std::move(file), old_shape);
    recovery = recover_ring(from, boot_id);
    RingState to(std::move(*created), shape);
    migrate_ring(from, to);
    if (auto renamed = to.file->rename_to(options.path); !renamed) return fail(renamed.error());
  }
  auto reopened = MappedFile::open(options.path, file_options(options));
  if (!reopened) return fail(reopened.error());
  return ring_in(std::move(*reopened), shape, boot_id, FoundState::kMigrated, recovery);
}

}  // namespace

std::string_view to_string(FoundState state) {
  switch (state) {
    case FoundState::kNew:
      return "new";
    case FoundState::kClean:
      return "clean";
    case FoundState::kKilled:
      return "killed";
    case FoundState::kRebooted:
      return "rebooted";
    case FoundState::kMigrated:
      return "migrated";
  }
  return "";
}

Result<std::unique_ptr<MappedRing>> open_mapped_ring(const MappedRingOptions& options) {
  if (options.path.empty()) return fail(Errc::kInvalid, "a ring needs the path of its file");
  const auto shape = RingGeometry::make(options.size_bytes, max_series_of(options));
  if (!shape) return fail(shape.error());
  const std::string boot_id = boot_id_of(options);
  auto file = MappedFile::open(options.path, file_options(options));
  if (!file && file.error().code != Errc::kNotFound) return fail(file.error());
  if (!file) {
    auto created = create_beside(options, *shape, boot_id);
    if (!created) return fail(created.error());
    if (auto renamed = (*created)->rename_to(options.path); !renamed) return fail(renamed.error());
    return ring_in(std::move(*created), *shape, boot_id, FoundState::kNew);
  }
  const auto old_shape = identify_ring(**file);
  if (!old_shape) return fail(old_shape.error());
  if (same_shape(*old_shape, *shape)) return ring_in(std::move(*file), *shape, boot_id, std::nullopt);
  return migrate(std::move(*file), *old_shape, *shape, options, boot_id);
}

std::uint64_t mapped_ring_bytes_max(const MappedRingOptions& options) {
  // In ordinary memory: the writers' side of a series, its place in the hash table and on the timelines' lists, and a
  // byte or two for each of its labels in the postings, twice while they are rebuilt.
  constexpr std::uint64_t kPerSeries = sizeof(Pen) + 19 + 4 + 2 * 16;
  constexpr std::uint64_t kFixed = 4ULL << 20;
  const std::uint64_t marks = options.size_bytes / HotPages::kGranuleBytes;
  return options.size_bytes + marks + max_series_of(options) * kPerSeries + kFixed;
}

}  // namespace core::ring

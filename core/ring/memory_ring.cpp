// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <atomic>
#include <deque>
#include <limits>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>
#include <utility>

#include "core/check.h"
#include "core/ring/ring.h"

namespace core::ring {
namespace {

struct Series {
  std::shared_ptr<const Labels> labels;
  std::deque<Sample> samples;
  // Whose series it is: the appender that upserted it last. The one before finds it gone and has to upsert it again, so
  // that two targets with equal series disturb each other's samples, never the store. Relaxed, as are the two below: an
  // append that overlaps a change of owner may judge by old values, and publish() has the last word under the lock.
  std::atomic<const void*> owner{nullptr};
  // The newest sample that was staged, published or not.
  std::atomic<std::int64_t> staged_ms{std::numeric_limits<std::int64_t>::min()};
  std::atomic<double> staged_value{0};
};

// What both sides of the ring share. One lock: a writer holds it for the time of one publish, a reader for the copy of
// one series.
struct Storage {
  explicit Storage(MemoryRingOptions limits) : options(limits) {}

  MemoryRingOptions options;
  mutable std::shared_mutex mutex;
  // Below: guarded by mutex.
  std::unordered_map<std::uint64_t, std::shared_ptr<Series>> series;
  std::unordered_map<Labels, std::uint64_t, LabelsHash> by_labels;
  // label name -> label value -> series, so that a selector with one equality does not look at every series.
  std::map<std::string, std::map<std::string, std::vector<std::uint64_t>, std::less<>>, std::less<>> postings;
  // Which series wrote, in the order of writing: the next to lose its oldest sample stands first.
  std::deque<std::uint64_t> order;
  std::uint64_t next_ref = 1;
  std::uint64_t appended = 0;
  std::uint64_t refused = 0;
  std::uint64_t reclaimed = 0;
  std::int64_t newest_ms = 0;
  std::uint64_t label_bytes = 0;
  std::atomic<std::uint64_t> generation{0};     // release in publish/upsert, acquire in index_generation
  std::atomic<std::uint32_t> next_timeline{1};  // relaxed: only uniqueness matters

  // REQUIRES: mutex is held exclusively.
  void forget(std::uint64_t ref) {
    const auto found = series.find(ref);
    const Labels& labels = *found->second->labels;
    for (const Label& label : labels) {
      label_bytes -= label.name.size() + label.value.size();
      auto& values = postings.find(label.name)->second;
      auto& refs = values.find(label.value)->second;
      refs.erase(std::find(refs.begin(), refs.end(), ref));
      if (refs.empty()) values.erase(label.value);
    }
    by_labels.erase(labels);
    series.erase(found);
    ++reclaimed;
    generation.fetch_add(1, std::memory_order_release);
  }

  // REQUIRES: mutex is held exclusively.
  void drop_oldest() {
    const std::uint64_t ref = order.front();
    order.pop_front();
    const auto found = series.find(ref);
    if (found == series.end()) return;
    auto& samples = found->second->samples;
    if (!samples.empty()) samples.pop_front();
    // The appender may still be about to publish to it; a series whose samples are all gone is reclaimed.
    if (samples.empty()) forget(ref);
  }
};

class MemoryAppender final : public Appender {
 public:
  explicit MemoryAppender(std::shared_ptr<Storage> storage) : storage_(std::move(storage)) {}

  Result<TimelineRef> open_timeline(std::uint64_t) override {
    return TimelineRef{storage_->next_timeline.fetch_add(1, std::memory_order_relaxed)};
  }

  void close_timeline(TimelineRef) override {}

  Result<SeriesRef> upsert(TimelineRef, const Labels& labels) override {
    const std::unique_lock lock(storage_->mutex);
    if (const auto found = storage_->by_labels.find(labels); found != storage_->by_labels.end()) {
      storage_->series.find(found->second)->second->owner.store(this, std::memory_order_relaxed);
      return SeriesRef{found->second};
    }
    if (storage_->series.size() >= storage_->options.max_series) {
      ++storage_->refused;
      return fail(Errc::kLimitExceeded, "the ring is full: {} series (ring.max_series)", storage_->options.max_series);
    }
    const std::uint64_t ref = storage_->next_ref++;
    auto series = std::make_shared<Series>();
    series->labels = std::make_shared<const Labels>(labels);
    series->owner.store(this, std::memory_order_relaxed);
    for (const Label& label : labels) {
      storage_->postings[label.name][label.value].push_back(ref);
      storage_->label_bytes += label.name.size() + label.value.size();
    }
    storage_->by_labels.emplace(labels, ref);
    storage_->series.emplace(ref, std::move(series));
    storage_->generation.fetch_add(1, std::memory_order_release);
    return SeriesRef{ref};
  }

  void begin(TimelineRef, std::int64_t time_ms) override {
    CHECK(!open_, "begin() inside an open scrape");
    open_ = true;
    time_ms_ = time_ms;
  }

  AppendOutcome append(SeriesRef series, double value) override { return append_at(series, {time_ms_, value}); }

  AppendOutcome append_at(SeriesRef ref, Sample sample) override {
    CHECK(open_, "append without begin()");
    const auto series = find(ref);
    if (!series || series->owner.load(std::memory_order_relaxed) != this) return AppendOutcome::kGone;
    const std::int64_t newest_ms = series->staged_ms.load(std::memory_order_relaxed);
    if (sample.time_ms < newest_ms) return AppendOutcome::kOutOfOrder;
    if (sample.time_ms == newest_ms) {
      const bool same = same_bits(sample.value, series->staged_value.load(std::memory_order_relaxed));
      return same ? AppendOutcome::kUnchanged : AppendOutcome::kDuplicate;
    }
    series->staged_ms.store(sample.time_ms, std::memory_order_relaxed);
    series->staged_value.store(sample.value, std::memory_order_relaxed);
    staged_.emplace_back(ref, sample);
    return AppendOutcome::kAppended;
  }

  void publish() override {
    CHECK(open_, "publish without begin()");
    open_ = false;
    const std::unique_lock lock(storage_->mutex);
    for (const auto& [ref, sample] : staged_) {
      const auto found = storage_->series.find(static_cast<std::uint64_t>(ref));
      if (found == storage_->series.end()) continue;  // reclaimed since it was staged
      auto& samples = found->second->samples;
      if (!samples.empty() && sample.time_ms <= samples.back().time_ms) continue;  // another owner was faster
      samples.push_back(sample);
      storage_->order.push_back(static_cast<std::uint64_t>(ref));
      storage_->newest_ms = std::max(storage_->newest_ms, sample.time_ms);
      ++storage_->appended;
      while (storage_->order.size() > storage_->options.max_samples) storage_->drop_oldest();
    }
    staged_.clear();
  }

 private:
  std::shared_ptr<Series> find(SeriesRef ref) const {
    const std::shared_lock lock(storage_->mutex);
    const auto found = storage_->series.find(static_cast<std::uint64_t>(ref));
    return found == storage_->series.end() ? nullptr : found->second;
  }

  std::shared_ptr<Storage> storage_;
  bool open_ = false;
  std::int64_t time_ms_ = 0;
  std::vector<std::pair<SeriesRef, Sample>> staged_;
};

class MemoryReader final : public Reader {
 public:
  explicit MemoryReader(std::shared_ptr<Storage> storage) : storage_(std::move(storage)) {}

  std::vector<SelectedSeries> select(std::span<const Matcher> matchers) const override {
    std::vector<SelectedSeries> selected;
    const std::shared_lock lock(storage_->mutex);
    const auto consider = [&](std::uint64_t ref, const Series& series) {
      const bool all =
          std::all_of(matchers.begin(), matchers.end(), [&](const Matcher& m) { return m.matches(*series.labels); });
      if (all) selected.push_back({SeriesRef{ref}, series.labels});
    };
    for (const Matcher& matcher : matchers) {
      if (matcher.type() != MatchType::kEqual || matcher.value().empty()) continue;
      const auto values = storage_->postings.find(matcher.name());
      if (values == storage_->postings.end()) return selected;
      const auto refs = values->second.find(matcher.value());
      if (refs == values->second.end()) return selected;
      for (const std::uint64_t ref : refs->second) consider(ref, *storage_->series.find(ref)->second);
      return selected;
    }
    for (const auto& [ref, series] : storage_->series) consider(ref, *series);
    return selected;
  }

  std::uint64_t index_generation() const override { return storage_->generation.load(std::memory_order_acquire); }

  void read(SeriesRef ref, std::int64_t from_ms, std::int64_t to_ms, std::vector<Sample>& out) const override {
    out.clear();
    const std::shared_lock lock(storage_->mutex);
    const auto found = storage_->series.find(static_cast<std::uint64_t>(ref));
    if (found == storage_->series.end()) return;
    const auto& samples = found->second->samples;
    const auto first = std::lower_bound(samples.begin(), samples.end(), from_ms,
                                        [](const Sample& sample, std::int64_t t) { return sample.time_ms < t; });
    for (auto sample = first; sample != samples.end() && sample->time_ms <= to_ms; ++sample) out.push_back(*sample);
  }

  std::optional<Sample> last(SeriesRef ref) const override {
    const std::shared_lock lock(storage_->mutex);
    const auto found = storage_->series.find(static_cast<std::uint64_t>(ref));
    if (found == storage_->series.end() || found->second->samples.empty()) return std::nullopt;
    return found->second->samples.back();
  }

  RingUsage usage() const override {
    const std::shared_lock lock(storage_->mutex);
    RingUsage usage;
    usage.series = storage_->series.size();
    usage.series_limit = storage_->options.max_series;
    usage.bytes = bytes(storage_->series.size(), storage_->order.size(), storage_->label_bytes);
    usage.bytes_limit = bytes(storage_->options.max_series, storage_->options.max_samples,
                              storage_->options.max_series * kLabelBytesExpected);
    usage.samples_appended = storage_->appended;
    usage.newest_ms = storage_->newest_ms;
    usage.series_refused = storage_->refused;
    usage.series_reclaimed = storage_->reclaimed;
    if (!storage_->order.empty()) {
      const auto oldest = storage_->series.find(storage_->order.front());
      if (oldest != storage_->series.end() && !oldest->second->samples.empty()) {
        usage.oldest_ms = oldest->second->samples.front().time_ms;
      }
    }
    return usage;
  }

  std::shared_ptr<const Labels> labels(SeriesRef ref) const override {
    const std::shared_lock lock(storage_->mutex);
    const auto found = storage_->series.find(static_cast<std::uint64_t>(ref));
    return found == storage_->series.end() ? nullptr : found->second->labels;
  }

 private:
  // Measured sizes of the containers' parts: a deque's map and first block (576), two hash nodes, the series itself.
  static constexpr std::uint64_t kBytesPerSeries = sizeof(Series) + sizeof(Labels) + 576 + 160;
  static constexpr std::uint64_t kBytesPerSample = sizeof(Sample) + sizeof(std::uint64_t);
  static constexpr std::uint64_t kLabelBytesExpected = 256;

  static std::uint64_t bytes(std::uint64_t series, std::uint64_t samples, std::uint64_t label_bytes) {
    return series * kBytesPerSeries + samples * kBytesPerSample + 2 * label_bytes;
  }

  std::shared_ptr<Storage> storage_;
};

class MemoryRing final : public Ring {
 public:
  explicit MemoryRing(MemoryRingOptions options) : storage_(std::make_shared<Storage>(options)), reader_(storage_) {}

  std::unique_ptr<Appender> make_appender() override { return std::make_unique<MemoryAppender>(storage_); }
  const Reader& reader() const override { return reader_; }

 private:
  std::shared_ptr<Storage> storage_;
  MemoryReader reader_;
};

}  // namespace

std::unique_ptr<Ring> make_memory_ring(MemoryRingOptions options) { return std::make_unique<MemoryRing>(options); }

}  // namespace core::ring

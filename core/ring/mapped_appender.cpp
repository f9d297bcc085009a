// SPDX-License-Identifier: Apache-2.0
#include "core/ring/mapped_appender.h"

#include <algorithm>
#include <utility>

#include "core/check.h"
#include "core/ring/series_reader.h"

namespace core::ring {
namespace {

std::size_t take_seat(std::array<Seat, kAppendersMax>& seats) {
  for (std::size_t i = 0; i < seats.size(); ++i) {
    bool free = false;
    if (seats[i].taken.compare_exchange_strong(free, true, std::memory_order_acq_rel)) return i;
  }
  CHECK(false, "a ring has at most kAppendersMax appenders at once");
  return 0;
}

TimelineRef ref_of(TimelineNumber number) { return TimelineRef{static_cast<std::uint32_t>(number) + 1}; }
TimelineNumber number_of(TimelineRef ref) { return static_cast<TimelineNumber>(static_cast<std::uint32_t>(ref) - 1); }

// Staged samples beyond this give their memory back when the scrape is over.
constexpr std::size_t kStagedKept = 1U << 16;
// Which pages are written to changes slowly: a chunk lasts for dozens of scrapes.
constexpr std::int64_t kMarkedEachMs = 20'000;
// Changed samples of a scrape for which page faults are looked at.
constexpr std::size_t kLookedAtFrom = 64;
// In one write of so many; the next one finds what this one did not look for.
constexpr std::uint32_t kLookedAtEach = 8;
// More faults than one for so many of them are not a chunk here and there that was begun: a page holds 32.
constexpr std::size_t kNoticedShare = 100;
// Series looked at after each scrape for what the ring has lost.
constexpr std::uint64_t kSweepSteps = 64;

AppendOutcome judge(const Sample& newest, const Sample& sample) {
  if (sample.time_ms < newest.time_ms) return AppendOutcome::kOutOfOrder;
  return same_bits(newest.value, sample.value) ? AppendOutcome::kUnchanged : AppendOutcome::kDuplicate;
}

}  // namespace

MappedAppender::MappedAppender(RingState& ring)
    : ring_(ring),
      pens_(ring.pens),
      max_series_(ring.geometry.max_series),
      seat_(take_seat(ring.seats)),
      writer_(ring, seat_) {}

MappedAppender::~MappedAppender() {
  while (!timelines_.empty()) close_timeline(ref_of(timelines_.begin()->first));
  ring_.seats[seat_].taken.store(false, std::memory_order_release);
}

MappedAppender::OwnTimeline& MappedAppender::own_timeline(TimelineRef timeline) {
  const auto found = timelines_.find(number_of(timeline));
  CHECK(found != timelines_.end(), "a timeline is its appender's, from open_timeline() to close_timeline()");
  return found->second;
}

Result<TimelineRef> MappedAppender::open_timeline(std::uint64_t identity) {
  const auto opened = ring_.timelines.open(identity);
  if (!opened) return fail(opened.error());
  OwnTimeline& own = timelines_[opened->number];
  own.number = opened->number;
  own.next = opened->next;
  const std::lock_guard lock(ring_.index_mutex);
  ring_.timeline_seats[own.number] = static_cast<std::uint16_t>(seat_ + 1);
  if (!opened->continued) {
    // Those of another timeline that was here before.
    ring_.left_present[own.number].clear();
    return ref_of(own.number);
  }
  if (const auto newest = ring_.timelines.newest_before(own.number, own.next)) {
    own.newest_ms = newest->time_ms;
    own.has_time = true;
  }
  // The series that were present when it was left: those that do not come back are absent from the next scrape on.
  for (const SeriesNumber series : std::exchange(ring_.left_present[own.number], {})) {
    Pen& pen = ring_.pens[series];
    if (pen.owner.load(std::memory_order_seq_cst) != kNoOwner) continue;
    // Meanwhile it may have been on another timeline, or its number be another series'.
    const SeriesPlace place = SeriesPlace::unpack(ring_.entries[series].place.load(std::memory_order_relaxed));
    if (place.timeline != own.number) continue;
    give_to(own, series);
  }
  return ref_of(own.number);
}

void MappedAppender::close_timeline(TimelineRef timeline) {
  OwnTimeline& own = own_timeline(timeline);
  CHECK(open_ != &own, "close_timeline() inside an open scrape of it");
  {
    const std::lock_guard lock(ring_.index_mutex);
    auto& present = ring_.left_present[own.number];
    for (const SeriesNumber series : own.series) {
      Pen& pen = ring_.pens[series];
      if (pen.owner.load(std::memory_order_seq_cst) != owner_of(own.number)) continue;
      if (pen.is_present()) present.push_back(series);
      // What is known of it goes with its owner.
      pen.mode = kUnread;
      pen.owner.store(kNoOwner, std::memory_order_seq_cst);
      before_.erase(series);
      writer_.timed().erase(series);
    }
    ring_.timeline_seats[own.number] = 0;
  }
  ring_.timelines.close(own.number);
  timelines_.erase(number_of(timeline));
}

bool MappedAppender::owned_by_other(const Pen& pen) const {
  const std::uint16_t owner = pen.owner.load(std::memory_order_seq_cst);
  if (owner == kNoOwner || owner == kErasedOwner) return false;
  const std::uint16_t seat = ring_.timeline_seats[owner - 1U];
  return seat != 0 && seat != seat_ + 1;
}

// Makes the series one of the timeline's. REQUIRES: it is nobody else's.
void MappedAppender::give_to(OwnTimeline& timeline, SeriesNumber series) {
  Pen& pen = ring_.pens[series];
  pen.generation = static_cast<std::uint16_t>(ring_.entries[series].changed.load(std::memory_order_relaxed) >> 32);
  pen.owner.store(owner_of(timeline.number), std::memory_order_seq_cst);
  timeline.series.push_back(series);
  ++ring_.series_of_timeline[timeline.number];
  writer_.read_state(series);
  if (pen.is_present()) ++timeline.present;
}

Result<SeriesRef> MappedAppender::upsert(TimelineRef ref, const Labels& labels) {
  OwnTimeline& timeline = own_timeline(ref);
  const std::lock_guard lock(ring_.index_mutex);
  if (const auto known = ring_.index.find(labels)) return take_series(timeline, *known, labels);
  return make_series(timeline, labels);
}

bool MappedAppender::crowded() const {
  return ring_.index.live() >= ring_.geometry.max_series / 10 * 9 ||
         ring_.labels.bytes_used() >= ring_.labels.bytes() / 10 * 9;
}

// A target whose series come and go gets no new ones while they crowd out the others': most of the table is in use, and
// few of those that are this target's live.
bool MappedAppender::churns(const OwnTimeline& timeline) const {
  constexpr std::uint32_t kAllowance = 1000;
  const std::uint32_t live = timeline.present + timeline.made;
  return crowded() && ring_.series_of_timeline[timeline.number] > 2 * live + kAllowance;
}

Result<SeriesRef> MappedAppender::make_series(OwnTimeline& timeline, const Labels& labels) {
  if (crowded()) sweep_under_pressure(ring_, seat_);
  if (churns(timeline)) {
    ring_.counters.refused.fetch_add(1, std::memory_order_relaxed);
    return fail(Errc::kLimitExceeded, "the ring is nearly full, and of this target's {} series only {} live",
                ring_.series_of_timeline[timeline.number], timeline.present + timeline.made);
  }
  auto room = ring_.index.make(labels);
  if (!room) {
    ring_.counters.refused.fetch_add(1, std::memory_order_relaxed);
    return fail(room.error());
  }
  // release: whoever finds the entry in the file finds that it is used.
  Word& used = ring_.superblock.series_used;
  if (used.load(std::memory_order_relaxed) <= room->series) used.store(room->series + 1, std::memory_order_release);
  SeriesEntry& entry = ring_.entries[room->series];
  const auto generation = static_cast<std::uint32_t>(entry.changed.load(std::memory_order_relaxed) >> 32) + 1;
  const std::uint64_t place = SeriesPlace{ChunkLink{}, timeline.number}.pack();
  const std::uint64_t changed = pack_changed(0, generation);
  entry.place.store(place, std::memory_order_release);
  entry.changed.store(changed, std::memory_order_release);
  entry.last.store(0, std::memory_order_release);
  const std::uint32_t check = entry_check(place, 0, changed, room->set, SeriesState::kNew);
  entry.labels.store(pack_labels(room->set, check, SeriesState::kNew), std::memory_order_release);
  ring_.index.insert(room->series);
  has_new_ = true;
  ++timeline.made;
  Pen& pen = ring_.pens[room->series];
  pen.forget();
  give_to(timeline, room->series);
  return make_ref(room->series, generation);
}

Result<SeriesRef> MappedAppender::take_series(OwnTimeline& timeline, SeriesNumber series, const Labels& labels) {
  Pen& pen = ring_.pens[series];
  if (owned_by_other(pen)) return take_from_other(timeline, series, labels);
  const auto generation =
      static_cast<std::uint32_t>(ring_.entries[series].changed.load(std::memory_order_relaxed) >> 32);
  const std::uint16_t owner = pen.owner.load(std::memory_order_seq_cst);
  if (owner == owner_of(timeline.number)) return make_ref(series, generation);
  const SeriesPlace place = SeriesPlace::unpack(ring_.entries[series].place.load(std::memory_order_relaxed));
  const SeriesState state = state_of(ring_.entries[series].labels.load(std::memory_order_relaxed));
  if (owner != kNoOwner) --ring_.series_of_timeline[owner - 1U];
  if (place.timeline != timeline.number && state != SeriesState::kNew) {
    if (const auto newest = find_newest(ring_, series, generation)) before_[series] = *newest;
    writer_.read_state(series);
    const auto former = timelines_.find(place.timeline);
    if (owner != kNoOwner && former != timelines_.end() && pen.is_present()) --former->second.present;
    const bool known = ring_.timelines.known(place.timeline);
    writer_.detach(series, known ? ring_.timelines.count(place.timeline) : 0);
  }
  give_to(timeline, series);
  return make_ref(series, generation);
}

// Another thread may be writing to it at this moment, so that nothing of its entry or its chunk may be touched: the
// series goes on under another number, with its chunks behind it, and the old number is given up.
Result<SeriesRef> MappedAppender::take_from_other(OwnTimeline& timeline, SeriesNumber series, const Labels& labels) {
  auto made = make_series(timeline, labels);
  if (!made) return made;
  const auto old_generation =
      static_cast<std::uint32_t>(ring_.entries[series].changed.load(std::memory_order_acquire) >> 32);
  // The newest sample after the view: at least as new as what the view has, so that the order of times holds.
  const auto view = view_series(ring_, series, old_generation);
  const auto newest = find_newest(ring_, series, old_generation);
  // In this order: a process that ends between the two leaves both, and the next one chooses.
  if (view && view->state != SeriesState::kNew) writer_.take_over(core::ring::number_of(*made), *view);
  erase_series(ring_, series, seat_);
  if (newest) before_[core::ring::number_of(*made)] = *newest;
  return made;
}

void MappedAppender::begin(TimelineRef ref, std::int64_t time_ms) {
  CHECK(open_ == nullptr, "begin() inside an open scrape");
  open_ = &own_timeline(ref);
  // seq_cst, with erase_series(): it takes a series away and then looks here; this comes here and then looks whose a
  // series is. One of the two sees the other.
  Seat& seat = ring_.seats[seat_];
  seat.round.store(seat.round.load(std::memory_order_relaxed) + 1, std::memory_order_seq_cst);
  owner_ = owner_of(open_->number);
  time_ms_ = time_ms;
  late_ = open_->has_time && time_ms <= open_->newest_ms;
  index_ = ring_.timelines.begin(open_->number, open_->next, late_ ? open_->newest_ms : time_ms);
  touched_ = static_cast<std::uint16_t>(index_);
  writer_.begin(open_->number, index_, time_ms);
  still_present_ = 0;
  returning_ = 0;
  appended_ = 0;
}

inline Pen* MappedAppender::pen_of(SeriesRef series, SeriesNumber& number) {
  number = core::ring::number_of(series);
  if (number >= max_series_) [[unlikely]]
    return nullptr;
  Pen& pen = pens_[number];
  const bool own = pen.owner.load(std::memory_order_seq_cst) == owner_ &&
                   pen.generation == static_cast<std::uint16_t>(generation_of(series));
  return own ? &pen : nullptr;
}

AppendOutcome MappedAppender::append(SeriesRef series, double value) {
  CHECK(open_ != nullptr, "append without begin()");
  SeriesNumber number = 0;
  Pen* const pen = pen_of(series, number);
  if (pen == nullptr) [[unlikely]]
    return AppendOutcome::kGone;
  const auto bits = std::bit_cast<std::uint64_t>(value);
  if (!pen->is_present() || late_) [[unlikely]] {
    return append_first(number, *pen, bits);
  }
  if (pen->touched == touched_) [[unlikely]] {
    return bits == pen->last ? AppendOutcome::kUnchanged : AppendOutcome::kDuplicate;
  }
  if (staged_count_ == staged_.size()) [[unlikely]] {
    return append_with_room(series, value);
  }
  // Whether a sample changes anything is a coin's toss to the processor: it is staged anyway, and stays if it does.
  staged_[staged_count_] = {bits, number, StagedSample::kScrape};
  staged_count_ += static_cast<std::size_t>(bits != pen->last);
  pen->last = bits;
  pen->touched = touched_;
  ++still_present_;
  return AppendOutcome::kAppended;
}

// Called last, and never made part of append(), so that what most samples do needs no place to keep anything.
AppendOutcome MappedAppender::append_with_room(SeriesRef series, double value) {
  make_room_to_stage();
  return append(series, value);
}

void MappedAppender::make_room_to_stage() { staged_.resize(std::max<std::size_t>(64, staged_.size() * 2)); }

void MappedAppender::stage(const StagedSample& sample) {
  if (staged_count_ == staged_.size()) make_room_to_stage();
  staged_[staged_count_++] = sample;
}

// Where a sample needs a closer look: the series' first, its first here or after an absence, or one at a time that the
// timeline has passed.
AppendOutcome MappedAppender::append_first(SeriesNumber series, Pen& pen, std::uint64_t bits) {
  const Sample sample{time_ms_, std::bit_cast<double>(bits)};
  const bool timed = pen.mode >= kTimedChunk || (!writer_.timed().empty() && writer_.timed().contains(series));
  if (late_ || timed) return append_own_time(series, pen, sample);
  if (pen.staged != 0) {
    return bits == pen.last ? AppendOutcome::kUnchanged : AppendOutcome::kDuplicate;
  }
  if (const auto before = before_.find(series); before != before_.end()) {
    if (sample.time_ms <= before->second.time_ms) return judge(before->second, sample);
    before_.erase(before);
  }
  stage(series, pen, bits);
  return AppendOutcome::kAppended;
}

void MappedAppender::stage(SeriesNumber series, Pen& pen, std::uint64_t bits) {
  pen.touched = touched_;
  pen.staged = 1;
  pen.last = bits;
  ++appended_;
  ++returning_;
  stage({bits, series, StagedSample::kScrape});
}

std::optional<Sample> MappedAppender::newest_of(SeriesNumber series) {
  const Pen& pen = ring_.pens[series];
  if (const auto timed = writer_.timed().find(series); timed != writer_.timed().end()) {
    return Sample{timed->second.time_ms, std::bit_cast<double>(pen.last)};
  }
  if (const auto before = before_.find(series); before != before_.end()) return before->second;
  const bool has_sample = pen.is_present() ? pen.touched == touched_ : pen.staged != 0;
  if (!late_ && has_sample) return Sample{time_ms_, std::bit_cast<double>(pen.last)};
  const auto generation =
      static_cast<std::uint32_t>(ring_.entries[series].changed.load(std::memory_order_relaxed) >> 32);
  return find_newest(ring_, series, generation);
}

AppendOutcome MappedAppender::append_own_time(SeriesNumber series, Pen& pen, Sample sample) {
  if (const auto newest = newest_of(series); newest && sample.time_ms <= newest->time_ms) {
    return judge(*newest, sample);
  }
  before_.erase(series);
  writer_.timed()[series].time_ms = sample.time_ms;
  if (pen.mode == kBare) pen.mode = kBareToTimed;
  if (pen.mode == kChunk) pen.mode = kChunkToTimed;
  pen.last = std::bit_cast<std::uint64_t>(sample.value);
  stage({pen.last, series, StagedSample::kOwnTime + static_cast<std::uint32_t>(own_times_.size())});
  own_times_.push_back(sample.time_ms);
  ++appended_;
  return AppendOutcome::kAppended;
}

AppendOutcome MappedAppender::append_at(SeriesRef series, Sample sample) {
  CHECK(open_ != nullptr, "append without begin()");
  if (sample.time_ms == time_ms_) return append(series, sample.value);
  SeriesNumber number = 0;
  Pen* const pen = pen_of(series, number);
  if (pen == nullptr) return AppendOutcome::kGone;
  return append_own_time(number, *pen, sample);
}

// A series that is present and has no sample in this scrape is absent from it on.
void MappedAppender::stage_absences() {
  auto& series = open_->series;
  std::uint32_t present = 0;
  std::size_t kept = 0;
  for (const SeriesNumber each : series) {
    const Pen& pen = ring_.pens[each];
    if (pen.owner.load(std::memory_order_seq_cst) != owner_) continue;
    series[kept++] = each;
    if (!pen.is_present()) continue;
    if (pen.touched == touched_) {
      ++present;
    } else {
      stage({0, each, StagedSample::kAbsence});
    }
  }
  series.resize(kept);
  open_->present = present;
}

void MappedAppender::publish() {
  CHECK(open_ != nullptr, "publish without begin()");
  if (!late_ && still_present_ != open_->present) stage_absences();
  open_->present += returning_;
  ring_.timelines.begin_writing(open_->number);
  write_staged();
  open_->next = index_ + 1;
  if (late_) {
    // A scrape without a time: its samples have their own.
    ring_.timelines.burn(open_->number, index_);
  } else {
    ring_.timelines.publish(open_->number, index_);
    open_->newest_ms = time_ms_;
    open_->has_time = true;
  }
  open_->made = 0;
  staged_count_ = 0;
  own_times_.clear();
  if (staged_.size() > kStagedKept) {
    staged_.clear();
    staged_.shrink_to_fit();
  }
  if (own_times_.capacity() > kStagedKept) own_times_.shrink_to_fit();
  ring_.counters.appended.fetch_add(appended_ + still_present_, std::memory_order_relaxed);
  open_ = nullptr;
  Seat& seat = ring_.seats[seat_];
  seat.round.store(seat.round.load(std::memory_order_relaxed) + 1, std::memory_order_seq_cst);
  tidy_up();
}

void MappedAppender::write_staged() {
  // The two calls cost as much as a hundred samples.
  const bool looks = staged_count_ >= kLookedAtFrom && writes_++ % kLookedAtEach == 0;
  const long faults = looks ? HotPages::page_faults() : 0;
  writer_.write(staged(), own_times_);
  if (looks && static_cast<std::size_t>(HotPages::page_faults() - faults) > staged_count_ / kNoticedShare) {
    ring_.hot.notice();
  }
  // The wall clock may have been set back.
  if (time_ms_ < open_->marked_ms || time_ms_ - open_->marked_ms >= kMarkedEachMs) mark_pages();
}

// What this scrape wrote to, the next ones will.
void MappedAppender::mark_pages() {
  open_->marked_ms = time_ms_;
  for (const StagedSample& sample : staged()) {
    const SeriesEntry& entry = ring_.entries[sample.series];
    ring_.hot.mark(&entry);
    const SeriesPlace place = SeriesPlace::unpack(entry.place.load(std::memory_order_relaxed));
    if (ring_.slots.known(place.head)) ring_.hot.mark(&ring_.slots.slot(place.head.slot));
  }
}

// Shows the new series to readers, and looks for what can be given up: that can wait while another thread has the lock.
void MappedAppender::tidy_up() {
  std::unique_lock lock(ring_.index_mutex, std::defer_lock);
  if (std::exchange(has_new_, false)) {
    lock.lock();
  } else if (!lock.try_lock()) {
    return;
  }
  if (ring_.publishes++ == 0) ring_.first_ms = time_ms_;
  ring_.newest_ms = std::max(ring_.newest_ms, time_ms_);
  ring_.index.flush();
  sweep(ring_, kSweepSteps, seat_);
  if (ring_.index.needs_collecting()) collect_erased(ring_);
}

}  // namespace core::ring

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "collector/scrape/body_buffers.h"
#include "collector/scrape/reading_time.h"
#include "collector/scrape/shard.h"
#include "collector/scrape/target.h"
#include "collector/scrape/target_series.h"
#include "core/net/http_client.h"
#include "core/time/clock.h"
#include "core/time/cpu_time.h"
#include "core/time/scheduler.h"

namespace collector::scrape {

// A scrape has landed: whatever reads its series may look now.
struct Arrival {
  std::string job;
  std::string instance;
  std::int64_t time_ms = 0;
};

// Counts over all targets, since the start.
//
// Thread safety: any thread. Every access is relaxed: each number stands alone.
struct ScrapeStats {
  std::atomic<std::uint64_t> scrapes{0};
  std::atomic<std::uint64_t> failures{0};
  std::atomic<std::uint64_t> samples{0};  // read, whether stored or not
  std::atomic<std::uint64_t> missed_ticks{0};
  std::atomic<std::uint64_t> queue_full{0};
  std::atomic<std::uint64_t> out_of_order{0};
  std::atomic<std::uint64_t> duplicates{0};
  std::atomic<std::uint64_t> out_of_bounds{0};
  std::atomic<std::uint64_t> series_refused{0};
  std::atomic<std::uint64_t> tolerated{0};
  std::atomic<std::uint64_t> over_size{0};         // scrapes that failed for the size of their body
  std::atomic<std::uint64_t> over_memory{0};       // for want of memory: bodies, samples or lines of all targets
  std::atomic<std::uint64_t> families_refused{0};  // HELP, TYPE and UNIT lines that were not noted
  std::atomic<std::uint64_t> moved{0};             // targets that went to the shard of the large ones
  std::atomic<std::uint64_t> target_errors{0};     // targets that could not be made
};

// Bodies, unpacked, that any shard reads; larger ones are for the shard of the large ones.
inline constexpr std::uint64_t kSmallBodyBytesMax = 1 << 20;
// Processor time of one scrape's reading and writing, past which its target goes there too.
inline constexpr core::Duration kSmallCpuMax = std::chrono::milliseconds(25);
// Bodies as they came, and processor time of the scrape before, up to which the loop's thread takes a scrape in itself
// while its shard has nothing to do.
inline constexpr std::uint64_t kHereBodyBytesMax = 256 << 10;
inline constexpr core::Duration kHereCpuMax = std::chrono::milliseconds(1);

// What a loop stands on. Everything outlives the loops.
struct LoopContext {
  const core::Clock& clock;
  core::Scheduler& scheduler;
  core::net::HttpClient& http;
  ScrapeStats& stats;
  BodyBuffers& buffers;
  // Called on the target's shard after its samples are readable. May be empty; must not block.
  std::function<void(const Arrival&)> on_arrival;
  // Where targets are taken in that cost much, so that no other waits behind them; none: with the others.
  Shard* large = nullptr;
  ScrapeMemory memory;
  ReadingTime& reading_time;                                         // of the loops' thread
  std::function<core::Duration()> cpu_time = core::thread_cpu_time;  // of the calling thread
};

enum class Health { kUnknown, kUp, kDown };

std::string_view to_string(Health health);  // unknown, up, down

// A target as /api/v1/targets shows it.
struct TargetStatus {
  Target target;
  std::string scrape_pool;
  std::string last_error;
  std::optional<core::WallTime> last_scrape;
  core::Duration last_duration{};
  Health health = Health::kUnknown;
  ScrapeReport last_report;
};

// How a loop's series end.
enum class Ending {
  kSilent,     // no markers: the job is gone, or the agent stops
  kMarkStale,  // the target is gone: its series are marked stale, after the time of a tick in which it might come back
};

// Scrapes one target at its times: once an interval, at an instant of it that the target's hash picks, never two at
// once. Fetching is the HTTP client's work on the I/O thread; unpacking, reading and appending the shard's, unless the
// target is known to cost little: then that thread does it in the idle shard's place, for a share of its time. A target
// whose body is large or takes long to read moves to a shard of its like, once and for as long as the loop lives.
//
// Thread safety: confined to the scheduler's thread, except status() and metadata(): any thread.
class ScrapeLoop : public std::enable_shared_from_this<ScrapeLoop> {
 public:
  // `limit_error` is why this target must not be asked at all (target_limit); empty if it may.
  ScrapeLoop(const LoopContext& context, Shard& shard, std::shared_ptr<const Job> job, Target target,
             std::string limit_error);

  // Goes on with the series and the status of `before`, which must have been stopped by hand_over().
  void take_over(ScrapeLoop& before);
  // REQUIRES: once. `seed` tells replicas apart.
  void start(std::uint64_t seed);
  void stop(Ending ending);
  // Stops, leaving the series to another loop.
  void hand_over();
  // Takes back what stop() has planned; for the end of the agent.
  void abandon();
  // What discovery says of a target that is otherwise the same; and why it must not be asked any more, empty if it may.
  void update(const core::ring::Labels& discovered, const std::string& limit_error);
  // After stop(kMarkStale): whether the markers are written.
  bool ended() const { return ended_; }

  const Target& target() const { return target_; }
  TargetStatus status() const;
  std::vector<FamilyMetadata> metadata() const { return series_->metadata(); }

 private:
  void schedule_tick();
  void tick();
  void scrape();
  core::net::Request make_request() const;
  std::int64_t aligned_time_ms();
  void fetched(core::Result<core::net::Response> response);
  void ingest(Fetch fetch);
  void post(const std::shared_ptr<Fetch>& fetch);
  bool run_here(const Fetch& fetch, const Shard::Task& task);
  void move(const std::shared_ptr<Fetch>& fetch);
  void moved(const std::shared_ptr<Fetch>& fetch);
  void take_in(core::ring::Appender& appender, Shard& shard, const std::shared_ptr<Fetch>& fetch);
  void judge(core::Duration spent);
  bool unpack(Fetch& fetch, std::uint64_t limit);
  void refuse(std::int64_t time_ms);
  void note(const Fetch& fetch, const ScrapeReport& report);
  void end_scrape();
  void done();
  void halt();
  void wait_to_end(core::SteadyTime when, std::int64_t marker_ms);

  const LoopContext& context_;
  Shard* shard_;
  std::shared_ptr<const Job> job_;
  Target target_;
  std::string limit_error_;
  std::shared_ptr<TargetSeries> series_;

  core::SteadyTime next_tick_{};
  core::TimerId timer_ = 0;
  core::net::TransferId transfer_ = 0;
  std::optional<core::WallTime> grid_;  // the last ideal instant
  Fetch fetch_;                         // under way
  bool started_ = false;
  bool stopped_ = false;
  bool ended_ = false;
  // The loop's thread begins a scrape and finds out, at a tick, that one is under way; the shard ends it. acq_rel: what
  // one did before is seen by the other after.
  enum class Flight : std::uint8_t { kNone, kOne, kOneAndTickWaits };
  std::atomic<Flight> flight_{Flight::kNone};
  // What taking in a scrape costs: as the last one has shown, but that much is much for ever. release and acquire: with
  // the scrape that showed it.
  enum class Cost : std::uint8_t { kUsual, kLittle, kMuch };
  std::atomic<Cost> cost_{Cost::kUsual};
  std::optional<core::net::Request> request_;  // the part of it that stays

  mutable std::mutex status_mutex_;
  TargetStatus status_;  // guarded by status_mutex_
};

}  // namespace collector::scrape

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "collector/remote_write/batch_reader.h"
#include "collector/remote_write/cursor_store.h"
#include "collector/remote_write/remote_status.h"
#include "collector/remote_write/remote_write_config.h"
#include "collector/remote_write/verdict.h"
#include "core/net/http_client.h"
#include "core/time/scheduler.h"

namespace collector::remote_write {

// What a remote works with; all of it outlives the remote.
struct RemoteContext {
  const core::Clock& clock;
  core::Scheduler& strand;  // callbacks run one at a time, and may wait for the disk
  core::net::HttpClient& http;
  const core::ring::Reader& reader;
  CursorStore& store;
  std::function<void(LogLevel, const std::string&)> log;
  std::function<std::vector<FamilyText>()> metadata;
};

// A request of the protocol. Errors: a secret's file cannot be read.
core::Result<core::net::Request> make_request(const RemoteWriteConfig& config, std::string body, std::uint64_t attempt);

// One receiver, and the way of the samples to it. It goes over the ring in passes, each up to one moment; the ring is
// the buffer, and only what is being sent is held beside it. A pass is over when every sample of it was taken, or
// refused for good. Where it began is stored first, so that another process can repeat it.
//
// Thread safety: confined to its strand, except status() and in_flight(): any thread. Made by std::make_shared: answers
// that come when it has gone find nobody.
class Remote : public std::enable_shared_from_this<Remote> {
 public:
  // The longest stretch of time that a pass over the past takes on.
  static constexpr core::Millis kWindowMax = std::chrono::hours(1);
  static constexpr core::Millis kWindowMin = std::chrono::seconds(10);
  // A saved list of cursors that does not fit the ring says only how far all were: samples that were late are sent
  // again.
  static constexpr core::Millis kLateness = std::chrono::seconds(60);

  Remote(RemoteContext context, std::string name, RemoteWriteConfig config, core::ring::Labels external_labels,
         std::optional<SavedCursor> saved);

  void start();
  // Whether it may go on as it is under these.
  bool same(const RemoteWriteConfig& config, const core::ring::Labels& external_labels) const {
    return config_ == config && external_labels_ == external_labels;
  }
  // Sends no more. Requests that were sent are still judged.
  void hold() { held_ = true; }
  // Requests without an answer. Any thread.
  std::uint64_t in_flight() const { return in_flight_; }
  // Takes back what has no answer and stores the cursor. Nothing calls back afterwards.
  SavedCursor stop();

  RemoteStatus status() const;

 private:
  struct Lane {
    explicit Lane(const QueueConfig& queue) : backoff(queue.min_backoff, queue.max_backoff) {}
    std::deque<Batch> ready;  // the first one is being sent while `attempt` is not 0
    bool read = false;        // nothing more in this pass
    std::uint64_t attempt = 0;
    core::SteadyTime sent_at;
    core::net::TransferId transfer = 0;
    core::TimerId timer = 0;  // of the next attempt
    Backoff backoff;
  };

  SeriesCursors restore(const std::optional<SavedCursor>& saved);
  std::int64_t choose_end(std::int64_t now_ms, const core::ring::RingUsage& usage);
  void tick();
  void begin_pass(std::int64_t now_ms, const core::ring::RingUsage& usage);
  void advance(std::size_t lane);
  void send(std::size_t lane);
  void answered(std::uint64_t pass, std::size_t lane, const core::Result<core::net::Response>& answer);
  void retry(std::size_t lane, const Verdict& verdict);
  void dropped(const Batch& batch, const Verdict& verdict);
  void took(const Batch& batch, const Verdict& verdict);
  void drop_aged(std::size_t lane);
  void finish_if_done();
  void cover();
  void adapt(core::Duration took);
  void schedule(core::SteadyTime when);
  void save(std::int64_t end_ms);
  SavedCursor cursor(std::int64_t end_ms) const;
  void note_losses(Loss loss);
  void log(LogLevel level, const std::string& text);
  template <class Change>
  void note(Change&& change) {
    const std::lock_guard lock(mutex_);
    change(status_);
  }

  const RemoteContext context_;
  const std::string name_;
  const RemoteWriteConfig config_;
  const core::ring::Labels external_labels_;

  // Before batches_, which what was saved is for.
  std::int64_t covered_ms_ = 0;
  std::int64_t repeat_end_ms_ = 0;  // of the pass to repeat first; 0: none
  bool repeated_ = false;           // the pass was begun by a process before: some of it may have been taken

  BatchReader batches_;
  bool held_ = false;
  bool stopped_ = false;
  core::TimerId timer_ = 0;  // of the next pass
  core::SteadyTime looked_;  // when tick() last looked at the clock

  // The pass.
  std::uint64_t pass_ = 0;  // its number; 0: none yet
  bool under_way_ = false;
  bool retried_ = false;  // a request of it failed
  std::int64_t end_ms_ = 0;
  core::SteadyTime begun_;
  std::int64_t begun_ms_ = 0;
  std::vector<Lane> lanes_;

  std::uint64_t appended_ = 0;  // samples in the ring, ever, when the last pass began
  bool caught_up_ = false;      // the last pass left nothing
  std::uint64_t shards_ = 1;
  core::Millis window_ = std::chrono::minutes(1);
  bool failing_ = false;  // the last request failed; said once
  core::SteadyTime drop_said_{};
  bool drop_was_said_ = false;

  std::atomic<std::uint64_t> in_flight_{0};
  mutable std::mutex mutex_;
  RemoteStatus status_;  // guarded by mutex_
};

}  // namespace collector::remote_write

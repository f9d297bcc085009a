// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "actions/notify/dispatcher.h"
#include "actions/notify/ledger.h"
#include "actions/receivers/notification.h"
#include "actions/receivers/receiver.h"

namespace actions::notify {

struct OutboxLimits {
  std::size_t messages_max = 1000;   // waiting for one integration; more: the oldest is dropped
  std::size_t bytes_max = 16 << 20;  // of their documents; more: the oldest is dropped
  std::size_t in_flight_max = 4;     // to one integration, each of another key; 1 while it fails
  core::Millis expiry = std::chrono::hours(24);
  core::Millis backoff_first = std::chrono::seconds(1);  // doubles with each failure
  core::Millis backoff_max = std::chrono::seconds(60);
};

// What happened to the messages of one integration. Every message enqueued ends in exactly one of delivered, rejected,
// expired, overflowed, collapsed and orphaned, or waits.
struct LaneCounters {
  std::uint64_t enqueued = 0;
  std::uint64_t delivered = 0;
  std::uint64_t attempts = 0;
  std::uint64_t retried = 0;     // attempts that failed and are made again
  std::uint64_t rejected = 0;    // dead letters: the receiver will never take them
  std::uint64_t expired = 0;     // waited longer than `expiry`
  std::uint64_t overflowed = 0;  // pushed out by the bounds
  std::uint64_t collapsed = 0;   // said nothing that a later message of the same group does not say
  std::uint64_t orphaned = 0;    // their integration left the configuration
};

// The state of one integration, for the page, the API and metrics.
struct LaneStatus {
  std::string integration;
  std::size_t waiting = 0;
  std::size_t bytes = 0;
  std::optional<core::Millis> oldest_age;
  std::uint64_t consecutive_failures = 0;
  std::string stopped;     // why nothing is sent until the configuration changes; empty: it is sent
  std::string last_error;  // of the last failure
  LaneCounters counters;
};

// The messages that wait for their receivers, in order per integration and key, one of a key in flight at a time.
// Holds no clock and does no input or output: what is to be written goes into Changes.
//
// A message is collapsed into a later one of its key if the later says all that it says: every alert with the same
// state and start. So a firing and its resolution are never collapsed.
//
// Thread safety: confined to its strand.
class Outbox {
 public:
  explicit Outbox(OutboxLimits limits) : limits_(limits) {}

  // A row of an earlier life. False if it cannot be read any more.
  bool restore(const OutboxRow& row, Instant now);
  void add(Outgoing message, Instant now, Changes& changes);

  struct Attempt {
    std::int64_t id;
    const std::string* integration;
    const receivers::Notification* notification;  // valid until the outbox changes
  };
  // The next message to send now, which is in flight from here on until finish(); nothing if none may be sent now.
  std::optional<Attempt> next(Instant now);
  // `jitter` in [0, 1) spreads the retries.
  void finish(std::int64_t id, const receivers::Verdict& verdict, Instant now, double jitter, Changes& changes);

  // Drops what has waited too long.
  void expire(Instant now, Changes& changes);
  // When next() or expire() has something to do; nothing while all is quiet.
  std::optional<core::SteadyTime> next_wakeup() const;

  // What the new configuration calls the integrations; those it does not have are dropped. Receivers that had stopped
  // are tried again.
  void reconfigure(const std::map<std::string, std::string>& new_ids, const std::set<std::string>& known,
                   Changes& changes);
  std::set<std::string> integrations() const;
  std::vector<LaneStatus> status(Instant now) const;

 private:
  struct Entry {
    std::int64_t id = 0;
    std::string key;
    receivers::Notification notification;
    std::size_t bytes = 0;
    core::SteadyTime created;
    std::int64_t created_ms = 0;
    core::SteadyTime expires;
    std::int64_t expires_ms = 0;
    std::int64_t attempts = 0;
    core::SteadyTime next_attempt;
    std::int64_t next_attempt_ms = 0;
    bool in_flight = false;
  };
  // What waits for one integration.
  struct Lane {
    std::map<std::int64_t, Entry> entries;
    std::size_t bytes = 0;
    std::size_t in_flight = 0;
    std::uint64_t failures = 0;  // since the last success
    core::SteadyTime resume_at = core::SteadyTime::min();
    std::string stopped;
    std::string last_error;
    LaneCounters counters;
  };

  OutboxRow row_of(const std::string& integration, const Entry& entry) const;
  void collapse(Lane& lane, const Entry& newer, Changes& changes);
  void make_room(Lane& lane, std::size_t bytes, Changes& changes);
  std::map<std::int64_t, Entry>::iterator drop(Lane& lane, std::map<std::int64_t, Entry>::iterator entry,
                                               Changes& changes);
  core::Millis backoff(std::uint64_t failures, double jitter) const;
  std::vector<Entry*> heads(Lane& lane) const;
  std::size_t free_places(const Lane& lane) const;

  OutboxLimits limits_;
  std::map<std::string, Lane> lanes_;
  std::map<std::int64_t, std::string> integration_of_;
  std::int64_t last_id_ = 0;
};

}  // namespace actions::notify

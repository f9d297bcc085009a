// SPDX-License-Identifier: Apache-2.0
#include "actions/notify/outbox.h"

#include <algorithm>
#include <tuple>
#include <vector>

#include "actions/receivers/sha256.h"
#include "core/check.h"

namespace actions::notify {
namespace {

using core::Millis;
using receivers::Alert;
using receivers::Notification;
using receivers::Verdict;

using Fact = std::tuple<std::uint64_t, bool, std::int64_t>;

// What a message says: of each alert whether it fires or is resolved, and since when.
std::vector<Fact> facts(const Notification& notification) {
  std::vector<Fact> all;
  for (const Alert& alert : notification.alerts) {
    all.emplace_back(alert.labels.fingerprint(), alert.resolved(), core::to_unix_ms(alert.starts_at));
  }
  std::sort(all.begin(), all.end());
  return all;
}

bool says_all_of(const Notification& newer, const Notification& older) {
  const std::vector<Fact> have = facts(newer);
  const std::vector<Fact> need = facts(older);
  return std::includes(have.begin(), have.end(), need.begin(), need.end());
}

// How long from now until a stored wall time, at most `bound`: a clock that was stepped cannot stretch it.
Millis until(std::int64_t wall_ms, Instant now, Millis bound) {
  return std::clamp(Millis(wall_ms - core::to_unix_ms(now.wall)), Millis(0), bound);
}

}  // namespace

OutboxRow Outbox::row_of(const std::string& integration, const Entry& entry) const {
  return {.id = entry.id,
          .integration = integration,
          .key = entry.key,
          .document = receivers::to_json(entry.notification),
          .created_ms = entry.created_ms,
          .expires_ms = entry.expires_ms,
          .attempts = entry.attempts,
          .next_attempt_ms = entry.next_attempt_ms};
}

bool Outbox::restore(const OutboxRow& row, Instant now) {
  last_id_ = std::max(last_id_, row.id);
  auto notification = receivers::from_json(row.document);
  if (!notification) return false;
  Lane& lane = lanes_[row.integration];
  Entry entry;
  entry.id = row.id;
  entry.key = row.key;
  entry.notification = std::move(*notification);
  entry.bytes = row.document.size();
  const Millis age(std::max<std::int64_t>(core::to_unix_ms(now.wall) - row.created_ms, 0));
  entry.created = now.steady - std::min(age, limits_.expiry);
  entry.created_ms = row.created_ms;
  entry.expires = now.steady + until(row.expires_ms, now, limits_.expiry);
  entry.expires_ms = row.expires_ms;
  entry.attempts = row.attempts;
  entry.next_attempt = now.steady + until(row.next_attempt_ms, now, receivers::kRetryAfterMax);
  entry.next_attempt_ms = row.next_attempt_ms;
  // A pause that the receiver asked for outlives the process.
  if (entry.next_attempt > now.steady) lane.resume_at = std::max(lane.resume_at, entry.next_attempt);
  if (entry.attempts > 0) lane.failures = 1;  // probe with one message first
  lane.bytes += entry.bytes;
  integration_of_[entry.id] = row.integration;
  lane.entries.emplace(entry.id, std::move(entry));
  return true;
}

void Outbox::add(Outgoing message, Instant now, Changes& changes) {
  Lane& lane = lanes_[message.integration];
  Entry entry;
  entry.id = ++last_id_;
  entry.key = message.notification.group_key;
  entry.notification = std::move(message.notification);
  entry.created = now.steady;
  entry.created_ms = core::to_unix_ms(now.wall);
  entry.expires = now.steady + limits_.expiry;
  entry.expires_ms = entry.created_ms + limits_.expiry.count();
  entry.next_attempt = now.steady;
  entry.next_attempt_ms = entry.created_ms;
  entry.notification.delivery_id =
      receivers::sha256_hex(fmt::format("{}\n{}\n{}\n{}", message.integration, entry.key, entry.created_ms, entry.id))
          .substr(0, 32);
  ++lane.counters.enqueued;
  collapse(lane, entry, changes);
  OutboxRow row = row_of(message.integration, entry);
  entry.bytes = row.document.size();
  make_room(lane, entry.bytes, changes);
  lane.bytes += entry.bytes;
  integration_of_[entry.id] = message.integration;
  changes.save_row(std::move(row));
  lane.entries.emplace(entry.id, std::move(entry));
}

std::map<std::int64_t, Outbox::Entry>::iterator Outbox::drop(Lane& lane, std::map<std::int64_t, Entry>::iterator entry,
                                                             Changes& changes) {
  changes.remove_row(entry->first);
  integration_of_.erase(entry->first);
  lane.bytes -= entry->second.bytes;
  if (entry->second.in_flight) --lane.in_flight;
  return lane.entries.erase(entry);
}

void Outbox::collapse(Lane& lane, const Entry& newer, Changes& changes) {
  // From the newest back, as long as nothing would be lost: what stands before a kept message keeps its place.
  for (auto it = lane.entries.end(); it != lane.entries.begin();) {
    --it;
    if (it->second.key != newer.key) continue;
    if (it->second.in_flight || !says_all_of(newer.notification, it->second.notification)) return;
    ++lane.counters.collapsed;
    it = drop(lane, it, changes);
  }
}

void Outbox::make_room(Lane& lane, std::size_t bytes, Changes& changes) {
  for (auto it = lane.entries.begin(); it != lane.entries.end();) {
    if (lane.entries.size() < limits_.messages_max && lane.bytes + bytes <= limits_.bytes_max) return;
    if (it->second.in_flight) {
      ++it;
      continue;
    }
    ++lane.counters.overflowed;
    it = drop(lane, it, changes);
  }
}

std::size_t Outbox::free_places(const Lane& lane) const {
  const std::size_t allowed = lane.failures > 0 ? 1 : limits_.in_flight_max;
  return allowed > lane.in_flight ? allowed - lane.in_flight : 0;
}

// The oldest message of each key, without those in flight.
std::vector<Outbox::Entry*> Outbox::heads(Lane& lane) const {
  std::vector<Entry*> first;
  std::set<std::string_view> keys;
  for (auto& [id, entry] : lane.entries) {
    if (keys.insert(entry.key).second && !entry.in_flight) first.push_back(&entry);
  }
  return first;
}

std::optional<Outbox::Attempt> Outbox::next(Instant now) {
  for (auto& [integration, lane] : lanes_) {
    if (!lane.stopped.empty() || lane.resume_at > now.steady || free_places(lane) == 0) continue;
    Entry* chosen = nullptr;
    // Fewest attempts first, so that one message that always fails cannot hold up the others.
    for (Entry* const entry : heads(lane)) {
      if (entry->next_attempt > now.steady) continue;
      if (chosen == nullptr || entry->attempts < chosen->attempts) chosen = entry;
    }
    if (chosen == nullptr) continue;
    chosen->in_flight = true;
    ++lane.in_flight;
    ++lane.counters.attempts;
    return Attempt{chosen->id, &integration, &chosen->notification};
  }
  return std::nullopt;
}

Millis Outbox::backoff(std::uint64_t failures, double jitter) const {
  Millis delay = limits_.backoff_first;
  for (std::uint64_t i = 1; i < failures && delay < limits_.backoff_max; ++i) delay *= 2;
  delay = std::min(delay, limits_.backoff_max);
  return Millis(static_cast<std::int64_t>(static_cast<double>(delay.count()) * (0.8 + 0.4 * jitter)));
}

void Outbox::finish(std::int64_t id, const Verdict& verdict, Instant now, double jitter, Changes& changes) {
  const auto integration = integration_of_.find(id);
  if (integration == integration_of_.end()) return;  // dropped while it was under way
  Lane& lane = lanes_.at(integration->second);
  const auto found = lane.entries.find(id);
  CHECK(found != lane.entries.end(), "every known message is in the lane of its integration");
  Entry& entry = found->second;
  if (!entry.in_flight) return;
  if (verdict.pause) lane.resume_at = std::max(lane.resume_at, now.steady + *verdict.pause);
  if (verdict.kind != Verdict::Kind::kDelivered) lane.last_error = verdict.why;
  switch (verdict.kind) {
    case Verdict::Kind::kDelivered:
      ++lane.counters.delivered;
      lane.failures = 0;
      drop(lane, found, changes);
      return;
    case Verdict::Kind::kReject: {
      ++lane.counters.rejected;
      lane.failures = 0;
      const OutboxRow row = row_of(integration->second, entry);
      changes.dead_letters.push_back({row.integration, row.key, row.document, core::to_unix_ms(now.wall), verdict.why});
      drop(lane, found, changes);
      return;
    }
    case Verdict::Kind::kStop:
      lane.stopped = verdict.why;
      break;
    case Verdict::Kind::kRetry:
      ++lane.counters.retried;
      break;
  }
  entry.in_flight = false;
  --lane.in_flight;
  ++lane.failures;
  ++entry.attempts;
  if (!verdict.pause) lane.resume_at = std::max(lane.resume_at, now.steady + backoff(lane.failures, jitter));
  const Millis wait = verdict.pause ? *verdict.pause : backoff(static_cast<std::uint64_t>(entry.attempts), jitter);
  entry.next_attempt = now.steady + wait;
  entry.next_attempt_ms = core::to_unix_ms(now.wall + wait);
  changes.save_row(row_of(integration->second, entry));
}

void Outbox::expire(Instant now, Changes& changes) {
  for (auto& [integration, lane] : lanes_) {
    for (auto it = lane.entries.begin(); it != lane.entries.end();) {
      if (it->second.in_flight || it->second.expires > now.steady) {
        ++it;
        continue;
      }
      ++lane.counters.expired;
      it = drop(lane, it, changes);
    }
  }
}

std::optional<core::SteadyTime> Outbox::next_wakeup() const {
  std::optional<core::SteadyTime> next;
  const auto consider = [&](core::SteadyTime when) { next = next ? std::min(*next, when) : when; };
  for (const auto& [integration, lane] : lanes_) {
    const bool may_send = lane.stopped.empty() && free_places(lane) > 0;
    std::set<std::string_view> keys;
    for (const auto& [id, entry] : lane.entries) {
      if (!entry.in_flight) consider(entry.expires);
      if (!keys.insert(entry.key).second || entry.in_flight || !may_send) continue;
      consider(std::max(lane.resume_at, entry.next_attempt));
    }
  }
  return next;
}

void Outbox::reconfigure(const std::map<std::string, std::string>& new_ids, const std::set<std::string>& known,
                         Changes& changes) {
  for (const auto& [from, to] : new_ids) {
    auto moved = lanes_.extract(from);
    if (!moved || lanes_.contains(to)) continue;
    moved.key() = to;
    for (const auto& [id, entry] : moved.mapped().entries) {
      integration_of_[id] = to;
      changes.save_row(row_of(to, entry));
    }
    lanes_.insert(std::move(moved));
  }
  for (auto& [integration, lane] : lanes_) {
    if (!lane.stopped.empty()) {
      lane.stopped.clear();
      lane.resume_at = core::SteadyTime::min();
      for (auto& [id, entry] : lane.entries) entry.next_attempt = core::SteadyTime::min();
    }
    if (known.contains(integration)) continue;
    for (auto it = lane.entries.begin(); it != lane.entries.end();) {
      ++lane.counters.orphaned;
      it = drop(lane, it, changes);
    }
  }
  for (const std::string& integration : known) lanes_.try_emplace(integration);
}

std::set<std::string> Outbox::integrations() const {
  std::set<std::string> ids;
  for (const auto& [integration, lane] : lanes_) ids.insert(integration);
  return ids;
}

std::vector<LaneStatus> Outbox::status(Instant now) const {
  std::vector<LaneStatus> all;
  for (const auto& [integration, lane] : lanes_) {
    LaneStatus status;
    status.integration = integration;
    status.waiting = lane.entries.size();
    status.bytes = lane.bytes;
    if (!lane.entries.empty()) {
      status.oldest_age = std::chrono::floor<Millis>(now.steady - lane.entries.begin()->second.created);
    }
    status.consecutive_failures = lane.failures;
    status.stopped = lane.stopped;
    status.last_error = lane.last_error;
    status.counters = lane.counters;
    all.push_back(std::move(status));
  }
  return all;
}

}  // namespace actions::notify

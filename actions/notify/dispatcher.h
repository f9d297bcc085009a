// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "actions/notify/inhibition.h"
#include "actions/notify/route.h"
#include "actions/notify/time_interval.h"
#include "actions/receivers/notification.h"
#include "core/time/clock.h"

namespace actions::notify {

// One time on both clocks: the steady one decides, the wall one is shown.
struct Instant {
  core::SteadyTime steady;
  core::WallTime wall;
};

// One way in which a receiver is told: an entry of its lists.
struct Integration {
  std::string id;  // stable while its target is: see integration_id in delivery.h
  bool send_resolved = true;
};

// All that decisions are made by, compiled from a NotifyConfig.
//
// Thread safety: immutable after construction.
struct Routing {
  Route root;
  std::map<std::string, std::vector<Integration>> receivers;
  std::vector<InhibitRule> inhibit_rules;
  std::map<std::string, std::vector<IntervalSpec>> time_intervals;
  std::string external_url;
};

// What is known of an alert: it fires until it is resolved or was not heard of for too long.
struct AlertNews {
  receivers::Alert alert;    // ends_at: it is resolved
  core::Millis valid_for{};  // of a firing one, from now on
};

// An alert inside a group.
struct HeldAlert {
  receivers::Alert alert;
  core::Millis valid_for{};
  core::SteadyTime valid_until;
};

// What an integration was last told of a group.
struct Told {
  std::map<std::uint64_t, std::int64_t>
      firing;  // fingerprint -> startsAt in ms, told as firing and not yet as resolved
  core::SteadyTime at;
};

// The alerts of one route that share the group labels, and what is known of them outside.
struct Group {
  std::string id;
  std::string route_id;
  std::string receiver;
  std::string key;  // as receivers see it
  core::ring::Labels labels;
  std::map<std::uint64_t, HeldAlert> alerts;
  std::map<std::string, Told> told;  // by integration
  core::Millis interval{};           // group_interval when it last mattered
  core::SteadyTime next_flush;
  core::SteadyTime next_repeat = core::SteadyTime::max();
  bool changed = false;  // since the last flush
};

// A group as a document that outlives the process. Times are wall times there; reading gives them steady times again,
// such that a wall clock that was set back delays a flush by no more than it had to wait when it was saved. Firing
// alerts are believed for their time of validity, and for kRestoredValidity at least, from the reading on.
inline constexpr core::Millis kRestoredValidity = std::chrono::minutes(5);
std::string to_json(const Group& group, Instant now);
core::Result<Group> group_from_json(std::string_view text, Instant now);

// A message for one integration.
struct Outgoing {
  std::string integration;
  receivers::Notification notification;
};

// What a decision asks for. Nothing is done before it is written down.
struct Effects {
  std::vector<Outgoing> messages;
  std::set<std::string> changed_groups;  // to be saved
  std::set<std::string> removed_groups;

  void add(Effects other);
};

struct DispatchCounters {
  std::uint64_t alerts_received = 0;
  std::uint64_t expired = 0;               // firing alerts that nobody refreshed, taken as resolved
  std::uint64_t resolved_unannounced = 0;  // fired and resolved before anybody was told of either
  std::uint64_t resolved_superseded = 0;   // fired again before the resolution was told
  std::uint64_t suppressed_inhibited = 0;
  std::uint64_t suppressed_by_time = 0;
  std::uint64_t dropped_group_limit = 0;
  std::uint64_t dropped_alert_limit = 0;
};

// Who is told what and when: Alertmanager's grouping and deduplication as a state machine. It holds no clock and does
// no input or output; what it decides depends on its state, the news and the time it is given.
//
// Beyond Alertmanager: an alert that was told as firing is told as resolved even if it is muted by then; one that was
// never told as firing is not told as resolved; a repeat comes exactly after repeat_interval; a second episode of an
// alert is news.
//
// Thread safety: confined to one thread.
// Invariants: a group without alerts does not exist between calls.
class Dispatcher {
 public:
  // Bounds: more groups, or alerts in one group, are dropped and counted.
  static constexpr std::size_t kGroupsMax = 10'000;
  static constexpr std::size_t kAlertsOfGroupMax = 4'096;

  explicit Dispatcher(std::shared_ptr<const Routing> routing) : routing_(std::move(routing)) {}

  // A group of an earlier life, before the first news.
  void restore(Group group);
  // The new ids of integrations that are the same to the user; before apply().
  void rename_integrations(const std::map<std::string, std::string>& new_ids);
  // Changes the rules. Also to be called after restore(): groups that no route makes any more are ended, which tells
  // those who were told of them, and their firing alerts are grouped anew.
  Effects apply(std::shared_ptr<const Routing> routing, Instant now);

  Effects on_alert(const AlertNews& news, Instant now);
  // Does what is due.
  Effects on_time(Instant now);
  // When on_time() has something to do; nothing while there are no groups.
  std::optional<core::SteadyTime> next_wakeup() const;

  const std::map<std::string, Group>& groups() const { return groups_; }
  const DispatchCounters& counters() const { return counters_; }

 private:
  struct Plan;
  void place(const Route& route, const AlertNews& news, Instant now, Effects& effects);
  void update(Group& group, const AlertNews& news, Instant now, Effects& effects);
  void flush(Group& group, const Route& route, Instant now, Effects& effects);
  void repeat(Group& group, const Route& route, Instant now, Effects& effects);
  void end(Group& group, Instant now, Effects& effects);
  void expire(Group& group, Instant now);
  void count_unannounced(const Group& group, const Plan& plan);
  bool inhibited(const core::ring::Labels& labels) const;
  bool muted_by_time(const Route& route, core::WallTime at) const;
  Plan plan(const Group& group, const Route& route, Instant now);
  std::optional<Outgoing> tell(Group& group, const Integration& integration, const Route& route, const Plan& plan,
                               Instant now);
  const Route* route_of(const Group& group) const;

  std::shared_ptr<const Routing> routing_;
  std::map<std::string, Group> groups_;
  struct Source {
    core::ring::Labels labels;
    core::WallTime starts_at;
    core::SteadyTime valid_until;
  };
  std::map<std::uint64_t, Source> firing_;  // what may inhibit, of all groups
  DispatchCounters counters_;
};

}  // namespace actions::notify

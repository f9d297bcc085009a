// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "core/ring/labels.h"
#include "core/time/clock.h"

namespace actions::receivers {

// One alert as a receiver is told of it.
struct Alert {
  core::ring::Labels labels;
  std::map<std::string, std::string> annotations;
  core::WallTime starts_at;
  std::optional<core::WallTime> ends_at;  // set: resolved
  std::string generator_url;

  bool resolved() const { return ends_at.has_value(); }
  std::string_view status() const { return resolved() ? "resolved" : "firing"; }
  bool operator==(const Alert&) const = default;
};

// Why a message is sent; the names are Alertmanager's.
enum class Reason { kUnknown, kFirst, kNewAlerts, kSomeResolved, kAllResolved, kRepeat };
std::string_view to_string(Reason reason);  // "first notification"

// One message to one receiver: all it is told of a group of alerts at one time.
//
// Thread safety: a value.
// Invariants: alerts is not empty.
struct Notification {
  std::string receiver;  // its name in the configuration
  std::string group_key;
  std::map<std::string, std::string> group_labels;
  std::vector<Alert> alerts;
  Reason reason = Reason::kUnknown;
  std::string external_url;  // no trailing slash
  std::string delivery_id;   // the same at every attempt: lets a receiver drop a repeat

  bool firing() const;
  std::string_view status() const { return firing() ? "firing" : "resolved"; }
  std::size_t count_firing() const;
  // The pairs that all alerts share.
  std::map<std::string, std::string> common_labels() const;
  std::map<std::string, std::string> common_annotations() const;

  bool operator==(const Notification&) const = default;
};

// The document kept in the outbox; docs/notifications.md has its grammar.
std::string to_json(const Notification& notification);
// kInvalid: not such a document.
core::Result<Notification> from_json(std::string_view text);

}  // namespace actions::receivers

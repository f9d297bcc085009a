// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <vector>

#include "rules/alert/alert_state.h"
#include "rules/alert/alert_store.h"
#include "rules/alert/rule_status.h"

namespace rules {

// Where decisions about alerts go.
struct AlertOutlets {
  AlertStore& store;
  std::vector<AlertSink*> sinks;
  RuleCounters& counters;
};

// The alerts of one rule, with what the store holds of them.
//
// A decision is stored before the sinks hear of it, and the fact that they heard of it is stored after: a process
// killed in between tells them again, never not at all. A store that cannot be written is counted and tried again at
// the next evaluation; the sinks are told all the same.
//
// Thread safety: confined to its rule's group.
class HeldAlerts {
 public:
  HeldAlerts(RuleKey key, AlertPolicy policy) : key_(std::move(key)), policy_(std::move(policy)) {}

  // Goes on with what the store has for this rule.
  void restore(StoredRule stored, core::WallTime now);
  // Goes on with the alerts of a rule that this one replaces; `other` is left empty.
  void take_over(HeldAlerts& other);

  // Makes `next` the state and tells the sinks what they have to know of it. True if a state has changed.
  bool commit(AlertTable next, core::WallTime slot, AlertOutlets& outlets, Occasion occasion);

  const AlertTable& alerts() const { return alerts_; }
  const RuleKey& key() const { return key_; }
  const AlertPolicy& policy() const { return policy_; }
  void set_policy(AlertPolicy policy) { policy_ = std::move(policy); }

 private:
  void store(AlertOutlets& outlets);

  RuleKey key_;
  AlertPolicy policy_;
  AlertTable alerts_;
  AlertTable stored_;
};

}  // namespace rules

// SPDX-License-Identifier: Apache-2.0
// What the sections about remediations say together.
#include <algorithm>
#include <set>

#include "actions/remedy/condition.h"
#include "actions/remedy/remediation_config.h"
#include "actions/remedy/shipped_gates.h"

namespace actions::remedy {

using core::fail;
using core::Result;
using core::config::Node;

namespace {

Node item_of(const Node& root, std::string_view section, std::size_t index) {
  const std::vector<Node> items = root.find(section).items();
  return index < items.size() ? items[index] : root;
}

template <class T>
const T* named(const std::vector<T>& all, const std::string& name) {
  const auto found = std::find_if(all.begin(), all.end(), [&](const T& each) { return each.name == name; });
  return found == all.end() ? nullptr : &*found;
}

Result<void> check_expression(const std::string& expr, const Node& place) {
  auto checked = check_condition(expr);
  if (!checked) return fail(place.error("\"{}\": {}", expr, checked.error().message));
  return {};
}

// What a backup asks before it stops a client.
Result<void> check_stops(const Policy& policy, const backup::BackupConfig& backup, const Node& place) {
  const backup::ClientConfig* const client = backup.source.client();
  if (client == nullptr) return {};
  for (const std::string& expr : client->require) {
    if (auto checked = check_expression(expr, place); !checked) return checked;
  }
  for (const std::string& name : client->gates) {
    if (policy.gate(name) == nullptr) {
      return fail(place.error("backup \"{}\": no gate is named \"{}\"", backup.name, name));
    }
  }
  return {};
}

// The checks of one remediation against all the others.
class References {
 public:
  References(const Policy& policy, const std::vector<backup::BackupConfig>& backups,
             const std::vector<notify::TimeIntervalConfig>& intervals)
      : policy_(policy), backups_(backups), intervals_(intervals) {}

  Result<void> check(const RemediationConfig& remediation, const Node& place) const {
    const auto missing = [&](std::string_view what, const std::string& name) -> Result<void> {
      return fail(place.error("remediation \"{}\": no {} is named \"{}\"", remediation.name, what, name));
    };
    for (const Step& step : remediation.steps) {
      if (const auto* name = unknown_backup(step)) return missing("backup", *name);
    }
    const auto& fresh = remediation.backup_fresh;
    if (fresh && named(backups_, fresh->name) == nullptr) return missing("backup", fresh->name);
    for (const std::string& name : remediation.gates) {
      if (policy_.gate(name) == nullptr) return missing("gate", name);
    }
    if (!remediation.limits.budget.empty() && policy_.budget(remediation.limits.budget) == nullptr) {
      return missing("budget", remediation.limits.budget);
    }
    for (const auto* list : {&remediation.active_time_intervals, &remediation.mute_time_intervals}) {
      for (const std::string& name : *list) {
        if (named(intervals_, name) == nullptr) return missing("time interval", name);
      }
    }
    const std::string& then = remediation.on_failure.then;
    if (!then.empty() && policy_.find(then) == nullptr) return missing("remediation", then);
    if (remediation.match.empty() && !remediation.generated && !is_followed(remediation.name)) {
      return fail(place.error("remediation \"{}\": match is empty: it would act on every alert", remediation.name));
    }
    for (const std::string& expr : remediation.require) {
      if (auto checked = check_expression(expr, place.find("require")); !checked) return checked;
    }
    if (remediation.verify) return check_expression(remediation.verify->expr, place.find("verify"));
    return {};
  }

  // A chain of failures must end with people.
  Result<void> check_chain(const RemediationConfig& remediation, const Node& place) const {
    std::string chain = remediation.name;
    const RemediationConfig* next = &remediation;
    for (std::size_t i = 0; i <= policy_.remediations.size(); ++i) {
      if (next->on_failure.then.empty()) return {};
      chain += " -> " + next->on_failure.then;
      if (next->on_failure.then == remediation.name) {
        return fail(place.find("on_failure").error("on_failure leads back to where it began: {}", chain));
      }
      next = policy_.find(next->on_failure.then);
    }
    return {};  // a loop further on, which is told of by those who are in it
  }

 private:
  const std::string* unknown_backup(const Step& step) const {
    const auto* taken = std::get_if<BackupStep>(&step.action);
    const auto* tried = std::get_if<RestoreDrillStep>(&step.action);
    const std::string* wanted = taken != nullptr ? &taken->backup : tried != nullptr ? &tried->backup : nullptr;
    if (wanted != nullptr && named(backups_, *wanted) == nullptr) return wanted;
    for (const Step& undo : step.rollback) {
      if (const auto* name = unknown_backup(undo)) return name;
    }
    return nullptr;
  }

  bool is_followed(const std::string& name) const {
    return std::any_of(policy_.remediations.begin(), policy_.remediations.end(),
                       [&](const RemediationConfig& each) { return each.on_failure.then == name; });
  }

  const Policy& policy_;
  const std::vector<backup::BackupConfig>& backups_;
  const std::vector<notify::TimeIntervalConfig>& intervals_;
};

template <class T>
Result<void> check_unique(const std::vector<T>& all, std::string_view section, std::string_view what,
                          const Node& root) {
  std::set<std::string> names;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].name.empty()) return fail(item_of(root, section, i).error("{}: name is empty", what));
    if (!names.insert(all[i].name).second) {
      return fail(item_of(root, section, i).error("{} name \"{}\" is not unique", what, all[i].name));
    }
  }
  return {};
}

}  // namespace

const RemediationConfig* Policy::find(const std::string& name) const { return named(remediations, name); }
const BudgetConfig* Policy::budget(const std::string& name) const { return named(budgets, name); }
const GateConfig* Policy::gate(const std::string& name) const {
  if (const GateConfig* const own = named(gates, name)) return own;
  const auto shipped = std::ranges::find(shipped_gates(), name, &GateConfig::name);
  return shipped == shipped_gates().end() ? nullptr : &*shipped;
}

Result<void> check_policy(const Policy& policy, const std::vector<backup::BackupConfig>& backups,
                          const std::vector<notify::TimeIntervalConfig>& intervals, const Node& root) {
  if (auto checked = check_unique(policy.remediations, "remediations", "remediation", root); !checked) return checked;
  if (auto checked = check_unique(policy.budgets, "remediation_budgets", "budget", root); !checked) return checked;
  if (auto checked = check_unique(policy.gates, "remediation_gates", "gate", root); !checked) return checked;
  for (std::size_t i = 0; i < policy.budgets.size(); ++i) {
    if (policy.budgets[i].healthy.empty()) continue;
    const Node place = item_of(root, "remediation_budgets", i).find("healthy");
    if (auto checked = check_expression(policy.budgets[i].healthy, place); !checked) return checked;
  }
  for (std::size_t i = 0; i < policy.gates.size(); ++i) {
    const Node place = item_of(root, "remediation_gates", i).find("expr");
    if (auto checked = check_expression(policy.gates[i].expr, place); !checked) return checked;
  }
  for (std::size_t i = 0; i < backups.size(); ++i) {
    if (auto checked = check_stops(policy, backups[i], item_of(root, "backups", i)); !checked) return checked;
  }
  const References references(policy, backups, intervals);
  for (std::size_t i = 0; i < policy.remediations.size(); ++i) {
    const Node place = item_of(root, "remediations", i);
    if (auto checked = references.check(policy.remediations[i], place); !checked) return checked;
  }
  for (std::size_t i = 0; i < policy.remediations.size(); ++i) {
    const Node place = item_of(root, "remediations", i);
    if (auto checked = references.check_chain(policy.remediations[i], place); !checked) return checked;
  }
  return {};
}

Result<std::map<std::string, std::vector<notify::IntervalSpec>>> resolve_intervals(
    const std::vector<notify::TimeIntervalConfig>& intervals) {
  std::map<std::string, std::vector<notify::IntervalSpec>> resolved;
  for (const notify::TimeIntervalConfig& interval : intervals) {
    std::vector<notify::IntervalSpec>& specs = resolved[interval.name];
    for (const notify::IntervalSpecConfig& config : interval.time_intervals) {
      Result<notify::IntervalSpec> spec = notify::build_interval(config);
      if (!spec) return fail(spec.error().with_context("time interval \"{}\"", interval.name));
      specs.push_back(std::move(*spec));
    }
  }
  return resolved;
}

}  // namespace actions::remedy

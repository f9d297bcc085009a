// SPDX-License-Identifier: Apache-2.0
#include "actions/remedy/remediation_config.h"

#include <algorithm>

namespace actions::remedy {

using core::fail;
using core::Result;
using core::config::Node;
using core::config::Table;

namespace {

// Bounds a plan, and with it a run's journal rows.
constexpr std::size_t kStepsMax = 32;
constexpr std::size_t kConditionsMax = 32;

}  // namespace

const Table<Limits>& Limits::fields() {
  static const auto table =
      Table<Limits>("limits", "How often a remediation may start.")
          .field("cooldown", &Limits::cooldown, {.help = "The least time between the starts of two runs."})
          .field("runs", &Limits::runs, {.help = "At most so many starts within the window."})
          .field("window", &Limits::window, {.help = "See runs."})
          .field("budget", &Limits::budget, {.help = "One of remediation_budgets, shared with others that name it."})
          .check([](const Limits& limits, const Node& node) -> Result<void> {
            if (limits.runs == 0) return fail(node.error("limits: runs must be at least 1; use level: observe"));
            return {};
          });
  return table;
}

const Table<ApprovalConfig>& ApprovalConfig::fields() {
  static const auto table =
      Table<ApprovalConfig>("approval", "Who must agree before a remediation of level approve starts.")
          .field("required", &ApprovalConfig::required, {.help = "So many different people."})
          .field("approvers", &ApprovalConfig::approvers, {.help = "Who counts; default: anybody."})
          .field("expires", &ApprovalConfig::expires,
                 {.help = "A run that was not approved by then is given up; approvals hold no longer either."})
          .check([](const ApprovalConfig& approval, const Node& node) -> Result<void> {
            if (approval.required == 0) return fail(node.error("approval: required must be at least 1; see level"));
            if (!approval.approvers.empty() && approval.approvers.size() < approval.required) {
              return fail(node.error("approval: {} of {} approvers can never agree", approval.required,
                                     approval.approvers.size()));
            }
            if (approval.expires <= core::Millis(0))
              return fail(node.error("approval: expires must be more than zero"));
            return {};
          });
  return table;
}

const Table<BackupFreshConfig>& BackupFreshConfig::fields() {
  static const auto table = Table<BackupFreshConfig>("backup_fresh", "A backup that must be fresh before a run starts.")
                                .field("name", &BackupFreshConfig::name, {.help = "One of backups.", .required = true})
                                .field("max_age", &BackupFreshConfig::max_age,
                                       {.help = "Since the start of the last one that succeeded.", .required = true});
  return table;
}

const Table<VerifyConfig>& VerifyConfig::fields() {
  static const auto table =
      Table<VerifyConfig>("verify", "What must hold after the steps; until it does the run is not over.")
          .field("expr", &VerifyConfig::expr,
                 {.help = "PromQL, as in require; only samples taken after the last step count.", .required = true})
          .field("within", &VerifyConfig::within, {.help = "If it does not hold by then, the run has failed."})
          .check([](const VerifyConfig& verify, const Node& node) -> Result<void> {
            if (verify.within <= core::Millis(0)) return fail(node.error("verify: within must be more than zero"));
            return {};
          });
  return table;
}

const Table<OnFailureConfig>& OnFailureConfig::fields() {
  static const auto table =
      Table<OnFailureConfig>("on_failure", "What follows when a step fails, or what verify says does not come true.")
          .field("notify", &OnFailureConfig::notify, {.help = "Whether people are told."})
          .field("then", &OnFailureConfig::then,
                 {.help = "Another remediation, for the same alert, with its own level and guards."});
  return table;
}

const Table<BudgetConfig>& BudgetConfig::fields() {
  static const auto table =
      Table<BudgetConfig>("remediation_budget", "How much several remediations may touch at once, together.")
          .field("name", &BudgetConfig::name, {.help = "What limits: budget names.", .required = true})
          .field("max_at_once", &BudgetConfig::max_at_once,
                 {.help = "Runs; one that was interrupted counts until a person closes it."})
          .field("healthy", &BudgetConfig::healthy,
                 {.help = "PromQL with one value: how many are healthy. Nothing, several or NaN: not known, so no."})
          .field("min_healthy", &BudgetConfig::min_healthy,
                 {.help = "A run starts if so many are healthy beside those that other runs of this budget work on."})
          .check([](const BudgetConfig& budget, const Node& node) -> Result<void> {
            if (budget.max_at_once == 0) return fail(node.error("remediation_budget: max_at_once must be at least 1"));
            if (budget.healthy.empty() != (budget.min_healthy == 0)) {
              return fail(node.error("remediation_budget: healthy and min_healthy need each other"));
            }
            return {};
          });
  return table;
}

const Table<GateConfig>& GateConfig::fields() {
  static const auto table =
      Table<GateConfig>("remediation_gate", "A condition that several remediations need, such as a healthy network.")
          .field("name", &GateConfig::name, {.help = "What gates names.", .required = true})
          .field("expr", &GateConfig::expr, {.help = "PromQL, as in require.", .required = true});
  return table;
}

const Table<StormConfig>& StormConfig::fields() {
  static const auto table =
      Table<StormConfig>("remediation_storm",
                         "When so much happens at once, the watcher or the network is likelier wrong than all targets.")
          .field("runs", &StormConfig::runs,
                 {.help = "So many runs started within the window: further ones are only proposed."})
          .field("alerts", &StormConfig::alerts,
                 {.help = "So many alerts that a remediation matches began within the window: nothing starts."})
          .field("window", &StormConfig::window, {.help = "See the others."})
          .check([](const StormConfig& storm, const Node& node) -> Result<void> {
            if (storm.runs == 0 || storm.alerts == 0 || storm.window <= core::Millis(0)) {
              return fail(node.error("remediation_storm: runs, alerts and window must be more than zero"));
            }
            return {};
          });
  return table;
}

namespace {

Result<void> check_remediation(const RemediationConfig& remediation, const Node& node) {
  if (remediation.name.empty()) return fail(node.error("remediation: name is empty"));
  if (remediation.steps.empty() || remediation.steps.size() > kStepsMax) {
    return fail(node.error("remediation \"{}\": expected 1 to {} steps, got {}", remediation.name, kStepsMax,
                           remediation.steps.size()));
  }
  if (remediation.require.size() + remediation.gates.size() > kConditionsMax) {
    return fail(node.error("remediation \"{}\": more than {} conditions", remediation.name, kConditionsMax));
  }
  if (remediation.fresh_within <= core::Millis(0)) {
    return fail(node.error("remediation \"{}\": fresh_within must be more than zero", remediation.name));
  }
  return {};
}

}  // namespace

const Table<RemediationConfig>& RemediationConfig::fields() {
  static const auto table =
      Table<RemediationConfig>("remediation", "What to do when an alert fires.")
          .field("name", &RemediationConfig::name,
                 {.help = "What the journal and the page call it.", .required = true, .example = "backup-on-stall"})
          .field("match", &RemediationConfig::match,
                 {.help = "Matchers of the alert's labels, as in Alertmanager; all must match. Only a remediation that "
                          "another's on_failure names may go without.",
                  .example = "['alertname=\"GethStuck\"']"})
          .field("level", &RemediationConfig::level, {.help = "How far it may go by itself."})
          .field("require", &RemediationConfig::require,
                 {.help = "PromQL that must hold before it starts. Of a comparison every series must; no series, NaN, "
                          "an old sample or an error is unknown, and unknown is no."})
          .field("fresh_within", &RemediationConfig::fresh_within,
                 {.help = "Samples that are older do not count in conditions."})
          .field("gates", &RemediationConfig::gates, {.help = "Names of remediation_gates that must hold as well."})
          .field("backup_fresh", &RemediationConfig::backup_fresh, {.help = "A backup that must be fresh."})
          .field("limits", &RemediationConfig::limits, {.help = "How often it may start."})
          .field("active_time_intervals", &RemediationConfig::active_time_intervals,
                 {.help = "Names of time_intervals: it starts in one of them only."})
          .field("mute_time_intervals", &RemediationConfig::mute_time_intervals,
                 {.help = "Names of time_intervals: it starts in none of them."})
          .field("approval", &RemediationConfig::approval, {.help = "With level approve: who must agree."})
          .field("steps", &RemediationConfig::steps,
                 {.help = "In order; the first that fails ends the run, and what was done is rolled back where a step "
                          "says how.",
                  .required = true})
          .field("verify", &RemediationConfig::verify, {.help = "What must hold afterwards."})
          .field("on_failure", &RemediationConfig::on_failure, {.help = "What follows a run that failed."})
          .field("notify", &RemediationConfig::notify,
                 {.help = "Which decisions people are told of, by an alert WatchkeeperRemediation through the routes: "
                          "attention is all but a run that goes as it should."})
          .refuse("cooldown", "it is limits: {cooldown: ...}")
          .refuse("max_runs", "it is limits: {runs: ..., window: ...}")
          .refuse("approval_timeout", "it is approval: {expires: ...}")
          .check(check_remediation);
  return table;
}

const Table<EvidenceLimits>& EvidenceLimits::fields() {
  static const auto table =
      Table<EvidenceLimits>("remediation_evidence", "How much of what remediations leave for people is kept.")
          .field("runs", &EvidenceLimits::runs, {.help = "Of so many runs, the newest."})
          .field("size", &EvidenceLimits::size,
                 {.help = "All files together; the oldest go first, and the newest one always stays."})
          .check([](const EvidenceLimits& limits, const Node& node) -> Result<void> {
            if (limits.runs == 0) return fail(node.error("remediation_evidence: runs must be at least 1"));
            return {};
          });
  return table;
}

bool RemediationConfig::matches(const core::ring::Labels& alert) const {
  if (!generated && alert.get("alertname") == kRolloutAlert) return false;
  return !match.empty() &&
         std::all_of(match.begin(), match.end(), [&](const core::ring::Matcher& each) { return each.matches(alert); });
}

}  // namespace actions::remedy

// SPDX-License-Identifier: Apache-2.0
#include "actions/remedy/remediation_config.h"

#include <algorithm>
#include <set>

#include "rules/alert/matcher_syntax.h"

namespace actions::remedy {

using core::fail;
using core::Result;
using core::config::Node;
using core::config::Table;

namespace {

// Bounds a plan, and with it a run's journal rows.
constexpr std::size_t kStepsMax = 32;
constexpr std::uint64_t kOutputLimitMax = 1 << 20;

}  // namespace

bool Step::repeatable() const {
  const ExecStep* exec = std::get_if<ExecStep>(&action);
  return exec == nullptr || exec->repeatable;
}

std::string_view Step::kind() const { return std::holds_alternative<ExecStep>(action) ? "exec" : "backup"; }

std::string Step::to_string() const {
  if (const BackupStep* backup = std::get_if<BackupStep>(&action)) return "backup " + backup->backup;
  std::string text = "exec";
  for (const std::string& argument : std::get<ExecStep>(action).argv) {
    const bool plain = !argument.empty() && argument.find_first_of(" \t\n\"'\\") == std::string::npos;
    text += " " + (plain ? argument : core::ring::go_quote(argument));
  }
  return text;
}

const Table<ExecStep>& ExecStep::fields() {
  static const auto table =
      Table<ExecStep>("exec", "Runs a program without a shell.")
          .field("argv", &ExecStep::argv,
                 {.help = "The program and its arguments; the alert's labels are in its environment.",
                  .required = true,
                  .example = "[/usr/local/bin/restart-geth]"})
          .field("timeout", &ExecStep::timeout, {.help = "Then it is ended, and the step has failed."})
          .field("output_limit", &ExecStep::output_limit, {.help = "Bytes kept of what it prints: start and end."})
          .field("repeatable", &ExecStep::repeatable,
                 {.help = "Whether it may run again after a crash that hid whether it ran."})
          .check([](const ExecStep& exec, const Node& node) -> Result<void> {
            if (exec.argv.empty() || exec.argv.front().empty()) return fail(node.error("exec: argv is empty"));
            for (const std::string& argument : exec.argv) {
              if (argument.find("{{") == std::string::npos) continue;
              return fail(
                  node.error("exec: templates in argv (\"{}\") are not supported yet; the labels are in the "
                             "environment as WATCHKEEPER_LABEL_<name>",
                             argument));
            }
            if (exec.timeout <= core::Millis(0)) return fail(node.error("exec: timeout must be more than zero"));
            if (exec.output_limit.bytes > kOutputLimitMax) return fail(node.error("exec: output_limit is above 1MiB"));
            return {};
          });
  return table;
}

const Table<Limits>& Limits::fields() {
  static const auto table =
      Table<Limits>("limits", "How often a remediation may start.")
          .field("cooldown", &Limits::cooldown, {.help = "The least time between the starts of two runs."})
          .field("runs", &Limits::runs, {.help = "At most so many starts within the window."})
          .field("window", &Limits::window, {.help = "See runs."})
          .refuse("budget", "budgets shared between remediations are not supported yet")
          .check([](const Limits& limits, const Node& node) -> Result<void> {
            if (limits.runs == 0) return fail(node.error("limits: runs must be at least 1; use level: observe"));
            return {};
          });
  return table;
}

const Table<RemediationConfig>& RemediationConfig::fields() {
  static const auto table =
      Table<RemediationConfig>("remediation", "What to do when an alert fires.")
          .field("name", &RemediationConfig::name,
                 {.help = "What the journal and the page call it.", .required = true, .example = "backup-on-stall"})
          .field("match", &RemediationConfig::match,
                 {.help = "Matchers of the alert's labels, as in Alertmanager; all must match.",
                  .required = true,
                  .example = "['alertname=\"GethStuck\"']"})
          .field("level", &RemediationConfig::level, {.help = "How far it may go by itself."})
          .field("limits", &RemediationConfig::limits, {.help = "How often it may start."})
          .field("approval_timeout", &RemediationConfig::approval_timeout,
                 {.help = "With level approve: a run that nobody approved for so long is given up."})
          .field("steps", &RemediationConfig::steps,
                 {.help = "In order; the first that fails ends the run.", .required = true})
          .refuse("cooldown", "it is limits: {cooldown: ...}")
          .refuse("max_runs", "it is limits: {runs: ..., window: ...}")
          .refuse("require", "preconditions in PromQL are not supported yet")
          .refuse("verify", "verification after a run is not supported yet")
          .refuse("on_failure", "escalation is not supported yet")
          .check([](const RemediationConfig& remediation, const Node& node) -> Result<void> {
            if (remediation.name.empty()) return fail(node.error("remediation: name is empty"));
            if (remediation.match.empty()) {
              return fail(
                  node.error("remediation \"{}\": match is empty: it would act on every alert", remediation.name));
            }
            if (remediation.steps.empty() || remediation.steps.size() > kStepsMax) {
              return fail(node.error("remediation \"{}\": expected 1 to {} steps, got {}", remediation.name, kStepsMax,
                                     remediation.steps.size()));
            }
            return {};
          });
  return table;
}

Result<void> check_remediations(const std::vector<RemediationConfig>& remediations,
                                const std::vector<backup::BackupConfig>& backups, const Node& root) {
  std::set<std::string> names;
  const std::vector<Node> nodes = root.find("remediations").items();
  for (std::size_t i = 0; i < remediations.size(); ++i) {
    const RemediationConfig& remediation = remediations[i];
    const Node& place = i < nodes.size() ? nodes[i] : root;
    if (!names.insert(remediation.name).second) {
      return fail(place.error("remediation name \"{}\" is not unique", remediation.name));
    }
    for (const Step& step : remediation.steps) {
      const BackupStep* wanted = std::get_if<BackupStep>(&step.action);
      if (wanted == nullptr) continue;
      const bool known = std::any_of(backups.begin(), backups.end(),
                                     [&](const backup::BackupConfig& each) { return each.name == wanted->backup; });
      if (!known) {
        return fail(place.error("remediation \"{}\": no backup is named \"{}\"", remediation.name, wanted->backup));
      }
    }
  }
  return {};
}

}  // namespace actions::remedy

namespace core::config {

using actions::remedy::BackupStep;
using actions::remedy::ExecStep;
using actions::remedy::Step;

Result<std::vector<ring::Matcher>> Codec<std::vector<ring::Matcher>>::read(const Node& node) {
  if (!node.is_sequence()) return fail(node.error("expected a list of matchers, got {}", node.describe()));
  std::vector<ring::Matcher> all;
  for (const Node& item : node.items()) {
    if (!item.is_scalar())
      return fail(item.error("expected a matcher such as alertname=\"X\", got {}", item.describe()));
    const Result<std::vector<ring::Matcher>> matchers = rules::parse_matchers(item.scalar());
    if (!matchers) return fail(item.error("{}", matchers.error().message));
    all.insert(all.end(), matchers->begin(), matchers->end());
  }
  return all;
}

Result<Step> Codec<Step>::read(const Node& node) {
  const std::vector<Entry> entries = node.entries();
  if (entries.size() != 1 || !entries[0].key.is_scalar()) {
    return fail(node.error("expected a step: a map with one key, backup or exec; got {}", node.describe()));
  }
  const std::string& kind = entries[0].key.scalar();
  const Node& value = entries[0].value;
  if (kind == "backup") {
    if (!value.is_scalar()) return fail(value.error("backup: expected the name of a backup, got {}", value.describe()));
    return Step{BackupStep{value.scalar()}};
  }
  if (kind == "exec") {
    return Codec<ExecStep>::read(value).map([](ExecStep exec) { return Step{std::move(exec)}; });
  }
  for (const std::string_view later :
       {"http", "systemd", "kubernetes", "aws", "vault", "wait", "notify", "restore-drill", "failover"}) {
    if (kind != later) continue;
    Error error = entries[0].key.error("steps of kind \"{}\" are not supported yet; use exec", kind);
    error.code = Errc::kNotSupported;
    return fail(std::move(error));
  }
  return fail(entries[0].key.error("unknown step \"{}\": expected backup or exec", kind));
}

TypeDescription Codec<Step>::describe() { return {"step (backup: NAME, or exec: {argv, timeout, ...})", {}}; }

}  // namespace core::config

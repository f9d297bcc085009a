// SPDX-License-Identifier: Apache-2.0
// The configuration of steps.
#include <algorithm>

#include "actions/remedy/step.h"
#include "core/net/url.h"

namespace actions::remedy {

using core::fail;
using core::Result;
using core::config::Node;
using core::config::Table;

namespace {

constexpr std::uint64_t kOutputLimitMax = 1 << 20;

constexpr std::string_view kMethods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"};

}  // namespace

const Table<ExecStep>& ExecStep::fields() {
  static const auto table =
      Table<ExecStep>("exec", "Runs a program without a shell.")
          .field("argv", &ExecStep::argv,
                 {.help = "The program and its arguments, which may be templates of the alert's labels "
                          "({{ .Labels.instance }}); all labels are in its environment as well.",
                  .required = true,
                  .example = "[/usr/local/bin/restart-geth]"})
          .field("timeout", &ExecStep::timeout, {.help = "Then it is ended, and the step has failed."})
          .field("output_limit", &ExecStep::output_limit, {.help = "Bytes kept of what it prints: start and end."})
          .field("repeatable", &ExecStep::repeatable,
                 {.help = "Whether it may run again after a crash that hid whether it ran."})
          .field("check", &ExecStep::check,
                 {.help = "A program that says after such a crash whether it ran: exit status 0 yes, 1 no; with "
                          "anything else a person is asked."})
          .check([](const ExecStep& exec, const Node& node) -> Result<void> {
            if (exec.argv.empty() || exec.argv.front().empty()) return fail(node.error("exec: argv is empty"));
            // Which program runs is not for a label to say.
            for (const auto* list : {&exec.argv, &exec.check}) {
              if (list->empty() || list->front().find("{{") == std::string::npos) continue;
              return fail(node.error("exec: the program (\"{}\") cannot be a template", list->front()));
            }
            if (exec.timeout <= core::Millis(0)) return fail(node.error("exec: timeout must be more than zero"));
            if (exec.output_limit.bytes > kOutputLimitMax) return fail(node.error("exec: output_limit is above 1MiB"));
            return {};
          });
  return table;
}

const Table<HttpStep>& HttpStep::fields() {
  static const auto table =
      Table<HttpStep>("http", "Sends one HTTP request. All but the files' contents is in the journal: no secrets here.")
          .field("method", &HttpStep::method, {.help = "GET, HEAD, POST, PUT, PATCH or DELETE."})
          .field("url", &HttpStep::url, {.help = "Where to; may be a template.", .required = true})
          .field("headers", &HttpStep::headers, {.help = "Headers; values may be templates."})
          .field("body", &HttpStep::body, {.help = "The body; may be a template."})
          .field("expect_status", &HttpStep::expect_status, {.help = "Statuses of success; default: 200 to 299."})
          .field("timeout", &HttpStep::timeout, {.help = "Then the step has failed."})
          .field("repeatable", &HttpStep::repeatable,
                 {.help = "Whether it may be sent again after a crash that hid whether it was; default: GET and HEAD."})
          .field("bearer_token_file", &HttpStep::bearer_token_file, {.help = "A file with a bearer token."})
          .field("ca_file", &HttpStep::ca_file, {.help = "PEM; default: the system's."})
          .check([](const HttpStep& http, const Node& node) -> Result<void> {
            if (std::ranges::find(kMethods, http.method) == std::end(kMethods)) {
              return fail(node.error("http: expected the method GET, HEAD, POST, PUT, PATCH or DELETE, got \"{}\"",
                                     http.method));
            }
            if (!http.url.starts_with("http://") && !http.url.starts_with("https://")) {
              return fail(node.error("http: expected an http or https URL, got \"{}\"", http.url));
            }
            // Which host is asked is not for a label to say either: the template begins after the host.
            const std::size_t host_end = http.url.find('/', http.url.find("//") + 2);
            const std::size_t open = http.url.find("{{");
            if (open != std::string::npos && (host_end == std::string::npos || open < host_end)) {
              return fail(node.error("http: the host (\"{}\") cannot be a template", http.url));
            }
            if (http.timeout <= core::Millis(0)) return fail(node.error("http: timeout must be more than zero"));
            return {};
          });
  return table;
}

const Table<SystemdStep>& SystemdStep::fields() {
  static const auto table =
      Table<SystemdStep>("systemd", "Starts, stops or restarts a unit of this host, over D-Bus.")
          .field("unit", &SystemdStep::unit, {.help = "Its name, with .service; may be a template.", .required = true})
          .field("action", &SystemdStep::action, {.help = "What to do with it."})
          .field("timeout", &SystemdStep::timeout,
                 {.help = "Until the unit must be in the state that was asked for; then the step has failed."})
          .check([](const SystemdStep& systemd, const Node& node) -> Result<void> {
            if (systemd.unit.find('.') == std::string::npos) {
              return fail(node.error("systemd: expected a unit such as geth.service, got \"{}\"", systemd.unit));
            }
            if (systemd.timeout <= core::Millis(0)) return fail(node.error("systemd: timeout must be more than zero"));
            return {};
          });
  return table;
}

}  // namespace actions::remedy

namespace core::config {

using actions::remedy::AwsStep;
using actions::remedy::BackupStep;
using actions::remedy::ExecStep;
using actions::remedy::HttpStep;
using actions::remedy::KubernetesStep;
using actions::remedy::NotifyStep;
using actions::remedy::RestoreDrillStep;
using actions::remedy::Step;
using actions::remedy::SystemdStep;
using actions::remedy::VaultStep;
using actions::remedy::WaitStep;

namespace {

template <class Kind>
Result<Step> read_kind(const Node& value) {
  return Codec<Kind>::read(value).map([](Kind kind) { return Step{std::move(kind), {}}; });
}

Result<std::string> read_text(const Node& value, std::string_view kind, std::string_view what) {
  if (!value.is_scalar() || value.scalar().empty()) {
    return fail(value.error("{}: expected {}, got {}", kind, what, value.describe()));
  }
  return value.scalar();
}

Result<Step> read_action(const Entry& entry) {
  const std::string& kind = entry.key.scalar();
  const Node& value = entry.value;
  if (kind == "backup") {
    return read_text(value, kind, "the name of a backup").map([](std::string name) {
      return Step{BackupStep{std::move(name)}, {}};
    });
  }
  if (kind == "restore-drill") {
    return read_text(value, kind, "the name of a backup").map([](std::string name) {
      return Step{RestoreDrillStep{std::move(name)}, {}};
    });
  }
  if (kind == "notify") {
    return read_text(value, kind, "a text").map([](std::string text) { return Step{NotifyStep{std::move(text)}, {}}; });
  }
  if (kind == "wait") {
    Result<Millis> time = Codec<Millis>::read(value);
    if (!time) return fail(time.error());
    if (*time <= Millis(0) || *time > actions::remedy::kWaitMax) {
      return fail(value.error("wait: expected a time up to {}", format_duration(actions::remedy::kWaitMax)));
    }
    return Step{WaitStep{*time}, {}};
  }
  if (kind == "exec") return read_kind<ExecStep>(value);
  if (kind == "http") return read_kind<HttpStep>(value);
  if (kind == "systemd") return read_kind<SystemdStep>(value);
  if (kind == "aws") return read_kind<AwsStep>(value);
  if (kind == "kubernetes") return read_kind<KubernetesStep>(value);
  if (kind == "vault") return read_kind<VaultStep>(value);
  if (kind == "failover") {
    Error error = entry.key.error("steps of kind \"failover\" are not supported yet; use exec");
    error.code = Errc::kNotSupported;
    return fail(std::move(error));
  }
  return fail(entry.key.error("unknown step \"{}\": expected one of {}", kind, actions::remedy::kinds_of_steps()));
}

Result<std::vector<Step>> read_rollback(const Node& node) {
  std::vector<Step> steps;
  for (const Node& item : node.is_sequence() ? node.items() : std::vector<Node>{node}) {
    Result<Step> step = Codec<Step>::read(item);
    if (!step) return fail(step.error());
    if (!step->rollback.empty()) return fail(item.error("a rollback step has no rollback of its own"));
    steps.push_back(std::move(*step));
  }
  return steps;
}

}  // namespace

Result<Step> Codec<Step>::read(const Node& node) {
  std::optional<Step> step;
  std::vector<Step> rollback;
  bool strange = false;
  for (const Entry& entry : node.entries()) {
    if (entry.key.is_scalar() && entry.key.scalar() == "rollback") {
      Result<std::vector<Step>> read_back = read_rollback(entry.value);
      if (!read_back) return fail(read_back.error());
      rollback = std::move(*read_back);
      continue;
    }
    if (step || !entry.key.is_scalar()) {
      strange = true;
      break;
    }
    Result<Step> action = read_action(entry);
    if (!action) return action;
    step = std::move(*action);
  }
  if (strange || !step) {
    return fail(node.error("expected a step: a map with one key ({}) and perhaps rollback; got {}",
                           actions::remedy::kinds_of_steps(), node.describe()));
  }
  step->rollback = std::move(rollback);
  if (auto checked = check_templates(*step); !checked) return fail(node.error("{}", checked.error().message));
  return *step;
}

TypeDescription Codec<Step>::describe() {
  return {
      "step (one of backup: NAME, restore-drill: NAME, exec: {argv, ...}, http: {url, ...}, systemd: {unit, action}, "
      "aws: {action, ...}, kubernetes: {action, ...}, vault: {action, ...}, wait: TIME, notify: TEXT; and perhaps "
      "rollback: a step or a list of them)",
      {}};
}

}  // namespace core::config

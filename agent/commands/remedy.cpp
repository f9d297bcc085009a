// SPDX-License-Identifier: Apache-2.0
// Remediations: asking a running agent about them or for a decision; their plans without an agent, from its
// configuration.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "actions/remedy/decision.h"
#include "agent/commands/api_client.h"
#include "agent/commands/commands.h"
#include "agent/config/load.h"
#include "core/net/url.h"
#include "core/time/duration.h"
#include "rules/alert/matcher_syntax.h"

namespace agent {
namespace {

using nlohmann::json;

constexpr const char* kPath = "/api/watchkeeper/v1/remediations";

struct RemedyArguments {
  std::string url = kDefaultUrl;
  std::string name;  // of a run or a remediation
  std::string reason;
  std::string who;
  std::string plan;
  std::string output = "text";
  std::string file;
  std::string config = "/etc/watchkeeper/watchkeeper.yml";
  std::vector<std::string> labels;
  bool dry_run = false;
};

// The person in front of the terminal, for the journal.
std::string user_name() {
  const char* const user = std::getenv("SUDO_USER") != nullptr ? std::getenv("SUDO_USER") : std::getenv("USER");
  return user == nullptr ? "command line" : user;
}

std::string text_of(const json& value) { return value.is_string() ? value.get<std::string>() : ""; }

void print_pause(const char* what, const json& pause) {
  std::printf("%s is PAUSED since %s by %s: %s\n", what, text_of(pause.at("since")).c_str(),
              text_of(pause.at("who")).c_str(), text_of(pause.at("reason")).c_str());
}

void print_run(const json& run) {
  std::printf("%-11s  %s  %s\n             %s\n", text_of(run.at("state")).c_str(), text_of(run.at("created")).c_str(),
              text_of(run.at("id")).c_str(), text_of(run.at("reason")).c_str());
  for (const json& finding : run.at("findings")) {
    std::printf("             ? %s: %s %s\n", text_of(finding.at("name")).c_str(),
                text_of(finding.at("verdict")).c_str(), text_of(finding.at("why")).c_str());
  }
  for (const json& step : run.at("steps")) {
    std::printf("             - %s: %s %s\n", text_of(step.at("step")).c_str(), text_of(step.at("state")).c_str(),
                text_of(step.at("result")).c_str());
  }
}

int list_runs(const RemedyArguments& arguments) {
  const auto data = data_of(ApiClient(arguments.url).get(kPath));
  if (!data) return failed(data.error());
  if (arguments.output == "json") {
    std::printf("%s\n", data->at("runs").dump(2).c_str());
    return kFine;
  }
  const json& automation = data->at("automation");
  if (automation.at("paused").get<bool>()) {
    print_pause("automation", automation);
  } else {
    std::printf("automation is on\n");
  }
  for (const json& each : data->at("configured")) {
    if (each.at("pause").at("paused").get<bool>()) print_pause(text_of(each.at("name")).c_str(), each.at("pause"));
  }
  for (const json& run : data->at("runs")) print_run(run);
  return kFine;
}

int ask(const RemedyArguments& arguments, const std::string& path, FormFields fields = {}) {
  fields.emplace_back("who", arguments.who.empty() ? user_name() : arguments.who);
  if (!arguments.reason.empty()) fields.emplace_back("reason", arguments.reason);
  const auto data = data_of(ApiClient(arguments.url).post("/api/watchkeeper/v1/" + path, fields));
  if (!data) return failed(data.error());
  std::printf("done\n");
  return kFine;
}

std::string decision_path(const RemedyArguments& arguments, const char* verb) {
  return "remediations/" + core::net::escape_query(arguments.name) + "/" + verb;
}

// What is approved is what is shown here: its hash goes along, so that nothing else can be meant.
int approve(const RemedyArguments& arguments) {
  std::string plan = arguments.dry_run ? "" : arguments.plan;
  if (plan.empty()) {
    const auto data = data_of(ApiClient(arguments.url).get(kPath));
    if (!data) return failed(data.error());
    for (const json& run : data->at("runs")) {
      if (run.at("id") != arguments.name) continue;
      print_run(run);
      plan = text_of(run.at("plan"));
      std::printf("             plan %s\n", plan.c_str());
    }
  }
  if (arguments.dry_run) {
    if (!plan.empty()) return kFine;
    return failed(core::error(core::Errc::kNotFound, "no run has the id {}", arguments.name));
  }
  return ask(arguments, decision_path(arguments, "approve"), {{"plan", plan}});
}

// Automation as a whole, or one remediation.
int pause_or_resume(const RemedyArguments& arguments, const char* verb) {
  return ask(arguments, arguments.name.empty() ? std::string("automation/") + verb : decision_path(arguments, verb));
}

int fetch_evidence(const RemedyArguments& arguments) {
  const auto body =
      ApiClient(arguments.url).get(std::string(kPath) + "/" + core::net::escape_query(arguments.name) + "/evidence");
  if (!body) return failed(body.error());
  const json parsed = json::parse(*body, nullptr, false);
  if (!parsed.is_object() || !parsed.contains("format")) {
    const auto data = data_of(body);
    return failed(data ? core::error(core::Errc::kInvalid, "that is no evidence") : data.error());
  }
  if (arguments.file.empty()) {
    std::printf("%s", body->c_str());
    return kFine;
  }
  std::ofstream file(arguments.file, std::ios::binary | std::ios::trunc);
  file << *body;
  file.close();
  if (!file) return failed(core::error(core::Errc::kFailed, "{} cannot be written", arguments.file));
  return kFine;
}

// --- Without an agent

// The labels of a made-up alert: those that the remediation matches by equality, and those that are given.
core::Result<core::ring::Labels> alert_of(const actions::remedy::RemediationConfig& remediation,
                                          const std::vector<std::string>& given) {
  core::ring::Labels alert;
  for (const auto& matcher : remediation.match) {
    if (matcher.type() == core::ring::MatchType::kEqual) alert = alert.with(matcher.name(), matcher.value());
  }
  for (const std::string& text : given) {
    const auto matchers = rules::parse_matchers(text);
    if (!matchers) return core::fail(matchers.error());
    for (const auto& matcher : *matchers) {
      if (matcher.type() != core::ring::MatchType::kEqual) {
        return core::fail(core::Errc::kInvalid, "expected name=value, got {}", text);
      }
      alert = alert.with(matcher.name(), matcher.value());
    }
  }
  return alert;
}

int print_plan(const RemedyArguments& arguments) {
  using namespace actions::remedy;
  const auto loaded = load_config(arguments.config);
  if (!loaded) return failed(loaded.error().front());
  const Policy& policy = *(*loaded)->policy;
  const RemediationConfig* remediation = policy.find(arguments.name);
  if (remediation == nullptr) {
    return failed(core::error(core::Errc::kNotFound, "no remediation is named \"{}\"", arguments.name));
  }
  const auto alert = alert_of(*remediation, arguments.labels);
  if (!alert) return failed(alert.error());
  const auto plan = make_plan(*remediation, *alert);
  if (!plan) return failed(plan.error().with_context("there is no plan for {}", alert->to_string()));
  const std::string level = core::config::Codec<Level>::print(remediation->level);
  if (!remediation->match.empty() && !remediation->matches(*alert)) {
    std::printf("note: the alert %s is not one that this remediation matches\n", alert->to_string().c_str());
  }
  std::printf("%s, level %s, for %s\n", remediation->name.c_str(), level.c_str(), alert->to_string().c_str());
  for (const Question& question : questions_of(policy, *remediation)) {
    std::printf("needs    %s\n", question.name.c_str());
  }
  int number = 0;
  for (const Step& step : plan->steps) {
    std::printf("%2d. %s  [%s]\n", ++number, step.to_string().c_str(), std::string(to_string(step.repeat())).c_str());
    for (const Step& undo : step.rollback) std::printf("    rollback: %s\n", undo.to_string().c_str());
  }
  if (remediation->verify) {
    std::printf("then     %s within %s\n", remediation->verify->expr.c_str(),
                core::format_duration(remediation->verify->within).c_str());
  }
  if (!remediation->on_failure.then.empty()) std::printf("else     %s\n", remediation->on_failure.then.c_str());
  std::printf("plan     %s\n", plan->hash.c_str());
  return kFine;
}

// --- The command line

using Arguments = std::shared_ptr<RemedyArguments>;
using Action = std::function<int(const RemedyArguments&)>;

Command add_action(const Command& parent, const char* name, const char* help, const Arguments& arguments,
                   Action action) {
  const Command command = parent.add_command(name, help);
  command.runs([arguments, action = std::move(action)] { return action(*arguments); });
  return command;
}

// One that asks a running agent.
Command add_question(const Command& parent, const char* name, const char* help, const Arguments& arguments,
                     Action action) {
  const Command command = add_action(parent, name, help, arguments, std::move(action));
  command.add_option("--url", arguments->url, "Where the agent is").default_shown();
  return command;
}

void add_decisions(const Command& remedy, const Arguments& arguments) {
  const auto add_who = [&](const Command& command) {
    command.add_option("--who", arguments->who, "Who decides; default: the user");
  };
  const Command approve_command =
      add_question(remedy, "approve", "Agree to a remediation that waits", arguments, approve);
  approve_command.add_option("ID", arguments->name, "As `remedy list` shows it").required();
  approve_command.add_option("--plan", arguments->plan,
                             "The hash of the plan that is meant, or its first twelve digits; default: what is shown");
  approve_command.add_flag("--dry-run", arguments->dry_run, "Print the plan that would be approved, and do nothing");
  const Command reject =
      add_question(remedy, "reject", "Give up a remediation that waits, or close one that was interrupted", arguments,
                   [](const RemedyArguments& given) { return ask(given, decision_path(given, "reject")); });
  reject.add_option("ID", arguments->name, "As `remedy list` shows it").required();
  const Command pause = add_question(remedy, "pause", "Start nothing any more", arguments,
                                     [](const RemedyArguments& given) { return pause_or_resume(given, "pause"); });
  pause.add_option("--reason", arguments->reason, "Why").required();
  const Command resume = add_question(remedy, "resume", "Go on after a pause", arguments,
                                      [](const RemedyArguments& given) { return pause_or_resume(given, "resume"); });
  for (const Command& command : {pause, resume}) {
    command.add_option("NAME", arguments->name, "Of one remediation; default: all of them");
  }
  for (const Command& command : {approve_command, reject, pause, resume}) add_who(command);
}

}  // namespace

void add_remedy_commands(const Command& root) {
  const Command remedy = root.add_command("remedy", "Remediations: look at them, decide, pause everything");
  const auto arguments = std::make_shared<RemedyArguments>();
  const Command list = add_question(remedy, "list", "List remediations, newest first", arguments, list_runs);
  list.add_option("--output", arguments->output, "text or json").one_of({"text", "json"});
  add_decisions(remedy, arguments);
  const Command plan =
      add_action(remedy, "plan", "Print what a remediation would do about an alert; do nothing", arguments, print_plan);
  plan.add_option("NAME", arguments->name, "One of remediations").required();
  plan.add_option("--config", arguments->config, "The configuration file").default_shown();
  plan.add_option("--labels", arguments->labels, "Labels of the alert: instance=a, or 'instance=\"a\", job=\"b\"'");
  const Command evidence =
      add_question(remedy, "evidence", "Fetch what a run left behind, one JSON document", arguments, fetch_evidence);
  evidence.add_option("ID", arguments->name, "As `remedy list` shows it").required();
  evidence.add_option("--file", arguments->file, "Where to write it; default: standard output");
  add_audit_commands(remedy, "remediations.db");
}

}  // namespace agent

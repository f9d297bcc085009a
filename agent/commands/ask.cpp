// SPDX-License-Identifier: Apache-2.0
// Subcommands that ask a running agent about its state, or for a decision: alerts, remedy.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "agent/commands/api_client.h"
#include "agent/commands/commands.h"
#include "core/net/url.h"
#include "core/ring/labels.h"

namespace agent {
namespace {

using nlohmann::json;

struct AskArguments {
  std::string url = kDefaultUrl;
  std::string name;  // of a run or a backup
  std::string reason;
  std::string who;
};

// The person in front of the terminal, for the journal.
std::string user_name() {
  const char* const user = std::getenv("SUDO_USER") != nullptr ? std::getenv("SUDO_USER") : std::getenv("USER");
  return user == nullptr ? "command line" : user;
}

int failed(const core::Error& error) {
  std::fprintf(stderr, "watchkeeper: %s\n", error.message.c_str());
  return kFailed;
}

std::string text_of(const json& value) { return value.is_string() ? value.get<std::string>() : ""; }

std::string alert_text(const json& labels) {
  std::vector<core::ring::Label> pairs;
  for (const auto& [name, value] : labels.items()) pairs.push_back({name, text_of(value)});
  return core::ring::Labels(std::move(pairs)).to_string();
}

int list_alerts(const AskArguments& arguments) {
  const auto data = data_of(ApiClient(arguments.url).get("/api/v1/alerts"));
  if (!data) return failed(data.error());
  for (const json& alert : data->at("alerts")) {
    std::printf("%-7s  since %s  %s\n", text_of(alert.at("state")).c_str(), text_of(alert.at("activeAt")).c_str(),
                alert_text(alert.at("labels")).c_str());
    if (const auto& notes = alert.at("annotations"); notes.contains("summary")) {
      std::printf("         %s\n", text_of(notes.at("summary")).c_str());
    }
  }
  return kFine;
}

// Rules that have found no sample since the agent's start.
int check_seen(const AskArguments& arguments) {
  const auto data = data_of(ApiClient(arguments.url).get("/api/v1/rules?exclude_alerts=true"));
  if (!data) return failed(data.error());
  std::size_t rules = 0;
  std::size_t blind = 0;
  for (const json& group : data->at("groups")) {
    for (const json& rule : group.at("rules")) {
      ++rules;
      if (!rule.contains("watchesNothing")) continue;
      ++blind;
      std::printf("%s: group %s: %s has found no series since the start: %s\n", text_of(group.at("file")).c_str(),
                  text_of(group.at("name")).c_str(), text_of(rule.at("name")).c_str(),
                  text_of(rule.at("query")).c_str());
    }
  }
  std::printf("%zu of %zu rules have found no series since the start\n", blind, rules);
  return blind == 0 ? kFine : kFailed;
}

int list_runs(const AskArguments& arguments) {
  const auto data = data_of(ApiClient(arguments.url).get("/api/watchkeeper/v1/remediations"));
  if (!data) return failed(data.error());
  const json& automation = data->at("automation");
  if (automation.at("paused").get<bool>()) {
    std::printf("automation is PAUSED since %s by %s: %s\n", text_of(automation.at("since")).c_str(),
                text_of(automation.at("who")).c_str(), text_of(automation.at("reason")).c_str());
  } else {
    std::printf("automation is on\n");
  }
  for (const json& run : data->at("runs")) {
    std::printf("%-11s  %s  %s\n             %s\n", text_of(run.at("state")).c_str(),
                text_of(run.at("created")).c_str(), text_of(run.at("id")).c_str(), text_of(run.at("reason")).c_str());
    for (const json& step : run.at("steps")) {
      std::printf("             - %s: %s %s\n", text_of(step.at("step")).c_str(), text_of(step.at("state")).c_str(),
                  text_of(step.at("result")).c_str());
    }
  }
  return kFine;
}

int ask(const AskArguments& arguments, const std::string& path) {
  FormFields fields = {{"who", arguments.who.empty() ? user_name() : arguments.who}};
  if (!arguments.reason.empty()) fields.emplace_back("reason", arguments.reason);
  const auto data = data_of(ApiClient(arguments.url).post("/api/watchkeeper/v1/" + path, fields));
  if (!data) return failed(data.error());
  std::printf("done\n");
  return kFine;
}

using Action = std::function<int(const AskArguments&)>;

CLI::App* add_action(CLI::App& parent, const char* name, const char* help, int& status, Action action,
                     const std::shared_ptr<AskArguments>& arguments) {
  CLI::App* const command = parent.add_subcommand(name, help);
  command->add_option("--url", arguments->url, "Where the agent is")->capture_default_str();
  command->callback([arguments, action = std::move(action), &status] { status = action(*arguments); });
  return command;
}

}  // namespace

void add_alerts_command(CLI::App& app, int& status) {
  add_action(app, "alerts", "List pending and firing alerts", status, list_alerts, std::make_shared<AskArguments>());
}

void add_seen_command(CLI::App& check, int& status) {
  add_action(check, "seen", "Whether each rule of a running agent has found series since its start", status, check_seen,
             std::make_shared<AskArguments>());
}

void add_remedy_commands(CLI::App& app, int& status) {
  CLI::App* const remedy = app.add_subcommand("remedy", "Remediations: look at them, decide, pause everything");
  remedy->require_subcommand(1);
  const auto arguments = std::make_shared<AskArguments>();
  add_action(*remedy, "list", "List remediations, newest first", status, list_runs, arguments);
  for (const char* const verb : {"approve", "reject"}) {
    CLI::App* const decide = add_action(
        *remedy, verb, "Decide on a remediation that waits", status,
        [verb](const AskArguments& given) {
          return ask(given, "remediations/" + core::net::escape_query(given.name) + "/" + verb);
        },
        arguments);
    decide->add_option("ID", arguments->name, "As `remedy list` shows it")->required();
    decide->add_option("--who", arguments->who, "Who decides; default: the user");
  }
  CLI::App* const pause = add_action(
      *remedy, "pause", "Start nothing any more", status,
      [](const AskArguments& given) { return ask(given, "automation/pause"); }, arguments);
  pause->add_option("--reason", arguments->reason, "Why")->required();
  pause->add_option("--who", arguments->who, "Who decides; default: the user");
  CLI::App* const resume = add_action(
      *remedy, "resume", "Go on after a pause", status,
      [](const AskArguments& given) { return ask(given, "automation/resume"); }, arguments);
  resume->add_option("--who", arguments->who, "Who decides; default: the user");
}

}  // namespace agent

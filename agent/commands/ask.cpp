// SPDX-License-Identifier: Apache-2.0
// Subcommands that ask a running agent about its state: alerts, check seen.
#include <cstdio>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "agent/commands/api_client.h"
#include "agent/commands/commands.h"
#include "core/ring/labels.h"

namespace agent {
namespace {

using nlohmann::json;

struct AskArguments {
  std::string url = kDefaultUrl;
};

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

using Action = std::function<int(const AskArguments&)>;

Command add_action(const Command& parent, const char* name, const char* help, Action action,
                   const std::shared_ptr<AskArguments>& arguments) {
  const Command command = parent.add_command(name, help);
  command.add_option("--url", arguments->url, "Where the agent is").default_shown();
  command.runs([arguments, action = std::move(action)] { return action(*arguments); });
  return command;
}

}  // namespace

void add_alerts_command(const Command& root) {
  add_action(root, "alerts", "List pending and firing alerts", list_alerts, std::make_shared<AskArguments>());
}

void add_seen_command(const Command& check) {
  add_action(check, "seen", "Whether each rule of a running agent has found series since its start", check_seen,
             std::make_shared<AskArguments>());
}

}  // namespace agent

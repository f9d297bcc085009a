// SPDX-License-Identifier: Apache-2.0
// Host replacement: asking a running agent about groups and their rolling updates.
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "agent/commands/api_client.h"
#include "agent/commands/commands.h"
#include "core/net/url.h"

namespace agent {
namespace {

using nlohmann::json;

constexpr const char* kPath = "/api/watchkeeper/v1/replace";

struct ReplaceArguments {
  std::string url = kDefaultUrl;
  std::string group;
  std::string who;
  std::string reason;
  std::string output = "text";
  bool dry_run = false;
};

std::string text_of(const json& value) { return value.is_string() ? value.get<std::string>() : ""; }

std::string host_name(const json& host) {
  const std::string instance = host.is_object() ? host.value("instance", "") : "";
  return instance.empty() ? host.dump() : instance;
}

std::string count_of(const json& hosts) { return hosts.is_array() ? std::to_string(hosts.size()) : "?"; }

void print_group(const json& group) {
  std::printf("%s  driver %s, level %s: %s hosts, %s outdated\n", text_of(group.at("name")).c_str(),
              text_of(group.at("driver")).c_str(), text_of(group.at("level")).c_str(),
              count_of(group.at("members")).c_str(), count_of(group.at("outdated")).c_str());
  if (const std::string problem = text_of(group.at("problem")); !problem.empty()) {
    std::printf("  not known: %s\n", problem.c_str());
  }
  const json& rollout = group.at("rollout");
  if (!rollout.is_object()) return;
  std::printf("  rolling update %s since %s by %s: %s\n", text_of(rollout.at("state")).c_str(),
              text_of(rollout.at("started")).c_str(), text_of(rollout.at("who")).c_str(),
              text_of(rollout.at("reason")).c_str());
  for (const json& each : rollout.at("replaced")) {
    std::printf("  replaced %s at %s (run %s)\n", host_name(each.at("host")).c_str(), text_of(each.at("at")).c_str(),
                text_of(each.at("run")).c_str());
  }
  if (const json& current = rollout.at("current"); current.is_object()) {
    std::printf("  now      %s since %s (run %s)\n", host_name(current.at("host")).c_str(),
                text_of(current.at("since")).c_str(), text_of(current.at("run")).c_str());
  }
}

int print_status(const ReplaceArguments& arguments) {
  const auto data = data_of(ApiClient(arguments.url).get(kPath));
  if (!data) return failed(data.error());
  json chosen = json::array();
  for (const json& group : data->at("groups")) {
    if (arguments.group.empty() || group.at("name") == arguments.group) chosen.push_back(group);
  }
  if (!arguments.group.empty() && chosen.empty()) {
    return failed(core::error(core::Errc::kNotFound, "no group is named \"{}\" in replace", arguments.group));
  }
  if (arguments.output == "json") {
    std::printf("%s\n", chosen.dump(2).c_str());
    return kFine;
  }
  for (const json& group : chosen) print_group(group);
  return kFine;
}

std::string path_of(const ReplaceArguments& arguments, const char* verb) {
  return std::string(kPath) + "/" + core::net::escape_query(arguments.group) + "/" + verb;
}

int print_plan(const ReplaceArguments& arguments) {
  const auto data = data_of(ApiClient(arguments.url).get(path_of(arguments, "plan")));
  if (!data) return failed(data.error());
  if (arguments.output == "json") {
    std::printf("%s\n", data->dump(2).c_str());
    return kFine;
  }
  std::printf("%s, level %s: %zu of %zu hosts, one after another\n", text_of(data->at("group")).c_str(),
              text_of(data->at("level")).c_str(), data->at("hosts").size(), data->at("members").get<std::size_t>());
  for (const json& need : data->at("needs")) std::printf("needs    %s\n", text_of(need).c_str());
  for (const json& host : data->at("hosts")) {
    std::printf("%s\n", host_name(host.at("host")).c_str());
    if (const std::string problem = text_of(host.at("problem")); !problem.empty()) {
      std::printf("    no plan: %s\n", problem.c_str());
    }
    int number = 0;
    for (const json& step : host.at("steps")) {
      std::printf("%4d. %s  [%s]\n", ++number, text_of(step.at("step")).c_str(), text_of(step.at("repeat")).c_str());
    }
  }
  std::printf("then     %s within %s\n", text_of(data->at("ready")).c_str(), text_of(data->at("readyWithin")).c_str());
  return kFine;
}

int order(const ReplaceArguments& arguments, const char* verb) {
  if (arguments.dry_run) return print_plan(arguments);
  const char* const sudo = std::getenv("SUDO_USER");
  const char* const user = sudo != nullptr ? sudo : std::getenv("USER");
  FormFields fields{{"who", !arguments.who.empty() ? arguments.who : user == nullptr ? "command line" : user}};
  if (!arguments.reason.empty()) fields.emplace_back("reason", arguments.reason);
  const auto data = data_of(ApiClient(arguments.url).post(path_of(arguments, verb), fields));
  if (!data) return failed(data.error());
  std::printf("done; `watchkeeper replace status %s` shows what becomes of it\n", arguments.group.c_str());
  return kFine;
}

using Arguments = std::shared_ptr<ReplaceArguments>;

Command add(const Command& parent, const char* name, const char* help, const Arguments& arguments,
            std::function<int(const ReplaceArguments&)> action) {
  const Command command = parent.add_command(name, help);
  command.add_option("--url", arguments->url, "Where the agent is").default_shown();
  command.runs([arguments, action = std::move(action)] { return action(*arguments); });
  return command;
}

}  // namespace

void add_replace_commands(const Command& root) {
  const Command replace = root.add_command("replace", "Host replacement: rolling updates of groups of hosts");
  const auto arguments = std::make_shared<ReplaceArguments>();
  const Command shown =
      add(replace, "status", "Show groups, and what became of their rolling updates", arguments, print_status);
  shown.add_option("GROUP", arguments->group, "One of them; default: all");
  const Command plan =
      add(replace, "plan", "Print what a rolling update would do, host by host; do nothing", arguments, print_plan);
  for (const Command& command : {shown, plan}) {
    command.add_option("-o,--output", arguments->output, "text or json").one_of({"text", "json"});
  }
  plan.add_option("GROUP", arguments->group, "One of replace").required();
  const std::pair<const char*, const char*> orders[] = {{"start", "Replace what is outdated, one host after another"},
                                                        {"pause", "Begin no further host"},
                                                        {"resume", "Go on after a pause"},
                                                        {"stop", "Begin no further host, for good"}};
  for (const auto& [verb, help] : orders) {
    const Command command =
        add(replace, verb, help, arguments,
            [verb = std::string(verb)](const ReplaceArguments& given) { return order(given, verb.c_str()); });
    command.add_option("GROUP", arguments->group, "One of replace").required();
    command.add_option("--who", arguments->who, "Who asks; default: the user");
    if (std::string(verb) == "start") {
      command.add_flag("--dry-run", arguments->dry_run, "As `plan`: print what it would do, and do nothing");
    }
    if (std::string(verb) == "pause") command.add_option("--reason", arguments->reason, "Why").required();
  }
}

}  // namespace agent

// SPDX-License-Identifier: Apache-2.0
// Drills: asking a running agent about them, and to begin or end one.
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>

#include "agent/commands/api_client.h"
#include "agent/commands/commands.h"
#include "core/net/url.h"
#include "core/time/clock.h"
#include "core/time/duration.h"

namespace agent {
namespace {

using nlohmann::json;

constexpr const char* kPath = "/api/watchkeeper/v1/drills";
constexpr auto kLookEvery = std::chrono::seconds(1);
// Looks in a row that may go unanswered while a drill is waited for: the agent may be restarted by the drill itself.
constexpr int kUnansweredMax = 60;

struct DrillArguments {
  std::string url = kDefaultUrl;
  std::string name;
  std::string run;
  std::string who;
  std::string output = "text";
  bool yes = false;
  bool no_wait = false;
  bool dry_run = false;

  bool as_json() const { return output == "json"; }
  std::string path(const char* verb) const {
    return std::string(kPath) + "/" + core::net::escape_query(name) + "/" + verb;
  }
};

std::string text_of(const json& value) { return value.is_string() ? value.get<std::string>() : ""; }

std::string duration_of(const json& millis) {
  return core::format_duration(core::Millis(millis.is_number() ? millis.get<std::int64_t>() : 0));
}

std::string user_name() {
  const char* const user = std::getenv("SUDO_USER") != nullptr ? std::getenv("SUDO_USER") : std::getenv("USER");
  return user == nullptr ? "command line" : user;
}

void print_line(const std::string& text) { std::printf("%s\n", text.c_str()); }

void print_expectation(const json& each) {
  const std::string state = text_of(each.at("state"));
  const bool took = each.at("tookSeconds").is_number();
  print_line(fmt::format("  {:8} {} within {}{}{}", state, text_of(each.at("what")), duration_of(each.at("withinMs")),
                         took ? fmt::format(": {:.1f} s", each.at("tookSeconds").get<double>()) : "",
                         text_of(each.at("why")).empty() ? "" : " - " + text_of(each.at("why"))));
}

void print_moment(const json& moment) {
  print_line(fmt::format("  {:24}  {:20} {}", text_of(moment.at("at")), text_of(moment.at("what")),
                         text_of(moment.at("detail"))));
}

std::string state_of(const json& run) {
  const std::string result = text_of(run.at("result"));
  const std::string phase = text_of(run.at("phase"));
  return phase == "over" ? result : result.empty() ? phase : fmt::format("{} ({})", phase, result);
}

void print_report(const json& run) {
  print_line(fmt::format("{}: {}{}", text_of(run.at("id")), state_of(run),
                         text_of(run.at("reason")).empty() ? "" : " - " + text_of(run.at("reason"))));
  print_line(fmt::format("  {} on {}, by {}", text_of(run.at("fault").at("description")), text_of(run.at("component")),
                         text_of(run.at("who"))));
  for (const json& each : run.at("expectations")) print_expectation(each);
  if (!text_of(run.at("restoreError")).empty()) {
    print_line("  NOT RESTORED: " + text_of(run.at("restoreError")));
    print_line("  to restore by hand: " + text_of(run.at("fault").at("restore")));
  }
  for (const json& each : run.at("timeline")) print_moment(each);
}

int status_of(const json& run) { return text_of(run.at("result")) == "passed" ? kFine : kFailed; }

int list(const DrillArguments& arguments) {
  const auto data = data_of(ApiClient(arguments.url).get(kPath));
  if (!data) return failed(data.error());
  if (arguments.as_json()) {
    print_line(data->dump(2));
    return kFine;
  }
  for (const json& drill : data->at("drills")) {
    const json& last = drill.at("last");
    const std::string state = last.is_null() ? "never run" : state_of(last) + " " + text_of(last.at("created"));
    print_line(fmt::format("{:24} {}  {}", text_of(drill.at("name")), text_of(drill.at("fault")), state));
    if (drill.at("next").is_string()) print_line(fmt::format("{:24} next {}", "", text_of(drill.at("next"))));
    if (drill.at("lastRefusal").is_object()) {
      print_line(fmt::format("{:24} refused {}: {}", "", text_of(drill.at("lastRefusal").at("at")),
                             text_of(drill.at("lastRefusal").at("why"))));
    }
  }
  return kFine;
}

int plan(const DrillArguments& arguments) {
  const auto data = data_of(ApiClient(arguments.url).get(arguments.path("plan")));
  if (!data) return failed(data.error());
  if (arguments.as_json()) {
    print_line(data->dump(2));
  } else {
    print_line(fmt::format("{} on {}", text_of(data->at("name")), text_of(data->at("component"))));
    print_line("inject   " + text_of(data->at("fault")));
    for (const json& unit : data->at("units")) print_line("stops    " + text_of(unit));
    if (data->at("pod").is_string()) print_line("kills    " + text_of(data->at("pod")));
    print_line("restore  " + text_of(data->at("restore")) + ", after " + duration_of(data->at("maxDurationMs")) +
               " at the latest");
    for (const json& each : data->at("expectations")) {
      print_line(fmt::format("expects  {} within {}", text_of(each.at("what")), duration_of(each.at("withinMs"))));
    }
    for (const json& each : data->at("findings")) {
      print_line(fmt::format("needs    {}: {} {}", text_of(each.at("name")), text_of(each.at("verdict")),
                             text_of(each.at("why"))));
    }
    if (!text_of(data->at("validators")).empty()) print_line("--yes    " + text_of(data->at("validators")));
    for (const json& each : data->at("objections")) print_line("REFUSED  " + text_of(each));
  }
  return data->at("objections").empty() ? kFine : kFailed;
}

int report(const DrillArguments& arguments) {
  std::string path = arguments.path("report");
  if (!arguments.run.empty()) path += "?run=" + core::net::escape_query(arguments.run);
  const auto data = data_of(ApiClient(arguments.url).get(path));
  if (!data) return failed(data.error());
  if (arguments.as_json()) {
    print_line(data->dump(2));
  } else {
    print_report(*data);
  }
  return status_of(*data);
}

// Prints what happens as it happens, until the run is over.
int follow(const DrillArguments& arguments, const std::string& run) {
  std::mutex mutex;
  std::condition_variable never;
  std::size_t printed = 0;
  int unanswered = 0;
  for (;;) {
    const auto data =
        data_of(ApiClient(arguments.url).get(arguments.path("report") + "?run=" + core::net::escape_query(run)));
    if (!data && ++unanswered >= kUnansweredMax) return failed(data.error());
    if (data) {
      unanswered = 0;
      const json& timeline = data->at("timeline");
      // A line may have come before those that are printed: the report at the end has the right order.
      for (; !arguments.as_json() && printed < timeline.size(); ++printed) print_moment(timeline[printed]);
      std::fflush(stdout);
      if (text_of(data->at("phase")) == "over") {
        if (arguments.as_json()) {
          print_line(data->dump(2));
        } else {
          print_report(*data);
        }
        return status_of(*data);
      }
    }
    std::unique_lock lock(mutex);
    never.wait_for(lock, kLookEvery);
  }
}

int run(const DrillArguments& arguments) {
  if (arguments.dry_run) return plan(arguments);
  FormFields fields = {{"who", arguments.who.empty() ? user_name() : arguments.who}};
  if (arguments.yes) fields.emplace_back("yes", "true");
  const auto data = data_of(ApiClient(arguments.url).post(arguments.path("run"), fields));
  if (!data) return failed(data.error());
  const std::string id = text_of(data->at("run"));
  if (!arguments.no_wait) return follow(arguments, id);
  print_line(arguments.as_json() ? data->dump(2) : id);
  return kFine;
}

int cancel(const DrillArguments& arguments) {
  const auto data =
      data_of(ApiClient(arguments.url)
                  .post(arguments.path("cancel"), {{"who", arguments.who.empty() ? user_name() : arguments.who}}));
  if (!data) return failed(data.error());
  print_line("it is being restored");
  return kFine;
}

using Arguments = std::shared_ptr<DrillArguments>;

Command add_action(const Command& parent, const char* name, const char* help, const Arguments& arguments,
                   int (*action)(const DrillArguments&)) {
  const Command command = parent.add_command(name, help);
  command.runs([arguments, action] { return action(*arguments); });
  command.add_option("--url", arguments->url, "Where the agent is").default_shown();
  command.add_option("--output", arguments->output, "text or json").one_of({"text", "json"});
  return command;
}

}  // namespace

void add_drill_commands(const Command& root) {
  const Command drill = root.add_command("drill", "Game days: inject a failure, see that it is noticed, restore");
  const auto arguments = std::make_shared<DrillArguments>();
  add_action(drill, "list", "List drills with their last runs", arguments, list);
  const Command planned =
      add_action(drill, "plan", "Say what a drill would do now, and what objects to it; do nothing", arguments, plan);
  const Command begun = add_action(drill, "run", "Begin a drill and wait for its end: 0 if it passed", arguments, run);
  const Command cancelled = add_action(drill, "cancel", "End a drill that runs, and restore", arguments, cancel);
  const Command reported =
      add_action(drill, "report", "Show what the last run came to: 0 if it passed", arguments, report);
  for (const Command& command : {planned, begun, cancelled, reported}) {
    command.add_option("NAME", arguments->name, "One of drills").required();
  }
  for (const Command& command : {begun, cancelled}) {
    command.add_option("--who", arguments->who, "Who wants it; default: the user");
  }
  begun.add_flag("--yes", arguments->yes, "Yes, this drill touches validators");
  begun.add_flag("--dry-run", arguments->dry_run, "As `plan`: say what it would do, and do nothing");
  begun.add_flag("--no-wait", arguments->no_wait, "Print the id of the run and return");
  reported.add_option("--run", arguments->run, "The id of another run");
  add_audit_commands(drill, "drills.db");
}

}  // namespace agent

// SPDX-License-Identifier: Apache-2.0
#include "actions/drill/fault_injector.h"

#include <sys/stat.h>

#include <algorithm>
#include <csignal>
#include <deque>

#include "actions/drill/pod_kill.h"
#include "actions/drill/scratch_fill.h"
#include "actions/protection/validator_words.h"
#include "core/process/unit_wait.h"
#include "core/time/duration.h"

namespace actions::drill {

using core::Errc;
using core::fail;
using core::Result;
using core::process::Command;
using core::process::Exit;
using core::process::kUnitCallTimeout;
using core::process::UnitStatus;
using core::process::UnitVerb;

namespace {

// Units that would stop with another, and those that would stop with these. More than this nobody has looked through.
constexpr std::size_t kDependentsMax = 64;
constexpr core::Millis kNftTimeout = std::chrono::seconds(10);
// The block outlasts the drill by this, should nobody be left to restore.
constexpr core::Millis kBlockOutlasts = std::chrono::minutes(1);
constexpr std::size_t kPrintedMax = 400;
constexpr const char* kTable = "watchkeeper_drill";

bool runs(const UnitStatus& unit) {
  return unit.active_state == "active" || unit.active_state == "activating" || unit.active_state == "reloading";
}

std::string namespace_file(const std::string& name) { return "/run/netns/" + name; }

// The end of what a program printed, in one line.
std::string printed(const Exit& exit) {
  std::string text = exit.errors.empty() ? exit.output : exit.errors;
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  std::ranges::replace(text, '\n', ' ');
  return text.size() > kPrintedMax ? text.substr(text.size() - kPrintedMax) : text;
}

std::string told(const Exit& exit) {
  const std::string text = printed(exit);
  return text.empty() ? exit.to_string() : exit.to_string() + ": " + text;
}

}  // namespace

Injector::Survey FaultInjector::survey(const Fault& fault, const DrillableConfig& component,
                                       const remedy::ProtectionConfig& protection, bool validators_allowed) {
  Survey survey;
  if (const auto* unit = std::get_if<UnitFault>(&fault.action)) {
    survey_unit(*unit, component, validators_allowed, survey);
  }
  if (const auto* port = std::get_if<PortFault>(&fault.action)) survey_port(*port, survey);
  if (const auto* fill = std::get_if<FillFault>(&fault.action)) {
    survey.objections = objections_to_fill(*fill, component, with_.data_folder);
  }
  if (const auto* pod = std::get_if<PodFault>(&fault.action)) {
    PodSurvey found = survey_pods(with_.cluster, *pod, component, validators_allowed ? nullptr : &protection);
    survey.pods = std::move(found.pods);
    survey.objections = std::move(found.objections);
  }
  return survey;
}

void FaultInjector::survey_unit(const UnitFault& fault, const DrillableConfig& component, bool validators_allowed,
                                Survey& survey) {
  const Result<UnitStatus> unit = with_.services.status(fault.unit, kUnitCallTimeout);
  if (!unit) return survey.objections.push_back(unit.error().message);
  if (unit->active_state != "active" || unit->has_job) {
    return survey.objections.push_back(fmt::format("{} is {}{}: it must run before", fault.unit, unit->active_state,
                                                   unit->has_job ? " with a job" : ""));
  }
  survey.units.push_back(fault.unit);
  survey_dependents(fault, component, validators_allowed, survey);
}

// systemd stops with a unit what requires it or is a part of it: stopping a beacon node may stop the validator client
// on the same host. So what would stop must be listed as well.
void FaultInjector::survey_dependents(const UnitFault& fault, const DrillableConfig& component, bool validators_allowed,
                                      Survey& survey) {
  std::deque<std::string> to_ask = {fault.unit};
  std::vector<std::string> seen = {fault.unit};
  while (!to_ask.empty()) {
    const auto dependents = with_.services.stops_with(to_ask.front(), kUnitCallTimeout);
    to_ask.pop_front();
    if (!dependents) return survey.objections.push_back(dependents.error().message);
    for (const std::string& each : *dependents) {
      if (std::ranges::find(seen, each) != seen.end()) continue;
      if (seen.size() >= kDependentsMax) {
        return survey.objections.push_back(fmt::format("more than {} units stop with {}", kDependentsMax, fault.unit));
      }
      seen.push_back(each);
      to_ask.push_back(each);
      const Result<UnitStatus> unit = with_.services.status(each, kUnitCallTimeout);
      if (!unit && unit.error().code == Errc::kNotFound) continue;
      if (!unit) return survey.objections.push_back(unit.error().message);
      if (!runs(*unit)) continue;
      survey.units.push_back(each);
      if (protection::names_a_validator(each) && !validators_allowed) {
        survey.objections.push_back(fmt::format("{} would stop with {}, and it names a validator", each, fault.unit));
      } else if (std::ranges::find(component.units, each) == component.units.end()) {
        survey.objections.push_back(
            fmt::format("{} would stop with {}, and is not listed for the component", each, fault.unit));
      }
    }
  }
}

void FaultInjector::survey_port(const PortFault& fault, Survey& survey) {
  const std::string file = namespace_file(fault.network_namespace);
  struct stat wanted{};
  if (::stat(file.c_str(), &wanted) != 0) {
    return survey.objections.push_back(fmt::format("there is no network namespace {}", fault.network_namespace));
  }
  for (const char* const own : {"/proc/self/ns/net", "/proc/1/ns/net"}) {
    struct stat host{};
    if (::stat(own, &host) == 0 && host.st_dev == wanted.st_dev && host.st_ino == wanted.st_ino) {
      return survey.objections.push_back(
          fmt::format("the network namespace {} is the host's own", fault.network_namespace));
    }
  }
  if (auto able = run_nft(fault.network_namespace, "list tables\n", {}); !able) {
    survey.objections.push_back(able.error().message);
  }
}

Result<std::string> FaultInjector::inject(const Run& run, std::stop_token stop) {
  if (const auto* unit = std::get_if<UnitFault>(&run.fault.action)) return stop_unit(*unit, stop);
  if (const auto* exec = std::get_if<ExecFault>(&run.fault.action)) {
    return run_program(run, exec->argv, exec->timeout, stop);
  }
  if (const auto* port = std::get_if<PortFault>(&run.fault.action)) {
    return block_port(*port, run.max_duration + kBlockOutlasts, stop);
  }
  if (const auto* pod = std::get_if<PodFault>(&run.fault.action)) {
    return kill_pod(with_.cluster, *pod, run.pods, std::move(stop));
  }
  return fill_scratch(std::get<FillFault>(run.fault.action), stop);
}

Result<std::string> FaultInjector::restore(const Run& run, std::stop_token stop) {
  if (const auto* unit = std::get_if<UnitFault>(&run.fault.action)) return restore_units(*unit, run.units, stop);
  if (const auto* exec = std::get_if<ExecFault>(&run.fault.action)) {
    return run_program(run, exec->restore, exec->timeout, stop);
  }
  if (const auto* port = std::get_if<PortFault>(&run.fault.action)) return unblock_port(*port, stop);
  if (const auto* pod = std::get_if<PodFault>(&run.fault.action)) {
    return await_another_pod(with_.cluster, *pod, run.pods, std::move(stop));
  }
  return empty_scratch(std::get<FillFault>(run.fault.action));
}

Result<std::string> FaultInjector::stop_unit(const UnitFault& fault, std::stop_token stop) {
  if (fault.action == UnitFaultAction::kKill) {
    if (auto killed = with_.services.kill(fault.unit, SIGKILL, kUnitCallTimeout); !killed) return fail(killed.error());
    return fault.unit + " was killed";
  }
  if (auto asked = with_.services.ask(UnitVerb::kStop, fault.unit, kUnitCallTimeout); !asked) {
    return fail(asked.error());
  }
  const auto unit =
      core::process::wait_until_settled(with_.services, with_.cluster.clock, fault.unit, fault.timeout, stop);
  if (!unit) return fail(unit.error());
  const std::string text = fmt::format("{} is {} ({})", fault.unit, unit->active_state, unit->sub_state);
  if (unit->active_state == "inactive" || unit->active_state == "failed") return text;
  return fail(Errc::kFailed, "{}", text);
}

// All are tried before the first failure is told: one that does not start must not keep the others down.
Result<std::string> FaultInjector::restore_units(const UnitFault& fault, const std::vector<std::string>& units,
                                                 std::stop_token stop) {
  std::string text;
  Result<void> done;
  for (const std::string& name : units) {
    auto asked = with_.services.ask(UnitVerb::kStart, name, kUnitCallTimeout);
    const auto unit =
        asked ? core::process::wait_until_settled(with_.services, with_.cluster.clock, name, fault.timeout, stop)
              : Result<UnitStatus>(fail(asked.error()));
    if (!unit) {
      if (done) done = fail(unit.error());
      continue;
    }
    const std::string state = fmt::format("{} is {} ({})", name, unit->active_state, unit->sub_state);
    if (unit->active_state != "active" && done) done = fail(Errc::kFailed, "{}", state);
    text += (text.empty() ? "" : ", ") + state;
  }
  if (!done) return fail(done.error());
  return text;
}

Result<std::string> FaultInjector::run_program(const Run& run, const std::vector<std::string>& argv,
                                               core::Millis timeout, std::stop_token stop) {
  Command command;
  command.argv = argv;
  command.timeout = timeout;
  command.environment["WATCHKEEPER_DRILL"] = run.drill;
  command.environment["WATCHKEEPER_RUN"] = run.id;
  const Result<Exit> exit = with_.commands.run(command, stop);
  if (!exit) return fail(exit.error());
  if (!exit->succeeded()) return fail(Errc::kFailed, "{}: {}", argv.front(), told(*exit));
  return fmt::format("{} {}", argv.front(), told(*exit));
}

// A table of our own: nothing of anybody else's is touched, and removing it is the whole restore. The port is an
// element with a timeout of a set, which the kernel itself removes.
Result<std::string> FaultInjector::block_port(const PortFault& fault, core::Millis lasts, std::stop_token stop) {
  const bool in = fault.direction == Direction::kIn;
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(lasts).count();
  const std::string script = fmt::format(
      "add table inet {0}\n"
      "delete table inet {0}\n"
      "add table inet {0}\n"
      "add set inet {0} ports {{ type inet_service; flags timeout; }}\n"
      "add element inet {0} ports {{ {1} timeout {2}s }}\n"
      "add chain inet {0} block {{ type filter hook {3} priority -150; policy accept; }}\n"
      "add rule inet {0} block tcp dport @ports counter {4}\n",
      kTable, fault.port, seconds, in ? "input" : "output",
      fault.answer == BlockedAnswer::kReset ? "reject with tcp reset" : "drop");
  if (auto done = run_nft(fault.network_namespace, script, stop); !done) return fail(done.error());
  return fmt::format("TCP port {} is blocked in {}", fault.port, fault.network_namespace);
}

Result<std::string> FaultInjector::unblock_port(const PortFault& fault, std::stop_token stop) {
  struct stat status{};
  if (::stat(namespace_file(fault.network_namespace).c_str(), &status) != 0 && errno == ENOENT) {
    return fmt::format("the network namespace {} is gone; a block in what is left of it ends by itself",
                       fault.network_namespace);
  }
  const std::string script = fmt::format("add table inet {0}\ndelete table inet {0}\n", kTable);
  if (auto done = run_nft(fault.network_namespace, script, stop); !done) return fail(done.error());
  return fmt::format("nothing is blocked in {} by a drill", fault.network_namespace);
}

Result<void> FaultInjector::run_nft(const std::string& network_namespace, std::string script, std::stop_token stop) {
  Command command;
  command.argv = {"nsenter", "--net=" + namespace_file(network_namespace), "nft", "-f", "-"};
  command.environment["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  command.input = std::move(script);
  command.timeout = kNftTimeout;
  const Result<Exit> exit = with_.commands.run(command, stop);
  if (!exit) return fail(exit.error());
  if (!exit->succeeded()) return fail(Errc::kFailed, "nft in {}: {}", network_namespace, told(*exit));
  return {};
}

}  // namespace actions::drill

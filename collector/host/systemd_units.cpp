// SPDX-License-Identifier: Apache-2.0
#include "collector/host/systemd_units.h"

#include <array>

#include "collector/host/kernel_files.h"
#include "collector/host/sources.h"
#include "collector/host/systemd_bus.h"

namespace collector::host {
namespace {

using core::Errc;
using core::Result;

constexpr std::array<std::string_view, 5> kStates = {"activating", "active", "deactivating", "failed", "inactive"};
constexpr auto kTypesKeptFor = std::chrono::minutes(10);

struct Number {
  std::string_view suffix;  // of the unit's name
  const char* interface;
  const char* property;
  std::string_view family, type, help;
  double divisor;
  bool SystemdOptions::* wanted;  // none: always
};

constexpr std::array<Number, 8> kNumbers = {
    {{".timer", "org.freedesktop.systemd1.Timer", "LastTriggerUSec", "node_systemd_timer_last_trigger_seconds", "gauge",
      "When a timer was last due.", 1e6, nullptr},
     {".socket", "org.freedesktop.systemd1.Socket", "NAccepted", "node_systemd_socket_accepted_connections_total",
      "counter", "Connections that a socket unit has taken.", 1, nullptr},
     {".socket", "org.freedesktop.systemd1.Socket", "NConnections", "node_systemd_socket_current_connections", "gauge",
      "Connections that it has now.", 1, nullptr},
     {".socket", "org.freedesktop.systemd1.Socket", "NRefused", "node_systemd_socket_refused_connections_total",
      "gauge", "Connections that it has refused.", 1, nullptr},
     {".service", "org.freedesktop.systemd1.Service", "NRestarts", "node_systemd_service_restart_total", "counter",
      "How often systemd started a service anew by itself.", 1, &SystemdOptions::restarts},
     {".service", "org.freedesktop.systemd1.Service", "TasksCurrent", "node_systemd_unit_tasks_current", "gauge",
      "Tasks of a service.", 1, &SystemdOptions::tasks},
     {".service", "org.freedesktop.systemd1.Service", "TasksMax", "node_systemd_unit_tasks_max", "gauge",
      "Most tasks of a service.", 1, &SystemdOptions::tasks},
     {"", "org.freedesktop.systemd1.Unit", "ActiveEnterTimestamp", "node_systemd_unit_start_time_seconds", "gauge",
      "When a unit became active.", 1e6, &SystemdOptions::start_time}}};

}  // namespace

SystemdUnits::SystemdUnits(const core::Clock& clock, SystemdOptions options)
    : clock_(clock), options_(std::move(options)), filter_(options_.unit_include, options_.unit_exclude) {}

SystemdUnits::~SystemdUnits() = default;

Result<void> SystemdUnits::write(ExpositionWriter& out) {
  const core::SteadyTime now = clock_.steady_now();
  if (now >= next_question_) {
    // A tenth less, so that a reading once an interval is never a moment too early.
    next_question_ = now + options_.interval * 9 / 10;
    const bool used_before = bus_ != nullptr;
    outcome_ = ask(now + kSystemdBudget);
    // Whatever is still under way on that connection must not be taken for the answer to a later question.
    if (!outcome_) bus_.reset();
    // systemd closes its connections when it starts itself anew.
    if (!outcome_ && used_before && outcome_.error().code != Errc::kTimeout) outcome_ = ask(now + kSystemdBudget);
    if (outcome_) text_ = text_of_answer();
  }
  if (outcome_) out.lines("", "", "", text_);
  return outcome_;
}

std::string SystemdUnits::text_of_answer() const {
  ExpositionWriter out;
  out.family("node_systemd_version", "gauge", "The version of systemd as far as it is a number.");
  const std::string_view version = answer_.version;
  const std::size_t digits = std::min(version.find_first_of("0123456789"), version.size());
  out.sample({{"version", version}}, leading_number(version.substr(digits)).value_or(0));
  out.single("node_systemd_system_running", "gauge", "Whether everything that should run does.",
             answer_.running ? 1 : 0);
  out.family("node_systemd_units", "gauge", "Units in each state.");
  for (const auto& [state, count] : answer_.states) out.sample({{"state", state}}, count);
  write_units(out);
  return out.take();
}

void SystemdUnits::write_units(ExpositionWriter& out) const {
  out.family("node_systemd_unit_state", "gauge", "The state that a unit is in.");
  for (const Unit& unit : answer_.units) {
    for (const std::string_view state : kStates) {
      out.sample({{"name", unit.name}, {"state", state}, {"type", unit.type}}, unit.state == state ? 1 : 0);
    }
  }
  for (const Number& each : kNumbers) {
    out.family(each.family, each.type, each.help);
    for (const Unit& unit : answer_.units) {
      const auto found = unit.numbers.find(std::string(each.family));
      if (found != unit.numbers.end()) out.sample({{"name", unit.name}}, found->second);
    }
  }
}

Result<void> SystemdUnits::ask(core::SteadyTime deadline) {
  if (bus_ == nullptr) {
    auto opened = SystemdBus::open(clock_, options_.bus, deadline);
    if (!opened) return core::fail(opened.error());
    bus_ = std::move(*opened);
  }
  bus_->set_deadline(deadline);
  if (clock_.steady_now() >= types_until_) {
    types_.clear();
    types_until_ = clock_.steady_now() + kTypesKeptFor;
  }
  Answer answer;
  auto version = bus_->text(kManagerPath, kManager, "Version");
  if (!version) return core::fail(version.error());
  answer.version = std::move(*version);
  const auto state = bus_->text(kManagerPath, kManager, "SystemState");
  if (!state) return core::fail(state.error());
  answer.running = *state == "running";
  auto lines = bus_->list_units(kUnitsMax);
  if (!lines) return core::fail(lines.error());
  for (const std::string_view each : kStates) answer.states.emplace(each, 0);
  for (auto& line : *lines) {
    answer.states[line.active_state] += 1;
    if (line.load_state != "loaded" || !filter_.wants(line.name)) continue;
    Unit unit{std::move(line.name), std::move(line.active_state), std::move(line.path), "", {}};
    if (auto asked = ask_about(*bus_, unit); !asked) return asked;
    answer.units.push_back(std::move(unit));
  }
  answer_ = std::move(answer);
  return {};
}

// A unit may go between two questions: what cannot be read of it is left out, but time that is over is a failure.
Result<void> SystemdUnits::ask_about(SystemdBus& bus, Unit& unit) {
  const bool service = unit.name.ends_with(".service");
  if (service || unit.name.ends_with(".mount")) {
    auto known = types_.find(unit.name);
    if (known == types_.end()) {
      auto type =
          bus.text(unit.path, service ? "org.freedesktop.systemd1.Service" : "org.freedesktop.systemd1.Mount", "Type");
      if (!type && type.error().code == Errc::kTimeout) return core::fail(type.error());
      if (type && types_.size() < kUnitsMax) types_.emplace(unit.name, *type);
      unit.type = type ? std::move(*type) : "";
    } else {
      unit.type = known->second;
    }
  }
  for (const Number& each : kNumbers) {
    if (!unit.name.ends_with(each.suffix) || (each.wanted != nullptr && !(options_.*each.wanted))) continue;
    const auto value = bus.number(unit.path, each.interface, each.property);
    if (!value && value.error().code == Errc::kTimeout) return core::fail(value.error());
    // The greatest number means that there is no bound, or no count.
    if (value && *value < 18446744073709551615.0) unit.numbers.emplace(each.family, *value / each.divisor);
  }
  return {};
}

Result<void> write_systemd(SourceContext& context, ExpositionWriter& out) { return context.systemd_units.write(out); }

}  // namespace collector::host

// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "actions/drill/drill_run.h"
#include "core/time/duration.h"

namespace actions::drill {
namespace {

using core::Errc;
using core::fail;
using core::Result;
using core::WallTime;
using nlohmann::json;

json time_json(const std::optional<WallTime>& time) {
  return time ? json(core::format_rfc3339(std::chrono::floor<core::Millis>(*time))) : json(nullptr);
}

json seconds_json(const std::optional<core::Millis>& time) {
  return time ? json(std::chrono::duration<double>(*time).count()) : json(nullptr);
}

json labels_json(const core::ring::Labels& labels) {
  json object = json::object();
  for (const core::ring::Label& label : labels) object[label.name] = label.value;
  return object;
}

json fault_json(const Fault& fault) {
  json value = {{"kind", fault.kind()}, {"description", fault.to_string()}, {"restore", fault.restoring()}};
  if (const auto* unit = std::get_if<UnitFault>(&fault.action)) {
    value["unit"] = unit->unit;
    value["action"] = core::config::Codec<UnitFaultAction>::print(unit->action);
    value["timeoutMs"] = unit->timeout.count();
  }
  if (const auto* exec = std::get_if<ExecFault>(&fault.action)) {
    value["argv"] = exec->argv;
    value["restoreArgv"] = exec->restore;
    value["timeoutMs"] = exec->timeout.count();
  }
  if (const auto* port = std::get_if<PortFault>(&fault.action)) {
    value["namespace"] = port->network_namespace;
    value["port"] = port->port;
    value["direction"] = core::config::Codec<Direction>::print(port->direction);
    value["answer"] = core::config::Codec<BlockedAnswer>::print(port->answer);
  }
  if (const auto* fill = std::get_if<FillFault>(&fault.action)) {
    value["folder"] = fill->folder.path;
    value["sizeBytes"] = fill->size.bytes;
  }
  if (const auto* pod = std::get_if<PodFault>(&fault.action)) {
    value["namespace"] = pod->name_space;
    value["name"] = pod->name;
    value["selector"] = pod->selector;
    value["gracePeriodMs"] = pod->grace_period ? json(pod->grace_period->count()) : json(nullptr);
    value["deleteEmptyDirData"] = pod->delete_emptydir_data;
    value["timeoutMs"] = pod->timeout.count();
    value["cluster"] = {{"apiServer", pod->cluster.api_server},
                        {"tokenFile", pod->cluster.token_file.path},
                        {"caFile", pod->cluster.ca_file.path},
                        {"serverName", pod->cluster.server_name}};
  }
  return value;
}

json alert_json(const CausedAlert& alert) {
  return {{"labels", labels_json(alert.labels)},
          {"expected", alert.expected},
          {"pending", time_json(alert.pending)},
          {"fired", time_json(alert.fired)},
          {"resolved", time_json(alert.resolved)}};
}

json expectation_json(const Run& run, const Expectation& each) {
  return {{"kind", to_string(each.kind)},
          {"what", each.what},
          {"withinMs", each.within.count()},
          {"state", to_string(each.state)},
          {"at", time_json(each.at)},
          {"tookSeconds", seconds_json(run.took(each))},
          {"why", each.why}};
}

// Reading: exceptions of the JSON library (a missing key, a wrong type) stop in run_from_json_text.

std::optional<WallTime> time_at(const json& object, const char* key) {
  const json& value = object.at(key);
  if (value.is_null()) return std::nullopt;
  const Result<WallTime> time = core::parse_rfc3339(value.get<std::string>());
  if (!time) throw std::invalid_argument(time.error().message);
  return *time;
}

core::Millis millis_at(const json& object, const char* key) { return core::Millis(object.at(key).get<std::int64_t>()); }

template <class E, std::size_t kCount>
E enum_at(const json& object, const char* key, const core::config::EnumName<E> (&names)[kCount]) {
  const std::string text = object.at(key);
  for (const auto& each : names) {
    if (each.name == text) return each.value;
  }
  throw std::invalid_argument(fmt::format("unknown {} \"{}\"", key, text));
}

PodFault read_pod_fault(const json& object) {
  PodFault pod;
  pod.name_space = object.at("namespace");
  pod.name = object.at("name");
  pod.selector = object.at("selector");
  if (!object.at("gracePeriodMs").is_null()) pod.grace_period = millis_at(object, "gracePeriodMs");
  pod.delete_emptydir_data = object.at("deleteEmptyDirData");
  pod.timeout = millis_at(object, "timeoutMs");
  const json& cluster = object.at("cluster");
  pod.cluster = {cluster.at("apiServer"), {cluster.at("tokenFile")}, {cluster.at("caFile")}, cluster.at("serverName")};
  return pod;
}

Fault read_fault(const json& object) {
  const std::string kind = object.at("kind");
  if (kind == "systemd") {
    return {
        UnitFault{object.at("unit"), enum_at(object, "action", kUnitFaultActionNames), millis_at(object, "timeoutMs")}};
  }
  if (kind == "exec") {
    return {ExecFault{object.at("argv").get<std::vector<std::string>>(),
                      object.at("restoreArgv").get<std::vector<std::string>>(), millis_at(object, "timeoutMs")}};
  }
  if (kind == "port") {
    return {PortFault{object.at("namespace"), object.at("port"), enum_at(object, "direction", kDirectionNames),
                      enum_at(object, "answer", kBlockedAnswerNames)}};
  }
  if (kind == "fill") return {FillFault{{object.at("folder")}, {object.at("sizeBytes")}}};
  if (kind == "pod") return {read_pod_fault(object)};
  throw std::invalid_argument("unknown fault " + kind);
}

core::ring::Labels read_labels(const json& object) {
  std::vector<core::ring::Label> pairs;
  for (const auto& [name, value] : object.items()) pairs.push_back({name, value.get<std::string>()});
  return core::ring::Labels(std::move(pairs));
}

template <class E>
E found(std::optional<E> value, const char* what) {
  if (!value) throw std::invalid_argument(std::string("unknown ") + what);
  return *value;
}

Expectation read_expectation(const json& object) {
  Expectation each;
  const std::string kind = object.at("kind");
  const std::string state = object.at("state");
  for (const Expectation::Kind known :
       {Expectation::Kind::kNotified, Expectation::Kind::kRemediation, Expectation::Kind::kResolved}) {
    if (to_string(known) == kind) each.kind = known;
  }
  for (const Expectation::State known : {Expectation::State::kMet, Expectation::State::kMissed}) {
    if (to_string(known) == state) each.state = known;
  }
  each.what = object.at("what");
  each.within = millis_at(object, "withinMs");
  each.at = time_at(object, "at");
  each.why = object.at("why");
  return each;
}

Run read_run(const json& object) {
  Run run;
  run.id = object.at("id");
  run.drill = object.at("drill");
  run.component = object.at("component");
  run.who = object.at("who");
  run.fault = read_fault(object.at("fault"));
  run.units = object.at("units").get<std::vector<std::string>>();
  // Runs of before there were such faults have none.
  for (const json& each : object.value("pods", json::array())) run.pods.push_back({each.at("name"), each.at("uid")});
  run.max_duration = millis_at(object, "maxDurationMs");
  run.phase = found(phase_from(object.at("phase").get<std::string>()), "phase");
  run.ending = found(ending_from(object.at("result").get<std::string>()), "result");
  run.reason = object.at("reason");
  run.created = found(time_at(object, "created"), "time");
  run.injected = time_at(object, "injected");
  run.restored = time_at(object, "restored");
  run.finished = time_at(object, "finished");
  run.restores = object.at("restores");
  run.restore_error = object.at("restoreError");
  for (const json& each : object.at("expectations")) run.expectations.push_back(read_expectation(each));
  for (const json& each : object.at("alerts")) {
    run.alerts.push_back({read_labels(each.at("labels")), each.at("expected"), time_at(each, "pending"),
                          time_at(each, "fired"), time_at(each, "resolved")});
  }
  for (const json& each : object.at("findings")) {
    run.findings.push_back({each.at("name"), each.at("verdict"), each.at("why")});
  }
  for (const json& each : object.at("timeline")) {
    run.timeline.push_back({found(time_at(each, "at"), "time"), each.at("what"), each.at("detail")});
  }
  run.moments_left_out = object.at("momentsLeftOut");
  return run;
}

}  // namespace

std::string to_json_text(const Run& run) {
  json expectations = json::array();
  for (const Expectation& each : run.expectations) expectations.push_back(expectation_json(run, each));
  json alerts = json::array();
  for (const CausedAlert& each : run.alerts) alerts.push_back(alert_json(each));
  json findings = json::array();
  for (const remedy::Finding& each : run.findings) {
    findings.push_back({{"name", each.name}, {"verdict", each.verdict}, {"why", each.why}});
  }
  json pods = json::array();
  for (const PodBefore& each : run.pods) pods.push_back({{"name", each.name}, {"uid", each.uid}});
  json timeline = json::array();
  for (const Moment& each : run.timeline) {
    timeline.push_back({{"at", time_json(each.at)}, {"what", each.what}, {"detail", each.detail}});
  }
  const json value = {{"id", run.id},
                      {"drill", run.drill},
                      {"component", run.component},
                      {"who", run.who},
                      {"fault", fault_json(run.fault)},
                      {"units", run.units},
                      {"pods", std::move(pods)},
                      {"maxDurationMs", run.max_duration.count()},
                      {"phase", to_string(run.phase)},
                      {"result", to_string(run.ending)},
                      {"reason", run.reason},
                      {"created", time_json(run.created)},
                      {"injected", time_json(run.injected)},
                      {"restored", time_json(run.restored)},
                      {"finished", time_json(run.finished)},
                      {"restores", run.restores},
                      {"restoreError", run.restore_error},
                      {"expectations", std::move(expectations)},
                      {"alerts", std::move(alerts)},
                      {"findings", std::move(findings)},
                      {"timeline", std::move(timeline)},
                      {"momentsLeftOut", run.moments_left_out}};
  // What programs printed may not be UTF-8: replaced.
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

Result<Run> run_from_json_text(std::string_view text) {
  try {
    return read_run(json::parse(text));
  } catch (const std::exception& error) {
    return fail(Errc::kInvalid, "not a run of a drill: {}", error.what());
  }
}

}  // namespace actions::drill

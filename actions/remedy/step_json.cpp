// SPDX-License-Identifier: Apache-2.0
#include "actions/remedy/step_json.h"

#include <nlohmann/json.hpp>
#include <utility>

namespace actions::remedy {
namespace {

using core::Errc;
using core::fail;
using core::Result;
using nlohmann::json;

// --- Writing

void put(json& value, const BackupStep& backup) { value["backup"] = backup.backup; }

void put(json& value, const RestoreDrillStep& drill) { value["backup"] = drill.backup; }

void put(json& value, const ExecStep& exec) {
  value["argv"] = exec.argv;
  value["timeout_ms"] = exec.timeout.count();
  value["output_limit_bytes"] = exec.output_limit.bytes;
  if (!exec.check.empty()) value["check"] = exec.check;
}

void put(json& value, const HttpStep& http) {
  value["method"] = http.method;
  value["url"] = http.url;
  value["headers"] = http.headers;
  value["body"] = http.body;
  value["expect_status"] = http.expect_status;
  value["timeout_ms"] = http.timeout.count();
  value["bearer_token_file"] = http.bearer_token_file.path;
  value["ca_file"] = http.ca_file.path;
}

void put(json& value, const SystemdStep& systemd) {
  value["unit"] = systemd.unit;
  value["action"] = core::config::Codec<UnitAction>::print(systemd.action);
  value["timeout_ms"] = systemd.timeout.count();
}

void put(json& value, const WaitStep& wait) { value["wait_ms"] = wait.time.count(); }

void put(json& value, const NotifyStep& notify) { value["text"] = notify.text; }

void put(json& value, const AwsStep& aws) {
  value.update({{"action", core::config::Codec<AwsAction>::print(aws.action)},
                {"instance", aws.instance},
                {"group", aws.group},
                {"volume", aws.volume},
                {"hook", aws.hook},
                {"result_of_hook", aws.result},
                {"launch_template", aws.launch_template},
                {"wanted_state", aws.state},
                {"decrement", aws.decrement},
                {"force", aws.force},
                {"allow_validators", aws.allow_validators},
                {"timeout_ms", aws.timeout.count()},
                {"region", aws.account.region},
                {"profile", aws.account.profile},
                {"role_arn", aws.account.role_arn},
                {"external_id", aws.account.external_id},
                {"ec2_endpoint", aws.account.ec2_endpoint},
                {"autoscaling_endpoint", aws.account.autoscaling_endpoint},
                {"ca_file", aws.account.ca_file.path}});
  if (aws.account.poll) value["poll_ms"] = aws.account.poll->count();
}

void put(json& value, const KubernetesStep& step) {
  value.update({{"action", core::config::Codec<KubernetesAction>::print(step.action)},
                {"node", step.node},
                {"namespace", step.name_space},
                {"pod", step.pod},
                {"workload", step.workload},
                {"taint", step.taint},
                {"force", step.force},
                {"delete_emptydir_data", step.delete_emptydir_data},
                {"allow_validators", step.allow_validators},
                {"timeout_ms", step.timeout.count()},
                {"api_server", step.cluster.api_server},
                {"token_file", step.cluster.token_file.path},
                {"ca_file", step.cluster.ca_file.path},
                {"server_name", step.cluster.server_name}});
  if (step.replicas) value["replicas"] = *step.replicas;
  if (step.grace_period) value["grace_period_ms"] = step.grace_period->count();
}

void put(json& value, const VaultStep& vault) {
  value.update({{"action", core::config::Codec<VaultAction>::print(vault.action)},
                {"namespace", vault.name_space},
                {"file", vault.file},
                {"timeout_ms", vault.timeout.count()},
                {"urls", vault.cluster.urls},
                {"token_file", vault.cluster.token_file.path},
                {"ca_file", vault.cluster.ca_file.path},
                {"server_name", vault.cluster.server_name}});
}

json to_json(const Step& step) {
  json value = {{"kind", step.kind()},
                {"description", step.to_string()},
                {"repeat", to_string(step.repeat())},
                {"repeatable", step.repeat() == Repeat::kIdempotent}};
  std::visit([&](const auto& action) { put(value, action); }, step.action);
  if (!step.rollback.empty()) {
    value["rollback"] = json::array();
    for (const Step& undo : step.rollback) value["rollback"].push_back(to_json(undo));
  }
  return value;
}

// --- Reading: exceptions of the JSON library (a missing key, a wrong type) stop in step_from_json_text.

core::Millis millis_at(const json& object, const char* key) { return core::Millis(object.at(key).get<std::int64_t>()); }

template <class E, std::size_t kCount>
E enum_at(const json& object, const char* key, const core::config::EnumName<E> (&names)[kCount]) {
  const std::string text = object.at(key);
  for (const auto& each : names) {
    if (each.name == text) return each.value;
  }
  throw std::invalid_argument(fmt::format("unknown {} {}", key, text));
}

void take(const json& object, BackupStep& backup) { backup.backup = object.at("backup"); }

void take(const json& object, RestoreDrillStep& drill) { drill.backup = object.at("backup"); }

void take(const json& object, ExecStep& exec) {
  exec.argv = object.at("argv").get<std::vector<std::string>>();
  exec.timeout = millis_at(object, "timeout_ms");
  exec.output_limit.bytes = object.at("output_limit_bytes");
  exec.repeatable = object.at("repeatable");
  exec.check = object.value("check", std::vector<std::string>());
}

void take(const json& object, HttpStep& http) {
  http.method = object.at("method");
  http.url = object.at("url");
  http.headers = object.at("headers").get<std::map<std::string, std::string>>();
  http.body = object.at("body");
  http.expect_status = object.at("expect_status").get<std::vector<std::uint16_t>>();
  http.timeout = millis_at(object, "timeout_ms");
  http.repeatable = object.at("repeatable").get<bool>();
  http.bearer_token_file.path = object.at("bearer_token_file");
  http.ca_file.path = object.at("ca_file");
}

void take(const json& object, SystemdStep& systemd) {
  systemd.unit = object.at("unit");
  systemd.timeout = millis_at(object, "timeout_ms");
  systemd.action = enum_at(object, "action", kUnitActionNames);
}

void take(const json& object, WaitStep& wait) { wait.time = millis_at(object, "wait_ms"); }

void take(const json& object, NotifyStep& notify) { notify.text = object.at("text"); }

void take(const json& object, AwsStep& aws) {
  aws.action = enum_at(object, "action", kAwsActionNames);
  aws.instance = object.at("instance");
  aws.group = object.at("group");
  aws.volume = object.at("volume");
  aws.hook = object.at("hook");
  aws.result = object.at("result_of_hook");
  aws.launch_template = object.at("launch_template");
  aws.state = object.at("wanted_state");
  aws.decrement = object.at("decrement");
  aws.force = object.at("force");
  aws.allow_validators = object.at("allow_validators");
  aws.timeout = millis_at(object, "timeout_ms");
  aws.account.region = object.at("region");
  aws.account.profile = object.at("profile");
  aws.account.role_arn = object.at("role_arn");
  aws.account.external_id = object.at("external_id");
  aws.account.ec2_endpoint = object.at("ec2_endpoint");
  aws.account.autoscaling_endpoint = object.at("autoscaling_endpoint");
  aws.account.ca_file.path = object.at("ca_file");
  if (object.contains("poll_ms")) aws.account.poll = millis_at(object, "poll_ms");
}

void take(const json& object, KubernetesStep& step) {
  step.action = enum_at(object, "action", kKubernetesActionNames);
  step.node = object.at("node");
  step.name_space = object.at("namespace");
  step.pod = object.at("pod");
  step.workload = object.at("workload");
  step.taint = object.at("taint");
  step.force = object.at("force");
  step.delete_emptydir_data = object.at("delete_emptydir_data");
  step.allow_validators = object.at("allow_validators");
  step.timeout = millis_at(object, "timeout_ms");
  step.cluster.api_server = object.at("api_server");
  step.cluster.token_file.path = object.at("token_file");
  step.cluster.ca_file.path = object.at("ca_file");
  step.cluster.server_name = object.at("server_name");
  if (object.contains("replicas")) step.replicas = object["replicas"].get<std::uint32_t>();
  if (object.contains("grace_period_ms")) step.grace_period = millis_at(object, "grace_period_ms");
}

void take(const json& object, VaultStep& vault) {
  vault.action = enum_at(object, "action", kVaultActionNames);
  vault.name_space = object.at("namespace");
  vault.file = object.at("file");
  vault.timeout = millis_at(object, "timeout_ms");
  vault.cluster.urls = object.at("urls").get<std::vector<std::string>>();
  vault.cluster.token_file.path = object.at("token_file");
  vault.cluster.ca_file.path = object.at("ca_file");
  vault.cluster.server_name = object.at("server_name");
}

Step read_step(const json& object) {
  Step step;
  const std::string kind = object.at("kind");
  std::optional<StepAction> action = empty_action(kind);
  if (!action) throw std::invalid_argument("unknown step kind " + kind);
  step.action = std::move(*action);
  std::visit([&](auto& each) { take(object, each); }, step.action);
  if (const auto rollback = object.find("rollback"); rollback != object.end()) {
    for (const json& undo : *rollback) step.rollback.push_back(read_step(undo));
  }
  return step;
}

}  // namespace

std::string step_json_text(const Step& step) {
  return to_json(step).dump(-1, ' ', false, json::error_handler_t::replace);
}

Result<Step> step_from_json_text(std::string_view text) {
  try {
    return read_step(json::parse(text));
  } catch (const std::exception& problem) {
    return fail(Errc::kInvalid, "a step in the journal cannot be read: {}", problem.what());
  }
}

}  // namespace actions::remedy

// SPDX-License-Identifier: Apache-2.0
#include "agent/api/status_api.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <filesystem>

#include "agent/api/envelope.h"
#include "agent/api/json_text.h"
#include "core/time/duration.h"
#include "rules/promql/signatures.h"

#ifndef WATCHKEEPER_VERSION
#define WATCHKEEPER_VERSION "unknown"
#endif
#ifndef WATCHKEEPER_REVISION
#define WATCHKEEPER_REVISION "unknown"
#endif

namespace agent {
namespace {

std::string host_name() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? std::string(name.data()) : std::string();
}

// The bound is a size; the time that it comes to is what is held now.
std::string retention_text(const RingStatus& ring) {
  const auto held = std::chrono::floor<std::chrono::seconds>(ring.retention());
  return fmt::format("{}MiB, {} held", ring.usage.bytes_limit >> 20U, core::format_duration(held));
}

}  // namespace

const BuildInfo& build_info() {
  static const BuildInfo info{WATCHKEEPER_VERSION, WATCHKEEPER_REVISION, "g++ " __VERSION__};
  return info;
}

ApiResponse answer_build_info() {
  const BuildInfo& info = build_info();
  return success(
      fmt::format("{{\"version\":{},\"revision\":{},\"branch\":\"\",\"buildUser\":\"\",\"buildDate\":\"\","
                  "\"goVersion\":{}}}",
                  json(info.version), json(info.revision), json(info.compiler)));
}

ApiResponse answer_features() {
  std::string functions;
  for (std::size_t i = 0; i < rules::promql::kFunctionCount; ++i) {
    const auto& function = rules::promql::signature(static_cast<rules::promql::FunctionId>(i));
    functions += fmt::format("{}\"{}\":true", functions.empty() ? "" : ",", function.name);
  }
  return success(fmt::format(
      R"({{"api":{{"admin":false,"exclude_alerts":true,"lifecycle":true,"query_stats":true,"query_warnings":true}},)"
      R"("promql":{{"anchored":true,"at_modifier":true,"bool":true,"by":true,"delayed_name_removal":false,)"
      R"("duration_expr":true,"experimental_functions":true,"fill":true,"group_left":true,"group_right":true,)"
      R"("ignoring":true,"negative_offset":true,"offset":true,"on":true,"per_query_lookback_delta":true,)"
      R"("per_step_stats":false,"smoothed":true,"subqueries":true,"type_and_unit_labels":false,"without":true}},)"
      R"("promql_functions":{{{}}}}})",
      functions));
}

ApiResponse answer_no_admin() {
  ApiResponse refused = failure(ErrorType::kUnavailable, "admin APIs disabled");
  refused.status = 500;  // Prometheus has no status of its own for it
  return refused;
}

ApiResponse answer_config(const AgentView& agent) { return success("{\"yaml\":" + json(agent.config()->text) + "}"); }

ApiResponse answer_flags(const AgentView& agent) {
  return success(
      fmt::format("{{\"config\":{},\"listen\":{}}}", json(agent.config()->path), json(agent.status().listen)));
}

ApiResponse answer_runtime_info(const AgentView& agent) {
  const AgentStatus status = agent.status();
  const RingStatus ring = agent.ring();
  std::error_code problem;
  const std::string folder = std::filesystem::current_path(problem).string();
  // The members that speak of Go are there for clients that expect them, with what comes nearest.
  return success(fmt::format(
      "{{\"startTime\":{},\"CWD\":{},\"hostname\":{},\"serverTime\":{},\"reloadConfigSuccess\":{},\"lastConfigTime\":{}"
      ","
      "\"corruptionCount\":{},\"goroutineCount\":0,\"GOMAXPROCS\":0,\"GOMEMLIMIT\":0,\"GOGC\":\"\",\"GODEBUG\":\"\","
      "\"storageRetention\":{}}}",
      json_time(status.started), json(folder), json(host_name()), json_time(agent.clock().wall_now()),
      status.reload_successful, json_time(status.configured), ring.usage.damaged, json(retention_text(ring))));
}

ApiResponse answer_alertmanagers(const AgentView& agent) {
  std::string list;
  for (const auto& feed : agent.notifications().alertmanagers) {
    list += fmt::format("{}{{\"url\":{}}}", list.empty() ? "" : ",", json(feed.url));
  }
  return success("{\"activeAlertmanagers\":[" + list + "],\"droppedAlertmanagers\":[]}");
}

ApiResponse answer_ready(const AgentView& agent) {
  const AgentStatus status = agent.status();
  if (!status.ready) return plain_text(503, "starting\n");
  if (status.degraded.empty()) return plain_text(200, "ready\n");
  std::string reasons = "degraded\n";
  for (const std::string& reason : status.degraded) reasons += reason + "\n";
  return plain_text(503, std::move(reasons));
}

}  // namespace agent

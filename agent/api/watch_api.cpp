// SPDX-License-Identifier: Apache-2.0
#include "agent/api/watch_api.h"

#include <nlohmann/json.hpp>

#include <map>
#include <optional>
#include <string>

#include "agent/api/envelope.h"
#include "agent/api/status_api.h"
#include "core/time/duration.h"

namespace agent {
namespace {

using nlohmann::json;

json json_time(core::WallTime time) { return core::format_rfc3339(time); }
json json_time(const std::optional<core::WallTime>& time) { return time ? json_time(*time) : json(nullptr); }
json json_seconds(core::Duration duration) { return std::chrono::duration<double>(duration).count(); }

// Text of outside programs may hold any bytes; what is not UTF-8 is replaced.
ApiResponse answer(const json& data) { return success(data.dump(-1, ' ', false, json::error_handler_t::replace)); }

json json_of(const core::ring::Labels& labels) {
  json out = json::object();
  for (const auto& label : labels) out[label.name] = label.value;
  return out;
}

json json_of(const actions::remedy::StepRun& step) {
  return {{"step", step.step.to_string()},
          {"kind", step.step.kind()},
          {"repeat", actions::remedy::to_string(step.step.repeat())},
          {"state", actions::remedy::to_string(step.state)},
          {"attempts", step.attempts},
          {"started", json_time(step.started)},
          {"finished", json_time(step.finished)},
          {"result", step.result},
          {"output", step.output}};
}

json json_of(const actions::remedy::Run& run) {
  json steps = json::array();
  for (const auto& step : run.steps) steps.push_back(json_of(step));
  json approvals = json::array();
  for (const auto& each : run.approvals) approvals.push_back({{"who", each.who}, {"at", json_time(each.at)}});
  json findings = json::array();
  for (const auto& each : run.findings) {
    findings.push_back({{"name", each.name}, {"verdict", each.verdict}, {"why", each.why}});
  }
  return {{"id", run.id},
          {"name", run.remediation},
          {"remediation", run.remediation},
          {"phase", actions::remedy::to_string(run.phase)},
          {"plan", run.plan},
          {"approvals", std::move(approvals)},
          {"findings", std::move(findings)},
          {"escalatedFrom", run.escalated_from},
          {"alert", json_of(run.alert)},
          {"firedAt", json_time(run.fired_at)},
          {"level", core::config::Codec<actions::remedy::Level>::print(run.level)},
          {"state", actions::remedy::to_string(run.state)},
          {"final", run.final},
          {"reason", run.reason},
          {"decidedBy", run.decided_by},
          {"created", json_time(run.created)},
          {"started", json_time(run.started)},
          {"finished", json_time(run.finished)},
          {"steps", std::move(steps)}};
}

json json_of(const std::optional<actions::backup::Watermarks>& marks) {
  if (!marks) return nullptr;
  const auto number = [](const std::optional<std::uint64_t>& value) { return value ? json(*value) : json(nullptr); };
  return {{"keys", marks->keys},
          {"keysWithoutHistory", marks->keys_without_history},
          {"slot", number(marks->slot)},
          {"sourceEpoch", number(marks->source_epoch)},
          {"targetEpoch", number(marks->target_epoch)}};
}

json json_of(const std::optional<actions::backup::ChainComparison>& chain) {
  if (!chain) return nullptr;
  return {{"keys", chain->keys},
          {"behind", chain->behind},
          {"epochsMax", chain->epochs_max},
          {"furthest", chain->furthest}};
}

json json_of(const std::optional<actions::backup::Record>& record) {
  if (!record) return nullptr;
  return {{"id", record->id},
          {"trigger", record->trigger},
          {"started", json_time(record->started)},
          {"finished", json_time(record->finished)},
          {"succeeded", record->succeeded},
          {"held", record->held},
          {"snapshot", record->snapshot.id},
          {"files", record->snapshot.files},
          {"bytes", record->snapshot.bytes},
          {"bytesAdded", record->snapshot.bytes_added},
          {"error", record->error},
          {"note", record->note},
          {"slashingProtection", json_of(record->watermarks)},
          {"chain", json_of(record->chain)}};
}

json json_of(const std::optional<actions::backup::Verification>& verification) {
  if (!verification) return nullptr;
  return {{"trigger", verification->trigger},
          {"snapshot", verification->snapshot},
          {"started", json_time(verification->started)},
          {"finished", json_time(verification->finished)},
          {"tookSeconds",
           verification->finished ? json_seconds(*verification->finished - verification->started) : json(nullptr)},
          {"succeeded", verification->succeeded},
          {"files", verification->files},
          {"bytes", verification->bytes},
          {"error", verification->error}};
}

json json_of(const actions::backup::Status& status) {
  return {{"name", status.name},
          {"repository", status.repository},
          {"running", status.running},
          {"lastSuccess", json_of(status.last_success)},
          {"lastRun", json_of(status.last_run)},
          {"nextRun", json_time(status.next_run)},
          {"reasons", status.reasons},
          {"successAgeSeconds", status.success_age ? json_seconds(*status.success_age) : json(nullptr)},
          {"lastDrill", json_of(status.last_drill)},
          {"lastDrillSuccess", json_of(status.last_drill_success)},
          {"lastCheck", json_of(status.last_check)},
          {"verifiedAt", json_time(status.verified_at)},
          {"verifiedAgeSeconds", status.verified_age ? json_seconds(*status.verified_age) : json(nullptr)}};
}

json json_of(const collector::remote_write::RemoteStatus& status, std::int64_t now_ms) {
  const auto time = [](std::int64_t time_ms) {
    return time_ms == 0 ? json(nullptr) : json_time(core::from_unix_ms(time_ms));
  };
  return {{"name", status.name},
          {"url", status.url},
          {"sentUpTo", time(status.covered_ms)},
          {"lagSeconds", static_cast<double>(std::max<std::int64_t>(0, now_ms - status.covered_ms)) / 1000},
          {"newestSent", time(status.newest_sent_ms)},
          {"lastSuccess", time(status.last_success_ms)},
          {"lastError", status.last_error},
          {"series", status.series},
          {"seriesDropped", status.series_dropped},
          {"shards", status.shards},
          {"samplesTaken", status.samples_taken},
          {"samplesFailed", status.samples_failed},
          {"samplesRetried", status.samples_retried},
          {"samplesPending", status.samples_pending},
          {"overwritten",
           {{"series", status.overwritten_series},
            {"samples", status.overwritten_samples},
            {"from", time(status.overwritten_from_ms)},
            {"to", time(status.overwritten_to_ms)}}}};
}

json json_of(const std::map<std::string, actions::remedy::Pause>& pauses, const std::string& remediation) {
  const auto found = pauses.find(remediation);
  if (found == pauses.end()) return {{"paused", false}};
  const actions::remedy::Pause& pause = found->second;
  return {{"paused", true}, {"reason", pause.reason}, {"who", pause.who}, {"since", json_time(pause.since)}};
}

json json_of(const RingStatus& ring) {
  return {{"series", ring.usage.series},
          {"seriesLimit", ring.usage.series_limit},
          {"seriesRefused", ring.usage.series_refused},
          {"seriesReclaimed", ring.usage.series_reclaimed},
          {"damaged", ring.usage.damaged},
          {"bytes", ring.usage.bytes},
          {"bytesLimit", ring.usage.bytes_limit},
          {"oldestMs", ring.usage.oldest_ms},
          {"newestMs", ring.usage.newest_ms},
          {"retentionSeconds", json_seconds(ring.retention())},
          {"problem", ring.problem},
          {"start",
           {{"found", to_string(ring.recovery.found)},
            {"series", ring.recovery.series},
            {"seriesDropped", ring.recovery.series_dropped},
            {"chunksDropped", ring.recovery.chunks_dropped},
            {"timesDropped", ring.recovery.times_dropped}}}};
}

json notifications_json(const actions::notify::NotifierStatus& status) {
  json integrations = json::array();
  for (const auto& lane : status.integrations) {
    integrations.push_back({{"integration", lane.integration},
                            {"waiting", lane.waiting},
                            {"consecutiveFailures", lane.consecutive_failures},
                            {"stopped", lane.stopped},
                            {"lastError", lane.last_error},
                            {"delivered", lane.counters.delivered}});
  }
  for (const auto& feed : status.alertmanagers) {
    integrations.push_back({{"integration", feed.url},
                            {"waiting", feed.waiting},
                            {"consecutiveFailures", feed.consecutive_failures},
                            {"stopped", ""},
                            {"lastError", feed.last_error},
                            {"delivered", feed.sent}});
  }
  return integrations;
}

std::string who_asks(const ApiRequest& request) {
  const std::string_view who = request.parameters.get("who");
  return who.empty() ? "api" : std::string(who);
}

// "done", or the refusal in the words of whoever refused.
ApiResponse outcome(const core::Result<void>& result) {
  if (result) return success("{}");
  switch (result.error().code) {
    case core::Errc::kNotFound:
      return failure(ErrorType::kNotFound, result.error().message);
    case core::Errc::kInvalid:
      return failure(ErrorType::kBadData, result.error().message);
    case core::Errc::kUnavailable:
    case core::Errc::kLimitExceeded:
      return failure(ErrorType::kUnavailable, result.error().message);
    case core::Errc::kFailed:
    case core::Errc::kTimeout:
    case core::Errc::kCancelled:
    case core::Errc::kNotSupported:
      return failure(ErrorType::kInternal, result.error().message);
  }
  return failure(ErrorType::kInternal, result.error().message);
}

}  // namespace

ApiResponse answer_watch_status(const AgentView& agent) {
  const AgentStatus status = agent.status();
  return answer({{"version", build_info().version},
                 {"now", json_time(agent.clock().wall_now())},
                 {"started", json_time(status.started)},
                 {"ready", status.ready},
                 {"degraded", status.degraded},
                 {"configuration",
                  {{"file", agent.config()->path},
                   {"taken", json_time(status.configured)},
                   {"lastReloadSuccessful", status.reload_successful},
                   {"lastReloadError", status.reload_error},
                   {"warnings", agent.config()->warnings}}},
                 {"ring", json_of(agent.ring())},
                 {"automation", json_of(agent.pauses(), "")},
                 {"receivers", notifications_json(agent.notifications())}});
}

ApiResponse answer_remediations(const AgentView& agent) {
  json runs = json::array();
  for (const auto& run : agent.runs()) runs.push_back(json_of(*run));
  const auto pauses = agent.pauses();
  json configured = json::array();
  for (const auto& each : agent.config()->policy->remediations) {
    json steps = json::array();
    for (const auto& step : each.steps) steps.push_back(step.to_string());
    configured.push_back({{"name", each.name},
                          {"level", core::config::Codec<actions::remedy::Level>::print(each.level)},
                          {"pause", json_of(pauses, each.name)},
                          {"steps", std::move(steps)}});
  }
  return answer(
      {{"automation", json_of(pauses, "")}, {"configured", std::move(configured)}, {"runs", std::move(runs)}});
}

ApiResponse answer_remotes(const AgentView& agent) {
  json remotes = json::array();
  const std::int64_t now_ms = agent.clock().unix_ms();
  for (const auto& status : agent.remotes()) remotes.push_back(json_of(status, now_ms));
  return answer({{"remotes", std::move(remotes)}});
}

ApiResponse answer_discoveries(const AgentView& agent) {
  json list = json::array();
  for (const auto& status : agent.discoveries()) {
    list.push_back({{"name", status.name},
                    {"mechanism", status.mechanism},
                    {"jobs", status.jobs},
                    {"groups", status.groups},
                    {"targets", status.targets},
                    {"refreshes", status.refreshes},
                    {"failures", status.failures},
                    {"lastSuccess", json_time(status.last_success)},
                    {"lastError", status.last_error}});
  }
  return answer({{"discoveries", std::move(list)}});
}

ApiResponse answer_backups(const AgentView& agent) {
  json backups = json::array();
  for (const auto& status : agent.backups()) backups.push_back(json_of(status));
  return answer({{"backups", std::move(backups)}});
}

ApiResponse answer_approve(AgentView& agent, std::string_view run, const ApiRequest& request) {
  return outcome(agent.approve(decode_path(run), who_asks(request), std::string(request.parameters.get("plan"))));
}

ApiResponse answer_reject(AgentView& agent, std::string_view run, const ApiRequest& request) {
  return outcome(agent.reject(decode_path(run), who_asks(request)));
}

ApiResponse answer_pause(AgentView& agent, std::string_view remediation, const ApiRequest& request) {
  const std::string reason(request.parameters.get("reason"));
  if (reason.empty()) return bad_parameter("reason", "say why: it is shown to everybody until automation is resumed");
  return outcome(agent.pause_automation(reason, who_asks(request), decode_path(remediation)));
}

ApiResponse answer_resume(AgentView& agent, std::string_view remediation, const ApiRequest& request) {
  return outcome(agent.resume_automation(who_asks(request), decode_path(remediation)));
}

ApiResponse answer_evidence(const AgentView& agent, std::string_view run) {
  const auto evidence = agent.evidence(decode_path(run));
  if (!evidence) return outcome(core::fail(evidence.error()));
  ApiResponse response;
  response.content_type = "application/json";
  response.body = *evidence;
  return response;
}

ApiResponse answer_run_backup(AgentView& agent, std::string_view name, const ApiRequest& request) {
  return outcome(agent.run_backup(decode_path(name), who_asks(request)));
}

ApiResponse answer_verify_backup(AgentView& agent, std::string_view name, actions::backup::VerificationKind kind,
                                 const ApiRequest& request) {
  return outcome(agent.verify_backup(decode_path(name), kind, who_asks(request)));
}

}  // namespace agent

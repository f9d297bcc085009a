// SPDX-License-Identifier: Apache-2.0
#include "agent/api/endpoints.h"

#include "agent/api/drill_api.h"
#include "agent/api/duties_api.h"
#include "agent/api/envelope.h"
#include "agent/api/page_file.h"
#include "agent/api/probe_api.h"
#include "agent/api/query_api.h"
#include "agent/api/replace_api.h"
#include "agent/api/rules_api.h"
#include "agent/api/series_api.h"
#include "agent/api/status_api.h"
#include "agent/api/targets_api.h"
#include "agent/api/watch_api.h"
#include "agent/metrics/metric_text.h"

namespace agent {
namespace {

using Methods = std::vector<std::string>;

QuerySource source_of(const AgentView& agent) {
  return {agent.reader(), agent.clock(), agent.engine_options(), agent.stopping(), agent.query_gate()};
}

ApiResponse answer_reload(AgentView& agent) {
  const auto done = agent.reload();
  if (done) return plain_text(200, "");
  return plain_text(500, "failed to reload config: " + done.error().message + "\n");
}

// A page of ours may load nothing but its own files, and be framed by nobody.
ApiResponse answer_page(std::string_view path) {
  const PageFile* const file = find_page_file(path);
  if (file == nullptr) return plain_text(404, "404 page not found\n");
  ApiResponse response;
  response.content_type = file->content_type;
  response.body = file->content;
  response.headers = {
      {"Content-Security-Policy",
       "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
       "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
      {"X-Frame-Options", "DENY"},
      {"Referrer-Policy", "no-referrer"}};
  return response;
}

void add_query_routes(Router& router, AgentView& agent) {
  const Methods forms = {"GET", "POST"};
  const auto read = [&router](const Methods& methods, const char* pattern, Router::Endpoint endpoint) {
    router.add(methods, pattern, Effect::kReads, std::move(endpoint));
  };
  read(forms, "/api/v1/query",
       [&agent](const ApiRequest& request, std::string_view) { return answer_query(source_of(agent), request); });
  read(forms, "/api/v1/query_range",
       [&agent](const ApiRequest& request, std::string_view) { return answer_query_range(source_of(agent), request); });
  read(forms, "/api/v1/format_query",
       [](const ApiRequest& request, std::string_view) { return answer_format_query(request); });
  read(forms, "/api/v1/parse_query",
       [](const ApiRequest& request, std::string_view) { return answer_parse_query(request); });
  read(forms, "/api/v1/query_exemplars",
       [](const ApiRequest& request, std::string_view) { return answer_query_exemplars(request); });
  read(forms, "/api/v1/series",
       [&agent](const ApiRequest& request, std::string_view) { return answer_series(agent.reader(), request); });
  read(forms, "/api/v1/labels",
       [&agent](const ApiRequest& request, std::string_view) { return answer_labels(agent.reader(), request); });
  read({"GET"}, "/api/v1/label/*/values", [&agent](const ApiRequest& request, std::string_view name) {
    return answer_label_values(agent.reader(), name, request);
  });
  read({"GET"}, "/api/v1/status/tsdb",
       [&agent](const ApiRequest& request, std::string_view) { return answer_tsdb_status(agent.reader(), request); });
}

void add_state_routes(Router& router, AgentView& agent) {
  const auto get = [&router](const char* pattern, std::function<ApiResponse(const ApiRequest&)> endpoint) {
    router.add(
        {"GET"}, pattern, Effect::kReads,
        [endpoint = std::move(endpoint)](const ApiRequest& request, std::string_view) { return endpoint(request); });
  };
  get("/api/v1/targets", [&agent](const ApiRequest& request) { return answer_targets(agent.pools(), request); });
  get("/api/v1/scrape_pools", [&agent](const ApiRequest&) { return answer_scrape_pools(agent.pools()); });
  get("/api/v1/targets/metadata",
      [&agent](const ApiRequest& request) { return answer_target_metadata(agent.metadata(), request); });
  get("/api/v1/metadata", [&agent](const ApiRequest& request) { return answer_metadata(agent.metadata(), request); });
  get("/api/v1/rules", [&agent](const ApiRequest& request) { return answer_rules(agent.rule_groups(), request); });
  get("/api/v1/alerts", [&agent](const ApiRequest&) { return answer_alerts(agent.rule_groups()); });
  get("/api/v1/alertmanagers", [&agent](const ApiRequest&) { return answer_alertmanagers(agent); });
  get("/api/v1/features", [](const ApiRequest&) { return answer_features(); });
  get("/api/v1/status/buildinfo", [](const ApiRequest&) { return answer_build_info(); });
  get("/api/v1/status/config", [&agent](const ApiRequest&) { return answer_config(agent); });
  get("/api/v1/status/flags", [&agent](const ApiRequest&) { return answer_flags(agent); });
  get("/api/v1/status/runtimeinfo", [&agent](const ApiRequest&) { return answer_runtime_info(agent); });
  get("/api/watchkeeper/v1/status", [&agent](const ApiRequest&) { return answer_watch_status(agent); });
  get("/api/watchkeeper/v1/remediations", [&agent](const ApiRequest&) { return answer_remediations(agent); });
  router.add({"GET"}, "/api/watchkeeper/v1/remediations/*/evidence", Effect::kReads,
             [&agent](const ApiRequest&, std::string_view run) { return answer_evidence(agent, run); });
  get("/api/watchkeeper/v1/remotes", [&agent](const ApiRequest&) { return answer_remotes(agent); });
  get("/api/watchkeeper/v1/discoveries", [&agent](const ApiRequest&) { return answer_discoveries(agent); });
  get("/api/watchkeeper/v1/probes", [&agent](const ApiRequest&) { return answer_probes(agent); });
  router.add({"GET", "POST"}, "/probe", Effect::kReads,
             [&agent, gate = std::make_shared<QueryGate>(kProbeThreadsMax, 0)](
                 const ApiRequest& request, std::string_view) { return answer_probe(agent, request, *gate); });
  get("/api/watchkeeper/v1/staking/duties",
      [&agent](const ApiRequest& request) { return answer_duties(agent, request); });
  get("/api/watchkeeper/v1/replace", [&agent](const ApiRequest&) { return answer_replacements(agent); });
  router.add({"GET"}, "/api/watchkeeper/v1/replace/*/plan", Effect::kReads,
             [&agent](const ApiRequest&, std::string_view group) { return answer_replacement_plan(agent, group); });
  get("/api/watchkeeper/v1/backups", [&agent](const ApiRequest&) { return answer_backups(agent); });
  get("/metrics", [&agent](const ApiRequest&) {
    ApiResponse response;
    response.content_type = kMetricContentType;
    response.body = agent.metrics();
    return response;
  });
  get("/-/healthy", [](const ApiRequest&) { return plain_text(200, "Watchkeeper is healthy.\n"); });
  get("/-/ready", [&agent](const ApiRequest&) { return answer_ready(agent); });
  for (const char* const path : {"/", "/page.css", "/page.js", "/model.js"}) {
    get(path, [](const ApiRequest& request) { return answer_page(request.path); });
  }
}

void add_change_routes(Router& router, AgentView& agent) {
  for (const char* const path : {"delete_series", "clean_tombstones", "snapshot"}) {
    router.add({"POST", "PUT"}, std::string("/api/v1/admin/tsdb/") + path, Effect::kReads,
               [](const ApiRequest&, std::string_view) { return answer_no_admin(); });
  }
  router.add({"POST", "PUT"}, "/-/reload", Effect::kChanges,
             [&agent](const ApiRequest&, std::string_view) { return answer_reload(agent); });
  const auto post = [&router](const char* pattern, Router::Endpoint endpoint) {
    router.add({"POST"}, pattern, Effect::kChanges, std::move(endpoint));
  };
  post("/api/watchkeeper/v1/remediations/*/approve",
       [&agent](const ApiRequest& request, std::string_view run) { return answer_approve(agent, run, request); });
  post("/api/watchkeeper/v1/remediations/*/reject",
       [&agent](const ApiRequest& request, std::string_view run) { return answer_reject(agent, run, request); });
  for (const char* const pattern :
       {"/api/watchkeeper/v1/automation/pause", "/api/watchkeeper/v1/remediations/*/pause"}) {
    post(pattern, [&agent](const ApiRequest& request, std::string_view remediation) {
      return answer_pause(agent, remediation, request);
    });
  }
  for (const char* const pattern :
       {"/api/watchkeeper/v1/automation/resume", "/api/watchkeeper/v1/remediations/*/resume"}) {
    post(pattern, [&agent](const ApiRequest& request, std::string_view remediation) {
      return answer_resume(agent, remediation, request);
    });
  }
  using actions::replace::Order;
  for (const auto& [verb, order] : {std::pair("start", Order::kStart), std::pair("pause", Order::kPause),
                                    std::pair("resume", Order::kResume), std::pair("stop", Order::kStop)}) {
    post((std::string("/api/watchkeeper/v1/replace/*/") + verb).c_str(),
         [&agent, order = order](const ApiRequest& request, std::string_view group) {
           return answer_rollout_order(agent, group, order, request);
         });
  }
  post("/api/watchkeeper/v1/backups/*/run",
       [&agent](const ApiRequest& request, std::string_view name) { return answer_run_backup(agent, name, request); });
  post("/api/watchkeeper/v1/backups/*/drill", [&agent](const ApiRequest& request, std::string_view name) {
    return answer_verify_backup(agent, name, actions::backup::VerificationKind::kDrill, request);
  });
  post("/api/watchkeeper/v1/backups/*/verify", [&agent](const ApiRequest& request, std::string_view name) {
    return answer_verify_backup(agent, name, actions::backup::VerificationKind::kCheck, request);
  });
}

}  // namespace

Router make_router(AgentView& agent, RemoteChanges remote) {
  Router router(remote);
  add_query_routes(router, agent);
  add_state_routes(router, agent);
  add_change_routes(router, agent);
  add_drill_routes(router, agent);
  return router;
}

}  // namespace agent

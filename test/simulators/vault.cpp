// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "test/simulators/execution_node.h"
#include "test/simulators/exposition.h"

namespace simulators {

namespace {

using nlohmann::json;
using Request = httplib::Request;
using Response = httplib::Response;

constexpr const char* kVaultVersion = "1.18.4";

void answer(Response& response, const json& body, int status) {
  response.status = status;
  response.set_header("Cache-Control", "no-store");
  response.set_content(body.dump() + "\n", "application/json");
}

void refuse(Response& response, int status, const json& errors) { answer(response, {{"errors", errors}}, status); }

// The state of a Vault as sys/health tells it: each has a status of its own.
struct Health {
  int status;
  bool initialized = true;
  bool sealed = false;
  bool standby = false;
  bool performance_standby = false;
  bool dr_secondary = false;
};

Health health_of(const Chain& chain) {
  const auto on = [&chain](const char* fault) { return chain.faults().active("vault", fault); };
  if (on("uninitialized")) return {.status = 501, .initialized = false, .sealed = true, .standby = true};
  if (on("sealed")) return {.status = 503, .sealed = true, .standby = true};
  if (on("removed")) return {.status = 530, .sealed = true, .standby = true};
  if (on("dr-secondary")) return {.status = 472, .dr_secondary = true};
  if (on("standby-without-active")) return {.status = 474, .standby = true};
  if (on("performance-standby")) return {.status = 473, .standby = true, .performance_standby = true};
  if (on("standby")) return {.status = 429, .standby = true};
  return {.status = 200};
}

// A status that the caller asked for in place of the usual one, such as ?sealedcode=299.
int status_for(const Request& request, const Health& health) {
  const auto given = [&request](const char* name, int usual) {
    if (!request.has_param(name)) return usual;
    const std::string text = request.get_param_value(name);
    const bool good = text.size() == 3 && text.find_first_not_of("0123456789") == std::string::npos;
    return good ? std::stoi(text) : 400;
  };
  const auto flag = [&request](const char* name) {
    return request.has_param(name) && request.get_param_value(name) != "false";
  };
  switch (health.status) {
    case 501:
      return given("uninitcode", 501);
    case 503:
      return given("sealedcode", 503);
    case 472:
      return given("drsecondarycode", 472);
    case 473:
      return flag("perfstandbyok") ? given("activecode", 200) : given("performancestandbycode", 473);
    case 429:
      return flag("standbyok") ? given("activecode", 200) : given("standbycode", 429);
    case 200:
      return given("activecode", 200);
    default:
      return health.status;
  }
}

json health_body(const Chain& chain, const Health& health) {
  const char* replication = health.sealed ? "unknown" : "disabled";
  json body = {{"initialized", health.initialized},
               {"sealed", health.sealed},
               {"standby", health.standby},
               {"performance_standby", health.performance_standby},
               {"replication_performance_mode", replication},
               {"replication_dr_mode", health.dr_secondary ? "secondary" : replication},
               {"server_time_utc", chain.unix_seconds()},
               {"version", kVaultVersion}};
  if (health.status == 530) body["removed_from_cluster"] = true;
  if (!health.sealed) {
    body["cluster_name"] = "vault-cluster-simulated";
    body["cluster_id"] = "5a6f0c1e-4b1d-4d52-9d3c-0f6f2f3f9a11";
  }
  return body;
}

void add_metrics(httplib::Server& server, const Chain& chain, const VaultOptions& options) {
  server.Get("/v1/sys/metrics", [&chain, options](const Request& request, Response& response) {
    const Health health = health_of(chain);
    if (!options.open_metrics) {
      if (health.sealed) return refuse(response, 503, {"Vault is sealed"});
      const std::string bearer = request.get_header_value("Authorization");
      const bool known =
          request.get_header_value("X-Vault-Token") == options.token || bearer == "Bearer " + options.token;
      if (!known) return refuse(response, 403, {"permission denied"});
    }
    if (!request.has_param("format") || request.get_param_value("format") != "prometheus") {
      return answer(response,
                    {{"Timestamp", "2026-01-01 00:00:00 +0000 UTC"},
                     {"Gauges", json::array()},
                     {"Points", json::array()},
                     {"Counters", json::array()},
                     {"Samples", json::array()}},
                    200);
    }
    VaultText text(chain);
    const double open = health.sealed ? 0 : 1;
    // One process shows both from its first unsealing on: before it, it did not know its cluster's name.
    text.family("vault_core_unsealed", "gauge",
                {{{{"cluster", ""}}, open}, {{{"cluster", "vault-cluster-simulated"}}, open}});
    text.family("vault_core_active", "gauge",
                {{{{"cluster", "vault-cluster-simulated"}}, health.standby || health.sealed ? 0.0 : 1.0}});
    if (!health.sealed) {
      text.family("vault_autopilot_healthy", "gauge", {{{}, 1}});
      text.catalog(kVaultFamilies);
    }
    response.set_content(text.take(), "text/plain; version=0.0.4; charset=utf-8");
  });
}

}  // namespace

void add_vault(httplib::Server& server, const Chain& chain, const VaultOptions& options) {
  // cpp-httplib routes HEAD to the handler of GET and leaves the body out.
  server.Get("/v1/sys/health", [&chain](const Request& request, Response& response) {
    const Health health = health_of(chain);
    const int status = status_for(request, health);
    if (status == 400) return refuse(response, 400, {"bad status code"});
    answer(response, health_body(chain, health), status);
  });
  server.Get("/v1/sys/seal-status", [&chain](const Request&, Response& response) {
    const Health health = health_of(chain);
    json body = {{"type", "awskms"},
                 {"initialized", health.initialized},
                 {"sealed", health.sealed},
                 {"t", 3},
                 {"n", 5},
                 {"progress", 0},
                 {"nonce", ""},
                 {"version", kVaultVersion},
                 {"build_date", "2025-01-29T13:57:54Z"},
                 {"migration", false},
                 {"recovery_seal", true},
                 {"storage_type", "raft"}};
    if (!health.sealed) body["cluster_name"] = "vault-cluster-simulated";
    answer(response, body, 200);
  });
  server.Get("/v1/sys/leader", [&chain](const Request&, Response& response) {
    const Health health = health_of(chain);
    if (health.sealed) return refuse(response, 503, {"Vault is sealed"});
    answer(response,
           {{"ha_enabled", true},
            {"is_self", !health.standby},
            {"active_time", "2026-01-01T00:00:00Z"},
            {"leader_address", "https://10.0.0.1:8200"},
            {"leader_cluster_address", "https://10.0.0.1:8201"},
            {"performance_standby", health.performance_standby},
            {"performance_standby_last_remote_wal", 0},
            {"raft_committed_index", 4711},
            {"raft_applied_index", 4711}},
           200);
  });
  add_metrics(server, chain, options);
  const auto wrong_method = [](const Request&, Response& response) {
    refuse(response, 405, {"1 error occurred:\n\t* unsupported operation\n\n"});
  };
  for (const char* path : {"/v1/sys/health", "/v1/sys/seal-status", "/v1/sys/leader", "/v1/sys/metrics"}) {
    server.Post(path, wrong_method).Put(path, wrong_method).Delete(path, wrong_method);
  }
  server.set_error_handler([](const Request&, Response& response) {
    if (response.body.empty() && response.status == 404) refuse(response, 404, json::array());
  });
}

}  // namespace simulators

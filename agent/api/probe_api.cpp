// SPDX-License-Identifier: Apache-2.0
#include "agent/api/probe_api.h"

#include <charconv>
#include <cmath>
#include <future>
#include <nlohmann/json.hpp>

#include "agent/api/envelope.h"
#include "agent/metrics/metric_text.h"
#include "collector/probe/header_name.h"
#include "core/time/duration.h"

namespace agent {
namespace {

using collector::probe::ProbeQuery;
using collector::probe::ProbeResult;
using collector::probe::ProbeResultPtr;
using nlohmann::json;

// What is left of the asker's timeout for the way back, and what counts where none is given (blackbox_exporter's).
constexpr double kTimeoutOffsetSeconds = 0.5;
constexpr double kTimeoutDefaultSeconds = 120;
constexpr double kTimeoutMaxSeconds = 3600;

core::Duration from_seconds(double seconds) {
  return std::chrono::duration_cast<core::Duration>(std::chrono::duration<double>(seconds));
}

// The header's seconds; none if it is no number.
std::optional<double> asked_timeout(std::string_view text) {
  if (text.empty()) return kTimeoutDefaultSeconds;
  double seconds = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (problem != std::errc() || end != text.data() + text.size() || !std::isfinite(seconds)) return std::nullopt;
  return seconds == 0 ? kTimeoutDefaultSeconds : std::min(seconds, kTimeoutMaxSeconds);
}

// The text decoded once more; as it is if that cannot be done.
std::string decoded_again(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') continue;
    const bool whole = i + 2 < text.size() && std::isxdigit(static_cast<unsigned char>(text[i + 1])) != 0 &&
                       std::isxdigit(static_cast<unsigned char>(text[i + 2])) != 0;
    if (!whole) return std::string(text);
  }
  const std::string pair = "t=" + std::string(text);
  // An ampersand would end the value here, and is part of it there.
  if (text.find_first_of("&;") != std::string_view::npos) return decode_path(text);
  return std::string(Parameters(pair, "").get("t"));
}

// Probes and waits; an end of the connection ends the probe.
ProbeResultPtr wait_for_probe(AgentView& agent, const ApiRequest& request, ProbeQuery query) {
  struct Waiter {
    std::promise<ProbeResultPtr> promise;
    std::atomic<bool> told{false};
    void tell(ProbeResultPtr result) {
      if (!told.exchange(true)) promise.set_value(std::move(result));
    }
  };
  const auto waiter = std::make_shared<Waiter>();
  auto answer = waiter->promise.get_future();
  collector::probe::ProbeRunner& prober = agent.prober();
  const auto id = prober.run(std::move(query), [waiter](ProbeResultPtr result) { waiter->tell(std::move(result)); });
  const auto give_up = [&prober, waiter, id] {
    prober.cancel(id);
    waiter->tell(nullptr);
  };
  const std::stop_callback on_hangup(request.hung_up, give_up);
  const std::stop_callback on_stop(agent.stopping(), give_up);
  return answer.get();
}

json certificates_json(const std::vector<core::net::Certificate>& certificates) {
  json list = json::array();
  for (const auto& each : certificates) {
    list.push_back({{"subject", each.subject},
                    {"issuer", each.issuer},
                    {"dnsNames", each.dns_names},
                    {"notBefore", core::format_rfc3339(core::from_unix_ms(each.not_before * 1000))},
                    {"notAfter", core::format_rfc3339(core::from_unix_ms(each.not_after * 1000))},
                    {"fingerprintSha256", each.fingerprint_sha256}});
  }
  return list;
}

json phases_json(const ProbeResult& result) {
  json phases = json::object();
  for (const auto& metric : result.report.metrics()) {
    if (metric.labels.size() == 1 && metric.labels[0].first == "phase") phases[metric.labels[0].second] = metric.value;
  }
  return phases;
}

json result_json(const ProbeResult& result) {
  json out = {{"id", result.id},
              {"job", result.query.job},
              {"module", result.query.module},
              {"prober", core::config::Codec<collector::probe::ProberKind>::print(result.prober)},
              {"target", result.query.target},
              {"started", core::format_rfc3339(result.started)},
              {"seconds", collector::probe::to_seconds(result.took)},
              {"verdict", collector::probe::to_string(result.verdict())}};
  if (!result.report.failed()) return out;
  out["reason"] = collector::probe::to_string(result.report.failure().reason);
  out["detail"] = collector::probe::printable(result.report.failure().detail, 1000);
  return out;
}

json failure_json(const ProbeResult& result) {
  const auto& evidence = result.report.evidence;
  json out = result_json(result);
  out["timeoutSeconds"] = collector::probe::to_seconds(result.timeout);
  out["phases"] = phases_json(result);
  out["address"] = evidence.address;
  out["status"] = evidence.status;
  out["protocol"] = evidence.protocol;
  out["replyStart"] = evidence.reply_start;
  out["tls"] = {{"version", evidence.tls.version},
                {"cipher", evidence.tls.cipher},
                {"problem", evidence.tls.fault_text},
                {"certificates", certificates_json(evidence.tls.presented)}};
  return out;
}

}  // namespace

ApiResponse answer_probe(AgentView& agent, const ApiRequest& request, QueryGate& gate) {
  ProbeQuery query;
  query.module = request.parameters.get("module");
  if (query.module.empty()) query.module = collector::probe::kDefaultModule;
  const auto modules = agent.prober().modules();
  const auto module = modules->find(query.module);
  if (module == modules->end()) return plain_text(400, fmt::format("Unknown module \"{}\"\n", query.module));
  const std::string_view header = request.header("X-Prometheus-Scrape-Timeout-Seconds");
  const auto timeout = asked_timeout(header);
  if (!timeout) {
    return plain_text(500, fmt::format("Failed to parse timeout from Prometheus header: \"{}\"\n", header));
  }
  query.timeout = from_seconds(*timeout);
  query.timeout_offset = from_seconds(kTimeoutOffsetSeconds);
  query.target = request.parameters.get("target");
  if (query.target.empty()) return plain_text(400, "Target parameter is missing\n");
  query.target = decoded_again(query.target);
  query.hostname = request.parameters.get("hostname");
  if (module->second.prober == collector::probe::ProberKind::kHttp && !query.hostname.empty()) {
    for (const auto& [name, value] : module->second.http.headers) {
      if (!collector::probe::same_header_name(name, "Host") || value == query.hostname) continue;
      return plain_text(400, "Host header defined both in module configuration and with URL-parameter 'hostname'\n");
    }
  }
  const auto place = gate.enter(core::Millis::zero(), request.hung_up);
  if (!place) return plain_text(503, "too many probes are under way for others\n");
  query.traced = request.parameters.get("debug") == "true";
  const bool debug = query.traced;
  const ProbeResultPtr result = wait_for_probe(agent, request, std::move(query));
  if (result == nullptr) return plain_text(503, "the probe was given up\n");
  if (debug) return plain_text(200, collector::probe::debug_text(*result));
  ApiResponse response;
  response.content_type = kMetricContentType;
  response.body = collector::probe::metrics_text(*result, collector::probe::Audience::kExporter);
  return response;
}

ApiResponse answer_probes(AgentView& agent) {
  const auto history = agent.prober().history();
  const auto& stats = agent.prober().stats();
  json recent = json::array();
  for (const auto& each : history.recent) recent.push_back(result_json(*each));
  json failures = json::array();
  for (const auto& each : history.failures) failures.push_back(failure_json(*each));
  const json data = {{"running", stats.in_flight.load()},
                     {"runningMax", stats.in_flight_max},
                     {"recent", std::move(recent)},
                     {"failures", std::move(failures)}};
  // What others have sent may hold any bytes; what is not UTF-8 is replaced.
  return success(data.dump(-1, ' ', false, json::error_handler_t::replace));
}

}  // namespace agent

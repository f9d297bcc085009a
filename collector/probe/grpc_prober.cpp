// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "collector/probe/address_choice.h"
#include "collector/probe/grpc_call.h"
#include "collector/probe/grpc_message.h"
#include "collector/probe/http_exchange.h"
#include "collector/probe/http_probe.h"
#include "collector/probe/tls_metrics.h"
#include "core/net/url.h"

namespace collector::probe {
namespace {

using core::net::HttpFault;
using core::net::Observation;

constexpr std::string_view kPhases = "probe_grpc_duration_seconds";
constexpr std::size_t kResponseBytesMax = 64 << 10;

std::optional<core::net::Url> parse_target(std::string target, bool tls) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (target.starts_with(scheme)) target.erase(0, scheme.size());
  }
  target.resize(std::min(target.size(), target.find('/')));
  const bool bare_v6 = Address::parse(target).has_value() && target.find(':') != std::string::npos;
  if (bare_v6) target = "[" + target + "]";
  auto url = core::net::parse_url((tls ? "https://" : "http://") + target + "/grpc.health.v1.Health/Check");
  if (!url) return std::nullopt;
  return *url;
}

core::net::Request make_request(const Attempt& attempt, const core::net::Url& url,
                                std::shared_ptr<Observation> observation) {
  const GrpcModule& module = attempt.module.grpc;
  core::net::Request request = grpc::call_request(attempt, url.to_string(), grpc::encode_request(module.service));
  request.body_limit = kResponseBytesMax;
  request.http2_without_tls = !module.tls;
  request.tls = module.tls_config.options();
  for (const auto& [name, values] : module.metadata) {
    for (const std::string& value : values) request.headers.emplace_back(name, value);
  }
  observation->keep_body_bytes = kResponseBytesMax;
  observation->ends_at_redirect = false;
  request.observation = std::move(observation);
  return request;
}

int transport_status(const Observation& seen) {
  return seen.fault == HttpFault::kTimeout ? grpc::kDeadlineExceeded : grpc::kUnavailable;
}

void judge(Attempt& attempt, const Observation& seen, const std::string& address) {
  Report& report = attempt.report;
  const bool tls = attempt.module.grpc.tls;
  report.evidence.status = seen.status;
  report.evidence.protocol = seen.http_version.empty() ? "" : "HTTP/" + seen.http_version;
  report.evidence.tls = seen.tls;
  if (seen.fault != HttpFault::kNone) {
    report.set("probe_grpc_status_code", transport_status(seen));
    return report.fail(failure_of(seen, address));
  }
  if (seen.http_version != "2") {
    report.set("probe_grpc_status_code", grpc::kUnavailable);
    return report.fail(Reason::kProtocol, "the server does not speak HTTP/2");
  }
  const int status = grpc::call_status(seen);
  const std::string message = grpc::call_message(seen);
  report.set("probe_grpc_status_code", status);
  attempt.trace("grpc-status {} {}", status, printable(message));
  report.evidence.reply_start = fmt::format("grpc-status {} {}", status, printable(message));
  if (status != grpc::kOk) {
    return report.fail(Reason::kGrpcStatus, fmt::format("the call ended with status {} {}", status, message));
  }
  if (tls) {
    report.set("probe_grpc_ssl", 1);
    set_tls_metrics(report, seen.tls, {.last_chain_expiry = false, .cipher = false});
  }
  const auto serving = grpc::decode_response(seen.body);
  if (!serving) return report.fail(Reason::kProtocol, "the answer is no HealthCheckResponse");
  const std::string_view name = grpc::kServingStatus[static_cast<std::size_t>(*serving)];
  report.set("probe_grpc_healthcheck_response", 1, {{"serving_status", std::string(name)}});
  attempt.trace("{}", name);
  if (*serving != grpc::kServing) report.fail(Reason::kGrpcNotServing, fmt::format("the service is {}", name));
}

}  // namespace

core::Task<bool> probe_grpc(Attempt& attempt) {
  const GrpcModule& module = attempt.module.grpc;
  Report& report = attempt.report;
  report.set("probe_grpc_status_code", 0);
  report.set("probe_grpc_ssl", 0);
  report.add_phase(kPhases, "resolve", {});
  const auto url = parse_target(attempt.target, module.tls);
  if (!url) {
    report.fail(Reason::kBadTarget, fmt::format("expected host or host:port, got \"{}\"", attempt.target));
    co_return true;
  }
  core::Duration took{};
  auto address = co_await choose_address(attempt, url->host, module.ip, took);
  report.add_phase(kPhases, "resolve", took);
  if (!address) {
    report.fail(address.error());
    co_return true;
  }
  for (const std::string_view name : grpc::kServingStatus) {
    report.set("probe_grpc_healthcheck_response", 0, {{"serving_status", std::string(name)}});
  }
  auto observation = std::make_shared<Observation>();
  observation->dial_address = address->to_string();
  const core::SteadyTime begun = attempt.now();
  attempt.trace("call {} at {}", url->to_string(), observation->dial_address);
  HttpExchange sent(attempt.services.http, make_request(attempt, *url, observation));
  co_await sent;
  report.add_phase(kPhases, "check", attempt.since(begun));
  judge(attempt, *observation, observation->dial_address);
  if (report.failed()) attempt.trace("{}", report.failure().detail);
  co_return true;
}

}  // namespace collector::probe

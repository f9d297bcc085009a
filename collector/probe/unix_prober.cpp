// SPDX-License-Identifier: Apache-2.0
#include "collector/probe/dialogue.h"
#include "collector/probe/http_probe.h"

namespace collector::probe {
namespace {

// PATH or PATH:/URL-PATH.
core::Task<bool> probe_http_over_socket(Attempt& attempt, const HttpModule& module) {
  std::string path = attempt.target;
  std::string url_path = "/";
  if (const std::size_t colon = path.find(":/"); colon != std::string::npos) {
    url_path = path.substr(colon + 1);
    path.resize(colon);
  }
  auto url = core::net::parse_url("http://localhost" + url_path);
  if (!url || path.empty()) {
    attempt.report.fail(Reason::kBadTarget, fmt::format("expected PATH or PATH:/URL-PATH, got \"{}\"", attempt.target));
    co_return true;
  }
  attempt.report.evidence.address = path;
  co_await run_http(attempt, module, std::move(*url), path);
  co_return true;
}

}  // namespace

core::Task<bool> probe_unix(Attempt& attempt) {
  const UnixModule& module = attempt.module.unix_socket;
  if (module.http) {
    co_await probe_http_over_socket(attempt, *module.http);
    co_return true;
  }
  attempt.report.evidence.address = attempt.target;
  Stream stream(attempt.services.loop, attempt.deadline);
  auto connected = co_await stream.connect_unix(attempt.target);
  if (!connected) {
    attempt.trace("{}", connected.error().detail);
    attempt.report.fail(connected.error());
    co_return true;
  }
  attempt.trace("connected to {}", attempt.target);
  co_await run_dialogue(attempt, stream, module.query_response, module.tls, module.tls_config.options(), "localhost");
  co_return true;
}

}  // namespace collector::probe

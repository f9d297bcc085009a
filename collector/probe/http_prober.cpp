// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <fstream>
#include <iterator>

#include "collector/probe/address_choice.h"
#include "collector/probe/header_name.h"
#include "collector/probe/http_exchange.h"
#include "collector/probe/http_probe.h"
#include "collector/probe/side_thread.h"
#include "collector/probe/url_reference.h"

namespace collector::probe {
namespace {

using core::net::Observation;
using core::net::Request;
using core::net::Url;

constexpr std::string_view kPhases = "probe_http_duration_seconds";
constexpr std::size_t kBodyFileBytesMax = 4 << 20;

// What stays the same from hop to hop, and what changes.
struct Hop {
  Url url;
  std::string method;
  std::string body;
  std::string host_header;  // "" for the URL's own
  std::string server_name;
  bool first = true;
  bool with_secrets = true;  // still at the first host, or below it
  std::string first_host;
  std::vector<std::string> cookies;
};

std::string host_of_header(const std::string& value) {
  const auto parts = split_host_port(value);
  return parts ? parts->first : value;
}

// The Host header of the module or of the `hostname` parameter; it names the certificate too.
std::string wanted_host(const Attempt& attempt, const HttpModule& module) {
  if (!attempt.hostname.empty()) return attempt.hostname;
  for (const auto& [name, value] : module.headers) {
    if (same_header_name(name, "Host")) return value;
  }
  return "";
}

core::Result<std::string> read_body_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return core::fail(core::Errc::kFailed, "unable to read body file {}: cannot open it", path);
  std::string text(kBodyFileBytesMax + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(std::max<std::streamsize>(file.gcount(), 0)));
  if (text.size() > kBodyFileBytesMax) {
    return core::fail(core::Errc::kFailed, "unable to read body file {}: more than {} bytes", path, kBodyFileBytesMax);
  }
  return text;
}

core::Result<Request> make_request(const Attempt& attempt, const HttpModule& module, const Hop& hop,
                                   std::shared_ptr<Observation> observation) {
  Request request;
  if (auto applied = module.client.apply(request); !applied) return core::fail(applied.error());
  request.method = hop.method;
  request.url = hop.url.to_string();
  request.body = hop.body;
  request.timeout = attempt.left();
  request.accept_gzip = false;
  request.follow_redirects = false;
  request.tls.server_name = hop.server_name;
  const bool ruled = module.judges_body() || !module.compression.empty();
  observation->keep_body_bytes = ruled ? kRuledBodyMax : kEvidenceBodyMax;
  const bool limited = module.body_size_limit.bytes != 0 && module.compression.empty();
  request.body_limit = limited ? module.body_size_limit.bytes : std::numeric_limits<std::int64_t>::max();
  for (const auto& [name, value] : module.headers) {
    if (same_header_name(name, "Host")) continue;
    const bool secret = same_header_name(name, "Authorization") || same_header_name(name, "Cookie") ||
                        same_header_name(name, "WWW-Authenticate");
    if (!secret || hop.with_secrets) request.headers.emplace_back(name, value);
  }
  // Credentials of the settings yield to an Authorization header of the request.
  if (!core::net::find_header(request.headers, "Authorization").empty() || !hop.with_secrets) request.credentials = {};
  if (!hop.host_header.empty()) request.headers.emplace_back("Host", hop.host_header);
  observation->cookies = hop.cookies;
  request.observation = std::move(observation);
  return request;
}

void take_cookies(const Observation& seen, Hop& hop) {
  constexpr std::size_t kCookiesMax = 50;
  for (const auto& [name, value] : seen.headers) {
    if (same_header_name(name, "Set-Cookie") && hop.cookies.size() < kCookiesMax) {
      hop.cookies.push_back("Set-Cookie: " + value);
    }
  }
}

// Prepares the hop after a redirect; the error says why there is none.
core::Result<void> follow(const Observation& seen, const HttpModule& module, Hop& hop) {
  auto next = resolve_reference(hop.url, core::net::find_header(seen.headers, "Location"));
  if (!next) return core::fail(next.error().with_context("Location"));
  if (seen.status == 301 || seen.status == 302 || seen.status == 303) {
    if (hop.method != "HEAD") hop.method = "GET";
    hop.body.clear();
  }
  take_cookies(seen, hop);
  const bool same_host = next->host == hop.url.host && next->port == hop.url.port;
  if (!same_host) hop.host_header.clear();
  hop.server_name = next->host == hop.first_host ? module.client.tls_config.server_name : "";
  if (hop.server_name.empty() && !hop.host_header.empty()) hop.server_name = host_of_header(hop.host_header);
  hop.with_secrets = hop.with_secrets && is_within(next->host, hop.first_host);
  hop.url = std::move(*next);
  hop.first = false;
  return {};
}

void add_phases(Report& report, const Observation& seen) {
  if (seen.connected) {
    report.add_phase(kPhases, "connect", seen.timings.connect);
    report.add_phase(kPhases, "tls", seen.timings.tls);
  }
  if (seen.first_byte) report.add_phase(kPhases, "processing", seen.timings.processing);
}

Outcome<Hop> first_hop(const Attempt& attempt, const HttpModule& module, Url url) {
  Hop hop;
  hop.url = std::move(url);
  hop.method = module.method.empty() ? "GET" : module.method;
  hop.host_header = wanted_host(attempt, module);
  hop.server_name = module.client.tls_config.server_name;
  if (hop.server_name.empty() && !hop.host_header.empty()) hop.server_name = host_of_header(hop.host_header);
  hop.first_host = hop.url.host;
  hop.body = module.body;
  if (!module.body_file.empty()) {
    auto text = read_body_file(module.body_file.path);
    if (!text) return failed(Reason::kLocalFile, text.error().message);
    hop.body = std::move(*text);
  }
  return hop;
}

// One request to one address.
core::Task<Outcome<Observation>> exchange(Attempt& attempt, const HttpModule& module, const Hop& hop, std::string dial,
                                          std::string unix_socket) {
  auto observation = std::make_shared<Observation>();
  observation->dial_address = std::move(dial);
  observation->unix_socket = std::move(unix_socket);
  auto request = make_request(attempt, module, hop, observation);
  if (!request) co_return failed(Reason::kLocalFile, request.error().message);
  attempt.trace("{} {} at {}", hop.method, core::net::redact_url(request->url),
                observation->unix_socket.empty() ? observation->dial_address : observation->unix_socket);
  HttpExchange sent(attempt.services.http, std::move(*request));
  co_await sent;
  const Observation& seen = *observation;
  if (seen.status != 0) attempt.trace("HTTP/{} {}", seen.http_version, seen.status);
  if (attempt.traced) {
    for (const auto& [name, value] : seen.headers) {
      const bool secret = same_header_name(name, "Set-Cookie") || same_header_name(name, "WWW-Authenticate");
      attempt.trace("  {}: {}", name, secret ? "<secret>" : printable(value));
    }
  }
  if (seen.fault != core::net::HttpFault::kNone) attempt.trace("{}", seen.fault_text);
  co_return std::move(*observation);
}

// The address of a later hop, which has no metrics of its own.
core::Task<Outcome<Address>> later_address(Attempt& attempt, const HttpModule& module, std::string host) {
  Attempt own{attempt.services, attempt.module, {}, {}, attempt.started, attempt.deadline, false, {}};
  core::Duration took{};
  IpChoice choice = module.ip;
  choice.ip_protocol_fallback = true;
  auto address = co_await choose_address(own, std::move(host), choice, took);
  attempt.report.add_phase(kPhases, "resolve", took);
  co_return address;
}

core::Task<Outcome<std::string>> dial_address(Attempt& attempt, const HttpModule& module, const Hop& hop) {
  if (!hop.first) {
    auto address = co_await later_address(attempt, module, hop.url.host);
    if (!address) co_return failed(address.error());
    co_return address->to_string();
  }
  core::Duration took{};
  auto address = co_await choose_address(attempt, hop.url.host, module.ip, took);
  attempt.report.add_phase(kPhases, "resolve", took);
  if (!address) co_return failed(address.error());
  co_return address->to_string();
}

// Rules on a large body, or on what a packed one may unpack to, take longer than the loop can spare: away from it.
core::Task<bool> judge(Attempt& attempt, const HttpModule& module, FinalAnswer& answer) {
  constexpr std::size_t kBytesAtOnce = 64 << 10;
  constexpr std::size_t kUnpackedMost = 1032;  // times: deflate can do no more (zlib, "Technical Details")
  const std::size_t bytes = answer.seen.body.size() * (module.compression.empty() ? 1 : kUnpackedMost);
  if ((!module.judges_body() && module.compression.empty()) || bytes <= kBytesAtOnce) {
    judge_http(attempt.report, module, answer);
    co_return true;
  }
  struct Case {
    Report report;
    HttpModule module;
    FinalAnswer answer;
  };
  // All of it its own: the probe, and the configuration, may be gone before it is judged.
  const auto own = std::make_shared<Case>(Case{attempt.report, module, std::move(answer)});
  std::function<Report()> work = [own] {
    judge_http(own->report, own->module, own->answer);
    return std::move(own->report);
  };
  auto judged = attempt.services.judges.run<Report>(attempt.deadline, std::move(work));
  auto report = co_await judged;
  if (report) {
    attempt.report = std::move(*report);
  } else {
    attempt.report.fail(Reason::kOverloaded, "the rules could not be run on the body in time");
  }
  co_return true;
}

void set_defaults(Report& report) {
  for (const char* const name :
       {"probe_http_status_code", "probe_http_content_length", "probe_http_uncompressed_body_length",
        "probe_http_redirects", "probe_http_ssl", "probe_http_version", "probe_failed_due_to_regex"}) {
    report.set(name, 0);
  }
}

}  // namespace

core::Task<bool> run_http(Attempt& attempt, const HttpModule& module, Url url, std::string unix_socket) {
  Report& report = attempt.report;
  set_defaults(report);
  if (module.has_cel()) report.set("probe_failed_due_to_cel", 0);
  auto begun = first_hop(attempt, module, std::move(url));
  if (!begun) {
    report.fail(begun.error());
    co_return true;
  }
  Hop hop = std::move(*begun);
  FinalAnswer answer;
  while (true) {
    std::string dial;
    if (unix_socket.empty()) {
      auto address = co_await dial_address(attempt, module, hop);
      if (!address) {
        report.fail(address.error());
        answer.seen = {};
        break;
      }
      dial = std::move(*address);
    }
    for (const char* const phase : {"connect", "tls", "processing", "transfer"}) report.add_phase(kPhases, phase, {});
    auto seen = co_await exchange(attempt, module, hop, dial, unix_socket);
    if (!seen) {
      report.fail(seen.error());
      answer.seen = {};
      break;
    }
    add_phases(report, *seen);
    answer.seen = std::move(*seen);
    answer.ssl = hop.url.scheme == "https";
    if (answer.seen.status == 0) {
      report.fail(failure_of(answer.seen, dial));
      break;
    }
    if (!answer.seen.redirects) break;
    ++answer.redirects;
    answer.unread = true;
    if (!module.follows_redirects()) break;
    if (answer.redirects > kRedirectsMax) break;
    if (auto next = follow(answer.seen, module, hop); !next) {
      report.fail(Reason::kProtocol, next.error().message);
      answer.seen = {};
      break;
    }
    answer.unread = false;
    attempt.trace("redirected to {}", core::net::redact_url(hop.url.to_string()));
  }
  if (answer.seen.first_byte) report.add_phase(kPhases, "transfer", answer.seen.timings.transfer);
  co_await judge(attempt, module, answer);
  co_return true;
}

core::Task<bool> probe_http(Attempt& attempt) {
  const std::string& target = attempt.target;
  const bool has_scheme = target.starts_with("http://") || target.starts_with("https://") ||
                          target.starts_with("HTTP://") || target.starts_with("HTTPS://");
  auto url = core::net::parse_url(target);
  if (!url && !has_scheme) url = core::net::parse_url("http://" + target);
  if (!url) {
    set_defaults(attempt.report);
    attempt.report.fail(Reason::kBadTarget, url.error().message);
    co_return true;
  }
  co_await run_http(attempt, attempt.module.http, std::move(*url), "");
  co_return true;
}

}  // namespace collector::probe

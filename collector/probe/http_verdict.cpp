// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <charconv>
#include <ctime>
#include <optional>

#include "collector/probe/address.h"
#include "collector/probe/body_decoder.h"
#include "collector/probe/header_name.h"
#include "collector/probe/http_probe.h"
#include "collector/probe/stream.h"
#include "collector/probe/tls_metrics.h"

namespace collector::probe {
namespace {

using core::net::find_header;
using core::net::HttpFault;
using core::net::Observation;

// The answer's body as rules see it.
struct Body {
  std::string text;
  std::uint64_t length = 0;
  std::optional<Failure> problem;  // why it could not be read whole
};

double content_length(const Observation& seen) {
  const std::string_view text = find_header(seen.headers, "Content-Length");
  std::int64_t length = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), length);
  const bool given = !text.empty() && problem == std::errc() && end == text.data() + text.size() && length >= 0;
  if (given && find_header(seen.headers, "Transfer-Encoding").empty()) return static_cast<double>(length);
  return seen.status == 204 || seen.status == 304 ? 0 : -1;
}

// The three forms of RFC 9110, section 5.6.7.
std::optional<double> http_date(const std::string& text) {
  if (text.empty()) return std::nullopt;
  for (const char* const form : {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"}) {
    std::tm parts{};
    const char* const end = ::strptime(text.c_str(), form, &parts);
    if (end != nullptr && *end == '\0') return static_cast<double>(::timegm(&parts));
  }
  return std::nullopt;
}

bool valid_status(const HttpModule& module, int status) {
  if (module.valid_status_codes.empty()) return status >= 200 && status <= 299;
  return std::ranges::find(module.valid_status_codes, status) != module.valid_status_codes.end();
}

std::vector<std::string_view> values_of(const core::net::Headers& headers, std::string_view name) {
  std::vector<std::string_view> values;
  for (const auto& header : headers) {
    if (same_header_name(header.first, name)) values.push_back(header.second);
  }
  return values;
}

std::string header_problem(const HttpModule& module, const core::net::Headers& headers) {
  const auto check = [&headers](const HeaderMatch& rule, bool must_match) -> std::string {
    const auto values = values_of(headers, rule.header);
    if (values.empty()) return rule.allow_missing ? "" : fmt::format("there is no header {}", rule.header);
    const bool found = std::ranges::any_of(values, [&](std::string_view value) { return rule.regexp.found_in(value); });
    if (found == must_match) return "";
    return fmt::format("header {} {} \"{}\"", rule.header, found ? "matches" : "does not match", rule.regexp.text());
  };
  for (const HeaderMatch& rule : module.fail_if_header_matches) {
    if (auto problem = check(rule, false); !problem.empty()) return problem;
  }
  for (const HeaderMatch& rule : module.fail_if_header_not_matches) {
    if (auto problem = check(rule, true); !problem.empty()) return problem;
  }
  return "";
}

Body read_body(const HttpModule& module, FinalAnswer& answer) {
  Observation& seen = answer.seen;
  Body body;
  if (answer.unread) {
    body.problem = Failure{Reason::kBodyMismatch, "the body of a redirect is not read"};
    return body;
  }
  body.length = seen.body_bytes;
  if (seen.fault != HttpFault::kNone) body.problem = failure_of(seen, seen.dial_address);
  if (!module.compression.empty()) {
    const std::uint64_t limit = module.body_size_limit.bytes == 0
                                    ? kRuledBodyMax
                                    : std::min<std::uint64_t>(module.body_size_limit.bytes, kRuledBodyMax);
    auto decoded = decode_body(module.compression, seen.body, limit);
    if (!decoded) {
      body.problem = Failure{Reason::kHttpEncoding, fmt::format("there is no compression \"{}\"", module.compression)};
      return body;
    }
    body.length = decoded->bytes.size();
    if (decoded->too_big) {
      body.problem = Failure{Reason::kBodyTooLarge, fmt::format("the body has more than {} bytes", limit)};
    } else if (!decoded->complete && !body.problem) {
      body.problem = Failure{Reason::kHttpEncoding, fmt::format("the body is not {}", module.compression)};
    }
    body.text = std::move(decoded->bytes);
    return body;
  }
  body.text = std::move(seen.body);
  return body;
}

std::string body_problem(const HttpModule& module, const Body& body) {
  for (const Pattern& each : module.fail_if_body_matches_regexp) {
    if (each.found_in(body.text)) return fmt::format("the body matches \"{}\"", each.text());
  }
  for (const Pattern& each : module.fail_if_body_not_matches_regexp) {
    if (!each.found_in(body.text)) return fmt::format("the body does not match \"{}\"", each.text());
  }
  return "";
}

std::string cel_problem(const HttpModule& module, const Body& body) {
  const auto check = [&body](const CelExpression& rule, bool must_be) -> std::string {
    if (rule.empty()) return "";
    const auto value = rule.evaluate(body.text);
    if (!value) return value.error().message;
    return *value == must_be ? "" : fmt::format("\"{}\" is {}", rule.text(), *value);
  };
  auto problem = check(module.fail_if_body_json_matches_cel, false);
  return problem.empty() ? check(module.fail_if_body_json_not_matches_cel, true) : problem;
}

// Both kinds of rules see the same bytes, where blackbox_exporter has none left for the second.
void judge_body(Report& report, const HttpModule& module, Body& body) {
  const auto apply = [&](const char* metric, std::string (*problem_of)(const HttpModule&, const Body&)) {
    if (body.problem) {
      report.fail(*body.problem);
    } else if (auto problem = problem_of(module, body); !problem.empty()) {
      report.fail(Reason::kBodyMismatch, std::move(problem));
    }
    report.set(metric, report.failed() ? 1 : 0);
  };
  const bool has_patterns =
      !module.fail_if_body_matches_regexp.empty() || !module.fail_if_body_not_matches_regexp.empty();
  if (module.judges_body() && !report.failed() && !body.problem && body.length > body.text.size()) {
    body.problem = Failure{Reason::kBodyTooLarge, fmt::format("rules are run on at most {} bytes", kRuledBodyMax)};
  }
  if (has_patterns && !report.failed()) apply("probe_failed_due_to_regex", body_problem);
  if (module.has_cel() && !report.failed()) apply("probe_failed_due_to_cel", cel_problem);
  report.set("probe_http_uncompressed_body_length", static_cast<double>(body.length));
}

void set_answer_metrics(Report& report, const FinalAnswer& answer) {
  const Observation& seen = answer.seen;
  report.set("probe_http_status_code", seen.status);
  report.set("probe_http_content_length", content_length(seen));
  report.set("probe_http_ssl", answer.ssl ? 1 : 0);
  double version = 0;
  std::from_chars(seen.http_version.data(), seen.http_version.data() + seen.http_version.size(), version);
  report.set("probe_http_version", version);
  const auto modified = http_date(std::string(find_header(seen.headers, "Last-Modified")));
  if (modified) report.set("probe_http_last_modified_timestamp_seconds", *modified);
  if (answer.ssl) set_tls_metrics(report, seen.tls, {.last_chain_expiry = true, .cipher = true});
}

}  // namespace

Failure failure_of(const Observation& seen, const std::string& address) {
  const auto dialled = Address::parse(address);
  switch (seen.fault) {
    case HttpFault::kNone:
      return {Reason::kNone, ""};
    case HttpFault::kConnect:
      if (seen.os_error == 0) return {Reason::kUnreachable, seen.fault_text};
      return failure_of_errno(seen.os_error, "connect to " + (address.empty() ? seen.unix_socket : address),
                              dialled ? &*dialled : nullptr);
    case HttpFault::kTimeout:
      return {Reason::kTimeout, "the deadline passed"};
    case HttpFault::kTlsVerify:
      return {reason_of(seen.tls.fault), seen.tls.fault_text};
    case HttpFault::kTlsHandshake:
      return {Reason::kTlsHandshake, seen.fault_text};
    case HttpFault::kTlsFile:
      return {Reason::kLocalFile, seen.fault_text};
    case HttpFault::kClosed:
      return {Reason::kClosed, seen.fault_text};
    case HttpFault::kReset:
      return {Reason::kReset, seen.fault_text};
    case HttpFault::kMalformed:
    case HttpFault::kHeadersTooLarge:
      return {Reason::kProtocol, seen.fault_text};
    case HttpFault::kBodyTooLarge:
      return {Reason::kBodyTooLarge, "the body is larger than body_size_limit"};
    case HttpFault::kRequest:
      return {Reason::kBadTarget, seen.fault_text};
    case HttpFault::kOverloaded:
      return {Reason::kOverloaded, seen.fault_text};
    case HttpFault::kOther:
      return {Reason::kInternal, seen.fault_text};
  }
  return {Reason::kInternal, seen.fault_text};
}

void judge_http(Report& report, const HttpModule& module, FinalAnswer& answer) {
  Observation& seen = answer.seen;
  report.set("probe_http_redirects", answer.redirects);
  report.evidence.status = seen.status;
  report.evidence.protocol = seen.http_version.empty() ? "" : "HTTP/" + seen.http_version;
  report.evidence.tls = seen.tls;
  if (seen.status == 0) return;
  set_answer_metrics(report, answer);
  report.evidence.reply_start = printable(seen.body);
  if (!valid_status(module, seen.status)) {
    if (answer.redirects > kRedirectsMax) {
      report.fail(Reason::kHttpRedirects, fmt::format("stopped after {} redirects", kRedirectsMax));
    }
    report.fail(Reason::kHttpStatus, fmt::format("status {} is not a valid one", seen.status));
  }
  if (!report.failed()) {
    if (auto problem = header_problem(module, seen.headers); !problem.empty()) {
      report.fail(Reason::kHeaderMismatch, std::move(problem));
      report.set("probe_failed_due_to_regex", 1);
    }
  }
  Body body = read_body(module, answer);
  judge_body(report, module, body);
  if (body.problem && !answer.unread) report.fail(*body.problem);
  const std::string version = seen.http_version == "2" ? "HTTP/2.0" : "HTTP/" + seen.http_version;
  if (!module.valid_http_versions.empty() &&
      std::ranges::find(module.valid_http_versions, version) == module.valid_http_versions.end()) {
    report.fail(Reason::kHttpVersion, fmt::format("{} is not a valid version", version));
  }
  if (answer.ssl && module.fail_if_ssl) report.fail(Reason::kHttpSsl, "the answer came over TLS");
  if (!answer.ssl && module.fail_if_not_ssl) report.fail(Reason::kHttpNotSsl, "the answer came without TLS");
}

}  // namespace collector::probe

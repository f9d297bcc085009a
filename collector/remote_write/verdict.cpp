// SPDX-License-Identifier: Apache-2.0
#include "collector/remote_write/verdict.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "core/net/retry_after.h"

namespace collector::remote_write {
namespace {

// Newer receivers say how much of a request they took.
constexpr std::string_view kWrittenHeader = "X-Prometheus-Remote-Write-Samples-Written";

std::string quote_body(std::string_view body) {
  body = body.substr(0, kQuotedBodyBytesMax);
  while (!body.empty() && (body.back() == '\n' || body.back() == '\r' || body.back() == ' ')) body.remove_suffix(1);
  // One line of the log, whatever the receiver says.
  std::string shown(body);
  std::ranges::replace_if(shown, [](unsigned char c) { return c < ' ' || c == 0x7f; }, ' ');
  return shown;
}

std::string_view reason_of(const core::net::Response& response) {
  if (!response.reason.empty()) return response.reason;
  // HTTP/2 has no reasons.
  switch (response.status) {
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 409:
      return "Conflict";
    case 429:
      return "Too Many Requests";
    case 500:
      return "Internal Server Error";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    default:
      return {};
  }
}

std::optional<std::uint64_t> number_in(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || problem != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

Verdict judge(const core::Result<core::net::Response>& answer, bool retry_on_http_429, core::WallTime now) {
  Verdict verdict;
  if (!answer) {
    verdict.why = answer.error().message;
    // A request that is wrong in itself stays so; everything else may pass.
    verdict.kind = answer.error().code == core::Errc::kInvalid ? Verdict::Kind::kDrop : Verdict::Kind::kRetry;
    return verdict;
  }
  verdict.status = answer->status;
  if (answer->status >= 200 && answer->status < 300) {
    verdict.written = number_in(core::net::find_header(answer->headers, kWrittenHeader));
    return verdict;
  }
  const std::string_view reason = reason_of(*answer);
  const std::string body = quote_body(answer->body);
  verdict.why =
      fmt::format("server returned HTTP status {}{}{}: {}", answer->status, reason.empty() ? "" : " ", reason, body);
  const bool again = answer->status >= 500 || (answer->status == 429 && retry_on_http_429);
  verdict.kind = again ? Verdict::Kind::kRetry : Verdict::Kind::kDrop;
  // Zero and the past ask for nothing.
  const auto wait = core::net::retry_after(answer->headers, now);
  if (again && wait && *wait > core::Millis(0)) verdict.wait = *wait;
  return verdict;
}

core::Duration Backoff::wait(std::optional<core::Duration> retry_after) {
  const core::Duration wait = retry_after.value_or(next_);
  next_ = std::min(wait * 2, most_);
  return wait;
}

}  // namespace collector::remote_write

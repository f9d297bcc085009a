// SPDX-License-Identifier: Apache-2.0
#include "collector/probe/grpc_call.h"

#include <algorithm>
#include <charconv>

#include "collector/probe/grpc_message.h"
#include "collector/probe/plain_request.h"

namespace collector::probe::grpc {

using core::net::find_header;

core::net::Request call_request(const Attempt& attempt, std::string url, std::string body) {
  core::net::Request request;
  request.method = "POST";
  request.url = std::move(url);
  request.body = std::move(body);
  request.timeout = attempt.left();
  request.accept_gzip = false;
  request.http2_without_tls = true;
  const auto left_ms = std::max<std::int64_t>(std::chrono::duration_cast<core::Millis>(attempt.left()).count(), 1);
  request.headers = {{"Content-Type", "application/grpc"},
                     {"TE", "trailers"},
                     {"grpc-timeout", fmt::format("{}m", std::min<std::int64_t>(left_ms, 99'999'999))}};
  return request;
}

int call_status(const core::net::Observation& seen) {
  const std::string_view text = find_header(seen.headers, "grpc-status");
  int status = status_of_http(seen.status);
  std::from_chars(text.data(), text.data() + text.size(), status);
  return status;
}

std::string call_message(const core::net::Observation& seen) {
  return std::string(find_header(seen.headers, "grpc-message"));
}

core::Task<Outcome<std::string>> call_over_socket(Attempt& attempt, std::string socket, std::string method,
                                                  std::string message, std::size_t bytes_max) {
  auto request = call_request(attempt, "http://localhost/" + method, frame(message));
  auto seen = co_await ask_once(attempt, std::move(request), "", std::move(socket), bytes_max + kFrameHeaderBytes);
  if (!seen) co_return failed(seen.error());
  Evidence& evidence = attempt.report.evidence;
  evidence.status = seen->status;
  evidence.protocol = seen->http_version.empty() ? "" : "HTTP/" + seen->http_version;
  if (seen->http_version != "2") co_return failed(Reason::kProtocol, "the server does not speak HTTP/2");
  if (const int status = call_status(*seen); status != kOk) {
    evidence.reply_start = fmt::format("grpc-status {} {}", status, printable(call_message(*seen)));
    co_return failed(Reason::kGrpcStatus, fmt::format("{}: {}", method, evidence.reply_start));
  }
  const auto answer = unframe(seen->body);
  if (!answer) co_return failed(Reason::kProtocol, method + ": the answer is no message");
  co_return std::string(*answer);
}

}  // namespace collector::probe::grpc

// SPDX-License-Identifier: Apache-2.0
#include "actions/receivers/receiver.h"

#include "core/ring/labels.h"

namespace actions::receivers {
namespace {

// Bytes of an answer that go into an error text.
constexpr std::size_t kQuotedBodyBytesMax = 300;

std::string quote_body(const std::string& body) {
  std::string shown = body.substr(0, kQuotedBodyBytesMax);
  while (!shown.empty() && (shown.back() == '\n' || shown.back() == '\r' || shown.back() == ' ')) shown.pop_back();
  return shown;
}

}  // namespace

Verdict judge_status(const core::net::Response& response, core::WallTime now) {
  const int status = response.status;
  if (status >= 200 && status < 300) return {};
  Verdict verdict;
  verdict.why = fmt::format("unexpected status code {}: {}", status, quote_body(response.body));
  verdict.pause = retry_after(response.headers, now);
  if (status == 401 || status == 403 || status == 404) {
    verdict.kind = Verdict::Kind::kStop;
  } else if (status == 408 || status == 429 || status >= 500) {
    verdict.kind = Verdict::Kind::kRetry;
  } else {
    verdict.kind = Verdict::Kind::kReject;
  }
  return verdict;
}

}  // namespace actions::receivers

// SPDX-License-Identifier: Apache-2.0
#include "agent/api/envelope.h"

#include <fmt/format.h>

#include <vector>

#include "agent/api/json_text.h"

namespace agent {
namespace {

struct ErrorWords {
  std::string_view name;
  int status;
};

ErrorWords words_of(ErrorType type) {
  switch (type) {
    case ErrorType::kBadData:
      return {"bad_data", 400};
    case ErrorType::kExecution:
      return {"execution", 422};
    case ErrorType::kTimeout:
      return {"timeout", 503};
    case ErrorType::kCanceled:
      return {"canceled", 499};
    case ErrorType::kInternal:
      return {"internal", 500};
    case ErrorType::kNotFound:
      return {"not_found", 404};
    case ErrorType::kUnavailable:
      return {"unavailable", 503};
  }
  return {"internal", 500};
}

void append_annotations(std::string& out, std::string_view name, const std::vector<std::string>& texts) {
  constexpr std::size_t kShown = 10;
  if (texts.empty()) return;
  std::vector<std::string> shown(texts.begin(),
                                 texts.begin() + static_cast<std::ptrdiff_t>(std::min(texts.size(), kShown)));
  if (texts.size() > kShown) {
    const std::size_t more = texts.size() - kShown;
    shown.push_back(fmt::format("{} more {} annotations omitted", more, name == "warnings" ? "warning" : "info"));
  }
  out += fmt::format(",\"{}\":", name);
  append_json(out, shown);
}

}  // namespace

ApiResponse success(std::string_view data, const rules::promql::Annotations& annotations) {
  ApiResponse response;
  response.body.reserve(data.size() + 40);
  response.body = "{\"status\":\"success\",\"data\":";
  response.body += data;
  append_annotations(response.body, "warnings", annotations.warnings);
  append_annotations(response.body, "infos", annotations.infos);
  response.body += '}';
  return response;
}

ApiResponse failure(ErrorType type, std::string_view message) {
  const ErrorWords words = words_of(type);
  ApiResponse response;
  response.status = words.status;
  response.body = fmt::format("{{\"status\":\"error\",\"errorType\":\"{}\",\"error\":{}}}", words.name, json(message));
  return response;
}

ApiResponse bad_parameter(std::string_view name, std::string_view reason) {
  return failure(ErrorType::kBadData, fmt::format("invalid parameter \"{}\": {}", name, reason));
}

ApiResponse query_failure(const core::Error& error) {
  switch (error.code) {
    case core::Errc::kInvalid:
      return bad_parameter("query", error.message);
    case core::Errc::kTimeout:
      return failure(ErrorType::kTimeout, error.message);
    case core::Errc::kCancelled:
      return failure(ErrorType::kCanceled, error.message);
    case core::Errc::kUnavailable:
      return failure(ErrorType::kUnavailable, error.message);
    case core::Errc::kFailed:
    case core::Errc::kNotFound:
    case core::Errc::kLimitExceeded:
    case core::Errc::kNotSupported:
      return failure(ErrorType::kExecution, error.message);
  }
  return failure(ErrorType::kInternal, error.message);
}

}  // namespace agent

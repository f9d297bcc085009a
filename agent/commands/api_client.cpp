// SPDX-License-Identifier: Apache-2.0
#include "agent/commands/api_client.h"

#include <httplib.h>

#include <nlohmann/json.hpp>

#include "core/net/url.h"

namespace agent {
namespace {

using core::Errc;
using core::fail;
using core::Result;

// Longer than the agent's own bound on a query.
constexpr auto kTimeout = std::chrono::seconds(130);

Result<std::unique_ptr<httplib::Client>> connect(const std::string& url) {
  const auto parsed = core::net::parse_url(url);
  if (!parsed) return fail(parsed.error());
  auto client = std::make_unique<httplib::Client>(parsed->scheme + "://" + parsed->authority());
  if (!client->is_valid()) return fail(Errc::kInvalid, "{}: not a URL that can be asked", url);
  client->set_read_timeout(kTimeout);
  client->set_connection_timeout(std::chrono::seconds(5));
  return client;
}

Result<std::string> body_of(const httplib::Result& result, const std::string& url) {
  if (result) return result->body;
  return fail(Errc::kUnavailable, "no answer from {}: {}", url, httplib::to_string(result.error()));
}

}  // namespace

Result<std::string> ApiClient::get(const std::string& path) const {
  auto client = connect(url_);
  if (!client) return fail(client.error());
  return body_of((*client)->Get(path), url_);
}

Result<std::string> ApiClient::post(const std::string& path, const FormFields& fields) const {
  auto client = connect(url_);
  if (!client) return fail(client.error());
  return body_of((*client)->Post(path, core::net::build_query(fields), "application/x-www-form-urlencoded"), url_);
}

Result<nlohmann::json> data_of(const Result<std::string>& answer) {
  if (!answer) return fail(answer.error());
  nlohmann::json parsed = nlohmann::json::parse(*answer, nullptr, false);
  if (!parsed.is_object()) return fail(Errc::kFailed, "the answer is not the API's: {}", answer->substr(0, 200));
  if (parsed.value("status", "") == "success" && parsed.contains("data")) return parsed["data"];
  return fail(Errc::kFailed, "{}", parsed.value("error", "the answer has no data"));
}

}  // namespace agent

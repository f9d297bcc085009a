// SPDX-License-Identifier: Apache-2.0
#include "actions/backup/vault_client.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "actions/backup/scratch.h"
#include "core/net/send_and_wait.h"
#include "core/time/duration.h"

namespace actions::backup {
namespace {

using core::Duration;
using core::Errc;
using core::fail;
using core::Result;
using core::net::Request;
using core::net::Response;
using nlohmann::json;

constexpr std::size_t kTokenBytesMax = 64 << 10;
constexpr std::uint64_t kAnswerBytesMax = 64 << 10;
constexpr Duration kQuestionTimeout = std::chrono::seconds(10);

std::string text_of(const json& object, const char* key) {
  return object.contains(key) && object[key].is_string() ? object[key].get<std::string>() : std::string();
}

// The node as the active one; else why it is not.
Result<ActiveVault> ask_whether_active(const VaultRaftConfig& vault, const std::string& url,
                                       core::net::HttpClient& client, const std::stop_token& stop) {
  const Result<Response> response = core::net::send_and_wait(client, vault_request(vault, url, "/v1/sys/leader"), stop);
  if (!response) return fail(response.error());
  if (response->status != 200) return fail(Errc::kUnavailable, "{}: {}", url, told_by_vault(*response));
  const json body = json::parse(response->body, nullptr, /*allow_exceptions=*/false);
  if (!body.is_object() || !body.contains("is_self") || !body["is_self"].is_boolean()) {
    return fail(Errc::kInvalid, "{}: says nothing of a leader", url);
  }
  if (body["is_self"].get<bool>()) {
    ActiveVault active{url, std::nullopt};
    if (const auto since = core::parse_rfc3339(text_of(body, "active_time"))) active.since = *since;
    return active;
  }
  const std::string leader = text_of(body, "leader_address");
  return fail(Errc::kUnavailable, "{}: a standby; the active node is {}", url, leader.empty() ? "not known" : leader);
}

}  // namespace

Request vault_request(const VaultRaftConfig& vault, const std::string& url, std::string_view path) {
  Request request;
  request.url = std::string(url.substr(0, url.find_last_not_of('/') + 1)).append(path);
  request.timeout = kQuestionTimeout;
  request.body_limit = kAnswerBytesMax;
  request.tls.ca_file = vault.ca_file.path;
  request.tls.server_name = vault.server_name;
  return request;
}

// Vault's errors are {"errors": ["..."]}.
std::string told_by_vault(const Response& response) {
  const json body = json::parse(response.body, nullptr, /*allow_exceptions=*/false);
  std::string text = fmt::format("HTTP status {}", response.status);
  if (!body.is_object() || !body.contains("errors") || !body["errors"].is_array()) return text;
  for (const json& each : body["errors"]) {
    if (each.is_string()) text += ": " + each.get<std::string>().substr(0, 500);
  }
  return text;
}

Result<ActiveVault> find_active(const VaultRaftConfig& vault, core::net::HttpClient& client,
                                const std::stop_token& stop) {
  std::string reasons;
  for (const std::string& url : vault.urls) {
    Result<ActiveVault> active = ask_whether_active(vault, url, client, stop);
    if (active || stop.stop_requested()) return active;
    reasons += (reasons.empty() ? "" : "; ") + active.error().message;
  }
  return fail(Errc::kUnavailable, "no node of the Vault is active: {}", reasons);
}

Result<std::string> read_vault_token(const VaultRaftConfig& vault) {
  Result<std::string> token = read_file(vault.token_file.path, kTokenBytesMax);
  if (!token) return fail(token.error());
  const auto is_blank = [](char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; };
  token->erase(std::find_if_not(token->rbegin(), token->rend(), is_blank).base(), token->end());
  token->erase(token->begin(), std::find_if_not(token->begin(), token->end(), is_blank));
  if (token->empty()) return fail(Errc::kInvalid, "{}: holds no token", vault.token_file.path);
  return token;
}

}  // namespace actions::backup

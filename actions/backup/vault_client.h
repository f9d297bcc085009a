// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "actions/backup/vault_raft.h"
#include "core/net/http_client.h"
#include "core/result.h"
#include "core/time/clock.h"

namespace actions::backup {

// The node of a Vault cluster that says of itself that it is the active one.
struct ActiveVault {
  std::string url;                      // as configured
  std::optional<core::WallTime> since;  // by its own clock; none if it does not say
};

// Asks each node (GET sys/leader, which needs no token). kUnavailable with what each said if none is active.
core::Result<ActiveVault> find_active(const VaultRaftConfig& vault, core::net::HttpClient& client,
                                      const std::stop_token& stop);

// A request to a node, without a token; small answers, soon.
core::net::Request vault_request(const VaultRaftConfig& vault, const std::string& url, std::string_view path);

// The token of the file, which is read anew.
core::Result<std::string> read_vault_token(const VaultRaftConfig& vault);

// The status of an answer and Vault's own errors.
std::string told_by_vault(const core::net::Response& response);

}  // namespace actions::backup

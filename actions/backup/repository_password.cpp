// SPDX-License-Identifier: Apache-2.0
#include "actions/backup/repository_password.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "actions/backup/backup_config.h"
#include "actions/backup/own_loop.h"
#include "actions/backup/vault_client.h"
#include "core/net/send_and_wait.h"

namespace actions::backup {
namespace {

using core::Errc;
using core::fail;
using core::Result;
using nlohmann::json;

// Refuses a password file that is missing, empty, not a file, or readable by other users.
Result<void> check_file(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0)
    return fail(Errc::kInvalid, "password file {}: {}", path, std::strerror(errno));
  if (!S_ISREG(status.st_mode)) return fail(Errc::kInvalid, "password file {}: not a file", path);
  if (status.st_size == 0) return fail(Errc::kInvalid, "password file {}: empty", path);
  if ((status.st_mode & S_IROTH) != 0) {
    return fail(Errc::kInvalid, "password file {}: readable by every user; chmod 600 it", path);
  }
  return {};
}

Result<std::string> ask_vault(const VaultPasswordConfig& vault, const core::Clock& clock, const std::stop_token& stop) {
  VaultRaftConfig node;
  node.token_file = vault.token_file;
  node.ca_file = vault.ca_file;
  node.server_name = vault.server_name;
  const Result<std::string> token = read_vault_token(node);
  if (!token) return fail(token.error());
  core::net::Request request = vault_request(node, vault.url, "/v1/" + vault.path);
  request.headers.emplace_back("X-Vault-Token", *token);
  OwnLoop loop(clock);
  const Result<core::net::Response> response = core::net::send_and_wait(loop.client(), std::move(request), stop);
  if (!response) return fail(response.error().with_context("password in Vault"));
  if (response->status != 200) {
    return fail(Errc::kUnavailable, "password in Vault: {}: {}", vault.path, told_by_vault(*response));
  }
  const json body = json::parse(response->body, nullptr, /*allow_exceptions=*/false);
  const json* secret = body.is_object() && body.contains("data") && body["data"].is_object() ? &body["data"] : nullptr;
  // Version 2 has the secret one level deeper, beside its metadata.
  if (secret != nullptr && secret->contains("metadata") && secret->contains("data") && (*secret)["data"].is_object()) {
    secret = &(*secret)["data"];
  }
  if (secret == nullptr || !secret->contains(vault.field) || !(*secret)[vault.field].is_string() ||
      (*secret)[vault.field].get_ref<const std::string&>().empty()) {
    return fail(Errc::kInvalid, "password in Vault: {} has no text \"{}\"", vault.path, vault.field);
  }
  return (*secret)[vault.field].get<std::string>();
}

}  // namespace

const core::config::Table<VaultPasswordConfig>& VaultPasswordConfig::fields() {
  static const auto table =
      core::config::Table<VaultPasswordConfig>("password_vault", "A password that a Vault keeps in a KV store.")
          .field("url", &VaultPasswordConfig::url,
                 {.help = "The Vault.", .required = true, .example = "https://vault.example.org:8200"})
          .field("path", &VaultPasswordConfig::path,
                 {.help = "Of the secret, as the API has it: secret/data/NAME for a KV store of version 2.",
                  .required = true,
                  .example = "secret/data/restic"})
          .field("field", &VaultPasswordConfig::field, {.help = "Which text of the secret it is."})
          .field("token_file", &VaultPasswordConfig::token_file,
                 {.help = "Holds a token that may read it; read again every time.", .required = true})
          .field("ca_file", &VaultPasswordConfig::ca_file, {.help = "Who may have signed its certificate."})
          .field("server_name", &VaultPasswordConfig::server_name, {.help = "The name in its certificate."})
          .check([](const VaultPasswordConfig& vault, const core::config::Node& node) -> Result<void> {
            if (!vault.url.starts_with("https://") && !vault.url.starts_with("http://")) {
              return fail(node.error("password_vault: url: expected http:// or https://, got \"{}\"", vault.url));
            }
            if (vault.path.empty() || vault.path.starts_with('/') || vault.path.find('?') != std::string::npos) {
              return fail(
                  node.error("password_vault: path: expected one such as secret/data/restic, got \"{}\"", vault.path));
            }
            return {};
          });
  return table;
}

Result<RepositoryPassword> find_password(const BackupConfig& config, const core::Clock& clock, std::stop_token stop) {
  if (config.password_vault.given()) {
    return ask_vault(config.password_vault, clock, stop).map([](std::string text) {
      return RepositoryPassword{"", std::move(text)};
    });
  }
  if (!config.password_env.empty()) {
    const char* const value = std::getenv(config.password_env.c_str());
    if (value == nullptr || *value == '\0') {
      return fail(Errc::kInvalid, "password: the agent's environment has no {}", config.password_env);
    }
    return RepositoryPassword{"", value};
  }
  if (auto checked = check_file(config.password_file.path); !checked) return fail(checked.error());
  return RepositoryPassword{config.password_file.path, ""};
}

}  // namespace actions::backup

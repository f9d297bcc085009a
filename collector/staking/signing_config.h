// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "core/config/table.h"
#include "core/net/http_client_config.h"

namespace collector::staking {

// A remote signer: Web3Signer, or who answers as it does.
struct SignerConfig {
  std::string name;
  std::string url;
  std::string metrics;
  std::string zone;
  bool holds_all_keys = false;
  std::optional<core::net::HttpClientConfig> http_config;
  bool operator==(const SignerConfig&) const = default;
  static const core::config::Table<SignerConfig>& fields();
};

struct MevBoostConfig {
  std::string name;
  std::string url;
  std::string metrics;
  std::string zone;
  bool relay_check = false;
  std::optional<core::net::HttpClientConfig> http_config;
  bool operator==(const MevBoostConfig&) const = default;
  static const core::config::Table<MevBoostConfig>& fields();
};

struct RelayConfig {
  std::string name;
  std::string url;  // as MEV-Boost takes it: with the relay's public key as user, which is not sent
  bool operator==(const RelayConfig&) const = default;
  static const core::config::Table<RelayConfig>& fields();
};

}  // namespace collector::staking

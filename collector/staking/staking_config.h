// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "collector/scrape/scrape_config.h"
#include "collector/staking/network.h"
#include "collector/staking/signing_config.h"
#include "collector/staking/validator_keys.h"
#include "core/config/file_path.h"
#include "core/config/table.h"
#include "core/net/http_client_config.h"

namespace collector::staking {

struct BeaconNodeConfig {
  std::string name;
  std::string url;
  std::string metrics;
  std::string zone;
  bool events = true;
  std::optional<core::net::HttpClientConfig> http_config;
  bool operator==(const BeaconNodeConfig&) const = default;
  static const core::config::Table<BeaconNodeConfig>& fields();
};

struct ExecutionNodeConfig {
  std::string name;
  std::string url;
  std::string engine_url;
  std::string metrics;
  std::string zone;
  bool reference = false;  // somebody else's: others are compared with it
  std::optional<core::net::HttpClientConfig> http_config;
  bool operator==(const ExecutionNodeConfig&) const = default;
  static const core::config::Table<ExecutionNodeConfig>& fields();
};

struct KeymanagerConfig {
  std::string url;
  core::config::FilePath token_file;
  core::config::FilePath ca_file;
  bool operator==(const KeymanagerConfig&) const = default;
  static const core::config::Table<KeymanagerConfig>& fields();
};

struct ValidatorClientConfig {
  std::string name;
  std::string metrics;
  std::string zone;
  std::optional<KeymanagerConfig> keymanager;
  bool operator==(const ValidatorClientConfig&) const = default;
  static const core::config::Table<ValidatorClientConfig>& fields();
};

struct VaultConfig {
  std::string name;
  std::string url;
  std::string zone;
  core::config::FilePath token_file;
  core::config::FilePath ca_file;
  std::string server_name;
  std::string name_space;  // of the token; empty: the root one
  bool operator==(const VaultConfig&) const = default;
  static const core::config::Table<VaultConfig>& fields();
};

struct ValidatorsConfig {
  core::config::FilePath keys_file;
  bool operator==(const ValidatorsConfig&) const = default;
  static const core::config::Table<ValidatorsConfig>& fields();
};

// `staking`: the nodes of a staking operation, by what they are. Each is observed from here, and scraped where it says
// where its metrics are.
struct StakingConfig {
  NetworkConfig network;
  std::string observer;
  std::chrono::milliseconds interval{0};
  std::chrono::milliseconds timeout{0};
  std::chrono::milliseconds reference_interval = std::chrono::minutes(1);
  std::vector<BeaconNodeConfig> beacon_nodes;
  std::vector<ExecutionNodeConfig> execution_nodes;
  std::vector<ValidatorClientConfig> validator_clients;
  std::vector<VaultConfig> vaults;
  std::vector<SignerConfig> signers;
  std::vector<MevBoostConfig> mev_boosts;
  std::vector<RelayConfig> relays;
  ValidatorsConfig validators;
  std::shared_ptr<const WatchedKeys> keys;  // of validators.keys_file, as it was when this was read; none without one

  bool operator==(const StakingConfig&) const = default;
  static const core::config::Table<StakingConfig>& fields();
};

// Reads validators.keys_file into `config` and checks it against the rest. `section` is the node of `staking`, for
// errors.
core::Result<void> load_keys(StakingConfig& config, const core::config::Node& section);

// The jobs of the section, by these names; they are there, empty, without the section too, so that a node that goes
// ends with stale markers.
inline constexpr std::string_view kObservationJob = "staking";
inline constexpr std::string_view kMetricsJob = "staking_metrics";
// Not scraped: these come from a ChainWatch.
inline constexpr std::string_view kDutiesJob = "staking_duties";
inline constexpr std::string_view kEventsJob = "staking_events";
inline constexpr std::string_view kHeadsJob = "staking_heads";
bool is_job_of_staking(std::string_view name);

// Host and port of a URL, as the label instance has them.
std::string address_of(const std::string& url);

// What is observed, as a job whose scrapes an ObserverClient answers.
scrape::ScrapeConfig observation_job(const StakingConfig& config);
// Names who observes, where the configuration does not.
void set_observer(scrape::ScrapeConfig& observation_job, const std::string& observer);
// What is scraped.
scrape::ScrapeConfig metrics_job(const StakingConfig& config);

// Paths of the observation job's targets, before the node's name.
inline constexpr std::string_view kBeaconPath = "/beacon/";
inline constexpr std::string_view kExecutionPath = "/execution/";
inline constexpr std::string_view kVaultPath = "/vault/";
inline constexpr std::string_view kKeymanagerPath = "/keymanager/";
inline constexpr std::string_view kSignerPath = "/signer/";
inline constexpr std::string_view kMevBoostPath = "/mev_boost/";
inline constexpr std::string_view kRelayPath = "/relay/";

}  // namespace collector::staking

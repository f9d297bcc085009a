// SPDX-License-Identifier: Apache-2.0
#include "collector/staking/staking_config.h"

#include <algorithm>
#include <set>

#include "collector/staking/node_checks.h"
#include "core/net/url.h"
#include "core/time/duration.h"

namespace collector::staking {
namespace {

using core::fail;
using core::Result;
using core::config::Node;
using core::config::Table;

template <class T>
Result<void> check_unique(const std::vector<T>& entries, const char* section, const Node& node) {
  std::set<std::string> names;
  const auto nodes = node.find(section).items();
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (!names.insert(entries[i].name).second) {
      return fail(nodes[i].find("name").error("{} has two nodes \"{}\"", section, entries[i].name));
    }
  }
  return {};
}

Result<void> check_staking(const StakingConfig& staking, const Node& node) {
  if (auto ok = check_unique(staking.beacon_nodes, "beacon_nodes", node); !ok) return ok;
  if (auto ok = check_unique(staking.execution_nodes, "execution_nodes", node); !ok) return ok;
  if (auto ok = check_unique(staking.validator_clients, "validator_clients", node); !ok) return ok;
  if (auto ok = check_unique(staking.vaults, "vaults", node); !ok) return ok;
  if (auto ok = check_unique(staking.signers, "signers", node); !ok) return ok;
  if (auto ok = check_unique(staking.mev_boosts, "mev_boosts", node); !ok) return ok;
  if (auto ok = check_unique(staking.relays, "relays", node); !ok) return ok;
  // Slower ones would be forgotten between two rounds; see ExecutionComparison::kFreshFor.
  if (staking.reference_interval < std::chrono::seconds(1) || staking.reference_interval > std::chrono::minutes(1)) {
    return fail(node.find("reference_interval").error("expected a duration of 1s to 1m"));
  }
  if (!staking.beacon_nodes.empty() && !staking.network.configured()) {
    return fail(node.error("staking: missing key \"network\": a beacon node on another one must be told apart"));
  }
  return {};
}

}  // namespace

const Table<BeaconNodeConfig>& BeaconNodeConfig::fields() {
  static const auto table = Table<BeaconNodeConfig>("beacon_node", "A beacon node, by the Beacon API.")
                                .field("name", &BeaconNodeConfig::name, {.help = kNameHelp, .required = true})
                                .field("url", &BeaconNodeConfig::url, {.help = "Its API; empty: it is not asked."})
                                .field("metrics", &BeaconNodeConfig::metrics, {.help = kMetricsHelp})
                                .field("zone", &BeaconNodeConfig::zone, {.help = kZoneHelp})
                                .field("events", &BeaconNodeConfig::events,
                                       {.help = "Whether its events are listened to, over a connection of their own."})
                                .field("http_config", &BeaconNodeConfig::http_config, {.help = kHttpHelp})
                                .check(check_node<BeaconNodeConfig>());
  return table;
}

const Table<ExecutionNodeConfig>& ExecutionNodeConfig::fields() {
  static const auto table =
      Table<ExecutionNodeConfig>("execution_node", "An execution node, by JSON-RPC.")
          .field("name", &ExecutionNodeConfig::name, {.help = kNameHelp, .required = true})
          .field("url", &ExecutionNodeConfig::url, {.help = "Its JSON-RPC over HTTP; empty: it is not asked."})
          .field("engine_url", &ExecutionNodeConfig::engine_url,
                 {.help = "Its engine port, which is asked without a token, and must refuse; empty: it is not asked."})
          .field("metrics", &ExecutionNodeConfig::metrics, {.help = kMetricsHelp})
          .field("zone", &ExecutionNodeConfig::zone, {.help = kZoneHelp})
          .field(
              "reference", &ExecutionNodeConfig::reference,
              {.help = "Whether it is somebody else's, such as a provider's: it is asked less, and only what our own "
                       "nodes are compared with; nothing counts it or says that it is down."})
          .field("http_config", &ExecutionNodeConfig::http_config, {.help = kHttpHelp})
          .check([](const ExecutionNodeConfig& execution, const Node& node) -> Result<void> {
            if (execution.reference && execution.url.empty()) {
              return fail(node.error("reference needs url: nobody can be compared with a node that is not asked"));
            }
            if (execution.reference && !(execution.engine_url.empty() && execution.metrics.empty())) {
              return fail(node.error("a reference has neither engine_url nor metrics: it would count as one of ours"));
            }
            return check_node<ExecutionNodeConfig>()(execution, node);
          });
  return table;
}

const Table<KeymanagerConfig>& KeymanagerConfig::fields() {
  static const auto table =
      Table<KeymanagerConfig>("keymanager", "The keymanager API of a validator client; it is only ever read.")
          .field("url", &KeymanagerConfig::url, {.help = "The API.", .required = true})
          .field("token_file", &KeymanagerConfig::token_file, {.help = "Its bearer token, read at every request."})
          .field("ca_file", &KeymanagerConfig::ca_file,
                 {.help = "PEM file of trusted authorities instead of the system's."})
          .check([](const KeymanagerConfig& api, const Node& node) { return check_url(api.url, "url", node); });
  return table;
}

const Table<ValidatorClientConfig>& ValidatorClientConfig::fields() {
  static const auto table = Table<ValidatorClientConfig>("validator_client", "A validator client.")
                                .field("name", &ValidatorClientConfig::name, {.help = kNameHelp, .required = true})
                                .field("metrics", &ValidatorClientConfig::metrics, {.help = kMetricsHelp})
                                .field("zone", &ValidatorClientConfig::zone, {.help = kZoneHelp})
                                .field("keymanager", &ValidatorClientConfig::keymanager,
                                       {.help = "Its keymanager API; without it nobody sees which keys it holds."})
                                .check(check_node<ValidatorClientConfig>());
  return table;
}

const Table<VaultConfig>& VaultConfig::fields() {
  static const auto table =
      Table<VaultConfig>("vault", "A Vault or OpenBao server.")
          .field("name", &VaultConfig::name, {.help = kNameHelp, .required = true})
          .field("url", &VaultConfig::url, {.help = "Its API.", .required = true})
          .field("zone", &VaultConfig::zone, {.help = kZoneHelp})
          .field("token_file", &VaultConfig::token_file,
                 {.help = "A token for the raft autopilot's state, read at every request; its own time to live is "
                          "watched too. Empty: neither is asked."})
          .field("ca_file", &VaultConfig::ca_file, {.help = "PEM file of trusted authorities instead of the system's."})
          .field("server_name", &VaultConfig::server_name, {.help = "The name to verify instead of the URL's host."})
          .field("namespace", &VaultConfig::name_space,
                 {.help = "The namespace of the token (Vault Enterprise, OpenBao); empty: the root one."})
          .check([](const VaultConfig& vault, const Node& node) -> Result<void> {
            const bool plain = std::ranges::all_of(vault.name_space, [](char c) { return c > ' ' && c < 0x7f; });
            if (!plain) return fail(node.find("namespace").error("expected the path of a namespace"));
            return check_node<VaultConfig>()(vault, node);
          });
  return table;
}

const Table<ValidatorsConfig>& ValidatorsConfig::fields() {
  static const auto table =
      Table<ValidatorsConfig>("validators", "The validators that are watched.")
          .field(
              "keys_file", &ValidatorsConfig::keys_file,
              {.help = "YAML: public key to the name of its group, or to {group: NAME, validator_client: NAME}; or a "
                       "list of {pubkey: 0x.., labels: {..}}. Read when the configuration is."});
  return table;
}

const Table<StakingConfig>& StakingConfig::fields() {
  static const auto table =
      Table<StakingConfig>("staking", "The nodes of a staking operation, observed from here.")
          .field("network", &StakingConfig::network,
                 {.help = "mainnet, sepolia, holesky, hoodi, gnosis or chiado; or {genesis_validators_root: 0x..}; or "
                          "{from_beacon_node: true}, where the first beacon node that answers decides. A node of "
                          "another network is refused and told."})
          .field("observer", &StakingConfig::observer,
                 {.help = "The label observer: one for each failure domain that is watched from; empty: the host's "
                          "name."})
          .field("interval", &StakingConfig::interval, {.help = "How often; 0: as scrape_interval in global."})
          .field("timeout", &StakingConfig::timeout,
                 {.help = "How long asking a node may take; 0: as scrape_timeout in global."})
          .field("reference_interval", &StakingConfig::reference_interval,
                 {.help = "How often execution nodes that are a reference are asked; 1s to 1m."})
          .field("beacon_nodes", &StakingConfig::beacon_nodes, {.help = "Beacon nodes."})
          .field("execution_nodes", &StakingConfig::execution_nodes, {.help = "Execution nodes."})
          .field("validator_clients", &StakingConfig::validator_clients, {.help = "Validator clients."})
          .field("vaults", &StakingConfig::vaults, {.help = "Vault servers."})
          .field("signers", &StakingConfig::signers, {.help = "Remote signers."})
          .field("mev_boosts", &StakingConfig::mev_boosts, {.help = "MEV-Boosts."})
          .field("relays", &StakingConfig::relays, {.help = "Relays of MEV-Boosts, asked for their own status."})
          .field("validators", &StakingConfig::validators, {.help = "The validators that are watched."})
          .check(check_staking);
  return table;
}

Result<void> load_keys(StakingConfig& config, const Node& section) {
  const std::string& file = config.validators.keys_file.path;
  if (file.empty()) return {};
  const Node place = section.find("validators").find("keys_file");
  auto keys = WatchedKeys::read(file);
  if (!keys) return fail(place.error("{}", keys.error().message));
  for (const WatchedKey& key : (*keys)->keys) {
    if (key.validator_client.empty()) continue;
    if (std::ranges::find(config.validator_clients, key.validator_client, &ValidatorClientConfig::name) ==
        config.validator_clients.end()) {
      return fail(place.error("{}: {} is to be held by \"{}\", which is none of validator_clients", file,
                              to_string(key.key), key.validator_client));
    }
  }
  config.keys = std::move(*keys);
  return {};
}

namespace {

std::map<std::string, std::string> node_labels(const std::string& name, const std::string& zone) {
  std::map<std::string, std::string> labels = {{"node", name}};
  if (!zone.empty()) labels["zone"] = zone;
  return labels;
}

// The address is only the label `instance`: the client finds the node by the path.
discovery::StaticConfig observed(const std::string& url, std::string_view path, const std::string& name,
                                 const std::string& zone, const std::string& observer) {
  discovery::StaticConfig group;
  group.targets = {address_of(url)};
  group.labels = node_labels(name, zone);
  group.labels["target"] = name;
  group.labels["observer"] = observer;
  group.labels["__metrics_path__"] = std::string(path) + name;
  return group;
}

// Of a reference: its own interval, and no longer a timeout than that.
void set_pace(discovery::StaticConfig& group, const StakingConfig& config) {
  constexpr core::Millis kTimeout = std::chrono::seconds(10);
  const core::Millis timeout = config.timeout.count() > 0 ? config.timeout : kTimeout;
  group.labels["__scrape_interval__"] = core::format_duration(config.reference_interval);
  group.labels["__scrape_timeout__"] = core::format_duration(std::min(timeout, config.reference_interval));
}

void add_scraped(std::vector<discovery::StaticConfig>& groups, const char* job, const std::string& metrics,
                 const std::string& name, const std::string& zone) {
  const auto url = core::net::parse_url(metrics);
  if (metrics.empty() || !url) return;
  discovery::StaticConfig group;
  group.targets = {url->authority()};
  group.labels = node_labels(name, zone);
  group.labels["job"] = job;
  group.labels["__scheme__"] = url->scheme;
  group.labels["__metrics_path__"] = url->path;
  groups.push_back(std::move(group));
}

}  // namespace

bool is_job_of_staking(std::string_view name) {
  return name == kObservationJob || name == kMetricsJob || name == kDutiesJob || name == kEventsJob ||
         name == kHeadsJob;
}

std::string address_of(const std::string& url) {
  const auto parsed = core::net::parse_url(url);
  if (!parsed) return url;
  const bool v6 = parsed->host.find(':') != std::string::npos;
  return fmt::format("{}:{}", v6 ? "[" + parsed->host + "]" : parsed->host, parsed->port);
}

scrape::ScrapeConfig observation_job(const StakingConfig& config) {
  scrape::ScrapeConfig job;
  job.job_name = kObservationJob;
  job.scrape_interval = config.interval;
  job.scrape_timeout = config.timeout;
  job.enable_compression = false;
  const std::string& observer = config.observer;
  for (const auto& node : config.beacon_nodes) {
    if (node.url.empty()) continue;
    job.static_configs.push_back(observed(node.url, kBeaconPath, node.name, node.zone, observer));
    job.static_configs.back().labels["network"] = config.network.label();
  }
  for (const auto& node : config.execution_nodes) {
    if (node.url.empty()) continue;
    job.static_configs.push_back(observed(node.url, kExecutionPath, node.name, node.zone, observer));
    if (config.network.configured()) job.static_configs.back().labels["network"] = config.network.label();
    if (node.reference) set_pace(job.static_configs.back(), config);
  }
  for (const auto& node : config.vaults) {
    job.static_configs.push_back(observed(node.url, kVaultPath, node.name, node.zone, observer));
  }
  for (const auto& node : config.signers) {
    job.static_configs.push_back(observed(node.url, kSignerPath, node.name, node.zone, observer));
    if (config.network.configured()) job.static_configs.back().labels["network"] = config.network.label();
  }
  for (const auto& node : config.mev_boosts) {
    job.static_configs.push_back(observed(node.url, kMevBoostPath, node.name, node.zone, observer));
  }
  for (const auto& node : config.relays) {
    job.static_configs.push_back(observed(node.url, kRelayPath, node.name, "", observer));
  }
  for (const auto& node : config.validator_clients) {
    if (!node.keymanager) continue;
    job.static_configs.push_back(observed(node.keymanager->url, kKeymanagerPath, node.name, node.zone, observer));
  }
  return job;
}

void set_observer(scrape::ScrapeConfig& observation_job, const std::string& observer) {
  for (discovery::StaticConfig& group : observation_job.static_configs) {
    std::string& label = group.labels["observer"];
    if (label.empty()) label = observer;
  }
}

scrape::ScrapeConfig metrics_job(const StakingConfig& config) {
  scrape::ScrapeConfig job;
  job.job_name = kMetricsJob;
  for (const auto& node : config.beacon_nodes) {
    add_scraped(job.static_configs, "beacon", node.metrics, node.name, node.zone);
  }
  for (const auto& node : config.execution_nodes) {
    add_scraped(job.static_configs, "execution", node.metrics, node.name, node.zone);
  }
  for (const auto& node : config.validator_clients) {
    add_scraped(job.static_configs, "validator", node.metrics, node.name, node.zone);
  }
  for (const auto& node : config.signers) {
    add_scraped(job.static_configs, "signer", node.metrics, node.name, node.zone);
  }
  for (const auto& node : config.mev_boosts) {
    add_scraped(job.static_configs, "mev_boost", node.metrics, node.name, node.zone);
  }
  return job;
}

}  // namespace collector::staking

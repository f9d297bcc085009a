// SPDX-License-Identifier: Apache-2.0
#include "actions/notify/alerting_config.h"

#include <set>

namespace actions::notify {
namespace {

using collector::relabel::LabelBuilder;
using collector::relabel::NameValidation;
using collector::relabel::Rules;
using core::fail;
using core::Result;
using core::config::Node;
using core::config::Table;

constexpr std::string_view kAddress = "__address__";
constexpr std::string_view kScheme = "__scheme__";
constexpr std::string_view kPath = "__alerts_path__";

Result<void> check_relabel(const std::vector<collector::relabel::RelabelConfig>& configs, const Node& node) {
  if (auto rules = Rules::compile(configs, NameValidation::kUtf8); !rules) {
    return fail(node.error("{}", rules.error().message));
  }
  return {};
}

std::string joined_path(std::string prefix) {
  while (prefix.ends_with('/')) prefix.pop_back();
  if (!prefix.empty() && !prefix.starts_with('/')) prefix.insert(0, "/");
  return prefix + "/api/v2/alerts";
}

}  // namespace

const Table<AlertmanagerTargetsConfig>& AlertmanagerTargetsConfig::fields() {
  using Self = AlertmanagerTargetsConfig;
  static const auto table =
      Table<Self>("static_config", "Alertmanagers by their addresses.")
          .field("targets", &Self::targets, {.help = "host:port of each.", .example = "['127.0.0.1:9093']"})
          .field("labels", &Self::labels, {.help = "Labels for relabel_configs; __scheme__ and __alerts_path__ act."})
          .check([](const Self& config, const Node& node) -> Result<void> {
            for (const std::string& target : config.targets) {
              if (target.empty() || target.find('/') != std::string::npos) {
                return fail(node.find("targets").error("\"{}\" is not a valid hostname", target));
              }
            }
            return {};
          });
  return table;
}

const Table<AlertmanagerConfig>& AlertmanagerConfig::fields() {
  using Self = AlertmanagerConfig;
  static const auto table = [] {
    auto built =
        Table<Self>("alertmanager_config", "Alertmanagers that are told every alert.")
            .field("static_configs", &Self::static_configs, {.help = "Their addresses."})
            .field("scheme", &Self::scheme, {.help = "http or https."})
            .field("path_prefix", &Self::path_prefix, {.help = "What stands before /api/v2/alerts."})
            .field("timeout", &Self::timeout, {.help = "How long one request may take."})
            .field("api_version", &Self::api_version, {.help = "Only v2."})
            .field("relabel_configs", &Self::relabel_configs, {.help = "Changes or drops Alertmanagers."})
            .field("alert_relabel_configs", &Self::alert_relabel_configs,
                   {.help = "Changes or drops alerts for these Alertmanagers."})
            .embed(&Self::http, core::net::HttpClientConfig::fields())
            .check([](const Self& config, const Node& node) -> Result<void> {
              if (config.scheme != "http" && config.scheme != "https") {
                return fail(node.find("scheme").error("expected http or https, got \"{}\"", config.scheme));
              }
              if (config.api_version != "v2") {
                return fail(
                    node.find("api_version")
                        .error("expected Alertmanager api version to be one of [v2] but got {}", config.api_version));
              }
              if (config.timeout <= core::Millis(0)) return fail(node.find("timeout").error("timeout cannot be zero"));
              if (auto checked = check_relabel(config.relabel_configs, node.find("relabel_configs")); !checked) {
                return checked;
              }
              return check_relabel(config.alert_relabel_configs, node.find("alert_relabel_configs"));
            });
    for (const std::string_view key :
         {"azure_sd_configs",       "consul_sd_configs",     "dns_sd_configs",          "ec2_sd_configs",
          "eureka_sd_configs",      "file_sd_configs",       "digitalocean_sd_configs", "docker_sd_configs",
          "dockerswarm_sd_configs", "gce_sd_configs",        "hetzner_sd_configs",      "http_sd_configs",
          "ionos_sd_configs",       "kubernetes_sd_configs", "lightsail_sd_configs",    "linode_sd_configs",
          "marathon_sd_configs",    "nerve_sd_configs",      "nomad_sd_configs",        "openstack_sd_configs",
          "ovhcloud_sd_configs",    "puppetdb_sd_configs",   "scaleway_sd_configs",     "serverset_sd_configs",
          "stackit_sd_configs",     "triton_sd_configs",     "uyuni_sd_configs",        "vultr_sd_configs"}) {
      built.refuse(key, "discovery of Alertmanagers is not supported; use static_configs");
    }
    built.refuse("sigv4", "requests signed for AWS are not supported");
    return built;
  }();
  return table;
}

const Table<AlertingConfig>& AlertingConfig::fields() {
  using Self = AlertingConfig;
  static const auto table =
      Table<Self>("alerting", "Alertmanagers beside this agent.")
          .field("alertmanagers", &Self::alertmanagers, {.help = "Each of them is told every alert."})
          .field("alert_relabel_configs", &Self::alert_relabel_configs,
                 {.help = "Changes or drops alerts before they leave."})
          .check([](const Self& config, const Node& node) {
            return check_relabel(config.alert_relabel_configs, node.find("alert_relabel_configs"));
          });
  return table;
}

Result<std::vector<AlertmanagerTarget>> build_targets(const AlertingConfig& config) {
  std::vector<AlertmanagerTarget> targets;
  std::set<std::string> urls;
  for (const AlertmanagerConfig& each : config.alertmanagers) {
    auto relabel_targets = Rules::compile(each.relabel_configs, NameValidation::kUtf8);
    if (!relabel_targets) return fail(relabel_targets.error());
    auto relabel_alerts = Rules::compile(each.alert_relabel_configs, NameValidation::kUtf8);
    if (!relabel_alerts) return fail(relabel_alerts.error());
    for (const AlertmanagerTargetsConfig& group : each.static_configs) {
      for (const std::string& address : group.targets) {
        LabelBuilder labels;
        labels.set(kScheme, each.scheme);
        labels.set(kPath, joined_path(each.path_prefix));
        for (const auto& [name, value] : group.labels) labels.set(name, value);
        labels.set(kAddress, address);
        if (!relabel_targets->apply(labels) || labels.get(kAddress).empty()) continue;
        std::string url = fmt::format("{}://{}{}", labels.get(kScheme), labels.get(kAddress), labels.get(kPath));
        if (!urls.insert(url).second) continue;
        targets.push_back({std::move(url), each.timeout, each.http, *relabel_alerts});
      }
    }
  }
  return targets;
}

}  // namespace actions::notify

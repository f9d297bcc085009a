// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "collector/relabel/relabel.h"
#include "core/config/table.h"
#include "core/net/http_client_config.h"

namespace actions::notify {

struct AlertmanagerTargetsConfig {
  std::vector<std::string> targets;  // host:port
  std::map<std::string, std::string> labels;

  bool operator==(const AlertmanagerTargetsConfig&) const = default;
  static const core::config::Table<AlertmanagerTargetsConfig>& fields();
};

// Prometheus's <alertmanager_config>: Alertmanagers that are told every alert.
struct AlertmanagerConfig {
  core::net::HttpClientConfig http;
  std::vector<AlertmanagerTargetsConfig> static_configs;
  std::string scheme = "http";
  std::string path_prefix;
  core::Millis timeout = std::chrono::seconds(10);
  std::string api_version = "v2";
  std::vector<collector::relabel::RelabelConfig> relabel_configs;
  std::vector<collector::relabel::RelabelConfig> alert_relabel_configs;

  bool operator==(const AlertmanagerConfig&) const = default;
  static const core::config::Table<AlertmanagerConfig>& fields();
};

// Prometheus's `alerting`.
struct AlertingConfig {
  std::vector<AlertmanagerConfig> alertmanagers;
  std::vector<collector::relabel::RelabelConfig> alert_relabel_configs;

  bool operator==(const AlertingConfig&) const = default;
  static const core::config::Table<AlertingConfig>& fields();
};

// One Alertmanager to send to.
struct AlertmanagerTarget {
  std::string url;  // of its POST /api/v2/alerts
  core::Millis timeout;
  core::net::HttpClientConfig http;
  collector::relabel::Rules relabel_alerts;  // after those of all
};

// The Alertmanagers after relabelling, each URL once.
core::Result<std::vector<AlertmanagerTarget>> build_targets(const AlertingConfig& config);

}  // namespace actions::notify

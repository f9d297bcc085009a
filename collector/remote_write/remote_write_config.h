// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "collector/relabel/relabel.h"
#include "core/config/table.h"
#include "core/net/http_client_config.h"

namespace collector::remote_write {

// <queue_config>: how samples are packed and how fast they go.
struct QueueConfig {
  std::uint64_t capacity = 10'000;
  std::uint64_t max_shards = 50;
  std::uint64_t min_shards = 1;
  std::uint64_t max_samples_per_send = 2'000;
  std::chrono::milliseconds batch_send_deadline = std::chrono::seconds(5);
  std::chrono::milliseconds min_backoff{30};
  std::chrono::milliseconds max_backoff = std::chrono::seconds(5);
  bool retry_on_http_429 = false;
  std::chrono::milliseconds sample_age_limit{0};

  bool operator==(const QueueConfig&) const = default;
  static const core::config::Table<QueueConfig>& fields();
};

// <metadata_config>: what metrics mean, told from time to time.
struct MetadataConfig {
  bool send = true;
  std::chrono::milliseconds send_interval = std::chrono::minutes(1);
  std::uint64_t max_samples_per_send = 2'000;

  bool operator==(const MetadataConfig&) const = default;
  static const core::config::Table<MetadataConfig>& fields();
};

// Prometheus's <remote_write>: one receiver of every sample.
struct RemoteWriteConfig {
  std::string url;
  std::chrono::milliseconds remote_timeout = std::chrono::seconds(30);
  std::string name;
  std::map<std::string, std::string> headers;
  std::vector<relabel::RelabelConfig> write_relabel_configs;
  bool send_exemplars = false;
  bool send_native_histograms = false;
  bool round_robin_dns = false;
  bool failed_request_logging = false;
  std::string protobuf_message = "prometheus.WriteRequest";
  QueueConfig queue_config;
  MetadataConfig metadata_config;
  core::net::HttpClientConfig http;

  bool operator==(const RemoteWriteConfig&) const = default;
  static const core::config::Table<RemoteWriteConfig>& fields();
};

// What one entry cannot know: that another has its name, or says the same. `node` is the section.
core::Result<void> check_remotes(const std::vector<RemoteWriteConfig>& remotes, const core::config::Node& node);

// The remotes' names, in their order: the configured one, or six digits that follow from the URL. Distinct.
std::vector<std::string> names_of(const std::vector<RemoteWriteConfig>& remotes);

}  // namespace collector::remote_write

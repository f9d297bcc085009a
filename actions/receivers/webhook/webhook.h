// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "actions/receivers/go_duration.h"
#include "actions/receivers/receiver.h"
#include "core/net/http_client_config.h"

namespace actions::receivers {

struct WebhookConfig {
  bool send_resolved = true;
  std::optional<core::net::HttpClientConfig> http_config;
  core::config::Secret url;
  std::string url_file;
  std::uint64_t max_alerts = 0;
  GoDuration timeout;

  bool operator==(const WebhookConfig&) const = default;
  static const core::config::Table<WebhookConfig>& fields();
};

// Alertmanager's generic webhook, version 4. Beyond Alertmanager: 429 is retried, each attempt of one message carries
// the same Idempotency-Key, and with max_alerts the status and common maps still speak for all alerts.
//
// Thread safety: immutable after construction.
class Webhook final : public Receiver {
 public:
  explicit Webhook(WebhookConfig config) : config_(std::move(config)) {}

  std::string_view type() const override { return "webhook"; }
  std::string target() const override { return config_.url.value + config_.url_file; }
  bool send_resolved() const override { return config_.send_resolved; }
  core::Result<core::net::Request> build(const Notification& notification) const override;
  Verdict judge(const core::net::Response& response, core::WallTime now) const override;

 private:
  WebhookConfig config_;
};

}  // namespace actions::receivers

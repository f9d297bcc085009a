// SPDX-License-Identifier: Apache-2.0
#include "actions/receivers/webhook/webhook.h"

#include <nlohmann/json.hpp>

#include "actions/receivers/go_json.h"
#include "actions/receivers/http_post.h"
#include "actions/receivers/text_template.h"

namespace actions::receivers {

using core::config::Node;
using core::config::Table;
using nlohmann::ordered_json;

const Table<WebhookConfig>& WebhookConfig::fields() {
  static const auto table =
      Table<WebhookConfig>("webhook_config", "A generic HTTP receiver.")
          .field("send_resolved", &WebhookConfig::send_resolved, {.help = "Whether resolved alerts are told."})
          .field("http_config", &WebhookConfig::http_config, {.help = "Instead of the global HTTP settings."})
          .field("url", &WebhookConfig::url, {.help = "Where to POST."})
          .field("url_file", &WebhookConfig::url_file, {.help = "A file with the URL, read at every message."})
          .field("max_alerts", &WebhookConfig::max_alerts, {.help = "Alerts a message at most; 0 is all of them."})
          .field("timeout", &WebhookConfig::timeout, {.help = "How long one attempt may take; 0 is 30s."})
          .refuse("payload", "a payload of one's own is not supported yet")
          .check([](const WebhookConfig& config, const Node& node) -> core::Result<void> {
            if (config.url.value.empty() && config.url_file.empty()) {
              return core::fail(node.error("one of url or url_file must be configured"));
            }
            if (!config.url.value.empty() && !config.url_file.empty()) {
              return core::fail(node.error("at most one of url & url_file must be configured"));
            }
            if (config.url.value.empty()) return {};
            if (const std::string why = unsupported_in_template(config.url.value); !why.empty()) {
              return core::fail(core::Errc::kNotSupported, "{}", node.error("url: {}", why).message);
            }
            if (const std::string why = url_problem(config.url.value); !why.empty()) {
              return core::fail(node.error("invalid URL: {}", why));
            }
            return {};
          });
  return table;
}

core::Result<core::net::Request> Webhook::build(const Notification& notification) const {
  const std::size_t all = notification.alerts.size();
  const std::size_t shown =
      config_.max_alerts == 0 ? all : static_cast<std::size_t>(std::min<std::uint64_t>(config_.max_alerts, all));
  ordered_json alerts = ordered_json::array();
  for (std::size_t i = 0; i < shown; ++i) alerts.push_back(alert_object(notification.alerts[i]));

  ordered_json document;
  document["receiver"] = escaped_receiver(notification.receiver);
  document["status"] = notification.status();
  document["alerts"] = std::move(alerts);
  document["notification_reason"] = to_string(notification.reason);
  document["groupLabels"] = go_map(notification.group_labels);
  document["commonLabels"] = go_map(notification.common_labels());
  document["commonAnnotations"] = go_map(notification.common_annotations());
  document["routeLabels"] = ordered_json::object();
  document["externalURL"] = notification.external_url;
  document["version"] = "4";
  document["groupKey"] = notification.group_key;
  document["truncatedAlerts"] = all - shown;

  auto url = read_secret(config_.url, config_.url_file);
  if (!url) return core::fail(url.error());
  auto request = json_post(std::move(*url), go_dump(document) + "\n", config_.http_config, config_.timeout.value);
  if (request && !notification.delivery_id.empty()) {
    request->headers.emplace_back("Idempotency-Key", notification.delivery_id);
  }
  return request;
}

Verdict Webhook::judge(const core::net::Response& response, core::WallTime now) const {
  return judge_status(response, now);
}

}  // namespace actions::receivers

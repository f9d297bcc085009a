// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "actions/receivers/go_duration.h"
#include "actions/receivers/json_value.h"
#include "actions/receivers/receiver.h"
#include "actions/receivers/text_template.h"
#include "core/net/http_client_config.h"

namespace actions::receivers {

// PagerDuty's bounds on an event (Events API v2 overview): bytes of the body and characters of the summary.
inline constexpr std::size_t kPagerDutyBodyBytesMax = 512'000;
inline constexpr std::size_t kPagerDutySummaryMax = 1024;
inline constexpr std::string_view kPagerDutyUrl = "https://events.pagerduty.com/v2/enqueue";
// Where a 429 names no time: PagerDuty asks for a back-off of minutes.
inline constexpr core::Millis kPagerDutyPause = std::chrono::minutes(2);

struct PagerDutyImage {
  TextTemplate src;
  TextTemplate alt;
  TextTemplate href;
  bool operator==(const PagerDutyImage&) const = default;
  static const core::config::Table<PagerDutyImage>& fields();
};

struct PagerDutyLink {
  TextTemplate href;
  TextTemplate text;
  bool operator==(const PagerDutyLink&) const = default;
  static const core::config::Table<PagerDutyLink>& fields();
};

struct PagerDutyConfig {
  bool send_resolved = true;
  std::optional<core::net::HttpClientConfig> http_config;
  core::config::Secret routing_key;
  std::string routing_key_file;
  std::string url;  // empty: the global one
  TextTemplate client{"{{ template \"pagerduty.default.client\" . }}"};
  TextTemplate client_url{"{{ template \"pagerduty.default.clientURL\" . }}"};
  TextTemplate description{"{{ template \"pagerduty.default.description\" . }}"};
  TextTemplate severity{"error"};
  TextTemplate source;  // empty: as client
  TextTemplate class_;
  TextTemplate component;
  TextTemplate group;
  std::map<std::string, JsonValue> details;
  std::vector<PagerDutyImage> images;
  std::vector<PagerDutyLink> links;
  GoDuration timeout;

  bool operator==(const PagerDutyConfig&) const = default;
  static const core::config::Table<PagerDutyConfig>& fields();
};

// PagerDuty's Events API v2. The dedup_key is the SHA-256 of the group key, so that a repeated event changes nothing. A
// message resolves the incident when nothing of the group fires any more, else it triggers. An event over the size
// bound lists fewer alerts; its counts stay true.
//
// Thread safety: immutable after construction.
class PagerDuty final : public Receiver {
 public:
  explicit PagerDuty(PagerDutyConfig config) : config_(std::move(config)) {}

  std::string_view type() const override { return "pagerduty"; }
  std::string target() const override {
    return config_.url + " " + config_.routing_key.value + config_.routing_key_file;
  }
  bool send_resolved() const override { return config_.send_resolved; }
  core::Result<core::net::Request> build(const Notification& notification) const override;
  Verdict judge(const core::net::Response& response, core::WallTime now) const override;

 private:
  std::string event(const Notification& notification, const std::string& routing_key, std::size_t alerts_shown) const;

  PagerDutyConfig config_;
};

}  // namespace actions::receivers

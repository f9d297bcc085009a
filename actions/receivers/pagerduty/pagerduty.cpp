// SPDX-License-Identifier: Apache-2.0
#include "actions/receivers/pagerduty/pagerduty.h"

#include <array>

#include <nlohmann/json.hpp>

#include "actions/receivers/go_json.h"
#include "actions/receivers/http_post.h"
#include "actions/receivers/sha256.h"

namespace actions::receivers {
namespace {

using core::config::Node;
using core::config::Table;
using nlohmann::ordered_json;

// A value that PagerDuty takes; it refuses an event with any other, and a page must not be lost for a word.
std::string known_severity(std::string text) {
  constexpr std::array<std::string_view, 4> kKnown = {"critical", "error", "warning", "info"};
  return std::find(kKnown.begin(), kKnown.end(), text) != kKnown.end() ? text : "error";
}

void set_unless_empty(ordered_json& object, const char* key, const std::string& value) {
  if (!value.empty()) object[key] = value;
}

ordered_json details(const PagerDutyConfig& config, const Notification& notification, std::size_t shown) {
  std::map<std::string, ordered_json> values;
  ordered_json firing = ordered_json::array();
  ordered_json resolved = ordered_json::array();
  for (std::size_t i = 0; i < std::min(shown, notification.alerts.size()); ++i) {
    const Alert& alert = notification.alerts[i];
    (alert.resolved() ? resolved : firing).push_back(alert_object(alert));
  }
  const std::size_t count = notification.count_firing();
  values["firing"] = std::move(firing);
  values["resolved"] = std::move(resolved);
  values["num_firing"] = count;
  values["num_resolved"] = notification.alerts.size() - count;
  for (const auto& [name, value] : config.details) values[name] = ordered_json::parse(value.json);
  ordered_json object = ordered_json::object();
  for (auto& [name, value] : values) object[name] = std::move(value);
  return object;
}

}  // namespace

const Table<PagerDutyImage>& PagerDutyImage::fields() {
  static const auto table = Table<PagerDutyImage>("image_config", "A picture of an incident.")
                                .field("src", &PagerDutyImage::src, {.help = "The picture's URL (https)."})
                                .field("alt", &PagerDutyImage::alt, {.help = "Text instead of the picture."})
                                .field("href", &PagerDutyImage::href, {.help = "Where a click leads."});
  return table;
}

const Table<PagerDutyLink>& PagerDutyLink::fields() {
  static const auto table = Table<PagerDutyLink>("link_config", "A link of an incident.")
                                .field("href", &PagerDutyLink::href, {.help = "Where it leads."})
                                .field("text", &PagerDutyLink::text, {.help = "What it says."});
  return table;
}

const Table<PagerDutyConfig>& PagerDutyConfig::fields() {
  using Self = PagerDutyConfig;
  static const auto table =
      Table<Self>("pagerduty_config", "A service of PagerDuty, through its Events API v2.")
          .field("send_resolved", &Self::send_resolved, {.help = "Whether resolved alerts are told."})
          .field("http_config", &Self::http_config, {.help = "Instead of the global HTTP settings."})
          .field("routing_key", &Self::routing_key, {.help = "The integration key of the service."})
          .field("routing_key_file", &Self::routing_key_file, {.help = "A file with the key, read at every event."})
          .field("url", &Self::url, {.help = "Instead of the global pagerduty_url."})
          .field("client", &Self::client, {.help = "Who reports."})
          .field("client_url", &Self::client_url, {.help = "A link to who reports."})
          .field("description", &Self::description, {.help = "The summary of the event."})
          .field("severity", &Self::severity, {.help = "critical, error, warning or info; any other word is error."})
          .field("source", &Self::source, {.help = "What is affected; the client if empty."})
          .field("class", &Self::class_, {.help = "The class of the event."})
          .field("component", &Self::component, {.help = "The part that is affected."})
          .field("group", &Self::group, {.help = "A group of such parts."})
          .field("details", &Self::details, {.help = "More values of the event, beside those of the alerts."})
          .field("images", &Self::images, {.help = "Pictures."})
          .field("links", &Self::links, {.help = "Links."})
          .field("timeout", &Self::timeout, {.help = "How long one attempt may take; 0 is 30s."})
          .refuse("service_key", "the Events API v1 is not supported; use an Events API v2 integration's routing_key")
          .refuse("service_key_file",
                  "the Events API v1 is not supported; use an Events API v2 integration's routing_key_file")
          .check([](const Self& config, const Node& node) -> core::Result<void> {
            const bool key = !config.routing_key.value.empty();
            if (!key && config.routing_key_file.empty()) {
              return core::fail(node.error("missing service or routing key in PagerDuty config"));
            }
            if (key && !config.routing_key_file.empty()) {
              return core::fail(node.error("at most one of routing_key & routing_key_file must be configured"));
            }
            if (const std::string why = unsupported_in_template(config.routing_key.value); !why.empty()) {
              return core::fail(core::Errc::kNotSupported, "{}", node.error("routing_key: {}", why).message);
            }
            if (const std::string why = url_problem(config.url); !config.url.empty() && !why.empty()) {
              return core::fail(node.error("url: {}", why));
            }
            return {};
          });
  return table;
}

std::string PagerDuty::event(const Notification& notification, const std::string& routing_key,
                             std::size_t alerts_shown) const {
  const std::string client = config_.client.render(notification);
  const std::string source = config_.source.render(notification);

  ordered_json payload;
  payload["summary"] = truncate_code_points(config_.description.render(notification), kPagerDutySummaryMax);
  payload["source"] = source.empty() ? client : source;
  payload["severity"] = known_severity(config_.severity.render(notification));
  set_unless_empty(payload, "class", config_.class_.render(notification));
  set_unless_empty(payload, "component", config_.component.render(notification));
  set_unless_empty(payload, "group", config_.group.render(notification));
  payload["custom_details"] = details(config_, notification, alerts_shown);

  ordered_json document;
  document["routing_key"] = routing_key;
  document["dedup_key"] = sha256_hex(notification.group_key);
  document["event_action"] = notification.firing() ? "trigger" : "resolve";
  document["payload"] = std::move(payload);
  set_unless_empty(document, "client", client);
  set_unless_empty(document, "client_url", config_.client_url.render(notification));
  ordered_json images = ordered_json::array();
  for (const PagerDutyImage& image : config_.images) {
    ordered_json object;
    object["src"] = image.src.render(notification);
    set_unless_empty(object, "alt", image.alt.render(notification));
    set_unless_empty(object, "href", image.href.render(notification));
    if (!object["src"].get_ref<const std::string&>().empty()) images.push_back(std::move(object));
  }
  if (!images.empty()) document["images"] = std::move(images);
  ordered_json links = ordered_json::array();
  for (const PagerDutyLink& link : config_.links) {
    ordered_json object;
    object["href"] = link.href.render(notification);
    set_unless_empty(object, "text", link.text.render(notification));
    if (!object["href"].get_ref<const std::string&>().empty()) links.push_back(std::move(object));
  }
  if (!links.empty()) document["links"] = std::move(links);
  return go_dump(document) + "\n";
}

core::Result<core::net::Request> PagerDuty::build(const Notification& notification) const {
  const auto routing_key = read_secret(config_.routing_key, config_.routing_key_file);
  if (!routing_key) return core::fail(routing_key.error());
  if (routing_key->empty()) return core::fail(core::Errc::kInvalid, "routing key cannot be empty");
  std::size_t shown = notification.alerts.size();
  std::string body = event(notification, *routing_key, shown);
  while (body.size() > kPagerDutyBodyBytesMax && shown > 0) {
    shown /= 2;
    body = event(notification, *routing_key, shown);
  }
  if (body.size() > kPagerDutyBodyBytesMax) {
    return core::fail(core::Errc::kInvalid, "an event of {} bytes exceeds PagerDuty's bound of {} even without alerts",
                      body.size(), kPagerDutyBodyBytesMax);
  }
  return json_post(config_.url.empty() ? std::string(kPagerDutyUrl) : config_.url, std::move(body), config_.http_config,
                   config_.timeout.value);
}

Verdict PagerDuty::judge(const core::net::Response& response, core::WallTime now) const {
  Verdict verdict = judge_status(response, now);
  if (response.status == 429 && !verdict.pause) verdict.pause = kPagerDutyPause;
  return verdict;
}

}  // namespace actions::receivers

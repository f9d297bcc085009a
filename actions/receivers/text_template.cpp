// SPDX-License-Identifier: Apache-2.0
#include "actions/receivers/text_template.h"

#include <algorithm>
#include <array>
#include <utility>

#include "actions/receivers/go_json.h"
#include "core/net/url.h"

namespace actions::receivers {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

// By name, alertname first: the order of SortedPairs in Alertmanager's templates.
Pairs sorted_pairs(const std::map<std::string, std::string>& map) {
  Pairs pairs(map.begin(), map.end());
  std::stable_partition(pairs.begin(), pairs.end(), [](const auto& pair) { return pair.first == "alertname"; });
  return pairs;
}

std::string join_values(const std::map<std::string, std::string>& map) {
  std::string text;
  for (const auto& [name, value] : sorted_pairs(map)) {
    if (!text.empty()) text += ' ';
    text += value;
  }
  return text;
}

// [FIRING:2] DiskFull eu1 (page)
std::string subject(const Notification& notification) {
  const std::string status =
      notification.firing() ? fmt::format("[FIRING:{}]", notification.count_firing()) : std::string("[RESOLVED]");
  std::map<std::string, std::string> rest = notification.common_labels();
  const bool more = rest.size() > notification.group_labels.size();
  for (const auto& [name, value] : notification.group_labels) rest.erase(name);
  return fmt::format("{} {} {}", status, join_values(notification.group_labels),
                     more ? "(" + join_values(rest) + ")" : std::string());
}

std::string alerts_url(const Notification& notification) {
  return notification.external_url +
         "/#/alerts?receiver=" + core::net::escape_query(escaped_receiver(notification.receiver));
}

std::string list_pairs(const std::map<std::string, std::string>& map) {
  std::string text;
  for (const auto& [name, value] : sorted_pairs(map)) text += fmt::format("  - {} = {}\n", name, value);
  return text;
}

// The list of the alerts of one status, in the layout of Alertmanager's __text_alert_list_markdown.
std::string alert_list(const Notification& notification, std::string_view status) {
  std::string text;
  for (const Alert& alert : notification.alerts) {
    if (alert.status() != status) continue;
    std::map<std::string, std::string> labels;
    for (const core::ring::Label& label : alert.labels) labels.emplace(label.name, label.value);
    text += "\nLabels:\n" + list_pairs(labels) + "\nAnnotations:\n" + list_pairs(alert.annotations) +
            "\nSource: " + alert.generator_url + "\n";
  }
  return text + "\n";
}

std::string message(const Notification& notification) {
  const std::size_t firing = notification.count_firing();
  std::string text = "\n";
  if (firing > 0) text += "\nAlerts Firing:\n" + alert_list(notification, "firing") + "\n";
  text += "\n";
  if (firing < notification.alerts.size()) text += "\nAlerts Resolved:\n" + alert_list(notification, "resolved") + "\n";
  return text + "\n";
}

std::string product(const Notification&) { return "Alertmanager"; }
std::string nothing(const Notification&) { return ""; }

struct DefaultTemplate {
  std::string_view name;
  std::string (*render)(const Notification&);
};

constexpr std::array<DefaultTemplate, 12> kDefaults = {{
    {"__alertmanager", product},
    {"__alertmanagerURL", alerts_url},
    {"__description", nothing},
    {"__subject", subject},
    {"discord.default.content", nothing},
    {"discord.default.message", message},
    {"discord.default.title", subject},
    {"pagerduty.default.client", product},
    {"pagerduty.default.clientURL", alerts_url},
    {"pagerduty.default.description", subject},
    {"slack.default.title", subject},
    {"telegram.default.message", message},
}};

std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

// The default template that `text` calls and that is all it does; null if it is anything else.
const DefaultTemplate* called_default(std::string_view text) {
  if (!text.starts_with("{{") || !text.ends_with("}}")) return nullptr;
  std::string_view inner = trim(text.substr(2, text.size() - 4));
  if (!inner.starts_with("template")) return nullptr;
  inner = trim(inner.substr(std::string_view("template").size()));
  if (!inner.ends_with(".")) return nullptr;
  inner = trim(inner.substr(0, inner.size() - 1));
  if (inner.size() < 2 || inner.front() != '"' || inner.back() != '"') return nullptr;
  const std::string_view name = inner.substr(1, inner.size() - 2);
  const auto* const found =
      std::find_if(kDefaults.begin(), kDefaults.end(), [&](const DefaultTemplate& each) { return each.name == name; });
  return found == kDefaults.end() ? nullptr : found;
}

// Bytes of the code point that starts at `at`; 1 for a byte that starts none.
std::size_t code_point_bytes(std::string_view text, std::size_t at) {
  const auto lead = static_cast<unsigned char>(text[at]);
  const std::size_t bytes = lead < 0x80                    ? 1
                            : lead >= 0xc2 && lead < 0xe0  ? 2
                            : lead >= 0xe0 && lead < 0xf0  ? 3
                            : lead >= 0xf0 && lead <= 0xf4 ? 4
                                                           : 1;
  if (at + bytes > text.size()) return 1;
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((static_cast<unsigned char>(text[at + i]) & 0xc0) != 0x80) return 1;
  }
  return bytes;
}

}  // namespace

std::string TextTemplate::render(const Notification& notification) const {
  if (const DefaultTemplate* const found = called_default(text)) return found->render(notification);
  return text;
}

std::string unsupported_in_template(std::string_view text) {
  if (text.find("{{") == std::string_view::npos || called_default(text) != nullptr) return "";
  return "templates in receivers are not supported yet, except the call of a default template alone, such as "
         "{{ template \"discord.default.title\" . }}";
}

std::size_t count_code_points(std::string_view text) {
  std::size_t count = 0;
  for (std::size_t at = 0; at < text.size(); at += code_point_bytes(text, at)) ++count;
  return count;
}

std::string truncate_code_points(std::string_view text, std::size_t limit) {
  if (count_code_points(text) <= limit) return std::string(text);
  const std::size_t kept = limit <= 3 ? limit : limit - 1;
  std::size_t at = 0;
  for (std::size_t count = 0; count < kept; ++count) at += code_point_bytes(text, at);
  return std::string(text.substr(0, at)) + (limit <= 3 ? "" : "\xe2\x80\xa6");
}

}  // namespace actions::receivers

namespace core::config {

using actions::receivers::TextTemplate;

Result<TextTemplate> Codec<TextTemplate>::read(const Node& node) {
  Result<std::string> text = Codec<std::string>::read(node);
  if (!text) return fail(text.error());
  if (const std::string why = actions::receivers::unsupported_in_template(*text); !why.empty()) {
    return fail(Errc::kNotSupported, "{}", node.error("{}", why).message);
  }
  return TextTemplate{std::move(*text)};
}

}  // namespace core::config

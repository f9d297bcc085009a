// SPDX-License-Identifier: Apache-2.0
#include "actions/receivers/discord/discord.h"

#include <charconv>
#include <cmath>

#include <nlohmann/json.hpp>

#include "actions/receivers/go_json.h"
#include "actions/receivers/http_post.h"

namespace actions::receivers {
namespace {

using core::config::Node;
using core::config::Table;
using nlohmann::ordered_json;

constexpr int kColorFiring = 0x992D22;
constexpr int kColorResolved = 0x2ECC71;
constexpr std::string_view kEllipsis = "\xe2\x80\xa6";
constexpr std::string_view kFence = "```";
// The longest mention or custom emoji: <a:NAME:ID> with 32 characters of name and 20 digits.
constexpr std::size_t kMentionBytesMax = 64;

// The URL with wait=true among its parameters, whatever it had.
std::string with_wait(const std::string& url) {
  const std::size_t question = url.find('?');
  if (question == std::string::npos) return url + "?wait=true";
  std::string result = url.substr(0, question + 1) + "wait=true";
  std::string_view rest = std::string_view(url).substr(question + 1);
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('&'), rest.size());
    const std::string_view parameter = rest.substr(0, end);
    if (!parameter.empty() && parameter != "wait" && !parameter.starts_with("wait=")) {
      result.append("&").append(parameter);
    }
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return result;
}

std::size_t count_fences(std::string_view text) {
  std::size_t count = 0;
  for (std::size_t at = text.find(kFence); at != std::string_view::npos; at = text.find(kFence, at + kFence.size())) {
    ++count;
  }
  return count;
}

std::optional<core::Millis> seconds(double value) {
  if (!std::isfinite(value) || value < 0) return std::nullopt;
  const double bounded = std::min(value, std::chrono::duration<double>(kRetryAfterMax).count());
  return core::Millis(static_cast<std::int64_t>(std::ceil(bounded * 1000)));
}

std::optional<core::Millis> seconds(std::string_view text) {
  double value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || problem != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return seconds(value);
}

// The exact wait of a 429: the body has it in fractions of a second, the header rounded.
std::optional<core::Millis> wait_in_body(const std::string& body) {
  const auto document = nlohmann::json::parse(body, nullptr, false);
  if (!document.is_object()) return std::nullopt;
  const auto found = document.find("retry_after");
  if (found == document.end() || !found->is_number()) return std::nullopt;
  return seconds(found->get<double>());
}

}  // namespace

const Table<DiscordConfig>& DiscordConfig::fields() {
  static const auto table =
      Table<DiscordConfig>("discord_config", "A channel of Discord, through its webhook.")
          .field("send_resolved", &DiscordConfig::send_resolved, {.help = "Whether resolved alerts are told."})
          .field("http_config", &DiscordConfig::http_config, {.help = "Instead of the global HTTP settings."})
          .field("webhook_url", &DiscordConfig::webhook_url, {.help = "The webhook's URL, which is a secret."})
          .field("webhook_url_file", &DiscordConfig::webhook_url_file,
                 {.help = "A file with the URL, read at every message."})
          .field("title", &DiscordConfig::title, {.help = "The embed's title."})
          .field("message", &DiscordConfig::message, {.help = "The embed's text."})
          .field("content", &DiscordConfig::content, {.help = "Text above the embed."})
          .field("username", &DiscordConfig::username, {.help = "Instead of the webhook's own name."})
          .field("avatar_url", &DiscordConfig::avatar_url, {.help = "Instead of the webhook's own picture."})
          .check([](const DiscordConfig& config, const Node& node) -> core::Result<void> {
            const bool url = !config.webhook_url.value.empty();
            if (!url && config.webhook_url_file.empty()) {
              return core::fail(node.error("one of webhook_url or webhook_url_file must be configured"));
            }
            if (url && !config.webhook_url_file.empty()) {
              return core::fail(node.error("at most one of webhook_url & webhook_url_file must be configured"));
            }
            if (!url) return {};
            if (const std::string why = url_problem(config.webhook_url.value); !why.empty()) {
              return core::fail(node.error("webhook_url: {}", why));
            }
            return {};
          });
  return table;
}

std::string cut_for_discord(std::string_view text, std::size_t limit) {
  if (count_code_points(text) <= limit) return std::string(text);
  // Room for the end of a fence that the cut would leave open.
  std::string kept = truncate_code_points(text, limit - kFence.size() - 1);
  kept.resize(kept.size() - kEllipsis.size());
  const std::size_t open = kept.rfind('<');
  if (open != std::string::npos && kept.size() - open <= kMentionBytesMax &&
      kept.find('>', open) == std::string::npos && open + 1 < kept.size() &&
      std::string_view("@#:a/t").find(kept[open + 1]) != std::string_view::npos) {
    kept.resize(open);
  }
  while (kept.ends_with('`') && !kept.ends_with(kFence)) kept.pop_back();
  kept += kEllipsis;
  if (count_fences(kept) % 2 == 1) kept.append("\n").append(kFence);
  return kept;
}

core::Result<core::net::Request> Discord::build(const Notification& notification) const {
  ordered_json embed;
  embed["title"] = cut_for_discord(config_.title.render(notification), kDiscordTitleMax);
  embed["description"] = cut_for_discord(config_.message.render(notification), kDiscordDescriptionMax);
  embed["color"] = notification.firing() ? kColorFiring : kColorResolved;

  ordered_json document;
  document["content"] = cut_for_discord(config_.content.render(notification), kDiscordContentMax);
  document["embeds"] = ordered_json::array({std::move(embed)});
  const std::string username = truncate_code_points(config_.username.render(notification), kDiscordUsernameMax);
  if (!username.empty()) document["username"] = username;
  if (url_problem(config_.avatar_url).empty()) document["avatar_url"] = config_.avatar_url;
  document["allowed_mentions"] = {{"parse", ordered_json::array()}};

  auto url = read_secret(config_.webhook_url, config_.webhook_url_file);
  if (!url) return core::fail(url.error());
  return json_post(with_wait(*url), go_dump(document) + "\n", config_.http_config, kDefaultTimeout);
}

Verdict Discord::judge(const core::net::Response& response, core::WallTime now) const {
  Verdict verdict = judge_status(response, now);
  if (response.status == 429) {
    if (const auto exact = wait_in_body(response.body)) verdict.pause = exact;
  }
  // The bucket is empty: the next request before its reset would be a 429.
  if (core::net::find_header(response.headers, "X-RateLimit-Remaining") == "0" && !verdict.pause) {
    verdict.pause = seconds(core::net::find_header(response.headers, "X-RateLimit-Reset-After"));
  }
  return verdict;
}

}  // namespace actions::receivers

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "actions/receivers/receiver.h"
#include "actions/receivers/text_template.h"
#include "core/net/http_client_config.h"

namespace actions::receivers {

// Discord's limits, in code points (Discord API reference, resources/message). One embed with a full title and
// description stays under the 6000 that all embeds of a message may have together.
inline constexpr std::size_t kDiscordTitleMax = 256;
inline constexpr std::size_t kDiscordDescriptionMax = 4096;
inline constexpr std::size_t kDiscordContentMax = 2000;
inline constexpr std::size_t kDiscordUsernameMax = 80;
static_assert(kDiscordTitleMax + kDiscordDescriptionMax <= 6000);

struct DiscordConfig {
  bool send_resolved = true;
  std::optional<core::net::HttpClientConfig> http_config;
  core::config::Secret webhook_url;
  std::string webhook_url_file;
  TextTemplate title{"{{ template \"discord.default.title\" . }}"};
  TextTemplate message{"{{ template \"discord.default.message\" . }}"};
  TextTemplate content;
  TextTemplate username;
  std::string avatar_url;

  bool operator==(const DiscordConfig&) const = default;
  static const core::config::Table<DiscordConfig>& fields();
};

// A Discord channel's webhook. Waits for Discord to have stored the message (`wait=true`; without it a message that is
// not stored gives no error), lets no label text mention anyone, and honours the rate-limit headers.
//
// Thread safety: immutable after construction.
class Discord final : public Receiver {
 public:
  explicit Discord(DiscordConfig config) : config_(std::move(config)) {}

  std::string_view type() const override { return "discord"; }
  std::string target() const override { return config_.webhook_url.value + config_.webhook_url_file; }
  bool send_resolved() const override { return config_.send_resolved; }
  core::Result<core::net::Request> build(const Notification& notification) const override;
  Verdict judge(const core::net::Response& response, core::WallTime now) const override;

 private:
  DiscordConfig config_;
};

// At most `limit` code points of `text`, cut so that no mention, emoji or code fence is left half.
std::string cut_for_discord(std::string_view text, std::size_t limit);

}  // namespace actions::receivers

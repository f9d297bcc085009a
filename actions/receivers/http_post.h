// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/config/codec.h"
#include "core/net/http_client_config.h"
#include "core/result.h"

namespace actions::receivers {

// Answers of receivers are small; more than this is not read.
inline constexpr std::uint64_t kAnswerBytesMax = 1 << 20;
// Where no timeout is configured. A receiver that takes longer than this is as good as down.
inline constexpr core::Millis kDefaultTimeout = std::chrono::seconds(30);

// A POST of a JSON document as `http` says. Errors: kFailed for a file that cannot be read.
core::Result<core::net::Request> json_post(std::string url, std::string body,
                                           const std::optional<core::net::HttpClientConfig>& http,
                                           core::Millis timeout);

// The secret itself or, where a file is named, what it holds now, trimmed. kFailed: unreadable; kInvalid: empty.
// The path is relative to the working directory, as in Alertmanager.
core::Result<std::string> read_secret(const core::config::Secret& secret, const std::string& file);

// Nothing for an http or https URL with a host; else Alertmanager's words for what is wrong with it.
std::string url_problem(std::string_view url);

}  // namespace actions::receivers

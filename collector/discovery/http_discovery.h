// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "collector/discovery/discovery.h"
#include "core/config/table.h"
#include "core/net/http_client_config.h"

namespace collector::discovery {

// <http_sd_config>: targets from a list that an HTTP endpoint answers with.
struct HttpConfig {
  std::string url;
  std::chrono::milliseconds refresh_interval = std::chrono::minutes(1);
  core::net::HttpClientConfig http;

  bool operator==(const HttpConfig&) const = default;
  static const core::config::Table<HttpConfig>& fields();
};

// Asks once an interval; an answer that is late, refused or not understood changes nothing.
std::unique_ptr<Discovery> make_http_discovery(const HttpConfig& config, const Context& context, Sink& sink);

}  // namespace collector::discovery

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "core/config/node.h"
#include "core/result.h"

namespace collector::staking {

// What the reference says of the keys that every kind of node has.
inline constexpr std::string_view kNameHelp = "What the label node of its series says.";
inline constexpr std::string_view kMetricsHelp = "Where it shows its metrics; empty: they are not scraped.";
inline constexpr std::string_view kZoneHelp = "The label zone of its series, if any.";
inline constexpr std::string_view kHttpHelp = "How requests to url are authorised and secured.";

// Names stand in URLs, labels and file names of other tools.
core::Result<void> check_name(const std::string& name, const core::config::Node& node);

// An address to ask: what is appended to it needs a bare path. Empty is fine.
core::Result<void> check_url(const std::string& text, const char* key, const core::config::Node& node);

// Name and addresses of a node, as far as its configuration has them.
template <class T>
std::function<core::Result<void>(const T&, const core::config::Node&)> check_node() {
  return [](const T& entry, const core::config::Node& node) -> core::Result<void> {
    if (auto ok = check_name(entry.name, node); !ok) return ok;
    if constexpr (requires { entry.url; }) {
      if (auto ok = check_url(entry.url, "url", node); !ok) return ok;
    }
    if constexpr (requires { entry.engine_url; }) {
      if (auto ok = check_url(entry.engine_url, "engine_url", node); !ok) return ok;
      if (entry.url.empty() && !entry.engine_url.empty()) {
        return core::fail(node.error("engine_url needs url: what it says is told with the rest of the node"));
      }
    }
    if constexpr (requires { entry.metrics; }) {
      if (auto ok = check_url(entry.metrics, "metrics", node); !ok) return ok;
    }
    return {};
  };
}

}  // namespace collector::staking

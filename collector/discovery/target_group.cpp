// SPDX-License-Identifier: Apache-2.0
#include "collector/discovery/target_group.h"

#include <algorithm>
#include <cctype>

#include "core/ring/labels.h"

namespace collector::discovery {

using core::Result;
using core::config::Node;
using core::config::Table;

const Table<StaticConfig>& StaticConfig::fields() {
  static const auto table =
      Table<StaticConfig>("static_config", "Targets that are listed.")
          .field("targets", &StaticConfig::targets,
                 {.help = "host:port of every target.", .example = "[\"localhost:9100\"]"})
          .field("labels", &StaticConfig::labels,
                 {.help = "Labels of these targets; __scheme__, __metrics_path__, __param_x, __scrape_interval__ and "
                          "__scrape_timeout__ steer their requests."})
          .check([](const StaticConfig& group, const Node& node) -> Result<void> {
            if (node.is_null()) return fail(node.error("empty or null section in static_configs"));
            for (const auto& [name, value] : group.labels) {
              if (!core::ring::is_valid_utf8(name) || name.empty()) {
                return fail(node.error("{} is not a valid label name", core::ring::go_quote(name)));
              }
              if (!core::ring::is_valid_utf8(value)) {
                return fail(node.error("{} is not a valid label value", core::ring::go_quote(value)));
              }
            }
            return {};
          });
  return table;
}

std::string sanitize_label_name(std::string_view key) {
  std::string name(key);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return std::isalnum(c) != 0 ? static_cast<char>(c) : '_'; });
  return name;
}

}  // namespace collector::discovery

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "collector/probe/module_config.h"
#include "collector/probe/probe_runner.h"
#include "collector/scrape/scrape_config.h"
#include "core/net/http_client.h"

namespace collector::probe {

// One entry of `probes`: targets that are probed alike, once an interval.
struct ProbeJobConfig {
  std::string job_name;
  std::string module;
  std::chrono::milliseconds interval{0};
  std::chrono::milliseconds timeout{0};
  std::string hostname;
  std::vector<discovery::StaticConfig> static_configs;
  std::vector<relabel::RelabelConfig> relabel_configs;
  std::vector<relabel::RelabelConfig> metric_relabel_configs;
  std::uint64_t target_limit = 0;

  bool operator==(const ProbeJobConfig&) const = default;
  static const core::config::Table<ProbeJobConfig>& fields();
};

// A job as the scrape pools carry it out: what is scraped is `/probe` with the target as a parameter, as one would
// write it for blackbox_exporter. Its timing, its relabelling and its series are then those of any scrape.
scrape::ScrapeConfig to_scrape_config(const ProbeJobConfig& job);

// What answers such scrapes: a probe, instead of a request. The runner outlives it.
std::unique_ptr<core::net::HttpClient> make_probe_client(ProbeRunner& runner);

}  // namespace collector::probe

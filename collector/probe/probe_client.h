// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <mutex>
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
  discovery::DiscoveryConfigs discovery;
  std::vector<relabel::RelabelConfig> relabel_configs;
  std::vector<relabel::RelabelConfig> metric_relabel_configs;
  std::uint64_t target_limit = 0;

  bool operator==(const ProbeJobConfig&) const = default;
  static const core::config::Table<ProbeJobConfig>& fields();
};

// A job as the scrape pools carry it out: what is scraped is `/probe` with the target as a parameter, as one would
// write it for blackbox_exporter, whose users' relabelling means the same here: what it leaves in __param_target is
// probed, or __address__ where it leaves nothing. Its timing, its relabelling and its series are those of any scrape.
scrape::ScrapeConfig to_scrape_config(const ProbeJobConfig& job);

// How the last probe of each target of `probes` ended, where it failed: by the URL that stands for the target.
//
// Thread safety: any thread.
class LastFailures {
 public:
  struct Failure {
    bool unknown = false;  // not down: nobody can say from here
    std::string text;      // reason and detail, fit to be shown
  };

  void note(const std::string& url, const ProbeResult& result);
  // Those of these targets, by URL.
  std::map<std::string, Failure> of(const std::vector<std::string>& urls) const;
  // Forgets all others: their targets are gone.
  void keep_only(const std::vector<std::string>& urls);

 private:
  mutable std::mutex mutex_;
  std::map<std::string, Failure> failures_;  // guarded by mutex_
};

// What answers such scrapes: a probe, instead of a request. Both outlive it.
std::unique_ptr<core::net::HttpClient> make_probe_client(ProbeRunner& runner, LastFailures& failures);

}  // namespace collector::probe

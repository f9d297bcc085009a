// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "collector/relabel/relabel.h"
#include "collector/scrape/scrape_config.h"
#include "core/ring/labels.h"

namespace collector::scrape {

// What all targets of a job share.
//
// Thread safety: immutable after construction.
struct Job {
  ScrapeConfig config;
  relabel::Rules metric_rules;

  // REQUIRES: `config` came out of resolve_jobs().
  static std::shared_ptr<const Job> make(ScrapeConfig config);
};

// The labels under which a target's sample is stored: the target's labels merged in, metric relabelling applied, names
// and limits checked. Nothing if relabelling dropped the sample or left no label. kInvalid in Prometheus's words fails
// the scrape.
// REQUIRES: `exposed` is as decode_series() left it.
core::Result<std::optional<core::ring::Labels>> sample_labels(const Job& job, const core::ring::Labels& target,
                                                              const std::vector<core::ring::Label>& exposed);

}  // namespace collector::scrape

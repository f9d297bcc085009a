// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "collector/discovery/target_group.h"
#include "collector/scrape/scrape_config.h"
#include "core/ring/labels.h"
#include "core/time/clock.h"

namespace collector::scrape {

// Something that is scraped.
//
// Thread safety: a value.
struct Target {
  core::ring::Labels discovered;  // before relabelling, with every default
  core::ring::Labels labels;      // what its series carry
  core::ring::Labels identity;    // after relabelling, with the labels that steer the request
  std::string url;
  core::Millis interval{};
  core::Millis timeout{};

  // Two targets that are equal in these are one.
  bool same_as(const Target& other) const { return identity == other.identity && url == other.url; }
  // Stable across restarts: where in its interval a target is scraped hangs on it.
  std::uint64_t hash() const;
  // Names the target's timeline in the ring across restarts, and across changes of what only steers its requests. Never
  // 0.
  std::uint64_t timeline_identity() const;
};

// What a job's configuration comes to.
struct TargetList {
  std::vector<Target> active;
  std::vector<core::ring::Labels> dropped;  // discovered labels of what relabelling dropped, as many as are kept
  std::uint64_t dropped_count = 0;
  std::vector<std::string> errors;  // of targets that are neither: instance 0 in group 0: no address
};

// The job's static targets and those of `groups`.
// REQUIRES: `job` came out of resolve_jobs().
TargetList build_targets(const ScrapeConfig& job, const discovery::TargetGroups& groups = {});

// One target from what is known of it; kInvalid in Prometheus's words, kCancelled if relabelling dropped it.
core::Result<Target> build_target(const ScrapeConfig& job, const relabel::Rules& rules,
                                  const discovery::LabelMap& own_labels, const discovery::LabelMap& group_labels,
                                  core::ring::Labels& discovered);

}  // namespace collector::scrape

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stop_token>
#include <vector>

#include "actions/remedy/step_surroundings.h"
#include "actions/replace/group_config.h"
#include "actions/replace/rollout.h"
#include "core/result.h"

namespace actions::replace {

// The hosts of a group as whoever runs them shows them.
struct DescribedHosts {
  std::vector<Host> members;
  std::vector<Host> outdated;
};

// Asks AWS or Kubernetes, as the group's driver says, for its hosts and their images; those are outdated whose image is
// not the wanted one. All of it or an error: a part would look like a smaller group. Blocks.
// REQUIRES: the group's rolling update has a wanted image.
core::Result<DescribedHosts> describe_hosts(const remedy::Surroundings& around, const GroupConfig& group,
                                            const std::stop_token& stop);

}  // namespace actions::replace

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

// Asks AWS for the instances of the group's Auto Scaling group and their images; those are outdated whose image is
// another than `wanted_image`, or than that of the group's launch template. A host's labels: instance_id, instance (its
// private address), image and availability_zone. All of it or an error: a part would look like a smaller group. Blocks.
core::Result<DescribedHosts> describe_aws_hosts(const remedy::Surroundings& around, const GroupConfig& group,
                                                const std::stop_token& stop);

}  // namespace actions::replace

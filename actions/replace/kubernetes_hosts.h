// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stop_token>

#include "actions/replace/described_hosts.h"

namespace actions::replace {

// Of the driver kubernetes: the nodes that the group's selector selects. A host's labels: node, instance (its internal
// address), image (what its operating system calls itself, or the label `image_label`) and availability_zone. One that
// is being deleted is no host of the group any more. Blocks; as describe_hosts().
core::Result<DescribedHosts> describe_kubernetes_nodes(const remedy::Surroundings& around, const GroupConfig& group,
                                                       const std::stop_token& stop);

}  // namespace actions::replace

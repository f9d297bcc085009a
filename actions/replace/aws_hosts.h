// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stop_token>

#include "actions/replace/described_hosts.h"

namespace actions::replace {

// Of the driver aws-asg: the instances of the group's Auto Scaling group; of aws-ec2: those that have the group's tags
// and have not ended. Outdated are those whose image is another than `wanted_image`, or than that of the launch
// template. A host's labels: instance_id, instance (its private address), image and availability_zone. Blocks; as
// describe_hosts().
core::Result<DescribedHosts> describe_aws_hosts(const remedy::Surroundings& around, const GroupConfig& group,
                                                const std::stop_token& stop);

}  // namespace actions::replace

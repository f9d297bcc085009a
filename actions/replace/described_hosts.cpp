// SPDX-License-Identifier: Apache-2.0
#include "actions/replace/described_hosts.h"

#include "actions/replace/aws_hosts.h"
#include "actions/replace/kubernetes_hosts.h"

namespace actions::replace {

core::Result<DescribedHosts> describe_hosts(const remedy::Surroundings& around, const GroupConfig& group,
                                            const std::stop_token& stop) {
  switch (group.driver) {
    case Driver::kAwsAsg:
    case Driver::kAwsEc2:
      return describe_aws_hosts(around, group, stop);
    case Driver::kKubernetes:
      return describe_kubernetes_nodes(around, group, stop);
    case Driver::kExec:
      break;
  }
  return core::fail(core::Errc::kInvalid, "nobody describes the hosts of {}", group.name);
}

}  // namespace actions::replace

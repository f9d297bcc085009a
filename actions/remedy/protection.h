// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/config/table.h"
#include "core/result.h"

namespace actions::remedy {

// What stands in a cluster or an account, as far as it says whether validators are in it.
struct Subject {
  std::string name;                           // i-0123..., node1, namespace/pod
  std::map<std::string, std::string> labels;  // or tags
  std::vector<std::string> programs;          // images, containers, arguments
};

// `protected`: what no step may stop, replace or evict, because validators sign there. Two instances that sign with the
// same keys are slashed, and a host that is replaced while it signs may come back beside itself.
//
// Thread safety: a value; shared ones are immutable.
struct ProtectionConfig {
  std::vector<std::string> instances;                // EC2 ids; * stands for anything
  std::map<std::string, std::string> instance_tags;  // a tag and its value; * as above
  std::vector<std::string> nodes;                    // names of Kubernetes nodes
  std::vector<std::string> pods;                     // NAMESPACE/NAME of pods and of what makes pods
  std::map<std::string, std::string> labels;         // of nodes, pods and what makes pods
  bool recognise = true;                             // also what says itself that it is a validator

  // Why it is protected; none if it is not.
  std::optional<std::string> instance(const Subject& subject) const;
  std::optional<std::string> node(const Subject& subject) const;
  std::optional<std::string> pod(const Subject& subject) const;

  bool operator==(const ProtectionConfig&) const = default;
  static const core::config::Table<ProtectionConfig>& fields();
};

using ProtectionPtr = std::shared_ptr<const ProtectionConfig>;

}  // namespace actions::remedy

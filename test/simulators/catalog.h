// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace simulators {

// The families of each node, one a line: name, type, then label=value,value for every label it has.
extern const std::string_view kBeaconFamilies;
extern const std::string_view kLibp2pFamilies;  // the OpenMetrics part of a beacon node's metrics
extern const std::string_view kValidatorFamilies;
extern const std::string_view kGethFamilies;  // the types are those of Geth's registry
extern const std::string_view kVaultFamilies;

struct Family {
  std::string name;
  std::string type;
  std::vector<std::pair<std::string, std::vector<std::string>>> labels;
};

// REQUIRES: `table` is one of the above.
std::vector<Family> parse_catalog(std::string_view table);

}  // namespace simulators

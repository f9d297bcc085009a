// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace agent {

// What is generated from AgentConfig's description: docs/configuration.md, the JSON Schema, and
// packaging/watchkeeper.example.yml. A test compares them with the files.
std::string configuration_reference();
std::string configuration_schema();
std::string configuration_example();
// docs/probes.md: reasons, metrics and options of probes.
std::string probe_reference();

}  // namespace agent

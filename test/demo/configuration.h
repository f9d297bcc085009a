// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace demo {

// One act of the demonstration: a fault of a simulated node, the rule that sees it, and the files saved before the node
// is mended.
struct Act {
  std::string title;
  std::string fault;  // <node>/<fault>, as the simulators' control port names it
  std::string alert;
  std::string expression;
  std::string summary;      // annotation, a template
  std::string backup;       // name of the backup, and of the folder below the demo's that it saves
  std::string verify = {};  // PromQL that must hold once the node is mended; empty: not looked at
  bool restarts = false;    // the backup stops and starts the node, which mends it; afterwards a restore is tried
};

const std::vector<Act>& acts();

// Writes everything the agent needs below `folder`: configuration, rules, the folders to save, restic's password.
// `ports` are the simulators'. Returns the configuration's path.
std::filesystem::path write_configuration(const std::filesystem::path& folder, const nlohmann::json& ports);

}  // namespace demo

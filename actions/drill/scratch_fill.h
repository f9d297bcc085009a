// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "actions/drill/drill_config.h"
#include "core/result.h"

namespace actions::drill {

// The file that takes the room. Its name is fixed, so that a restore needs to know nothing else.
inline constexpr const char* kFillFile = ".watchkeeper-drill-fill";

// Why this folder must not be filled: it is not there, not below a scratch folder of the component once links are
// followed, on the file system of the root or of the agent's data, not to be written, or has such a file already.
// Empty: nothing.
std::vector<std::string> objections_to_fill(const FillFault& fault, const DrillableConfig& component,
                                            const std::string& data_folder);

// Reserves room in the file, up to fault.size or until there is none left. Returns what was reserved, in words.
core::Result<std::string> fill_scratch(const FillFault& fault, std::stop_token stop);
// Removes the file; fine if there is none.
core::Result<std::string> empty_scratch(const FillFault& fault);

}  // namespace actions::drill

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tidy {

// One broken house rule: where, and what to do instead.
struct Finding {
  std::string path;
  int line = 0;
  std::string message;
};

// Checks one source file against the rules of the house. `path` is relative to the root of the tree.
//
// Thread safety: any thread.
std::vector<Finding> check_file(std::string_view path, std::string_view text);

}  // namespace tidy

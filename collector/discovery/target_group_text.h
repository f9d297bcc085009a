// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "collector/discovery/target_group.h"
#include "core/result.h"

namespace collector::discovery {

// A list of target groups is as large as this at most, in a file or an answer.
inline constexpr std::size_t kListBytesMax = 16 << 20;

// [{"targets": ["h:9"], "labels": {"k": "v"}}, ...], strict: nothing else may be in it. Every group gets the source
// "NAME:INDEX". Errors are kInvalid and begin with `name`, line and column.
core::Result<std::vector<TargetGroup>> parse_json_groups(std::string_view text, const std::string& name);
core::Result<std::vector<TargetGroup>> parse_yaml_groups(std::string_view text, const std::string& name);

}  // namespace collector::discovery

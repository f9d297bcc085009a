// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace collector::relabel {

// The text with every Unicode letter in lower (upper) case, letter by letter, whatever the process's locale.
// Bytes that are not UTF-8 stay as they are.
std::string to_lower(std::string_view text);
std::string to_upper(std::string_view text);

}  // namespace collector::relabel

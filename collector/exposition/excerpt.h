// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace collector::exposition {

// How much of a body an error message repeats.
inline constexpr std::size_t kExcerptBytesMax = 512;

// The text Go-quoted, cut to kExcerptBytesMax bytes; "..." follows the quotes where something was cut.
std::string quote_excerpt(std::string_view text);

}  // namespace collector::exposition

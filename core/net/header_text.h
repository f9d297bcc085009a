// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace core::net {

// The names and values of header fields as text (RFC 9110, section 5).

// A name, or a method: a token.
bool is_token(std::string_view text);

// Whether the value would end its line, or the head.
bool breaks_line(std::string_view value);

// Without blanks and line ends around it.
std::string_view trimmed(std::string_view text);

bool equals_ignoring_case(std::string_view a, std::string_view b);

// Whether a list of tokens, separated by commas, has this one.
bool lists_token(std::string_view list, std::string_view token);

}  // namespace core::net

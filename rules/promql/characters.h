// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace rules::promql {

// The ASCII classes of the language; other letters and digits have no meaning in it.
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_alpha(char c) { return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
constexpr bool is_alphanumeric(char c) { return is_alpha(c) || is_digit(c); }
constexpr bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// One code point of UTF-8.
struct Rune {
  char32_t code = 0;
  std::size_t bytes = 0;  // 1 for an invalid byte, 0 at the end
  bool valid = false;
};

Rune rune_at(std::string_view text, std::size_t offset);
void append_utf8(std::string& text, char32_t code);

// 'x' as Go's %q prints a character.
std::string quote_rune(const Rune& rune);
// U+0063 'c' as Go's %#U does.
std::string name_rune(const Rune& rune);

}  // namespace rules::promql

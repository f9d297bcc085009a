// SPDX-License-Identifier: Apache-2.0
#include "rules/promql/characters.h"

#include <fmt/format.h>

#include "core/ring/labels.h"

namespace rules::promql {

Rune rune_at(std::string_view text, std::size_t offset) {
  if (offset >= text.size()) return {0, 0, false};
  const auto first = static_cast<unsigned char>(text[offset]);
  if (first < 0x80) return {first, 1, true};
  const std::size_t length = first >= 0xF0 ? 4 : (first >= 0xE0 ? 3 : 2);
  constexpr Rune kInvalid = {0xFFFD, 1, false};
  // 0x80..0xC1 cannot start a code point; nothing lies above 0xF4.
  if (first < 0xC2 || first > 0xF4 || offset + length > text.size()) return kInvalid;
  char32_t code = first & (0x7F >> length);
  for (std::size_t i = 1; i < length; ++i) {
    const auto next = static_cast<unsigned char>(text[offset + i]);
    if ((next & 0xC0) != 0x80) return kInvalid;
    code = (code << 6) | (next & 0x3F);
  }
  const bool overlong = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
  if (overlong || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return kInvalid;
  return {code, length, true};
}

void append_utf8(std::string& text, char32_t code) {
  const auto put = [&](char32_t byte) { text.push_back(static_cast<char>(static_cast<unsigned char>(byte))); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | (code >> 6));
    put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | (code >> 12));
    put(0x80 | ((code >> 6) & 0x3F));
    put(0x80 | (code & 0x3F));
  } else {
    put(0xF0 | (code >> 18));
    put(0x80 | ((code >> 12) & 0x3F));
    put(0x80 | ((code >> 6) & 0x3F));
    put(0x80 | (code & 0x3F));
  }
}

std::string quote_rune(const Rune& rune) {
  if (rune.bytes == 0) return "end of input";
  if (rune.code == '\'') return "'\\''";
  if (rune.code == '"') return "'\"'";
  std::string text;
  append_utf8(text, rune.code);
  const std::string quoted = core::ring::go_quote(text);
  return "'" + quoted.substr(1, quoted.size() - 2) + "'";
}

std::string name_rune(const Rune& rune) {
  std::string text;
  append_utf8(text, rune.code);
  return fmt::format("U+{:04X} '{}'", static_cast<std::uint32_t>(rune.code), text);
}

}  // namespace rules::promql

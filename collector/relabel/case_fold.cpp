// SPDX-License-Identifier: Apache-2.0
#include "collector/relabel/case_fold.h"

#include <locale.h>
#include <cwctype>

#include "core/ring/labels.h"

namespace collector::relabel {
namespace {

// The locale "C.UTF-8" is built into glibc: it is there on a machine without any installed locale.
locale_t unicode_locale() {
  static const locale_t locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  return locale;
}

std::size_t sequence_length(char first) {
  const auto byte = static_cast<unsigned char>(first);
  if (byte < 0x80) return 1;
  if (byte >= 0xf0) return 4;
  return byte >= 0xe0 ? 3 : 2;
}

void append_utf8(std::string& out, std::uint32_t c) {
  const auto byte = [&out](std::uint32_t value) { out += static_cast<char>(value); };
  if (c < 0x80) {
    byte(c);
  } else if (c < 0x800) {
    byte(0xc0 | c >> 6), byte(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    byte(0xe0 | c >> 12), byte(0x80 | (c >> 6 & 0x3f)), byte(0x80 | (c & 0x3f));
  } else {
    byte(0xf0 | c >> 18), byte(0x80 | (c >> 12 & 0x3f)), byte(0x80 | (c >> 6 & 0x3f)), byte(0x80 | (c & 0x3f));
  }
}

template <class Map>
std::string map_letters(std::string_view text, Map map) {
  std::string result;
  result.reserve(text.size());
  const bool valid = core::ring::is_valid_utf8(text);
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = valid ? sequence_length(text[i]) : 1;
    const auto first = static_cast<unsigned char>(text[i]);
    if (length == 1 && first >= 0x80) {
      result += text[i];
    } else {
      std::uint32_t c = length == 1 ? first : first & (0xffU >> (length + 1));
      for (std::size_t k = 1; k < length; ++k) c = c << 6 | (static_cast<unsigned char>(text[i + k]) & 0x3f);
      append_utf8(result, static_cast<std::uint32_t>(map(static_cast<wint_t>(c))));
    }
    i += length;
  }
  return result;
}

}  // namespace

std::string to_lower(std::string_view text) {
  return map_letters(text, [locale = unicode_locale()](wint_t c) {
    return locale == nullptr ? std::towlower(c) : towlower_l(c, locale);
  });
}

std::string to_upper(std::string_view text) {
  return map_letters(text, [locale = unicode_locale()](wint_t c) {
    return locale == nullptr ? std::towupper(c) : towupper_l(c, locale);
  });
}

}  // namespace collector::relabel

// SPDX-License-Identifier: Apache-2.0
#include "rules/promql/literals.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "core/check.h"
#include "core/ring/labels.h"
#include "core/ring/sample.h"
#include "core/time/duration.h"
#include "rules/promql/characters.h"

namespace rules::promql {
namespace {

using core::Errc;
using core::fail;

constexpr std::string_view kEscapeLetters = "abfnrtv\\";
constexpr std::string_view kEscapeValues = "\a\b\f\n\r\t\v\\";

struct NumericEscape {
  std::size_t digits;
  unsigned base;
  char32_t max;
};

unsigned digit_value(char32_t c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
  return 16;
}

// Reads the digits of \ooo, \xhh, \uhhhh or \Uhhhhhhhh at `at` and moves past them.
core::Result<char32_t> scan_code(std::string_view text, std::size_t& at, NumericEscape form) {
  char32_t code = 0;
  for (std::size_t i = 0; i < form.digits; ++i) {
    const Rune rune = rune_at(text, at);
    if (rune.bytes == 0) return fail(Errc::kInvalid, "escape sequence not terminated");
    const unsigned value = digit_value(rune.code);
    if (value >= form.base) {
      return fail(Errc::kInvalid, "illegal character {} in escape sequence", name_rune(rune));
    }
    code = code * form.base + value;
    at += rune.bytes;
  }
  if (code > form.max || (code >= 0xD800 && code < 0xE000)) {
    return fail(Errc::kInvalid, "escape sequence is an invalid Unicode code point");
  }
  return code;
}

// Reads the escape sequence whose backslash is at `at` - 1, and moves past it.
core::Result<void> scan_escape(std::string_view text, char quote, std::size_t& at, std::string& value) {
  const Rune rune = rune_at(text, at);
  if (rune.bytes == 0) return fail(Errc::kInvalid, "escape sequence not terminated");
  const char letter = rune.bytes == 1 ? text[at] : '\0';
  if (letter == quote) {
    value.push_back(quote);
    ++at;
    return {};
  }
  if (const std::size_t known = kEscapeLetters.find(letter); letter != '\0' && known != std::string_view::npos) {
    value.push_back(kEscapeValues[known]);
    ++at;
    return {};
  }
  NumericEscape form{};
  if (letter >= '0' && letter <= '7') {
    form = {3, 8, 255};
  } else if (letter == 'x') {
    form = {2, 16, 255};
  } else if (letter == 'u') {
    form = {4, 16, 0x10FFFF};
  } else if (letter == 'U') {
    form = {8, 16, 0x10FFFF};
  } else {
    return fail(Errc::kInvalid, "unknown escape sequence {}", name_rune(rune));
  }
  if (form.base == 16) ++at;
  const core::Result<char32_t> code = scan_code(text, at, form);
  if (!code) return fail(code.error());
  if (form.max == 255) {
    value.push_back(static_cast<char>(static_cast<unsigned char>(*code)));
  } else {
    append_utf8(value, *code);
  }
  return {};
}

}  // namespace

core::Result<ScannedString> scan_string(std::string_view text) {
  CHECK(!text.empty() && (text[0] == '"' || text[0] == '\'' || text[0] == '`'), "a string literal starts with a quote");
  const char quote = text[0];
  const bool raw = quote == '`';
  ScannedString scanned;
  for (std::size_t at = 1;;) {
    const Rune rune = rune_at(text, at);
    if (rune.bytes == 0 || (!raw && rune.code == '\n')) {
      return fail(Errc::kInvalid, "unterminated {} string", raw ? "raw" : "quoted");
    }
    if (!rune.valid) return fail(Errc::kInvalid, "invalid UTF-8 rune");
    if (text[at] == quote) {
      scanned.length = at + 1;
      return scanned;
    }
    if (!raw && text[at] == '\\') {
      ++at;
      if (auto done = scan_escape(text, quote, at, scanned.value); !done) return fail(done.error());
      continue;
    }
    scanned.value.append(text.substr(at, rune.bytes));
    at += rune.bytes;
  }
}

core::Result<std::string> unquote(std::string_view text) {
  if (text.size() < 2 || std::string_view("\"'`").find(text[0]) == std::string_view::npos) {
    return fail(Errc::kInvalid, "expected a quoted string, got {}", core::ring::go_quote(text));
  }
  auto scanned = scan_string(text);
  if (!scanned) return fail(scanned.error());
  if (scanned->length != text.size()) return fail(Errc::kInvalid, "text after the closing quote");
  return std::move(scanned->value);
}

core::Result<double> parse_number(std::string_view text) {
  const auto malformed = [&] {
    return fail(Errc::kInvalid, "error parsing number: parsing {}: invalid syntax", core::ring::go_quote(text));
  };
  if (text.ends_with('_')) return malformed();
  std::string digits;
  std::copy_if(text.begin(), text.end(), std::back_inserter(digits), [](char c) { return c != '_'; });
  if (digits.size() == 3 && !is_digit(digits[0]) && digits[0] != '.') {
    return (digits[0] == 'i' || digits[0] == 'I') ? std::numeric_limits<double>::infinity() : core::ring::normal_nan();
  }
  const auto out_of_range = [&] {
    return fail(Errc::kInvalid, "error parsing number: parsing {}: value out of range", core::ring::go_quote(text));
  };
  const bool hex = digits.size() > 1 && digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X');
  const bool octal = !hex && digits.size() > 1 && digits[0] == '0' &&
                     std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '7'; });
  if (hex || octal) {
    const std::string_view body = std::string_view(digits).substr(hex ? 2 : 1);
    std::int64_t integer = 0;
    const auto [end, error] = std::from_chars(body.data(), body.data() + body.size(), integer, hex ? 16 : 8);
    if (error == std::errc() && end == body.data() + body.size()) return static_cast<double>(integer);
    if (hex) return out_of_range();
  }
  double number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error == std::errc::result_out_of_range) {
    // Both ends are reported so; a number too small for a double is zero.
    const std::size_t exponent = digits.find_first_of("eE");
    const bool tiny = exponent != std::string::npos ? digits[exponent + 1] == '-' : digits.find('.') < digits.size();
    if (tiny) return 0.0;
    return out_of_range();
  }
  if (error != std::errc() || end != digits.data() + digits.size()) return malformed();
  return number;
}

core::Result<double> parse_duration_seconds(std::string_view text) {
  constexpr std::array<std::string_view, 7> kUnits = {"y", "w", "d", "h", "m", "s", "ms"};
  for (std::size_t at = 0; at < text.size();) {
    while (at < text.size() && is_digit(text[at])) ++at;
    const std::size_t start = at;
    while (at < text.size() && !is_digit(text[at])) ++at;
    const std::string_view unit = text.substr(start, at - start);
    if (!unit.empty() && std::find(kUnits.begin(), kUnits.end(), unit) == kUnits.end()) {
      return fail(Errc::kInvalid, "unknown unit {} in duration {}", core::ring::go_quote(unit),
                  core::ring::go_quote(text));
    }
  }
  const auto duration = core::parse_duration(text);
  if (!duration) {
    const bool range = duration.error().message.starts_with("duration out of range");
    return fail(Errc::kInvalid, "{}", range ? "duration out of range" : duration.error().message);
  }
  return static_cast<double>(duration->count()) / 1000.0;
}

std::optional<std::int64_t> literal_milliseconds(double seconds) {
  constexpr double kMaxSeconds = 9223372036.854775807;
  if (!(std::abs(seconds) <= kMaxSeconds)) return std::nullopt;
  const double nanoseconds = std::round(seconds * 1e9);
  // 2^63 itself has no 64-bit representation.
  if (std::abs(nanoseconds) >= 0x1p63) return std::nullopt;
  return static_cast<std::int64_t>(nanoseconds) / 1'000'000;
}

}  // namespace rules::promql

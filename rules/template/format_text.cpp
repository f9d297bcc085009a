// SPDX-License-Identifier: Apache-2.0
// printf and print, with Go's verbs and Go's way of showing mistakes.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include <fmt/format.h>

#include "core/ring/labels.h"
#include "rules/promql/characters.h"
#include "rules/promql/number_text.h"
#include "rules/template/functions.h"

namespace rules::templates {
namespace {

// Go shows %!(BADWIDTH) past a million; a label needs less.
constexpr int kMaxWidth = 10'000;

struct Verb {
  char letter = 0;
  bool minus = false;
  bool plus = false;
  bool space = false;
  bool zero = false;
  bool sharp = false;
  int width = 0;
  int precision = -1;  // none
};

// Pads to the width in code points.
std::string padded(std::string text, const Verb& verb, bool zeros_allowed) {
  const auto runes = static_cast<int>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
  if (runes >= verb.width) return text;
  const auto missing = static_cast<std::size_t>(verb.width - runes);
  if (verb.minus) return text.append(missing, ' ');
  if (!verb.zero || !zeros_allowed) return text.insert(0, missing, ' ');
  const bool sign = text.starts_with('-') || text.starts_with('+');
  return text.insert(sign ? 1 : 0, missing, '0');
}

std::string signed_text(std::string magnitude, bool negative, const Verb& verb) {
  if (negative) return "-" + magnitude;
  if (verb.plus) return "+" + magnitude;
  return verb.space ? " " + magnitude : magnitude;
}

std::string mistake(const Verb& verb, const Value& value) {
  return fmt::format("%!{}({}={})", verb.letter, type_name(value), text_of(value));
}

std::string integer_text(std::int64_t value, const Verb& verb) {
  const bool negative = value < 0;
  const std::uint64_t magnitude = negative ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
  std::string digits;
  switch (verb.letter) {
    case 'x':
      digits = (verb.sharp ? "0x" : "") + fmt::format("{:x}", magnitude);
      break;
    case 'X':
      digits = (verb.sharp ? "0X" : "") + fmt::format("{:X}", magnitude);
      break;
    case 'o':
      digits = fmt::format("{:o}", magnitude);
      break;
    case 'b':
      digits = fmt::format("{:b}", magnitude);
      break;
    case 'c':
    case 'q': {
      promql::Rune rune{static_cast<char32_t>(magnitude), 1, true};
      if (negative || magnitude > 0x10FFFF) rune.code = 0xFFFD;
      if (verb.letter == 'q') return padded(promql::quote_rune(rune), verb, false);
      promql::append_utf8(digits, rune.code);
      return padded(digits, verb, false);
    }
    default:
      digits = fmt::format("{}", magnitude);
  }
  if (verb.precision > 0 && digits.size() < static_cast<std::size_t>(verb.precision)) {
    digits.insert(0, static_cast<std::size_t>(verb.precision) - digits.size(), '0');
  }
  return padded(signed_text(digits, negative, verb), verb, verb.precision < 0);
}

std::string float_text(double value, const Verb& verb) {
  if (!std::isfinite(value)) {
    std::string text = promql::short_number(value);
    if (value > 0 && !verb.plus) text = verb.space ? " Inf" : "+Inf";
    return padded(text, verb, false);
  }
  const double magnitude = std::abs(value);
  const bool shortest = verb.precision < 0 && (verb.letter == 'v' || verb.letter == 'g' || verb.letter == 'G');
  std::string digits;
  if (shortest) {
    digits = promql::short_number(magnitude);
  } else {
    const int precision = verb.precision < 0 ? 6 : verb.precision;
    const std::string_view form = verb.letter == 'f' || verb.letter == 'F'   ? "{:.{}f}"
                                  : verb.letter == 'e' || verb.letter == 'E' ? "{:.{}e}"
                                                                             : "{:.{}g}";
    digits = fmt::format(fmt::runtime(form), magnitude, precision);
  }
  if (verb.letter == 'E' || verb.letter == 'G') std::replace(digits.begin(), digits.end(), 'e', 'E');
  return padded(signed_text(digits, std::signbit(value), verb), verb, true);
}

std::string hex_text(std::string_view text, bool upper) {
  std::string hex;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    hex += upper ? fmt::format("{:02X}", byte) : fmt::format("{:02x}", byte);
  }
  return hex;
}

// The first `count` code points.
std::string_view first_runes(std::string_view text, int count) {
  std::size_t at = 0;
  for (int i = 0; i < count && at < text.size(); ++i) at += promql::rune_at(text, at).bytes;
  return text.substr(0, at);
}

std::string string_text(std::string_view text, const Verb& verb) {
  if (verb.precision >= 0) text = first_runes(text, verb.precision);
  if (verb.letter == 'x' || verb.letter == 'X') return padded(hex_text(text, verb.letter == 'X'), verb, true);
  if (verb.letter != 'q') return padded(std::string(text), verb, true);
  const bool raw = verb.sharp && text.find('`') == std::string_view::npos;
  return padded(raw ? "`" + std::string(text) + "`" : core::ring::go_quote(text), verb, true);
}

bool one_of(char letter, std::string_view letters) { return letters.find(letter) != std::string_view::npos; }

std::string formatted(const Value& value, const Verb& verb) {
  if (verb.letter == 'T') return padded(std::string(type_name(value)), verb, false);
  if (const auto* text = value.as<std::string>()) {
    return one_of(verb.letter, "vsqxX") ? string_text(*text, verb) : mistake(verb, value);
  }
  if (const auto* number = value.as<double>()) {
    return one_of(verb.letter, "vfFgGeE") ? float_text(*number, verb) : mistake(verb, value);
  }
  if (const auto* number = value.as<std::int64_t>()) {
    return one_of(verb.letter, "vdxXobcq") ? integer_text(*number, verb) : mistake(verb, value);
  }
  if (const auto* flag = value.as<bool>()) {
    return one_of(verb.letter, "vt") ? padded(*flag ? "true" : "false", verb, false) : mistake(verb, value);
  }
  if (const auto* span = value.as<TimeSpan>(); span != nullptr && one_of(verb.letter, "dxXob")) {
    return integer_text(span->nanoseconds, verb);
  }
  if (value.is_nil()) return one_of(verb.letter, "v") ? "<nil>" : fmt::format("%!{}(<nil>)", verb.letter);
  return one_of(verb.letter, "vsq") ? string_text(text_of(value), verb) : mistake(verb, value);
}

// Reads a width or precision at `at`; -1 if it is larger than allowed.
int read_size(std::string_view format, std::size_t& at) {
  int size = 0;
  for (; at < format.size() && promql::is_digit(format[at]); ++at) {
    if (size >= 0) size = size * 10 + (format[at] - '0');
    if (size > kMaxWidth) size = -1;
  }
  return size;
}

// Reads what stands between % and the letter; the text to write instead if it is wrong.
std::string read_flags(std::string_view format, std::size_t& at, Verb& verb) {
  for (; at < format.size() && one_of(format[at], "-+ 0#"); ++at) {
    verb.minus |= format[at] == '-';
    verb.plus |= format[at] == '+';
    verb.space |= format[at] == ' ';
    verb.zero |= format[at] == '0';
    verb.sharp |= format[at] == '#';
  }
  if (verb.minus) verb.zero = false;
  verb.width = read_size(format, at);
  if (verb.width < 0) return "%!(BADWIDTH)";
  if (at < format.size() && format[at] == '.') {
    ++at;
    verb.precision = read_size(format, at);
    if (verb.precision < 0) return "%!(BADPREC)";
  }
  return "";
}

}  // namespace

core::Result<std::string> format_text(std::string_view format, const Arguments& arguments, std::size_t first,
                                      std::size_t max_bytes) {
  std::string text;
  std::size_t next = first;
  for (std::size_t at = 0; at < format.size();) {
    if (text.size() > max_bytes) {
      return core::fail(core::Errc::kLimitExceeded, "result is longer than {} bytes", max_bytes);
    }
    if (format[at] != '%') {
      text += format[at++];
      continue;
    }
    ++at;
    Verb verb;
    if (const std::string wrong = read_flags(format, at, verb); !wrong.empty()) {
      text += wrong;
      verb.width = 0;
      verb.precision = -1;
    }
    if (at >= format.size()) {
      text += "%!(NOVERB)";
      break;
    }
    verb.letter = format[at++];
    if (verb.letter == '%') {
      text += '%';
    } else if (next >= arguments.size()) {
      text += fmt::format("%!{}(MISSING)", verb.letter);
    } else {
      text += formatted(arguments[next++], verb);
    }
  }
  if (next < arguments.size()) {
    text += "%!(EXTRA ";
    for (std::size_t i = next; i < arguments.size(); ++i) {
      if (i > next) text += ", ";
      text += fmt::format("{}={}", type_name(arguments[i]), text_of(arguments[i]));
    }
    text += ")";
  }
  return text;
}

std::string print_text(const Arguments& arguments) {
  std::string text;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const bool strings =
        arguments[i].as<std::string>() != nullptr || (i > 0 && arguments[i - 1].as<std::string>() != nullptr);
    if (i > 0 && !strings) text += ' ';
    text += arguments[i].is_nil() ? "<nil>" : text_of(arguments[i]);
  }
  return text;
}

}  // namespace rules::templates

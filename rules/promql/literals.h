// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/result.h"

namespace rules::promql {

// A string literal read from the start of a text.
struct ScannedString {
  std::size_t length = 0;  // in the text, quotes included
  std::string value;
};

// Reads the literal at the start of `text`, which begins with ", ' or `. kInvalid `unterminated quoted string`,
// `unknown escape sequence U+0063 'c'` and the like.
core::Result<ScannedString> scan_string(std::string_view text);

// The value of a literal that is the whole of `text`.
core::Result<std::string> unquote(std::string_view text);

// 1, .5, 1e3, 0x1F, 017, 1_000, Inf, nan; what the lexer has found to be a number.
core::Result<double> parse_number(std::string_view text);

// 1h30m as seconds.
core::Result<double> parse_duration_seconds(std::string_view text);

// Seconds as milliseconds, as literals are converted: to whole nanoseconds by rounding, then cut. No value past
// 2^63 ns (and for NaN).
std::optional<std::int64_t> literal_milliseconds(double seconds);

}  // namespace rules::promql

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/ring/labels.h"
#include "core/time/clock.h"
#include "rules/promql/value.h"

namespace agent {

// JSON as Prometheus's API writes it, appended to a text: the number formats are part of that API, and a large result
// is written without building a tree first.

// How <, > and & stand in a string: Prometheus's encoder escapes them everywhere but in label sets.
enum class HtmlCharacters { kAsTheyAre, kEscaped };

// A quoted JSON string. Bytes that are not UTF-8 become U+FFFD.
void append_json(std::string& out, std::string_view text, HtmlCharacters html = HtmlCharacters::kEscaped);
std::string json(std::string_view text, HtmlCharacters html = HtmlCharacters::kEscaped);

// {"name":"value",...} in the order of the labels.
void append_json(std::string& out, const core::ring::Labels& labels);

// A list of strings.
void append_json(std::string& out, std::span<const std::string> texts);

// 1435781451.781, 1.050, 12: seconds, with three decimals unless they are whole.
void append_timestamp(std::string& out, std::int64_t time_ms);

// The value of a sample: 0.5, 1e-07, 1e+21, +Inf, NaN; without quotes.
std::string sample_value_text(double value);
// The value of an alert: 1e+00, 4.2e+01, +Inf, NaN.
std::string exponent_text(double value);

// The members of "data" of a query's answer: "resultType":T,"result":R.
void append_query_result(std::string& out, const rules::promql::Value& value);

// "2026-01-02T03:04:05.678Z" in quotes; Go's zero time for an unset one.
std::string json_time(core::WallTime time);
inline constexpr std::string_view kJsonZeroTime = "\"0001-01-01T00:00:00Z\"";

// Seconds as a plain JSON number.
std::string json_seconds(core::Duration duration);

}  // namespace agent

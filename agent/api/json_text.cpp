// SPDX-License-Identifier: Apache-2.0
#include "agent/api/json_text.h"

#include <array>
#include <charconv>
#include <cmath>

#include "core/time/duration.h"

namespace agent {
namespace {

using rules::promql::Matrix;
using rules::promql::Scalar;
using rules::promql::StringValue;
using rules::promql::Vector;

constexpr std::string_view kHex = "0123456789abcdef";

// The length of the UTF-8 sequence that starts `text`; 0 if it is not one. Label values are checked when they come in,
// but error messages quote outside bytes.
std::size_t sequence_length(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  const std::size_t length = first < 0x80   ? 1
                             : first < 0xc2 ? 0
                             : first < 0xe0 ? 2
                             : first < 0xf0 ? 3
                             : first < 0xf5 ? 4
                                            : 0;
  return length > 0 && length <= text.size() && core::ring::is_valid_utf8(text.substr(0, length)) ? length : 0;
}

void append_ascii(std::string& out, char c, HtmlCharacters html) {
  const bool html_character = c == '<' || c == '>' || c == '&';
  if (c == '"' || c == '\\') {
    out += '\\';
    out += c;
  } else if (c == '\n') {
    out += "\\n";
  } else if (c == '\r') {
    out += "\\r";
  } else if (c == '\t') {
    out += "\\t";
  } else if (static_cast<unsigned char>(c) < 0x20 || (html_character && html == HtmlCharacters::kEscaped)) {
    out += "\\u00";
    out += kHex[static_cast<unsigned char>(c) >> 4U];
    out += kHex[static_cast<unsigned char>(c) & 15U];
  } else {
    out += c;
  }
}

std::string special_number(double value) { return std::isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf"; }

std::string number_text(double value, std::chars_format format) {
  if (!std::isfinite(value)) return special_number(value);
  std::array<char, 400> digits{};  // the longest plain double has 309 digits before the point
  const auto written = std::to_chars(digits.data(), digits.data() + digits.size(), value, format);
  return {digits.data(), written.ptr};
}

void append_sample(std::string& out, const rules::promql::Sample& sample) {
  out += '[';
  append_timestamp(out, sample.time_ms);
  out += ",\"";
  out += sample_value_text(sample.value);
  out += "\"]";
}

// Scalars and strings take Go's ordinary number path: 1.05, not 1.050.
void append_plain_timestamp(std::string& out, std::int64_t time_ms) {
  out += number_text(static_cast<double>(time_ms) / 1000, std::chars_format::fixed);
}

void append_value(std::string& out, const Scalar& scalar) {
  out += "\"resultType\":\"scalar\",\"result\":[";
  append_plain_timestamp(out, scalar.time_ms);
  out += ",\"" + number_text(scalar.value, std::chars_format::fixed) + "\"]";
}

void append_value(std::string& out, const StringValue& string) {
  out += "\"resultType\":\"string\",\"result\":[";
  append_plain_timestamp(out, string.time_ms);
  out += ',';
  append_json(out, string.text);
  out += ']';
}

void append_value(std::string& out, const Vector& vector) {
  out += "\"resultType\":\"vector\",\"result\":[";
  for (bool first = true; const auto& element : vector) {
    out += first ? "{\"metric\":" : ",{\"metric\":";
    first = false;
    append_json(out, element.labels);
    out += ",\"value\":";
    append_sample(out, element.sample);
    out += '}';
  }
  out += ']';
}

void append_value(std::string& out, const Matrix& matrix) {
  out += "\"resultType\":\"matrix\",\"result\":[";
  for (bool first_series = true; const auto& series : matrix) {
    out += first_series ? "{\"metric\":" : ",{\"metric\":";
    first_series = false;
    append_json(out, series.labels);
    out += ",\"values\":[";
    for (bool first = true; const auto& sample : series.samples) {
      if (!first) out += ',';
      first = false;
      append_sample(out, sample);
    }
    out += "]}";
  }
  out += ']';
}

}  // namespace

void append_json(std::string& out, std::string_view text, HtmlCharacters html) {
  out += '"';
  while (!text.empty()) {
    const std::size_t length = sequence_length(text);
    if (length == 0) {
      out += "\\ufffd";
    } else if (length == 1) {
      append_ascii(out, text[0], html);
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  out += '"';
}

std::string json(std::string_view text, HtmlCharacters html) {
  std::string out;
  append_json(out, text, html);
  return out;
}

void append_json(std::string& out, const core::ring::Labels& labels) {
  out += '{';
  for (bool first = true; const auto& label : labels) {
    if (!first) out += ',';
    first = false;
    append_json(out, label.name, HtmlCharacters::kAsTheyAre);
    out += ':';
    append_json(out, label.value, HtmlCharacters::kAsTheyAre);
  }
  out += '}';
}

void append_json(std::string& out, std::span<const std::string> texts) {
  out += '[';
  for (bool first = true; const std::string& text : texts) {
    if (!first) out += ',';
    first = false;
    append_json(out, text);
  }
  out += ']';
}

void append_timestamp(std::string& out, std::int64_t time_ms) {
  const std::uint64_t magnitude =
      time_ms < 0 ? 0 - static_cast<std::uint64_t>(time_ms) : static_cast<std::uint64_t>(time_ms);
  if (time_ms < 0) out += '-';
  out += std::to_string(magnitude / 1000);
  const std::uint64_t fraction = magnitude % 1000;
  if (fraction == 0) return;
  out += '.';
  for (const std::uint64_t digit : {fraction / 100, fraction / 10 % 10, fraction % 10}) {
    out += static_cast<char>('0' + digit);
  }
}

std::string sample_value_text(double value) {
  const double magnitude = std::fabs(value);
  const bool exponent = magnitude != 0 && (magnitude < 1e-6 || magnitude >= 1e21);
  return number_text(value, exponent ? std::chars_format::scientific : std::chars_format::fixed);
}

std::string exponent_text(double value) { return number_text(value, std::chars_format::scientific); }

void append_query_result(std::string& out, const rules::promql::Value& value) {
  std::visit([&out](const auto& each) { append_value(out, each); }, value);
}

std::string json_time(core::WallTime time) { return '"' + core::format_rfc3339(time) + '"'; }

std::string json_seconds(core::Duration duration) {
  return number_text(std::chrono::duration<double>(duration).count(), std::chars_format::fixed);
}

}  // namespace agent

// SPDX-License-Identifier: Apache-2.0
#include "collector/exposition/series_text.h"

#include "collector/exposition/lexer.h"
#include "collector/exposition/number.h"

namespace collector::exposition {
namespace {

// `known` escapes lose their backslash (\n becomes a line feed); the rest stays as two bytes.
std::string decode(std::string_view text, std::string_view known) {
  if (text.find('\\') == std::string_view::npos) return std::string(text);
  std::string result;
  result.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size() && known.find(text[i + 1]) != std::string_view::npos) {
      ++i;
      result += text[i] == 'n' ? '\n' : text[i];
    } else {
      result += text[i];
    }
  }
  return result;
}

std::string unquote(std::string_view quoted) { return decode(quoted.substr(1, quoted.size() - 2), "\\\"n"); }

bool holds_bound(MetricType type, std::string_view label) {
  return (type == MetricType::kHistogram && label == "le") || (type == MetricType::kSummary && label == "quantile");
}

}  // namespace

std::string decode_help(std::string_view text, Format format) {
  return decode(text, format == Format::kOpenMetrics ? "\\\"n" : "\\n");
}

void decode_series(std::string_view series, MetricType type, std::vector<core::ring::Label>& out) {
  out.clear();
  // The name's place is first wherever it was written.
  out.push_back({std::string(core::ring::kMetricName), ""});
  Lexer lexer(series, Format::kPrometheusText);
  Token token = lexer.next();
  if (token == Token::kName) {
    // From the line's start: blanks before a name are part of it.
    out.front().value = series.substr(0, lexer.end());
    token = lexer.next();
  }
  if (token != Token::kBraceOpen) return;
  token = lexer.next();
  while (token == Token::kLabelName || token == Token::kQuoted) {
    std::string name = token == Token::kQuoted ? unquote(lexer.text()) : std::string(lexer.text());
    token = lexer.next();
    if (token == Token::kEqual) {
      lexer.next();
      std::string value = unquote(lexer.text());
      if (holds_bound(type, name)) {
        if (const auto bound = parse_value(value)) value = format_label_float(*bound);
      }
      out.push_back({std::move(name), std::move(value)});
      token = lexer.next();
    } else {
      out.front().value = std::move(name);
    }
    if (token == Token::kComma) token = lexer.next();
  }
}

}  // namespace collector::exposition

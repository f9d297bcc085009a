// SPDX-License-Identifier: Apache-2.0
#include "collector/exposition/parser.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "collector/exposition/excerpt.h"
#include "collector/exposition/number.h"
#include "core/ring/labels.h"

namespace collector::exposition {
namespace {

struct TypeName {
  MetricType type;
  std::string_view name;
  bool in_text;
  bool in_open_metrics;
};

constexpr std::array<TypeName, 9> kTypes = {{
    {MetricType::kCounter, "counter", true, true},
    {MetricType::kGauge, "gauge", true, true},
    {MetricType::kHistogram, "histogram", true, true},
    {MetricType::kSummary, "summary", true, true},
    {MetricType::kUnknown, "untyped", true, false},
    {MetricType::kUnknown, "unknown", false, true},
    {MetricType::kGaugeHistogram, "gaugehistogram", false, true},
    {MetricType::kInfo, "info", false, true},
    {MetricType::kStateset, "stateset", false, true},
}};

// As Go's %f prints what is not a finite number.
std::string_view name_of_special(double value) {
  if (std::isnan(value)) return "NaN";
  return value > 0 ? "+Inf" : "-Inf";
}

// Go's conversion of a float to int64, which truncates, made safe for numbers that do not fit.
std::int64_t to_ms(double seconds) {
  const double ms = seconds * 1000;
  constexpr double kLimit = 9.2e18;
  if (ms >= kLimit) return std::numeric_limits<std::int64_t>::max();
  if (ms <= -kLimit) return std::numeric_limits<std::int64_t>::min();
  return static_cast<std::int64_t>(ms);
}

}  // namespace

std::string_view to_string(MetricType type) {
  for (const TypeName& each : kTypes) {
    if (each.type == type && each.in_open_metrics) return each.name;
  }
  return "unknown";
}

std::size_t Parser::line() const {
  const std::string_view before = body_.substr(0, entry_start_);
  return static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n')) + 1;
}

bool Parser::fail(std::string message) {
  last_ = Entry::kInvalid;
  error_ = {core::Errc::kInvalid, fmt::format("{} (line {})", message, line())};
  return false;
}

std::string Parser::seen() const { return quote_excerpt(lexer_.slice(entry_start_, lexer_.end())); }

bool Parser::fail_seen(std::string message) { return fail(fmt::format("{} while parsing: {}", message, seen())); }

bool Parser::fail_token(std::string_view expected, Token got) {
  const std::size_t end = std::min(lexer_.end() + 1, lexer_.size());
  return fail(fmt::format("{}, got {} (\"{}\") while parsing: {}", expected,
                          quote_excerpt(lexer_.slice(lexer_.start(), end)), to_string(got),
                          quote_excerpt(lexer_.slice(entry_start_, end))));
}

Entry Parser::next() {
  if (last_ == Entry::kEnd || last_ == Entry::kInvalid) return last_;
  for (;;) {
    entry_start_ = lexer_.end();
    const Token token = lexer_.next();
    switch (token) {
      case Token::kLinebreak:
        if (format_ == Format::kPrometheusText) continue;
        break;
      case Token::kEof:
        if (format_ == Format::kOpenMetrics) {
          fail("data does not end with # EOF");
          return last_;
        }
        return last_ = Entry::kEnd;
      case Token::kEofWord:
        if (lexer_.next() != Token::kEof) {
          fail("unexpected data after # EOF");
          return last_;
        }
        return last_ = Entry::kEnd;
      case Token::kComment:
        // The line feed that follows is read as a blank line.
        return last_ = Entry::kComment;
      case Token::kHelp:
      case Token::kType:
      case Token::kUnit:
        return last_ = metadata(token);
      case Token::kName:
      case Token::kBraceOpen:
        return last_ = sample(token);
      default:
        break;
    }
    fail_token("expected a valid start token", token);
    return last_;
  }
}

Entry Parser::metadata(Token kind) {
  if (const Token name = lexer_.next(); name != Token::kName) {
    fail_token(fmt::format("expected metric name after {}", to_string(kind)), name);
    return Entry::kInvalid;
  }
  family_ = lexer_.text();
  if (family_.front() == '"') family_ = family_.substr(1, family_.size() - 2);
  if (lexer_.next() != Token::kText) {
    fail(fmt::format("expected text in {}", to_string(kind)));
    return Entry::kInvalid;
  }
  text_ = lexer_.text();
  if (!text_.empty()) text_.remove_prefix(1);
  if (format_ == Format::kOpenMetrics && !text_.empty()) text_.remove_suffix(1);
  switch (kind) {
    case Token::kHelp:
      return help_text();
    case Token::kType:
      return type_text();
    default:
      return unit_text();
  }
}

Entry Parser::help_text() {
  if (!core::ring::is_valid_utf8(text_)) {
    fail(fmt::format("help text {} is not a valid utf8 string", quote_excerpt(text_)));
    return Entry::kInvalid;
  }
  return Entry::kHelp;
}

Entry Parser::type_text() {
  const bool text_format = format_ == Format::kPrometheusText;
  for (const TypeName& each : kTypes) {
    if (each.name == text_ && (text_format ? each.in_text : each.in_open_metrics)) {
      type_ = each.type;
      return Entry::kType;
    }
  }
  if (sloppy_) {
    ++tolerated_;
    type_ = sloppy_type();
    return Entry::kType;
  }
  fail(fmt::format("invalid metric type {}", quote_excerpt(text_)));
  return Entry::kInvalid;
}

// The first word, if either format knows it.
MetricType Parser::sloppy_type() const {
  constexpr std::string_view kBlanks = " \t\r";
  const std::size_t first = std::min(text_.find_first_not_of(kBlanks), text_.size());
  const std::string_view rest = text_.substr(first);
  const std::string_view word = rest.substr(0, rest.find_first_of(kBlanks));
  for (const TypeName& each : kTypes) {
    if (each.name == word) return each.type;
  }
  return MetricType::kUnknown;
}

Entry Parser::unit_text() {
  const bool suffix =
      family_.ends_with(text_) && family_.size() > text_.size() && family_[family_.size() - text_.size() - 1] == '_';
  if (!text_.empty() && !suffix) {
    fail(fmt::format("unit {} not a suffix of metric {}", quote_excerpt(text_), quote_excerpt(family_)));
    return Entry::kInvalid;
  }
  return Entry::kUnit;
}

Entry Parser::sample(Token first) {
  has_name_ = first == Token::kName;
  labels_ = 0;
  std::size_t series_end = lexer_.end();
  Token token = first == Token::kName ? lexer_.next() : first;
  if (token == Token::kBraceOpen) {
    if (!label_pairs(false)) return Entry::kInvalid;
    series_end = lexer_.end();
    token = lexer_.next();
  }
  series_ = body_.substr(entry_start_, series_end - entry_start_);
  if (series_.size() > kSeriesBytesMax) {
    fail(fmt::format("series text of {} bytes, more than {}", series_.size(), kSeriesBytesMax));
    return Entry::kInvalid;
  }
  if (!has_name_) {
    fail_seen("metric name not set");
    return Entry::kInvalid;
  }
  timestamp_ms_.reset();
  const bool whole = number(token, "metric", value_) &&
                     (format_ == Format::kPrometheusText ? end_of_text_line() : end_of_open_metrics_line());
  return whole ? Entry::kSample : Entry::kInvalid;
}

// After the opening brace, up to and with the closing one. The text format needs no comma between pairs; a lone quoted
// string is the metric's name wherever it stands.
bool Parser::label_pairs(bool in_exemplar) {
  labels_ += lexer_.skip_plain_pairs(kLabelsPerSeriesMax - labels_);
  for (Token token = lexer_.next(); token != Token::kBraceClose;) {
    if (token != Token::kLabelName && token != Token::kQuoted) return fail_token("expected label name", token);
    const bool is_quoted = token == Token::kQuoted;
    token = lexer_.next();
    if (is_quoted && !in_exemplar && (token == Token::kComma || token == Token::kBraceClose)) {
      if (has_name_) return fail_seen("metric name already set");
      has_name_ = true;
      if (token == Token::kComma) token = lexer_.next();
      continue;
    }
    if (token != Token::kEqual) return fail_token("expected equal", token);
    if (token = lexer_.next(); token != Token::kLabelValue) return fail_token("expected label value", token);
    if (!core::ring::is_valid_utf8(lexer_.text())) {
      return fail(fmt::format("invalid UTF-8 label value: {}", quote_excerpt(lexer_.text())));
    }
    if (++labels_ > kLabelsPerSeriesMax) return fail(fmt::format("more than {} labels", kLabelsPerSeriesMax));
    token = lexer_.next();
    if (token == Token::kComma) {
      token = lexer_.next();
    } else if (format_ == Format::kOpenMetrics && token != Token::kBraceClose) {
      return fail_token("expected comma or brace close", token);
    }
  }
  return true;
}

bool Parser::number(Token token, std::string_view after, double& value) {
  if (token != Token::kValue) return fail_token(fmt::format("expected value after {}", after), token);
  const core::Result<double> parsed = parse_value(number_text());
  if (!parsed) return fail_seen(parsed.error().message);
  value = *parsed;
  return true;
}

// OpenMetrics' mark for an exemplar, after a value or a time. What it says is not checked.
bool Parser::is_exemplar_in_text(Token token) {
  if (!sloppy_ || token != Token::kInvalid || !body_.substr(lexer_.start()).starts_with("# {")) return false;
  lexer_.skip_line();
  return true;
}

bool Parser::end_of_text_line() {
  const Token token = lexer_.next();
  if (token == Token::kLinebreak || is_exemplar_in_text(token)) return true;
  if (token != Token::kTimestamp) return fail_token("expected timestamp or new record", token);
  const core::Result<std::int64_t> time_ms = parse_timestamp_ms(number_text());
  if (!time_ms) return fail_seen(time_ms.error().message);
  timestamp_ms_ = *time_ms;
  if (const Token end = lexer_.next(); end != Token::kLinebreak && !is_exemplar_in_text(end)) {
    return fail_token("expected next entry after timestamp", end);
  }
  return true;
}

bool Parser::seconds(std::string_view what, double& seconds) {
  const core::Result<double> parsed = parse_value(number_text());
  if (!parsed) return fail_seen(parsed.error().message);
  if (!std::isfinite(*parsed)) return fail(fmt::format("invalid {} {}", what, name_of_special(*parsed)));
  seconds = *parsed;
  return true;
}

bool Parser::end_of_open_metrics_line() {
  Token token = lexer_.next();
  const bool has_time = token == Token::kTimestamp;
  if (has_time) {
    double time = 0;
    if (!seconds("timestamp", time)) return false;
    timestamp_ms_ = to_ms(time);
    token = lexer_.next();
  }
  if (token == Token::kLinebreak) return true;
  if (token == Token::kComment) return exemplar();
  if (token == Token::kEof && !has_time) return fail("data does not end with # EOF");
  return fail_token(has_time ? "expected next entry after timestamp" : "expected timestamp or # symbol", token);
}

// Checked like the rest of the line, and not kept: exemplars have no place in the ring.
bool Parser::exemplar() {
  double value = 0;
  if (!label_pairs(true) || !number(lexer_.next(), "exemplar labels", value)) return false;
  Token token = lexer_.next();
  if (token == Token::kEof) return fail("data does not end with # EOF");
  if (token == Token::kLinebreak) return true;
  if (token != Token::kTimestamp) return fail_token("expected timestamp or comment", token);
  double time = 0;
  if (!seconds("exemplar timestamp", time)) return false;
  token = lexer_.next();
  return token == Token::kLinebreak || fail_token("expected next entry after exemplar timestamp", token);
}

}  // namespace collector::exposition

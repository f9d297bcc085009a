// SPDX-License-Identifier: Apache-2.0
#include "rules/promql/series_notation.h"

#include <charconv>
#include <limits>

#include "core/ring/sample.h"
#include "rules/promql/characters.h"
#include "rules/promql/literals.h"
#include "rules/promql/parser.h"

namespace rules::promql {
namespace {

using core::Errc;
using core::fail;
using Values = std::vector<std::optional<double>>;

// Reads the items after the metric; `text` is the whole description, for the positions in messages.
class ValueReader {
 public:
  ValueReader(std::string_view text, std::size_t start) : text_(text), at_(start) {}

  core::Result<Values> read() {
    skip_spaces();
    if (at_end()) return wrong(at_, "expected at least one value");
    while (!at_end()) {
      if (auto done = item(); !done) return fail(done.error());
      if (!at_end() && !is_space(text_[at_])) {
        return wrong(at_, "unexpected character in series sequence: " + quote_rune(rune_at(text_, at_)));
      }
      skip_spaces();
    }
    return std::move(values_);
  }

 private:
  bool at_end() const { return at_ >= text_.size(); }
  char peek() const { return at_end() ? '\0' : text_[at_]; }
  void skip_spaces() {
    while (!at_end() && is_space(text_[at_])) ++at_;
  }

  tl::unexpected<core::Error> wrong(std::size_t offset, std::string_view message) const {
    const Place place = place_of(text_, offset);
    return fail(Errc::kInvalid, "{}:{}: parse error: {}", place.line, place.column, message);
  }

  core::Result<void> append(std::optional<double> value) {
    if (values_.size() >= kMaxSeriesValues) {
      return fail(Errc::kLimitExceeded, "a series has more than {} values", kMaxSeriesValues);
    }
    values_.push_back(value);
    return {};
  }

  core::Result<void> item() {
    if (text_.substr(at_).starts_with("{{")) {
      const Place place = place_of(text_, at_);
      return fail(Errc::kNotSupported, "{}:{}: native histograms are not supported: {{{{...}}}}", place.line,
                  place.column);
    }
    if (peek() == '_') {
      ++at_;
      if (peek() != 'x') return append(std::nullopt);
      const auto count = repetitions();
      if (!count) return fail(count.error());
      for (std::size_t i = 0; i < *count; ++i) {
        if (auto done = append(std::nullopt); !done) return done;
      }
      return {};
    }
    return is_alpha(peek()) ? word() : numbers();
  }

  // A word is read as one: stalex3 is not stale three times.
  core::Result<void> word() {
    const std::size_t start = at_;
    while (!at_end() && is_alphanumeric(text_[at_])) ++at_;
    const std::string_view name = text_.substr(start, at_ - start);
    if (name == "stale") return append(core::ring::stale_marker());
    const auto number = classify_word_number(name);
    if (!number) {
      return wrong(start, fmt::format("unexpected identifier {} in series values, expected number or \"stale\"",
                                      core::ring::go_quote(name)));
    }
    return sequence(*number);
  }

  static std::optional<double> classify_word_number(std::string_view name) {
    const auto equals = [&](std::string_view lower) {
      if (name.size() != lower.size()) return false;
      for (std::size_t i = 0; i < name.size(); ++i) {
        if ((name[i] | 0x20) != lower[i]) return false;
      }
      return true;
    };
    if (equals("inf")) return std::numeric_limits<double>::infinity();
    if (equals("nan")) return core::ring::normal_nan();
    return std::nullopt;
  }

  // a, axN, a+bxN or a-bxN.
  core::Result<void> numbers() {
    const auto first = signed_number();
    if (!first) return fail(first.error());
    return sequence(*first);
  }

  core::Result<void> sequence(double value) {
    double step = 0;
    bool stepped = false;
    if (peek() == '+' || peek() == '-') {
      const auto read = signed_number();
      if (!read) return fail(read.error());
      step = *read;
      stepped = true;
    }
    std::size_t more = 0;
    if (peek() == 'x') {
      const auto count = repetitions();
      if (!count) return fail(count.error());
      more = *count;
    } else if (stepped) {
      return wrong(at_, "expected \"x\" and a number of repetitions after the step of a series");
    }
    for (std::size_t i = 0; i <= more; ++i) {
      if (auto done = append(value); !done) return done;
      // By repeated addition, as Prometheus does, so that rounding is the same.
      if (stepped) value += step;
    }
    return {};
  }

  core::Result<double> signed_number() {
    const bool negative = peek() == '-';
    if (negative || peek() == '+') ++at_;
    const std::size_t start = at_;
    if (is_alpha(peek())) {
      while (!at_end() && is_alpha(text_[at_]) && text_[at_] != 'x') ++at_;
      const auto number = classify_word_number(text_.substr(start, at_ - start));
      if (!number) return wrong(start, "expected a number in series values");
      return negative ? -*number : *number;
    }
    while (!at_end() && (is_digit(text_[at_]) || text_[at_] == '.')) ++at_;
    if (at_ == start) {
      const std::string_view found = text_.substr(at_, rune_at(text_, at_).bytes);
      return wrong(at_, fmt::format("unexpected {} in series values, expected number or \"stale\"",
                                    found.empty() ? "end of input" : core::ring::go_quote(found)));
    }
    if (peek() == 'e' || peek() == 'E') {
      ++at_;
      if (peek() == '+' || peek() == '-') ++at_;
      while (!at_end() && is_digit(text_[at_])) ++at_;
    }
    const auto number = parse_number(text_.substr(start, at_ - start));
    if (!number) return wrong(start, number.error().message);
    return negative ? -*number : *number;
  }

  // The N of xN.
  core::Result<std::size_t> repetitions() {
    ++at_;
    const std::size_t start = at_;
    while (!at_end() && is_digit(text_[at_])) ++at_;
    const std::string_view digits = text_.substr(start, at_ - start);
    std::size_t count = 0;
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), count);
    if (digits.empty() || read.ec != std::errc()) {
      return wrong(start, fmt::format("invalid repetition in series values: {}", core::ring::go_quote(digits)));
    }
    if (count > kMaxSeriesValues) {
      return fail(Errc::kLimitExceeded, "a series has more than {} values", kMaxSeriesValues);
    }
    return count;
  }

  std::string_view text_;
  std::size_t at_;
  Values values_;
};

// Where the metric at the start of `text` ends: at the first space outside braces and quotes.
std::size_t end_of_metric(std::string_view text) {
  std::size_t at = 0;
  bool braces = false;
  while (at < text.size()) {
    const char c = text[at];
    if (c == '"' || c == '\'' || c == '`') {
      const auto quoted = scan_string(text.substr(at));
      if (!quoted) return text.size();  // the metric's parser says what is wrong
      at += quoted->length;
      continue;
    }
    if (c == '{') braces = true;
    if (c == '}') return at + 1;
    if (is_space(c) && !braces) {
      std::size_t next = at;
      while (next < text.size() && is_space(text[next])) ++next;
      const std::string_view rest = text.substr(next);
      if (at > 0 && (!rest.starts_with("{") || rest.starts_with("{{"))) return at;
      at = next;
      continue;
    }
    ++at;
  }
  return at;
}

}  // namespace

core::Result<SeriesDescription> parse_series_description(std::string_view text) {
  const std::size_t end = end_of_metric(text);
  auto labels = parse_metric(text.substr(0, end));
  if (!labels) return fail(labels.error());
  auto values = ValueReader(text, end).read();
  if (!values) return fail(values.error());
  return SeriesDescription{std::move(*labels), std::move(*values)};
}

core::Result<std::vector<std::optional<double>>> parse_series_values(std::string_view text) {
  return ValueReader(text, 0).read();
}

}  // namespace rules::promql

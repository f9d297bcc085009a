// SPDX-License-Identifier: Apache-2.0
#include "core/ring/matcher.h"

#include <re2/re2.h>

#include <algorithm>

namespace core::ring {
namespace {

// Bytes of compiled program a single expression may take: a label matcher has no business being larger, and RE2 refuses
// the rest cleanly.
constexpr std::int64_t kRegexMemoryMax = 8 << 20;

struct RegexReason {
  re2::RE2::ErrorCode code;
  std::string_view words;
};

// RE2's codes in the words of Go's regexp/syntax, which users of Prometheus know.
constexpr RegexReason kReasons[] = {
    {re2::RE2::ErrorMissingParen, "missing closing )"},
    {re2::RE2::ErrorUnexpectedParen, "unexpected )"},
    {re2::RE2::ErrorMissingBracket, "missing closing ]"},
    {re2::RE2::ErrorRepeatArgument, "missing argument to repetition operator"},
    {re2::RE2::ErrorRepeatSize, "invalid repeat count"},
    {re2::RE2::ErrorRepeatOp, "invalid nested repetition operator"},
    {re2::RE2::ErrorBadEscape, "invalid escape sequence"},
    {re2::RE2::ErrorBadCharClass, "invalid character class"},
    {re2::RE2::ErrorBadCharRange, "invalid character class range"},
    {re2::RE2::ErrorTrailingBackslash, "trailing backslash at end of expression"},
    {re2::RE2::ErrorBadPerlOp, "invalid or unsupported Perl syntax"},
    {re2::RE2::ErrorBadUTF8, "invalid UTF-8"},
    {re2::RE2::ErrorBadNamedCapture, "invalid named capture"},
    {re2::RE2::ErrorPatternTooLarge, "expression too large"},
};

std::string describe_failure(const re2::RE2& regex, const std::string& pattern) {
  std::string_view words = "internal error";
  for (const RegexReason& reason : kReasons) {
    if (reason.code == regex.error_code()) words = reason.words;
  }
  // For unbalanced parentheses the culprit is the whole (wrapped) pattern.
  const bool whole =
      regex.error_code() == re2::RE2::ErrorMissingParen || regex.error_code() == re2::RE2::ErrorUnexpectedParen;
  return fmt::format("error parsing regexp: {}: `{}`", words, whole ? pattern : regex.error_arg());
}

// Characters that stand for themselves in every place of an expression.
bool is_literal(char c) {
  constexpr std::string_view kOthers = "_-/:@%,;=<>!~#&'\" ";
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
         kOthers.find(c) != std::string_view::npos;
}

bool all_literal(std::string_view text) { return std::all_of(text.begin(), text.end(), is_literal); }

// Most regular matchers in rules are a list of texts, `a|b|c`, or a prefix with anything after it, `a.*` and `a.+`:
// those are compared as they stand, since compiling an expression takes longer than parsing the query around it. The
// two are told apart by their end: a literal has no dot.
bool is_prefix_expression(std::string_view expression) {
  return expression.ends_with(".*") || expression.ends_with(".+");
}

bool is_simple(std::string_view expression) {
  // Past this many texts an automaton is faster.
  constexpr std::ptrdiff_t kMostBars = 15;
  if (is_prefix_expression(expression)) return all_literal(expression.substr(0, expression.size() - 2));
  if (std::count(expression.begin(), expression.end(), '|') > kMostBars) return false;
  return std::all_of(expression.begin(), expression.end(), [](char c) { return c == '|' || is_literal(c); });
}

// REQUIRES: the expression is simple.
bool simple_accepts(std::string_view expression, std::string_view text) {
  if (is_prefix_expression(expression)) {
    const std::string_view prefix = expression.substr(0, expression.size() - 2);
    return text.starts_with(prefix) && (expression.back() == '*' || text.size() > prefix.size());
  }
  for (;;) {
    const std::size_t bar = expression.find('|');
    if (expression.substr(0, bar) == text) return true;
    if (bar == std::string_view::npos) return false;
    expression.remove_prefix(bar + 1);
  }
}

// `regex` is null for a simple expression.
bool accepts(const re2::RE2* regex, std::string_view expression, std::string_view text) {
  if (regex == nullptr) return simple_accepts(expression, text);
  return re2::RE2::FullMatch(re2::StringPiece(text.data(), text.size()), *regex);
}

}  // namespace

std::string_view to_string(MatchType type) {
  switch (type) {
    case MatchType::kEqual:
      return "=";
    case MatchType::kNotEqual:
      return "!=";
    case MatchType::kRegexMatch:
      return "=~";
    case MatchType::kRegexNotMatch:
      return "!~";
  }
  return "";
}

Matcher::Matcher(MatchType type, std::string name, std::string value)
    : type_(type), name_(std::move(name)), value_(std::move(value)) {}

Result<Matcher> Matcher::make(MatchType type, std::string name, std::string value) {
  Matcher matcher(type, std::move(name), std::move(value));
  if (type == MatchType::kRegexMatch || type == MatchType::kRegexNotMatch) {
    if (is_simple(matcher.value_)) return matcher;
    re2::RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(kRegexMemoryMax);
    const std::string pattern = "^(?s:" + matcher.value_ + ")$";
    auto regex = std::make_shared<const re2::RE2>(pattern, options);
    if (!regex->ok()) return fail(Errc::kInvalid, "{}", describe_failure(*regex, pattern));
    matcher.regex_ = std::move(regex);
  }
  return matcher;
}

Matcher Matcher::equal(std::string name, std::string value) {
  return Matcher(MatchType::kEqual, std::move(name), std::move(value));
}

bool Matcher::matches(std::string_view label_value) const {
  switch (type_) {
    case MatchType::kEqual:
      return label_value == value_;
    case MatchType::kNotEqual:
      return label_value != value_;
    case MatchType::kRegexMatch:
      return accepts(regex_.get(), value_, label_value);
    case MatchType::kRegexNotMatch:
      return !accepts(regex_.get(), value_, label_value);
  }
  return false;
}

std::string Matcher::to_string() const {
  const std::string name = is_plain_label_name(name_) ? name_ : go_quote(name_);
  return fmt::format("{}{}{}", name, core::ring::to_string(type_), go_quote(value_));
}

}  // namespace core::ring

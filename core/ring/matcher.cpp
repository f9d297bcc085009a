// SPDX-License-Identifier: Apache-2.0
#include "core/ring/matcher.h"

#include <re2/re2.h>

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
      return re2::RE2::FullMatch(re2::StringPiece(label_value.data(), label_value.size()), *regex_);
    case MatchType::kRegexNotMatch:
      return !re2::RE2::FullMatch(re2::StringPiece(label_value.data(), label_value.size()), *regex_);
  }
  return false;
}

std::string Matcher::to_string() const {
  const std::string name = is_plain_label_name(name_) ? name_ : go_quote(name_);
  return fmt::format("{}{}{}", name, core::ring::to_string(type_), go_quote(value_));
}

}  // namespace core::ring

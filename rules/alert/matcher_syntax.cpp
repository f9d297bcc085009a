// SPDX-License-Identifier: Apache-2.0
#include "rules/alert/matcher_syntax.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <tuple>

#include "core/ring/labels.h"

namespace rules {
namespace {

using core::Errc;
using core::fail;
using core::Result;
using core::ring::Matcher;
using core::ring::MatchType;

using Matchers = std::vector<Matcher>;

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

// Takes an operator off the front of `text`.
std::optional<MatchType> take_operator(std::string_view& text) {
  // Two characters before one: "=~" also begins with "=".
  for (const MatchType type :
       {MatchType::kRegexMatch, MatchType::kRegexNotMatch, MatchType::kNotEqual, MatchType::kEqual}) {
    const std::string_view name = core::ring::to_string(type);
    if (!text.starts_with(name)) continue;
    text.remove_prefix(name.size());
    return type;
  }
  return std::nullopt;
}

Result<Matcher> make(MatchType type, std::string_view name, std::string value) {
  Result<Matcher> matcher = Matcher::make(type, std::string(name), std::move(value));
  if (!matcher) return fail(matcher.error().with_context("failed to create matcher"));
  return matcher;
}

// --- The classic grammar (Alertmanager pkg/labels/parse.go): a name, an operator, the rest is the value.

// The value with \" \n \\ resolved; any other backslash stands for itself.
Result<std::string> classic_value(std::string_view raw) {
  if (!core::ring::is_valid_utf8(raw)) return fail(Errc::kInvalid, "matcher value not valid UTF-8: {}", raw);
  const bool opened = raw.starts_with('"');
  std::string_view rest = opened ? raw.substr(1) : raw;
  std::string value;
  bool closed = false;
  while (!rest.empty()) {
    const char c = rest.front();
    rest.remove_prefix(1);
    if (c == '\\' && !rest.empty() && (rest.front() == '"' || rest.front() == 'n' || rest.front() == '\\')) {
      value += rest.front() == 'n' ? '\n' : rest.front();
      rest.remove_prefix(1);
    } else if (c == '"') {
      closed = opened && rest.empty();
      if (!closed) return fail(Errc::kInvalid, "matcher value contains unescaped double quote: {}", raw);
    } else {
      value += c;
    }
  }
  if (opened && !closed) return fail(Errc::kInvalid, "matcher value contains unescaped double quote: {}", raw);
  return value;
}

Result<Matcher> classic_matcher(std::string_view piece) {
  std::string_view rest = trimmed(piece);
  const std::size_t name_end = std::min(rest.find_first_of("=!"), rest.size());
  const std::string_view name = trimmed(rest.substr(0, name_end));
  rest.remove_prefix(name_end);
  const std::optional<MatchType> type = take_operator(rest);
  if (!type || !core::ring::is_plain_metric_name(name)) {
    return fail(Errc::kInvalid, "bad matcher format: {}", piece);
  }
  Result<std::string> value = classic_value(trimmed(rest));
  if (!value) return fail(value.error());
  return make(*type, name, std::move(*value));
}

// Cuts at commas that are not between double quotes; a backslash hides the quote after it.
std::vector<std::string_view> split_at_commas(std::string_view text) {
  std::vector<std::string_view> pieces;
  bool quoted = false;
  std::size_t start = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      quoted = !quoted;
    } else if (text[i] == ',' && !quoted) {
      pieces.push_back(text.substr(start, i - start));
      start = i + 1;
    }
  }
  // A trailing comma is fine.
  if (!trimmed(text.substr(start)).empty()) pieces.push_back(text.substr(start));
  return pieces;
}

Result<Matchers> parse_classic(std::string_view text) {
  text = trimmed(text);
  if (text.starts_with('{')) text.remove_prefix(1);
  if (text.ends_with('}')) text.remove_suffix(1);
  Matchers matchers;
  for (const std::string_view piece : split_at_commas(text)) {
    Result<Matcher> matcher = classic_matcher(piece);
    if (!matcher) return fail(matcher.error());
    matchers.push_back(std::move(*matcher));
  }
  return matchers;
}

// --- The UTF-8 grammar (Alertmanager matcher/parse): names and values are bare words or Go string literals.

void append_utf8(std::string& text, std::uint32_t point) {
  if (point < 0x80) {
    text += static_cast<char>(point);
    return;
  }
  const int continuation_bytes = point < 0x800 ? 1 : (point < 0x10000 ? 2 : 3);
  constexpr std::uint32_t kLead[] = {0, 0xc0, 0xe0, 0xf0};
  text += static_cast<char>(kLead[continuation_bytes] | (point >> (6 * continuation_bytes)));
  for (int i = continuation_bytes - 1; i >= 0; --i) text += static_cast<char>(0x80 | ((point >> (6 * i)) & 0x3f));
}

std::optional<std::uint32_t> take_digits(std::string_view& text, std::size_t count, std::uint32_t base) {
  if (text.size() < count) return std::nullopt;
  std::uint32_t value = 0;
  for (const char c : text.substr(0, count)) {
    std::uint32_t digit = base;
    if (c >= '0' && c <= '9') digit = static_cast<std::uint32_t>(c - '0');
    if (c >= 'a' && c <= 'f') digit = static_cast<std::uint32_t>(c - 'a') + 10;
    if (c >= 'A' && c <= 'F') digit = static_cast<std::uint32_t>(c - 'A') + 10;
    if (digit >= base) return std::nullopt;
    value = value * base + digit;
  }
  text.remove_prefix(count);
  return value;
}

// One escape of a Go string literal, after its backslash. False if there is no such escape.
bool take_escape(std::string_view& text, std::string& value) {
  if (text.empty()) return false;
  constexpr std::string_view kNames = "abfnrtv\\\"";
  constexpr std::string_view kBytes = "\a\b\f\n\r\t\v\\\"";
  const char kind = text.front();
  if (const std::size_t known = kNames.find(kind); known != std::string_view::npos) {
    value += kBytes[known];
    text.remove_prefix(1);
    return true;
  }
  std::optional<std::uint32_t> number;
  if (kind >= '0' && kind <= '7') {
    number = take_digits(text, 3, 8);
    if (!number || *number > 0xff) return false;
    value += static_cast<char>(*number);
    return true;
  }
  text.remove_prefix(1);
  if (kind == 'x') {
    number = take_digits(text, 2, 16);
    if (number) value += static_cast<char>(*number);
    return number.has_value();
  }
  if (kind != 'u' && kind != 'U') return false;
  number = take_digits(text, kind == 'u' ? 4 : 8, 16);
  if (!number || *number > 0x10ffff || (*number >= 0xd800 && *number <= 0xdfff)) return false;
  append_utf8(value, *number);
  return true;
}

class Utf8Grammar {
 public:
  explicit Utf8Grammar(std::string_view text) : rest_(text) {}

  Result<Matchers> parse() {
    const bool braces = take('{');
    Matchers matchers;
    while (!at_end() && rest_.front() != '}') {
      Result<Matcher> matcher = one();
      if (!matcher) return fail(matcher.error());
      matchers.push_back(std::move(*matcher));
      if (!take(',')) break;
    }
    if (take('}') != braces || !at_end()) return fail(Errc::kInvalid, "expected a comma or close brace at: {}", rest_);
    return matchers;
  }

 private:
  bool at_end() {
    rest_ = trimmed(rest_);
    return rest_.empty();
  }

  bool take(char c) {
    if (at_end() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }

  Result<Matcher> one() {
    Result<std::string> name = word("expected label name");
    if (!name) return fail(name.error());
    at_end();
    const std::optional<MatchType> type = take_operator(rest_);
    if (!type) return fail(Errc::kInvalid, "expected an operator such as '=', '!=', '=~' or '!~'");
    Result<std::string> value = word("expected label value");
    if (!value) return fail(value.error());
    return make(*type, *name, std::move(*value));
  }

  Result<std::string> word(std::string_view expected) {
    if (at_end()) return fail(Errc::kInvalid, "end of input: {}", expected);
    if (rest_.front() == '"') return quoted();
    std::size_t length = 0;
    while (length < rest_.size() && !is_space(rest_[length]) &&
           std::string_view("{}!=~,\\\"'`").find(rest_[length]) == std::string_view::npos) {
      ++length;
    }
    std::string text(rest_.substr(0, length));
    if (text.empty() || !core::ring::is_valid_utf8(text)) {
      return fail(Errc::kInvalid, "unexpected {}: {}", rest_.front(), expected);
    }
    rest_.remove_prefix(length);
    return text;
  }

  Result<std::string> quoted() {
    const std::string_view whole = rest_;
    rest_.remove_prefix(1);
    std::string value;
    while (!rest_.empty() && rest_.front() != '"') {
      const char c = rest_.front();
      rest_.remove_prefix(1);
      if (c == '\n' || (c == '\\' && !take_escape(rest_, value))) {
        return fail(Errc::kInvalid, "{}: invalid input", whole);
      }
      if (c != '\\') value += c;
    }
    if (rest_.empty()) return fail(Errc::kInvalid, "{}: missing end \"", whole);
    rest_.remove_prefix(1);
    if (!core::ring::is_valid_utf8(value)) return fail(Errc::kInvalid, "{}: invalid input", whole);
    return value;
  }

  std::string_view rest_;
};

}  // namespace

Result<Matchers> parse_matchers(std::string_view text) {
  Result<Matchers> matchers = parse_classic(text);
  if (!matchers) {
    Result<Matchers> other = Utf8Grammar(text).parse();
    if (!other) return matchers;
    matchers = std::move(other);
  }
  std::sort(matchers->begin(), matchers->end(), [](const Matcher& a, const Matcher& b) {
    return std::tuple(a.name(), a.type(), a.value()) < std::tuple(b.name(), b.type(), b.value());
  });
  return matchers;
}

Result<Matcher> parse_matcher(std::string_view text) {
  const std::string_view bare = trimmed(text);
  if (bare.starts_with('{') || bare.ends_with('}')) {
    return fail(Errc::kInvalid, "unexpected open or close brace: {}", text);
  }
  Result<Matchers> matchers = parse_matchers(text);
  if (!matchers) return fail(matchers.error());
  if (matchers->empty()) return fail(Errc::kInvalid, "no matchers");
  if (matchers->size() > 1) return fail(Errc::kInvalid, "expected 1 matcher, found {}", matchers->size());
  return std::move(matchers->front());
}

}  // namespace rules

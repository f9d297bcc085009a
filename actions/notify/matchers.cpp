// SPDX-License-Identifier: Apache-2.0
#include "actions/notify/matchers.h"

#include <algorithm>
#include <tuple>

#include "rules/alert/matcher_syntax.h"

namespace actions::notify {
using core::fail;
using core::Result;
using core::ring::MatchType;

Result<LabelMatcher> LabelMatcher::make(MatchType type, std::string name, std::string value) {
  const bool regex = type == MatchType::kRegexMatch || type == MatchType::kRegexNotMatch;
  // core::ring lets `.` match a newline, as PromQL does; the flag takes that back.
  auto matcher = core::ring::Matcher::make(type, std::move(name), regex ? "(?-s:" + value + ")" : value);
  if (!matcher) return fail(matcher.error());
  return LabelMatcher(std::move(*matcher), std::move(value));
}

std::string LabelMatcher::to_string() const {
  const std::string op(core::ring::to_string(type()));
  if (!core::ring::is_plain_label_name(name())) {
    return core::ring::go_quote(name()) + op + core::ring::go_quote(value_);
  }
  std::string escaped;
  for (const char c : value_) {
    if (c == '\\' || c == '"') escaped += '\\';
    if (c == '\n') {
      escaped += "\\n";
    } else {
      escaped += c;
    }
  }
  return name() + op + "\"" + escaped + "\"";
}

bool matches(const LabelMatchers& matchers, const core::ring::Labels& labels) {
  return std::all_of(matchers.begin(), matchers.end(),
                     [&](const LabelMatcher& matcher) { return matcher.matches(labels); });
}

std::string to_string(const LabelMatchers& matchers) {
  std::vector<const LabelMatcher*> sorted;
  for (const LabelMatcher& matcher : matchers) sorted.push_back(&matcher);
  const auto key = [](const LabelMatcher* matcher) {
    return std::tuple(std::string_view(matcher->name()), std::string_view(matcher->value()), matcher->type());
  };
  std::stable_sort(sorted.begin(), sorted.end(), [&](const auto* a, const auto* b) { return key(a) < key(b); });
  std::string text;
  for (const LabelMatcher* const matcher : sorted) text += (text.empty() ? "" : ",") + matcher->to_string();
  return "{" + text + "}";
}

Result<LabelMatchers> parse_label_matchers(std::string_view text) {
  auto parsed = rules::parse_matchers(text);
  if (!parsed) return fail(parsed.error());
  LabelMatchers matchers;
  for (const core::ring::Matcher& each : *parsed) {
    auto matcher = LabelMatcher::make(each.type(), each.name(), each.value());
    if (!matcher) return fail(matcher.error());
    matchers.push_back(std::move(*matcher));
  }
  return matchers;
}

}  // namespace actions::notify

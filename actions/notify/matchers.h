// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "core/ring/labels.h"
#include "core/ring/matcher.h"

namespace actions::notify {

// A condition on one label of an alert, as Alertmanager has it: an absent label is an empty one, regular expressions
// are anchored, and `.` does not match a newline (in PromQL it does).
//
// Thread safety: immutable after construction.
class LabelMatcher {
 public:
  // kInvalid: the regular expression is wrong.
  static core::Result<LabelMatcher> make(core::ring::MatchType type, std::string name, std::string value);

  bool matches(const core::ring::Labels& labels) const { return matcher_.matches(labels); }
  const std::string& name() const { return matcher_.name(); }
  core::ring::MatchType type() const { return matcher_.type(); }
  const std::string& value() const { return value_; }

  // name="value", as Alertmanager prints it in group keys.
  std::string to_string() const;

 private:
  LabelMatcher(core::ring::Matcher matcher, std::string value)
      : matcher_(std::move(matcher)), value_(std::move(value)) {}

  core::ring::Matcher matcher_;
  std::string value_;  // as written, without what anchors it
};

// All of them must match.
using LabelMatchers = std::vector<LabelMatcher>;
bool matches(const LabelMatchers& matchers, const core::ring::Labels& labels);

// {a="b",c=~"d"}: sorted by name, value and operator, as in group keys.
std::string to_string(const LabelMatchers& matchers);

// The matchers of one text: foo=bar, foo =~ "a|b", {a="b",c!="d"}; rules::parse_matchers has the grammar.
core::Result<LabelMatchers> parse_label_matchers(std::string_view text);

}  // namespace actions::notify

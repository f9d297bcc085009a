// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/result.h"
#include "core/ring/labels.h"

namespace re2 {
class RE2;
}

namespace core::ring {

enum class MatchType { kEqual, kNotEqual, kRegexMatch, kRegexNotMatch };

std::string_view to_string(MatchType type);  // = != =~ !~

// A condition on one label. An absent label has the value "". Regular expressions are RE2, anchored at both ends, and
// `.` matches a newline: ^(?s:...)$.
//
// Thread safety: immutable after construction; copies share the compiled expression.
class Matcher {
 public:
  // kInvalid with RE2's reason in Prometheus's words: error parsing regexp: missing closing ): `^(?s:()$`.
  static Result<Matcher> make(MatchType type, std::string name, std::string value);
  // An equality matcher cannot fail.
  static Matcher equal(std::string name, std::string value);

  bool matches(std::string_view label_value) const;
  bool matches(const Labels& labels) const { return matches(labels.get(name_)); }

  MatchType type() const { return type_; }
  const std::string& name() const { return name_; }
  const std::string& value() const { return value_; }

  // name="value": the name quoted where it must be, the value Go-quoted.
  std::string to_string() const;
  bool operator==(const Matcher& other) const {
    return type_ == other.type_ && name_ == other.name_ && value_ == other.value_;
  }

 private:
  Matcher(MatchType type, std::string name, std::string value);

  MatchType type_;
  std::string name_;
  std::string value_;
  std::shared_ptr<const re2::RE2> regex_;
};

}  // namespace core::ring

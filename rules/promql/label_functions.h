// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/result.h"

namespace re2 {
class RE2;
}

namespace rules::promql {

// The regular expression and the template of label_replace: $1, $name, ${1}, ${name} and $$ stand for what matched.
//
// Thread safety: immutable after construction.
class LabelRewrite {
 public:
  // kFailed `invalid regular expression in label_replace(): <regex>`.
  static core::Result<LabelRewrite> make(std::string_view regex, std::string replacement);

  // The template filled in; no value if the whole of `value` does not match.
  std::optional<std::string> apply(std::string_view value) const;

 private:
  LabelRewrite(std::shared_ptr<const re2::RE2> regex, std::string replacement)
      : regex_(std::move(regex)), replacement_(std::move(replacement)) {}

  std::shared_ptr<const re2::RE2> regex_;
  std::string replacement_;
};

// Natural order, in which "a10" follows "a9": runs of digits compare as numbers, other runs bytewise, and what ends
// first is smaller. Negative, 0 or positive; 0 also for numbers of different spelling (1 and 01).
int compare_naturally(std::string_view a, std::string_view b);

}  // namespace rules::promql

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <vector>

#include "core/result.h"
#include "core/ring/matcher.h"

namespace rules {

// The one parser of matchers as Alertmanager writes them, in its default mode: both of its grammars are tried, and
// where the classic one succeeds its reading counts (they differ in backslashes: classic knows \" \n \\ only and takes
// any other as it stands), so that a configuration means here what it means there.
//   alertname="InstanceDown"   severity=~"warning|critical"   {job="geth", instance!=a}   "größe"=XL
//
// All matchers of one text, which may hold several between commas, with or without braces, sorted by name.
// "" and "{}" are no matchers. Errors: kInvalid, with Alertmanager's words for the classic grammar.
core::Result<std::vector<core::ring::Matcher>> parse_matchers(std::string_view text);

// Exactly one matcher without braces.
core::Result<core::ring::Matcher> parse_matcher(std::string_view text);

}  // namespace rules

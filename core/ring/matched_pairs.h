// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/ring/label_store.h"
#include "core/ring/matcher.h"
#include "core/ring/postings.h"

namespace core::ring {

// What a matcher comes to on one level of the postings: a set of pairs, of which a series must have one (`required`) or
// must have none.
//
// Thread safety: a value.
struct MatchedPairs {
  bool required = false;
  std::vector<std::size_t> places;  // of the pairs, in the level; only if required
  std::vector<LabelRef> pairs;      // the same, ascending
  std::uint64_t series = 0;         // at most so many have one of them

  // Whether the series with these pairs passes.
  bool accepts(std::span<const LabelRef> of_series) const;
};

MatchedPairs match_pairs(const Postings& level, const LabelStore& labels, const Matcher& matcher);

// The values that a pattern accepts, if it is nothing but texts with | between them: a|b|c. Empty otherwise.
std::vector<std::string> alternatives_of(const std::string& pattern);

}  // namespace core::ring

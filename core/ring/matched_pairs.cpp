// SPDX-License-Identifier: Apache-2.0
#include "core/ring/matched_pairs.h"

#include <algorithm>
#include <string_view>

namespace core::ring {
namespace {

constexpr std::size_t kAlternativesMax = 256;
// Up to so many pairs are looked through one by one.
constexpr std::size_t kFewPairs = 8;

bool is_regex(MatchType type) { return type == MatchType::kRegexMatch || type == MatchType::kRegexNotMatch; }

void add(MatchedPairs& matched, const Postings& level, std::size_t place) {
  matched.places.push_back(place);
  matched.pairs.push_back(level.pair(place));
  matched.series += level.count(place);
}

// The pairs of the values that an equality names, negated or not.
void add_values(MatchedPairs& matched, const Postings& level, const Matcher& matcher,
                std::span<const std::string> values) {
  for (const std::string& value : values) {
    if (const auto place = level.place_of(matcher.name(), value)) add(matched, level, *place);
  }
}

}  // namespace

std::vector<std::string> alternatives_of(const std::string& pattern) {
  constexpr std::string_view kSpecial = "\\.+*?()[]{}^$";
  if (pattern.find_first_of(kSpecial) != std::string::npos) return {};
  std::vector<std::string> values;
  for (std::size_t begin = 0; begin <= pattern.size();) {
    const std::size_t end = std::min(pattern.find('|', begin), pattern.size());
    values.push_back(pattern.substr(begin, end - begin));
    // An empty alternative accepts the absence of the label, which no pair stands for.
    if (values.back().empty() || values.size() > kAlternativesMax) return {};
    begin = end + 1;
  }
  return values;
}

bool MatchedPairs::accepts(std::span<const LabelRef> of_series) const {
  for (const LabelRef pair : of_series) {
    const bool has = pairs.size() <= kFewPairs ? std::find(pairs.begin(), pairs.end(), pair) != pairs.end()
                                               : std::binary_search(pairs.begin(), pairs.end(), pair);
    if (has) return required;
  }
  return !required;
}

MatchedPairs match_pairs(const Postings& level, const LabelStore& labels, const Matcher& matcher) {
  MatchedPairs matched;
  const bool accepts_absence = matcher.matches(std::string_view());
  // A series without the label passes if the empty text does: then the pairs that count are those that do not pass.
  matched.required = !accepts_absence;
  const bool negative = matcher.type() == MatchType::kNotEqual || matcher.type() == MatchType::kRegexNotMatch;
  std::vector<std::string> values;
  if (is_regex(matcher.type())) {
    values = alternatives_of(matcher.value());
  } else if (!matcher.value().empty()) {
    values = {matcher.value()};
  }
  // Of a positive matcher the named values pass, of a negative one all but they.
  if (!values.empty() && negative == accepts_absence) {
    add_values(matched, level, matcher, values);
  } else {
    const auto [first, last] = level.places_of(matcher.name());
    for (std::size_t place = first; place < last; ++place) {
      if (matcher.matches(labels.text(level.pair(place))) != accepts_absence) add(matched, level, place);
    }
  }
  std::sort(matched.pairs.begin(), matched.pairs.end());
  return matched;
}

}  // namespace core::ring

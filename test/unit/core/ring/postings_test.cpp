// SPDX-License-Identifier: Apache-2.0
// Postings and what matchers come to on them, beside the matchers themselves. RING_SEED=<seed> repeats a run.
#include "core/ring/postings.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/ring/matched_pairs.h"
#include "test/unit/core/ring/ring_model.h"

namespace core::ring {
namespace {

using ring_test::Random;

constexpr std::uint64_t kRegionBytes = 1 << 20;

// Series with labels of a few names and values, so that most pairs are shared.
//
// Thread safety: confined to one thread.
class Population {
 public:
  Population(Random& random, std::size_t count) : region_(kRegionBytes / 8), store_(bytes(), kRegionBytes) {
    SeriesNumber number = 0;
    for (std::size_t i = 0; i < count; ++i) {
      // Differences of one byte, of two and of more.
      number += 1 + static_cast<SeriesNumber>(random.below(1ULL << random.below(20)));
      std::vector<Label> labels{{"__name__", text(random)}};
      for (const char* const name : {"a", "ab", "b", "c"}) {
        if (random.one_in(2)) labels.push_back({name, text(random)});
      }
      const Labels made(std::move(labels));
      labels_.emplace(number, made);
      sets_.emplace(number, *store_.make_set(made));
    }
  }

  std::shared_ptr<const Postings> build() const {
    std::vector<SeriesNumber> numbers;
    for (const auto& [number, set] : sets_) numbers.push_back(number);
    return Postings::build(store_, numbers, [this](SeriesNumber each) { return sets_.at(each); });
  }

  const LabelStore& store() const { return store_; }
  const std::map<SeriesNumber, Labels>& labels() const { return labels_; }
  LabelRef set(SeriesNumber number) const { return sets_.at(number); }

  static std::string text(Random& random) {
    constexpr std::array<const char*, 9> kTexts = {"a", "b", "c", "ab", "abc", "b\n", "B", "a|b", "z"};
    return kTexts[random.below(kTexts.size())];
  }

 private:
  std::byte* bytes() { return reinterpret_cast<std::byte*>(region_.data()); }

  std::vector<std::uint64_t> region_;
  LabelStore store_;
  std::map<SeriesNumber, Labels> labels_;
  std::map<SeriesNumber, LabelRef> sets_;
};

TEST(Postings, GiveBackWhoHasWhat) {
  Random random(ring_test::test_seed());
  for (int round = 0; round < 30; ++round) {
    const Population population(random, random.below(200));
    const auto postings = population.build();
    std::map<std::pair<std::string, std::string>, std::vector<SeriesNumber>> model;
    std::vector<SeriesNumber> all;
    for (const auto& [number, labels] : population.labels()) {
      all.push_back(number);
      for (const Label& label : labels) model[{label.name, label.value}].push_back(number);
    }
    std::vector<SeriesNumber> got;
    postings->append_all(got);
    ASSERT_EQ(got, all);
    ASSERT_EQ(postings->size(), all.size());
    ASSERT_EQ(postings->places(), model.size());
    std::size_t place = 0;
    for (const auto& [pair, numbers] : model) {
      ASSERT_EQ(postings->place_of(pair.first, pair.second), std::optional(place));
      ASSERT_EQ(postings->count(place), numbers.size());
      ASSERT_EQ(population.store().text(postings->pair(place)), pair.second);
      // Appends: what is there stays.
      got = {1, 2};
      postings->append(place, got);
      ASSERT_EQ(std::vector<SeriesNumber>(got.begin() + 2, got.end()), numbers);
      const auto [first, last] = postings->places_of(pair.first);
      ASSERT_TRUE(first <= place && place < last);
      ASSERT_EQ(last - first, static_cast<std::size_t>(std::count_if(model.begin(), model.end(), [&](const auto& m) {
                  return m.first.first == pair.first;
                })));
      ++place;
    }
  }
}

TEST(Postings, WhatNobodyHasHasNoPlace) {
  Random random(1);
  const Population population(random, 50);
  const auto postings = population.build();
  EXPECT_FALSE(postings->place_of("__name__", "nobody's").has_value());
  EXPECT_FALSE(postings->place_of("", "").has_value());
  for (const char* const name : {"", "0", "aa", "zzz"}) {
    const auto [first, last] = postings->places_of(name);
    EXPECT_EQ(first, last) << name;
  }
  const auto none = Postings::build(population.store(), {}, [](SeriesNumber) { return LabelRef{0}; });
  EXPECT_EQ(none->size(), 0U);
  EXPECT_EQ(none->places_of("a"), (std::pair<std::size_t, std::size_t>(0, 0)));
}

TEST(MatchedPairs, APatternOfNothingButTextsIsTakenApart) {
  using Texts = std::vector<std::string>;
  EXPECT_EQ(alternatives_of("a"), Texts{"a"});
  EXPECT_EQ(alternatives_of("a|bc|a"), (Texts{"a", "bc", "a"}));
  EXPECT_EQ(alternatives_of("a b|c-d"), (Texts{"a b", "c-d"}));
  for (const char* const pattern :
       {"", "|", "a|", "|a", "a||b", "a.b|c", "(a|b)", "a|b*", "a\\|b", "[ab]", "^a", "a$"}) {
    EXPECT_EQ(alternatives_of(pattern), Texts{}) << pattern;
  }
  std::string many = "v";
  for (int i = 1; i < 256; ++i) many += "|v" + std::to_string(i);
  EXPECT_EQ(alternatives_of(many).size(), 256U);
  EXPECT_EQ(alternatives_of(many + "|v"), Texts{});
}

std::vector<Matcher> every_matcher() {
  std::vector<Matcher> matchers;
  for (const char* const name : {"__name__", "a", "ab", "nobody's"}) {
    for (const MatchType type : {MatchType::kEqual, MatchType::kNotEqual}) {
      for (const char* const value : {"", "a", "ab", "a|b", "nothing"}) {
        matchers.push_back(*Matcher::make(type, name, value));
      }
    }
    for (const MatchType type : {MatchType::kRegexMatch, MatchType::kRegexNotMatch}) {
      for (const char* const value : {"", "a", "a|b", "a|b|c|ab|abc|B|z|x|y|w", "a|a", "a|", "|", "a\\|b", ".*", ".+",
                                      "a.*", "[ab]", "b.", "(a|b)", "(?i)b", "nothing|never", "[^a]*"}) {
        matchers.push_back(*Matcher::make(type, name, value));
      }
    }
  }
  return matchers;
}

TEST(MatchedPairs, AgreeWithTheMatcherOnEverySeries) {
  Random random(ring_test::test_seed());
  const std::vector<Matcher> matchers = every_matcher();
  for (int round = 0; round < 20; ++round) {
    const Population population(random, 1 + random.below(60));
    const auto postings = population.build();
    for (const Matcher& matcher : matchers) {
      const MatchedPairs matched = match_pairs(*postings, population.store(), matcher);
      std::set<SeriesNumber> accepted;
      for (const auto& [number, labels] : population.labels()) {
        const bool accepts = matched.accepts(population.store().pairs(population.set(number)));
        ASSERT_EQ(accepts, matcher.matches(labels)) << matcher.to_string() << " on " << labels.to_string();
        if (accepts) accepted.insert(number);
      }
      if (!matched.required) continue;
      std::vector<SeriesNumber> listed;
      for (const std::size_t place : matched.places) postings->append(place, listed);
      ASSERT_EQ(listed.size(), matched.series) << matcher.to_string();
      ASSERT_EQ(std::set<SeriesNumber>(listed.begin(), listed.end()), accepted) << matcher.to_string();
    }
  }
}

}  // namespace
}  // namespace core::ring

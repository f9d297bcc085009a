// SPDX-License-Identifier: Apache-2.0
#include "collector/relabel/relabel.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "collector/relabel/case_fold.h"

namespace collector::relabel {
namespace {

using core::ring::Labels;

core::Result<std::vector<RelabelConfig>> read(std::string_view yaml) {
  const auto node = core::config::Node::parse(yaml, "rules.yml");
  if (!node) return core::fail(node.error());
  return core::config::Codec<std::vector<RelabelConfig>>::read(*node);
}

// The labels after the rules, or "dropped", or the error.
std::string run(std::string_view yaml, const Labels& labels, NameValidation validation = NameValidation::kUtf8) {
  const auto configs = read(yaml);
  if (!configs) return configs.error().message;
  const auto rules = Rules::compile(*configs, validation);
  if (!rules) return rules.error().message;
  LabelBuilder builder(labels);
  return rules->apply(builder) ? builder.build().to_string() : "dropped";
}

struct Case {
  std::string_view rules;
  Labels labels;
  std::string_view expected;
};

TEST(Relabel, Actions) {
  const Labels abc = {{"a", "foo"}, {"b", "bar"}, {"c", "baz"}};
  const Case cases[] = {
      {"[{source_labels: [a], regex: 'f(.*)', target_label: d, replacement: 'ch${1}-ch${1}'}]", abc,
       R"({a="foo", b="bar", c="baz", d="choo-choo"})"},
      {"[{source_labels: [a, b], regex: 'f(.*);(.*)r', target_label: a, replacement: 'b${1}${2}m'}]", abc,
       R"({a="boobam", b="bar", c="baz"})"},
      {"[{source_labels: [a], regex: oo, target_label: d}]", abc, R"({a="foo", b="bar", c="baz"})"},
      {"[{source_labels: [a], regex: '(f).*', target_label: '${1}x', replacement: y}]", abc,
       R"({a="foo", b="bar", c="baz", fx="y"})"},
      {"[{target_label: d, replacement: x}]", abc, R"({a="foo", b="bar", c="baz", d="x"})"},
      {"[{target_label: a, replacement: ''}]", abc, R"({b="bar", c="baz"})"},
      // A default rule from a label that is not there deletes the target.
      {"[{source_labels: [nope], target_label: a}]", abc, R"({b="bar", c="baz"})"},
      {"[{source_labels: [a], regex: 'f(?P<tail>.*)', target_label: d, replacement: '$tail-$0'}]", abc,
       R"({a="foo", b="bar", c="baz", d="oo-foo"})"},
      {"[{action: drop, source_labels: [a], regex: f.*}]", abc, "dropped"},
      {"[{action: drop, source_labels: [a], regex: f}]", abc, R"({a="foo", b="bar", c="baz"})"},
      {"[{action: drop, source_labels: [nope]}]", abc, "dropped"},
      {"[{action: drop, source_labels: [a], regex: ''}]", abc, R"({a="foo", b="bar", c="baz"})"},
      {"[{action: keep, source_labels: [a], regex: no}]", abc, "dropped"},
      {"[{action: keep, source_labels: [a], regex: foo|no}]", abc, R"({a="foo", b="bar", c="baz"})"},
      {"[{action: KeepEqual, source_labels: [a], target_label: b}]", abc, "dropped"},
      {"[{action: keepequal, source_labels: [x], target_label: y}]", abc, R"({a="foo", b="bar", c="baz"})"},
      {"[{action: dropequal, source_labels: [a], target_label: b}]", abc, R"({a="foo", b="bar", c="baz"})"},
      {"[{action: dropequal, source_labels: [x], target_label: y}]", abc, "dropped"},
      {"[{action: hashmod, source_labels: [v], target_label: h, modulus: 8}]", {{"v", "a"}}, R"({h="1", v="a"})"},
      {"[{action: hashmod, source_labels: [v], target_label: h, modulus: 8}]",
       {{"v", "h1:9100"}},
       R"({h="4", v="h1:9100"})"},
      {"[{action: hashmod, source_labels: [a, b], target_label: h, modulus: 8}]",
       {{"a", "x"}, {"b", "y"}},
       R"({a="x", b="y", h="6"})"},
      {"[{action: labelmap, regex: '__meta_(.+)'}]",
       {{"__meta_x", "1"}, {"a", "2"}},
       R"({__meta_x="1", a="2", x="1"})"},
      {"[{action: labelmap, regex: '(a)', replacement: 'a${1}'}]", {{"a", "1"}}, R"({a="1", aa="1"})"},
      {"[{action: labeldrop, regex: 'a|b'}]", abc, R"({c="baz"})"},
      {"[{action: labelkeep, regex: 'a|b'}]", abc, R"({a="foo", b="bar"})"},
      {"[{action: lowercase, source_labels: [a], target_label: d}]", {{"a", "ÄB9c"}}, R"({a="ÄB9c", d="äb9c"})"},
      {"[{action: uppercase, source_labels: [a], target_label: a}]", {{"a", "straße-жé"}}, R"({a="STRAßE-ЖÉ"})"},
      {"[{action: drop, source_labels: [a], regex: 'x.y'}]", {{"a", "x\ny"}}, "dropped"},
      // Rules see what those before them did.
      {"[{source_labels: [a], target_label: d, replacement: 'x$1'}, {source_labels: [d], target_label: e}]", abc,
       R"({a="foo", b="bar", c="baz", d="xfoo", e="xfoo"})"},
      {"[{target_label: 'a b', replacement: x}]", {{"a", "1"}}, R"({a="1", "a b"="x"})"},
      {"[{source_labels: [a], target_label: '${1}', replacement: x, regex: '(.*)'}]", {{"a", ""}}, "{}"},
  };
  for (const Case& each : cases) EXPECT_EQ(run(each.rules, each.labels), each.expected) << each.rules;
}

TEST(Relabel, Templates) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"${1}_y", "aaa_y"}, {"$1_y", ""}, {"$x-z", "b-z"}, {"$9", ""},       {"$$", "$"}, {"$", "$"},
      {"${x", "${x"},      {"$01", ""},  {"${}", "${}"},  {"$1$x", "aaab"}, {"$-", "$-"}};
  for (const auto& [replacement, expected] : cases) {
    const std::string rules =
        fmt::format("[{{source_labels: [v], regex: '(a+)(?P<x>b)', target_label: r, replacement: '{}'}}]", replacement);
    LabelBuilder labels(Labels{{"v", "aaab"}});
    const auto compiled = Rules::compile(*read(rules), NameValidation::kUtf8);
    ASSERT_TRUE(compiled) << compiled.error().message;
    EXPECT_TRUE(compiled->apply(labels));
    EXPECT_EQ(labels.get("r"), expected) << replacement;
  }
}

TEST(Relabel, WrongRulesAreRefusedInPrometheusWords) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"[{action: x}]", "unknown relabel action \"x\""},
      {"[{action: ''}]", "unknown relabel action \"\""},
      {"[{source_labels: [a]}]", "relabel configuration for replace action requires 'target_label' value"},
      {"[{action: hashmod, source_labels: [a], modulus: 3}]",
       "relabel configuration for hashmod action requires 'target_label' value"},
      {"[{action: hashmod, source_labels: [a], target_label: b}]",
       "relabel configuration for hashmod requires non-zero modulus"},
      {"[{action: lowercase, source_labels: [a], target_label: b, replacement: c}]",
       "'replacement' can not be set for lowercase action"},
      {"[{action: labeldrop, source_labels: [a], regex: b}]",
       "labeldrop action requires only 'regex', and no other fields"},
      {"[{action: labelkeep, regex: b, modulus: 2}]", "labelkeep action requires only 'regex', and no other fields"},
      {"[{action: dropequal, source_labels: [a], target_label: b, regex: c}]",
       "dropequal action requires only 'source_labels' and `target_label`, and no other fields"},
      {"[{action: keep, source_labels: [a], regex: '(a'}]", "error parsing regexp: missing closing ): `^(?s:(a)$`"},
      {"[{action: keep, source_labels: [a], regex: 'a(?=b)'}]", "error parsing regexp: "},
      {"[{action: keep, source_labels: [a], regex: null}]", "regex: expected an expression, got nothing"},
      {"[{action: keep, source_labels: [a], regexp: a}]", "regexp"},
      {"[{action: keep, source_labels: a}]", "expected a list"},
  };
  for (const auto& [yaml, expected] : cases) {
    const auto configs = read(yaml);
    ASSERT_FALSE(configs) << yaml;
    EXPECT_NE(configs.error().message.find(expected), std::string::npos) << yaml << ": " << configs.error().message;
    EXPECT_TRUE(configs.error().message.starts_with("rules.yml:1:")) << configs.error().message;
  }
}

TEST(Relabel, LegacyNamesAreChecked) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"[{target_label: a-b, replacement: x}]", "\"a-b\" is invalid 'target_label' for replace action"},
      {"[{action: labelmap, regex: (.*), replacement: '${1}-x'}]",
       "\"${1}-x\" is invalid 'replacement' for labelmap action"},
      {"[{source_labels: [a], regex: '(.*)', target_label: 'x_${1}', replacement: y}]", R"({a="b-c"})"},
      {"[{source_labels: [a], regex: '(.)-.', target_label: 'x_${1}', replacement: y}]", R"({a="b-c", x_b="y"})"},
  };
  for (const auto& [yaml, expected] : cases) {
    EXPECT_EQ(run(yaml, Labels{{"a", "b-c"}}, NameValidation::kLegacy), expected) << yaml;
  }
}

TEST(CaseFold, LeavesBytesThatAreNotUtf8) {
  EXPECT_EQ(to_lower("A\xff"), "a\xff");
  EXPECT_EQ(to_upper(""), "");
  EXPECT_EQ(to_upper("ǆ"), "Ǆ");
}

}  // namespace
}  // namespace collector::relabel

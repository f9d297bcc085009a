// SPDX-License-Identifier: Apache-2.0
#include "rules/alert/rule_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace rules {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::StartsWith;

std::vector<std::string> errors_of(std::string_view text) {
  const auto read = parse_rule_file(text, "r.yml");
  std::vector<std::string> messages;
  if (!read) {
    for (const core::Error& error : read.error()) messages.push_back(error.message);
  }
  return messages;
}

TEST(RuleFile, ReadsEveryField) {
  const auto read = parse_rule_file(R"(groups:
- name: g
  interval: 30s
  query_offset: 1m
  limit: 5
  labels: {team: core, severity: info}
  rules:
  - record: job:up:sum
    expr: sum by(job)(up)
    labels: {kind: 1}
  - alert: Down
    expr: up == 0
    for: 5m
    keep_firing_for: 10m
    labels: {severity: page}
    annotations: {summary: "{{ $labels.job }} is down"}
)",
                                    "r.yml");
  ASSERT_TRUE(read) << read.error().front().message;
  ASSERT_EQ(read->size(), 1U);
  const RuleGroupSpec& group = read->front();
  EXPECT_EQ(group.file, "r.yml");
  EXPECT_EQ(group.name, "g");
  EXPECT_EQ(group.interval, seconds(30));
  EXPECT_EQ(group.query_offset, minutes(1));
  EXPECT_EQ(group.limit, 5U);
  ASSERT_EQ(group.rules.size(), 2U);
  EXPECT_EQ(group.rules[0].kind, RuleKind::kRecording);
  EXPECT_EQ(group.rules[0].name, "job:up:sum");
  EXPECT_EQ(group.rules[0].query, "sum by (job) (up)");
  EXPECT_THAT(group.rules[0].labels, ElementsAre(Pair("kind", "1"), Pair("severity", "info"), Pair("team", "core")));
  const RuleSpec& alert = group.rules[1];
  EXPECT_EQ(alert.kind, RuleKind::kAlerting);
  EXPECT_EQ(alert.hold_for, minutes(5));
  EXPECT_EQ(alert.keep_firing_for, minutes(10));
  EXPECT_THAT(alert.labels, ElementsAre(Pair("severity", "page"), Pair("team", "core"))) << "the rule's own value wins";
  EXPECT_THAT(alert.annotations, ElementsAre(Pair("summary", "{{ $labels.job }} is down")));
  EXPECT_EQ(alert.position.to_string(), "r.yml:11:5");
}

TEST(RuleFile, EmptyFilesAndGroupsAreFine) {
  for (const char* text : {"", "groups:\n", "groups: []\n", "# nothing\n"}) {
    const auto read = parse_rule_file(text, "r.yml");
    ASSERT_TRUE(read) << text;
    EXPECT_THAT(*read, IsEmpty());
  }
  const auto read = parse_rule_file("groups:\n- name: g\n  interval: 0s\n", "r.yml");
  ASSERT_TRUE(read);
  EXPECT_FALSE(read->front().interval) << "0 is the global interval";
}

TEST(RuleFile, OnlyTheFirstDocumentCounts) {
  const auto read = parse_rule_file("groups:\n- name: one\n---\ngroups:\n- name: two\n", "r.yml");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->size(), 1U);
}

struct Bad {
  std::string name;
  std::string text;
  std::vector<std::string> errors;
};

class BadRuleFile : public testing::TestWithParam<Bad> {};

TEST_P(BadRuleFile, SaysWhereAndWhat) { EXPECT_EQ(errors_of(GetParam().text), GetParam().errors); }

// A group "g" whose single rule is given by its lines.
std::string with_rule(std::string_view lines) {
  std::string text = "groups:\n- name: g\n  rules:\n  - ";
  for (const char c : lines) {
    text += c;
    if (c == '\n') text += "    ";
  }
  return text + "\n";
}

INSTANTIATE_TEST_SUITE_P(
    Texts, BadRuleFile,
    testing::Values(
        Bad{"no_map", "[]\n", {"r.yml:1:1: expected a map with the key \"groups\", got a list"}},
        Bad{"unknown_key",
            "groups: []\ngroup: 1\n",
            {"r.yml:2:1: unknown key \"group\" in a rule file, expected one of groups"}},
        Bad{"group_without_name", "groups:\n- rules: []\n", {"r.yml:2:3: Groupname must not be empty"}},
        Bad{"repeated_group",
            "groups:\n- name: g\n- name: g\n",
            {"r.yml:3:3: groupname: \"g\" is repeated in the same file"}},
        Bad{"unknown_group_key",
            "groups:\n- name: g\n  intervall: 1m\n",
            {"r.yml:3:3: unknown key \"intervall\" in a group, expected one of name, interval, query_offset, limit, "
             "labels, rules"}},
        Bad{"both",
            with_rule("record: a\nalert: B\nexpr: up"),
            {"r.yml:4:13: group \"g\", rule 1, \"B\": only one of 'record' and 'alert' must be set, alert stands at "
             "5:12"}},
        Bad{"neither",
            with_rule("expr: up"),
            {"r.yml:4:5: group \"g\", rule 1, \"\": one of 'record' or 'alert' must be set"}},
        Bad{"no_expr",
            with_rule("alert: A"),
            {"r.yml:4:5: group \"g\", rule 1, \"A\": field 'expr' must be set in rule"}},
        Bad{"recording_with_alert_fields",
            with_rule("record: a\nexpr: up\nfor: 1m\nkeep_firing_for: 1m\nannotations: {a: b}"),
            {"r.yml:8:18: group \"g\", rule 1, \"a\": invalid field 'annotations' in recording rule",
             "r.yml:6:10: group \"g\", rule 1, \"a\": invalid field 'for' in recording rule",
             "r.yml:7:22: group \"g\", rule 1, \"a\": invalid field 'keep_firing_for' in recording rule"}},
        Bad{"braces",
            with_rule("record: 'a{b=\"c\"}'\nexpr: up"),
            {"r.yml:4:13: group \"g\", rule 1, \"a{b=\"c\"}\": braces present in the recording rule name; should it be "
             "in "
             "expr?: a{b=\"c\"}"}},
        Bad{"label_name",
            with_rule("alert: A\nexpr: up\nlabels: {__name__: x}"),
            {"r.yml:6:14: group \"g\", rule 1, \"A\": invalid label name: __name__"}},
        Bad{"unknown_rule_key",
            with_rule("alert: A\nexpr: up\nfore: 1m"),
            {"r.yml:6:5: group \"g\", rule 1, \"A\": unknown key \"fore\" in a rule, expected one of record, alert, "
             "expr, "
             "for, labels, annotations, keep_firing_for"}}),
    [](const auto& each) { return each.param.name; });

TEST(RuleFile, AllErrorsOfAFileAreReported) {
  const std::vector<std::string> errors = errors_of(R"(groups:
- name: g
  interval: soon
  limit: few
  rules:
  - alert: A
    expr: up ==
    for: 5 minutes
  - record: b
    expr: sum(
  - nonsense
)");
  ASSERT_EQ(errors.size(), 6U) << testing::PrintToString(errors);
  EXPECT_THAT(errors[0], StartsWith("r.yml:3:13: "));
  EXPECT_THAT(errors[1], StartsWith("r.yml:4:10: "));
  EXPECT_THAT(errors[2],
              StartsWith("r.yml:7:16: group \"g\", rule 1, \"A\": could not parse expression: 1:6: parse error"));
  EXPECT_THAT(errors[3], StartsWith("r.yml:8:10: "));
  EXPECT_THAT(errors[4], StartsWith("r.yml:10:15: group \"g\", rule 2, \"b\": could not parse expression: 1:5: "));
  EXPECT_THAT(errors[5], StartsWith("r.yml:11:5: expected a rule"));
}

TEST(RuleFile, TemplatesAreCheckedWhenTheFileIsRead) {
  const auto errors =
      errors_of(with_rule("alert: A\nexpr: up\nlabels: {a: '{{ $labels.x'}\nannotations: {b: '{{ nosuch }}'}"));
  ASSERT_EQ(errors.size(), 2U) << testing::PrintToString(errors);
  EXPECT_THAT(errors,
              testing::UnorderedElementsAre(StartsWith("r.yml:7:22: group \"g\", rule 1, \"A\": annotation \"b\": "),
                                            StartsWith("r.yml:6:17: group \"g\", rule 1, \"A\": label \"a\": ")));
}

// Where the query of a rule is wrong, in each style in which YAML can write it. The error is at the "!" or "%".
struct Style {
  std::string name;
  std::string expr;  // as it stands after "expr: "
  std::string place;
};

class ExprPlace : public testing::TestWithParam<Style> {};

TEST_P(ExprPlace, PointsIntoTheFile) {
  const auto errors =
      errors_of("groups:\n- name: g\n  rules:\n  - alert: A\n    expr: " + GetParam().expr + "\n    for: 1m\n");
  ASSERT_EQ(errors.size(), 1U) << testing::PrintToString(errors);
  EXPECT_THAT(errors[0], StartsWith("r.yml:" + GetParam().place + ": "));
}

INSTANTIATE_TEST_SUITE_P(Styles, ExprPlace,
                         testing::Values(Style{"plain", "up + % 2", "5:16"},                           //
                                         Style{"single_quoted", "'up + % 2'", "5:17"},                 //
                                         Style{"double_quoted", "\"up{a=\\\"b\\\"} + % 2\"", "5:26"},  //
                                         Style{"doubled_quote", "'up{a=''b''} + % 2'", "5:26"},        //
                                         Style{"literal", "|\n      up\n        + % 2", "7:11"},       //
                                         Style{"folded", ">-\n      up\n      + % 2", "7:9"},          //
                                         Style{"plain_over_lines", "up\n      + % 2", "6:9"}),
                         [](const auto& each) { return each.param.name; });

class RuleFolder : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_ / "sub.yml");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void write(const std::string& name, std::string_view text) { std::ofstream(folder_ / name) << text; }
  std::string pattern(const std::string& name) { return (folder_ / name).string(); }

  std::filesystem::path folder_ = std::filesystem::path(testing::TempDir()) / "rule_file_test";
};

TEST_F(RuleFolder, PatternsFindFilesOnceAndNoFolders) {
  write("a.yml", "");
  write("b.yml", "");
  write("c.txt", "");
  const auto found =
      find_rule_files({pattern("b.yml"), pattern("*.yml"), pattern("missing.yml"), pattern("no/such/*.yml")});
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_THAT(found->paths, ElementsAre(pattern("b.yml"), pattern("a.yml")));
  EXPECT_THAT(found->unmatched, ElementsAre(pattern("missing.yml"), pattern("no/such/*.yml")));
  EXPECT_FALSE(find_rule_files({pattern("*/a.yml")}));
}

TEST_F(RuleFolder, OneBadFileFailsTheWholeSet) {
  write("a.yml", "groups: [{name: g}]\n");
  write("b.yml", "groups: [{name: ''}]\n");
  const auto loaded = load_rule_files({pattern("*.yml")});
  ASSERT_FALSE(loaded);
  ASSERT_EQ(loaded.error().size(), 1U);
  EXPECT_THAT(loaded.error().front().message, StartsWith(pattern("b.yml") + ":1:10: "));
  write("b.yml", "groups: [{name: g}]\n");
  EXPECT_EQ(load_rule_files({pattern("*.yml")})->size(), 2U) << "names are unique within a file only";
}

TEST_F(RuleFolder, CheckCountsAndWarnsOfDuplicates) {
  write("a.yml", R"(groups:
- name: g
  rules:
  - {alert: A, expr: up, labels: {a: b}}
  - {alert: A, expr: down, labels: {a: b}}
  - {alert: A, expr: up}
  - {record: r, expr: up}
)");
  const RuleFileCheck check = check_rule_file(pattern("a.yml"));
  EXPECT_THAT(check.errors, IsEmpty());
  EXPECT_EQ(check.groups, 1U);
  EXPECT_EQ(check.alerting_rules, 3U);
  EXPECT_EQ(check.recording_rules, 1U);
  ASSERT_EQ(check.warnings.size(), 1U);
  EXPECT_THAT(check.warnings[0], HasSubstr("a.yml:5:5: \"A\" has the same name and labels as the rule at 4:5"));
  EXPECT_THAT(check_rule_file(pattern("missing.yml")).errors, testing::SizeIs(1));
}

}  // namespace
}  // namespace rules

// SPDX-License-Identifier: Apache-2.0
#include "collector/discovery/target_group_text.h"

#include <gtest/gtest.h>

namespace collector::discovery {
namespace {

TEST(TargetGroupText, ReadsGroupsInJson) {
  const auto groups = parse_json_groups(
      R"([{"targets": ["h:9", "[::1]:8"], "labels": {"k": "v", "ü": "\ud83d\ude00"}}, {"Targets": null, "labels": null}, {}])",
      "f");
  ASSERT_TRUE(groups) << groups.error().message;
  ASSERT_EQ(groups->size(), 3U);
  EXPECT_EQ((*groups)[0].source, "f:0");
  EXPECT_EQ((*groups)[0].targets, (std::vector<LabelMap>{{{"__address__", "h:9"}}, {{"__address__", "[::1]:8"}}}));
  EXPECT_EQ((*groups)[0].labels, (LabelMap{{"k", "v"}, {"ü", "😀"}}));
  EXPECT_EQ((*groups)[2].source, "f:2");
  EXPECT_TRUE((*groups)[1].targets.empty());
  EXPECT_TRUE(parse_json_groups("[]", "f")->empty());
  EXPECT_TRUE(parse_json_groups("null", "f")->empty());
}

TEST(TargetGroupText, ReadsGroupsInYaml) {
  const auto groups = parse_yaml_groups("- targets: ['h:9']\n  labels: {k: v, n: 5}\n- targets: []\n", "f");
  ASSERT_TRUE(groups) << groups.error().message;
  ASSERT_EQ(groups->size(), 2U);
  EXPECT_EQ((*groups)[0].targets, (std::vector<LabelMap>{{{"__address__", "h:9"}}}));
  EXPECT_EQ((*groups)[0].labels, (LabelMap{{"k", "v"}, {"n", "5"}}));
  EXPECT_EQ((*groups)[1].source, "f:1");
  EXPECT_TRUE(parse_yaml_groups("", "f")->empty());
  EXPECT_TRUE(parse_yaml_groups("[]", "f")->empty());
}

TEST(TargetGroupText, SaysWhereTheJsonIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "f:1:"},
      {"[{\"targets\": [\"h:9\"]}", "f:1:21: "},
      {"[\n  {\"targets\": [\"h:9\"],\n   \"label\": {}}]",
       "f:3:10: unknown field \"label\": expected targets or labels"},
      {"[null]", "nil target group item found"},
      {"{}", "expected a list of target groups, got an object"},
      {"[\"h:9\"]", "expected a target group, got a string"},
      {"[{\"targets\": \"h:9\"}]", "expected a list of targets, got a string"},
      {"[{\"targets\": [9]}]", "f:1:16: expected a target as a string, got a number"},
      {"[{\"targets\": [[]]}]", "expected a target as a string, got a list"},
      {"[{\"labels\": {\"a\": 1}}]", "expected a label's value as a string, got a number"},
      {"[{\"labels\": {\"a\": {}}}]", "expected a label's value as a string, got an object"},
      {"[{\"labels\": {\"a\": null}}]", "expected a label's value as a string, got null"},
      {"[{\"labels\": {\"\": \"x\"}}]", "\"\" is not a valid label name"},
      {"[{\"labels\": {\"a\": \"\xff\"}}]", "f:1:"},
      {"[] []", "f:1:"},
      {"[{\"targets\": [true]}]", "got true or false"},
  };
  for (const auto& [text, error] : cases) {
    const auto groups = parse_json_groups(text, "f");
    ASSERT_FALSE(groups) << text;
    EXPECT_EQ(groups.error().code, core::Errc::kInvalid) << text;
    EXPECT_TRUE(groups.error().message.starts_with("f:")) << groups.error().message;
    EXPECT_NE(groups.error().message.find(error), std::string::npos) << text << "\n" << groups.error().message;
  }
}

TEST(TargetGroupText, SaysWhereTheYamlIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"- targets: [h]\n  label: {}\n", "f:2:3: "},
      {"- null\n", "f:1:3: nil target group item found"},
      {"targets: [h]\n", "expected a list of target groups"},
      {"- targets: h\n", "expected a list"},
      {"- targets: [", "f:"},
  };
  for (const auto& [text, error] : cases) {
    const auto groups = parse_yaml_groups(text, "f");
    ASSERT_FALSE(groups) << text;
    EXPECT_NE(groups.error().message.find(error), std::string::npos) << text << "\n" << groups.error().message;
  }
}

TEST(TargetGroupText, ALabelNameIsMadeOfAnyKey) {
  EXPECT_EQ(sanitize_label_name("app.kubernetes.io/name"), "app_kubernetes_io_name");
  EXPECT_EQ(sanitize_label_name("a_B9"), "a_B9");
  EXPECT_EQ(sanitize_label_name("ü"), "__");
}

}  // namespace
}  // namespace collector::discovery

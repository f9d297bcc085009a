// SPDX-License-Identifier: Apache-2.0
#include "core/config/node.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace core::config {
namespace {

// The tree on one line: maps {k: v}, lists [a, b], null, plain texts as they are, quoted ones in double quotes.
std::string shown(const Node& node) {
  if (node.is_null()) return "null";
  if (node.is_scalar()) return node.is_quoted() ? "\"" + node.scalar() + "\"" : node.scalar();
  std::string text;
  for (const Node& item : node.items()) text += (text.empty() ? "" : ", ") + shown(item);
  for (const Entry& entry : node.entries()) {
    text += (text.empty() ? "" : ", ") + entry.key.scalar() + ": " + shown(entry.value);
  }
  return node.is_map() ? "{" + text + "}" : "[" + text + "]";
}

struct GoodCase {
  const char* text;
  const char* tree;
};

class NodeGood : public testing::TestWithParam<GoodCase> {};

TEST_P(NodeGood, Parses) {
  const Result<Node> node = Node::parse(GetParam().text, "f.yml");
  ASSERT_TRUE(node) << node.error().message;
  EXPECT_EQ(shown(*node), GetParam().tree) << GetParam().text;
}

INSTANTIATE_TEST_SUITE_P(
    Table, NodeGood,
    testing::Values(
        GoodCase{"", "null"}, GoodCase{"# nothing but a comment\n", "null"}, GoodCase{"---\n", "null"},
        GoodCase{"a: 1\nb: two\n", "{a: 1, b: two}"},
        GoodCase{"a: 'it''s'\nb: \"x\\ty\"", "{a: \"it's\", b: \"x\ty\"}"},
        GoodCase{"a: ~\nb: null\nc:\nd: Null\ne: 'null'\n", "{a: null, b: null, c: null, d: null, e: \"null\"}"},
        GoodCase{"a:", "{a: null}"}, GoodCase{"a:\n  b:\n", "{a: {b: null}}"},
        GoodCase{"a:   # why\nb: 1", "{a: null, b: 1}"}, GoodCase{"- 1\n- [2, {x: y}]\n-\n", "[1, [2, {x: y}], null]"},
        GoodCase{"- job: a\n  list:\n  - x\n  - y\n", "[{job: a, list: [x, y]}]"},
        GoodCase{"a: |\n  one\n  two\nb: >-\n  fol\n  ded\n", "{a: \"one\ntwo\n\", b: \"fol ded\"}"},
        GoodCase{"a: one\n  two\n", "{a: one two}"},
        GoodCase{"targets: [localhost:9090, a:b]", "{targets: [localhost:9090, a:b]}"},
        GoodCase{"a: !!str 5\nb: !!int 5", "{a: \"5\", b: 5}"}, GoodCase{"\"a b\": 1\n", "{a b: 1}"},
        // Anchors, aliases and merges: the map's own keys win wherever they stand, then the earlier map's.
        GoodCase{"a: &x {p: 1}\nb: *x", "{a: {p: 1}, b: {p: 1}}"}, GoodCase{"a: &x\nb: *x", "{a: null, b: null}"},
        GoodCase{"d: &d {p: 1, q: 2}\nm:\n  <<: *d\n  q: 3", "{d: {p: 1, q: 2}, m: {q: 3, p: 1}}"},
        GoodCase{"m: {q: 3, <<: [{q: 1, r: 1}, {r: 2, s: 2}]}", "{m: {q: 3, r: 1, s: 2}}"},
        GoodCase{"m: {\"<<\": 1}", "{m: {<<: 1}}"},
        // Only the first document counts; line ends of any system; a byte order mark.
        GoodCase{"a: 1\n---\nb: [\n", "{a: 1}"}, GoodCase{"a: 1\r\nb: \"2\"\r\n", "{a: 1, b: \"2\"}"},
        GoodCase{"\xef\xbb\xbf"
                 "a: 1",
                 "{a: 1}"}));

struct BadDocument {
  const char* text;
  const char* message;
};

class NodeBad : public testing::TestWithParam<BadDocument> {};

TEST_P(NodeBad, IsRefusedWithItsPlace) {
  const Result<Node> node = Node::parse(GetParam().text, "f.yml");
  ASSERT_FALSE(node) << shown(*node);
  EXPECT_EQ(node.error().code, Errc::kInvalid);
  EXPECT_EQ(node.error().message, GetParam().message) << GetParam().text;
}

INSTANTIATE_TEST_SUITE_P(
    Table, NodeBad,
    testing::Values(
        BadDocument{"a: 1\nb: 2\na: 3\n", "f.yml:3:1: key \"a\" given twice in one map (first at 1:1)"},
        BadDocument{"x:\n  - {k: 1, 'k': 2}\n", "f.yml:2:12: key \"k\" given twice in one map (first at 2:6)"},
        BadDocument{"a: b: c\n", "f.yml:1:5: a \":\" where no key can stand: check the indentation, or quote the text"},
        BadDocument{"a:\n  b: 1\n c: 2\n",
                    "f.yml:3:2: this does not belong to the map above it: check the indentation"},
        BadDocument{"a: \"x\" y\n", "f.yml:1:8: this does not belong to the map above it: check the indentation"},
        BadDocument{"- a\nb: c\n", "f.yml:2:1: this does not belong to the value above it: check the indentation"},
        BadDocument{"a: [1, 2\n", "f.yml:1:4: a list or map opened here is not closed"},
        BadDocument{"a: {b: 2\n", "f.yml:2:1: a map opened with \"{\" is not closed"},
        BadDocument{"a: 1\nb: \"x\nc: 2\n", "f.yml:2:4: a text in quotes is not closed"},
        BadDocument{"a: 'it''s\n", "f.yml:1:4: a text in quotes is not closed"},
        BadDocument{"a: 1\nb\n", "f.yml:2:1: expected \":\" after key \"b\""},
        BadDocument{"a: {{ x }}\n",
                    "f.yml:1:7: expected \":\" after key \"x\" (or quotes around the text with the brace)"},
        BadDocument{"? [1]\n: 2\n", "f.yml:1:3: a key must be a text"},
        BadDocument{"a:\n\tb: 1\n", "f.yml:2:1: a tab in the indentation: YAML wants spaces"},
        BadDocument{"a: @x\n", "f.yml:1:4: a text cannot start with this character: quote it"},
        BadDocument{"a: *n\n", "f.yml:1:4: no anchor of this name before its alias"},
        BadDocument{"a: &x [1, *x]\n", "f.yml:1:11: an alias inside the value it stands for"},
        BadDocument{"m: {<<: 1}\n", "f.yml:1:9: \"<<\" merges a map or a list of maps"},
        BadDocument{"m: {<<: [1]}\n", "f.yml:1:10: \"<<\" merges a map or a list of maps"},
        BadDocument{"a: !env HOME\n", "f.yml:1:4: the tag !env is not supported here"},
        BadDocument{"a: !!binary aGk=\n", "f.yml:1:4: the tag tag:yaml.org,2002:binary is not supported here"},
        BadDocument{"a: \"x\\q\"\n", "f.yml:1:8: unknown escape character: q"},
        BadDocument{"a: x\x01y\n", "f.yml:1:5: control character 0x01"},
        BadDocument{"ok: 1\na: \xc0\xaf\n", "f.yml:2:4: not UTF-8"},
        BadDocument{"a: \xed\xa0\x80\n", "f.yml:1:4: not UTF-8"},
        BadDocument{"a: \xf4\x90\x80\x80", "f.yml:1:4: not UTF-8"}));

TEST(NodeTest, PositionsCountLinesAndBytesFromOne) {
  const auto node = Node::parse("a:\n  \"k\" : v\n  list:\n  - é: ü\n    n:\n    z: null\n  t: |\n    x\n", "d/f.yml");
  ASSERT_TRUE(node);
  const Node map = node->find("a");
  EXPECT_EQ(map.position().to_string(), "d/f.yml:2:3");
  EXPECT_EQ(map.find("k").position().to_string(), "d/f.yml:2:9");
  EXPECT_EQ(map.entries().at(1).key.position().to_string(), "d/f.yml:3:3");
  const Node item = map.find("list").items().at(0);
  EXPECT_EQ(item.position().to_string(), "d/f.yml:4:5");
  EXPECT_EQ(item.find("é").position().to_string(), "d/f.yml:4:9");
  EXPECT_EQ(item.find("n").position().to_string(), "d/f.yml:5:5") << "an empty value stands where its key does";
  EXPECT_EQ(item.find("z").position().to_string(), "d/f.yml:6:8");
  EXPECT_EQ(map.find("t").position().to_string(), "d/f.yml:7:6");
  EXPECT_EQ(map.error("no {}", 5).message, "d/f.yml:2:3: no 5");
  EXPECT_EQ(Node().error("nowhere").message, "nowhere");
}

TEST(NodeTest, AbsentAndWrongKindsGiveNothing) {
  const auto node = Node::parse("a: 1", "f");
  ASSERT_TRUE(node);
  EXPECT_TRUE(node->find("b").is_null());
  EXPECT_TRUE(node->find("a").find("b").is_null());
  EXPECT_TRUE(node->items().empty());
  EXPECT_TRUE(node->find("a").entries().empty());
  EXPECT_EQ(node->describe(), "a map");
  EXPECT_EQ(node->find("a").describe(), "\"1\"");
  EXPECT_EQ(node->find("b").describe(), "nothing");
  EXPECT_EQ(node->source_text(), "a: 1");
}

TEST(NodeTest, KeepsItsDocumentAlive) {
  Node inner;
  {
    const auto node = Node::parse("a: [x]", "f");
    ASSERT_TRUE(node);
    inner = node->find("a");
  }
  EXPECT_EQ(shown(inner), "[x]");
}

TEST(NodeTest, AliasBombsEndAtTheValueLimit) {
  std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 30; ++i) {
    text += fmt::format("a{0}: &a{0} [", i);
    for (int k = 0; k < 10; ++k) text += fmt::format("{}*a{}", k == 0 ? "" : ", ", i - 1);
    text += "]\n";
  }
  const auto node = Node::parse(text, "f.yml");
  ASSERT_FALSE(node);
  EXPECT_THAT(node.error().message, testing::HasSubstr("more than 1000000 values (aliases counted at each use)"));
}

TEST(NodeTest, DepthIsBoundedAlsoThroughAliases) {
  EXPECT_THAT(Node::parse(std::string(5000, '[') + std::string(5000, ']'), "f").error().message,
              testing::HasSubstr("nested deeper than 100 levels"));
  const std::string sixty = std::string(60, '[') + std::string(60, ']');
  EXPECT_TRUE(Node::parse("a: " + sixty, "f"));
  EXPECT_THAT(
      Node::parse("a: &a " + sixty + "\nb: " + std::string(60, '[') + "*a" + std::string(60, ']'), "f").error().message,
      testing::HasSubstr("nested deeper than 100 levels"));
}

TEST(NodeTest, SizeIsBounded) {
  EXPECT_EQ(Node::parse(std::string((16 << 20) + 1, '#'), "f").error().message, "f:1:1: larger than 16 MiB");
}

TEST(NodeTest, FilesThatCannotBeRead) {
  EXPECT_EQ(Node::parse_file("/nonexistent/w.yml").error().message, "/nonexistent/w.yml: cannot be read");
  EXPECT_EQ(Node::parse_file("/").error().message, "/: cannot be read");
  const std::string path = testing::TempDir() + "node_test.yml";
  std::ofstream(path) << "a: [1]\n";
  const auto node = Node::parse_file(path);
  ASSERT_TRUE(node) << node.error().message;
  EXPECT_EQ(shown(*node), "{a: [1]}");
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace core::config

// SPDX-License-Identifier: Apache-2.0
// The generated documents are those in the tree (UPDATE_GOLDEN=1 rewrites them), and the example is a configuration
// that runs, also with what is commented out in it.
#include "agent/config/documents.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>

#include "agent/config/load.h"

namespace agent {
namespace {

const std::string kRoot = WATCHKEEPER_SOURCE_DIR;

void expect_current(const std::string& path, const std::string& text) {
  const std::string file = kRoot + "/" + path;
  if (std::getenv("UPDATE_GOLDEN") != nullptr) std::ofstream(file) << text;
  std::ifstream stream(file);
  const std::string stored{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  EXPECT_EQ(stored, text) << path << " is stale: run this test with UPDATE_GOLDEN=1";
}

TEST(DocumentsTest, AreCurrent) {
  expect_current("docs/configuration.md", configuration_reference());
  expect_current("packaging/watchkeeper.example.yml", configuration_example());
  expect_current("docs/probes.md", probe_reference());
}

TEST(DocumentsTest, TheSchemaIsJsonAndKnowsEveryTable) {
  const auto schema = nlohmann::json::parse(configuration_schema(), nullptr, false);
  ASSERT_TRUE(schema.is_object());
  EXPECT_EQ(schema["$defs"]["configuration"]["additionalProperties"], false);
  EXPECT_TRUE(schema["$defs"].contains("scrape_config"));
  EXPECT_EQ(schema["$defs"]["configuration"]["properties"]["ring"]["$ref"], "#/$defs/ring");
}

TEST(DocumentsTest, TheExampleRunsFromTheSourceTree) {
  const auto config = load_config(kRoot + "/packaging/watchkeeper.example.yml");
  ASSERT_TRUE(config) << config.error().front().message;
  EXPECT_EQ((*config)->jobs.size(), 5U);
  EXPECT_FALSE((*config)->rule_groups.empty()) << "the shipped rules are found by a path relative to the file";
}

TEST(DocumentsTest, WhatTheExampleHasCommentedOutIsRightToo) {
  std::istringstream lines(configuration_example());
  std::string text;
  for (std::string line; std::getline(lines, line);) {
    const bool key = line.size() > 1 && line[0] == '#' && (line.compare(1, 2, "  ") == 0 || std::islower(line[1]) != 0);
    text += (key ? line.substr(1) : line) + "\n";
  }
  const auto config = load_config_text(text, kRoot + "/packaging/watchkeeper.example.yml");
  ASSERT_TRUE(config) << config.error().front().message << "\n" << text;
  EXPECT_EQ((*config)->settings.receivers.size(), 3U);
  EXPECT_EQ((*config)->settings.modules.size(), 2U);
  EXPECT_EQ((*config)->probe_jobs.size(), 1U);
  EXPECT_EQ((*config)->settings.backups.size(), 1U);
  EXPECT_EQ((*config)->settings.remediations.size(), 1U);
}

}  // namespace
}  // namespace agent

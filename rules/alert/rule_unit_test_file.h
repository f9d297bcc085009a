// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/config/table.h"
#include "core/result.h"
#include "core/time/clock.h"

// The file format of promtool's rule unit tests (RULES_AND_API 7).
namespace rules {

struct TestSeries {
  std::string series;
  std::string values;
  static const core::config::Table<TestSeries>& fields();
};

struct ExpectedAlert {
  std::map<std::string, std::string> exp_labels;
  std::map<std::string, std::string> exp_annotations;
  static const core::config::Table<ExpectedAlert>& fields();
};

struct AlertTestCase {
  core::Millis eval_time{0};
  std::string alertname;
  std::vector<ExpectedAlert> exp_alerts;
  static const core::config::Table<AlertTestCase>& fields();
};

// A number as YAML writes one, with .nan and .inf.
struct YamlNumber {
  double value = 0;
};

struct ExpectedSample {
  std::string labels;
  YamlNumber value;
  static const core::config::Table<ExpectedSample>& fields();
};

struct ExprTestCase {
  std::string expr;
  core::Millis eval_time{0};
  std::vector<ExpectedSample> exp_samples;
  static const core::config::Table<ExprTestCase>& fields();
};

struct RuleTestGroup {
  std::string name;
  core::Millis interval{0};  // 0: the file's evaluation_interval
  std::string start_timestamp;
  std::vector<TestSeries> input_series;
  std::map<std::string, std::string> external_labels;
  std::string external_url;
  std::vector<AlertTestCase> alert_rule_test;
  std::vector<ExprTestCase> promql_expr_test;
  static const core::config::Table<RuleTestGroup>& fields();
};

struct RuleTestFile {
  std::vector<std::string> rule_files;  // patterns, relative to the file
  core::Millis evaluation_interval = std::chrono::minutes(1);
  std::vector<std::string> group_eval_order;
  bool fuzzy_compare = false;
  std::vector<RuleTestGroup> tests;
  static const core::config::Table<RuleTestFile>& fields();

  // Patterns are absolute or relative to the working folder afterwards.
  static core::Result<RuleTestFile> read(const std::string& path);
};

}  // namespace rules

template <>
struct core::config::Codec<rules::YamlNumber> {
  static Result<rules::YamlNumber> read(const Node& node);
  static std::string print(const rules::YamlNumber& number) { return Codec<double>::print(number.value); }
  static TypeDescription describe() { return Codec<double>::describe(); }
};

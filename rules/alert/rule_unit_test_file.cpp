// SPDX-License-Identifier: Apache-2.0
#include "rules/alert/rule_unit_test_file.h"

#include <filesystem>
#include <limits>
#include <set>

#include "core/ring/sample.h"

namespace rules {

using core::config::Node;
using core::config::Table;

const Table<TestSeries>& TestSeries::fields() {
  static const auto table =
      Table<TestSeries>("input_series", "A series that the rules see.")
          .field("series", &TestSeries::series, {.help = "Its name and labels.", .required = true})
          .field("values", &TestSeries::values, {.help = "Its values: 1+1x5 _ stale."});
  return table;
}

const Table<ExpectedAlert>& ExpectedAlert::fields() {
  static const auto table =
      Table<ExpectedAlert>("exp_alert", "An alert that fires.")
          .field("exp_labels", &ExpectedAlert::exp_labels, {.help = "All labels but alertname."})
          .field("exp_annotations", &ExpectedAlert::exp_annotations, {.help = "All annotations."});
  return table;
}

const Table<AlertTestCase>& AlertTestCase::fields() {
  static const auto table =
      Table<AlertTestCase>("alert_rule_test", "What fires at a time.")
          .field("eval_time", &AlertTestCase::eval_time, {.help = "Time since the start of the test."})
          .field("alertname", &AlertTestCase::alertname, {.help = "The alert to look at."})
          .field("exp_alerts", &AlertTestCase::exp_alerts, {.help = "Exactly these; none means that none fires."})
          .check([](const AlertTestCase& test, const Node& node) -> core::Result<void> {
            if (!test.alertname.empty()) return {};
            return core::fail(
                node.error("an item under alert_rule_test misses required attribute alertname at eval_time {}",
                           core::format_duration(test.eval_time)));
          });
  return table;
}

const Table<ExpectedSample>& ExpectedSample::fields() {
  static const auto table = Table<ExpectedSample>("exp_sample", "An element of the result.")
                                .field("labels", &ExpectedSample::labels, {.help = "Its name and labels."})
                                .field("value", &ExpectedSample::value, {.help = "Its value."})
                                .refuse("histogram", "native histograms are not supported");
  return table;
}

const Table<ExprTestCase>& ExprTestCase::fields() {
  static const auto table =
      Table<ExprTestCase>("promql_expr_test", "The result of a query at a time.")
          .field("expr", &ExprTestCase::expr, {.help = "The query.", .required = true})
          .field("eval_time", &ExprTestCase::eval_time, {.help = "Time since the start of the test."})
          .field("exp_samples", &ExprTestCase::exp_samples, {.help = "Exactly these, in any order."});
  return table;
}

const Table<RuleTestGroup>& RuleTestGroup::fields() {
  static const auto table =
      Table<RuleTestGroup>("test_group", "One test, with a storage of its own.")
          .field("name", &RuleTestGroup::name, {.help = "For messages."})
          .field("interval", &RuleTestGroup::interval, {.help = "Between two values of an input series."})
          .field("start_timestamp", &RuleTestGroup::start_timestamp, {.help = "Unix seconds or RFC 3339."})
          .field("input_series", &RuleTestGroup::input_series, {.help = "What the rules see."})
          .field("external_labels", &RuleTestGroup::external_labels, {.help = "For templates."})
          .field("external_url", &RuleTestGroup::external_url, {.help = "For templates."})
          .field("alert_rule_test", &RuleTestGroup::alert_rule_test, {.help = "What is to fire."})
          .field("promql_expr_test", &RuleTestGroup::promql_expr_test, {.help = "What queries are to give."});
  return table;
}

const Table<RuleTestFile>& RuleTestFile::fields() {
  static const auto table =
      Table<RuleTestFile>("rule_test_file", "Unit tests of rule files.")
          .field("rule_files", &RuleTestFile::rule_files, {.help = "Patterns, relative to this file."})
          .field("evaluation_interval", &RuleTestFile::evaluation_interval, {.help = "Of every group."})
          .field("group_eval_order", &RuleTestFile::group_eval_order, {.help = "Names of groups, first to last."})
          .field("fuzzy_compare", &RuleTestFile::fuzzy_compare, {.help = "Adjacent numbers are equal."})
          .field("tests", &RuleTestFile::tests, {.help = "The tests."})
          .check([](const RuleTestFile& file, const Node& node) -> core::Result<void> {
            std::set<std::string> seen;
            for (const std::string& name : file.group_eval_order) {
              if (seen.insert(name).second) continue;
              return core::fail(node.error("group name repeated in evaluation order: {}", name));
            }
            if (file.evaluation_interval > core::Millis::zero()) return {};
            return core::fail(node.error("evaluation_interval: expected a duration above 0"));
          });
  return table;
}

core::Result<RuleTestFile> RuleTestFile::read(const std::string& path) {
  core::Result<Node> node = Node::parse_file(path);
  if (!node) return core::fail(node.error());
  core::Result<RuleTestFile> file = fields().read(*node);
  if (!file) return file;
  for (std::string& pattern : file->rule_files) {
    if (!std::filesystem::path(pattern).is_absolute()) {
      pattern = (std::filesystem::path(path).parent_path() / pattern).string();
    }
  }
  return file;
}

}  // namespace rules

core::Result<rules::YamlNumber> core::config::Codec<rules::YamlNumber>::read(const Node& node) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (node.is_scalar() && !node.is_quoted()) {
    const std::string& text = node.scalar();
    if (text == ".nan" || text == ".NaN" || text == ".NAN") return rules::YamlNumber{ring::normal_nan()};
    if (text == ".inf" || text == "+.inf" || text == ".Inf" || text == "+.Inf") return rules::YamlNumber{kInfinity};
    if (text == "-.inf" || text == "-.Inf") return rules::YamlNumber{-kInfinity};
  }
  return Codec<double>::read(node).map([](double value) { return rules::YamlNumber{value}; });
}

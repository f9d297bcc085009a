// SPDX-License-Identifier: Apache-2.0
#include "rules/alert/rule_unit_test.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <set>
#include <utility>

#include "core/ring/ring.h"
#include "core/time/duration.h"
#include "rules/alert/alert_state.h"
#include "rules/alert/rule_evaluation.h"
#include "rules/alert/rule_file.h"
#include "rules/alert/rule_unit_test_file.h"
#include "rules/alert/series_writer.h"
#include "rules/alert/unexpanded_labels.h"
#include "rules/promql/engine.h"
#include "rules/promql/parser.h"
#include "rules/promql/series_notation.h"

namespace rules {
namespace {

using core::Millis;
using core::WallTime;
using core::ring::Labels;

// As promtool's engine has it.
constexpr std::uint64_t kMaxQuerySamples = 10'000;
// Of one test: a typing error in eval_time must not run for days.
constexpr std::int64_t kMaxTicks = 1'000'000;

// Go's strconv.FormatFloat(value, 'E', -1, 64).
std::string number_text(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  char buffer[40];
  const auto end = std::to_chars(std::begin(buffer), std::end(buffer), value, std::chars_format::scientific);
  std::string text(buffer, end.ptr);
  std::replace(text.begin(), text.end(), 'e', 'E');
  return text;
}

core::Result<WallTime> start_of(const std::string& text) {
  if (text.empty()) return WallTime{};
  double seconds = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (parsed.ec == std::errc() && parsed.ptr == text.data() + text.size() && std::abs(seconds) < 1e12) {
    return core::from_unix_ms(static_cast<std::int64_t>(std::round(seconds * 1000)));
  }
  return core::parse_rfc3339(text);
}

struct FiringAlert {
  Labels labels;
  std::map<std::string, std::string> annotations;
  auto operator<=>(const FiringAlert&) const = default;
};

// {a="b", c="d"}, the metric name among the labels, as promtool prints both labels and annotations.
template <class Pairs>
std::string pairs_text(const Pairs& pairs) {
  std::string text;
  for (const auto& [name, value] : pairs) text += (text.empty() ? "" : ", ") + name + "=" + core::ring::go_quote(value);
  return "{" + text + "}";
}

std::string list_text(const std::vector<FiringAlert>& alerts) {
  std::string text = "[";
  for (std::size_t i = 0; i < alerts.size(); ++i) {
    text += fmt::format("\n            {}:\n              Labels:{}\n              Annotations:{}", i,
                        pairs_text(alerts[i].labels), pairs_text(alerts[i].annotations));
  }
  return alerts.empty() ? "[]" : text + "\n            ]";
}

// A rule under test with its state.
struct TestedRule {
  RuleSpec spec;
  AlertPolicy policy;
  AlertTable alerts;
  RuleSeries series;
};

struct TestedGroup {
  RuleGroupSpec spec;
  core::ring::TimelineRef timeline;
  std::vector<TestedRule> rules;
};

struct Input {
  core::ring::SeriesRef series;
  std::vector<std::optional<double>> values;
};

// One test of a file: a storage of its own, filled and evaluated tick by tick.
class TestRun {
 public:
  TestRun(const RuleTestFile& file, const RuleTestGroup& test, const core::Clock& clock)
      : file_(file),
        test_(test),
        ring_(core::ring::make_memory_ring()),
        input_(ring_->make_appender()),
        writer_(ring_->make_appender()),
        engine_(ring_->reader(), clock,
                {.default_subquery_step = file.evaluation_interval, .max_samples = kMaxQuerySamples}) {
    settings_.evaluation_interval = file.evaluation_interval;
    std::vector<core::ring::Label> external;
    for (const auto& [name, value] : test.external_labels) external.push_back({name, value});
    settings_.external_labels = Labels(std::move(external));
    settings_.external_url = test.external_url;
  }

  std::vector<std::string> run(const std::vector<RuleGroupSpec>& groups);

 private:
  core::Result<void> prepare(const std::vector<RuleGroupSpec>& groups);
  core::Result<void> prepare_input();
  Millis longest_time() const;
  void load_until(WallTime tick);
  bool evaluate(TestedGroup& group, WallTime tick);
  core::Result<void> evaluate_rule(TestedGroup& group, TestedRule& rule, WallTime tick);
  void check_alerts(WallTime tick);
  void check_alert(const AlertTestCase& test);
  void check_expression(const ExprTestCase& test);
  void fail(std::string text) {
    failures_.push_back(test_.name.empty() ? std::move(text) : "    name: " + test_.name + ",\n" + text);
  }

  const RuleTestFile& file_;
  const RuleTestGroup& test_;
  RuleSettings settings_;
  std::unique_ptr<core::ring::Ring> ring_;
  std::unique_ptr<core::ring::Appender> input_;
  SeriesWriter writer_;
  promql::Engine engine_;
  WallTime start_;
  core::ring::TimelineRef input_timeline_{};
  std::vector<Input> inputs_;
  std::size_t next_value_ = 0;
  std::vector<TestedGroup> groups_;
  std::vector<std::string> failures_;
};

std::vector<std::string> TestRun::run(const std::vector<RuleGroupSpec>& groups) {
  if (auto ready = prepare(groups); !ready) {
    fail("    " + ready.error().message);
    return failures_;
  }
  const Millis last = longest_time();
  if (last / file_.evaluation_interval > kMaxTicks) {
    fail(fmt::format("    eval_time {}: more than {} evaluations", core::format_duration(last), kMaxTicks));
    return failures_;
  }
  for (WallTime tick = start_; tick <= start_ + last; tick += file_.evaluation_interval) {
    load_until(tick);
    for (TestedGroup& group : groups_) {
      if (!evaluate(group, tick)) return failures_;
    }
    check_alerts(tick);
  }
  for (const ExprTestCase& test : test_.promql_expr_test) check_expression(test);
  return failures_;
}

core::Result<void> TestRun::prepare(const std::vector<RuleGroupSpec>& groups) {
  core::Result<WallTime> start = start_of(test_.start_timestamp);
  if (!start) return core::fail(start.error().with_context("start_timestamp"));
  start_ = *start;
  for (const RuleGroupSpec& spec : groups) {
    core::Result<core::ring::TimelineRef> timeline = writer_.open_timeline();
    if (!timeline) return core::fail(timeline.error());
    TestedGroup group{spec, *timeline, {}};
    for (const RuleSpec& rule : spec.rules) {
      AlertPolicy policy{rule.hold_for, rule.keep_firing_for, spec.limit, file_.evaluation_interval, "", "", ""};
      group.rules.push_back({rule, std::move(policy), {}, {}});
    }
    groups_.push_back(std::move(group));
  }
  return prepare_input();
}

core::Result<void> TestRun::prepare_input() {
  core::Result<core::ring::TimelineRef> timeline = input_->open_timeline();
  if (!timeline) return core::fail(timeline.error());
  input_timeline_ = *timeline;
  for (const TestSeries& given : test_.input_series) {
    auto labels = promql::parse_metric(given.series);
    if (!labels) return core::fail(labels.error().with_context("series \"{}\"", given.series));
    auto values = promql::parse_series_values(given.values);
    if (!values) return core::fail(values.error().with_context("values of series \"{}\"", given.series));
    auto series = input_->upsert(input_timeline_, *labels);
    if (!series) return core::fail(series.error());
    inputs_.push_back({*series, std::move(*values)});
  }
  return {};
}

Millis TestRun::longest_time() const {
  Millis longest{0};
  for (const AlertTestCase& test : test_.alert_rule_test) longest = std::max(longest, test.eval_time);
  for (const ExprTestCase& test : test_.promql_expr_test) longest = std::max(longest, test.eval_time);
  return longest;
}

void TestRun::load_until(WallTime tick) {
  const Millis interval = test_.interval > Millis::zero() ? test_.interval : file_.evaluation_interval;
  std::size_t longest = 0;
  for (const Input& input : inputs_) longest = std::max(longest, input.values.size());
  for (; next_value_ < longest; ++next_value_) {
    const WallTime time = start_ + interval * static_cast<std::int64_t>(next_value_);
    if (time > tick) break;
    input_->begin(input_timeline_, core::to_unix_ms(time));
    for (const Input& input : inputs_) {
      if (next_value_ >= input.values.size() || !input.values[next_value_]) continue;
      (void)input_->append(input.series, *input.values[next_value_]);
    }
    input_->publish();
  }
}

// False if a rule failed: the test ends there.
bool TestRun::evaluate(TestedGroup& group, WallTime tick) {
  bool good = true;
  for (TestedRule& rule : group.rules) {
    const core::Result<void> done = evaluate_rule(group, rule, tick);
    if (done) continue;
    const Millis since = std::chrono::duration_cast<Millis>(tick - start_);
    fail(fmt::format("    rule: {}, time: {}, err: {}", rule.spec.name, core::format_duration(since),
                     done.error().message));
    good = false;
  }
  return good;
}

core::Result<void> TestRun::evaluate_rule(TestedGroup& group, TestedRule& rule, WallTime tick) {
  const std::int64_t time_ms = core::to_unix_ms(tick - group.spec.query_offset.value_or(Millis::zero()));
  auto result = engine_.instant(*rule.spec.expr, time_ms);
  if (!result) return core::fail(result.error());
  auto vector = to_vector(std::move(result->value));
  if (!vector) return core::fail(vector.error());
  std::vector<SeriesSample> samples;
  if (rule.spec.kind == RuleKind::kRecording) {
    auto recorded = record(rule.spec, *vector, group.spec.limit);
    if (!recorded) return core::fail(recorded.error());
    samples = std::move(*recorded);
  } else {
    auto next = advance(rule.policy, rule.alerts, expand(rule.spec, *vector, settings_, engine_, tick), tick);
    if (!next) return core::fail(next.error());
    rule.alerts = announce(rule.policy, *next, tick).alerts;
    samples = alert_series(rule.alerts);
    add_unexpanded_labels(samples, rule.spec.labels);
  }
  writer_.write(group.timeline, rule.series, samples, time_ms);
  return {};
}

// The cases whose last tick this is.
void TestRun::check_alerts(WallTime tick) {
  for (const AlertTestCase& test : test_.alert_rule_test) {
    const WallTime time = start_ + test.eval_time;
    if (tick <= time && time < tick + file_.evaluation_interval) check_alert(test);
  }
}

void TestRun::check_alert(const AlertTestCase& test) {
  std::vector<FiringAlert> firing;
  for (const TestedGroup& group : groups_) {
    for (const TestedRule& rule : group.rules) {
      if (rule.spec.kind != RuleKind::kAlerting || rule.spec.name != test.alertname) continue;
      for (const auto& [labels, alert] : rule.alerts) {
        if (alert.state == AlertState::kFiring) firing.push_back({labels, alert.annotations});
      }
    }
  }
  std::vector<FiringAlert> expected;
  for (const ExpectedAlert& alert : test.exp_alerts) {
    std::vector<core::ring::Label> pairs;
    for (const auto& [name, value] : alert.exp_labels) pairs.push_back({name, value});
    pairs.push_back({"alertname", test.alertname});
    expected.push_back({Labels(std::move(pairs)), alert.exp_annotations});
  }
  std::sort(firing.begin(), firing.end());
  std::sort(expected.begin(), expected.end());
  if (firing == expected) return;
  fail(fmt::format("    alertname: {}, time: {}, \n        exp:{}, \n        got:{}", test.alertname,
                   core::format_duration(test.eval_time), list_text(expected), list_text(firing)));
}

struct ComparedSample {
  Labels labels;
  double value;
};

std::string list_text(const std::vector<ComparedSample>& samples) {
  std::string text;
  for (const ComparedSample& sample : samples) {
    text += (text.empty() ? "" : "\n            ") + pairs_text(sample.labels) + " " + number_text(sample.value);
  }
  return samples.empty() ? "nil" : text;
}

bool same_value(double a, double b, bool fuzzy) {
  if (a == b) return true;
  return fuzzy && (std::nextafter(a, b) == b);
}

void TestRun::check_expression(const ExprTestCase& test) {
  const std::string where =
      fmt::format("    expr: {}, time: {},", core::ring::go_quote(test.expr), core::format_duration(test.eval_time));
  auto result = engine_.instant(test.expr, core::to_unix_ms(start_ + test.eval_time));
  auto vector = result ? to_vector(std::move(result->value)) : core::Result<promql::Vector>(core::fail(result.error()));
  if (!vector) return fail(where + " err: " + vector.error().message);
  std::vector<ComparedSample> got;
  for (promql::VectorElement& element : *vector) got.push_back({std::move(element.labels), element.sample.value});
  std::vector<ComparedSample> expected;
  for (const ExpectedSample& sample : test.exp_samples) {
    auto labels = sample.labels.empty() ? core::Result<Labels>(Labels{}) : promql::parse_metric(sample.labels);
    if (!labels)
      return fail(where + " err: labels " + core::ring::go_quote(sample.labels) + ": " + labels.error().message);
    expected.push_back({std::move(*labels), sample.value.value});
  }
  const auto by_labels = [](const ComparedSample& a, const ComparedSample& b) { return a.labels < b.labels; };
  std::stable_sort(got.begin(), got.end(), by_labels);
  std::stable_sort(expected.begin(), expected.end(), by_labels);
  const bool equal =
      std::equal(got.begin(), got.end(), expected.begin(), expected.end(), [this](const auto& a, const auto& b) {
        return a.labels == b.labels && same_value(a.value, b.value, file_.fuzzy_compare);
      });
  if (!equal) fail(fmt::format("{}\n        exp: {}\n        got: {}", where, list_text(expected), list_text(got)));
}

// By their place in group_eval_order; a group that is not in it ranks like the first.
void order_groups(std::vector<RuleGroupSpec>& groups, const std::vector<std::string>& order) {
  const auto rank = [&order](const RuleGroupSpec& group) {
    const auto found = std::find(order.begin(), order.end(), group.name);
    return found == order.end() ? 0 : found - order.begin();
  };
  std::stable_sort(groups.begin(), groups.end(), [&rank](const auto& a, const auto& b) { return rank(a) < rank(b); });
}

}  // namespace

RuleTestReport run_rule_tests(const std::string& path, const core::Clock& clock) {
  RuleTestReport report;
  const core::Result<RuleTestFile> file = RuleTestFile::read(path);
  if (!file) return {{"    " + file.error().message}};
  Checked<std::vector<RuleGroupSpec>> groups = load_rule_files(file->rule_files);
  if (!groups) {
    for (const core::Error& error : groups.error()) report.failures.push_back("    " + error.message);
    return report;
  }
  order_groups(*groups, file->group_eval_order);
  for (const RuleTestGroup& test : file->tests) {
    std::vector<std::string> failures = TestRun(*file, test, clock).run(*groups);
    std::move(failures.begin(), failures.end(), std::back_inserter(report.failures));
  }
  return report;
}

}  // namespace rules

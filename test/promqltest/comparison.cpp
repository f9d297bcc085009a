// SPDX-License-Identifier: Apache-2.0
#include "comparison.h"

#include <re2/re2.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "rules/promql/number_text.h"

namespace promqltest {

using rules::promql::Matrix;
using rules::promql::Value;
using rules::promql::Vector;

namespace {

std::string show(double value) { return core::ring::is_stale(value) ? "stale" : rules::promql::short_number(value); }

bool meets(const std::string& text, const TextExpectation& expectation) {
  switch (expectation.kind) {
    case TextExpectation::Kind::kAny:
      return true;
    case TextExpectation::Kind::kExact:
      return text == expectation.text;
    case TextExpectation::Kind::kRegex:
      break;
  }
  re2::RE2::Options options;
  options.set_log_errors(false);
  const re2::RE2 regex(expectation.text, options);
  return regex.ok() && re2::RE2::PartialMatch(text, regex);
}

std::string show(const TextExpectation& expectation) {
  return expectation.kind == TextExpectation::Kind::kAny ? "anything" : '"' + expectation.text + '"';
}

std::string compare_kind(std::string_view kind, const AnnotationExpectation& expectation,
                         const std::vector<std::string>& found) {
  if (expectation.none && !found.empty()) return fmt::format("unexpected {}: {}", kind, found.front());
  if (expectation.some && found.empty()) return fmt::format("expected a {}, got none", kind);
  if (expectation.wanted.empty()) return "";
  for (const TextExpectation& wanted : expectation.wanted) {
    if (std::none_of(found.begin(), found.end(), [&](const std::string& text) { return meets(text, wanted); })) {
      return fmt::format("no {} is {}; got {}", kind, show(wanted), fmt::join(found, "; "));
    }
  }
  for (const std::string& text : found) {
    if (std::none_of(expectation.wanted.begin(), expectation.wanted.end(),
                     [&](const TextExpectation& wanted) { return meets(text, wanted); })) {
      return fmt::format("unexpected {}: {}", kind, text);
    }
  }
  return "";
}

// Expected points of one series on a grid; gaps are left out.
std::vector<Sample> points_of(const ExpectedSeries& series, const TimeRange& range) {
  std::vector<Sample> points;
  for (std::size_t i = 0; i < series.values.size(); ++i) {
    if (!series.values[i]) continue;
    points.push_back({range.start_ms + static_cast<std::int64_t>(i) * range.step_ms, *series.values[i]});
  }
  return points;
}

std::string compare_points(const Labels& labels, const std::vector<Sample>& expected,
                           const std::vector<Sample>& found) {
  if (expected.size() != found.size()) {
    return fmt::format("expected {} points of {}, got {}", expected.size(), labels.to_string(), found.size());
  }
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (expected[i].time_ms != found[i].time_ms) {
      return fmt::format("expected point {} of {} at {} ms, got it at {} ms", i, labels.to_string(),
                         expected[i].time_ms, found[i].time_ms);
    }
    if (!almost_equal(expected[i].value, found[i].value)) {
      return fmt::format("expected {} for {} at {} ms, got {}", show(expected[i].value), labels.to_string(),
                         expected[i].time_ms, show(found[i].value));
    }
  }
  return "";
}

std::string compare_matrix(const EvalCommand& eval, const Matrix& matrix, const TimeRange& range) {
  std::map<Labels, std::vector<Sample>> expected;
  for (const ExpectedSeries& series : eval.series) {
    std::vector<Sample> points = points_of(series, range);
    if (!points.empty()) expected[series.labels] = std::move(points);
  }
  for (const auto& series : matrix) {
    const auto wanted = expected.find(series.labels);
    if (wanted == expected.end()) return fmt::format("unexpected series {}", series.labels.to_string());
    std::string difference = compare_points(series.labels, wanted->second, series.samples);
    if (!difference.empty()) return difference;
    expected.erase(wanted);
  }
  if (expected.empty()) return "";
  return fmt::format("missing series {}", expected.begin()->first.to_string());
}

std::string compare_vector(const EvalCommand& eval, const Vector& vector) {
  std::map<Labels, std::pair<std::size_t, double>> expected;
  for (std::size_t i = 0; i < eval.series.size(); ++i) {
    expected[eval.series[i].labels] = {i, *eval.series[i].values.front()};
  }
  for (std::size_t i = 0; i < vector.size(); ++i) {
    const std::string name = vector[i].labels.to_string();
    const auto wanted = expected.find(vector[i].labels);
    if (wanted == expected.end()) {
      return fmt::format("unexpected series {} {}", name, show(vector[i].sample.value));
    }
    const auto [position, value] = wanted->second;
    if (eval.ordered && position != i) {
      return fmt::format("expected {} at position {}, got it at position {}", name, position + 1, i + 1);
    }
    if (!almost_equal(value, vector[i].sample.value)) {
      return fmt::format("expected {} for {}, got {}", show(value), name, show(vector[i].sample.value));
    }
    expected.erase(wanted);
  }
  if (expected.empty()) return "";
  return fmt::format("missing series {} {}", expected.begin()->first.to_string(),
                     show(expected.begin()->second.second));
}

}  // namespace

bool almost_equal(double a, double b) {
  constexpr double kEpsilon = 1e-6;
  constexpr double kSmallest = std::numeric_limits<double>::min();
  if (core::ring::is_stale(a) || core::ring::is_stale(b)) return core::ring::is_stale(a) && core::ring::is_stale(b);
  if (std::isnan(a) && std::isnan(b)) return true;
  if (a == b) return true;
  const double sum = std::fabs(a) + std::fabs(b);
  const double difference = std::fabs(a - b);
  if (a == 0 || b == 0 || sum < kSmallest) return difference < kEpsilon * kSmallest;
  return difference / std::min(sum, std::numeric_limits<double>::max()) < kEpsilon;
}

bool is_sorted(const Matrix& matrix) {
  return std::is_sorted(matrix.begin(), matrix.end(), [](const auto& a, const auto& b) { return a.labels < b.labels; });
}

std::string compare_instant(const EvalCommand& eval, const Value& value) {
  if (const auto* scalar = std::get_if<rules::promql::Scalar>(&value)) {
    if (!eval.scalar) return fmt::format("unexpected scalar {}", show(scalar->value));
    if (almost_equal(*eval.scalar, scalar->value)) return "";
    return fmt::format("expected scalar {}, got {}", show(*eval.scalar), show(scalar->value));
  }
  if (eval.scalar) return "expected a scalar";
  if (const auto* string = std::get_if<rules::promql::StringValue>(&value)) {
    if (!eval.string) return fmt::format("unexpected string \"{}\"", string->text);
    if (*eval.string == string->text) return "";
    return fmt::format("expected string \"{}\", got \"{}\"", *eval.string, string->text);
  }
  if (eval.string) return "expected a string";
  if (const auto* matrix = std::get_if<Matrix>(&value)) {
    if (!eval.range_vector) return "unexpected range vector";
    if (!is_sorted(*matrix)) return "the series of the result are not sorted";
    return compare_matrix(eval, *matrix, *eval.range_vector);
  }
  if (eval.range_vector) return "expected a range vector";
  return compare_vector(eval, std::get<Vector>(value));
}

std::string compare_range(const EvalCommand& eval, const Matrix& matrix) {
  if (!is_sorted(matrix)) return "the series of the result are not sorted";
  return compare_matrix(eval, matrix, eval.time);
}

std::string compare_failure(const EvalCommand& eval, const std::string& message) {
  if (!eval.fail) return "the query failed: " + message;
  if (meets(message, *eval.fail)) return "";
  return fmt::format("expected failure {}, got \"{}\"", show(*eval.fail), message);
}

std::string compare_annotations(const EvalCommand& eval, const rules::promql::Annotations& annotations) {
  std::string difference = compare_kind("warning", eval.warnings, annotations.warnings);
  return difference.empty() ? compare_kind("info", eval.infos, annotations.infos) : difference;
}

}  // namespace promqltest

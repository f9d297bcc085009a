// SPDX-License-Identifier: Apache-2.0
#include "actions/remedy/condition.h"

#include <algorithm>
#include <cmath>

#include "rules/promql/parser.h"

namespace actions::remedy {
namespace {

using core::Errc;
using core::fail;
using core::Result;
using rules::promql::Binary;
using rules::promql::BinaryOp;
using rules::promql::Expr;
using rules::promql::ExprPtr;
using rules::promql::ValueType;

// A condition is looked at every few seconds at most, and a decision waits for it.
constexpr core::Millis kTimeout = std::chrono::seconds(10);
constexpr std::uint64_t kSamplesMax = 5'000'000;

Answer unknown(std::string why) {
  return {Verdict::kUnknown, std::numeric_limits<double>::quiet_NaN(), std::move(why)};
}
Answer no(std::string why) { return {Verdict::kNo, std::numeric_limits<double>::quiet_NaN(), std::move(why)}; }
Answer yes() { return {Verdict::kYes, std::numeric_limits<double>::quiet_NaN(), ""}; }

// A comparison that keeps the samples for which it holds: its result does not say for which it does not.
const Binary* filter_of(const Expr& expr) {
  const auto* binary = expr.as<Binary>();
  const bool filters = binary != nullptr && rules::promql::is_comparison(binary->op) && !binary->return_bool &&
                       rules::promql::value_type(expr) == ValueType::kVector;
  return filters ? binary : nullptr;
}

// Whether the values of the result are those that were compared, so that a zero among them says nothing.
bool keeps_values(const Expr& expr) {
  const Expr& inner = rules::promql::strip_parens(expr);
  if (filter_of(inner) != nullptr) return true;
  const auto* binary = inner.as<Binary>();
  if (binary == nullptr) return false;
  if (binary->op == BinaryOp::kAnd || binary->op == BinaryOp::kUnless) return keeps_values(*binary->lhs);
  return binary->op == BinaryOp::kOr && keeps_values(*binary->lhs) && keeps_values(*binary->rhs);
}

// Evaluates expressions at one time.
class Evaluation {
 public:
  Evaluation(const rules::promql::Engine& engine, std::int64_t time_ms, std::stop_token stop)
      : engine_(engine), time_ms_(time_ms), stop_(std::move(stop)) {}

  Result<std::vector<double>> values(const Expr& expr) const {
    const auto result = engine_.instant(expr, time_ms_, stop_);
    if (!result) return fail(result.error());
    std::vector<double> values;
    if (const auto* scalar = std::get_if<rules::promql::Scalar>(&result->value)) values.push_back(scalar->value);
    if (const auto* vector = std::get_if<rules::promql::Vector>(&result->value)) {
      for (const auto& element : *vector) values.push_back(element.sample.value);
    }
    return values;
  }

  Answer condition(const Expr& whole) const {
    const Expr& expr = rules::promql::strip_parens(whole);
    const Binary* filter = filter_of(expr);
    if (filter == nullptr) return judge(values(expr), keeps_values(expr));
    for (const ExprPtr& side : {filter->lhs, filter->rhs}) {
      const auto compared = values(*side);
      if (!compared) return unknown(compared.error().message);
      if (compared->empty()) return unknown("no samples");
      if (has_nan(*compared)) return unknown("a value is NaN");
    }
    // The same comparison as 0 or 1, which tells "not so" from "nothing there".
    Binary asked = *filter;
    asked.return_bool = true;
    Expr told = expr;
    told.node = std::move(asked);
    return judge(values(told), false);
  }

 private:
  static bool has_nan(const std::vector<double>& values) {
    return std::any_of(values.begin(), values.end(), [](double value) { return std::isnan(value); });
  }

  static Answer judge(const Result<std::vector<double>>& values, bool zero_counts) {
    if (!values) return unknown(values.error().message);
    if (values->empty()) return unknown("no samples");
    if (has_nan(*values)) return unknown("a value is NaN");
    const bool holds = zero_counts || std::all_of(values->begin(), values->end(), [](double v) { return v != 0; });
    return holds ? yes() : no("does not hold");
  }

  const rules::promql::Engine& engine_;
  std::int64_t time_ms_;
  std::stop_token stop_;
};

}  // namespace

std::string_view to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::kNo:
      return "no";
    case Verdict::kUnknown:
      return "unknown";
    case Verdict::kYes:
      return "yes";
  }
  return "unknown";
}

Result<void> check_condition(std::string_view text) {
  const auto expr = rules::promql::parse(text);
  if (!expr) return fail(expr.error());
  const ValueType type = rules::promql::value_type(**expr);
  if (type == ValueType::kScalar || type == ValueType::kVector) return {};
  return fail(Errc::kInvalid, "a condition is a number or an instant vector");
}

Answer RingLookout::answer(const Question& question, core::Duration fresh_within, std::stop_token stop) {
  if (question.kind == Question::Kind::kBackupAge) {
    const std::optional<core::Duration> age = backup_age_(question.text);
    if (!age) return unknown("no backup that is known to be good");
    return {Verdict::kYes, std::chrono::duration<double>(*age).count(), ""};
  }
  const auto expr = rules::promql::parse(question.text);
  if (!expr) return unknown(expr.error().message);
  rules::promql::EngineOptions options = options_;
  options.lookback = std::max(core::Millis(1), std::chrono::duration_cast<core::Millis>(fresh_within));
  options.lookback = std::min(options.lookback, options_.lookback);
  options.timeout = std::min(options.timeout, kTimeout);
  options.max_samples = std::min(options.max_samples, kSamplesMax);
  options.cache = nullptr;
  const rules::promql::Engine engine(reader_, clock_, options);
  const Evaluation evaluation(engine, clock_.unix_ms(), std::move(stop));
  if (question.kind == Question::Kind::kCondition) return evaluation.condition(**expr);
  const auto values = evaluation.values(**expr);
  if (!values) return unknown(values.error().message);
  if (values->size() != 1) return unknown(values->empty() ? "no samples" : "more than one value");
  if (!std::isfinite(values->front())) return unknown("not a number");
  return {Verdict::kYes, values->front(), ""};
}

}  // namespace actions::remedy

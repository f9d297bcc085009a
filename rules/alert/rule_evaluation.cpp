// SPDX-License-Identifier: Apache-2.0
#include "rules/alert/rule_evaluation.h"

#include <algorithm>
#include <set>
#include <utility>
#include <variant>

#include "rules/promql/ast.h"
#include "rules/template/template.h"

namespace rules {
namespace {

using core::Millis;
using core::ring::Labels;

std::int64_t window_ms(const promql::Expr& expr);

std::int64_t look_back(const promql::TimeShift& shift, std::int64_t range_ms) {
  const bool pinned = shift.at_ms.has_value() || shift.at_bound != promql::AtBound::kNone;
  return pinned ? range_ms : std::max<std::int64_t>(0, shift.offset_ms + range_ms);
}

std::int64_t window_ms(const promql::Expr& expr) {
  if (const auto* selector = expr.as<promql::VectorSelector>()) return look_back(selector->shift, 0);
  if (const auto* matrix = expr.as<promql::MatrixSelector>())
    return look_back(matrix->selector.shift, matrix->range_ms);
  std::int64_t deepest = 0;
  for (const promql::ExprPtr& child : promql::children(expr)) deepest = std::max(deepest, window_ms(*child));
  if (const auto* subquery = expr.as<promql::Subquery>()) deepest += look_back(subquery->shift, subquery->range_ms);
  return deepest;
}

// Expands the templates of one rule at one evaluation.
class Expander {
 public:
  Expander(const RuleSpec& rule, const RuleSettings& settings, const promql::Engine& engine, core::WallTime slot)
      : name_("__alert_" + rule.name), engine_(engine), slot_ms_(core::to_unix_ms(slot)) {
    data_.external_labels = settings.external_labels;
    data_.external_url = settings.external_url;
    data_.now_ms = slot_ms_;
  }

  void set_element(const promql::VectorElement& element) {
    data_.labels = element.labels;
    data_.value = element.sample.value;
  }

  std::string expand(const std::string& text) const {
    if (text.find("{{") == std::string::npos) return text;
    auto expanded = templates::expand(text, data_, name_, [this](std::string_view query) { return run(query); });
    return expanded ? std::move(*expanded) : "<error expanding template: " + expanded.error().message + ">";
  }

 private:
  core::Result<std::vector<templates::QuerySample>> run(std::string_view query) const {
    core::Result<promql::QueryResult> result = engine_.instant(query, slot_ms_);
    if (!result) return core::fail(result.error());
    core::Result<promql::Vector> vector = to_vector(std::move(result->value));
    if (!vector) return core::fail(core::Errc::kInvalid, "query result is not a vector or scalar");
    std::vector<templates::QuerySample> samples;
    for (promql::VectorElement& element : *vector) {
      samples.push_back({std::move(element.labels), element.sample.value});
    }
    return samples;
  }

  std::string name_;
  const promql::Engine& engine_;
  std::int64_t slot_ms_;
  templates::AlertContext data_;
};

// As Go's url.QueryEscape: everything but letters, digits and - _ . ~, a space as +.
std::string escape_query(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("-_.~").find(c) != std::string_view::npos;
    if (plain) {
      escaped += c;
    } else if (c == ' ') {
      escaped += '+';
    } else {
      escaped += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return escaped;
}

}  // namespace

core::Result<promql::Vector> to_vector(promql::Value value) {
  if (auto* vector = std::get_if<promql::Vector>(&value)) return std::move(*vector);
  if (const auto* scalar = std::get_if<promql::Scalar>(&value)) return promql::Vector{{Labels{}, *scalar}};
  return core::fail(core::Errc::kInvalid, "rule result is not a vector or scalar");
}

core::Result<std::vector<SeriesSample>> record(const RuleSpec& rule, const promql::Vector& result, std::size_t limit) {
  std::vector<SeriesSample> samples;
  std::set<Labels> seen;
  for (const promql::VectorElement& element : result) {
    std::vector<core::ring::Label> pairs(element.labels.begin(), element.labels.end());
    pairs.push_back({std::string(core::ring::kMetricName), rule.name});
    for (const auto& [name, value] : rule.labels) pairs.push_back({name, value});
    Labels labels(std::move(pairs));
    if (!seen.insert(labels).second) {
      return core::fail(core::Errc::kFailed,
                        "vector contains metrics with the same labelset after applying rule labels: {}",
                        labels.to_string());
    }
    samples.push_back({std::move(labels), element.sample.value});
  }
  if (limit > 0 && samples.size() > limit) {
    return core::fail(core::Errc::kLimitExceeded, "exceeded limit of {} with {} series", limit, samples.size());
  }
  return samples;
}

std::vector<ActiveElement> expand(const RuleSpec& rule, const promql::Vector& result, const RuleSettings& settings,
                                  const promql::Engine& engine, core::WallTime slot) {
  Expander expander(rule, settings, engine, slot);
  std::vector<ActiveElement> elements;
  elements.reserve(result.size());
  for (const promql::VectorElement& element : result) {
    expander.set_element(element);
    std::map<std::string, std::string> labels;
    for (const auto& [name, text] : rule.labels) labels.emplace(name, expander.expand(text));
    ActiveElement active{alert_labels(element.labels, labels, rule.name), {}, element.sample.value};
    for (const auto& [name, text] : rule.annotations) active.annotations.emplace(name, expander.expand(text));
    elements.push_back(std::move(active));
  }
  return elements;
}

std::string generator_url(const RuleSettings& settings, const RuleSpec& rule) {
  return settings.external_url + "/graph?g0.expr=" + escape_query(rule.query) + "&g0.tab=1";
}

core::Millis window(const promql::Expr& expr) { return Millis(window_ms(expr)); }

}  // namespace rules

// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "core/check.h"
#include "rules/promql/evaluator.h"

namespace rules::promql {

using core::Errc;
using core::fail;
using core::Result;

namespace {

constexpr std::string_view kDefaultInfoMetric = "target_info";
// The labels by which an info series belongs to a target.
constexpr std::array<std::string_view, 2> kIdentifying = {"instance", "job"};

bool matches_all(std::span<const Matcher> matchers, std::string_view value) {
  return std::all_of(matchers.begin(), matchers.end(), [value](const Matcher& m) { return m.matches(value); });
}

// What the second argument of info() asks for.
struct InfoRequest {
  std::vector<Matcher> names;                          // which metrics are info metrics
  std::map<std::string, std::vector<Matcher>> labels;  // which labels to copy, and what they must match
  std::vector<Matcher> all() const {
    std::vector<Matcher> list = names;
    for (const auto& [name, matchers] : labels) list.insert(list.end(), matchers.begin(), matchers.end());
    return list;
  }
  // An element without an info series may stay.
  bool accepts_nothing() const {
    return std::all_of(labels.begin(), labels.end(), [](const auto& entry) { return matches_all(entry.second, ""); });
  }
};

Result<InfoRequest> request_of(const Call& call) {
  InfoRequest request;
  if (call.args.size() > 1) {
    const auto* selector = strip_parens(*call.args[1]).as<VectorSelector>();
    CHECK(selector != nullptr, "the parser lets only selectors be the second argument of info()");
    for (const Matcher& matcher : selector->matchers) {
      if (matcher.name() == core::ring::kMetricName) {
        request.names.push_back(matcher);
      } else {
        request.labels[matcher.name()].push_back(matcher);
      }
    }
  }
  const auto positive = [](const Matcher& matcher) {
    return matcher.type() == core::ring::MatchType::kEqual || matcher.type() == core::ring::MatchType::kRegexMatch;
  };
  if (request.names.empty()) {
    request.names.push_back(Matcher::equal(std::string(core::ring::kMetricName), std::string(kDefaultInfoMetric)));
  } else if (std::none_of(request.names.begin(), request.names.end(), positive)) {
    Result<Matcher> any_info =
        Matcher::make(core::ring::MatchType::kRegexMatch, std::string(core::ring::kMetricName), ".+_info");
    if (!any_info) return fail(any_info.error());
    request.names.push_back(std::move(*any_info));
  }
  return request;
}

void add_shift(TimeShift& sum, const TimeShift& shift) {
  sum.offset_ms += shift.offset_ms;
  sum.at_ms = shift.at_ms;
  sum.at_bound = shift.at_bound;
}

bool is_pinned(const TimeShift& shift) { return shift.at_ms.has_value() || shift.at_bound != AtBound::kNone; }

// The time at which the first selector below `expr` looks: its own shift and, up to the first @, those of the
// subqueries around it.
std::optional<TimeShift> governing_shift(const Expr& expr) {
  if (const auto* selector = expr.as<VectorSelector>()) return selector->shift;
  if (const auto* matrix = expr.as<MatrixSelector>()) return matrix->selector.shift;
  for (const ExprPtr& part : children(expr)) {
    auto shift = governing_shift(*part);
    if (!shift) continue;
    if (const auto* subquery = expr.as<Subquery>(); subquery != nullptr && !is_pinned(*shift)) {
      add_shift(*shift, subquery->shift);
    }
    return shift;
  }
  return std::nullopt;
}

using JoinKey = std::array<std::string, 1 + kIdentifying.size()>;  // info metric, then identifying labels

JoinKey join_key(std::string_view info_metric, const Labels& labels) {
  JoinKey key;
  key[0] = info_metric;
  for (std::size_t i = 0; i < kIdentifying.size(); ++i) key[i + 1] = labels.get(kIdentifying[i]);
  return key;
}

}  // namespace

// The join that info() makes between its operand and the info series.
//
// Thread safety: confined to the thread that runs the query.
class InfoJoin {
 public:
  InfoJoin(Evaluator& evaluator, InfoRequest request, SeriesList base)
      : evaluator_(evaluator), request_(std::move(request)), base_(std::move(base)) {
    for (const Series& series : base_) {
      passes_.push_back(matches_all(request_.names, series.labels->metric_name()));
    }
  }

  Result<SeriesList> run(const TimeShift& shift) {
    if (Status loaded = load_info(shift); !loaded) return fail(loaded.error());
    StepCursor base_cursor(base_);
    StepCursor info_cursor(info_);
    StepAssembler result;
    const TimeGrid& grid = evaluator_.grid_;
    for (std::size_t step = 0; step < grid.size(); ++step) {
      if (Status alive = evaluator_.context_.check_alive(); !alive) return fail(alive.error());
      const std::int64_t time = grid.at(step);
      if (Status indexed = index_step(info_cursor, time); !indexed) return fail(indexed.error());
      Status failed;
      base_cursor.visit(time, [&](std::size_t i, double value) {
        if (!failed) return;
        Result<LabelsPtr> labels = joined(i);
        if (!labels) {
          failed = fail(labels.error());
        } else if (*labels != nullptr) {
          failed = result.add(*labels, base_[i].drop_name, {time, value});
        }
      });
      if (!failed) return fail(failed.error());
    }
    return result.take();
  }

 private:
  // Selects the info series of the targets that the operand comes from, with the time of the sample chosen at each step
  // as their values.
  Status load_info(const TimeShift& shift) {
    std::array<std::set<std::string, std::less<>>, kIdentifying.size()> wanted;
    for (std::size_t i = 0; i < base_.size(); ++i) {
      if (passes_[i]) continue;
      for (std::size_t label = 0; label < kIdentifying.size(); ++label) {
        const std::string_view value = base_[i].labels->get(kIdentifying[label]);
        if (!value.empty()) wanted[label].emplace(value);
      }
    }
    if (std::all_of(wanted.begin(), wanted.end(), [](const auto& values) { return values.empty(); })) return {};
    VectorSelector selector;
    selector.matchers = request_.all();
    selector.shift = shift;
    Result<SeriesList> list = evaluator_.instant_selector(selector, SampleAspect::kTime);
    if (!list) return fail(list.error());
    std::erase_if(*list, [&wanted](const Series& series) {
      for (std::size_t label = 0; label < kIdentifying.size(); ++label) {
        if (!wanted[label].empty() && !wanted[label].contains(series.labels->get(kIdentifying[label]))) return true;
      }
      return false;
    });
    info_ = std::move(*list);
    for (const Series& series : info_) metrics_.emplace(series.labels->metric_name());
    return {};
  }

  // Finds the info series of every key at this step: the one with the newest sample.
  Status index_step(StepCursor& cursor, std::int64_t time) {
    newest_.clear();
    Status status;
    cursor.visit(time, [&](std::size_t i, double seconds) {
      const Labels& labels = *info_[i].labels;
      const auto [found, added] = newest_.try_emplace(join_key(labels.metric_name(), labels), Newest{i, seconds});
      if (added || found->second.seconds > seconds) return;
      if (found->second.seconds == seconds) {
        const double ms = seconds * 1e3;
        status = fail(Errc::kFailed, "found duplicate series for info metric: existing {} @ {:.0f}, new {} @ {:.0f}",
                      braced(*info_[found->second.series].labels), ms, braced(labels), ms);
      }
      found->second = {i, seconds};
    });
    return status;
  }

  // The labels of a base series with those of its info series; null if it is to be dropped.
  Result<LabelsPtr> joined(std::size_t base) const {
    const Series& series = base_[base];
    if (passes_[base]) return series.labels;
    std::map<std::string, std::string> copied;
    bool found_any = false;
    for (const std::string& metric : metrics_) {
      const auto found = newest_.find(join_key(metric, *series.labels));
      if (found == newest_.end()) continue;
      found_any = true;
      for (const auto& [name, value] : *info_[found->second.series].labels) {
        if (name == core::ring::kMetricName || series.labels->has(name)) continue;
        if (!request_.labels.empty() && !request_.labels.contains(name)) continue;
        const auto [known, added] = copied.emplace(name, value);
        if (!added && known->second != value) return fail(Errc::kFailed, "conflicting label: {}", name);
      }
    }
    if (!found_any && !request_.accepts_nothing()) return LabelsPtr();
    if (copied.empty()) return series.labels;
    std::vector<core::ring::Label> pairs = series.labels->pairs();
    for (const auto& [name, value] : copied) pairs.push_back({name, value});
    return std::make_shared<const Labels>(std::move(pairs));
  }

  struct Newest {
    std::size_t series = 0;
    double seconds = 0;
  };

  Evaluator& evaluator_;
  InfoRequest request_;
  SeriesList base_;
  std::vector<bool> passes_;  // base series that are info series themselves
  SeriesList info_;
  std::set<std::string> metrics_;
  std::map<JoinKey, Newest> newest_;
};

Result<SeriesList> Evaluator::call_info(const Expr&, const Call& call) {
  Result<InfoRequest> request = request_of(call);
  if (!request) return fail(request.error());
  Result<SeriesList> base = vector(*call.args[0]);
  if (!base) return base;
  const TimeShift shift = governing_shift(*call.args[0]).value_or(TimeShift{});
  return InfoJoin(*this, std::move(*request), std::move(*base)).run(shift);
}

}  // namespace rules::promql

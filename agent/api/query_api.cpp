// SPDX-License-Identifier: Apache-2.0
#include "agent/api/query_api.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "agent/api/envelope.h"
#include "agent/api/json_text.h"
#include "agent/api/parameters.h"
#include "agent/api/syntax_json.h"
#include "rules/promql/parser.h"
#include "rules/promql/printer.h"

namespace agent {
namespace {

using rules::promql::Engine;
using rules::promql::EngineOptions;
using rules::promql::QueryResult;

// As Prometheus: enough for a week at a minute's step, and a bound on what one answer holds.
constexpr std::int64_t kMaxPoints = 11'000;

// A parameter that must be given, or the answer that refuses it.
template <class T>
using Checked = tl::expected<T, ApiResponse>;

Checked<std::int64_t> required_time(const ApiRequest& request, std::string_view name) {
  auto time = parse_time_ms(request.parameters.get(name));
  if (!time) return tl::unexpected(bad_parameter(name, time.error().message));
  return *time;
}

Checked<EngineOptions> options_of(const QuerySource& source, const ApiRequest& request) {
  EngineOptions options = source.options;
  if (const auto text = request.parameters.get("timeout"); !text.empty()) {
    auto timeout = parse_step(text);
    if (!timeout) return tl::unexpected(bad_parameter("timeout", timeout.error().message));
    options.timeout = std::min(options.timeout, *timeout);
  }
  if (const auto text = request.parameters.get("lookback_delta"); !text.empty()) {
    auto lookback = parse_step(text);
    if (!lookback) {
      return tl::unexpected(failure(
          ErrorType::kBadData, fmt::format("error parsing lookback delta duration: {}", lookback.error().message)));
    }
    if (*lookback > core::Millis(0)) options.lookback = *lookback;
  }
  return options;
}

struct Truncate {
  std::uint64_t limit;
  template <class T>
  bool operator()(std::vector<T>& list) const {
    const bool cut = list.size() > limit;
    if (cut) list.resize(limit);
    return cut;
  }
  bool operator()(const rules::promql::Scalar&) const { return false; }
  bool operator()(const rules::promql::StringValue&) const { return false; }
};

// Preparing, waiting and sorting are not timed apart: all of the time is shown as evaluation.
std::string stats_json(const QueryResult& result, core::Duration took) {
  return fmt::format(
      R"(,"stats":{{"timings":{{"evalTotalTime":{0},"resultSortTime":0,"queryPreparationTime":0,"innerEvalTime":{0},)"
      R"("execQueueTime":0,"execTotalTime":{0}}},"samples":{{"totalQueryableSamples":{1},"samplesRead":{1},)"
      R"("peakSamples":{2}}}}})",
      json_seconds(took), result.samples_read, result.samples_peak);
}

ApiResponse answer(const QuerySource& source, const ApiRequest& request, core::Result<QueryResult> result,
                   std::uint64_t limit, core::SteadyTime started) {
  if (!result) return query_failure(result.error());
  if (limit > 0 && std::visit(Truncate{limit}, result->value)) {
    result->annotations.warnings.emplace_back("results truncated due to limit");
  }
  std::string data = "{";
  append_query_result(data, result->value);
  if (const auto stats = request.parameters.get("stats"); !stats.empty()) {
    if (stats != "true" && stats != "all") {
      result->annotations.warnings.push_back(
          fmt::format("value {} for parameter \"stats\" is deprecated and will be rejected in the next major release, "
                      "use \"true\" or \"all\"",
                      core::ring::go_quote(stats)));
    }
    data += stats_json(*result, source.clock.steady_now() - started);
  }
  data += '}';
  return success(data, result->annotations);
}

// Runs a query once there is a place for it; it ends early when the agent does or the client hangs up.
template <class Run>
core::Result<QueryResult> run_query(const QuerySource& source, const ApiRequest& request, EngineOptions options,
                                    Run run) {
  std::stop_source stop;
  const auto end = [&stop] { stop.request_stop(); };
  const std::stop_callback when_agent_ends(source.stop, end);
  const std::stop_callback when_client_leaves(request.hung_up, end);
  const core::SteadyTime asked = source.clock.steady_now();
  const auto place = source.gate.enter(options.timeout, stop.get_token());
  if (!place) return core::fail(place.error());
  // The time spent waiting counts.
  options.timeout -= std::chrono::duration_cast<core::Millis>(source.clock.steady_now() - asked);
  return run(Engine(source.reader, source.clock, options), stop.get_token());
}

bool has_selector(const rules::promql::Expr& expr) {
  if (expr.as<rules::promql::VectorSelector>() != nullptr) return true;
  if (expr.as<rules::promql::MatrixSelector>() != nullptr) return true;
  return std::ranges::any_of(rules::promql::children(expr), [](const auto& child) { return has_selector(*child); });
}

}  // namespace

ApiResponse answer_query(const QuerySource& source, const ApiRequest& request) {
  const core::SteadyTime started = source.clock.steady_now();
  const auto limit = limit_of(request.parameters);
  if (!limit) return failure(ErrorType::kBadData, limit.error().message);
  std::int64_t time_ms = source.clock.unix_ms();
  if (const auto text = request.parameters.get("time"); !text.empty()) {
    auto time = parse_time_ms(text);
    if (!time) {
      return bad_parameter("time", fmt::format("invalid time value for 'time': {}", time.error().message));
    }
    time_ms = *time;
  }
  auto options = options_of(source, request);
  if (!options) return options.error();
  const auto run = [&](const Engine& engine, const std::stop_token& stop) {
    return engine.instant(request.parameters.get("query"), time_ms, stop);
  };
  return answer(source, request, run_query(source, request, *options, run), *limit, started);
}

ApiResponse answer_query_range(const QuerySource& source, const ApiRequest& request) {
  const core::SteadyTime started = source.clock.steady_now();
  const auto limit = limit_of(request.parameters);
  if (!limit) return failure(ErrorType::kBadData, limit.error().message);
  const auto start = required_time(request, "start");
  if (!start) return start.error();
  const auto end = required_time(request, "end");
  if (!end) return end.error();
  if (*end < *start) return bad_parameter("end", "end timestamp must not be before start time");
  const auto step = parse_step(request.parameters.get("step"));
  if (!step) return bad_parameter("step", step.error().message);
  if (*step <= core::Millis(0)) {
    return bad_parameter("step",
                         "zero or negative query resolution step widths are not accepted. Try a positive integer");
  }
  if ((*end - *start) / step->count() > kMaxPoints) {
    return failure(ErrorType::kBadData,
                   "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution "
                   "(?step=XX)");
  }
  auto options = options_of(source, request);
  if (!options) return options.error();
  const rules::promql::RangeParameters range{*start, *end, step->count()};
  const auto run = [&](const Engine& engine, const std::stop_token& stop) {
    return engine.range(request.parameters.get("query"), range, stop);
  };
  return answer(source, request, run_query(source, request, *options, run), *limit, started);
}

ApiResponse answer_format_query(const ApiRequest& request) {
  const auto expr = rules::promql::parse(request.parameters.get("query"));
  if (!expr) return query_failure(expr.error());
  return success(json(rules::promql::print_pretty(**expr)));
}

// Exemplars are not kept: there are none for any query. Without a selector there is nothing to look for at all.
ApiResponse answer_query_exemplars(const ApiRequest& request) {
  const auto window = window_of(request.parameters);
  if (!window) return failure(ErrorType::kBadData, window.error().message);
  const auto expr = rules::promql::parse(request.parameters.get("query"));
  if (!expr) return query_failure(expr.error());
  if (has_selector(**expr)) return success("[]");
  ApiResponse nothing;
  nothing.status = 204;
  return nothing;
}

ApiResponse answer_parse_query(const ApiRequest& request) {
  const auto expr = rules::promql::parse(request.parameters.get("query"));
  if (!expr) return query_failure(expr.error());
  return success(syntax_json(**expr));
}

}  // namespace agent

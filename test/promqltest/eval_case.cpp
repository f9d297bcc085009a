// SPDX-License-Identifier: Apache-2.0
#include "eval_case.h"

#include <array>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "comparison.h"
#include "pinning.h"
#include "rules/promql/engine.h"
#include "rules/promql/parser.h"
#include "rules/promql/printer.h"

namespace promqltest {

using rules::promql::Engine;
using rules::promql::EngineOptions;
using rules::promql::Matrix;
using rules::promql::QueryResult;

namespace {

constexpr std::int64_t kMinute = 60'000;

// What Prometheus's own test suite sets.
EngineOptions suite_options(const Storage& storage) {
  EngineOptions options;
  options.max_samples = 10'000;
  options.timeout = std::chrono::seconds(100);
  options.name_removal = rules::promql::NameRemoval::kDelayed;
  options.start_times = &storage;
  return options;
}

struct InstantQuery {
  std::string text;
  std::int64_t time_ms = 0;
};

// One eval being carried out. A reason other than "" is the first thing that went wrong.
class Run {
 public:
  Run(const EvalCommand& eval, const Storage& storage, const core::Clock& clock)
      : eval_(eval), storage_(storage), engine_(storage, clock, suite_options(storage)) {}

  Outcome run() {
    if (eval_.expects_native) return {Verdict::kSkipped, "expects native histograms"};
    const auto parsed = rules::promql::parse(eval_.query);
    if (!parsed) return {Verdict::kFailed, parsed.error().message};
    storage_.take_native_met();
    std::string reason = eval_.instant ? run_instant(*parsed) : run_range();
    if (!native_.empty()) return {Verdict::kSkipped, "reads native histograms: " + native_};
    if (!reason.empty()) return {Verdict::kFailed, std::move(reason)};
    return {};
  }

 private:
  std::string run_range() {
    const auto& time = eval_.time;
    return judge(engine_.range(eval_.query, {time.start_ms, time.end_ms, time.step_ms}),
                 [this](const QueryResult& result) { return compare_range(eval_, std::get<Matrix>(result.value)); });
  }

  std::string run_instant(const rules::promql::ExprPtr& parsed) {
    const std::int64_t time = eval_.time.start_ms;
    std::vector<InstantQuery> queries = {{eval_.query, time}};
    if (can_be_pinned(*parsed)) {
      const std::string pinned = print(*pin(parsed, time));
      constexpr std::int64_t kSecond = 1000;
      const std::array<std::int64_t, 5> other_times = {-10 * time, 0, time / 5, time, 10 * time};
      const std::array<std::int64_t, 3> around_zero = {-kSecond, 0, kSecond};
      for (const std::int64_t other : time == 0 ? std::span<const std::int64_t>(around_zero) : other_times) {
        queries.push_back({pinned, other});
      }
    }
    for (const InstantQuery& query : queries) {
      std::string reason = run_once(query);
      if (!native_.empty()) return "";
      if (reason.empty()) continue;
      if (&query == &queries.front()) return reason;
      return fmt::format("{} [{} at {} ms]", reason, query.text, query.time_ms);
    }
    return "";
  }

  std::string run_once(const InstantQuery& query) {
    std::string reason = judge(engine_.instant(query.text, query.time_ms),
                               [this](const QueryResult& result) { return compare_instant(eval_, result.value); });
    if (!reason.empty() || !native_.empty() || eval_.fail) return reason;
    return run_as_middle(query);
  }

  // The point in the middle of a range query is what an instant query gives there.
  std::string run_as_middle(const InstantQuery& query) {
    if (eval_.string || eval_.range_vector) return "";
    for (const std::string_view unlike : {"start()", "end()", "range()", "step()"}) {
      if (query.text.find(unlike) != std::string::npos) return "";
    }
    const auto ranged = engine_.range(query.text, {query.time_ms - kMinute, query.time_ms + kMinute, kMinute});
    // Native histograms beside the middle keep only this run from being judged.
    if (!storage_.take_native_met().empty()) return "";
    if (!ranged) return "as a range query it failed: " + ranged.error().message;
    if (eval_.ordered) return "";
    const auto& matrix = std::get<Matrix>(ranged->value);
    if (!is_sorted(matrix)) return "as a range query its series are not sorted";
    rules::promql::Vector middle;
    for (const auto& series : matrix) {
      for (const Sample& sample : series.samples) {
        if (sample.time_ms == query.time_ms) middle.push_back({series.labels, sample});
      }
    }
    const bool one_number = eval_.scalar && middle.size() == 1;
    const std::string reason =
        one_number ? compare_instant(eval_, middle.front().sample) : compare_instant(eval_, std::move(middle));
    return reason.empty() ? "" : "as a range query: " + reason;
  }

  // "" too where the result says nothing, because an operand was left out.
  template <class Compare>
  std::string judge(const core::Result<QueryResult>& result, Compare compare) {
    native_ = storage_.take_native_met();
    if (!native_.empty()) return "";
    if (!result) return compare_failure(eval_, result.error().message);
    if (eval_.fail) return "the query was expected to fail";
    std::string reason = compare_annotations(eval_, result->annotations);
    return reason.empty() ? compare(*result) : reason;
  }

  const EvalCommand& eval_;
  const Storage& storage_;
  Engine engine_;
  std::string native_;  // the series whose native histograms the query read; "" if there are none
};

}  // namespace

Outcome run_eval(const EvalCommand& eval, const Storage& storage, const core::Clock& clock) {
  return Run(eval, storage, clock).run();
}

}  // namespace promqltest

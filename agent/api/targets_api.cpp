// SPDX-License-Identifier: Apache-2.0
#include "agent/api/targets_api.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <set>
#include <tuple>

#include "agent/api/envelope.h"
#include "agent/api/json_text.h"
#include "core/time/duration.h"
#include "rules/promql/parser.h"

namespace agent {
namespace {

using collector::scrape::FamilyMetadata;
using collector::scrape::PoolStatus;
using collector::scrape::TargetMetadata;
using collector::scrape::TargetStatus;

std::string labels_json(const core::ring::Labels& labels) {
  std::string out;
  append_json(out, labels);
  return out;
}

std::string json_of(const TargetStatus& status) {
  return fmt::format(
      "{{\"discoveredLabels\":{},\"labels\":{},\"scrapePool\":{},\"scrapeUrl\":{},\"globalUrl\":{},\"lastError\":{},"
      "\"lastScrape\":{},\"lastScrapeDuration\":{},\"health\":\"{}\",\"scrapeInterval\":\"{}\",\"scrapeTimeout\":\"{}"
      "\"}}",
      labels_json(status.target.discovered), labels_json(status.target.labels), json(status.scrape_pool),
      json(status.target.url), json(status.target.url), json(status.last_error),
      status.last_scrape ? json_time(*status.last_scrape) : std::string(kJsonZeroTime),
      json_seconds(status.last_duration), collector::scrape::to_string(status.health),
      core::format_duration(status.target.interval), core::format_duration(status.target.timeout));
}

struct Targets {
  std::string active;
  std::string dropped;
  std::string counts;

  void add_active(const PoolStatus& pool) {
    for (const TargetStatus& target : pool.active) active += (active.empty() ? "" : ",") + json_of(target);
  }
  void add_dropped(const PoolStatus& pool) {
    for (const auto& labels : pool.dropped) {
      dropped += fmt::format("{}{{\"discoveredLabels\":{},\"scrapePool\":{}}}", dropped.empty() ? "" : ",",
                             labels_json(labels), json(pool.job));
    }
    counts += fmt::format("{}{}:{}", counts.empty() ? "" : ",", json(pool.job), pool.dropped_count);
  }
};

std::optional<std::int64_t> number_of(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// The limit of a metadata request: absent or negative is everything.
std::optional<std::size_t> metadata_limit(const Parameters& parameters, std::string_view name) {
  if (parameters.get(name).empty()) return std::string::npos;
  const auto number = number_of(parameters.get(name));
  if (!number) return std::nullopt;
  return *number < 0 ? std::string::npos : static_cast<std::size_t>(*number);
}

ApiResponse bad_limit() { return failure(ErrorType::kBadData, "limit must be a number"); }

}  // namespace

ApiResponse answer_targets(std::span<const PoolStatus> pools, const ApiRequest& request) {
  std::string state(request.parameters.get("state"));
  std::ranges::transform(state, state.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const bool any = state.empty() || state == "any";
  if (!any && state != "active" && state != "dropped") {
    return bad_parameter("state", fmt::format("expected any, active or dropped, got \"{}\"", state));
  }
  const std::string_view only = request.parameters.get("scrapePool");
  Targets targets;
  for (const PoolStatus& pool : pools) {
    if (!only.empty() && pool.job != only) continue;
    if (any || state == "active") targets.add_active(pool);
    if (any || state == "dropped") targets.add_dropped(pool);
  }
  return success(fmt::format("{{\"activeTargets\":[{}],\"droppedTargets\":[{}],\"droppedTargetCounts\":{}}}",
                             targets.active, targets.dropped,
                             any || state == "dropped" ? "{" + targets.counts + "}" : "null"));
}

ApiResponse answer_scrape_pools(std::span<const PoolStatus> pools) {
  std::vector<std::string> names;
  for (const PoolStatus& pool : pools) names.push_back(pool.job);
  std::string list;
  append_json(list, names);
  return success("{\"scrapePools\":" + list + "}");
}

ApiResponse answer_target_metadata(std::span<const TargetMetadata> targets, const ApiRequest& request) {
  const auto limit = metadata_limit(request.parameters, "limit");
  if (!limit) return bad_limit();
  std::vector<core::ring::Matcher> matchers;
  if (const auto text = request.parameters.get("match_target"); !text.empty()) {
    auto parsed = rules::promql::parse_series_selector(text);
    if (!parsed) return bad_parameter("match_target", parsed.error().message);
    matchers = std::move(*parsed);
  }
  const std::string_view metric = request.parameters.get("metric");
  std::string list;
  std::size_t count = 0;
  for (const TargetMetadata& target : targets) {
    if (!std::ranges::all_of(matchers, [&](const auto& matcher) { return matcher.matches(target.target); })) continue;
    for (const FamilyMetadata& family : target.families) {
      if (count >= *limit) break;
      if (!metric.empty() && family.family != metric) continue;
      ++count;
      list += fmt::format("{}{{\"target\":{},{}\"type\":\"{}\",\"help\":{},\"unit\":{}}}", list.empty() ? "" : ",",
                          labels_json(target.target),
                          metric.empty() ? "\"metric\":" + json(family.family) + "," : std::string(),
                          collector::exposition::to_string(family.type), json(family.help), json(family.unit));
    }
  }
  return success("[" + list + "]");
}

ApiResponse answer_metadata(std::span<const TargetMetadata> targets, const ApiRequest& request) {
  const auto limit = metadata_limit(request.parameters, "limit");
  const auto per_metric = metadata_limit(request.parameters, "limit_per_metric");
  if (!limit || !per_metric) return bad_limit();
  const std::string_view metric = request.parameters.get("metric");
  using Entry = std::tuple<std::string, std::string, std::string>;  // type, unit, help
  std::map<std::string, std::set<Entry>> families;
  for (const TargetMetadata& target : targets) {
    for (const FamilyMetadata& family : target.families) {
      if (!metric.empty() && family.family != metric) continue;
      if (families.size() >= *limit && !families.contains(family.family)) continue;
      std::set<Entry>& entries = families[family.family];
      // A limit of nothing per metric is none, as in Prometheus.
      if (*per_metric > 0 && entries.size() >= *per_metric) continue;
      entries.emplace(std::string(collector::exposition::to_string(family.type)), family.unit, family.help);
    }
  }
  std::string out;
  for (const auto& [name, entries] : families) {
    std::string list;
    for (const auto& [type, unit, help] : entries) {
      list += fmt::format("{}{{\"type\":\"{}\",\"unit\":{},\"help\":{}}}", list.empty() ? "" : ",", type, json(unit),
                          json(help));
    }
    out += fmt::format("{}{}:[{}]", out.empty() ? "" : ",", json(name), list);
  }
  return success("{" + out + "}");
}

}  // namespace agent

// SPDX-License-Identifier: Apache-2.0
#include "agent/api/series_api.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <set>
#include <unordered_set>

#include "agent/api/envelope.h"
#include "agent/api/json_text.h"
#include "agent/api/parameters.h"

namespace agent {
namespace {

using core::Result;
using core::ring::Labels;
using core::ring::Reader;
using core::ring::SelectedSeries;

bool has_samples(const Reader& reader, core::ring::SeriesRef series, const TimeWindow& window) {
  const auto last = reader.last(series);
  if (!last || last->time_ms < window.start_ms) return false;
  if (last->time_ms <= window.end_ms) return true;
  std::vector<core::ring::Sample> samples;
  reader.read(series, window.start_ms, window.end_ms, samples);
  return !samples.empty();
}

// The label sets a request means: of all series that one of its selectors accepts (of all, without selectors) and that
// have a sample in its window.
Result<std::vector<std::shared_ptr<const Labels>>> selected(const Reader& reader, const Parameters& parameters) {
  auto selectors = selectors_of(parameters);
  if (!selectors) return core::fail(selectors.error());
  const auto window = window_of(parameters);
  if (!window) return core::fail(window.error());
  if (selectors->empty()) selectors->emplace_back();
  std::unordered_set<std::uint64_t> seen;
  std::vector<std::shared_ptr<const Labels>> labels;
  for (const auto& matchers : *selectors) {
    for (const SelectedSeries& series : reader.select(matchers)) {
      if (!seen.insert(static_cast<std::uint64_t>(series.ref)).second) continue;
      if (has_samples(reader, series.ref, *window)) labels.push_back(series.labels);
    }
  }
  return labels;
}

template <class List>
rules::promql::Annotations cut_to_limit(List& list, std::uint64_t limit) {
  rules::promql::Annotations annotations;
  if (limit > 0 && list.size() > limit) {
    list.resize(limit);
    annotations.warnings.emplace_back("results truncated due to limit");
  }
  return annotations;
}

ApiResponse answer_texts(const std::set<std::string>& texts, std::uint64_t limit) {
  std::vector<std::string> list(texts.begin(), texts.end());
  const auto annotations = cut_to_limit(list, limit);
  std::string data;
  append_json(data, list);
  return success(data, annotations);
}

void append_code_point(std::string& out, std::uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xc0U | code >> 6U);
    out += static_cast<char>(0x80U | (code & 0x3fU));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xe0U | code >> 12U);
    out += static_cast<char>(0x80U | (code >> 6U & 0x3fU));
    out += static_cast<char>(0x80U | (code & 0x3fU));
  } else {
    out += static_cast<char>(0xf0U | code >> 18U);
    out += static_cast<char>(0x80U | (code >> 12U & 0x3fU));
    out += static_cast<char>(0x80U | (code >> 6U & 0x3fU));
    out += static_cast<char>(0x80U | (code & 0x3fU));
  }
}

// [{"name":...,"value":n},...]: the largest first.
std::string largest(const std::map<std::string, std::uint64_t>& counts, std::size_t limit) {
  std::vector<std::pair<std::string, std::uint64_t>> sorted(counts.begin(), counts.end());
  std::ranges::stable_sort(sorted, std::greater<>{}, &std::pair<std::string, std::uint64_t>::second);
  if (sorted.size() > limit) sorted.resize(limit);
  std::string out = "[";
  for (const auto& [name, value] : sorted) {
    out += fmt::format("{}{{\"name\":{},\"value\":{}}}", out.size() > 1 ? "," : "", json(name), value);
  }
  return out + "]";
}

}  // namespace

std::string unescape_label_name(std::string_view name) {
  if (!name.starts_with("U__")) return std::string(name);
  std::string out;
  for (std::size_t i = 3; i < name.size(); ++i) {
    if (name[i] != '_') {
      out += name[i];
      continue;
    }
    const std::size_t end = name.find('_', i + 1);
    if (end == std::string_view::npos) return std::string(name);
    if (end == i + 1) {
      out += '_';
    } else {
      std::uint32_t code = 0;
      const auto [stop, problem] = std::from_chars(name.data() + i + 1, name.data() + end, code, 16);
      const bool surrogate = code >= 0xd800 && code <= 0xdfff;
      if (problem != std::errc() || stop != name.data() + end || code > 0x10ffff || surrogate) return std::string(name);
      append_code_point(out, code);
    }
    i = end;
  }
  return out;
}

ApiResponse answer_series(const Reader& reader, const ApiRequest& request) {
  if (!request.parameters.has("match[]")) return failure(ErrorType::kBadData, "no match[] parameter provided");
  const auto limit = limit_of(request.parameters);
  if (!limit) return failure(ErrorType::kBadData, limit.error().message);
  auto labels = selected(reader, request.parameters);
  if (!labels) return failure(ErrorType::kBadData, labels.error().message);
  std::ranges::sort(*labels, [](const auto& a, const auto& b) { return *a < *b; });
  const auto annotations = cut_to_limit(*labels, *limit);
  std::string data = "[";
  for (const auto& each : *labels) {
    if (data.size() > 1) data += ',';
    append_json(data, *each);
  }
  data += ']';
  return success(data, annotations);
}

ApiResponse answer_labels(const Reader& reader, const ApiRequest& request) {
  const auto limit = limit_of(request.parameters);
  if (!limit) return failure(ErrorType::kBadData, limit.error().message);
  const auto labels = selected(reader, request.parameters);
  if (!labels) return failure(ErrorType::kBadData, labels.error().message);
  std::set<std::string> names;
  for (const auto& each : *labels) {
    for (const auto& label : *each) names.insert(label.name);
  }
  return answer_texts(names, *limit);
}

ApiResponse answer_label_values(const Reader& reader, std::string_view name, const ApiRequest& request) {
  const std::string label = unescape_label_name(decode_path(name));
  if (label.empty() || !core::ring::is_valid_utf8(label)) {
    return failure(ErrorType::kBadData, fmt::format("invalid label name: {}", core::ring::go_quote(label)));
  }
  const auto limit = limit_of(request.parameters);
  if (!limit) return failure(ErrorType::kBadData, limit.error().message);
  const auto labels = selected(reader, request.parameters);
  if (!labels) return failure(ErrorType::kBadData, labels.error().message);
  std::set<std::string> values;
  for (const auto& each : *labels) {
    if (each->has(label)) values.emplace(each->get(label));
  }
  return answer_texts(values, *limit);
}

ApiResponse answer_tsdb_status(const Reader& reader, const ApiRequest& request) {
  constexpr std::uint64_t kDefaultLimit = 10;
  constexpr std::uint64_t kMaxLimit = 10'000;
  const auto limit = limit_of(request.parameters);
  if (!limit || *limit > kMaxLimit || (*limit == 0 && request.parameters.has("limit"))) {
    return bad_parameter("limit", "limit must be a whole number from 1 to 10000");
  }
  std::map<std::string, std::uint64_t> by_metric;
  std::map<std::string, std::uint64_t> by_pair;
  std::map<std::string, std::set<std::string_view>> values;
  const auto series = reader.select({});
  for (const SelectedSeries& each : series) {
    ++by_metric[std::string(each.labels->metric_name())];
    for (const auto& label : *each.labels) {
      ++by_pair[label.name + "=" + label.value];
      values[label.name].insert(label.value);
    }
  }
  std::map<std::string, std::uint64_t> values_by_label;
  std::map<std::string, std::uint64_t> bytes_by_label;
  for (const auto& [name, set] : values) {
    values_by_label[name] = set.size();
    for (const std::string_view value : set) bytes_by_label[name] += value.size();
  }
  const auto usage = reader.usage();
  const std::size_t shown = *limit == 0 ? kDefaultLimit : *limit;
  return success(fmt::format(
      "{{\"headStats\":{{\"numSeries\":{},\"numLabelPairs\":{},\"chunkCount\":0,\"minTime\":{},\"maxTime\":{}}},"
      "\"seriesCountByMetricName\":{},\"labelValueCountByLabelName\":{},\"memoryInBytesByLabelName\":{},"
      "\"seriesCountByLabelValuePair\":{}}}",
      series.size(), by_pair.size(), usage.oldest_ms, usage.newest_ms, largest(by_metric, shown),
      largest(values_by_label, shown), largest(bytes_by_label, shown), largest(by_pair, shown)));
}

}  // namespace agent

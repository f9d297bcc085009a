// SPDX-License-Identifier: Apache-2.0
#include "load_lines.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "core/time/duration.h"
#include "rules/promql/parser.h"
#include "rules/promql/series_notation.h"

namespace promqltest {

using core::Errc;
using core::fail;
using core::Result;

namespace {

constexpr std::string_view kBlank = " \t";
constexpr std::string_view kStartMark = "@st";

// The end of the series' name and labels: the first blank outside braces and strings.
std::size_t end_of_metric(std::string_view line) {
  char quote = 0;
  int depth = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote != 0) {
      if (c == '\\' && quote != '`') ++i;
      if (c == quote) quote = 0;
    } else if (c == '"' || c == '\'' || c == '`') {
      quote = c;
    } else if (c == '{') {
      ++depth;
    } else if (c == '}') {
      --depth;
    } else if (depth == 0 && kBlank.find(c) != std::string_view::npos) {
      return i;
    }
  }
  return line.size();
}

// White-space separated items; blanks inside {{...}} do not separate.
std::vector<std::string_view> items_of(std::string_view text) {
  std::vector<std::string_view> items;
  std::size_t start = 0;
  int depth = 0;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && text[i] == '{') ++depth;
    if (i < text.size() && text[i] == '}') --depth;
    const bool blank = i == text.size() || (depth == 0 && kBlank.find(text[i]) != std::string_view::npos);
    if (!blank) continue;
    if (i > start) items.push_back(text.substr(start, i - start));
    start = i + 1;
  }
  return items;
}

// `xN` at the end of an item means N more of it. The rest and N; N is 0 without it.
Result<std::pair<std::string_view, std::size_t>> split_repetition(std::string_view item) {
  const std::size_t mark = item.rfind('x');
  if (mark == std::string_view::npos) return std::pair(item, std::size_t{0});
  std::size_t count = 0;
  const char* end = item.data() + item.size();
  const auto parsed = std::from_chars(item.data() + mark + 1, end, count);
  if (parsed.ec != std::errc() || parsed.ptr != end || count > rules::promql::kMaxSeriesValues) {
    return fail(Errc::kInvalid, "bad repetition in \"{}\"", item);
  }
  return std::pair(item.substr(0, mark), count);
}

Result<std::int64_t> parse_signed_duration(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  const auto duration = core::parse_duration(text);
  if (!duration) return fail(duration.error());
  return negative ? -duration->count() : duration->count();
}

// How many native histograms `{{...}}`, `{{...}}xN` or `{{...}}+{{...}}xN` stands for.
Result<std::size_t> count_natives(std::string_view item) {
  const std::size_t end = item.rfind("}}");
  if (end == std::string_view::npos) return fail(Errc::kInvalid, "unclosed native histogram \"{}\"", item);
  const auto repetition = split_repetition(item.substr(end + 2));
  if (!repetition) return fail(repetition.error());
  return repetition->second + 1;
}

}  // namespace

Result<LoadedSeries> parse_loaded_series(std::string_view line, std::int64_t step_ms) {
  const std::size_t end = end_of_metric(line);
  const auto labels = rules::promql::parse_metric(line.substr(0, end));
  if (!labels) return fail(labels.error());
  LoadedSeries series{*labels, {}};
  std::int64_t index = 0;
  for (const std::string_view item : items_of(line.substr(end))) {
    if (item.starts_with("{{")) {
      const auto count = count_natives(item);
      if (!count) return fail(count.error());
      for (std::size_t i = 0; i < *count; ++i) series.samples.push_back({index++ * step_ms, std::nullopt, 0});
      continue;
    }
    const auto values = rules::promql::parse_series_values(item);
    if (!values) return fail(values.error());
    for (const auto& value : *values) {
      if (value) series.samples.push_back({index * step_ms, *value, 0});
      ++index;
    }
  }
  return series;
}

bool is_start_line(std::string_view line) {
  const std::string_view metric = line.substr(0, end_of_metric(line));
  return metric.ends_with(kStartMark);
}

Result<std::vector<std::optional<std::int64_t>>> parse_start_line(std::string_view line) {
  std::vector<std::optional<std::int64_t>> starts;
  for (const std::string_view item : items_of(line.substr(end_of_metric(line)))) {
    const auto repetition = split_repetition(item);
    if (!repetition) return fail(repetition.error());
    const auto [text, more] = *repetition;
    if (text == "_") {
      starts.insert(starts.end(), std::max<std::size_t>(more, 1), std::nullopt);
      continue;
    }
    // `0s+10sx3`: a first duration, and what each of the following adds.
    const std::size_t sign = text.find_first_of("+-", 1);
    const auto first = parse_signed_duration(text.substr(0, sign));
    if (!first) return fail(first.error());
    std::int64_t step = 0;
    if (sign != std::string_view::npos) {
      const auto parsed = parse_signed_duration(text.substr(sign));
      if (!parsed) return fail(parsed.error());
      step = *parsed;
    }
    for (std::size_t i = 0; i <= more; ++i) starts.emplace_back(*first + static_cast<std::int64_t>(i) * step);
  }
  return starts;
}

std::vector<LoadedSeries> native_from_classic(const std::vector<LoadedSeries>& classic) {
  constexpr std::string_view kBucketSuffix = "_bucket";
  std::map<Labels, std::set<std::int64_t>> natives;
  for (const LoadedSeries& series : classic) {
    std::string_view name = series.labels.metric_name();
    if (!name.ends_with(kBucketSuffix) || !series.labels.has("le")) continue;
    name.remove_suffix(kBucketSuffix.size());
    auto& times = natives[series.labels.without("le").with(core::ring::kMetricName, name)];
    for (const ScriptSample& sample : series.samples) times.insert(sample.time_ms);
  }
  std::vector<LoadedSeries> result;
  for (const auto& [labels, times] : natives) {
    LoadedSeries series{labels, {}};
    for (const std::int64_t time : times) series.samples.push_back({time, std::nullopt, 0});
    result.push_back(std::move(series));
  }
  return result;
}

}  // namespace promqltest

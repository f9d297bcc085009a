// SPDX-License-Identifier: Apache-2.0
#include "rules/promql/series.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

namespace rules::promql {

namespace {

constexpr std::array<std::string_view, 3> kReserved = {core::ring::kMetricName, "__type__", "__unit__"};

template <class Keep>
Labels filtered(const Labels& labels, Keep keep) {
  std::vector<core::ring::Label> pairs;
  pairs.reserve(labels.size());
  std::copy_if(labels.begin(), labels.end(), std::back_inserter(pairs), keep);
  return Labels(std::move(pairs));
}

bool contains(std::span<const std::string> names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool earlier(const Sample& a, const Sample& b) { return a.time_ms < b.time_ms; }

Status merge_points(std::vector<Sample>& into, std::vector<Sample>& from) {
  const auto middle = static_cast<std::ptrdiff_t>(into.size());
  into.insert(into.end(), from.begin(), from.end());
  std::inplace_merge(into.begin(), into.begin() + middle, into.end(), earlier);
  const auto same_time = [](const Sample& a, const Sample& b) { return a.time_ms == b.time_ms; };
  if (std::adjacent_find(into.begin(), into.end(), same_time) != into.end()) return core::fail(duplicate_labels());
  return {};
}

}  // namespace

bool is_reserved(std::string_view name) {
  return std::find(kReserved.begin(), kReserved.end(), name) != kReserved.end();
}

std::size_t count_points(const SeriesList& list) {
  std::size_t count = 0;
  for (const Series& series : list) count += series.points.size();
  return count;
}

bool has_reserved(const Labels& labels) {
  return std::any_of(labels.begin(), labels.end(), [](const auto& label) { return is_reserved(label.name); });
}

LabelsPtr drop_reserved(const LabelsPtr& labels) {
  if (!has_reserved(*labels)) return labels;
  return std::make_shared<const Labels>(
      filtered(*labels, [](const core::ring::Label& label) { return !is_reserved(label.name); }));
}

Labels keep_only(const Labels& labels, std::span<const std::string> names) {
  return filtered(labels, [names](const core::ring::Label& label) { return contains(names, label.name); });
}

Labels drop_all(const Labels& labels, std::span<const std::string> names) {
  return filtered(labels, [names](const core::ring::Label& label) { return !contains(names, label.name); });
}

std::string braced(const Labels& labels) {
  std::string text = "{";
  for (const auto& [name, value] : labels) {
    if (text.size() > 1) text += ", ";
    text += core::ring::is_plain_label_name(name) ? name : core::ring::go_quote(name);
    text += '=' + core::ring::go_quote(value);
  }
  return text + '}';
}

core::Error duplicate_labels() {
  return core::error(core::Errc::kFailed, "vector cannot contain metrics with the same labelset");
}

Status merge_equal(SeriesList& list) {
  if (list.size() < 2) return {};
  std::unordered_multimap<std::uint64_t, std::size_t> seen;
  seen.reserve(list.size());
  std::size_t kept = 0;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::uint64_t hash = list[i].labels->fingerprint();
    const auto [begin, end] = seen.equal_range(hash);
    const auto same =
        std::find_if(begin, end, [&](const auto& entry) { return *list[entry.second].labels == *list[i].labels; });
    if (same != end) {
      if (Status merged = merge_points(list[same->second].points, list[i].points); !merged) return merged;
      continue;
    }
    seen.emplace(hash, kept);
    if (kept != i) list[kept] = std::move(list[i]);
    ++kept;
  }
  list.resize(kept);
  return {};
}

StepAssembler::Slot StepAssembler::slot(const LabelsPtr& labels, bool drop_name) {
  const auto [found, added] = slots_.emplace(labels, series_.size());
  if (added) series_.push_back({labels, drop_name, {}});
  return found->second;
}

Status StepAssembler::add(Slot slot, Sample point) {
  auto& points = series_[slot].points;
  if (!points.empty() && points.back().time_ms == point.time_ms) return core::fail(duplicate_labels());
  points.push_back(point);
  return {};
}

SeriesList StepAssembler::take() {
  slots_.clear();
  std::erase_if(series_, [](const Series& series) { return series.points.empty(); });
  return std::move(series_);
}

}  // namespace rules::promql

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/result.h"
#include "rules/promql/value.h"

namespace rules::promql {

using LabelsPtr = std::shared_ptr<const Labels>;
using Status = core::Result<void>;

// The steps of an evaluation: start, start + step, ... up to and including end.
//
// Thread safety: a value.
// Invariants: step_ms > 0; end_ms < start_ms means no steps.
struct TimeGrid {
  std::int64_t start_ms = 0;
  std::int64_t end_ms = 0;
  std::int64_t step_ms = 1;

  std::size_t size() const {
    return end_ms < start_ms ? 0 : static_cast<std::size_t>((end_ms - start_ms) / step_ms) + 1;
  }
  std::int64_t at(std::size_t step) const { return start_ms + static_cast<std::int64_t>(step) * step_ms; }
  std::size_t index(std::int64_t time_ms) const { return static_cast<std::size_t>((time_ms - start_ms) / step_ms); }
  static TimeGrid single(std::int64_t time_ms) { return {time_ms, time_ms, 1}; }
};

// One series while a query runs: at most one point a step, in time order.
struct Series {
  LabelsPtr labels;
  // Its reserved labels are to go when the query ends (delayed name removal).
  bool drop_name = false;
  std::vector<Sample> points;
};

using SeriesList = std::vector<Series>;

std::size_t count_points(const SeriesList& list);

// Label sets derived from one another. The reserved ones are __name__, __type__ and __unit__.
bool is_reserved(std::string_view name);
bool has_reserved(const Labels& labels);
LabelsPtr drop_reserved(const LabelsPtr& labels);
Labels keep_only(const Labels& labels, std::span<const std::string> names);
Labels drop_all(const Labels& labels, std::span<const std::string> names);
// {__name__="x", a="b"}: the form of messages, the name inside the braces.
std::string braced(const Labels& labels);

// Two series of one result have the same labels at the same time.
core::Error duplicate_labels();

// Joins series with equal labels into the first of them; an error if two of them have a point at the same time.
Status merge_equal(SeriesList& list);

// Builds a result step by step. Labels that occur again go on with their series.
//
// Thread safety: confined to one thread.
class StepAssembler {
 public:
  using Slot = std::size_t;
  // The series of these labels, made if need be. Keep the slot where the same labels come every step.
  Slot slot(const LabelsPtr& labels, bool drop_name);
  // Steps come in order; duplicate_labels() if the series has a point at this time already.
  Status add(Slot slot, Sample point);
  Status add(const LabelsPtr& labels, bool drop_name, Sample point) { return add(slot(labels, drop_name), point); }
  // The series that got a point, in the order they were first seen.
  SeriesList take();

 private:
  struct PointedHash {
    std::size_t operator()(const LabelsPtr& labels) const { return core::ring::LabelsHash()(*labels); }
  };
  struct PointedEqual {
    bool operator()(const LabelsPtr& a, const LabelsPtr& b) const { return a == b || *a == *b; }
  };
  SeriesList series_;
  std::unordered_map<LabelsPtr, Slot, PointedHash, PointedEqual> slots_;
};

// Walks all series of a list step by step.
//
// Thread safety: confined to one thread. The list must outlive it unchanged.
class StepCursor {
 public:
  explicit StepCursor(const SeriesList& list) : list_(list), next_(list.size(), 0) {}

  // Calls visit(series index, value) for every series with a point at `time_ms`. REQUIRES: times never go back.
  template <class Visit>
  void visit(std::int64_t time_ms, Visit&& visit) {
    for (std::size_t i = 0; i < list_.size(); ++i) {
      const auto& points = list_[i].points;
      std::size_t& next = next_[i];
      while (next < points.size() && points[next].time_ms < time_ms) ++next;
      if (next < points.size() && points[next].time_ms == time_ms) visit(i, points[next].value);
    }
  }

 private:
  const SeriesList& list_;
  std::vector<std::size_t> next_;
};

}  // namespace rules::promql

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <variant>
#include <vector>

#include "core/ring/labels.h"
#include "core/ring/sample.h"

namespace rules::promql {

using core::ring::Labels;
using core::ring::normal_nan;
using core::ring::Sample;

// The types of the language; their names in messages are scalar, instant vector, range vector, string.
enum class ValueType { kNone, kScalar, kVector, kMatrix, kString };

struct VectorElement {
  Labels labels;
  Sample sample;
};

struct MatrixSeries {
  Labels labels;
  std::vector<Sample> samples;  // by time
};

struct StringValue {
  std::int64_t time_ms = 0;
  std::string text;
};

using Scalar = Sample;
using Vector = std::vector<VectorElement>;
using Matrix = std::vector<MatrixSeries>;  // sorted by labels
using Value = std::variant<Scalar, Vector, Matrix, StringValue>;

// What a query wants said beside its result; each text ends with the position it means: "PromQL info: ... (1:6)".
struct Annotations {
  std::vector<std::string> warnings;
  std::vector<std::string> infos;
  bool empty() const { return warnings.empty() && infos.empty(); }
};

inline constexpr std::int64_t kNoSample = std::numeric_limits<std::int64_t>::min();

struct QueryResult {
  Value value;
  Annotations annotations;
  std::uint64_t samples_read = 0;
  std::uint64_t samples_peak = 0;  // held at once
  // False if no selector of the query found a series at all: such a rule watches nothing.
  bool found_series = false;
  // The newest sample that a selector has read, a stale marker too (if PreparedQuery::want_exact_newest() asked for
  // that); kNoSample if there was none.
  std::int64_t newest_ms = kNoSample;
};

}  // namespace rules::promql

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "rules/promql/ast.h"
#include "rules/promql/value.h"

namespace rules::promql {

enum class AnnotationKind { kWarning, kInfo };

// What one evaluation noticed. Entries with equal texts are one, at the place recorded last; two kinds gather what they
// counted over all their occurrences.
//
// Thread safety: confined to one thread.
class AnnotationLog {
 public:
  void add(AnnotationKind kind, std::string text, Place place);

  // A repair of bucket counts that fell from one bucket to the next.
  struct Monotonicity {
    double lowest_bound = 0;
    double highest_bound = 0;
    double largest_drop = 0;
    std::uint64_t samples = 0;
    std::int64_t first_ms = 0;
    std::int64_t last_ms = 0;
  };
  // `about` is "" or ` for metric name "m"`.
  void add_monotonicity(std::string_view about, const Monotonicity& fixed, Place place);

  // Start timestamps that overlap the previous sample of the series.
  void add_overlap(std::string_view metric_name, Place place);

  Annotations rendered() const;

 private:
  using Occurrences = std::uint64_t;
  struct Entry {
    AnnotationKind kind{};
    std::string text;
    Place place;
    std::variant<std::monostate, Monotonicity, Occurrences> gathered;
  };

  // The entry of this kind and text, made at the end if there is none. Few kinds occur in one query: a scan is enough.
  Entry& entry(AnnotationKind kind, std::string_view text, Place place);

  std::vector<Entry> entries_;
};

}  // namespace rules::promql

// SPDX-License-Identifier: Apache-2.0
#include "rules/promql/annotations.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "core/ring/labels.h"
#include "core/time/clock.h"
#include "core/time/duration.h"
#include "rules/promql/number_text.h"

namespace rules::promql {

namespace {

std::string describe(const AnnotationLog::Monotonicity& fixed) {
  return fmt::format(", from buckets {} to {}, with a max diff of {}, over {} samples from {} to {}",
                     short_number(fixed.lowest_bound), short_number(fixed.highest_bound),
                     two_digit_number(fixed.largest_drop), fixed.samples,
                     core::format_rfc3339(core::from_unix_ms(fixed.first_ms)),
                     core::format_rfc3339(core::from_unix_ms(fixed.last_ms)));
}

}  // namespace

AnnotationLog::Entry& AnnotationLog::entry(AnnotationKind kind, std::string_view text, Place place) {
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& known) { return known.kind == kind && known.text == text; });
  if (found != entries_.end()) {
    found->place = place;
    return *found;
  }
  return entries_.emplace_back(Entry{kind, std::string(text), place, {}});
}

void AnnotationLog::add(AnnotationKind kind, std::string text, Place place) { entry(kind, text, place); }

void AnnotationLog::add_monotonicity(std::string_view about, const Monotonicity& fixed, Place place) {
  Entry& target = entry(AnnotationKind::kInfo,
                        fmt::format("input to histogram_quantile needed to be fixed for monotonicity (see "
                                    "https://prometheus.io/docs/prometheus/latest/querying/functions/"
                                    "#histogram_quantile){}",
                                    about),
                        place);
  auto* gathered = std::get_if<Monotonicity>(&target.gathered);
  if (gathered == nullptr) {
    target.gathered = fixed;
    return;
  }
  gathered->lowest_bound = std::min(gathered->lowest_bound, fixed.lowest_bound);
  gathered->highest_bound = std::max(gathered->highest_bound, fixed.highest_bound);
  gathered->largest_drop = std::max(gathered->largest_drop, fixed.largest_drop);
  gathered->samples += fixed.samples;
  gathered->first_ms = std::min(gathered->first_ms, fixed.first_ms);
  gathered->last_ms = std::max(gathered->last_ms, fixed.last_ms);
}

void AnnotationLog::add_overlap(std::string_view metric_name, Place place) {
  Entry& target = entry(AnnotationKind::kWarning,
                        fmt::format("sample has start time that overlaps with previous sample timestamp for metric {}",
                                    core::ring::go_quote(metric_name)),
                        place);
  if (!std::holds_alternative<Occurrences>(target.gathered)) target.gathered = Occurrences{0};
  ++std::get<Occurrences>(target.gathered);
}

Annotations AnnotationLog::rendered() const {
  Annotations result;
  for (const Entry& item : entries_) {
    const bool warning = item.kind == AnnotationKind::kWarning;
    std::string text = (warning ? "PromQL warning: " : "PromQL info: ") + item.text;
    if (const auto* fixed = std::get_if<Monotonicity>(&item.gathered)) text += describe(*fixed);
    if (const auto* count = std::get_if<Occurrences>(&item.gathered); count != nullptr && *count > 1) {
      text += fmt::format(" ({} occurrences)", *count);
    }
    text += fmt::format(" ({}:{})", item.place.line, item.place.column);
    (warning ? result.warnings : result.infos).push_back(std::move(text));
  }
  return result;
}

}  // namespace rules::promql

// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

#include "rules/promql/evaluator.h"
#include "rules/promql/matching.h"

namespace rules::promql {

using core::Errc;
using core::fail;
using core::Result;

namespace {

// Stands for a series that is missing and filled in.
constexpr std::size_t kStandIn = std::numeric_limits<std::size_t>::max();

// Arithmetic or comparison of two vectors. One operand is the `many` side, the other the `one` side, whose series are
// unique in their match group; one-to-one operations have the left operand as many side.
//
// Thread safety: confined to the thread that runs the query.
class VectorMatch {
 public:
  VectorMatch(QueryContext& context, const TimeGrid& grid, const Expr& node, const SeriesList& lhs,
              const SeriesList& rhs)
      : context_(context),
        grid_(grid),
        place_(node.place),
        operation_(*node.as<Binary>()),
        matching_(*operation_.matching),
        swapped_(matching_.card == MatchCardinality::kOneToMany),
        many_(swapped_ ? rhs : lhs),
        one_(swapped_ ? lhs : rhs),
        groups_(matching_, many_, one_),
        partner_(groups_.size()),
        pairs_(groups_.size(), 0),
        seen_(groups_.size()) {}

  Result<SeriesList> run() {
    StepCursor many_cursor(many_);
    StepCursor one_cursor(one_);
    for (std::size_t step = 0; step < grid_.size(); ++step) {
      if (Status alive = context_.check_alive(); !alive) return fail(alive.error());
      time_ = grid_.at(step);
      many_present_.clear();
      one_present_.clear();
      many_cursor.visit(time_, [this](std::size_t i, double value) { many_present_.push_back({i, value}); });
      one_cursor.visit(time_, [this](std::size_t i, double value) { one_present_.push_back({i, value}); });
      if (many_present_.empty() && one_present_.empty()) continue;
      if ((many_present_.empty() || one_present_.empty()) && !matching_.fill.any()) continue;
      if (Status done = run_step(); !done) return fail(done.error());
    }
    return result_.take();
  }

 private:
  struct Present {
    std::size_t series = 0;
    double value = 0;
  };

  Status run_step() {
    std::fill(partner_.begin(), partner_.end(), std::nullopt);
    std::fill(pairs_.begin(), pairs_.end(), 0);
    for (auto& labels : seen_) labels.clear();
    for (const Present& present : one_present_) {
      auto& partner = partner_[groups_.of_second(present.series)];
      if (partner) return duplicate_on_one_side(*partner, present);
      partner = present;
    }
    for (const Present& present : many_present_) {
      const std::size_t group = groups_.of_first(present.series);
      const auto& partner = partner_[group];
      // The fill values belong to the sides before group_right swaps them: so Prometheus does it.
      if (!partner && !matching_.fill.rhs) continue;
      const Present one = partner ? *partner : Present{kStandIn, *matching_.fill.rhs};
      if (Status paired = pair(group, present, one); !paired) return paired;
    }
    if (!matching_.fill.lhs) return {};
    for (const Present& present : one_present_) {
      const std::size_t group = groups_.of_second(present.series);
      if (pairs_[group] > 0) continue;
      if (Status paired = pair(group, {kStandIn, *matching_.fill.lhs}, present); !paired) return paired;
    }
    return {};
  }

  Status pair(std::size_t group, Present many, Present one) {
    const StepAssembler::Slot slot = slot_of(group, many.series, one.series);
    // Pairs count before a comparison drops them, so that an error does not come and go with the values.
    ++pairs_[group];
    if (matching_.card == MatchCardinality::kOneToOne) {
      if (pairs_[group] > 1) {
        return fail(Errc::kFailed,
                    "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)");
      }
    } else if (!seen_[group].insert(slot).second) {
      return fail(Errc::kFailed, "multiple matches for labels: grouping labels must ensure unique matches");
    }
    const double lhs = swapped_ ? one.value : many.value;
    const double rhs = swapped_ ? many.value : one.value;
    double value = lhs;
    if (is_trim(operation_.op)) {
      note_incompatible(context_, operation_, place_);
      return {};
    }
    if (!is_comparison(operation_.op)) {
      value = arithmetic(operation_.op, lhs, rhs);
    } else {
      const bool kept = holds(operation_.op, lhs, rhs);
      if (!kept && !operation_.return_bool) return {};
      if (operation_.return_bool) value = kept ? 1 : 0;
    }
    return result_.add(slot, {time_, value});
  }

  // The result series of a pair; the same pairs come at every step.
  StepAssembler::Slot slot_of(std::size_t group, std::size_t many, std::size_t one) {
    const std::size_t key = many != kStandIn ? many : many_.size() + one;
    auto& known = slots_[key];
    const auto found =
        std::find_if(known.begin(), known.end(), [one](const auto& entry) { return entry.first == one; });
    if (found != known.end()) return found->second;
    const LabelsPtr& group_labels = groups_.labels(group);
    const Labels& many_labels = many == kStandIn ? *group_labels : *many_[many].labels;
    const Labels& one_labels = one == kStandIn ? *group_labels : *one_[one].labels;
    const auto slot = result_.slot(result_labels(many_labels, one_labels, one == kStandIn),
                                   context_.delayed() && operation_.return_bool);
    known.emplace_back(one, slot);
    return slot;
  }

  LabelsPtr result_labels(const Labels& many, const Labels& one, bool one_is_missing) const {
    auto labels = std::make_shared<const Labels>(many);
    const bool drops_name = !is_comparison(operation_.op) || (operation_.return_bool && !context_.delayed());
    if (drops_name) labels = drop_reserved(labels);
    if (matching_.card == MatchCardinality::kOneToOne) {
      return std::make_shared<const Labels>(matching_.on ? keep_only(*labels, matching_.labels)
                                                         : drop_all(*labels, matching_.labels));
    }
    Labels result = *labels;
    for (const std::string& name : matching_.include) result = result.with(name, one_is_missing ? "" : one.get(name));
    return std::make_shared<const Labels>(std::move(result));
  }

  Status duplicate_on_one_side(Present first, Present second) const {
    std::string one = braced(*one_[first.series].labels);
    std::string other = braced(*one_[second.series].labels);
    if (other < one) std::swap(one, other);
    return fail(Errc::kFailed,
                "found duplicate series for the match group {} on the {} hand-side of the operation: [{}, {}];"
                "many-to-many matching not allowed: matching labels must be unique on one side",
                braced(*groups_.labels(groups_.of_second(first.series))), swapped_ ? "left" : "right", one, other);
  }

  QueryContext& context_;
  const TimeGrid& grid_;
  Place place_;
  const Binary& operation_;
  const VectorMatching& matching_;
  bool swapped_;
  const SeriesList& many_;
  const SeriesList& one_;
  MatchGroups groups_;

  // Of the step at hand, by match group: the series of the one side, the pairs made, and their result series.
  std::vector<std::optional<Present>> partner_;
  std::vector<std::size_t> pairs_;
  std::vector<std::set<StepAssembler::Slot>> seen_;
  std::vector<Present> many_present_;
  std::vector<Present> one_present_;
  std::int64_t time_ = 0;

  // By series of the many side (or, for a stand-in there, of the one side after them): result by partner.
  std::unordered_map<std::size_t, std::vector<std::pair<std::size_t, StepAssembler::Slot>>> slots_;
  StepAssembler result_;
};

}  // namespace

Result<SeriesList> combine_vectors(QueryContext& context, const TimeGrid& grid, const Expr& node, const SeriesList& lhs,
                                   const SeriesList& rhs) {
  return VectorMatch(context, grid, node, lhs, rhs).run();
}

}  // namespace rules::promql

// SPDX-License-Identifier: Apache-2.0
#include "actions/drill/drill_marks.h"

#include <algorithm>
#include <utility>

#include "core/time/duration.h"

namespace actions::drill {
namespace {

using rules::AlertState;
using rules::Transition;

std::string text_of(const Run& run) {
  return fmt::format("This is a drill: {} ({}), begun by {} at {}.", run.drill, run.fault.to_string(), run.who,
                     core::format_rfc3339(run.created));
}

void write(Transition& transition, const std::string& drill, const std::string& run, const std::string& text) {
  std::string& summary = transition.annotations["summary"];
  const std::string prefix = "DRILL " + drill + ": ";
  // What receivers show of an alert without being told to is its summary.
  const std::string plain = summary.empty() ? std::string(transition.labels.get("alertname")) : summary;
  summary = prefix + plain;
  transition.annotations[kDrillAnnotation] = text;
  transition.annotations[kDrillRunAnnotation] = run;
}

}  // namespace

void DrillMarks::begin(const Run& run, DrillConfig config, DrillableConfig component) {
  const std::scoped_lock lock(mutex_);
  std::erase_if(marked_, [](const auto& each) { return each.second.over; });
  active_ = Active{run.id, text_of(run), run.drill, run.created, std::move(config), std::move(component)};
}

void DrillMarks::end() {
  const std::scoped_lock lock(mutex_);
  active_.reset();
}

void DrillMarks::restore(const Run& run) {
  const std::scoped_lock lock(mutex_);
  for (const CausedAlert& alert : run.alerts) {
    if (!alert.fired || alert.resolved || marked_.size() >= kMarkedMax) continue;
    marked_.insert_or_assign(alert.labels, Mark{run.drill, run.id, text_of(run), *alert.fired});
  }
}

bool DrillMarks::is_caused_locked(const core::ring::Labels& labels, core::WallTime active_at) const {
  if (!active_ || active_at < active_->since) return false;
  return active_->config.expects(labels) || active_->component.owns(labels) ||
         std::ranges::any_of(active_->config.may_fire, [&](const MatcherList& each) { return each.matches(labels); });
}

bool DrillMarks::is_caused(const core::ring::Labels& labels, core::WallTime active_at) const {
  const std::scoped_lock lock(mutex_);
  return is_caused_locked(labels, active_at);
}

// What a remediation tells of itself has the id of its run, and that ends with the episode of the alert it is for.
const DrillMarks::Mark* DrillMarks::mark_of_remediation(std::string_view run) const {
  if (run.empty()) return nullptr;
  for (const auto& [labels, mark] : marked_) {
    if (run.ends_with(remedy::run_id("", labels, mark.fired))) return &mark;
  }
  return nullptr;
}

std::optional<DrillMarks::Mark> DrillMarks::mark_of(const Transition& transition) {
  const std::scoped_lock lock(mutex_);
  const bool fires = transition.to == AlertState::kFiring;
  const core::WallTime fired = std::chrono::floor<core::Millis>(transition.fired_at.value_or(transition.at));
  if (const auto known = marked_.find(transition.labels); known != marked_.end()) {
    known->second.over = known->second.over || !fires;
    // The alert that fires anew is another episode, and perhaps a real one.
    if (!fires || known->second.fired == fired) return known->second;
    marked_.erase(known);
  }
  if (const Mark* const mark = mark_of_remediation(transition.labels.get("run"))) return *mark;
  if (!fires || !is_caused_locked(transition.labels, transition.active_at)) return std::nullopt;
  Mark mark{active_->drill, active_->run, active_->text, fired};
  if (marked_.size() < kMarkedMax) marked_.emplace(transition.labels, mark);
  return mark;
}

bool DrillMarks::idle() const {
  const std::scoped_lock lock(mutex_);
  return !active_ && marked_.empty();
}

void DrillMarks::mark(Transition& transition) {
  if (const auto mark = mark_of(transition)) write(transition, mark->drill, mark->run, mark->text);
}

void MarkingSink::on_transitions(std::span<const Transition> transitions) {
  if (marks_.idle()) return next_.on_transitions(transitions);
  std::vector<Transition> marked(transitions.begin(), transitions.end());
  for (Transition& each : marked) marks_.mark(each);
  next_.on_transitions(marked);
}

}  // namespace actions::drill

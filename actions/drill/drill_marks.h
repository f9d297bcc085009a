// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "actions/drill/drill_config.h"
#include "actions/drill/drill_run.h"
#include "rules/alert/alert_sink.h"

namespace actions::drill {

// Annotations of an alert that a drill caused. No labels: they make routes, silences, inhibition and the alert's
// identity, and all of that is what a drill tests (docs/adr/0006-drills-are-marked-by-annotations.md).
inline constexpr const char* kDrillAnnotation = "drill";         // for people
inline constexpr const char* kDrillRunAnnotation = "drill_run";  // the id of the run

// Which alerts belong to the drill that runs, or to one that is over while they still fire.
//
// Thread safety: any thread.
class DrillMarks {
 public:
  // Alerts that are remembered, those that are over among them; what comes beyond is marked while its drill lasts.
  static constexpr std::size_t kMarkedMax = 1000;

  // From now on alerts that begin are looked at; until end().
  void begin(const Run& run, DrillConfig config, DrillableConfig component);
  void end();
  // What a former process marked and still fires.
  void restore(const Run& run);

  // The drill's: the alert began after it, and is the expected one, one that may fire, or one of the component's.
  bool is_caused(const core::ring::Labels& labels, core::WallTime active_at) const;
  // Writes the mark into the alert if this episode of it belongs to a drill.
  void mark(rules::Transition& transition);
  // Nothing can be marked now.
  bool idle() const;

 private:
  struct Active {
    std::string run;
    std::string text;  // of kDrillAnnotation
    std::string drill;
    core::WallTime since;
    DrillConfig config;
    DrillableConfig component;
  };
  struct Mark {
    std::string drill;
    std::string run;
    std::string text;
    core::WallTime fired;
    bool over = false;  // kept for reminders of its end
  };

  bool is_caused_locked(const core::ring::Labels& labels, core::WallTime active_at) const;
  std::optional<Mark> mark_of(const rules::Transition& transition);
  const Mark* mark_of_remediation(std::string_view run) const;

  mutable std::mutex mutex_;
  std::optional<Active> active_;                                                 // guarded by mutex_
  std::unordered_map<core::ring::Labels, Mark, core::ring::LabelsHash> marked_;  // guarded by mutex_
};

// Marks what passes.
//
// Thread safety: as an AlertSink.
class MarkingSink final : public rules::AlertSink {
 public:
  MarkingSink(DrillMarks& marks, rules::AlertSink& next) : marks_(marks), next_(next) {}
  void on_transitions(std::span<const rules::Transition> transitions) override;

 private:
  DrillMarks& marks_;
  rules::AlertSink& next_;
};

}  // namespace actions::drill

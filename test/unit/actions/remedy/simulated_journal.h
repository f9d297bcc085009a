// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "actions/remedy/journal.h"

namespace actions::remedy {

struct Crash {};

// What is on the disk. It outlives every crash.
struct Disk {
  struct Row {
    std::string body;  // as JSON: what is read back is what was written
    std::string budget;
    bool active = false;
    bool at_work = false;  // running, or interrupted and not closed
  };
  std::map<std::string, Row> runs;
  std::map<std::string, Start> starts;
  std::map<std::string, Pause> pauses;
};

// A journal that dies before or after a commit when it is told to, or has no space.
class SimulatedJournal final : public Journal {
 public:
  explicit SimulatedJournal(Disk& disk) : disk_(disk) {}

  core::Result<Recollection> recall(std::size_t, core::WallTime) override {
    Recollection recollection;
    for (const auto& [id, row] : disk_.runs) {
      if (!row.active) continue;  // finished ones are found when their alert is heard of again
      recollection.runs.push_back(std::make_shared<const remedy::Run>(*run_from_json_text(row.body)));
    }
    for (const auto& [id, start] : disk_.starts) recollection.starts.push_back(start);
    std::ranges::sort(recollection.starts, {}, &Start::wall);
    recollection.pauses = disk_.pauses;
    return recollection;
  }
  core::Result<std::optional<remedy::Run>> find(const std::string& run) override {
    const auto found = disk_.runs.find(run);
    if (found == disk_.runs.end()) return std::optional<remedy::Run>();
    return std::optional<remedy::Run>(*run_from_json_text(found->second.body));
  }
  core::Result<void> commit(std::span<const Effect> effects, core::WallTime) override {
    if (full) return core::fail(core::Errc::kUnavailable, "database or disk is full");
    if (crash_before == 0) throw Crash();
    --crash_before;
    for (const Effect& effect : effects) {
      if (const auto* record = std::get_if<RecordRun>(&effect)) {
        const remedy::Run& run = *record->run;
        const bool at_work = run.state == RunState::kRunning || (run.state == RunState::kInterrupted && !run.final);
        disk_.runs[run.id] = {to_json_text(run), run.budget, !run.final, at_work};
        if (run.started && run.started_steady) {
          disk_.starts[run.id] = {run.remediation, run.id, *run.started, run.started_steady};
        }
      }
      if (const auto* pause = std::get_if<RecordPause>(&effect)) {
        disk_.pauses.erase(pause->remediation);
        if (pause->pause) disk_.pauses[pause->remediation] = *pause->pause;
      }
    }
    if (crash_after == 0) throw Crash();
    --crash_after;
    return {};
  }
  core::Result<void> probe(core::WallTime) override {
    if (full) return core::fail(core::Errc::kUnavailable, "database or disk is full");
    return {};
  }

  bool full = false;
  int crash_before = 1 << 30;
  int crash_after = 1 << 30;

 private:
  Disk& disk_;
};

}  // namespace actions::remedy

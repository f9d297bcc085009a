// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "actions/remedy/decision.h"
#include "actions/remedy/journal.h"
#include "core/result.h"
#include "core/time/clock.h"

namespace actions::remedy {

// Counts since the start.
struct RemedyStats {
  std::atomic<std::uint64_t> alerts{0};          // transitions that a remediation matches
  std::atomic<std::uint64_t> alerts_dropped{0};  // the queue was full; a refresh makes good
  std::atomic<std::uint64_t> runs_started{0};
  std::atomic<std::uint64_t> runs_succeeded{0};
  std::atomic<std::uint64_t> runs_failed{0};
  std::atomic<std::uint64_t> runs_refused{0};
  std::atomic<std::uint64_t> runs_interrupted{0};
  std::atomic<std::uint64_t> steps_started{0};
  std::atomic<std::uint64_t> looks{0};          // at preconditions and verifications
  std::atomic<std::uint64_t> looks_unknown{0};  // of these, with an answer that nobody knows
  std::atomic<std::uint64_t> journal_errors{0};
};

// What people and programs are shown.
//
// Thread safety: immutable once shared.
struct Snapshot {
  PolicyPtr policy;
  std::vector<RunPtr> runs;             // newest first
  std::map<std::string, Pause> pauses;  // by remediation; "": of everything
  std::string degraded;                 // why nothing is started now; empty: all is well
};

// The decisions with their journal: an event goes in, what decide() makes of it is committed, and only then are the
// steps to start handed out. Whoever drives it carries them out and reports StepFinished (StepSeen for one that is only
// looked at), and answers looks with Looked.
//
// Thread safety: confined to one thread.
// Invariants: no StartStep is handed out that the journal has not confirmed. While the journal cannot be written the
// state stays as it was, nothing is started, and degraded() says why; outcomes that could not be written are kept and
// written first.
class Engine {
 public:
  Engine(PolicyPtr policy, EngineLimits limits, Journal& journal, const core::Clock& clock, RemedyStats& stats);

  // REQUIRES: called once, before handle(). An error: the journal cannot be read.
  core::Result<void> start();
  // kUnavailable: the journal cannot be written, so nothing was decided; kInvalid: the event makes no sense now.
  core::Result<void> handle(const Event& event);
  // The steps to carry out since the last call.
  std::vector<StartStep> take_steps() { return std::exchange(ready_, {}); }
  std::vector<StartLook> take_looks() { return std::exchange(looks_, {}); }
  // The runs that were recorded since the last call, each as it then was.
  std::vector<RunPtr> take_records() { return std::exchange(records_, {}); }

  const std::string& degraded() const { return degraded_; }
  std::shared_ptr<const Snapshot> snapshot() const;

 private:
  core::Result<void> decide_and_commit(const Event& event);
  core::Result<void> write_outcomes();
  core::Result<void> recollect(const AlertFired& event);
  core::Result<void> recollect(const Event& event);
  void count(const Event& event, const std::vector<Effect>& effects);
  tl::unexpected<core::Error> degrade(const core::Error& error);

  Journal& journal_;
  const core::Clock& clock_;
  RemedyStats& stats_;
  EngineState state_;
  std::deque<Event> unwritten_;  // outcomes; at most one for each running step
  std::vector<StartStep> ready_;
  std::vector<StartLook> looks_;
  std::vector<RunPtr> records_;
  std::string degraded_;
};

}  // namespace actions::remedy

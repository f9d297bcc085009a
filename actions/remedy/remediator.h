// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "actions/remedy/announcer.h"
#include "actions/remedy/engine.h"
#include "actions/remedy/journal.h"
#include "actions/remedy/step_executor.h"
#include "core/result.h"
#include "core/time/clock.h"
#include "rules/alert/alert_sink.h"

namespace actions::remedy {

// Remediation as a running part of the agent: one thread decides and writes the journal, one looks at conditions, a few
// carry out steps, and alerts come in through a bounded queue (when it is full they are dropped and counted: an alert
// is refreshed every minute while it fires).
//
// Thread safety: any thread, unless said otherwise. The destructor ends running steps as a timeout would, writes their
// outcomes, and returns.
class Remediator final : public rules::AlertSink {
 public:
  struct Dependencies {
    StepRunner& steps;
    Lookout& lookout;
    Announcer& announcer;
    const core::Clock& clock;
    // What a run that has begun leaves behind when it is over, for people to read; called on the looking thread. None:
    // nothing is kept.
    std::function<void(const Run& run, const Policy& policy)> keep_evidence;
  };
  struct Options {
    std::string journal_path;  // the SQLite file
    JournalOptions journal;
    EngineLimits limits;
  };

  // Reads the journal and takes up what a crash left.
  static core::Result<std::unique_ptr<Remediator>> open(PolicyPtr policy, Options options, Dependencies dependencies);
  ~Remediator() override;

  void on_transitions(std::span<const rules::Transition> transitions) override;

  // Each returns once the journal has it, or with the reason why not. `plan`: the hash of what is approved, or its
  // first twelve digits; empty: whatever the run has.
  core::Result<void> approve(const std::string& run, const std::string& who, const std::string& plan = "");
  // Also closes an interrupted run, after which its remediation may run again.
  core::Result<void> reject(const std::string& run, const std::string& who);
  // Nothing new is started until resume(), of one remediation or of all; a step under way ends as it would.
  core::Result<void> pause(const std::string& reason, const std::string& who, const std::string& remediation = "");
  core::Result<void> resume(const std::string& who, const std::string& remediation = "");
  core::Result<void> configure(PolicyPtr policy);
  // An alert that no rule evaluates: of one who has the engine do something. It must be told again every few minutes
  // while it stands, as rules do, and resolved.
  core::Result<void> raise(const core::ring::Labels& alert, core::WallTime fired_at);
  core::Result<void> resolve(const core::ring::Labels& alert, core::WallTime fired_at);

  std::shared_ptr<const Snapshot> snapshot() const;
  const RemedyStats& stats() const { return stats_; }

 private:
  struct Queued {
    Event event;
    std::shared_ptr<std::promise<core::Result<void>>> answer;  // none for alerts, outcomes and looks
    std::size_t alerts = 0;
  };

  Remediator(SqliteJournal journal, Dependencies dependencies);

  core::Result<void> ask(Event event);
  void push(Event event, std::size_t alerts);
  void decide_until_stopped(std::stop_token stop);
  void work_until_stopped(std::stop_token stop);
  void look_until_stopped(std::stop_token stop);
  Looked look(const StartLook& asked, std::stop_token stop);
  // REQUIRES: mutex_ is not held; the deciding thread only, once it runs.
  void publish_and_dispatch();

  Dependencies with_;
  SqliteJournal journal_;
  RemedyStats stats_;
  std::unique_ptr<Engine> engine_;  // the deciding thread's, once it runs

  mutable std::mutex mutex_;
  std::condition_variable_any events_ready_;
  std::condition_variable_any steps_ready_;
  std::condition_variable_any looks_ready_;
  std::deque<Queued> events_;  // alerts among them: at most kAlertsQueued
  std::size_t alerts_queued_ = 0;
  std::deque<StartStep> to_start_;  // at most EngineLimits::running_max
  std::deque<StartLook> to_look_;   // at most one for each episode and running run
  std::deque<RunPtr> to_keep_;      // ended runs whose evidence is not kept yet; at most kEvidenceQueued
  PolicyPtr policy_;
  std::shared_ptr<const Snapshot> snapshot_;
  bool closed_ = false;

  std::jthread decider_;
  std::jthread looker_;
  std::vector<std::jthread> workers_;
};

}  // namespace actions::remedy

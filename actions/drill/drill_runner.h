// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "actions/drill/drill_engine.h"
#include "actions/drill/drill_marks.h"
#include "actions/drill/fault_injector.h"
#include "actions/drill/objections.h"
#include "actions/receivers/notification.h"
#include "actions/remedy/condition.h"
#include "core/result.h"
#include "core/time/clock.h"
#include "rules/alert/alert_sink.h"

namespace actions::drill {

// Counts since the start.
struct DrillStats {
  std::atomic<std::uint64_t> begun{0};
  std::atomic<std::uint64_t> passed{0};
  std::atomic<std::uint64_t> failed{0};
  std::atomic<std::uint64_t> cancelled{0};
  std::atomic<std::uint64_t> interrupted{0};
  std::atomic<std::uint64_t> refused{0};
  std::atomic<std::uint64_t> restores_failed{0};
  std::atomic<std::uint64_t> alerts_dropped{0};  // the queue was full; a refresh makes good
};

// A drill that was not begun, and why.
struct Refusal {
  core::WallTime at;
  std::string who;
  std::string why;
};

// What people and programs are shown.
//
// Thread safety: immutable once shared.
struct DrillSnapshot {
  DrillPlanPtr plan;
  RunPtr current;                              // none: no drill runs
  std::vector<RunPtr> history;                 // over; newest first
  std::map<std::string, Refusal> refusals;     // the last of each drill
  std::map<std::string, core::WallTime> next;  // when a drill with a schedule runs by itself
  std::string degraded;                        // why what was decided is in memory only; empty: all is well

  // The newest run of a drill, the current one too; none if there is none.
  RunPtr last(const std::string& drill) const;
  RunPtr last_passed(const std::string& drill) const;
};

// What would happen if a drill were begun now.
struct Outlook {
  DrillConfig drill;
  DrillableConfig component;
  std::vector<std::string> units;         // that would stop, and be started again
  std::vector<PodBefore> pods;            // the one that would be killed, then those like it
  std::vector<remedy::Finding> findings;  // of its conditions
  std::vector<std::string> objections;    // why it would be refused; empty: it would begin
  std::string validators;                 // why it must be confirmed with --yes; empty: it need not
};

// Drills as a running part of the agent: one thread decides and writes the store, one works: looks, injects, restores.
//
// Guarantee: what was injected is restored, or is being restored again and again: after the drill, after max_duration,
// when it is cancelled, when the agent ends (within `farewell`; else at the next start), and after a kill, at the next
// start and before anything else.
//
// Thread safety: any thread, unless said otherwise.
class DrillRunner final : public rules::AlertSink {
 public:
  struct Dependencies {
    Injector& injector;
    remedy::Lookout& lookout;
    DrillMarks& marks;
    const core::Clock& clock;
    std::function<Situation()> situation;  // from start() on
    std::function<std::optional<core::WallTime>(const FindFirstSample& asked, std::stop_token stop)> first_sample;
    core::Duration farewell = std::chrono::seconds(20);
  };

  // Reads the store, and restores what a former process left injected.
  static core::Result<std::unique_ptr<DrillRunner>> open(DrillPlanPtr plan, const std::string& database_path,
                                                         Dependencies dependencies);
  static core::Result<std::unique_ptr<DrillRunner>> open(DrillPlanPtr plan, std::unique_ptr<DrillStore> store,
                                                         Dependencies dependencies);
  ~DrillRunner() override;

  // From here on drills may begin.
  void start();
  // Ends what runs and begins nothing any more; what is injected is restored, if it can be within the farewell. The
  // queues stay. Idempotent; the destructor does it too.
  void stop();
  void configure(DrillPlanPtr plan);

  // The id of the run, once its intent is in the store. kNotFound; kInvalid: it needs `yes`; kUnavailable: something
  // objects, in words. Looks at conditions first, so it takes seconds.
  core::Result<std::string> run(const std::string& drill, const std::string& who, bool yes);
  // Returns before what was injected is restored. kInvalid if it does not run.
  core::Result<void> cancel(const std::string& drill, const std::string& who);
  core::Result<Outlook> outlook(const std::string& drill);

  void on_transitions(std::span<const rules::Transition> transitions) override;
  // A receiver, or an Alertmanager, has taken a message with these alerts.
  void on_delivered(const std::string& receiver, std::span<const receivers::Alert> alerts);

  std::shared_ptr<const DrillSnapshot> snapshot() const;
  const DrillStats& stats() const { return stats_; }

 private:
  enum class TaskKind { kLook, kInject, kRestore };
  // Work that takes its time; what comes of it, if anything does, is an event.
  struct Task {
    TaskKind kind;
    std::function<std::optional<Event>(std::stop_token stop)> work;
  };
  struct Queued {
    Event event;
    std::shared_ptr<std::promise<core::Result<void>>> answer;  // none: nobody waits
  };

  DrillRunner(DrillPlanPtr plan, std::unique_ptr<DrillStore> store, Dependencies dependencies);

  core::Result<void> ask(Event event);
  void push(Event event);
  core::Result<Outlook> look_ahead(const std::string& drill, bool yes);
  void refused(const std::string& drill, const std::string& who, const std::string& why);

  // On the deciding thread.
  void decide_until_stopped(std::stop_token stop);
  core::Result<void> handle(const Event& event);
  void tick();
  void look_whether_to_end();
  void run_what_is_due();
  void carry_out(std::vector<Effect> effects);
  void publish();

  void add_task(Task task);
  void work_until_stopped(std::stop_token stop);

  Dependencies with_;
  std::unique_ptr<DrillStore> store_;
  DrillEngine engine_;  // the deciding thread's, once it runs
  DrillStats stats_;
  const core::WallTime opened_;
  core::SteadyTime next_stop_look_{};                   // the deciding thread's
  std::map<std::string, core::SteadyTime> not_before_;  // likewise: of scheduled drills
  std::atomic<bool> started_{false};

  mutable std::mutex mutex_;
  std::condition_variable_any events_ready_;
  std::condition_variable_any tasks_ready_;
  std::condition_variable_any published_;
  DrillPlanPtr plan_;
  std::deque<Queued> events_;  // those of alerts: at most kEventsMax
  std::deque<Task> tasks_;     // an injection or a restore, and a few looks
  std::optional<TaskKind> working_;
  std::stop_source work_stop_;  // of the task under way
  std::map<std::string, Refusal> refusals_;
  std::shared_ptr<const DrillSnapshot> snapshot_;
  bool closed_ = false;

  std::jthread worker_;
  std::jthread decider_;
};

}  // namespace actions::drill

// SPDX-License-Identifier: Apache-2.0
// The engine over thousands of random schedules: alerts that flap, bursts of them, people, reloads, clocks that step, a
// disk that is full, and kills at every point, judged by what happens in the world and what the journal holds then.
//   WATCHKEEPER_SIMULATION_SEED=7 WATCHKEEPER_SIMULATION_SCHEDULES=100000 actions_remedy_test
//   --gtest_filter=Simulation*
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <deque>
#include <memory>
#include <random>
#include <set>

#include "actions/remedy/engine.h"
#include "core/time/simulated_clock.h"
#include "sample_remediations.h"
#include "simulated_journal.h"

namespace actions::remedy {
namespace {

using core::Errc;
using core::Result;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

Policy make_policy(int variant) {
  Policy policy;
  policy.budgets = {{"nodes", 1, "", 0}, {"spares", 2, "healthy", 2}};
  ExecStep checked{.argv = {"/bin/checked"}};
  checked.check = {"/bin/check"};

  RemediationConfig restart = remediation("restart", Level::kAuto, {Step{BackupStep{"keys"}, {}}, exec_step({"stop"})});
  restart.require = {"ready"};
  restart.limits = {.cooldown = minutes(5), .runs = 2, .window = hours(1), .budget = "nodes"};
  restart.verify = VerifyConfig{"good", minutes(4)};
  restart.on_failure.then = "replace";
  RemediationConfig cycle =
      remediation("cycle", Level::kAuto, {Step{checked, {}}, exec_step({"move"}), exec_step({"on"})});
  cycle.steps[1].rollback = {exec_step({"back"})};
  cycle.limits = {.cooldown = minutes(1), .runs = 3, .window = hours(1), .budget = "nodes"};
  RemediationConfig replace = remediation("replace", Level::kAuto, {exec_step({"terminate"})});
  replace.match.clear();
  replace.limits = {.cooldown = minutes(1), .runs = 2, .window = hours(1), .budget = "spares"};
  RemediationConfig ask = remediation("ask", Level::kApprove, {exec_step({"careful"}), exec_step({"again"}, true)});
  ask.approval = {.required = 2, .approvers = {}, .expires = minutes(20)};
  ask.require = {"ready"};
  ask.limits = {.cooldown = minutes(1), .runs = 3, .window = hours(1), .budget = "spares"};

  if (variant == 1) cycle.level = Level::kPropose;
  if (variant == 2) restart.steps[1] = exec_step({"stop", "harder"});
  policy.remediations = {restart, cycle, replace, ask};
  return policy;
}

class Simulation {
 public:
  explicit Simulation(std::uint64_t seed) : random_(seed) {
    for (int variant = 0; variant < 3; ++variant) {
      policies_.push_back(std::make_shared<const Policy>(make_policy(variant)));
    }
  }

  // Empty: nothing went wrong.
  std::vector<std::string> run(int events) {
    start_process();
    for (int i = 0; i < events && violations_.empty(); ++i) {
      try {
        step();
      } catch (const Crash&) {
        kill();
      }
    }
    return violations_;
  }

  int kills() const { return kills_; }
  std::size_t effects() const { return effects_.size(); }
  std::size_t starts() const { return starts_.size(); }

 private:
  int pick(int count) { return static_cast<int>(random_() % static_cast<std::uint64_t>(count)); }
  bool chance(int percent) { return pick(100) < percent; }
  void violated(std::string what) { violations_.push_back(std::move(what)); }

  void start_process() {
    for (;;) {
      journal_ = std::make_unique<SimulatedJournal>(disk_);
      if (chance(30)) journal_->crash_before = pick(12);
      if (chance(30)) journal_->crash_after = pick(12);
      engine_ = std::make_unique<Engine>(policies_[static_cast<std::size_t>(policy_)], EngineLimits{}, *journal_,
                                         clock_, stats_);
      try {
        if (!engine_->start()) violated("the journal cannot be read");
        collect();
        return;
      } catch (const Crash&) {
        ++kills_;
      }
    }
  }

  // kill -9: of the steps under way, any may have happened.
  void kill() {
    ++kills_;
    for (const StartStep& step : under_way_) {
      if (!step.only_look && chance(50)) happen(step);
    }
    under_way_.clear();
    looks_.clear();
    engine_.reset();
    // What was asked for and not answered may have been written or not: from here on what is on the disk counts.
    paused_.clear();
    for (const auto& [remediation, pause] : disk_.pauses) paused_.insert(remediation);
    if (chance(20)) clock_.step_wall(minutes(pick(600) - 300));
    clock_.advance(seconds(pick(120)));
    start_process();
  }

  void handle(const Event& event) {
    const auto handled = engine_->handle(event);
    if (handled || handled.error().code != Errc::kUnavailable) note_acknowledged(event, handled.has_value());
    collect();
  }

  void note_acknowledged(const Event& event, bool done) {
    if (const auto* pause = std::get_if<PauseAsked>(&event); pause != nullptr && done)
      paused_.insert(pause->remediation);
    if (const auto* resume = std::get_if<ResumeAsked>(&event); resume != nullptr && done) {
      paused_.erase(resume->remediation);
    }
    if (const auto* looked = std::get_if<Looked>(&event)) {
      bool all = true;
      for (const Answer& each : looked->answers) all = all && each.verdict == Verdict::kYes;
      all_yes_[looked->run] = all;
    }
  }

  // Takes over what the engine wants carried out, and judges it.
  void collect() {
    for (StartStep& step : engine_->take_steps()) {
      const remedy::Run& run = *step.snapshot;
      if (!step.only_look && (paused_.contains("") || paused_.contains(run.remediation))) {
        violated(fmt::format("{} step {} is started while paused", run.id, step.step));
      }
      const bool begins = step.step == 0 && run.steps[0].attempts == 1 && run.phase == Phase::kSteps && !step.only_look;
      if (begins) judge_start(run);
      under_way_.push_back(std::move(step));
    }
    for (StartLook& look : engine_->take_looks()) looks_.push_back(std::move(look));
    (void)engine_->take_records();
  }

  void judge_start(const remedy::Run& run) {
    const core::SteadyTime now = clock_.steady_now();
    const RemediationConfig& config = *policies_[0]->find(run.remediation);
    const bool asks = !config.require.empty() || config.limits.budget == "spares";
    if (asks && !all_yes_[run.id]) violated(run.id + " starts without every condition being a yes");
    int in_window = 0;
    std::size_t in_storm = 0;
    for (const auto& [id, each] : starts_) {
      if (id == run.id) violated(run.id + " starts twice");
      in_storm += now - each.second < policies_[0]->storm.window;
      if (each.first != run.remediation) continue;
      if (now - each.second < config.limits.cooldown) violated(run.id + " starts within the cooldown");
      in_window += now - each.second < config.limits.window;
    }
    if (in_window >= static_cast<int>(config.limits.runs)) violated(run.id + " is one run too many in its window");
    if (in_storm >= policies_[0]->storm.runs) violated(run.id + " starts in a storm");
    if (run.level == Level::kApprove && run.approvals.size() < 2) violated(run.id + " starts without two approvals");
    starts_[run.id] = {run.remediation, now};
  }

  // The effect itself, with what another reader of the journal sees at this moment.
  void happen(const StartStep& step) {
    const auto stored = disk_.runs.find(step.run);
    const Step& what = step.snapshot->steps[step.step].step;
    const auto run = stored == disk_.runs.end() ? Result<remedy::Run>(core::fail(Errc::kNotFound, "none"))
                                                : run_from_json_text(stored->second.body);
    if (!run || run->steps[step.step].state != StepState::kRunning) {
      violated(fmt::format("{} step {} happens without an intent", step.run, step.step));
    }
    const int times = ++effects_[{step.run, step.step}];
    if (times > 1 && what.repeat() != Repeat::kIdempotent) {
      violated(fmt::format("{} step {} ({}) happens twice", step.run, step.step, what.to_string()));
    }
    std::map<std::string, std::size_t> at_work;
    for (const auto& [id, row] : disk_.runs) at_work[row.budget] += row.at_work;
    for (const BudgetConfig& budget : policies_[0]->budgets) {
      if (at_work[budget.name] > budget.max_at_once) violated("budget " + budget.name + " is exceeded");
    }
  }

  void finish_a_step() {
    if (under_way_.empty()) return;
    const std::size_t index = static_cast<std::size_t>(pick(static_cast<int>(under_way_.size())));
    const StartStep step = under_way_[index];
    under_way_.erase(under_way_.begin() + static_cast<std::ptrdiff_t>(index));
    if (step.only_look) {
      const bool happened = effects_[{step.run, step.step}] > 0;
      const Verdict truth = happened ? Verdict::kYes : Verdict::kNo;
      return handle(StepSeen{step.run, step.step, chance(20) ? Verdict::kUnknown : truth, "looked"});
    }
    happen(step);
    handle(StepFinished{step.run, step.step, chance(75) ? Outcome::kSucceeded : Outcome::kFailed, "result", "output"});
  }

  void answer_a_look() {
    if (looks_.empty()) return;
    const StartLook look = looks_.front();
    looks_.pop_front();
    if (chance(10)) return;  // lost
    Looked looked{look.run, look.ticket, {}};
    for (std::size_t i = 0; i < look.questions.size(); ++i) {
      const int dice = pick(100);
      looked.answers.push_back({dice < 70 ? Verdict::kYes : dice < 85 ? Verdict::kNo : Verdict::kUnknown, 5, "why"});
    }
    handle(looked);
  }

  void people() {
    const char* const names[] = {"ann", "bob", "eve"};
    const std::string who = names[pick(3)];
    const std::string targets[] = {"", "restart", "cycle", "ask"};
    const std::string target = targets[pick(4)];
    if (chance(10)) return handle(PauseAsked{"why", who, target});
    if (chance(30)) return handle(ResumeAsked{who, target});
    const auto snapshot = engine_->snapshot();
    for (const RunPtr& run : snapshot->runs) {
      if (run->state == RunState::kWaiting && chance(60)) return handle(Approved{run->id, who, run->plan});
      if (run->state == RunState::kInterrupted && !run->final && chance(50)) return handle(Rejected{run->id, who});
      if (run->state == RunState::kWaiting && chance(5)) return handle(Rejected{run->id, who});
    }
  }

  void alerts() {
    const std::string instance(1, static_cast<char>('a' + pick(4)));
    if (pick(300) == 0) {
      AlertsFired burst;
      for (int i = 0; i < 200; ++i) burst.alerts.push_back({alert_of("burst" + std::to_string(i)), clock_.wall_now()});
      return handle(burst);
    }
    const auto firing = firing_.find(instance);
    if (firing == firing_.end()) {
      firing_[instance] = clock_.wall_now();
    } else if (chance(25)) {
      handle(AlertResolved{alert_of(instance), firing->second});
      firing_.erase(instance);
      return;
    }
    handle(AlertFired{alert_of(instance), firing_[instance]});
  }

  void step() {
    const int dice = pick(100);
    if (dice < 28) return alerts();
    if (dice < 52) return finish_a_step();
    if (dice < 68) return answer_a_look();
    if (dice < 78) return people();
    if (dice < 90) {
      clock_.advance(seconds(pick(180)));
      return handle(Tick{});
    }
    if (dice < 93) return clock_.step_wall(minutes(pick(240) - 120));
    if (dice < 95) {
      journal_->full = !journal_->full;
      return handle(Tick{});
    }
    if (dice < 97) {
      policy_ = pick(3);
      return handle(Reconfigured{policies_[static_cast<std::size_t>(policy_)]});
    }
    throw Crash();
  }

  std::mt19937_64 random_;
  core::SimulatedClock clock_;
  Disk disk_;
  RemedyStats stats_;
  std::vector<PolicyPtr> policies_;
  int policy_ = 0;
  std::unique_ptr<SimulatedJournal> journal_;
  std::unique_ptr<Engine> engine_;
  std::vector<StartStep> under_way_;
  std::deque<StartLook> looks_;
  std::map<std::string, core::WallTime> firing_;

  // What the judges know.
  std::vector<std::string> violations_;
  std::map<std::pair<std::string, std::size_t>, int> effects_;
  std::map<std::string, std::pair<std::string, core::SteadyTime>> starts_;  // by run: remediation and true time
  std::map<std::string, bool> all_yes_;                                     // of the last look
  std::set<std::string> paused_;                                            // acknowledged
  int kills_ = 0;
};

std::uint64_t setting(const char* name, std::uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

TEST(Simulation, NothingHappensThatMustNot) {
  const std::uint64_t seed = setting("WATCHKEEPER_SIMULATION_SEED", std::random_device{}());
  const std::uint64_t schedules = setting("WATCHKEEPER_SIMULATION_SCHEDULES", 250);
  std::printf("WATCHKEEPER_SIMULATION_SEED=%llu, %llu schedules\n", static_cast<unsigned long long>(seed),
              static_cast<unsigned long long>(schedules));
  std::size_t effects = 0;
  std::size_t starts = 0;
  int kills = 0;
  for (std::uint64_t i = 0; i < schedules; ++i) {
    Simulation simulation(seed + i);
    const std::vector<std::string> violations = simulation.run(120);
    ASSERT_THAT(violations, testing::IsEmpty())
        << "WATCHKEEPER_SIMULATION_SEED=" << seed + i << " WATCHKEEPER_SIMULATION_SCHEDULES=1";
    effects += simulation.effects();
    starts += simulation.starts();
    kills += simulation.kills();
  }
  std::printf("%zu runs started, %zu steps, %d kills\n", starts, effects, kills);
  // A simulation in which nothing happens would find nothing.
  EXPECT_GT(starts, schedules);
  EXPECT_GT(effects, schedules);
  EXPECT_GT(static_cast<std::uint64_t>(kills), schedules);
}

}  // namespace
}  // namespace actions::remedy

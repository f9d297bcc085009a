// SPDX-License-Identifier: Apache-2.0
// Drills over thousands of random schedules: cancels, deadlines, restores that fail, a disk that is full, clocks that
// step, and kills at every point, judged by what happens to the world.
//   WATCHKEEPER_SIMULATION_SEED=7 WATCHKEEPER_SIMULATION_SCHEDULES=100000 actions_drill_test
//   --gtest_filter=DrillSimulation*
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <memory>
#include <random>

#include "actions/drill/drill_engine.h"
#include "core/time/simulated_clock.h"
#include "sample_drills.h"

namespace actions::drill {
namespace {

using core::Errc;
using core::Result;
using std::chrono::minutes;
using std::chrono::seconds;

struct Crash {};

// What outlives every kill: the disk, and the world that is hurt.
struct World {
  std::map<std::string, std::string> runs;  // bodies, by id
  std::map<std::string, int> injections;    // that happened, by run
  std::string hurt_by;                      // the run whose fault is there; empty: nobody's
};

// A store that dies before or after a write when it is told to, or has no space.
class SimulatedStore final : public DrillStore {
 public:
  explicit SimulatedStore(World& world) : world_(world) {}

  Result<void> put(const drill::Run& run) override {
    if (full) return core::fail(Errc::kUnavailable, "database or disk is full");
    if (crash_before-- == 0) throw Crash();
    for (const auto& [id, body] : world_.runs) {
      if (id == run.id || run.phase == Phase::kOver) continue;
      if (run_from_json_text(body)->phase != Phase::kOver) return core::fail(Errc::kFailed, "two are open");
    }
    world_.runs[run.id] = to_json_text(run);
    if (crash_after-- == 0) throw Crash();
    return {};
  }
  Result<std::vector<drill::Run>> recall() override {
    std::vector<drill::Run> runs;
    for (const auto& [id, body] : world_.runs) runs.push_back(*run_from_json_text(body));
    std::ranges::sort(runs, std::greater<>(), &Run::created);
    return runs;
  }

  bool full = false;
  int crash_before = 1 << 30;
  int crash_after = 1 << 30;

 private:
  World& world_;
};

class Simulation {
 public:
  // Every third schedule is a gentle one, in which drills come to their end.
  explicit Simulation(std::uint64_t seed) : random_(seed), gentle_(pick(3) == 0) {}

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
    settle();
    return violations_;
  }

  int kills() const { return kills_; }
  std::size_t begun() const { return world_.injections.size(); }
  int passed() const { return passed_; }

 private:
  int pick(int count) { return static_cast<int>(random_() % static_cast<std::uint64_t>(count)); }
  bool chance(int percent) { return pick(100) < percent; }
  void violated(std::string what) { violations_.push_back(std::move(what)); }

  void start_process() {
    for (;;) {
      store_ = std::make_unique<SimulatedStore>(world_);
      store_->full = full_;
      if (!calm_ && !gentle_ && chance(40)) store_->crash_before = pick(8);
      if (!calm_ && !gentle_ && chance(40)) store_->crash_after = pick(8);
      engine_ = std::make_unique<DrillEngine>(*store_, clock_);
      under_way_.clear();
      try {
        if (!engine_->start()) violated("the store cannot be read");
        collect();
        return;
      } catch (const Crash&) {
        ++kills_;
      }
    }
  }

  // kill -9: of what is under way, any may have happened.
  void kill() {
    ++kills_;
    for (const Effect& effect : under_way_) {
      if (chance(50)) happen(effect);
    }
    if (chance(20)) clock_.step_wall(minutes(pick(600) - 300));
    clock_.advance(seconds(1 + pick(120)));
    start_process();
  }

  void handle(const Event& event) {
    (void)engine_->handle(event);
    collect();
  }

  void collect() {
    for (Effect& effect : engine_->take_effects()) {
      if (std::holds_alternative<StopInjecting>(effect) || std::holds_alternative<FindFirstSample>(effect)) continue;
      under_way_.push_back(std::move(effect));
    }
    // One thing at a time: a restore beside its own injection could be overtaken by it.
    if (under_way_.size() > 1) violated("an injection and a restore, or two, are under way at once");
  }

  void happen(const Effect& effect) {
    if (const auto* inject = std::get_if<Inject>(&effect)) {
      const std::string& id = inject->run->id;
      if (!world_.runs.contains(id)) violated(id + " is injected without an intent on the disk");
      if (!world_.hurt_by.empty()) violated(id + " is injected while " + world_.hurt_by + " is not restored");
      if (++world_.injections[id] > 1) violated(id + " is injected twice");
      world_.hurt_by = id;
    }
    if (const auto* restore = std::get_if<Restore>(&effect); restore != nullptr) {
      if (world_.hurt_by == restore->run->id) world_.hurt_by.clear();
    }
  }

  void finish_what_is_under_way() {
    if (under_way_.empty()) return;
    const Effect effect = under_way_.front();
    under_way_.clear();
    const bool works = calm_ || chance(gentle_ ? 95 : 70);
    // One that fails may have done half of it, or all.
    if (works || chance(50)) happen(effect);
    if (const auto* inject = std::get_if<Inject>(&effect)) handle(Injected{inject->run->id, works, "what"});
    if (const auto* restore = std::get_if<Restore>(&effect)) handle(Restored{restore->run->id, works, "what"});
  }

  void begin() {
    clock_.advance(core::Millis(1 + pick(1000)));
    const drill::Run run = run_of(geth_drill(), clock_.wall_now());
    if (world_.runs.contains(run.id)) return;  // the clock was set back to a moment that had a run
    handle(Begin{run, geth_drill()});
  }

  void alerts() {
    using rules::AlertState;
    const auto now = clock_.wall_now();
    if (chance(60)) return handle(AlertSeen{transition_of(geth_alert(), AlertState::kFiring, now, now)});
    if (chance(50)) return handle(AlertSeen{transition_of(geth_alert(), AlertState::kInactive, now, now)});
    if (engine_->current()) handle(Delivered{engine_->current()->id, "GethDown", "on-call", chance(30)});
  }

  void remediation() {
    remedy::Run run;
    run.remediation = "restart-geth";
    run.alert = geth_alert();
    run.fired_at = run.created = clock_.wall_now();
    run.state = chance(60) ? remedy::RunState::kSucceeded : remedy::RunState::kFailed;
    run.final = true;
    run.finished = clock_.wall_now();
    handle(RemediationsSeen{{std::make_shared<const remedy::Run>(std::move(run))}});
  }

  void step() {
    const std::size_t before = engine_->history().size();
    const int dice = pick(100);
    if (dice < 20) {
      begin();
    } else if (dice < 50) {
      finish_what_is_under_way();
    } else if (dice < 65) {
      alerts();
    } else if (dice < 70) {
      remediation();
    } else if (dice < 84) {
      clock_.advance(seconds(pick(gentle_ ? 5 : 90)));
      handle(Tick{});
    } else if (dice < 90) {
      if (gentle_ && chance(90)) return;
      handle(CancelAsked{"x"});
    } else if (dice < 92) {
      clock_.step_wall(minutes(pick(240) - 120));
    } else if (dice < 94) {
      full_ = store_->full = !full_;
    } else if (!gentle_ || chance(20)) {
      throw Crash();
    }
    if (engine_->history().size() > before) passed_ += engine_->history().front()->ending == Ending::kPassed;
    judge();
  }

  // The promise of the moment: whoever says that no drill runs has restored.
  void judge() {
    if (!engine_->current() && under_way_.empty() && !world_.hurt_by.empty()) {
      violated(world_.hurt_by + " is over, and not restored");
    }
  }

  // The promise in the end: left alone for a day, with a disk that can be written, all is restored and over.
  void settle() {
    if (!violations_.empty()) return;
    calm_ = true;
    full_ = false;
    kill();
    for (int i = 0; i < 200; ++i) {
      finish_what_is_under_way();
      clock_.advance(minutes(1));
      handle(Tick{});
    }
    if (!world_.hurt_by.empty()) violated(world_.hurt_by + " is never restored");
    if (engine_->current()) violated(engine_->current()->id + " is never over");
    for (const auto& [id, body] : world_.runs) {
      if (run_from_json_text(body)->phase != Phase::kOver) violated(id + " is not over on the disk");
    }
  }

  std::mt19937_64 random_;
  const bool gentle_;
  core::SimulatedClock clock_;
  World world_;
  std::unique_ptr<SimulatedStore> store_;
  std::unique_ptr<DrillEngine> engine_;
  std::vector<Effect> under_way_;  // an injection or a restore
  std::vector<std::string> violations_;
  bool full_ = false;
  bool calm_ = false;
  int kills_ = 0;
  int passed_ = 0;
};

std::uint64_t setting(const char* name, std::uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

TEST(DrillSimulation, WhatIsInjectedIsAlwaysRestored) {
  const std::uint64_t seed = setting("WATCHKEEPER_SIMULATION_SEED", std::random_device{}());
  const std::uint64_t schedules = setting("WATCHKEEPER_SIMULATION_SCHEDULES", 400);
  std::printf("WATCHKEEPER_SIMULATION_SEED=%llu, %llu schedules\n", static_cast<unsigned long long>(seed),
              static_cast<unsigned long long>(schedules));
  std::size_t begun = 0;
  int kills = 0;
  int passed = 0;
  for (std::uint64_t i = 0; i < schedules; ++i) {
    Simulation simulation(seed + i);
    const std::vector<std::string> violations = simulation.run(150);
    ASSERT_THAT(violations, testing::IsEmpty())
        << "WATCHKEEPER_SIMULATION_SEED=" << seed + i << " WATCHKEEPER_SIMULATION_SCHEDULES=1";
    begun += simulation.begun();
    kills += simulation.kills();
    passed += simulation.passed();
  }
  std::printf("%zu injected, %d passed, %d kills\n", begun, passed, kills);
  // A simulation in which nothing happens would find nothing.
  EXPECT_GT(begun, schedules);
  EXPECT_GT(static_cast<std::uint64_t>(kills), schedules);
  EXPECT_GT(passed, 0);
}

}  // namespace
}  // namespace actions::drill

// SPDX-License-Identifier: Apache-2.0
// The engine with its journal on disk, under crashes at every instruction and with a disk that is full.
#include "actions/remedy/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <deque>
#include <filesystem>
#include <functional>
#include <map>

#include "actions/remedy/step_executor.h"
#include "core/time/simulated_clock.h"
#include "sample_remediations.h"

namespace actions::remedy {
namespace {

using core::Errc;
using core::Result;
using std::chrono::minutes;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// What kill -9 does to a process, as far as its objects go.
struct CrashReached {};

// Counts instructions over all seams and crashes at one of them.
class CrashPoint {
 public:
  void arm(int instruction) { left_ = instruction; }
  void pass() {
    ++passed_;
    if (left_ > 0 && --left_ == 0) throw CrashReached();
  }
  int passed() const { return passed_; }

 private:
  int left_ = 0;  // 0: never
  int passed_ = 0;
};

// A journal that crashes just before and just after what the real one does, and that can have no space left.
class FaultyJournal final : public Journal {
 public:
  FaultyJournal(Journal& real, CrashPoint& crash) : real_(real), crash_(crash) {}

  Result<Recollection> recall(std::size_t history, core::WallTime since) override {
    crash_.pass();
    auto recollection = real_.recall(history, since);
    crash_.pass();
    return recollection;
  }
  Result<std::optional<remedy::Run>> find(const std::string& run) override {
    crash_.pass();
    return real_.find(run);
  }
  Result<void> commit(std::span<const Effect> effects, core::WallTime now) override {
    crash_.pass();
    if (disk_full) return core::fail(Errc::kUnavailable, "database or disk is full");
    auto committed = real_.commit(effects, now);
    crash_.pass();
    return committed;
  }
  Result<void> probe(core::WallTime now) override {
    if (disk_full) return core::fail(Errc::kUnavailable, "database or disk is full");
    return real_.probe(now);
  }

  bool disk_full = false;

 private:
  Journal& real_;
  CrashPoint& crash_;
};

// The world that steps act upon. It outlives every crash.
struct World {
  std::vector<std::string> effects;  // "run step"
  std::vector<std::string> violations;
};

class EngineTest : public ::testing::Test {
 protected:
  EngineTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "wk-engine-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    policy_ = list_of({remediation("restart", Level::kAuto,
                                   {Step{BackupStep{"keys"}, {}}, exec_step({"stop"}), exec_step({"start"})})});
  }
  ~EngineTest() override { std::filesystem::remove_all(folder_); }

  // One process: opens the journal, takes up what was left, handles the events, carries out the steps.
  class Process {
   public:
    Process(EngineTest& test, CrashPoint& crash)
        : test_(test),
          crash_(crash),
          real_(*SqliteJournal::open((test.folder_ / "remedy.db").string())),
          journal_(real_, crash),
          engine_(test.policy_, {}, journal_, test.clock_, stats_) {
      auto started = engine_.start();
      EXPECT_TRUE(started) << started.error().message;
    }

    Result<void> handle(const Event& event) {
      auto handled = engine_.handle(event);
      carry_out();
      return handled;
    }

    void carry_out() {
      for (auto steps = engine_.take_steps(); !steps.empty(); steps = engine_.take_steps()) {
        for (const StartStep& step : steps) {
          crash_.pass();
          check_intent(step);
          test_.world_.effects.push_back(fmt::format("{} {}", step.run, step.step));
          crash_.pass();  // the effect has happened, and nobody has heard of it
          (void)engine_.handle(StepFinished{step.run, step.step, Outcome::kSucceeded, "done", ""});
        }
      }
    }

    Engine& engine() { return engine_; }
    FaultyJournal& journal() { return journal_; }
    SqliteJournal& real_journal() { return real_; }
    const RemedyStats& stats() const { return stats_; }

   private:
    // What another reader of the file sees at the moment of the effect.
    void check_intent(const StartStep& step) {
      auto reader = SqliteJournal::open((test_.folder_ / "remedy.db").string());
      ASSERT_TRUE(reader);
      const auto run = reader->find(step.run);
      if (!run || !*run || (*run)->steps[step.step].state != StepState::kRunning) {
        test_.world_.violations.push_back("an effect without an intent");
      }
      std::size_t running = 0;
      const auto recollection = reader->recall(0, {});
      for (const RunPtr& each : recollection->runs) running += each->state == RunState::kRunning;
      if (running != 1) test_.world_.violations.push_back("two runs of one remediation at once");
    }

    EngineTest& test_;
    CrashPoint& crash_;
    RemedyStats stats_;
    SqliteJournal real_;
    FaultyJournal journal_;
    Engine engine_;
  };

  AlertFired fired(const std::string& instance = "a") const { return {alert_of(instance), fired_at_}; }

  std::filesystem::path folder_;
  core::SimulatedClock clock_;
  core::WallTime fired_at_ = clock_.wall_now();
  PolicyPtr policy_;
  World world_;
};

TEST_F(EngineTest, CarriesOutAPlanOnce) {
  CrashPoint never;
  Process process(*this, never);
  ASSERT_TRUE(process.handle(fired()));
  ASSERT_TRUE(process.handle(fired()));
  EXPECT_EQ(world_.effects.size(), 3U);
  EXPECT_THAT(world_.violations, IsEmpty());
  const auto snapshot = process.engine().snapshot();
  ASSERT_EQ(snapshot->runs.size(), 1U);
  EXPECT_EQ(snapshot->runs[0]->state, RunState::kSucceeded);
  EXPECT_EQ(process.stats().runs_started, 1U);
  EXPECT_EQ(process.stats().runs_succeeded, 1U);
  EXPECT_EQ(process.stats().steps_started, 3U);
}

// Alerts keep coming: two instances, refreshed, over and over, while the process is killed at instruction after
// instruction and started again.
TEST_F(EngineTest, NoCrashAtAnyInstructionRepeatsADangerousEffect) {
  CrashPoint dry_run;
  {
    Process process(*this, dry_run);
    (void)process.handle(fired("a"));
    (void)process.handle(fired("b"));
  }
  const int instructions = dry_run.passed();
  ASSERT_GT(instructions, 15);
  for (int first = 1; first <= instructions; ++first) {
    // Every seventh, from a start that moves: all distances between two crashes occur.
    for (int second = first % 7; second <= instructions; second += 7) {
      SCOPED_TRACE(fmt::format("killed at instruction {}, then at {}", first, second));
      std::filesystem::remove_all(folder_);
      std::filesystem::create_directory(folder_);
      world_ = {};
      for (const int crash_at : {first, second, 0}) {
        CrashPoint crash;
        crash.arm(crash_at);
        try {
          Process process(*this, crash);
          process.carry_out();
          for (const char* instance : {"a", "b", "a"}) (void)process.handle(fired(instance));
          ASSERT_TRUE(process.real_journal().audit().verify());
          const auto snapshot = process.engine().snapshot();
          for (const RunPtr& run : snapshot->runs) EXPECT_NE(run->state, RunState::kRunning);
        } catch (const CrashReached&) {
        }
        clock_.advance(std::chrono::seconds(1));
      }
      EXPECT_THAT(world_.violations, IsEmpty());
      std::map<std::string, int> times;
      for (const std::string& effect : world_.effects) ++times[effect];
      for (const auto& [effect, count] : times) {
        const bool repeatable = effect.ends_with(" 0");
        EXPECT_LE(count, repeatable ? 2 : 1) << effect;
      }
      // The cooldown is in the journal: crashes do not make a second instance's turn come sooner.
      for (const auto& [effect, count] : times) {
        EXPECT_EQ(effect.substr(0, effect.find(' ')), world_.effects.front().substr(0, effect.find(' '))) << effect;
      }
    }
  }
}

TEST_F(EngineTest, WithoutSpaceForTheIntentThereIsNoEffect) {
  CrashPoint never;
  Process process(*this, never);
  process.journal().disk_full = true;
  const auto refused = process.handle(fired());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kUnavailable);
  EXPECT_THAT(world_.effects, IsEmpty());
  EXPECT_THAT(process.engine().degraded(), HasSubstr("disk is full"));
  EXPECT_THAT(process.engine().snapshot()->degraded, HasSubstr("disk is full"));
  EXPECT_THAT(process.engine().snapshot()->runs, IsEmpty());
  EXPECT_EQ(process.stats().journal_errors, 1U);
  EXPECT_FALSE(process.handle(Tick{}));

  process.journal().disk_full = false;
  ASSERT_TRUE(process.handle(Tick{}));  // notices without an alert's help
  EXPECT_EQ(process.engine().degraded(), "");
  ASSERT_TRUE(process.handle(fired()));
  EXPECT_EQ(world_.effects.size(), 3U);
}

TEST_F(EngineTest, AnOutcomeThatCouldNotBeWrittenIsWrittenFirst) {
  CrashPoint never;
  Process process(*this, never);
  ASSERT_TRUE(process.engine().handle(fired()));
  const auto steps = process.engine().take_steps();
  ASSERT_EQ(steps.size(), 1U);
  process.journal().disk_full = true;
  EXPECT_FALSE(process.engine().handle(StepFinished{steps[0].run, 0, Outcome::kSucceeded, "late", ""}));
  EXPECT_FALSE(process.engine().handle(PauseAsked{"why", "ann"}));
  EXPECT_THAT(process.engine().take_steps(), IsEmpty());
  process.journal().disk_full = false;
  ASSERT_TRUE(process.engine().handle(PauseAsked{"why", "ann"}));
  EXPECT_THAT(process.engine().take_steps(), IsEmpty());  // the pause was first: the outcome starts no further step
  EXPECT_EQ(process.engine().snapshot()->runs[0]->steps[0].result, "late");
  EXPECT_EQ(process.engine().snapshot()->runs[0]->state, RunState::kInterrupted);
}

TEST_F(EngineTest, AJournalThatAnotherHoldsStartsNothing) {
  CrashPoint never;
  Process process(*this, never);
  constexpr core::store::Migration kSame[] = {{"runs and audit", ""},
                                              {"pauses, boots and the front of the audit log", ""}};
  auto holder = core::store::Database::open((folder_ / "remedy.db").string(), kSame, core::store::Durability::kNormal);
  ASSERT_TRUE(holder);
  // The commit waits for the other writer in vain.
  (void)holder->transaction([&]() -> Result<void> {
    const auto refused = process.handle(fired());
    EXPECT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::kUnavailable);
    return {};
  });
  EXPECT_THAT(world_.effects, IsEmpty());
  EXPECT_NE(process.engine().degraded(), "");
}

TEST_F(EngineTest, ARunThatMemoryHasLetGoIsFoundInTheJournal) {
  CrashPoint never;
  {
    Process process(*this, never);
    ASSERT_TRUE(process.handle(fired()));
  }
  std::vector<RemediationConfig> changed = policy_->remediations;
  changed[0].limits.cooldown = core::Millis(0);
  policy_ = list_of(changed);
  Process process(*this, never);
  clock_.advance(minutes(1));
  // Two hundred other episodes push it out of memory; the alert itself was silent meanwhile.
  std::vector<RemediationConfig> observing = changed;
  observing[0].level = Level::kObserve;
  ASSERT_TRUE(process.handle(Reconfigured{list_of(observing)}));
  for (int i = 0; i < 250; ++i) {
    const std::string instance = std::to_string(i);
    ASSERT_TRUE(process.handle(AlertFired{alert_of(instance), clock_.wall_now()}));
    ASSERT_TRUE(process.handle(AlertResolved{alert_of(instance), clock_.wall_now()}));
  }
  ASSERT_TRUE(process.handle(Reconfigured{policy_}));
  ASSERT_TRUE(process.handle(fired()));
  EXPECT_EQ(world_.effects.size(), 3U);  // those of the first time
}

TEST_F(EngineTest, ThePauseSurvivesARestart) {
  CrashPoint never;
  {
    Process process(*this, never);
    ASSERT_TRUE(process.handle(PauseAsked{"upgrade", "ann"}));
  }
  Process process(*this, never);
  ASSERT_TRUE(process.handle(fired()));
  EXPECT_THAT(world_.effects, IsEmpty());
  EXPECT_EQ(process.engine().snapshot()->runs[0]->reason, "paused by ann: upgrade");
}

}  // namespace
}  // namespace actions::remedy

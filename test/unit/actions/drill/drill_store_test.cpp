// SPDX-License-Identifier: Apache-2.0
#include "actions/drill/drill_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/time/simulated_clock.h"
#include "sample_drills.h"

namespace actions::drill {
namespace {

using std::chrono::minutes;

drill::Run over(drill::Run run, Ending ending) {
  run.phase = Phase::kOver;
  run.ending = ending;
  return run;
}

TEST(DrillStore, AReadRunIsTheOneThatWasWritten) {
  const core::SimulatedClock clock;
  const auto now = std::chrono::floor<core::Millis>(clock.wall_now());
  drill::Run run = run_of(geth_drill(), now);
  run.phase = Phase::kRestoring;
  run.ending = Ending::kCancelled;
  run.reason = "because";
  run.injected = now;
  run.restores = 3;
  run.restore_error = "no";
  run.expectations[0].state = Expectation::State::kMet;
  run.expectations[0].at = now + minutes(1);
  run.alerts = {{geth_alert(), true, now, now + minutes(1), {}}};
  run.findings = {{"require up", "yes", ""}};
  run.add({now, "begun", "by ann"});
  for (const Fault& fault :
       {Fault{UnitFault{"a.service", UnitFaultAction::kKill, minutes(1)}},
        Fault{ExecFault{{"/bin/a", "b c"}, {"/bin/b"}, minutes(2)}},
        Fault{PortFault{"ns", 8545, Direction::kOut, BlockedAnswer::kReset}}, Fault{FillFault{{"/mnt/x"}, {1 << 20}}},
        Fault{PodFault{"eth", "geth-0", "", {}, true, minutes(3), {}}},
        Fault{PodFault{"eth", "", "a=b", minutes(1), false, minutes(3), {"https://k", {"/t"}, {"/c"}, "k"}}}}) {
    run.fault = fault;
    const auto again = run_from_json_text(to_json_text(run));
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(again->fault, fault);
    EXPECT_EQ(to_json_text(*again), to_json_text(run));
    EXPECT_EQ(again->took(again->expectations[0]), core::Millis(60'000));
  }
  EXPECT_FALSE(run_from_json_text("{}"));
  EXPECT_FALSE(run_from_json_text("no"));
}

TEST(DrillStore, TakesOneOpenRunAndGivesItBackFirst) {
  const core::SimulatedClock clock;
  auto store = SqliteDrillStore::open(":memory:", clock);
  ASSERT_TRUE(store);
  const drill::Run open = run_of(geth_drill(), clock.wall_now());
  const drill::Run other = run_of(geth_drill(), clock.wall_now() + minutes(1));
  ASSERT_TRUE(store->put(open));
  EXPECT_FALSE(store->put(other)) << "a second one that is not over";
  ASSERT_TRUE(store->put(over(other, Ending::kPassed)));
  auto runs = store->recall();
  ASSERT_TRUE(runs);
  ASSERT_EQ(runs->size(), 2U);
  EXPECT_EQ(runs->front().id, open.id);
  ASSERT_TRUE(store->put(over(open, Ending::kFailed)));
  runs = store->recall();
  EXPECT_EQ(runs->front().id, other.id) << "newest first";
}

TEST(DrillStore, EveryChangeIsInTheAuditLog) {
  const core::SimulatedClock clock;
  auto store = SqliteDrillStore::open(":memory:", clock);
  ASSERT_TRUE(store);
  const drill::Run open = run_of(geth_drill(), clock.wall_now());
  ASSERT_TRUE(store->put(open));
  EXPECT_FALSE(store->put(run_of(geth_drill(), clock.wall_now() + minutes(1))));
  ASSERT_TRUE(store->put(over(open, Ending::kFailed)));
  const auto verified = store->audit().verify();
  ASSERT_TRUE(verified) << verified.error().message;
  EXPECT_EQ(verified->entries, 2) << "what was not written is no entry";
  std::vector<std::string> lines;
  ASSERT_TRUE(store->audit().export_lines(open.id, [&](std::string_view line) { lines.emplace_back(line); }));
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_THAT(lines.back(), testing::HasSubstr("\"entry\":" + std::string("{\"run\":") +
                                               to_json_text(over(open, Ending::kFailed)) + ",\"type\":\"drill\"}}"));
}

TEST(DrillStore, KeepsTheNewestAndTheLastSuccessOfEachDrill) {
  const core::SimulatedClock clock;
  auto store = SqliteDrillStore::open(":memory:", clock);
  ASSERT_TRUE(store);
  DrillConfig rare = geth_drill();
  rare.name = "rare";
  ASSERT_TRUE(store->put(over(run_of(rare, clock.wall_now()), Ending::kPassed)));
  ASSERT_TRUE(store->put(over(run_of(rare, clock.wall_now() + minutes(1)), Ending::kPassed)));
  ASSERT_TRUE(store->put(over(run_of(rare, clock.wall_now() + minutes(2)), Ending::kFailed)));
  for (int i = 0; i < SqliteDrillStore::kKeptRuns + 20; ++i) {
    ASSERT_TRUE(store->put(over(run_of(geth_drill(), clock.wall_now() + minutes(10 + i)), Ending::kFailed)));
  }
  const auto runs = store->recall();
  ASSERT_TRUE(runs);
  EXPECT_EQ(runs->size(), SqliteDrillStore::kKeptRuns + 2U);
  std::vector<Ending> kept;
  for (const drill::Run& run : *runs) {
    if (run.drill == "rare") kept.push_back(run.ending);
  }
  EXPECT_THAT(kept, testing::ElementsAre(Ending::kFailed, Ending::kPassed));
}

}  // namespace
}  // namespace actions::drill

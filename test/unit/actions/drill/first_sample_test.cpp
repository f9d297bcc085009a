// SPDX-License-Identifier: Apache-2.0
#include "actions/drill/first_sample.h"

#include <gtest/gtest.h>

#include "core/ring/ring.h"
#include "core/time/simulated_clock.h"
#include "rules/promql/parser.h"
#include "sample_drills.h"

namespace actions::drill {
namespace {

using std::chrono::seconds;

class FirstSample : public testing::Test {
 protected:
  // geth-a goes down with its sample at 6.4 s, geth-b was down all the time.
  FirstSample() : engine_(ring_->reader(), clock_) {
    auto appender = ring_->make_appender();
    const auto timeline = *appender->open_timeline();
    const auto a = *appender->upsert(timeline, {{"__name__", "up"}, {"instance", "geth-a"}});
    const auto b = *appender->upsert(timeline, {{"__name__", "up"}, {"instance", "geth-b"}});
    for (int i = 0; i < 12; ++i) {
      appender->begin(timeline, core::to_unix_ms(at(core::Millis(1000 * i + 400))));
      appender->append(a, i < 6 ? 1 : 0);
      appender->append(b, 0);
      appender->publish();
    }
    rules::RuleStatus rule;
    rule.spec.kind = rules::RuleKind::kAlerting;
    rule.spec.name = "GethDown";
    rule.spec.expr = *rules::promql::parse("up == 0");
    rule.spec.labels = {{"severity", "critical"}};
    rules::GroupStatus group;
    group.rules = {rule};
    groups_ = {std::make_shared<const rules::GroupStatus>(group)};
  }

  core::WallTime at(core::Millis after) const { return core::from_unix_ms(1'700'000'000'000) + after; }
  std::optional<core::WallTime> find(const core::ring::Labels& alert, core::Millis from, core::Millis until) const {
    return first_bad_sample(engine_, groups_, alert, at(from), at(until), {});
  }

  core::SimulatedClock clock_;
  std::unique_ptr<core::ring::Ring> ring_ = core::ring::make_memory_ring();
  rules::promql::Engine engine_;
  std::vector<std::shared_ptr<const rules::GroupStatus>> groups_;
};

TEST_F(FirstSample, IsTheOneFromWhichTheRuleHolds) {
  EXPECT_EQ(find(geth_alert(), seconds(2), seconds(10)), at(core::Millis(6400)));
  EXPECT_EQ(find(geth_alert(), seconds(2), seconds(6)), std::nullopt) << "not yet";
  EXPECT_EQ(find(geth_alert("geth-c"), seconds(2), seconds(10)), std::nullopt);
  EXPECT_EQ(find({{"alertname", "Other"}, {"instance", "geth-a"}}, seconds(2), seconds(10)), std::nullopt);
  EXPECT_EQ(find(geth_alert(), seconds(10), seconds(2)), std::nullopt) << "a clock that was set back";
}

}  // namespace
}  // namespace actions::drill

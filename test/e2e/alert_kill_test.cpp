// SPDX-License-Identifier: Apache-2.0
// Alerts of an agent that is killed at random moments: what was pending goes on pending since then and fires in time,
// what is kept firing ends in time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <random>

#include "core/time/clock.h"
#include "test/e2e/agent_process.h"

namespace e2e {
namespace {

using test_support::eventually;

class AlertKill : public testing::Test {
 protected:
  void SetUp() override {
    work_ = test_support::fresh_folder("alert-kill");
    started_ = now();
    test_support::write_file(work_ / "rules.yml", rules());
    test_support::write_file(work_ / "watchkeeper.yml",
                             "global: {evaluation_interval: 200ms}\nrule_files: [rules.yml]\nring: {size: 4MiB}\n");
    agent_ = std::make_unique<AgentProcess>(work_ / "watchkeeper.yml", work_ / "data");
    ASSERT_TRUE(agent_->ready()) << agent_->process().log_text();
  }

  // Kept holds for two seconds from the start: it fires at once and is kept firing afterwards.
  std::string rules() const {
    return "groups:\n- name: g\n  rules:\n"
           "  - {alert: Waits, expr: vector(1), for: 6s}\n"
           "  - {alert: Kept, expr: 'vector(time()) < " +
           std::to_string(started_ + 2) + "', keep_firing_for: 6s}\n";
  }

  json alert(const std::string& name) const {
    const json data = api_get(agent_->port(), "/api/v1/alerts");
    if (!data.is_object()) return nullptr;
    for (const json& each : data["alerts"]) {
      if (each["labels"]["alertname"] == name) return each;
    }
    return nullptr;
  }
  double now() const {
    return std::chrono::duration<double>(core::SystemClock().wall_now().time_since_epoch()).count();
  }
  void kill_and_restart() {
    agent_->process().signal(SIGKILL);
    ASSERT_EQ(agent_->process().wait(seconds(5)), 128 + SIGKILL);
    agent_->start();
    ASSERT_TRUE(agent_->ready()) << agent_->process().log_text();
  }

  std::filesystem::path work_;
  double started_ = 0;
  std::unique_ptr<AgentProcess> agent_;
};

TEST_F(AlertKill, NoClockStartsAnew) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 dice(seed);
  ASSERT_TRUE(eventually(seconds(5), [&] { return alert("Waits").is_object() && alert("Kept").is_object(); }));
  const std::string pending_since = alert("Waits")["activeAt"];
  const std::string kept_active = alert("Kept")["activeAt"];
  std::string kept_since;
  double fired = 0;
  double ended = 0;
  int kills = 0;
  double next_kill = now() + 0.3;
  while (now() < started_ + 25 && (fired == 0 || ended == 0)) {
    if (kills < 8 && now() >= next_kill) {
      kill_and_restart();
      ++kills;
      next_kill = now() + std::uniform_real_distribution<double>(0.05, 0.9)(dice);
    }
    const json waits = alert("Waits");
    const json kept = alert("Kept");
    ASSERT_TRUE(waits.is_object());
    EXPECT_EQ(waits["activeAt"], pending_since) << "after " << kills << " kills";
    if (fired == 0 && waits["state"] == "firing") fired = now();
    if (kept.is_object()) {
      EXPECT_EQ(kept["activeAt"], kept_active);
      EXPECT_EQ(kept["state"], "firing");
      if (kept.contains("keepFiringSince")) {
        if (kept_since.empty()) kept_since = kept["keepFiringSince"];
        EXPECT_EQ(kept["keepFiringSince"], kept_since) << "after " << kills << " kills";
      }
    } else if (ended == 0) {
      ended = now();
    }
    if (HasFailure()) return;
  }
  EXPECT_GE(kills, 4);
  EXPECT_FALSE(kept_since.empty());
  // Lower bounds are exact; above them lie intervals, restarts and the moment of asking.
  EXPECT_GE(fired, started_ + 6);
  EXPECT_LE(fired, started_ + 6 + 8);
  EXPECT_GE(ended, started_ + 2 + 6);
  EXPECT_LE(ended, started_ + 2 + 6 + 8);
}

}  // namespace
}  // namespace e2e

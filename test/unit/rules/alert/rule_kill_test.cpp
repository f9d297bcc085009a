// SPDX-License-Identifier: Apache-2.0
// Rules under random conditions whose process is killed again and again, at rest and in the middle of telling, compared
// with a model that is never killed: no `for` starts anew, none ends early, nothing that was decided is lost.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "rules/alert/rule_schedule.h"
#include "test/unit/rules/alert/rule_scenario.h"

namespace rules {
namespace {

using core::WallTime;
using core::ring::Labels;
using std::chrono::seconds;

struct Killed {};

// Remembers the states each alert was told to be in, repetitions left out. Kills its process when asked to.
class DeadlySink final : public AlertSink {
 public:
  enum class Kill { kNot, kBeforeHearing, kAfterHearing };

  void on_transitions(std::span<const Transition> transitions) override {
    const Kill kill = std::exchange(next, Kill::kNot);
    if (kill == Kill::kBeforeHearing) throw Killed{};
    for (const Transition& each : transitions) {
      auto& states = told[std::string(each.labels.get("instance"))];
      if (states.empty() || states.back() != each.to) states.push_back(each.to);
    }
    if (kill == Kill::kAfterHearing) throw Killed{};
  }

  Kill next = Kill::kNot;
  std::map<std::string, std::vector<AlertState>> told;
};

constexpr core::Millis kFor = seconds(20);
constexpr core::Millis kKeep = seconds(15);
constexpr core::Millis kInterval = seconds(5);
constexpr std::string_view kRules = R"(groups:
- name: g
  interval: 5s
  rules:
  - {alert: Down, expr: up == 0, for: 20s, keep_firing_for: 15s}
)";

// What one alert should be, in plain words.
struct ModelAlert {
  std::optional<WallTime> pending_since;
  std::optional<WallTime> firing_since;
  std::optional<WallTime> kept_since;
  bool restored = false;
  std::vector<AlertState> states;

  void evaluate(bool down, WallTime at, bool settled) {
    if (down) {
      restored = false;
      kept_since.reset();
      if (!pending_since) {
        pending_since = at;
        states.push_back(AlertState::kPending);
      }
      if (!firing_since && at - *pending_since >= kFor) {
        firing_since = at;
        states.push_back(AlertState::kFiring);
      }
      return;
    }
    if (!pending_since || (restored && !settled)) return;
    restored = false;
    if (firing_since) {
      if (!kept_since) kept_since = at;
      if (at - *kept_since < kKeep) return;
    }
    *this = ModelAlert{.pending_since = {}, .firing_since = {}, .kept_since = {}, .states = std::move(states)};
    states.push_back(AlertState::kInactive);
  }
};

class RuleKill : public RuleScenario {
 protected:
  void begin_life() {
    auto store = AlertStore::open(path_);
    ASSERT_TRUE(store) << store.error().message;
    store_ = std::move(*store);
    runner_.emplace(*engine_, *ring_, clock_, *store_, std::vector<AlertSink*>{&sink}, options_);
    life_began = clock_.steady_now();
    schedule.emplace("r.yml", "g", kInterval, clock_.wall_now());
    for (auto& [instance, alert] : model) alert.restored = alert.pending_since.has_value();
    apply(kRules);
  }

  // As after SIGKILL: the file of the ring stays, and what SQLite has committed.
  void kill() {
    runner_.reset();
    store_.reset();
  }

  void pass_a_second() {
    clock_.advance(seconds(1));
    input_->begin(timeline_, clock_.unix_ms());
    for (const auto& [instance, down] : is_down) {
      const Labels labels{{"__name__", "up"}, {"job", "j"}, {"instance", instance}};
      if (auto series = input_->upsert(timeline_, labels)) input_->append(*series, down ? 0 : 1);
      history[instance].emplace_back(clock_.wall_now(), down);
    }
    input_->publish();
  }

  void evaluate_model(WallTime at) {
    const bool settled = clock_.steady_now() - life_began >= 2 * kInterval;
    for (auto& [instance, samples] : history) {
      bool down = false;
      for (const auto& [time, value] : samples) {
        if (time <= at) down = value;
      }
      model[instance].evaluate(down, at, settled);
    }
    // The look-back is longer than a schedule's step, so the newest few are all that matters.
    for (auto& [instance, samples] : history) {
      if (samples.size() > 10) samples.erase(samples.begin(), samples.end() - 10);
    }
  }

  // Rules and model look at the same moment; false if the process was killed by it.
  bool evaluate(bool on_arrival) {
    const auto due = schedule->take(clock_.wall_now());
    if (due) evaluate_model(due->slot);
    // One evaluation at a time, so that it is clear which one a process was killed by.
    on_arrival = on_arrival && !due;
    const std::uint64_t before = runner_->counters().arrival_evaluations.load();
    try {
      if (on_arrival) {
        for (const auto& [instance, down] : is_down) runner_->on_arrival({"j", instance, clock_.unix_ms()});
      }
      runner_->evaluate_due();
    } catch (const Killed&) {
      if (on_arrival) evaluate_model(clock_.wall_now());
      return false;
    }
    if (runner_->counters().arrival_evaluations.load() > before) evaluate_model(clock_.wall_now());
    return true;
  }

  void compare() {
    std::map<std::string, AlertStatus> alerts;
    for (const AlertStatus& alert : rule().alerts) alerts.emplace(alert.labels.get("instance"), alert);
    for (const auto& [instance, expected] : model) {
      SCOPED_TRACE(instance + " at " + std::to_string((clock_.wall_now() - kStart) / seconds(1)) + " s");
      const auto found = alerts.find(instance);
      ASSERT_EQ(found != alerts.end(), expected.pending_since.has_value());
      if (found == alerts.end()) continue;
      EXPECT_EQ(found->second.active_at, *expected.pending_since);
      EXPECT_EQ(found->second.fired_at, expected.firing_since);
      EXPECT_EQ(found->second.keep_firing_since, expected.kept_since);
    }
  }

  DeadlySink sink;
  std::map<std::string, bool> is_down{{"a", false}, {"b", false}, {"c", false}};
  std::map<std::string, std::vector<std::pair<WallTime, bool>>> history;
  std::map<std::string, ModelAlert> model;
  core::SteadyTime life_began;
  std::optional<RuleSchedule> schedule;
};

TEST_F(RuleKill, AlertsAreWhatTheyWouldBeHadNobodyKilledTheProcess) {
  const char* const given = std::getenv("WATCHKEEPER_SEED");
  const std::uint64_t first = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  const int schedules = given != nullptr ? 1 : 8;
  int kills = 0;
  for (int i = 0; i < schedules; ++i) {
    const std::uint64_t seed = first + static_cast<std::uint64_t>(i);
    SCOPED_TRACE("WATCHKEEPER_SEED=" + std::to_string(seed));
    std::mt19937_64 dice(seed);
    const auto once_in = [&dice](std::uint64_t n) { return dice() % n == 0; };
    end_process();
    remove_files();
    begin_process();
    kill();
    sink = {};
    model.clear(), history.clear();
    begin_life();
    for (int second = 0; second < 240; ++second) {
      for (auto& [instance, down] : is_down) {
        if (once_in(25)) down = !down;
      }
      pass_a_second();
      if (once_in(12)) {
        sink.next = once_in(2) ? DeadlySink::Kill::kBeforeHearing : DeadlySink::Kill::kAfterHearing;
      }
      const bool killed = !evaluate(once_in(3));
      if (!killed) compare();
      if (HasFatalFailure() || HasNonfatalFailure()) return;
      if (!killed && !once_in(20)) continue;
      ++kills;
      kill();
      sink.next = DeadlySink::Kill::kNot;
      const auto gone = dice() % 15;
      for (std::uint64_t down_for = 0; down_for < gone; ++down_for) pass_a_second();
      begin_life();
      compare();
      if (HasFatalFailure() || HasNonfatalFailure()) return;
    }
    for (auto& [instance, alert] : model) {
      EXPECT_EQ(sink.told[instance], alert.states) << instance << ": each change was told, in order";
    }
  }
  EXPECT_GT(kills, schedules * 5);
}

}  // namespace
}  // namespace rules

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/time/simulated_clock.h"
#include "rules/alert/rule_file.h"
#include "rules/alert/rule_runner.h"

namespace rules {

inline constexpr core::WallTime kStart = core::from_unix_ms(1'700'000'000'000);

// Notes each transition as "<instance> from->to".
class NotingSink final : public AlertSink {
 public:
  void on_transitions(std::span<const Transition> transitions) override {
    for (const Transition& each : transitions) {
      last = each;
      const std::string arrow = std::string(to_string(each.from)) + "->" + std::string(to_string(each.to));
      told.push_back(std::string(each.labels.get("instance")) + " " + arrow);
    }
  }
  std::vector<std::string> take() { return std::exchange(told, {}); }

  std::vector<std::string> told;
  Transition last;
};

// An agent's part that decides, over a ring in memory, in simulated time. Its process can be killed.
class RuleScenario : public testing::Test {
 protected:
  void SetUp() override {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    path_ = (std::filesystem::path(testing::TempDir()) / (std::string("runner_") + test->name() + ".db")).string();
    remove_files();
    begin_process();
  }
  void TearDown() override {
    end_process();
    remove_files();
  }
  void remove_files() {
    for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path_ + suffix);
  }

  void begin_process() {
    ring_ = core::ring::make_memory_ring();
    input_ = ring_->make_appender();
    timeline_ = *input_->open_timeline();
    engine_.emplace(ring_->reader(), clock_);
    auto store = AlertStore::open(path_);
    ASSERT_TRUE(store) << store.error().message;
    store_ = std::move(*store);
    runner_.emplace(*engine_, *ring_, clock_, *store_, std::vector<AlertSink*>{&sink_}, options_);
  }
  // Nothing is said or written on the way out, as after SIGKILL.
  void end_process() {
    runner_.reset();
    store_.reset();
    engine_.reset();
    input_.reset();
    ring_.reset();
  }

  void apply(std::string_view rules, RuleSettings settings = {}) {
    auto groups = parse_rule_file(rules, "r.yml");
    ASSERT_TRUE(groups) << groups.error().front().message;
    const auto applied = runner_->apply(std::move(*groups), settings);
    ASSERT_TRUE(applied) << applied.error().message;
  }

  // Lets time pass; every second each series of `values` has its sample, and due groups are evaluated.
  void run(std::chrono::seconds how_long) {
    for (std::chrono::seconds passed{0}; passed < how_long; ++passed) {
      clock_.advance(std::chrono::seconds(1));
      input_->begin(timeline_, clock_.unix_ms());
      for (const auto& [labels, value] : values_) {
        if (auto series = input_->upsert(timeline_, labels)) input_->append(*series, value);
      }
      input_->publish();
      runner_->evaluate_due();
    }
  }
  void set(const std::string& instance, double value) {
    values_[core::ring::Labels{{"__name__", "up"}, {"instance", instance}}] = value;
  }

  std::string query(std::string_view text) const {
    auto result = engine_->instant(text, core::to_unix_ms(clock_.wall_now()));
    if (!result) return result.error().message;
    std::string found;
    for (const auto& element : std::get<promql::Vector>(result->value)) {
      found += element.labels.to_string() + "=" + std::to_string(static_cast<int>(element.sample.value)) + ";";
    }
    return found;
  }
  RuleStatus rule(std::size_t number = 0) const { return runner_->groups().at(0)->rules.at(number); }

  std::string path_;
  core::SimulatedClock clock_{kStart};
  RuleRunnerOptions options_;
  NotingSink sink_;
  std::map<core::ring::Labels, double> values_;
  std::unique_ptr<core::ring::Ring> ring_;
  std::unique_ptr<core::ring::Appender> input_;
  core::ring::TimelineRef timeline_{};
  std::optional<promql::Engine> engine_;
  std::unique_ptr<AlertStore> store_;
  std::optional<RuleRunner> runner_;
};

inline constexpr std::string_view kDown = R"(groups:
- name: g
  interval: 5s
  rules:
  - {alert: Down, expr: up == 0, for: 20s, annotations: {summary: is down}}
)";
inline constexpr std::string_view kDownAtOnce = R"(groups:
- name: g
  interval: 5s
  rules:
  - {alert: Down, expr: up == 0}
)";

}  // namespace rules

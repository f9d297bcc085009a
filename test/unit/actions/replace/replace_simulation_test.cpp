// SPDX-License-Identifier: Apache-2.0
// Rolling updates and the engine over thousands of random schedules: hosts that do not come back, come back old or fail
// by themselves, looks that see nothing, people who pause and stop, a disk that is full, and kills at every point.
//   WATCHKEEPER_SIMULATION_SEED=7 WATCHKEEPER_SIMULATION_SCHEDULES=100000 actions_replace_test
//   --gtest_filter=ReplaceSimulation*
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <deque>
#include <functional>
#include <random>
#include <set>

#include "actions/remedy/engine.h"
#include "actions/replace/rollouts.h"
#include "core/time/simulated_clock.h"
#include "test/unit/actions/remedy/simulated_journal.h"

namespace actions::replace {
namespace {

using core::Errc;
using core::Result;
using remedy::Crash;
using remedy::RunState;
using remedy::Verdict;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr int kHosts = 5;
constexpr int kMinHealthy = 3;

GroupConfig make_group() {
  GroupConfig group;
  group.name = "geth";
  group.driver = Driver::kExec;
  group.level = remedy::Level::kAuto;
  group.match = {core::ring::Matcher::equal("alertname", "HostFailed")};
  group.limits = {.cooldown = minutes(2), .runs = 50, .window = std::chrono::hours(24), .budget = ""};
  group.healthy = "healthy";
  group.min_healthy = kMinHealthy;
  remedy::ExecStep drain;
  drain.argv = {"drain"};
  drain.repeatable = true;
  group.drain = {remedy::Step{drain, {}}};
  remedy::ExecStep exec;
  exec.argv = {"replace", "{{ .Labels.instance }}"};
  group.exec = exec;
  group.ready = {"ready", minutes(20)};
  group.rollout = RolloutConfig{.members = "members", .outdated = "outdated", .wanted_image = "", .pause = minutes(1)};
  return group;
}

// Where rolling updates stand, on a disk that outlives every crash.
class SimulatedStore final : public RolloutStore {
 public:
  SimulatedStore(std::map<std::string, std::string>& disk, std::function<void(const Rollout&)> judge)
      : disk_(disk), judge_(std::move(judge)) {}
  Result<std::vector<Rollout>> load() override {
    std::vector<Rollout> all;
    for (const auto& [name, body] : disk_) all.push_back(*rollout_from_json_text(body));
    return all;
  }
  Result<void> save(const Rollout& rollout) override {
    if (full) return core::fail(Errc::kUnavailable, "database or disk is full");
    if (crash_before == 0) throw Crash();
    --crash_before;
    judge_(rollout);
    disk_[rollout.group] = to_json_text(rollout);
    if (crash_after == 0) throw Crash();
    --crash_after;
    return {};
  }

  bool full = false;
  int crash_before = 1 << 30;
  int crash_after = 1 << 30;

 private:
  std::map<std::string, std::string>& disk_;
  std::function<void(const Rollout&)> judge_;
};

class Simulation final : public Surroundings {
 public:
  explicit Simulation(std::uint64_t seed) : random_(seed) {
    calm_ = chance(50);
    auto policy = std::make_shared<remedy::Policy>();
    policy->storm.runs = 1000;
    policy->storm.alerts = 1000;
    add_to_policy({make_group()}, *policy);
    policy_ = std::move(policy);
    for (int i = 0; i < kHosts; ++i) hosts_[i] = {};
    next_host_ = kHosts;
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
  std::size_t replaced() const { return replaced_.size(); }
  int finished(RolloutState state) const { return finished_.contains(state) ? finished_.at(state) : 0; }

  // --- What rolling updates see and do

  Result<std::vector<Host>> hosts(const std::string& expr, core::Millis) override {
    if (chance(8)) {
      last_look_known_ = false;
      return core::fail(Errc::kTimeout, "query timed out");
    }
    if (expr == "members") last_look_known_ = true;
    std::vector<Host> seen;
    for (const auto& [id, host] : hosts_) {
      if (host.there && (expr == "members" || host.old)) seen.push_back(labels_of(id));
    }
    return seen;
  }
  Result<DescribedHosts> described(const GroupConfig&, const std::stop_token&) override { return DescribedHosts(); }
  remedy::RunPtr run(const std::string& id) override {
    const auto snapshot = engine_->snapshot();
    for (const auto& each : snapshot->runs) {
      if (each->id == id) return each;
    }
    return nullptr;
  }
  Result<void> raise(const core::ring::Labels& alert, core::WallTime since) override {
    return handle(remedy::AlertFired{alert, since});
  }
  Result<void> withdraw(const core::ring::Labels& alert, core::WallTime since) override {
    return handle(remedy::AlertResolved{alert, since});
  }

 private:
  struct SimulatedHost {
    bool old = true;
    bool there = true;
    bool healthy = true;
    core::SteadyTime ready_at{};
  };

  int pick(int count) { return static_cast<int>(random_() % static_cast<std::uint64_t>(count)); }
  bool chance(int percent) { return pick(100) < percent; }
  // Of what goes wrong: in half of the schedules hardly ever, or no rolling update would come to its end.
  bool bad_luck(int percent) { return chance(percent) && (!calm_ || chance(4)); }
  void violated(std::string what) { violations_.push_back(std::move(what)); }
  static Host labels_of(int id) { return Host({{"instance", "h" + std::to_string(id)}}); }
  int healthy() const {
    return static_cast<int>(
        std::ranges::count_if(hosts_, [](const auto& each) { return each.second.there && each.second.healthy; }));
  }

  void start_process() {
    for (;;) {
      journal_ = std::make_unique<remedy::SimulatedJournal>(disk_);
      auto store =
          std::make_unique<SimulatedStore>(rollouts_on_disk_, [this](const Rollout& next) { judge_choice(next); });
      store_ = store.get();
      if (bad_luck(25)) journal_->crash_before = pick(10);
      if (bad_luck(25)) journal_->crash_after = pick(10);
      if (bad_luck(25)) store_->crash_before = pick(6);
      if (bad_luck(25)) store_->crash_after = pick(6);
      engine_ = std::make_unique<remedy::Engine>(policy_, remedy::EngineLimits{}, *journal_, clock_, stats_);
      try {
        if (!engine_->start()) violated("the journal cannot be read");
        auto opened = Rollouts::open({make_group()}, std::move(store), {.around = *this, .clock = clock_});
        if (!opened) violated("rolling updates cannot be read");
        rollouts_ = std::move(*opened);
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
    for (const auto& step : under_way_) {
      if (!step.only_look && chance(50)) happen(step);
    }
    under_way_.clear();
    looks_.clear();
    rollouts_.reset();
    engine_.reset();
    note_state();
    clock_.advance(seconds(pick(120)));
    start_process();
  }

  // What is on the disk counts: a rolling update that rests there chooses no host.
  void note_state() {
    const auto found = rollouts_on_disk_.find("geth");
    rests_ = found == rollouts_on_disk_.end() || rollout_from_json_text(found->second)->state != RolloutState::kRunning;
  }

  // A host is chosen by a look that saw everything, and only while the rolling update runs.
  void judge_choice(const Rollout& next) {
    if (!next.current) return;
    const auto stored = rollouts_on_disk_.find(next.group);
    if (stored != rollouts_on_disk_.end() && rollout_from_json_text(stored->second)->current) return;
    if (!last_look_known_) violated(name_of(next.current->host) + " is chosen by a look that saw nothing");
    if (next.state != RolloutState::kRunning || rests_) {
      violated(name_of(next.current->host) + " is chosen while the rolling update rests");
    }
  }

  Result<void> handle(const remedy::Event& event) {
    const auto handled = engine_->handle(event);
    collect();
    return handled;
  }

  void collect() {
    for (auto& step : engine_->take_steps()) under_way_.push_back(std::move(step));
    for (auto& look : engine_->take_looks()) looks_.push_back(std::move(look));
    (void)engine_->take_records();
  }

  void happen(const remedy::StartStep& step) {
    const auto& what = step.snapshot->steps[step.step].step;
    const auto stored = disk_.runs.find(step.run);
    if (stored == disk_.runs.end()) return violated(step.run + " happens without an intent");
    std::size_t at_work = 0;
    for (const auto& [id, row] : disk_.runs) at_work += row.at_work;
    if (at_work > 1) violated("two replacements at once");
    if (what.to_string().starts_with("exec drain")) return;
    const int id = std::stoi(std::string(step.snapshot->alert.get("instance")).substr(1));
    if (!replaced_.insert(step.run).second) violated(step.run + " replaces its host twice");
    SimulatedHost& old = hosts_[id];
    if (!old.there) return;  // a person closed an interrupted run, and the alert still fired
    old.there = false;
    const int fresh = next_host_++;
    hosts_[fresh] = {
        .old = bad_luck(3), .there = false, .healthy = true, .ready_at = clock_.steady_now() + minutes(pick(15))};
    if (!bad_luck(12)) coming_[step.run] = fresh;
  }

  void finish_a_step() {
    if (under_way_.empty()) return;
    const auto step = under_way_.front();
    under_way_.erase(under_way_.begin());
    if (step.only_look) {
      (void)handle(remedy::StepSeen{step.run, step.step, Verdict::kUnknown, "looked"});
      return;
    }
    happen(step);
    const auto outcome = bad_luck(5) ? remedy::Outcome::kFailed : remedy::Outcome::kSucceeded;
    (void)handle(remedy::StepFinished{step.run, step.step, outcome, "result", "output"});
  }

  void answer_a_look() {
    if (looks_.empty()) return;
    const auto look = looks_.front();
    looks_.pop_front();
    if (chance(5)) return;  // lost
    remedy::Looked looked{look.run, look.ticket, {}};
    for (const auto& question : look.questions) looked.answers.push_back(answer(question, look.run));
    (void)handle(looked);
  }

  remedy::Answer answer(const remedy::Question& question, const std::string& run) {
    if (chance(10)) return {Verdict::kUnknown, 0, "nobody knows"};
    if (question.text == "ready") {
      const auto coming = coming_.find(run);
      const bool is = coming != coming_.end() && hosts_[coming->second].there;
      return {is ? Verdict::kYes : Verdict::kNo, 1, "looked"};
    }
    if (question.kind == remedy::Question::Kind::kNumber) {
      const bool enough = healthy() >= question.at_least;
      return {enough ? Verdict::kYes : Verdict::kNo, static_cast<double>(healthy()), "counted"};
    }
    return {healthy() >= kMinHealthy + 1 ? Verdict::kYes : Verdict::kNo, 1, "counted"};
  }

  void people() {
    note_state();
    switch (pick(8)) {
      case 0:
        if (rollouts_->pause("geth", "ann", "lunch")) rests_ = true;
        return;
      case 1:
      case 2:
        if (rollouts_->resume("geth", "ann")) rests_ = false;
        return;
      case 3:
        if (chance(20) && rollouts_->stop("geth", "ann")) rests_ = true;
        return;
      case 4: {
        const auto snapshot = engine_->snapshot();
        for (const auto& run : snapshot->runs) {
          if (run->state == RunState::kInterrupted && !run->final) {
            (void)handle(remedy::Rejected{run->id, "ann"});
            return;
          }
        }
        return;
      }
      default:
        repair();
        if (rollouts_->start("geth", "ann")) rests_ = false;
    }
  }

  // People bring hosts back that were lost.
  void repair() {
    int there = 0;
    for (auto& [id, host] : hosts_) there += host.there;
    for (; there < kHosts && chance(50); ++there) hosts_[next_host_++] = {.old = chance(30)};
  }

  void time_passes() {
    clock_.advance(seconds(5 + pick(90)));
    for (const auto& [run, id] : coming_) {
      if (!hosts_[id].there && clock_.steady_now() >= hosts_[id].ready_at) hosts_[id].there = true;
    }
    (void)handle(remedy::Tick{});
    tick();
  }

  void tick() {
    const auto before = rollouts_->status().front().last;
    rollouts_->tick();
    const auto after = rollouts_->status().front().last;
    if (after) judge(before, *after);
    note_state();
  }

  void judge(const std::optional<Rollout>& before, const Rollout& after) {
    if (after.replaced.size() > after.outdated) violated("more were replaced than were outdated");
    std::set<std::string> names;
    for (const Replaced& each : after.replaced) {
      if (!names.insert(name_of(each.host)).second) violated(name_of(each.host) + " was replaced twice");
    }
    if (before && before->started == after.started && before->is_over() && before->state != after.state) {
      violated("a rolling update that was over changed");
    }
    if (before && before->state != after.state && after.is_over()) ++finished_[after.state];
  }

  // A host fails by itself, and its alert fires for a while.
  void alerts() {
    if (firing_ && chance(40)) {
      (void)handle(remedy::AlertResolved{firing_->first, firing_->second});
      firing_.reset();
      return;
    }
    if (!firing_ && bad_luck(15)) {
      const Host host = labels_of(pick(next_host_));
      firing_ = std::pair(host.with("alertname", "HostFailed"), clock_.wall_now());
    }
    if (firing_) (void)handle(remedy::AlertFired{firing_->first, firing_->second});
  }

  void step() {
    const int dice = pick(100);
    if (dice < 30) return time_passes();
    if (dice < 60) return finish_a_step();
    if (dice < 80) return answer_a_look();
    if (dice < 86) return people();
    if (dice < 91) return alerts();
    if (dice < 93) return clock_.step_wall(minutes(pick(60) - 30));
    if (dice < 95) {
      journal_->full = !journal_->full && bad_luck(100);
      store_->full = journal_->full;
      (void)handle(remedy::Tick{});
      return;
    }
    if (dice < 97 || !bad_luck(100)) return tick();
    throw Crash();
  }

  std::mt19937_64 random_;
  bool calm_ = false;
  core::SimulatedClock clock_;
  remedy::Disk disk_;
  std::map<std::string, std::string> rollouts_on_disk_;
  remedy::RemedyStats stats_;
  remedy::PolicyPtr policy_;
  std::unique_ptr<remedy::SimulatedJournal> journal_;
  SimulatedStore* store_ = nullptr;
  std::unique_ptr<remedy::Engine> engine_;
  std::unique_ptr<Rollouts> rollouts_;
  std::vector<remedy::StartStep> under_way_;
  std::deque<remedy::StartLook> looks_;
  std::optional<std::pair<core::ring::Labels, core::WallTime>> firing_;

  std::map<int, SimulatedHost> hosts_;
  int next_host_ = 0;
  std::map<std::string, int> coming_;  // by run: the new host, if it ever comes

  // What the judges know.
  std::vector<std::string> violations_;
  std::set<std::string> replaced_;  // runs whose effect happened
  std::map<RolloutState, int> finished_;
  bool last_look_known_ = false;
  bool rests_ = true;
  int kills_ = 0;
};

std::uint64_t setting(const char* name, std::uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

TEST(ReplaceSimulation, NothingHappensThatMustNot) {
  const std::uint64_t seed = setting("WATCHKEEPER_SIMULATION_SEED", std::random_device{}());
  const std::uint64_t schedules = setting("WATCHKEEPER_SIMULATION_SCHEDULES", 150);
  std::printf("WATCHKEEPER_SIMULATION_SEED=%llu, %llu schedules\n", static_cast<unsigned long long>(seed),
              static_cast<unsigned long long>(schedules));
  std::size_t replaced = 0;
  int kills = 0;
  std::map<RolloutState, int> finished;
  for (std::uint64_t i = 0; i < schedules; ++i) {
    Simulation simulation(seed + i);
    const std::vector<std::string> violations = simulation.run(600);
    ASSERT_THAT(violations, testing::IsEmpty())
        << "WATCHKEEPER_SIMULATION_SEED=" << seed + i << " WATCHKEEPER_SIMULATION_SCHEDULES=1";
    replaced += simulation.replaced();
    kills += simulation.kills();
    for (const RolloutState state : {RolloutState::kDone, RolloutState::kFailed}) {
      finished[state] += simulation.finished(state);
    }
  }
  std::printf("%zu hosts replaced, %d rolling updates done, %d stopped at a host that did not come back, %d kills\n",
              replaced, finished[RolloutState::kDone], finished[RolloutState::kFailed], kills);
  // A simulation in which nothing happens would find nothing.
  EXPECT_GT(replaced, schedules);
  EXPECT_GT(finished[RolloutState::kDone], 0);
  EXPECT_GT(finished[RolloutState::kFailed], 0);
  EXPECT_GT(static_cast<std::uint64_t>(kills), schedules);
}

}  // namespace
}  // namespace actions::replace

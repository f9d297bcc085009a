// SPDX-License-Identifier: Apache-2.0
// Remediation with its threads, its journal on disk and real programs.
#include "actions/remedy/remediator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <mutex>
#include <thread>

#include "core/net/io_loop.h"
#include "core/process/child_process.h"
#include "sample_remediations.h"

namespace actions::remedy {
namespace {

using core::Errc;
using core::Result;
using rules::AlertState;
using ::testing::HasSubstr;

// Backups that succeed at once.
class InstantBackups final : public backup::BackupTaker {
 public:
  Result<backup::Record> take(const std::string& name, const std::string& trigger, std::stop_token) override {
    if (name == "missing") return core::fail(Errc::kNotFound, "no backup is named \"missing\"");
    backup::Record record;
    record.backup = name;
    record.trigger = trigger;
    record.succeeded = name != "failing";
    record.snapshot = {"0a1b2c3d", 3, 42, 7};
    record.error = record.succeeded ? "" : "the disk is gone";
    return record;
  }
  Result<backup::Verification> verify(const std::string&, backup::VerificationKind, const std::string&,
                                      std::stop_token) override {
    return core::fail(Errc::kNotFound, "nothing is restored here");
  }
};

// What people were told: "state: summary", and "end of state".
class People final : public rules::AlertSink {
 public:
  void on_transitions(std::span<const rules::Transition> transitions) override {
    const std::scoped_lock lock(mutex_);
    for (const rules::Transition& each : transitions) {
      const std::string state(each.labels.get("state"));
      told_.push_back(each.to == AlertState::kFiring ? state + ": " + each.annotations.at("summary")
                                                     : "end of " + state);
    }
  }
  std::vector<std::string> told() const {
    const std::scoped_lock lock(mutex_);
    return told_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> told_;
};

// Answers by the text of the question: "yes" and "no" are such, everything else is unknown.
class FixedLookout final : public Lookout {
 public:
  Answer answer(const Question& question, core::Duration, std::stop_token) override {
    if (question.text == "yes") return {Verdict::kYes, 0, ""};
    if (question.text == "no") return {Verdict::kNo, 0, "does not hold"};
    return {Verdict::kUnknown, 0, "no samples"};
  }
};

class RemediatorTest : public ::testing::Test {
 protected:
  RemediatorTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "wk-remedy-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
  }
  ~RemediatorTest() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<Remediator> open(std::vector<RemediationConfig> remediations) {
    auto remediator = Remediator::open(list_of(std::move(remediations)), options(), dependencies());
    EXPECT_TRUE(remediator) << remediator.error().message;
    return std::move(*remediator);
  }
  Remediator::Options options() const { return {.journal_path = journal_path(), .journal = {}, .limits = {}}; }
  Remediator::Dependencies dependencies() {
    return {.steps = executor_, .lookout = lookout_, .announcer = announcer_, .clock = clock_, .keep_evidence = {}};
  }
  std::string journal_path() const { return (folder_ / "remedy.db").string(); }
  rules::Transition transition(AlertState from, AlertState to, const std::string& instance = "a") const {
    rules::Transition transition;
    transition.labels = alert_of(instance);
    transition.from = from;
    transition.to = to;
    transition.active_at = transition.at = fired_at_;
    if (to == AlertState::kFiring || from == AlertState::kFiring) transition.fired_at = fired_at_;
    return transition;
  }
  void fire(Remediator& remediator, const std::string& instance = "a") {
    const std::vector<rules::Transition> transitions = {
        transition(AlertState::kPending, AlertState::kFiring, instance)};
    remediator.on_transitions(transitions);
  }
  // Waits until the newest run is in that state; ctest's timeout ends a failure.
  static RunPtr wait_for(const Remediator& remediator, RunState state) {
    for (;;) {
      const auto snapshot = remediator.snapshot();
      if (!snapshot->runs.empty() && snapshot->runs.front()->state == state) return snapshot->runs.front();
      std::this_thread::yield();
    }
  }
  // Events are handled in order: when an answer is here, so is everything before it.
  static void settle(Remediator& remediator) { (void)remediator.resume("test"); }

  std::filesystem::path folder_;
  core::SystemClock clock_;
  core::process::ChildProcessRunner commands_{clock_};
  InstantBackups backups_;
  core::net::IoLoop loop_{clock_};
  std::unique_ptr<core::net::HttpClient> http_ = core::net::make_http_client(loop_, clock_);
  std::unique_ptr<core::process::ServiceControl> services_ = core::process::make_systemd_control("unix:path=/nowhere");
  People people_;
  Announcer announcer_{people_, clock_};
  FixedLookout lookout_;
  StepExecutor executor_{
      {.commands = commands_,
       .backups = backups_,
       .services = *services_,
       .around = {.scheduler = loop_,
                  .http = *http_,
                  .clock = clock_,
                  .environment = [](const char*) { return std::string(); }},
       .tell = [this](const remedy::Run& run, const std::string& text) { announcer_.tell(run, text); }}};
  core::WallTime fired_at_ = core::from_unix_ms(1'700'000'000'000);
};

TEST_F(RemediatorTest, AnAlertRunsAPlanOfRealPrograms) {
  const std::string out = (folder_ / "out").string();
  const auto remediator = open({remediation(
      "restart", Level::kAuto,
      {Step{BackupStep{"keys"}, {}},
       exec_step({"/bin/sh", "-c", "echo \"$1 $WATCHKEEPER_LABEL_instance $WATCHKEEPER_REMEDIATION\" | tee \"$2\"",
                  "sh", "$(id)", out})})});
  fire(*remediator, "a; rm -rf /");
  const RunPtr run = wait_for(*remediator, RunState::kSucceeded);
  EXPECT_EQ(run->steps[0].result, "snapshot 0a1b2c3d, 42 bytes");
  EXPECT_EQ(run->steps[1].result, "exited with 0");
  EXPECT_EQ(run->steps[1].output, "$(id) a; rm -rf / restart\n");  // nothing of it was taken for a command
  std::ifstream file(out);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), run->steps[1].output);
  EXPECT_EQ(remediator->stats().runs_succeeded, 1U);
  EXPECT_EQ(remediator->snapshot()->degraded, "");
}

TEST_F(RemediatorTest, WhatFailsSaysHow) {
  struct Case {
    Step step;
    std::string reason;
  };
  Step slow = exec_step({"/bin/sleep", "1000"});
  std::get<ExecStep>(slow.action).timeout = std::chrono::milliseconds(50);
  const Case cases[] = {
      {exec_step({"/bin/sh", "-c", "echo broken >&2; exit 7"}), "step 1 failed: exited with 7"},
      {exec_step({"/no/such/program"}), "step 1 failed: /no/such/program: No such file or directory"},
      {slow, "step 1 failed: timed out after 50ms"},
      {Step{BackupStep{"failing"}, {}}, "step 1 failed: the disk is gone"},
      {Step{BackupStep{"missing"}, {}}, "step 1 failed: no backup is named \"missing\""},
  };
  int number = 0;
  for (const Case& each : cases) {
    const std::string name = fmt::format("r{}", ++number);
    const auto remediator = open({remediation(name, Level::kAuto, {each.step, exec_step({"/bin/true"})}, name)});
    rules::Transition transition = this->transition(AlertState::kPending, AlertState::kFiring);
    transition.labels = alert_of("a", name);
    remediator->on_transitions({&transition, 1});
    for (;;) {
      const auto snapshot = remediator->snapshot();
      if (!snapshot->runs.empty() && snapshot->runs.front()->remediation == name && snapshot->runs.front()->final) {
        EXPECT_EQ(snapshot->runs.front()->reason, each.reason);
        EXPECT_EQ(snapshot->runs.front()->steps[1].state, StepState::kPending);
        break;
      }
      std::this_thread::yield();
    }
  }
}

TEST_F(RemediatorTest, WaitsForAnApproval) {
  auto config = remediation("restart", Level::kApprove, {exec_step({"/bin/echo", "hello"})});
  const auto remediator = open({config});
  fire(*remediator);
  const RunPtr waiting = wait_for(*remediator, RunState::kWaiting);
  EXPECT_EQ(remediator->approve("other", "ann").error().code, Errc::kInvalid);
  ASSERT_TRUE(remediator->pause("upgrade", "bob"));
  EXPECT_THAT(remediator->approve(waiting->id, "ann").error().message, HasSubstr("paused by bob: upgrade"));
  EXPECT_EQ(remediator->snapshot()->pauses.at("").reason, "upgrade");
  EXPECT_FALSE(remediator->pause("", "bob"));
  ASSERT_TRUE(remediator->resume("bob"));
  ASSERT_TRUE(remediator->approve(waiting->id, "ann"));
  EXPECT_EQ(wait_for(*remediator, RunState::kSucceeded)->decided_by, "ann");
  EXPECT_FALSE(remediator->reject(waiting->id, "ann"));
}

TEST_F(RemediatorTest, LooksAtConditionsAndTellsWhatItDecided) {
  auto refused = remediation("refused", Level::kAuto, {exec_step({"/bin/true"})});
  refused.require = {"yes", "no"};
  auto verified = remediation("verified", Level::kAuto, {exec_step({"/bin/true"})});
  verified.require = {"yes"};
  verified.verify = VerifyConfig{"yes"};
  std::vector<std::string> kept;
  auto with = dependencies();
  std::mutex mutex;
  with.keep_evidence = [&](const remedy::Run& run, const Policy&) {
    const std::scoped_lock lock(mutex);
    kept.push_back(run.remediation);
  };
  auto remediator = Remediator::open(list_of({refused, verified}), options(), with);
  ASSERT_TRUE(remediator);
  fire(**remediator);
  const auto states = [&] {
    std::map<std::string, std::string> all;
    const auto snapshot = (*remediator)->snapshot();
    for (const RunPtr& run : snapshot->runs) all[run->remediation] = to_string(run->state);
    return all;
  };
  const std::map<std::string, std::string> expected = {{"refused", "refused"}, {"verified", "succeeded"}};
  while (states() != expected) std::this_thread::yield();
  remediator->reset();
  EXPECT_EQ(people_.told(), std::vector<std::string>{"refused: refused is refused: require no: does not hold"});
  for (const std::string& each : kept) EXPECT_EQ(each, "verified");
}

TEST_F(RemediatorTest, OnlyFiringMatters) {
  const auto remediator = open({remediation("restart", Level::kAuto, {exec_step({"/bin/true"})})});
  const std::vector<rules::Transition> nothing = {transition(AlertState::kInactive, AlertState::kPending),
                                                  transition(AlertState::kPending, AlertState::kInactive),
                                                  transition(AlertState::kInactive, AlertState::kInactive)};
  remediator->on_transitions(nothing);
  rules::Transition other = transition(AlertState::kPending, AlertState::kFiring);
  other.labels = alert_of("a", "Other");
  remediator->on_transitions({&other, 1});
  settle(*remediator);
  EXPECT_TRUE(remediator->snapshot()->runs.empty());
}

TEST_F(RemediatorTest, AnEndOfTheAgentStopsAStepAndTellsTheNextStart) {
  auto remediator = open({remediation("restart", Level::kAuto, {exec_step({"/bin/sleep", "1000"})})});
  fire(*remediator);
  wait_for(*remediator, RunState::kRunning);
  remediator.reset();
  remediator = open({remediation("restart", Level::kAuto, {exec_step({"/bin/sleep", "1000"})})});
  fire(*remediator);
  settle(*remediator);
  const auto snapshot = remediator->snapshot();
  ASSERT_EQ(snapshot->runs.size(), 1U);
  EXPECT_EQ(snapshot->runs[0]->state, RunState::kInterrupted);
  EXPECT_THAT(snapshot->runs[0]->reason, HasSubstr("the agent ended during step 1"));
  EXPECT_TRUE(remediator->reject(snapshot->runs[0]->id, "ann"));
}

TEST_F(RemediatorTest, TheQueueOfAlertsIsBounded) {
  const auto remediator = open({remediation("restart", Level::kObserve, {exec_step({"/bin/true"})})});
  constexpr core::store::Migration kSame[] = {{"runs and audit", ""},
                                              {"pauses, boots and the front of the audit log", ""}};
  auto holder = core::store::Database::open(journal_path(), kSame, core::store::Durability::kNormal);
  ASSERT_TRUE(holder);
  (void)holder->transaction([&]() -> Result<void> {
    // The deciding thread waits for the file; one alert may be with it, the rest queues.
    for (int i = 0; i < 3000; ++i) fire(*remediator, "a");
    return {};
  });
  EXPECT_GE(remediator->stats().alerts_dropped, 3000U - 1024U - 1U);
  EXPECT_EQ(remediator->stats().alerts, 3000U);
  settle(*remediator);
  EXPECT_EQ(remediator->snapshot()->runs.size(), 1U);
}

TEST_F(RemediatorTest, AReloadChangesWhatIsDone) {
  const auto remediator = open({remediation("restart", Level::kObserve, {exec_step({"/bin/true"})})});
  ASSERT_TRUE(remediator->configure(list_of({remediation("other", Level::kAuto, {exec_step({"/bin/true"})})})));
  fire(*remediator);
  EXPECT_EQ(wait_for(*remediator, RunState::kSucceeded)->remediation, "other");
}

TEST_F(RemediatorTest, AJournalThatIsNotOursIsRefused) {
  std::ofstream(journal_path()) << std::string(5000, 'x');
  const auto remediator = Remediator::open(list_of({}), options(), dependencies());
  ASSERT_FALSE(remediator);
  EXPECT_EQ(remediator.error().code, Errc::kInvalid);
}

}  // namespace
}  // namespace actions::remedy

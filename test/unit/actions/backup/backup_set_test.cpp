// SPDX-License-Identifier: Apache-2.0
#include "actions/backup/backup_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <future>

#include "core/time/simulated_clock.h"
#include "temporary_folder.h"
#include "untouched_seams.h"

namespace actions::backup {
namespace {

using core::Errc;
using core::process::Command;
using core::process::Exit;
using std::chrono::hours;
using std::chrono::minutes;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Exit exited(int status, std::string output = "", std::string errors = "") {
  Exit exit;
  exit.status = status;
  exit.output = std::move(output);
  exit.errors = std::move(errors);
  return exit;
}

constexpr const char* kSummary =
    R"({"message_type":"summary","total_files_processed":3,"total_bytes_processed":42,"data_added":7,)"
    R"("snapshot_id":"0a1b2c3d"})";

// restic, as far as a test wants it: answers by its subcommand.
class ScriptedRestic : public core::process::CommandRunner {
 public:
  core::Result<Exit> run(const Command& command, std::stop_token) override {
    const std::string& subcommand = command.argv.at(1);
    calls.push_back(subcommand);
    last_environment = command.environment;
    if (const auto found = answers.find(subcommand); found != answers.end()) return found->second();
    return exited(0, subcommand == "backup" ? kSummary : "");
  }

  std::map<std::string, std::function<core::Result<Exit>()>> answers;
  std::vector<std::string> calls;
  std::map<std::string, std::string> last_environment;
};

class BackupSetTest : public ::testing::Test {
 protected:
  BackupConfig config(std::string schedule = "6h") {
    BackupConfig backup;
    backup.name = "keys";
    backup.source.paths = {folder_.write("source/file", "x")};
    backup.repository = folder_.at("repository");
    backup.password_file.path = folder_.write("password", "secret");
    if (!schedule.empty()) backup.schedule = *Schedule::parse(schedule);
    return backup;
  }
  std::unique_ptr<BackupSet> open(BackupConfig backup) {
    auto set = BackupSet::open({std::move(backup)}, options_in(folder_), seams_.with(restic_, clock_));
    EXPECT_TRUE(set) << set.error().message;
    return std::move(*set);
  }

  TemporaryFolder folder_;
  core::SimulatedClock clock_;
  ScriptedRestic restic_;
  UntouchedSeams seams_;
};

TEST_F(BackupSetTest, RecordsASuccessAndItsAge) {
  const auto set = open(config());
  EXPECT_FALSE(set->status().front().success_age);
  const auto record = set->take("keys", "test", {});
  ASSERT_TRUE(record);
  EXPECT_TRUE(record->succeeded) << record->error;
  EXPECT_EQ(record->snapshot.id, "0a1b2c3d");
  EXPECT_EQ(record->snapshot.files, 3U);
  EXPECT_EQ(record->snapshot.bytes, 42U);
  EXPECT_EQ(record->snapshot.bytes_added, 7U);
  clock_.advance(hours(2));
  const Status status = set->status().front();
  EXPECT_EQ(status.success_age, hours(2));
  EXPECT_EQ(status.next_run, record->started + hours(6));
  EXPECT_EQ(status.last_success->trigger, "test");
  EXPECT_EQ(restic_.last_environment.at("RESTIC_REPOSITORY"), folder_.at("repository"));
  EXPECT_EQ(restic_.last_environment.at("RESTIC_PASSWORD_FILE"), folder_.at("password"));
}

TEST_F(BackupSetTest, TakesWhatIsDueAndRetriesAFailureSooner) {
  const auto set = open(config());
  const auto backups_taken = [&] { return std::count(restic_.calls.begin(), restic_.calls.end(), "backup"); };
  set->take_due({});
  EXPECT_EQ(backups_taken(), 1);  // never taken: at once
  set->take_due({});
  clock_.advance(hours(6) - minutes(1));
  set->take_due({});
  EXPECT_EQ(backups_taken(), 1);
  clock_.advance(minutes(1));
  restic_.answers["backup"] = [] { return exited(1, "", "Fatal: no luck"); };
  set->take_due({});
  EXPECT_EQ(backups_taken(), 2);
  EXPECT_THAT(set->status().front().last_run->error, HasSubstr("Fatal: no luck (exited with 1)"));
  EXPECT_EQ(set->status().front().success_age, hours(6));  // the failure does not make it fresh
  clock_.advance(minutes(10));
  restic_.answers.erase("backup");
  set->take_due({});
  EXPECT_EQ(backups_taken(), 3);
  EXPECT_EQ(set->stats().failures, 1U);
  EXPECT_EQ(set->stats().runs, 3U);
}

TEST_F(BackupSetTest, AWallClockThatWasAheadDoesNotPutItOff) {
  const auto set = open(config());
  clock_.step_wall(hours(24 * 365));
  set->take_due({});
  clock_.step_wall(-hours(24 * 365));
  set->take_due({});
  EXPECT_EQ(std::count(restic_.calls.begin(), restic_.calls.end(), "backup"), 2);
  set->take_due({});
  EXPECT_EQ(std::count(restic_.calls.begin(), restic_.calls.end(), "backup"), 2);
}

TEST_F(BackupSetTest, OneThatWasRunningWhenTheAgentEndedHasFailed) {
  struct Killed {};
  restic_.answers["backup"] = []() -> core::Result<Exit> { throw Killed(); };
  {
    const auto set = open(config());
    EXPECT_THROW((void)set->take("keys", "test", {}), Killed);
  }
  restic_.answers.clear();
  const auto set = open(config());
  const Status status = set->status().front();
  EXPECT_FALSE(status.running);
  EXPECT_FALSE(status.last_success);
  EXPECT_THAT(status.last_run->error, HasSubstr("interrupted"));
}

TEST_F(BackupSetTest, CreatesOnlyARepositoryThatIsSurelyAbsent) {
  const std::string hint = "\nIs there a repository at the following location?\n";
  const auto initialised = [&] { return std::count(restic_.calls.begin(), restic_.calls.end(), "init") != 0; };
  const std::string unreachable[] = {
      "Fatal: unable to open config file: client.Head: Head \"http://h/config\": dial tcp 127.0.0.1:1: connect: "
      "connection refused" +
          hint,
      "Fatal: unable to open config file: Stat: Get \"http://h/b/?location=\": connection refused" + hint,
      "Fatal: unable to open config file: stat /srv/r/config: permission denied" + hint,
      "Fatal: wrong password or no key found",
      "config file has zero size, invalid repository?",
      "something new: no such file or directory",
  };
  const auto set = open(config());
  for (const std::string& errors : unreachable) {
    restic_.answers["cat"] = [&] { return exited(1, "", errors); };
    EXPECT_FALSE(set->take("keys", "test", {})->succeeded) << errors;
    EXPECT_FALSE(initialised()) << errors;
  }
  restic_.answers["cat"] = [&] {
    return exited(1, "", "Fatal: unable to open config file: stat /srv/r/config: no such file or directory" + hint);
  };
  EXPECT_TRUE(set->take("keys", "test", {})->succeeded);
  EXPECT_TRUE(initialised());
}

TEST_F(BackupSetTest, DoesNotBeginAnewWhereARepositoryIsGone) {
  const auto absent = [] { return exited(10); };
  auto set = open(config());
  ASSERT_TRUE(set->take("keys", "test", {})->succeeded);
  restic_.answers["cat"] = absent;
  restic_.calls.clear();
  set = open(config());  // it remembers over a restart
  const auto record = set->take("keys", "test", {});
  EXPECT_FALSE(record->succeeded);
  EXPECT_THAT(record->error, HasSubstr("was there and is gone"));
  EXPECT_THAT(restic_.calls, ElementsAre("cat"));
}

TEST_F(BackupSetTest, RefusesAPasswordFileThatEveryoneReads) {
  BackupConfig backup = config();
  folder_.write("password", "secret", 0644);
  const auto set = open(backup);
  EXPECT_THAT(set->take("keys", "test", {})->error, HasSubstr("readable by every user"));
  folder_.write("password", "", 0600);
  EXPECT_THAT(set->take("keys", "test", {})->error, HasSubstr("empty"));
  std::filesystem::remove(backup.password_file.path);
  EXPECT_THAT(set->take("keys", "test", {})->error, HasSubstr("No such file"));
  EXPECT_TRUE(restic_.calls.empty());
}

TEST_F(BackupSetTest, ASuccessWithoutASnapshotIsNone) {
  const auto set = open(config());
  for (const std::string output : {"", "{\"message_type\":\"summary\"}", "{\"message_type\":\"summ", "[1]\n7"}) {
    restic_.answers["backup"] = [&] { return exited(0, output); };
    EXPECT_THAT(set->take("keys", "test", {})->error, HasSubstr("reported no snapshot")) << output;
  }
}

TEST_F(BackupSetTest, LeavesTheLocksOfOthersAlone) {
  const auto set = open(config());
  restic_.answers["backup"] = [] {
    return exited(1, "", "repository is already locked exclusively by PID 7 on other");
  };
  restic_.answers["list"] = [] { return exited(0, std::string(64, 'a') + "\n"); };
  restic_.answers["cat"] = [this] {
    return exited(0, restic_.calls.back() == "cat" ? R"({"hostname":"other","pid":7,"exclusive":true})" : "");
  };
  const auto record = set->take("keys", "test", {});
  EXPECT_FALSE(record->succeeded);
  EXPECT_THAT(record->error, HasSubstr("locked by PID 7 on other"));
  EXPECT_EQ(std::count(restic_.calls.begin(), restic_.calls.end(), "unlock"), 0);
}

TEST_F(BackupSetTest, TakesOneOfANameAtATime) {
  const auto set = open(config());
  std::promise<void> entered;
  std::promise<void> leave;
  std::atomic<int> inside{0};
  std::atomic<int> most{0};
  restic_.answers["backup"] = [&] {
    most = std::max(most.load(), ++inside);
    static std::once_flag once;
    std::call_once(once, [&] {
      entered.set_value();
      leave.get_future().wait();
    });
    --inside;
    return exited(0, kSummary);
  };
  std::jthread first([&] { EXPECT_TRUE(set->take("keys", "one", {})->succeeded); });
  entered.get_future().wait();
  EXPECT_TRUE(set->status().front().running);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(set->take("keys", "impatient", stop.get_token()).error().code, Errc::kCancelled);
  leave.set_value();
  EXPECT_TRUE(set->take("keys", "two", {})->succeeded);
  EXPECT_EQ(most, 1);
}

TEST_F(BackupSetTest, WhatHappensIsAnsweredOnceAndNotTooOften) {
  BackupConfig backup = config("");
  backup.on.push_back({.alert = {}, .event = "finalized_checkpoint"});
  backup.on.push_back({.alert = {core::ring::Matcher::equal("alertname", "GethStuck")}, .event = ""});
  auto set = open(backup);
  const auto backups_taken = [&] { return std::count(restic_.calls.begin(), restic_.calls.end(), "backup"); };
  set->take_due({});
  EXPECT_EQ(backups_taken(), 0);
  set->triggers().on_event("finalized_checkpoint");
  set->take_due({});
  EXPECT_EQ(backups_taken(), 0);  // what else comes within half a minute is the same
  clock_.advance(std::chrono::seconds(30));
  set->take_due({});
  EXPECT_EQ(backups_taken(), 1);
  EXPECT_EQ(set->status().front().last_run->trigger, "event finalized_checkpoint");
  set->triggers().on_event("finalized_checkpoint");
  clock_.advance(minutes(59));
  set->take_due({});
  EXPECT_EQ(backups_taken(), 1);  // `every`
  EXPECT_THAT(set->status().front().reasons, ElementsAre("event finalized_checkpoint"));
  clock_.advance(minutes(1));
  restic_.answers["backup"] = [] { return exited(1, "", "Fatal: no luck"); };
  set->take_due({});
  EXPECT_EQ(backups_taken(), 2);
  restic_.answers.erase("backup");
  clock_.advance(minutes(9));
  set->take_due({});
  EXPECT_EQ(backups_taken(), 2);
  clock_.advance(minutes(1));  // a failure is repeated
  set->take_due({});
  EXPECT_EQ(backups_taken(), 3);
  EXPECT_TRUE(set->status().front().reasons.empty());

  // One episode of an alert is answered once, also over a restart.
  clock_.advance(hours(2));
  rules::Transition firing;
  firing.labels = core::ring::Labels({{"alertname", "GethStuck"}});
  firing.to = rules::AlertState::kFiring;
  firing.fired_at = clock_.wall_now();
  set->triggers().on_transitions({&firing, 1});
  clock_.advance(minutes(1));
  set->take_due({});
  EXPECT_EQ(backups_taken(), 4);
  set = open(backup);
  clock_.advance(hours(2));
  set->triggers().on_transitions({&firing, 1});
  clock_.advance(minutes(1));
  set->take_due({});
  EXPECT_EQ(backups_taken(), 4);
  EXPECT_TRUE(set->status().front().reasons.empty());
}

TEST_F(BackupSetTest, KnowsItsNames) {
  const auto set = open(config(""));
  EXPECT_EQ(set->take("other", "test", {}).error().code, Errc::kNotFound);
  EXPECT_FALSE(set->status().front().next_run);
  set->configure({});
  EXPECT_TRUE(set->status().empty());
  EXPECT_EQ(set->take("keys", "test", {}).error().code, Errc::kNotFound);
}

// Runs are kept by number, and a client that must not be stopped for days makes many that were held.
TEST(BackupStore, TheLastAttemptAndTheLastSuccessOutliveRunsThatWereHeld) {
  const TemporaryFolder folder;
  const core::WallTime now = core::from_unix_ms(1'700'000'000'000);
  auto store = BackupStore::open(folder.at("backups.db"), now);
  ASSERT_TRUE(store) << store.error().message;
  const auto add = [&](bool succeeded, bool held) {
    Record record;
    record.backup = "geth";
    record.started = now;
    record.finished = now;
    record.succeeded = succeeded;
    record.held = held;
    record.id = store->begin("geth", "schedule", now).value();
    EXPECT_TRUE(store->finish(record));
    return record.id;
  };
  const std::int64_t success = add(true, false);
  const std::int64_t failure = add(false, false);
  for (int i = 0; i < 510; ++i) add(false, true);
  ASSERT_TRUE(store->begin("geth", "schedule", now));  // is under way
  EXPECT_EQ(store->last_attempt("geth").value()->id, failure);
  EXPECT_EQ(store->last_success("geth").value()->id, success);
  EXPECT_LT(store->recent("geth", 1000)->size(), 510U);
}

}  // namespace
}  // namespace actions::backup

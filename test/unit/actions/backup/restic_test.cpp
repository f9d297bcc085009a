// SPDX-License-Identifier: Apache-2.0
// Backups with the restic that is installed.
#include "actions/backup/restic.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "actions/backup/backup_set.h"
#include "temporary_folder.h"
#include "test/support/restic_repository.h"
#include "untouched_seams.h"

namespace actions::backup {
namespace {

using core::Errc;
using core::process::ChildProcessRunner;
using core::process::Command;
using core::process::Exit;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class ResticTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Command version;
    version.argv = {"restic", "version"};
    const auto exit = runner_.run(version);
    ASSERT_TRUE(exit && exit->succeeded()) << "restic is not installed: ./dev test installs it";
    config_.name = "keys";
    folder_.write("source/one", "first\n");
    folder_.write("source/deep/two", std::string("\0\1\2", 3));
    config_.source.paths = {folder_.at("source")};
    config_.repository = folder_.at("repository");
    test_support::make_restic_repository(folder_.at("repository"));
    config_.password_file.path = folder_.write("password", "correct horse\n");
  }

  std::unique_ptr<BackupSet> open() {
    auto set = BackupSet::open({config_}, options_in(folder_), seams_.with(runner_, clock_));
    EXPECT_TRUE(set) << set.error().message;
    return std::move(*set);
  }
  Command restic(std::vector<std::string> arguments) const {
    Command command;
    command.argv = {"restic"};
    command.argv.insert(command.argv.end(), arguments.begin(), arguments.end());
    command.environment = {{"RESTIC_REPOSITORY", config_.repository},
                           {"RESTIC_PASSWORD_FILE", config_.password_file.path},
                           {"RESTIC_CACHE_DIR", folder_.at("cache")}};
    return command;
  }
  Exit run(std::vector<std::string> arguments) {
    const auto exit = runner_.run(restic(std::move(arguments)));
    EXPECT_TRUE(exit && exit->succeeded()) << (exit ? exit->errors : exit.error().message);
    return exit.value_or(Exit{});
  }

  core::SystemClock clock_;
  ChildProcessRunner runner_{clock_};
  UntouchedSeams seams_;
  TemporaryFolder folder_;
  BackupConfig config_;
};

TEST_F(ResticTest, WhatWasBackedUpComesBackByteForByte) {
  std::filesystem::remove_all(config_.repository);  // the agent makes it, with a key as restic makes them
  config_.tags = {"nightly"};
  config_.exclude = {"*.tmp"};
  folder_.write("source/left-out.tmp", "x");
  const auto set = open();
  const auto record = set->take("keys", "test", {});
  ASSERT_TRUE(record && record->succeeded) << record->error;
  EXPECT_EQ(record->snapshot.files, 2U);
  EXPECT_EQ(record->snapshot.bytes, 9U);

  const auto snapshots = nlohmann::json::parse(run({"snapshots", "--json"}).output);
  ASSERT_EQ(snapshots.size(), 1U);
  EXPECT_THAT(snapshots[0]["id"].get<std::string>(), StartsWith(record->snapshot.id));
  EXPECT_EQ(snapshots[0]["tags"], nlohmann::json({"watchkeeper:keys", "nightly"}));

  run({"restore", record->snapshot.id, "--target", folder_.at("restored")});
  const std::string restored = folder_.at("restored") + folder_.at("source");
  EXPECT_EQ(TemporaryFolder::read(restored + "/one"), "first\n");
  EXPECT_EQ(TemporaryFolder::read(restored + "/deep/two"), std::string("\0\1\2", 3));
  EXPECT_FALSE(std::filesystem::exists(restored + "/left-out.tmp"));

  ASSERT_TRUE(set->take("keys", "again", {})->succeeded);
  EXPECT_EQ(nlohmann::json::parse(run({"snapshots", "--json"}).output).size(), 2U);
}

TEST_F(ResticTest, AMissingPathFailsTheBackupThoughOthersAreThere) {
  config_.source.paths.push_back(folder_.at("source/nowhere"));
  const auto record = open()->take("keys", "test", {});
  ASSERT_TRUE(record);
  EXPECT_FALSE(record->succeeded);
  EXPECT_THAT(record->error, HasSubstr("source/nowhere: No such file or directory"));
}

TEST_F(ResticTest, AFileThatCannotBeReadFailsTheBackupByName) {
  // Readable by nobody, root included.
  config_.source.paths.emplace_back("/proc/self/mem");
  const auto record = open()->take("keys", "test", {});
  ASSERT_TRUE(record);
  EXPECT_FALSE(record->succeeded);
  EXPECT_THAT(record->error, HasSubstr("incomplete: could not read /proc/self/mem"));
}

TEST_F(ResticTest, AWrongPasswordIsSaidAndNothingIsCreated) {
  const auto set = open();
  ASSERT_TRUE(set->take("keys", "test", {})->succeeded);
  folder_.write("password", "wrong\n");
  const auto record = set->take("keys", "test", {});
  EXPECT_FALSE(record->succeeded);
  EXPECT_THAT(record->error, HasSubstr("wrong password or no key found"));
  EXPECT_EQ(
      Restic(runner_, config_, {config_.password_file.path, ""}, folder_.at("cache"), "host").look({}).error().code,
      Errc::kInvalid);
}

TEST_F(ResticTest, AnUnreachableRepositoryIsNotAbsent) {
  config_.repository = "rest:http://127.0.0.1:1/";
  const auto record = open()->take("keys", "test", {});
  EXPECT_FALSE(record->succeeded);
  EXPECT_THAT(record->error, HasSubstr("cannot open the repository"));
  EXPECT_THAT(record->error, HasSubstr("connection refused"));
}

TEST_F(ResticTest, AKilledResticIsAFailureAndTheNextRunSucceeds) {
  const auto set = open();
  ASSERT_TRUE(set->take("keys", "test", {})->succeeded);
  config_.timeout = std::chrono::milliseconds(1);
  set->configure({config_});
  const auto killed = set->take("keys", "test", {});
  EXPECT_FALSE(killed->succeeded);
  EXPECT_THAT(killed->error, HasSubstr("timed out after 1ms"));
  config_.timeout = std::chrono::minutes(1);
  set->configure({config_});
  EXPECT_TRUE(set->take("keys", "test", {})->succeeded);
}

// A restic that holds the exclusive lock while it reads slowly.
class LockHolder {
 public:
  LockHolder(ChildProcessRunner& runner, Command command, std::string locks)
      : thread_([&runner, command](std::stop_token stop) { (void)runner.run(command, stop); }) {
    while (!std::filesystem::exists(locks) || std::filesystem::is_empty(locks)) ::poll(nullptr, 0, 5);
  }

 private:
  std::jthread thread_;
};

TEST_F(ResticTest, ALockedRepositoryIsReportedAndOnlyADeadLockOfOursIsRemoved) {
  // restic looks for other locks a second time 200 ms after it took its own. With a key as restic makes them nobody
  // else is there as early as that.
  std::filesystem::remove_all(config_.repository);
  std::string noise;
  std::uint64_t state = 1;
  for (int i = 0; i < 400'000; ++i) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    noise += static_cast<char>(state >> 56);
  }
  folder_.write("source/noise", noise);
  const auto set = open();
  ASSERT_TRUE(set->take("keys", "test", {})->succeeded);
  Command check = restic({"check", "--read-data", "--limit-download", "1"});
  check.timeout = std::chrono::minutes(1);
  check.grace = core::Duration::zero();
  pid_t holder_pid = 0;
  {
    // SIGTERM would let it give the lock back; ignoring it leaves SIGKILL, as from the out-of-memory killer.
    check.argv.insert(check.argv.begin(), {"/bin/sh", "-c", "trap '' TERM; \"$@\" & wait", "sh"});
    const LockHolder holder(runner_, check, config_.repository + "/locks");
    const auto locked = set->take("keys", "test", {});
    EXPECT_FALSE(locked->succeeded);
    constexpr std::string_view kBy = "locked exclusively by PID ";
    const std::size_t by = locked->error.find(kBy);
    ASSERT_NE(by, std::string::npos) << locked->error;
    holder_pid = std::stoi(locked->error.substr(by + kBy.size()));
    EXPECT_EQ(set->stats().locks_removed, 0U);
  }
  // The shell that was killed leaves it to whoever adopts it, who may be late to reap it: until then it counts as
  // alive.
  for (int i = 0; i < 2000 && ::kill(holder_pid, 0) == 0; ++i) ::poll(nullptr, 0, 5);
  if (std::filesystem::is_empty(config_.repository + "/locks")) GTEST_SKIP() << "restic gave its lock back";
  const auto record = set->take("keys", "test", {});
  EXPECT_TRUE(record->succeeded) << record->error;
  EXPECT_THAT(record->note, HasSubstr("removed the stale lock of our PID"));
  EXPECT_EQ(set->stats().locks_removed, 1U);
}

}  // namespace
}  // namespace actions::backup

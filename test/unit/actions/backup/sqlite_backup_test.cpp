// SPDX-License-Identifier: Apache-2.0
// Slashing-protection databases: backed up while they are written, and restored to be looked at, with the restic that
// is installed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <nlohmann/json.hpp>
#include <thread>

#include "actions/backup/backup_set.h"
#include "actions/backup/staging.h"
#include "core/store/live_copy.h"
#include "slashing_database.h"
#include "temporary_folder.h"
#include "test/support/restic_repository.h"
#include "untouched_seams.h"

namespace actions::backup {
namespace {

namespace fs = std::filesystem;
using core::Errc;
using ::testing::HasSubstr;

class SqliteBackupTest : public ::testing::Test {
 protected:
  SqliteBackupTest() {
    config_.name = "slashing";
    config_.source.sqlite = folder_.at("validators/slashing_protection.sqlite");
    config_.source.network = "mainnet";
    config_.repository = folder_.at("repository");
    test_support::make_restic_repository(folder_.at("repository"));
    config_.password_file.path = folder_.write("password", "correct horse\n");
    fs::create_directories(folder_.at("validators"));
    folder_.write("scratch/slashing/left-by-a-killed-agent", "x");
  }
  std::unique_ptr<BackupSet> open() {
    auto set = BackupSet::open({config_}, options_in(folder_), seams_.with(runner_, clock_));
    EXPECT_TRUE(set) << set.error().message;
    return std::move(*set);
  }
  bool scratch_is_empty() const { return !fs::exists(folder_.at("scratch")) || fs::is_empty(folder_.at("scratch")); }
  void fill(SlashingDatabase& database, int rows = 3) const {
    database.register_key(1, 'a');
    database.run("BEGIN");
    for (int i = 1; i <= rows; ++i) {
      database.sign_block(1, i * 32, '1');
      database.attest(1, i - 1, i, '2');
    }
    database.run("COMMIT");
  }
  // Restores by hand what the set put away.
  std::string restored(const Record& record) {
    core::process::Command command;
    command.argv = {"restic", "restore", record.snapshot.id, "--target", folder_.at("out")};
    command.environment = {{"RESTIC_REPOSITORY", config_.repository},
                           {"RESTIC_PASSWORD_FILE", config_.password_file.path},
                           {"RESTIC_CACHE_DIR", folder_.at("cache")}};
    const auto exit = runner_.run(command);
    EXPECT_TRUE(exit && exit->succeeded()) << exit->errors;
    const auto found = find_files(folder_.at("out"), kInterchangeFile);
    return found.empty() ? "" : fs::path(found.front()).parent_path().string();
  }

  core::SystemClock clock_;
  core::process::ChildProcessRunner runner_{clock_};
  UntouchedSeams seams_;
  TemporaryFolder folder_;
  BackupConfig config_;
};

TEST_F(SqliteBackupTest, KeepsACopyAndItsInterchange) {
  SlashingDatabase database(config_.source.sqlite);
  fill(database);
  const auto set = open();
  EXPECT_TRUE(scratch_is_empty());
  const auto record = set->take("slashing", "test", {});
  ASSERT_TRUE(record && record->succeeded) << record->error;
  EXPECT_EQ(record->watermarks, (Watermarks{1, 0, 96, 2, 3}));
  EXPECT_EQ(record->note, "");
  EXPECT_TRUE(scratch_is_empty());
  const std::string folder = restored(*record);
  const auto interchange = Interchange::parse(TemporaryFolder::read(folder + "/" + kInterchangeFile));
  ASSERT_TRUE(interchange) << interchange.error().message;
  EXPECT_EQ(interchange->genesis_validators_root, genesis_validators_root_of("mainnet"));
  EXPECT_EQ(interchange->watermarks(), *record->watermarks);
  EXPECT_TRUE(core::store::check_integrity(folder + "/" + kSlashingDatabaseFile));
  struct stat status{};
  ASSERT_EQ(::stat((folder + "/" + kSlashingDatabaseFile).c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 077, 0U);
  // It is known over a restart.
  EXPECT_EQ(open()->status().front().last_success->watermarks, record->watermarks);
}

TEST_F(SqliteBackupTest, IsComparedWithTheChainKeyByKey) {
  SlashingDatabase database(config_.source.sqlite);
  fill(database);
  const std::string key = "0x" + std::string(96, 'a');
  VotedEpochs chain = {{key, 3}};
  BackupSet::Dependencies seams = seams_.with(runner_, clock_);
  seams.chain = [&] { return chain; };
  const auto set = BackupSet::open({config_}, options_in(folder_), seams);
  ASSERT_TRUE(set) << set.error().message;
  auto record = (*set)->take("slashing", "test", {});
  ASSERT_TRUE(record && record->succeeded) << record->error;
  EXPECT_EQ(record->chain, (ChainComparison{1, 0, 0, ""}));
  EXPECT_EQ(record->note, "");
  chain[key] = 5;
  record = (*set)->take("slashing", "test", {});
  ASSERT_TRUE(record && record->succeeded) << record->error;
  EXPECT_EQ(record->chain, (ChainComparison{1, 1, 2, key}));
  EXPECT_THAT(record->note,
              HasSubstr("1 of 1 keys have voted on the chain without this database, " + key + " by 2 epochs"));
  EXPECT_EQ(open()->status().front().last_success->chain, record->chain);
}

TEST_F(SqliteBackupTest, CopiesWhileAWriterWrites) {
  SlashingDatabase database(config_.source.sqlite);
  fill(database, 30000);  // more than one step of the copy
  std::atomic<bool> done{false};
  std::jthread writer([&] {
    // Block and attestation of one epoch are one transaction: a copy has both or neither.
    for (int i = 30001; !done; ++i) {
      database.run("BEGIN");
      database.sign_block(1, i * 32, '1');
      database.attest(1, i - 1, i, '2');
      database.run("COMMIT");
    }
  });
  for (int round = 0; round < 3; ++round) {
    const std::string copy = folder_.at("copy" + std::to_string(round));
    const auto copied = core::store::copy_live(config_.source.sqlite, copy, clock_, {}, {});
    EXPECT_TRUE(copied) << copied.error().message;
    const auto sound = core::store::check_integrity(copy);
    EXPECT_TRUE(sound) << sound.error().message;
    auto opened = core::store::Database::open_read_only(copy);
    if (!opened) break;
    const auto held = read_slashing_protection(*opened, true);
    EXPECT_TRUE(held && held->watermarks().slot == held->watermarks().target_epoch.value_or(0) * 32);
  }
  done = true;
}

// Lighthouse takes the lock once and keeps it while it runs.
TEST_F(SqliteBackupTest, CopiesBetweenTheWritesOfAClientThatKeepsTheLock) {
  SlashingDatabase database(config_.source.sqlite, /*exclusive=*/true);
  fill(database);
  core::store::LiveCopyOptions options;
  options.patience = std::chrono::milliseconds(400);
  const auto copied = core::store::copy_live(config_.source.sqlite, folder_.at("copy"), clock_, options, {});
  ASSERT_TRUE(copied) << copied.error().message;
  EXPECT_TRUE(copied->between_writes);
  EXPECT_TRUE(core::store::check_integrity(folder_.at("copy")));
  auto opened = core::store::Database::open_read_only(folder_.at("copy"));
  EXPECT_EQ(read_slashing_protection(*opened, true)->watermarks(), (Watermarks{1, 0, 96, 2, 3}));
}

TEST_F(SqliteBackupTest, AClientThatIsInTheMiddleOfATransactionIsNotCopied) {
  SlashingDatabase database(config_.source.sqlite, /*exclusive=*/true);
  fill(database);
  // With a cache this small its pages go to the file before the transaction ends, under a journal.
  database.run("PRAGMA cache_size=1; PRAGMA cache_spill=1; BEGIN");
  for (int i = 1000; i < 4000; ++i) database.attest(1, i - 1, i, '5');
  core::store::LiveCopyOptions options;
  options.patience = std::chrono::milliseconds(400);
  const auto copied = core::store::copy_live(config_.source.sqlite, folder_.at("copy"), clock_, options, {});
  ASSERT_FALSE(copied);
  EXPECT_EQ(copied.error().code, Errc::kUnavailable);
  EXPECT_THAT(copied.error().message, HasSubstr("locked by another program"));
}

TEST_F(SqliteBackupTest, ADamagedDatabaseIsAFailureNotABackup) {
  {
    SlashingDatabase database(config_.source.sqlite);
    fill(database, 2000);
  }
  std::string bytes = TemporaryFolder::read(config_.source.sqlite);
  ASSERT_GT(bytes.size(), 60000U);
  std::fill(bytes.begin() + 20000, bytes.begin() + 50000, '\x5a');
  folder_.write("validators/slashing_protection.sqlite", bytes);
  const auto set = open();
  EXPECT_THAT(set->take("slashing", "test", {})->error, HasSubstr("slashing_protection.sqlite"));
  folder_.write("validators/slashing_protection.sqlite", "not a database, but long enough to be taken for one");
  EXPECT_FALSE(set->take("slashing", "test", {})->succeeded);
  fs::remove(config_.source.sqlite);
  EXPECT_THAT(set->take("slashing", "test", {})->error, HasSubstr("No such file"));
  EXPECT_FALSE(set->status().front().last_success);
  EXPECT_TRUE(scratch_is_empty());
}

TEST_F(SqliteBackupTest, ADrillRestoresAndLooks) {
  config_.drill.command = {"/bin/sh", "-c", "find \"$WATCHKEEPER_RESTORED\" -name '*.interchange.json' | grep -q ."};
  SlashingDatabase database(config_.source.sqlite);
  fill(database);
  const auto set = open();
  EXPECT_THAT(set->verify("slashing", VerificationKind::kDrill, "test", {})->error, HasSubstr("no good snapshot"));
  const auto record = set->take("slashing", "test", {});
  ASSERT_TRUE(record->succeeded) << record->error;
  const auto drill = set->verify("slashing", VerificationKind::kDrill, "test", {});
  ASSERT_TRUE(drill && drill->succeeded) << drill->error;
  EXPECT_EQ(drill->files, 3U);
  EXPECT_EQ(drill->snapshot, record->snapshot.id);
  EXPECT_TRUE(scratch_is_empty());
  EXPECT_EQ(open()->status().front().verified_at, core::from_unix_ms(core::to_unix_ms(drill->started)));
  EXPECT_TRUE(set->verify("slashing", VerificationKind::kCheck, "test", {})->succeeded);

  config_.drill.command = {"/bin/sh", "-c", "echo no good >&2; exit 3"};
  set->configure({config_});
  const auto refused = set->verify("slashing", VerificationKind::kDrill, "test", {});
  EXPECT_THAT(refused->error, HasSubstr("no good"));
  EXPECT_EQ(set->status().front().last_drill_success->id, drill->id);
}

TEST_F(SqliteBackupTest, ADrillAndACheckFindDamageInTheRepository) {
  SlashingDatabase database(config_.source.sqlite);
  fill(database, 500);
  config_.check.read_data_subset = "100%";
  const auto set = open();
  ASSERT_TRUE(set->take("slashing", "test", {})->succeeded);
  for (const auto& file : fs::recursive_directory_iterator(folder_.at("repository/data"))) {
    if (!file.is_regular_file()) continue;
    std::string bytes = TemporaryFolder::read(file.path().string());
    bytes[bytes.size() / 3] ^= 1;
    fs::permissions(file.path(), fs::perms::owner_write, fs::perm_options::add);
    std::ofstream(file.path(), std::ios::binary) << bytes;
  }
  EXPECT_FALSE(set->verify("slashing", VerificationKind::kCheck, "test", {})->succeeded);
  EXPECT_FALSE(set->verify("slashing", VerificationKind::kDrill, "test", {})->succeeded);
  EXPECT_FALSE(set->status().front().verified_at);
}

TEST_F(SqliteBackupTest, WhatCameBackChangedIsFound) {
  const std::string folder = folder_.at("staged");
  fs::create_directories(folder);
  SlashingDatabase database(config_.source.sqlite);
  fill(database);
  ASSERT_TRUE(stage(config_.source, folder, std::chrono::minutes(1), clock_, {}));
  ASSERT_TRUE(examine(folder, true));
  const std::string path = folder + "/" + kInterchangeFile;
  std::string text = TemporaryFolder::read(path);
  text.replace(text.find("\"96\""), 4, "\"64\"");
  std::ofstream(path) << text;
  EXPECT_THAT(examine(folder, true).error().message, HasSubstr("not what was backed up"));
  fs::remove(folder + "/" + kManifestFile);
  EXPECT_THAT(examine(folder, true).error().message, HasSubstr("expected one"));
}

TEST_F(SqliteBackupTest, ARestoreGivesTheInterchangeOnly) {
  config_.source.network.clear();
  SlashingDatabase database(config_.source.sqlite);
  fill(database);
  const auto record = open()->take("slashing", "test", {});
  ASSERT_TRUE(record->succeeded) << record->error;
  EXPECT_THAT(record->note, HasSubstr("lacks genesis_validators_root"));
  const auto without = restore_snapshot(config_, {"latest", folder_.at("a"), ""}, runner_, clock_);
  ASSERT_FALSE(without);
  EXPECT_THAT(without.error().message, HasSubstr("--genesis-validators-root"));
  const std::string root(*genesis_validators_root_of("hoodi"));
  const RestoreOptions options{record->snapshot.id, folder_.at("b"), root};
  const auto plan = plan_restore(config_, options, runner_, clock_);
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_THAT(plan->lines, testing::ElementsAre(HasSubstr("restore  snapshot " + record->snapshot.id.substr(0, 8)),
                                                "into     " + folder_.at("b"), HasSubstr("never restored")));
  EXPECT_THAT(plan->objections, testing::IsEmpty());
  EXPECT_FALSE(fs::exists(folder_.at("b")));
  const auto restored = restore_snapshot(config_, options, runner_, clock_);
  ASSERT_TRUE(restored) << restored.error().message;
  EXPECT_THAT(restored->refused, HasSubstr("never restored as an old file"));
  const auto interchange = Interchange::parse(TemporaryFolder::read(restored->path));
  ASSERT_TRUE(interchange);
  EXPECT_EQ(interchange->genesis_validators_root, root);
  EXPECT_EQ(interchange->watermarks(), *record->watermarks);
  std::vector<std::string> names;
  for (const auto& file : fs::directory_iterator(folder_.at("b"))) names.push_back(file.path().filename().string());
  EXPECT_THAT(names, ::testing::ElementsAre(kInterchangeFile));
  EXPECT_THAT(restore_snapshot(config_, options, runner_, clock_).error().message, HasSubstr("not empty"));
  EXPECT_THAT(plan_restore(config_, options, runner_, clock_)->objections,
              testing::ElementsAre(HasSubstr("not empty")));
  folder_.write("file", "");
  EXPECT_THAT(plan_restore(config_, {"latest", folder_.at("file"), ""}, runner_, clock_)->objections,
              testing::ElementsAre(HasSubstr("file: not a folder")));
  const auto nothing = plan_restore(config_, {"0123abcd", folder_.at("c"), ""}, runner_, clock_);
  ASSERT_FALSE(nothing);
  EXPECT_THAT(nothing.error().message, HasSubstr("0123abcd"));
}

TEST_F(SqliteBackupTest, TheFileOfSlashingProtectionStaysOutOfAnyRestore) {
  SlashingDatabase database(config_.source.sqlite);
  fill(database);
  folder_.write("validators/note", "kept");
  config_.source = {};
  config_.source.paths = {folder_.at("validators")};
  ASSERT_TRUE(open()->take("slashing", "test", {})->succeeded);
  ASSERT_TRUE(restore_snapshot(config_, {"latest", folder_.at("out"), ""}, runner_, clock_));
  EXPECT_EQ(find_files(folder_.at("out"), "note").size(), 1U);
  EXPECT_THAT(plan_restore(config_, {"latest", folder_.at("new"), ""}, runner_, clock_)->lines,
              testing::ElementsAre(HasSubstr(" files and folders, "), HasSubstr("/new"),
                                   "without  slashing_protection.sqlite*"));
  EXPECT_TRUE(find_files(folder_.at("out"), kSlashingDatabaseFile).empty());
}

TEST_F(SqliteBackupTest, KeepsAsManySnapshotsAsItIsTold) {
  config_.keep.last = 2;
  SlashingDatabase database(config_.source.sqlite);
  fill(database);
  const auto set = open();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(set->take("slashing", "test", {})->note, "");
  std::size_t snapshots = 0;
  for (const auto& file : fs::directory_iterator(folder_.at("repository/snapshots"))) snapshots += file.exists();
  EXPECT_EQ(snapshots, 2U);
}

}  // namespace
}  // namespace actions::backup

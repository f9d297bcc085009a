// SPDX-License-Identifier: Apache-2.0
// Backups of clients that have to rest, with the restic that is installed: whatever goes wrong, they run afterwards.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include "actions/backup/chain_folders.h"
#include "client_at_rest.h"
#include "core/time/simulated_clock.h"
#include "test/support/restic_repository.h"

namespace actions::backup {
namespace {

namespace fs = std::filesystem;
using core::process::Command;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class ClientBackupTest : public ::testing::Test {
 protected:
  ClientBackupTest() {
    write_geth(folder_);
    config_.name = "geth";
    config_.source.geth.emplace();
    config_.source.geth->data_dir = folder_.at("geth-data");
    client().service = "geth.service";
    client().require = {"peers"};
    config_.repository = folder_.at("repository");
    test_support::make_restic_repository(folder_.at("repository"));
    config_.password_file.path = folder_.write("password", "correct horse\n");
    commands_.before = [this](Command& command) {
      if (is_copy(command)) states_at_copy_.push_back(unit_.state());
    };
  }
  ClientConfig& client() { return config_.source.geth->client; }
  std::unique_ptr<BackupSet> open() {
    auto set = BackupSet::open({config_}, options_in_folder(),
                               {.commands = commands_,
                                .services = unit_,
                                .gate = gate_,
                                .clock = clock_,
                                .tell = [this](const std::string& text) { told_.push_back(text); }});
    EXPECT_TRUE(set) << set.error().message;
    return std::move(*set);
  }
  BackupSet::Options options_in_folder() const {
    return {folder_.at("backups.db"), folder_.at("stopped.db"), folder_.at("cache"), folder_.at("scratch")};
  }
  Record take(BackupSet& set) {
    auto record = set.take("geth", "test", {});
    EXPECT_TRUE(record) << record.error().message;
    return record.value_or(Record{});
  }
  std::size_t snapshots() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder_.at("repository/snapshots")), {}));
  }

  TemporaryFolder folder_;
  core::SimulatedClock clock_;
  WatchedRunner commands_{clock_};
  UnitInAFile unit_{folder_};
  SettableGate gate_;
  BackupConfig config_;
  std::vector<std::string> states_at_copy_;
  std::vector<std::string> told_;
};

TEST_F(ClientBackupTest, GethIsCopiedWhileItRestsAndRunsAfterwards) {
  const auto set = open();
  const Record record = take(*set);
  ASSERT_TRUE(record.succeeded) << record.error;
  EXPECT_THAT(states_at_copy_, ElementsAre("inactive"));
  EXPECT_EQ(unit_.state(), "active");
  EXPECT_THAT(record.note, HasSubstr("geth.service was stopped for"));
  EXPECT_THAT(set->stopped_clients().status(), IsEmpty());
  EXPECT_EQ(gate_.asked, 2);  // before what is copied ahead, and before the stop
  EXPECT_EQ(gate_.last_trigger, "test");
  EXPECT_EQ(snapshots(), 1U);  // what was copied ahead is gone
  const auto drill = set->verify("geth", VerificationKind::kDrill, "test", {});
  ASSERT_TRUE(drill && drill->succeeded) << drill->error;
  EXPECT_EQ(drill->files, 7U);  // nothing that is the host's own
}

TEST_F(ClientBackupTest, NothingIsStoppedWhileTheGateObjects) {
  gate_.open_for = 0;
  const auto set = open();
  const Record held = take(*set);
  EXPECT_THAT(held.error, HasSubstr("geth.service is not stopped: require peers: unknown: no samples"));
  EXPECT_TRUE(held.held && !held.succeeded);
  EXPECT_EQ(set->stats().failures, 0U);
  EXPECT_TRUE(set->status().front().last_run->held);
  // Nor if it changes its mind while what is ahead is copied.
  gate_.open_for = 2;
  EXPECT_THAT(take(*set).error, HasSubstr("geth.service is not stopped"));
  EXPECT_EQ(unit_.stops, 0);
  EXPECT_THAT(states_at_copy_, IsEmpty());
  EXPECT_THAT(set->stopped_clients().status(), IsEmpty());
  // What that left is no backup, and goes with the next one that is good.
  gate_.open_for = 1000;
  const Record good = take(*set);
  EXPECT_TRUE(good.succeeded && !good.held);
  EXPECT_EQ(snapshots(), 1U);
}

TEST_F(ClientBackupTest, AFailureLastsUntilARunThatIsNotHeld) {
  auto set = open();
  EXPECT_FALSE(set->status().front().last_attempt);
  unit_.stops_as = "failed";
  const Record failed = take(*set);
  ASSERT_FALSE(failed.succeeded || failed.held);
  gate_.open_for = 0;
  ASSERT_TRUE(take(*set).held);
  EXPECT_EQ(set->status().front().last_attempt->id, failed.id);
  set.reset();
  set = open();
  EXPECT_TRUE(set->status().front().last_run->held);
  EXPECT_EQ(set->status().front().last_attempt->id, failed.id);
  // Nor does one that is under way end it.
  gate_.open_for = 1000;
  unit_.stops_as = "inactive";
  commands_.before = [&](Command&) { EXPECT_EQ(set->status().front().last_attempt->id, failed.id); };
  const Record good = take(*set);
  EXPECT_TRUE(good.succeeded);
  EXPECT_EQ(set->status().front().last_attempt->id, good.id);
}

TEST_F(ClientBackupTest, OneThatDoesNotEndCleanlyIsStartedAndNotCopied) {
  unit_.stops_as = "failed";
  const auto set = open();
  EXPECT_THAT(take(*set).error, HasSubstr("geth.service did not end cleanly: failed"));
  EXPECT_EQ(unit_.state(), "active");
  EXPECT_THAT(states_at_copy_, IsEmpty());
}

TEST_F(ClientBackupTest, ResticThatFailsHalfWayDoesNotKeepItDown) {
  const auto set = open();
  commands_.before = [](Command& command) {
    if (is_copy(command)) command.argv = {"sh", "-c", "echo 'Fatal: half-way' >&2; exit 1"};
  };
  EXPECT_THAT(take(*set).error, HasSubstr("half-way"));
  EXPECT_EQ(unit_.state(), "active");
  EXPECT_THAT(set->stopped_clients().status(), IsEmpty());
  // Nor does anything that nobody thought of.
  struct Thrown {};
  commands_.before = [](Command& command) {
    if (is_copy(command)) throw Thrown();
  };
  EXPECT_THROW((void)set->take("geth", "test", {}), Thrown);
  EXPECT_EQ(unit_.state(), "active");
}

TEST_F(ClientBackupTest, AStopRequestEndsTheCopyAndStartsIt) {
  const auto set = open();
  std::stop_source stop;
  commands_.before = [&](Command& command) {
    if (!is_copy(command)) return;
    command.argv = {"sleep", "60"};
    stop.request_stop();
  };
  const auto record = set->take("geth", "test", stop.get_token());
  EXPECT_FALSE(record->succeeded);
  EXPECT_EQ(unit_.state(), "active");
}

TEST_F(ClientBackupTest, OneThatDoesNotStartIsTriedUntilItDoes) {
  unit_.starts_refused = 2;
  const auto set = open();
  const Record record = take(*set);
  EXPECT_TRUE(record.succeeded) << record.error;  // what was copied is good
  EXPECT_THAT(record.note, HasSubstr("geth.service does not start again: geth.service is failed"));
  ASSERT_EQ(set->stopped_clients().status().size(), 1U);
  EXPECT_TRUE(set->stopped_clients().status().front().stopped);
  EXPECT_EQ(set->stopped_clients().start_failures(), 1U);
  EXPECT_THAT(take(*set).error, HasSubstr("an earlier stop is not over"));
  clock_.advance(seconds(4));
  set->look_after_clients({});
  EXPECT_EQ(unit_.starts, 1);  // not due yet
  clock_.advance(seconds(1));
  set->look_after_clients({});
  EXPECT_EQ(unit_.starts, 2);
  clock_.advance(seconds(10));
  set->look_after_clients({});
  EXPECT_EQ(unit_.state(), "active");
  EXPECT_THAT(set->stopped_clients().status(), IsEmpty());
  EXPECT_THAT(told_.back(), HasSubstr("geth.service runs again"));
}

TEST_F(ClientBackupTest, OneThatWasStoppedForTooLongIsStartedAndTheCopyIsNone) {
  client().stopped_max = minutes(10);
  const auto set = open();
  commands_.before = [&](Command& command) {
    if (!is_copy(command)) return;
    EXPECT_LE(command.timeout, minutes(10));
    // restic hangs, and so does who should end it.
    clock_.advance(minutes(10) + seconds(29));
    set->look_after_clients({});
    EXPECT_EQ(unit_.state(), "inactive");
    clock_.advance(seconds(1));
    set->look_after_clients({});
    EXPECT_EQ(unit_.state(), "active");
  };
  EXPECT_THAT(take(*set).error, HasSubstr("stopped_max"));
  EXPECT_EQ(unit_.starts, 1);
  EXPECT_EQ(snapshots(), 0U);  // the copy of a client that ran is nobody's backup
}

TEST_F(ClientBackupTest, OneThatRestsIsCopiedAndLeftAtRest) {
  unit_.set("inactive");
  const auto set = open();
  const Record record = take(*set);
  EXPECT_TRUE(record.succeeded) << record.error;
  EXPECT_THAT(record.note, HasSubstr("geth.service was not running"));
  EXPECT_EQ(unit_.starts, 0);
  commands_.before = [&](Command& command) {
    if (is_copy(command)) unit_.set("active");
  };
  EXPECT_THAT(take(*set).error, HasSubstr("geth.service was started while it was copied"));
}

TEST_F(ClientBackupTest, OneThatIsNoGethIsNotStopped) {
  client().service = "gone.service";
  EXPECT_THAT(take(*open()).error, HasSubstr("gone.service: there is no such unit"));
  client().service = "geth.service";
  unit_.set("activating");
  EXPECT_THAT(take(*open()).error, HasSubstr("geth.service is activating"));
  unit_.set("active");
  test_support::BackgroundProcess validator({"sh", "-c", "sleep 60; :", "lighthouse", "vc", "--network", "mainnet"},
                                            folder_.at("log"));
  unit_.main_pid = validator.pid();
  EXPECT_THAT(take(*open()).error, HasSubstr("geth.service is a validator client"));
  unit_.main_pid = 0;
  unit_.along = {"gone.service", "validator.service"};
  EXPECT_THAT(take(*open()).error, HasSubstr("validator.service would stop with geth.service"));
  EXPECT_EQ(unit_.stops, 0);
}

// The agent is killed while the client is stopped: the next one starts it.
TEST_F(ClientBackupTest, AKilledAgentLeavesNothingStopped) {
  const pid_t child = ::fork();
  if (child == 0) {
    commands_.before = [](Command& command) {
      if (is_copy(command)) ::raise(SIGKILL);
    };
    (void)open()->take("geth", "test", {});
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  ASSERT_EQ(unit_.state(), "inactive");
  // Even if the configuration does not know of it any more.
  config_.name = "another";
  const auto set = open();
  ASSERT_EQ(set->stopped_clients().status().size(), 1U);
  EXPECT_EQ(set->stopped_clients().status().front().backup, "geth");
  set->look_after_clients({});
  EXPECT_EQ(unit_.state(), "active");
  EXPECT_THAT(set->stopped_clients().status(), IsEmpty());
  EXPECT_THAT(open()->stopped_clients().status(), IsEmpty());
}

TEST_F(ClientBackupTest, ProgramsOfTheUsersStopAndStartIt) {
  const std::string pid_file = folder_.at("pid");
  client().service.clear();
  // The runner kills what is left of its programs' process groups: setsid has made one of its own before sh ends.
  client().start = {"sh", "-c",
                    "rm $0; setsid sh -c 'echo $$ > $0; exec sleep 60' $0 >/dev/null 2>&1 &"
                    " until [ -s $0 ]; do sleep 0.01; done",
                    pid_file};
  client().stop = {"sh", "-c", "kill $(cat " + pid_file + ")"};
  client().check = {"sh", "-c", "kill -0 $(cat " + pid_file + ") 2>/dev/null || exit 1"};
  test_support::write_file(pid_file, "999999999");
  EXPECT_THAT(take(*open()).note, HasSubstr("sh was not running"));
  test_support::BackgroundProcess running({"sleep", "60"}, folder_.at("log"));
  test_support::write_file(pid_file, std::to_string(running.pid()));
  const auto set = open();
  commands_.before = [&](Command& command) {
    // Reaped here, as its parent would.
    if (is_copy(command)) {
      EXPECT_TRUE(running.wait(seconds(5)));
    }
    if (command.argv == client().check) (void)running.wait(seconds(1));
  };
  const Record record = take(*set);
  EXPECT_TRUE(record.succeeded) << record.error;
  EXPECT_THAT(record.note, HasSubstr("sh was stopped for"));
  const pid_t started = std::stoi(TemporaryFolder::read(pid_file));
  EXPECT_NE(started, running.pid());
  EXPECT_EQ(::kill(started, SIGKILL), 0);
}

class SnapshotBackupTest : public ClientBackupTest {
 protected:
  SnapshotBackupTest() {
    const std::string root = folder_.at("snapshot");
    client().snapshot.root = root;
    client().snapshot.create = {"sh", "-c", "mkdir -p \"$1$2\" && cp -a \"$2/.\" \"$1$2\"",
                                "sh", root, config_.source.geth->data_dir};
    client().snapshot.release = {"rm", "-rf", root};
    commands_.before = [this](Command& command) {
      if (is_copy(command) || command.argv == client().snapshot.create) states_at_copy_.push_back(unit_.state());
    };
  }
};

TEST_F(SnapshotBackupTest, TheClientRestsOnlyUntilTheSnapshotIsMade) {
  const auto set = open();
  const Record record = take(*set);
  ASSERT_TRUE(record.succeeded) << record.error;
  EXPECT_THAT(states_at_copy_, ElementsAre("inactive", "active"));
  EXPECT_FALSE(fs::exists(folder_.at("snapshot")));
  const auto drill = set->verify("geth", VerificationKind::kDrill, "test", {});
  EXPECT_TRUE(drill && drill->succeeded) << drill->error;
}

TEST_F(SnapshotBackupTest, WithoutAServiceItIsOfTheRunningClient) {
  client().service.clear();
  const Record record = take(*open());
  EXPECT_TRUE(record.succeeded) << record.error;
  EXPECT_THAT(record.note, HasSubstr("as after a power failure"));
  EXPECT_EQ(unit_.stops, 0);
  EXPECT_EQ(gate_.asked, 0);
}

TEST_F(SnapshotBackupTest, ASnapshotThatFailsIsReleasedAndTheClientRuns) {
  client().snapshot.create = {"sh", "-c", "mkdir -p $0; echo 'no room' >&2; exit 5", folder_.at("snapshot")};
  EXPECT_THAT(take(*open()).error, HasSubstr("no room"));
  EXPECT_EQ(unit_.state(), "active");
  EXPECT_FALSE(fs::exists(folder_.at("snapshot")));
}

TEST_F(SnapshotBackupTest, OneThatCannotBeReleasedIsTriedUntilItCan) {
  const std::string flag = folder_.at("may-be-released");
  client().snapshot.release = {"sh", "-c", "test -e \"$0\" && rm -rf \"$1\"", flag, folder_.at("snapshot")};
  auto set = open();
  const Record record = take(*set);
  EXPECT_TRUE(record.succeeded) << record.error;
  EXPECT_THAT(record.note, HasSubstr("the snapshot cannot be released"));
  EXPECT_THAT(take(*set).error, HasSubstr("an earlier stop is not over"));
  EXPECT_EQ(unit_.state(), "active");
  set = open();  // over a restart
  ASSERT_EQ(set->stopped_clients().status().size(), 1U);
  EXPECT_TRUE(set->stopped_clients().status().front().snapshot_held);
  EXPECT_FALSE(set->stopped_clients().status().front().stopped);
  test_support::write_file(flag, "");
  set->look_after_clients({});
  EXPECT_FALSE(fs::exists(folder_.at("snapshot")));
  EXPECT_THAT(set->stopped_clients().status(), IsEmpty());
  EXPECT_EQ(unit_.starts, 1);
}

TEST(ChainFoldersTest, FindsWhatAClientCouldNotOpen) {
  const TemporaryFolder folder;
  write_geth(folder);
  SourceConfig source;
  source.geth.emplace();
  source.geth->data_dir = folder.at("geth-data");
  ASSERT_TRUE(examine_chain_folders(source, ""));
  const auto problem = [&] {
    const auto examined = examine_chain_folders(source, "");
    return examined ? std::string() : examined.error().message;
  };
  const std::string chain = "geth-data/geth/chaindata/";
  folder.write(chain + "ancient/chain/headers.0000.cdat", "abcdefgh");
  EXPECT_THAT(problem(), HasSubstr("8 bytes, and"));
  fs::remove(folder.at(chain + "ancient/chain/headers.0000.cdat"));
  EXPECT_THAT(problem(), HasSubstr("headers.0000.cdat: No such file"));
  folder.write(chain + "ancient/chain/headers.cidx", "12345");
  EXPECT_THAT(problem(), HasSubstr("not the index of a frozen table (5 bytes)"));
  write_geth(folder);
  fs::remove(folder.at(chain + "MANIFEST-000004"));
  EXPECT_THAT(problem(), HasSubstr("manifest MANIFEST-000004 is not there"));
  fs::remove(folder.at(chain + "CURRENT"));
  folder.write(chain + "marker.manifest.000002.MANIFEST-000009", "");
  EXPECT_THAT(problem(), HasSubstr("manifest MANIFEST-000009 is not there"));
  folder.write(chain + "MANIFEST-000009", "x");
  EXPECT_EQ(problem(), "");
  // restic would keep the link, and the ancient data would be missing.
  fs::rename(folder.at(chain + "ancient"), folder.at("elsewhere"));
  fs::create_directory_symlink(folder.at("elsewhere"), folder.at(chain + "ancient"));
  EXPECT_THAT(problem(), HasSubstr("ancient: a symbolic link"));
  source.geth->ancient_dir = folder.at("elsewhere");
  EXPECT_EQ(problem(), "");
  EXPECT_THAT(chain_folders(source, "")->paths, ElementsAre(folder.at("geth-data/geth"), folder.at("elsewhere")));
  source.geth->data_dir = folder.at("other");
  EXPECT_THAT(problem(), HasSubstr("no such folder; data_dir is what Geth has as --datadir"));
}

TEST(ChainFoldersTest, OfABeaconNodeTheHotDatabaseMayStayOut) {
  const TemporaryFolder folder;
  for (const char* const database : {"chain_db", "freezer_db", "blobs_db"}) {
    folder.write(std::string("lh/beacon/") + database + "/CURRENT", "MANIFEST-000001\n");
    folder.write(std::string("lh/beacon/") + database + "/MANIFEST-000001", "x");
  }
  SourceConfig source;
  source.lighthouse_beacon.emplace();
  source.lighthouse_beacon->data_dir = folder.at("lh");
  const std::string beacon = folder.at("lh/beacon");
  auto data = chain_folders(source, "");
  ASSERT_TRUE(data) << data.error().message;
  EXPECT_THAT(data->exclude, ElementsAre(beacon + "/logs", beacon + "/network"));
  EXPECT_TRUE(examine_chain_folders(source, ""));
  source.lighthouse_beacon->hot_db = false;
  data = chain_folders(source, "");
  EXPECT_THAT(data->exclude, ::testing::Contains(beacon + "/chain_db"));
  EXPECT_THAT(data->databases, Not(::testing::Contains(beacon + "/chain_db")));
  fs::remove_all(folder.at("lh/beacon/chain_db"));
  EXPECT_TRUE(examine_chain_folders(source, ""));
  fs::remove_all(folder.at("lh/beacon/freezer_db"));
  EXPECT_THAT(chain_folders(source, "").error().message, HasSubstr("freezer_dir names it if it is elsewhere"));
}

}  // namespace
}  // namespace actions::backup

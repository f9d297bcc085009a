// SPDX-License-Identifier: Apache-2.0
// Backups to real servers - Debian's sshd, an S3 server from npm - and through what goes wrong on the way: a server
// that is gone, errors in the middle, a full disk, a restic that is killed. Whatever happens, what is called a backup
// can be restored, and the next run is good.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>

#include "actions/backup/backup_set.h"
#include "test/support/background_process.h"
#include "test/unit/actions/backup/untouched_seams.h"

namespace actions::backup {
namespace {

namespace fs = std::filesystem;
using core::process::Command;
using std::chrono::minutes;
using std::chrono::seconds;
using test_support::BackgroundProcess;
using ::testing::AnyOf;
using ::testing::HasSubstr;

// Real programs; a test may change what is run.
class ChangingRunner final : public core::process::CommandRunner {
 public:
  explicit ChangingRunner(const core::Clock& clock) : real_(clock) {}
  core::Result<core::process::Exit> run(const Command& command, std::stop_token stop) override {
    Command changed = command;
    if (change && command.argv.size() > 1 && command.argv[1] == "backup") change(changed);
    return real_.run(changed, std::move(stop));
  }
  std::function<void(Command& command)> change;

 private:
  core::process::ChildProcessRunner real_;
};

class RepositoryTest : public ::testing::Test {
 protected:
  RepositoryTest() {
    // Random bytes: what restic cannot make smaller takes its time to go out.
    std::string noise;
    std::uint64_t state = 7;
    for (int i = 0; i < 600'000; ++i) {
      state = state * 6364136223846793005U + 1442695040888963407U;
      noise += static_cast<char>(state >> 56);
    }
    folder_.write("source/noise", noise);
    config_.name = "keys";
    config_.source.paths = {folder_.at("source")};
    config_.repository = folder_.at("repository");
    config_.password_file.path = folder_.write("password", "correct horse\n");
    config_.timeout = minutes(2);
  }
  BackupSet& set() {
    if (set_ == nullptr) {
      auto opened = BackupSet::open({config_}, options_in(folder_), seams_.with(commands_, clock_));
      EXPECT_TRUE(opened) << opened.error().message;
      set_ = std::move(*opened);
    }
    return *set_;
  }
  Record take() {
    auto record = set().take("keys", "test", {});
    EXPECT_TRUE(record) << record.error().message;
    return record.value_or(Record{});
  }
  // A backup, its drill and the check of all bytes.
  void expect_good() {
    const Record record = take();
    ASSERT_TRUE(record.succeeded) << record.error;
    for (const VerificationKind kind : {VerificationKind::kDrill, VerificationKind::kCheck}) {
      const auto verified = set().verify("keys", kind, "test", {});
      ASSERT_TRUE(verified && verified->succeeded) << verified->error;
    }
  }
  void set_timeout(core::Millis timeout) {
    config_.timeout = timeout;
    set().configure({config_});
  }

  TemporaryFolder folder_;
  core::SystemClock clock_;
  ChangingRunner commands_{clock_};
  UntouchedSeams seams_;
  BackupConfig config_;
  std::unique_ptr<BackupSet> set_;
};

TEST_F(RepositoryTest, AResticThatIsKilledLeavesNoBackupAndHindersNone) {
  expect_good();
  folder_.write("source/more", TemporaryFolder::read(folder_.at("source/noise")).substr(1, 500'000) + "x");
  commands_.change = [](Command& command) {
    command.argv.insert(command.argv.begin() + 2, {"--limit-upload", "1"});
    // The shell waits for what it killed: restic takes a process that nobody waited for for a living one.
    command.argv.insert(command.argv.begin(),
                        {"sh", "-c", "\"$@\" & pid=$!; sleep 3; kill -9 $pid; wait $pid; exit 137", "sh"});
  };
  const Record killed = take();
  EXPECT_FALSE(killed.succeeded);
  EXPECT_THAT(killed.error, HasSubstr("exited with 137"));
  EXPECT_EQ(set().status().front().last_success->id + 1, killed.id);
  commands_.change = nullptr;
  expect_good();
}

TEST_F(RepositoryTest, AFullDiskIsAFailureAndNoBackup) {
  const std::string disk = folder_.at("disk");
  fs::create_directories(disk);
  if (::mount("watchkeeper-test", disk.c_str(), "tmpfs", 0, "size=1500k") != 0) {
    GTEST_SKIP() << "a small disk cannot be mounted here: " << std::strerror(errno);
  }
  config_.repository = disk + "/repository";
  expect_good();
  folder_.write("source/more", TemporaryFolder::read(folder_.at("source/noise")).substr(1) + "x");
  folder_.write("source/too-much", TemporaryFolder::read(folder_.at("source/noise")).substr(2) + "y");
  set_timeout(seconds(20));  // restic repeats what failed for a quarter of an hour
  const Record full = take();
  EXPECT_FALSE(full.succeeded);
  EXPECT_THAT(full.error, AnyOf(HasSubstr("no space left"), HasSubstr("timed out")));
  fs::remove(folder_.at("source/more"));
  fs::remove(folder_.at("source/too-much"));
  for (const auto& entry : fs::recursive_directory_iterator(disk)) {
    if (entry.path().filename().string().find("tmp") != std::string::npos) fs::remove(entry.path());
  }
  set_timeout(minutes(2));
  ASSERT_EQ(::mount("watchkeeper-test", disk.c_str(), "tmpfs", MS_REMOUNT, "size=8m"), 0);
  expect_good();
  EXPECT_EQ(::umount2(disk.c_str(), MNT_DETACH), 0);
}

// Debian's sshd with keys of the test's own, for the user that runs the test.
class SftpRepositoryTest : public RepositoryTest {
 protected:
  void SetUp() override {
    if (!fs::exists("/usr/sbin/sshd")) GTEST_SKIP() << "openssh-server is not installed: ./dev test installs it";
    // systemd makes it for ssh.service; sshd of a user that is not root needs none.
    const bool made_it = ::geteuid() != 0 || ::mkdir("/run/sshd", 0755) == 0 || errno == EEXIST;
    ASSERT_TRUE(made_it) << "/run/sshd: " << std::strerror(errno);
    for (const char* const key : {"host-key", "user-key"}) {
      BackgroundProcess made({"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder_.at(key)}, folder_.at("log"));
      ASSERT_EQ(made.wait(seconds(20)), 0) << made.log_text();
    }
    port_ = test_support::free_port();
    test_support::write_file(folder_.at("sshd.conf"),
                             fmt::format("ListenAddress 127.0.0.1\nPort {}\nHostKey {}\nAuthorizedKeysFile {}.pub\n"
                                         "StrictModes no\nUsePAM no\nPasswordAuthentication no\nPidFile none\n"
                                         "Subsystem sftp internal-sftp\n",
                                         port_, folder_.at("host-key"), folder_.at("user-key")));
    test_support::write_file(folder_.at("known"), fmt::format("[127.0.0.1]:{} {}", port_,
                                                              TemporaryFolder::read(folder_.at("host-key.pub"))));
    const std::string user = ::getpwuid(::geteuid())->pw_name;
    config_.repository = fmt::format("sftp:{}@127.0.0.1:{}", user, folder_.at("repository"));
    config_.options["sftp.command"] =
        fmt::format("ssh -F none -i {} -o UserKnownHostsFile={} -o BatchMode=yes -p {} {}@127.0.0.1 -s sftp",
                    folder_.at("user-key"), folder_.at("known"), port_, user);
    start();
  }
  void start() {
    // The path must be whole: sshd runs itself again for each connection. A log of its own, to see that this one
    // listens.
    sshd_ = std::make_unique<BackgroundProcess>(
        std::vector<std::string>{"/usr/sbin/sshd", "-D", "-e", "-f", folder_.at("sshd.conf")},
        folder_.at(fmt::format("sshd-{}.log", ++starts_)));
    ASSERT_TRUE(test_support::eventually(seconds(20), [&] {
      return !sshd_->running() || sshd_->log_text().find("Server listening") != std::string::npos;
    }));
    ASSERT_TRUE(sshd_->running()) << sshd_->log_text();
  }

  int port_ = 0;
  int starts_ = 0;
  std::unique_ptr<BackgroundProcess> sshd_;
};

TEST_F(SftpRepositoryTest, BackupsGoThereAndComeBack) {
  config_.keep.last = 1;
  expect_good();
  expect_good();
  EXPECT_EQ(set().status().front().last_run->note, "");
}

TEST_F(SftpRepositoryTest, AServerThatIsGoneIsNoEmptyRepository) {
  expect_good();
  sshd_.reset();
  const Record gone = take();
  EXPECT_FALSE(gone.succeeded);
  EXPECT_THAT(gone.error, HasSubstr("cannot open the repository"));
  start();
  expect_good();
  // Nor is a disk that is not mounted there.
  fs::rename(folder_.at("repository"), folder_.at("elsewhere"));
  EXPECT_THAT(take().error, HasSubstr("was there and is gone"));
  EXPECT_FALSE(fs::exists(folder_.at("repository")));
}

// s3rver, fetched by npm as its lock file says. By TLS, as any S3 that is worth its name: restic then sends the bytes
// as they are, which is all that this server understands.
class S3RepositoryTest : public RepositoryTest {
 protected:
  void SetUp() override {
    const fs::path home = fs::path(WATCHKEEPER_BINARY_DIR) / "test" / "s3";
    const fs::path server = home / "node_modules" / "s3rver" / "bin" / "s3rver.js";
    if (!fs::exists(server)) {
      fs::create_directories(home);
      for (const char* const file : {"package.json", "package-lock.json"}) {
        fs::copy_file(fs::path(WATCHKEEPER_SOURCE_DIR) / "test/fault/s3" / file, home / file,
                      fs::copy_options::overwrite_existing);
      }
      BackgroundProcess fetched({"npm", "--prefix", home.string(), "ci", "--ignore-scripts", "--no-audit", "--no-fund"},
                                folder_.at("npm.log"));
      if (fetched.wait(minutes(2)) != 0 || !fs::exists(server)) {
        GTEST_SKIP() << "no S3 server: npm could not fetch it (offline?): " << fetched.log_text();
      }
    }
    BackgroundProcess made(
        {"openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", folder_.at("key"), "-out",
         folder_.at("certificate"), "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"},
        folder_.at("openssl.log"));
    ASSERT_EQ(made.wait(seconds(60)), 0) << made.log_text();
    const int port = test_support::free_port();
    server_ = std::make_unique<BackgroundProcess>(
        std::vector<std::string>{"node", server.string(), "--directory", folder_.at("buckets"), "--port",
                                 std::to_string(port), "--address", "127.0.0.1", "--configure-bucket", "backups",
                                 "--key", folder_.at("key"), "--cert", folder_.at("certificate")},
        folder_.at("s3.log"));
    ASSERT_TRUE(test_support::eventually(seconds(60), [&] {
      return !server_->running() || server_->log_text().find("listening") != std::string::npos;
    }));
    ASSERT_TRUE(server_->running()) << server_->log_text();
    config_.repository = fmt::format("s3:https://127.0.0.1:{}/backups", port);
    config_.environment["AWS_ACCESS_KEY_ID"].value = "S3RVER";
    config_.environment["AWS_SECRET_ACCESS_KEY"].value = "S3RVER";
    config_.environment["SSL_CERT_FILE"].value = folder_.at("certificate");
  }

  std::unique_ptr<BackgroundProcess> server_;
};

TEST_F(S3RepositoryTest, BackupsGoThereAndComeBack) {
  config_.keep.last = 1;
  expect_good();
  config_.environment["AWS_ACCESS_KEY_ID"].value = "another";
  set().configure({config_});
  EXPECT_THAT(take().error, AnyOf(HasSubstr("ccess Key"), HasSubstr("ccess key")));
}

TEST_F(S3RepositoryTest, ErrorsOfTheServerAreAFailureAndNoBackup) {
  expect_good();
  // What is put there now is answered with 500, after the configuration could be read.
  fs::rename(folder_.at("buckets/backups/data"), folder_.at("buckets/backups/moved"));
  test_support::write_file(folder_.at("buckets/backups/data"), "not a folder");
  folder_.write("source/more", "more");
  set_timeout(seconds(20));  // restic repeats what failed for a quarter of an hour
  const Record failed = take();
  EXPECT_FALSE(failed.succeeded);
  EXPECT_THAT(server_->log_text(), HasSubstr(" 500 "));
  EXPECT_EQ(set().status().front().last_success->id + 1, failed.id);
  fs::remove(folder_.at("buckets/backups/data"));
  fs::rename(folder_.at("buckets/backups/moved"), folder_.at("buckets/backups/data"));
  set_timeout(minutes(2));
  expect_good();
}

}  // namespace
}  // namespace actions::backup

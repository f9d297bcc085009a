// SPDX-License-Identifier: Apache-2.0
// Snapshots of Vault's raft storage: asked of a cluster that refuses what the real one refuses, put away and tried with
// the restic that is installed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <zlib.h>

#include <atomic>
#include <thread>

#include "actions/backup/backup_set.h"
#include "actions/backup/raft_archive.h"
#include "actions/backup/scratch.h"
#include "raft_snapshot.h"
#include "test/support/restic_repository.h"
#include "untouched_seams.h"

namespace actions::backup {
namespace {

namespace fs = std::filesystem;
using core::Errc;
using ::testing::HasSubstr;

constexpr const char* kToken = "hvs.made-up";

std::string gunzip(const std::string& bytes, std::size_t size) {
  z_stream stream{};
  EXPECT_EQ(inflateInit2(&stream, 15 + 16), Z_OK);
  std::string out(size + 1, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  inflateEnd(&stream);
  return out;
}

// One node of a Vault cluster.
class VaultNode {
 public:
  VaultNode() {
    server_.Get("/v1/sys/leader", [this](const httplib::Request&, httplib::Response& response) {
      if (sealed) return refuse(response, 503, "Vault is sealed");
      response.set_content(fmt::format(R"({{"ha_enabled":true,"is_self":{},"leader_address":"https://10.0.0.7:8200"}})",
                                       active ? "true" : "false"),
                           "application/json");
    });
    server_.Get("/v1/sys/storage/raft/snapshot", [this](const httplib::Request& request, httplib::Response& response) {
      ++asked;
      if (request.get_header_value("X-Vault-Token") != kToken) return refuse(response, 403, "permission denied");
      response.set_content_provider("application/gzip", [this](std::size_t offset, httplib::DataSink& sink) {
        if (hangs) {
          while (!ended) std::this_thread::yield();
          return false;
        }
        const std::string whole = snapshot.substr(0, cut);
        sink.write(whole.data() + offset, whole.size() - offset);
        sink.done();
        return true;
      });
    });
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::yield();
  }
  ~VaultNode() {
    ended = true;
    server_.stop();
    thread_.join();
  }
  std::string url() const { return fmt::format("http://127.0.0.1:{}", port_); }

  std::atomic<bool> active{true};
  std::atomic<bool> sealed{false};
  std::atomic<bool> hangs{false};
  std::atomic<bool> ended{false};
  std::atomic<int> asked{0};
  std::string snapshot;
  std::size_t cut = std::string::npos;

 private:
  static void refuse(httplib::Response& response, int status, const char* why) {
    response.status = status;
    response.set_content(fmt::format(R"({{"errors":["{}"]}})", why), "application/json");
  }

  httplib::Server server_;
  int port_ = 0;
  std::thread thread_;
};

class VaultRaftTest : public ::testing::Test {
 protected:
  VaultRaftTest() {
    node_.snapshot = gzip(RaftSnapshot().tar(folder_));
    vault_.urls = {node_.url()};
    vault_.token_file.path = folder_.write("token", std::string(kToken) + "\n");
  }
  core::Result<RaftArchive> fetch(std::stop_token stop = {}) {
    return fetch_raft_snapshot(vault_, folder_.at("fetched.snap"), std::chrono::seconds(30), clock_, stop);
  }
  std::string error() {
    const auto fetched = fetch();
    return fetched ? "none" : fetched.error().message;
  }

  core::SystemClock clock_;
  TemporaryFolder folder_;
  VaultNode node_;
  VaultRaftConfig vault_;
};

TEST_F(VaultRaftTest, TheActiveNodeIsAsked) {
  VaultNode standby;
  standby.active = false;
  vault_.urls = {standby.url() + "/", node_.url()};
  const auto fetched = fetch();
  ASSERT_TRUE(fetched) << fetched.error().message;
  EXPECT_EQ(fetched->index, 4711U);
  EXPECT_EQ(fetched->term, 3U);
  EXPECT_EQ(fetched->state_bytes, 700'003U);
  EXPECT_EQ(standby.asked, 0);
  EXPECT_EQ(TemporaryFolder::read(folder_.at("fetched.snap")), node_.snapshot);
  EXPECT_EQ(fs::status(folder_.at("fetched.snap")).permissions(), fs::perms::owner_read | fs::perms::owner_write);
}

TEST_F(VaultRaftTest, WithoutAnActiveNodeEachSaysWhy) {
  VaultNode sealed;
  sealed.sealed = true;
  node_.active = false;
  vault_.urls = {node_.url(), sealed.url(), "http://127.0.0.1:1"};
  const auto fetched = fetch();
  ASSERT_FALSE(fetched);
  EXPECT_EQ(fetched.error().code, Errc::kUnavailable);
  EXPECT_THAT(fetched.error().message,
              HasSubstr(node_.url() + ": a standby; the active node is https://10.0.0.7:8200"));
  EXPECT_THAT(fetched.error().message, HasSubstr(sealed.url() + ": HTTP status 503: Vault is sealed"));
  EXPECT_THAT(fetched.error().message, HasSubstr("127.0.0.1:1"));
  EXPECT_EQ(node_.asked, 0);
}

TEST_F(VaultRaftTest, WhatVaultRefusesIsTold) {
  folder_.write("token", "hvs.another");
  EXPECT_THAT(error(), HasSubstr("HTTP status 403: permission denied"));
  folder_.write("token", " \n");
  EXPECT_THAT(error(), HasSubstr("holds no token"));
}

TEST_F(VaultRaftTest, ATransferThatEndsTooSoonIsNoSnapshot) {
  node_.cut = node_.snapshot.size() / 2;
  EXPECT_THAT(error(), HasSubstr("cut short"));
}

TEST_F(VaultRaftTest, EndsWhenAskedTo) {
  node_.hangs = true;
  std::stop_source stop;
  std::thread stopper([&] {
    while (node_.asked == 0) std::this_thread::yield();
    stop.request_stop();
  });
  const auto fetched = fetch(stop.get_token());
  stopper.join();
  ASSERT_FALSE(fetched);
  EXPECT_EQ(fetched.error().code, Errc::kCancelled);
}

TEST_F(VaultRaftTest, AFullDiskIsAnError) {
  const auto fetched = fetch_raft_snapshot(vault_, "/dev/full", std::chrono::seconds(30), clock_, {});
  ASSERT_FALSE(fetched);
  EXPECT_THAT(fetched.error().message, HasSubstr("/dev/full: No space left on device"));
}

TEST_F(VaultRaftTest, IsPutAwayAndTried) {
  BackupConfig config;
  config.name = "vault";
  config.source.vault_raft = vault_;
  config.repository = folder_.at("repository");
  test_support::make_restic_repository(folder_.at("repository"));
  config.password_file.path = folder_.write("password", "correct horse\n");
  core::process::ChildProcessRunner runner(clock_);
  UntouchedSeams seams;
  const auto set = BackupSet::open({config}, options_in(folder_), seams.with(runner, clock_));
  ASSERT_TRUE(set) << set.error().message;
  const auto record = (*set)->take("vault", "test", {});
  ASSERT_TRUE(record && record->succeeded) << record->error;
  EXPECT_EQ(record->note, "raft index 4711, term 3");
  const auto drill = (*set)->verify("vault", VerificationKind::kDrill, "test", {});
  ASSERT_TRUE(drill && drill->succeeded) << drill->error;
  EXPECT_EQ(drill->files, 2U);
  const auto restored = restore_snapshot(config, {"latest", folder_.at("back"), ""}, runner, clock_);
  ASSERT_TRUE(restored) << restored.error().message;
  EXPECT_EQ(TemporaryFolder::read(folder_.at("back") + "/vault_raft.snap"), node_.snapshot);
  // One that Vault could not restore is not put away at all.
  node_.snapshot = gzip(RaftSnapshot{.sealed = false}.tar(folder_));
  const auto bad = (*set)->take("vault", "test", {});
  ASSERT_TRUE(bad && !bad->succeeded);
  EXPECT_THAT(bad->error, HasSubstr("it has no SHA256SUMS.sealed"));
}

class RaftArchiveTest : public ::testing::Test {
 protected:
  std::string error(const std::string& bytes) {
    const auto read = read_raft_archive(folder_.write("snap", bytes));
    return read ? "none" : read.error().message;
  }
  TemporaryFolder folder_;
};

TEST_F(RaftArchiveTest, WhatIsDamagedIsFound) {
  const std::string good = RaftSnapshot().tar(folder_);
  EXPECT_EQ(error(gzip(good)), "none");
  RaftSnapshot other;
  other.sums = other.sums_of(folder_);
  other.state[3] = 'x';
  EXPECT_THAT(error(gzip(other.tar(folder_))), HasSubstr("state.bin is damaged"));
  const std::string sums = RaftSnapshot().sums_of(folder_);
  EXPECT_THAT(error(gzip(RaftSnapshot{.sums = sums + std::string(64, '0') + "  more.bin\n"}.tar(folder_))),
              HasSubstr("lacks more.bin"));
  EXPECT_THAT(error(gzip(RaftSnapshot{.sums = sums.substr(0, sums.find('\n') + 1)}.tar(folder_))),
              HasSubstr("does not list state.bin"));
  EXPECT_THAT(error(gzip(RaftSnapshot{.sums = "nonsense\n"}.tar(folder_))), HasSubstr("has a line \"nonsense\""));
  EXPECT_THAT(error(gzip(RaftSnapshot{.sealed = false}.tar(folder_))), HasSubstr("has no SHA256SUMS.sealed"));
  EXPECT_THAT(error(gzip(RaftSnapshot{.meta = "{}"}.tar(folder_))), HasSubstr("no Index and Term"));
  EXPECT_THAT(error(gzip(member("state.bin", "a") + good)), HasSubstr("state.bin twice"));
  EXPECT_THAT(error(gzip(member("meta.json", "", '2') + good)), HasSubstr("not a file"));
  EXPECT_THAT(error(gzip(member("meta.json", std::string(100'000, 'm')) + good)), HasSubstr("at most"));
  EXPECT_THAT(error(gzip(std::string(512, 'x') + good)), HasSubstr("no sound tar"));
  EXPECT_THAT(error(gzip(good.substr(0, good.size() - 1024))), HasSubstr("has no end"));
  EXPECT_THAT(error(gzip(good.substr(0, 5000))), HasSubstr("cut short inside state.bin"));
  EXPECT_THAT(error(good), HasSubstr("not compressed"));
  EXPECT_THAT(error(""), HasSubstr("not compressed"));
  EXPECT_THAT(read_raft_archive(folder_.at("nowhere")).error().message, HasSubstr("cannot be read"));
}

TEST_F(RaftArchiveTest, WhatIsCutOrTurnedAnywhereIsFound) {
  const std::string archive = RaftSnapshot{.state = std::string(2000, 'q')}.tar(folder_);
  const std::string whole = gzip(archive);
  for (std::size_t size = 0; size < whole.size(); size += 7) EXPECT_NE(error(whole.substr(0, size)), "none") << size;
  for (std::size_t at = 10; at < whole.size(); ++at) {
    std::string turned = whole;
    turned[at] = static_cast<char>(turned[at] ^ 0x20);
    // Where the same bytes come out, as from another place with as many zeros, there is nothing to find.
    if (error(turned) != "none") continue;
    EXPECT_EQ(gunzip(turned, archive.size()), archive) << at << " of " << whole.size();
  }
}

}  // namespace
}  // namespace actions::backup

// SPDX-License-Identifier: Apache-2.0
// Steps of kind vault against three nodes that refuse what Vault's refuse.
#include "actions/remedy/vault_step_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <mutex>

#include "actions/remedy/step.h"
#include "core/time/duration.h"
#include "step_world.h"
#include "test/support/background_process.h"
#include "test/unit/actions/backup/raft_snapshot.h"
#include "test/unit/core/net/client_fixture.h"

namespace actions::remedy {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr const char* kToken = "hvs.made-up";

// A node's place in the cluster: its server, and what sys/health says of it.
class FakeVaults {
 public:
  FakeVaults() {
    for (int i = 0; i < 3; ++i) {
      auto& node = nodes_[static_cast<std::size_t>(i)];
      node->Get("/v1/sys/leader", [this, i](const httplib::Request& request, httplib::Response& response) {
        leader(i, request, response);
      });
      node->Get("/v1/sys/health",
                [this, i](const httplib::Request&, httplib::Response& response) { health(i, response); });
      node->Put("/v1/sys/step-down", [this, i](const httplib::Request& request, httplib::Response& response) {
        step_down(i, request, response);
      });
      node->Get("/v1/sys/storage/raft/snapshot",
                [this, i](const httplib::Request& request, httplib::Response& response) {
                  give_snapshot(i, request, response);
                });
      node.start();
    }
  }

  std::vector<std::string> urls() const { return {nodes_[0].url(""), nodes_[1].url(""), nodes_[2].url("")}; }

  std::mutex mutex;
  int active = 0;         // -1: none just now
  int next = 1;           // who takes over
  int looks_without = 3;  // before it does
  std::string since = "2020-01-01T00:00:00.123456789Z";
  std::array<int, 3> health_of{200, 429, 429};
  bool lies = false;  // says 204 and stays
  bool loses_answer = false;
  std::string wanted_namespace;
  std::string snapshot;  // as it goes over the wire
  int step_downs = 0;
  std::vector<std::string> violations;

 private:
  void leader(int node, const httplib::Request& request, httplib::Response& response) {
    const std::lock_guard lock(mutex);
    // It needs no token, and one that is sent to it is a token that is shown to a node without need.
    if (request.has_header("X-Vault-Token")) violations.push_back("a token for sys/leader");
    if (active < 0 && --looks_without <= 0) {
      active = next;
      since = core::format_rfc3339(clock_.wall_now() + std::chrono::minutes(1));
    }
    response.set_content(std::string("{\"ha_enabled\":true,\"is_self\":") + (active == node ? "true" : "false") +
                             ",\"active_time\":\"" + (active == node ? since : "0001-01-01T00:00:00Z") + "\"}",
                         "application/json");
  }
  void health(int node, httplib::Response& response) {
    const std::lock_guard lock(mutex);
    response.status = health_of[static_cast<std::size_t>(node)];
    response.set_content("{}", "application/json");
  }
  void step_down(int node, const httplib::Request& request, httplib::Response& response) {
    const std::lock_guard lock(mutex);
    if (node != active) violations.push_back("a standby is asked to step down");
    if (request.get_header_value("X-Vault-Namespace") != wanted_namespace) violations.push_back("namespace");
    if (request.get_header_value("X-Vault-Token") != kToken) {
      response.status = 403;
      return response.set_content("{\"errors\":[\"permission denied\"]}", "application/json");
    }
    ++step_downs;
    if (!lies) active = -1;
    response.status = loses_answer ? 500 : 204;
  }

  void give_snapshot(int node, const httplib::Request& request, httplib::Response& response) {
    const std::lock_guard lock(mutex);
    // A standby would send the client to the active node, and the token with it.
    if (node != active) violations.push_back("a standby is asked for a snapshot");
    if (request.get_header_value("X-Vault-Token") != kToken) {
      response.status = 403;
      return response.set_content("{\"errors\":[\"permission denied\"]}", "application/json");
    }
    response.set_content(snapshot, "application/gzip");
  }

  core::SystemClock clock_;
  std::array<core::net::LocalServer<httplib::Server>, 3> nodes_;
};

class VaultStepTest : public ::testing::Test {
 protected:
  VaultStepTest() { test_support::write_file(folder / "token", std::string(kToken) + "\n"); }
  ~VaultStepTest() override { EXPECT_THAT(vaults.violations, IsEmpty()); }

  VaultStep step(milliseconds timeout = milliseconds(5000)) {
    VaultStep made;
    made.timeout = timeout;
    made.cluster.urls = vaults.urls();
    made.cluster.token_file.path = (folder / "token").string();
    return made;
  }
  StepFinished run(const VaultStep& made) {
    StepFinished finished = VaultStepRun(world.around, made, world.task()).carry_out();
    EXPECT_THAT(finished.result, Not(HasSubstr(kToken)));
    return finished;
  }
  StepSeen look() {
    const VaultStep made = step(milliseconds(100));
    return VaultStepRun(world.around, made, world.task()).look();
  }

  std::filesystem::path folder = test_support::fresh_folder(
      std::string("vault_step_") + testing::UnitTest::GetInstance()->current_test_info()->name());
  FakeVaults vaults;
  StepWorld world{[](const char*) { return std::string(); }};
};

TEST_F(VaultStepTest, AnotherNodeIsActiveAfterwards) {
  EXPECT_EQ(look().happened, Verdict::kNo);
  VaultStep made = step();
  made.name_space = vaults.wanted_namespace = "admin";
  const StepFinished finished = run(made);
  EXPECT_EQ(finished.outcome, Outcome::kSucceeded) << finished.result;
  EXPECT_EQ(finished.result, vaults.urls()[1] + " is the active node since then");
  EXPECT_EQ(vaults.step_downs, 1);
  const StepSeen seen = look();
  EXPECT_EQ(seen.happened, Verdict::kYes) << seen.why;
}

TEST_F(VaultStepTest, OneThatTakesOverAgainHasSteppedDownToo) {
  vaults.next = 0;
  vaults.loses_answer = true;
  const StepFinished finished = run(step());
  EXPECT_EQ(finished.outcome, Outcome::kSucceeded) << finished.result;
  EXPECT_EQ(vaults.step_downs, 1);
}

TEST_F(VaultStepTest, AnOkThatDoesNothingIsFoundOut) {
  vaults.lies = true;
  const StepFinished finished = run(step(milliseconds(60)));
  EXPECT_EQ(finished.outcome, Outcome::kFailed);
  EXPECT_THAT(finished.result, HasSubstr("not so by the timeout: " + vaults.urls()[0] + " is the active node"));
}

TEST_F(VaultStepTest, WithoutAStandbyNobodyStepsDown) {
  vaults.health_of = {200, 503, 472};  // sealed; a standby for disaster recovery takes over nothing
  const StepFinished finished = run(step());
  EXPECT_EQ(finished.outcome, Outcome::kFailed);
  EXPECT_THAT(finished.result, HasSubstr("no other node could take over"));
  EXPECT_EQ(vaults.step_downs, 0);
  vaults.health_of = {200, 503, 473};
  vaults.next = 2;
  EXPECT_EQ(run(step()).outcome, Outcome::kSucceeded);
}

TEST_F(VaultStepTest, WhatVaultRefusesIsTold) {
  test_support::write_file(folder / "token", "hvs.other");
  const StepFinished finished = run(step());
  EXPECT_THAT(finished.result, HasSubstr("step-down: HTTP status 403: permission denied"));
  vaults.active = -1;
  vaults.looks_without = 1'000'000;
  EXPECT_THAT(run(step()).result, HasSubstr("no node of the Vault is active"));
  EXPECT_EQ(look().happened, Verdict::kUnknown);
}

TEST_F(VaultStepTest, ASnapshotIsThereWhenItIsWhole) {
  const backup::TemporaryFolder away;
  VaultStep made = step();
  made.action = VaultAction::kRaftSnapshot;
  made.file = away.at("vault.snap");
  vaults.active = 1;
  vaults.snapshot = backup::gzip(backup::RaftSnapshot().tar(away));
  const StepFinished finished = run(made);
  EXPECT_EQ(finished.outcome, Outcome::kSucceeded) << finished.result;
  EXPECT_THAT(finished.result, HasSubstr("vault.snap: index 4711, term 3, 700003 bytes of state"));
  EXPECT_EQ(backup::TemporaryFolder::read(made.file), vaults.snapshot);
  EXPECT_EQ(std::filesystem::status(made.file).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  EXPECT_FALSE(std::filesystem::exists(made.file + ".partial"));
}

TEST_F(VaultStepTest, OneThatIsNotWholeLeavesTheFormerOneAlone) {
  const backup::TemporaryFolder away;
  VaultStep made = step();
  made.action = VaultAction::kRaftSnapshot;
  made.file = away.write("vault.snap", "the former one");
  backup::RaftSnapshot wrong;
  wrong.sums = wrong.sums_of(away);
  wrong.state[7] = 'x';
  const std::pair<std::string, const char*> cases[] = {
      {backup::gzip(wrong.tar(away)), "state.bin"},
      {backup::gzip(backup::RaftSnapshot().tar(away)).substr(0, 300), "cut short or damaged"},
      {"<html>", "not compressed"},
  };
  for (const auto& [sent, expected] : cases) {
    vaults.snapshot = sent;
    const StepFinished finished = run(made);
    EXPECT_EQ(finished.outcome, Outcome::kFailed);
    EXPECT_THAT(finished.result, HasSubstr(expected));
  }
  test_support::write_file(folder / "token", "hvs.other");
  EXPECT_THAT(run(made).result, HasSubstr("permission denied"));
  EXPECT_EQ(backup::TemporaryFolder::read(made.file), "the former one");
  EXPECT_FALSE(std::filesystem::exists(made.file + ".partial"));
}

TEST(VaultStep, RefusesWhatMakesNoSense) {
  const std::pair<const char*, const char*> cases[] = {
      {"{action: step-down, token_file: t}", "missing key \"urls\""},
      {"{action: raft-snapshot, urls: ['http://v'], token_file: t}", "raft-snapshot, and nothing else, needs file"},
      {"{action: step-down, urls: ['http://v'], token_file: t, file: /x}", "and nothing else, needs file"},
      {"{action: raft-snapshot, urls: ['http://v'], token_file: t, file: /a/../b}", "the absolute path of a file"},
      {"{action: raft-snapshot, urls: ['http://v'], token_file: t, file: '/a/{{ .Value }}'}", "labels only"},
  };
  for (const auto& [yaml, expected] : cases) {
    const auto root = core::config::Node::parse(std::string("vault: ") + yaml, "w.yml");
    ASSERT_TRUE(root) << yaml;
    const auto step = core::config::Codec<Step>::read(*root);
    ASSERT_FALSE(step) << yaml;
    EXPECT_THAT(step.error().message, HasSubstr(expected)) << yaml;
  }
  VaultStep step;
  EXPECT_EQ(step.repeat(), Repeat::kVerifiable);
  step.action = VaultAction::kRaftSnapshot;
  EXPECT_EQ(step.repeat(), Repeat::kIdempotent);
  step.file = "/backup/{{ .Labels.instance }}.snap";
  const Step templated{step, {}};
  EXPECT_TRUE(render(templated, core::ring::Labels({{"instance", "a"}})));
  EXPECT_FALSE(render(templated, core::ring::Labels({{"instance", "../../etc/x"}})));
}

}  // namespace
}  // namespace actions::remedy

// SPDX-License-Identifier: Apache-2.0
// A node is stopped for its backup and the agent is killed before it starts it again: the next agent does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "test/e2e/agent_process.h"

namespace e2e {
namespace {

namespace fs = std::filesystem;
using test_support::eventually;
using test_support::write_file;

class ClientStopKill : public testing::Test {
 protected:
  void SetUp() override {
    work_ = test_support::fresh_folder("client-stop-kill");
    const fs::path chain = work_ / "data-dir" / "geth" / "chaindata";
    fs::create_directories(chain / "ancient" / "chain");
    write_file(chain / "CURRENT", "MANIFEST-000001\n");
    write_file(chain / "MANIFEST-000001", "x");
    write_file(chain / "ancient" / "chain" / "headers.cidx", std::string(6, '\0'));
    write_file(work_ / "password", "correct horse\n");
    fs::permissions(work_ / "password", fs::perms::owner_read | fs::perms::owner_write);
    const std::string work = work_.string();
    write_file(
        work_ / "node.sh",
        "#!/bin/sh\npid=$(cat " + work +
            "/pid 2>/dev/null)\nruns() { [ -n \"$pid\" ] && kill -0 \"$pid\" 2>/dev/null; }\n"
            "case $1 in\ncheck) runs || exit 1 ;;\nstop) runs && kill \"$pid\"; while runs; do sleep 0.1; done ;;\n"
            "start) runs && exit 0; setsid sh -c 'while [ -e " +
            work +
            "/node.sh ]; do sleep 0.2; done' >/dev/null 2>&1 &\n"
            "  echo $! >" +
            work + "/pid ;;\nesac\n");
    fs::permissions(work_ / "node.sh", fs::perms::owner_all);
    ASSERT_TRUE(node("start"));
    const std::string program = work + "/node.sh";
    write_file(work_ / "watchkeeper.yml",
               "ring: {size: 4MiB}\nbackups:\n- name: geth\n  repository: " + work + "/restic\n  password_file: " +
                   work + "/password\n  source:\n    geth:\n      data_dir: " + work + "/data-dir\n      start: [" +
                   program + ", start]\n      stop: [" + program + ", stop]\n      check: [" + program +
                   ", check]\n      copy_ahead: false\n      require: ['vector(1) == 1']\n");
    agent_ = std::make_unique<AgentProcess>(work_ / "watchkeeper.yml", work_ / "data");
    ASSERT_TRUE(agent_->ready()) << agent_->process().log_text();
  }
  void TearDown() override { EXPECT_TRUE(node("stop")); }

  bool node(const std::string& verb) const {
    test_support::BackgroundProcess program({(work_ / "node.sh").string(), verb}, work_ / "node.log");
    return program.wait(seconds(10)) == 0;
  }
  bool ask() const {
    return test_support::http_post(agent_->port(), "/api/watchkeeper/v1/backups/geth/run", R"({"who":"test"})")
               .status == 200;
  }
  json backup() const {
    const auto answer = test_support::http_get(agent_->port(), "/api/watchkeeper/v1/backups");
    const json parsed = json::parse(answer.body, nullptr, false);
    return parsed.is_discarded() ? json() : parsed.value("/data/backups/0"_json_pointer, json());
  }

  fs::path work_;
  std::unique_ptr<AgentProcess> agent_;
};

TEST_F(ClientStopKill, TheNextAgentStartsWhatTheKilledOneStopped) {
  ASSERT_TRUE(ask());
  ASSERT_TRUE(eventually(seconds(60), [&] { return !node("check"); })) << backup().dump(1);
  agent_->process().signal(SIGKILL);
  ASSERT_EQ(agent_->process().wait(seconds(5)), 128 + SIGKILL);
  ASSERT_FALSE(node("check")) << "the backup was over before the agent was killed";
  agent_->start();
  EXPECT_TRUE(eventually(seconds(30), [&] { return node("check"); })) << agent_->process().log_text();
  ASSERT_TRUE(agent_->ready());
  EXPECT_TRUE(eventually(seconds(20), [&] {
    return agent_->process().log_text().find("runs again") != std::string::npos;
  })) << agent_->process().log_text();
  EXPECT_THAT(backup().value("/lastRun/error"_json_pointer, std::string()), testing::HasSubstr("interrupted"));
  // And the next backup is good.
  ASSERT_TRUE(ask());
  EXPECT_TRUE(eventually(seconds(60), [&] { return backup().value("/lastSuccess"_json_pointer, json()).is_object(); }))
      << backup().dump(1);
  EXPECT_TRUE(node("check"));
}

}  // namespace
}  // namespace e2e

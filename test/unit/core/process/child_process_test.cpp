// SPDX-License-Identifier: Apache-2.0
#include "core/process/child_process.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <string>
#include <thread>

namespace core::process {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ContainsRegex;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class ChildProcessTest : public ::testing::Test {
 protected:
  Exit run(const Command& command, std::stop_token stop = {}) {
    Result<Exit> exit = runner_.run(command, stop);
    EXPECT_TRUE(exit) << exit.error().message;
    return exit.value_or(Exit{});
  }
  Exit script(std::string text, Duration timeout = seconds(20)) {
    Command command;
    command.argv = {"/bin/sh", "-c", std::move(text)};
    command.timeout = timeout;
    command.grace = milliseconds(100);
    return run(command);
  }

  SystemClock clock_;
  ChildProcessRunner runner_{clock_};
};

TEST_F(ChildProcessTest, ReturnsOutputErrorsAndStatus) {
  Command command;
  command.argv = {"echo", "a b", "$HOME;`id`", ""};
  const Exit echo = run(command);
  EXPECT_EQ(echo.output, "a b $HOME;`id` \n");  // nothing was expanded: there is no shell
  EXPECT_TRUE(echo.succeeded());
  EXPECT_EQ(echo.to_string(), "exited with 0");

  const Exit failed = script("echo out; echo err >&2; exit 3");
  EXPECT_EQ(failed.status, 3);
  EXPECT_EQ(failed.output, "out\n");
  EXPECT_EQ(failed.errors, "err\n");
  EXPECT_FALSE(failed.succeeded());
  EXPECT_EQ(failed.to_string(), "exited with 3");
}

TEST_F(ChildProcessTest, ReportsTheSignalThatEndedIt) {
  const Exit killed = script("kill -9 $$");
  EXPECT_EQ(killed.signal, SIGKILL);
  EXPECT_FALSE(killed.status);
  EXPECT_EQ(killed.to_string(), "killed by signal 9 (Killed)");
}

TEST_F(ChildProcessTest, TellsAMissingProgramFromOneThatCannotStart) {
  Command command;
  for (const char* missing : {"no-such-program-of-ours", "/no/such/program", ""}) {
    command.argv = {missing};
    const Result<Exit> exit = runner_.run(command);
    ASSERT_FALSE(exit);
    EXPECT_EQ(exit.error().code, Errc::kNotFound) << missing;
  }
  command.argv = {"/etc/passwd"};
  const Result<Exit> exit = runner_.run(command);
  ASSERT_FALSE(exit);
  EXPECT_EQ(exit.error().code, Errc::kFailed);
  EXPECT_THAT(exit.error().message, HasSubstr("Permission denied"));
  command.argv = {"/bin/echo", std::string("a\0b", 3)};
  EXPECT_EQ(runner_.run(command).error().code, Errc::kInvalid);
}

TEST_F(ChildProcessTest, GivesItsInputAndSurvivesAProgramThatDoesNotReadIt) {
  Command command;
  command.argv = {"wc", "-c"};
  command.input = std::string(1 << 20, 'x');
  EXPECT_EQ(run(command).output, "1048576\n");
  command.argv = {"true"};  // the pipe breaks: SIGPIPE must not reach us
  EXPECT_TRUE(run(command).succeeded());
  command.argv = {"cat"};
  command.input.clear();
  EXPECT_EQ(run(command).output, "");  // /dev/null, not our terminal
}

TEST_F(ChildProcessTest, HasOnlyItsOwnEnvironmentAndDescriptors) {
  ::setenv("WATCHKEEPER_TEST_SECRET", "hunter2", 1);
  const int leak = ::open("/dev/null", O_RDONLY);  // without O_CLOEXEC, as a library might
  ASSERT_GE(leak, 3);
  Command command;
  command.argv = {"/bin/sh", "-c", "env; pwd; ls /proc/self/fd | wc -l"};
  command.environment = {{"GIVEN", "yes"}, {"LANG", "C"}};
  command.working_directory = "/proc";
  const Exit exit = run(command);
  EXPECT_THAT(exit.output, Not(HasSubstr("hunter2")));
  EXPECT_THAT(exit.output, HasSubstr("GIVEN=yes\n"));
  EXPECT_THAT(exit.output, HasSubstr("LANG=C\n"));
  EXPECT_THAT(exit.output, HasSubstr("PATH=/"));
  EXPECT_THAT(exit.output, EndsWith("/proc\n4\n"));  // 0, 1, 2 and the folder ls itself reads
  ::close(leak);
  ::unsetenv("WATCHKEEPER_TEST_SECRET");
}

TEST_F(ChildProcessTest, EndsItAtItsTimeout) {
  Command command;
  command.argv = {"sleep", "1000"};
  command.timeout = milliseconds(50);
  const Exit exit = run(command);
  EXPECT_TRUE(exit.timed_out);
  EXPECT_FALSE(exit.succeeded());
  EXPECT_EQ(exit.signal, SIGTERM);
  EXPECT_EQ(exit.to_string(), "timed out after 50ms");
  EXPECT_LT(exit.took, seconds(5));
}

TEST_F(ChildProcessTest, AnEndInTheGraceTimeIsStillATimeout) {
  const Exit exit = script("trap 'exit 0' TERM; echo ready; while :; do sleep 0.01; done", milliseconds(300));
  EXPECT_EQ(exit.status, 0);
  EXPECT_TRUE(exit.timed_out);
  EXPECT_FALSE(exit.succeeded());
}

// True if no process of that id runs; a zombie that nobody has reaped yet does not run.
bool is_gone(pid_t pid) {
  const std::string path = "/proc/" + std::to_string(pid) + "/stat";
  std::FILE* file = std::fopen(path.c_str(), "r");
  if (file == nullptr) return true;
  int id = 0;
  char state = 0;
  const int fields = std::fscanf(file, "%d %*s %c", &id, &state);
  std::fclose(file);
  return fields != 2 || state == 'Z' || state == 'X';
}

TEST_F(ChildProcessTest, KillsAGrandchildThatIgnoresTheSignalToEnd) {
  const Exit exit =
      script("trap '' TERM; sh -c 'trap \"\" TERM; while :; do sleep 0.01; done' & echo $!; wait", milliseconds(300));
  EXPECT_EQ(exit.signal, SIGKILL);
  EXPECT_TRUE(exit.timed_out);
  const pid_t grandchild = std::stoi(exit.output);
  while (!is_gone(grandchild)) std::this_thread::yield();  // the signal is on its way; ctest's timeout ends a failure
}

TEST_F(ChildProcessTest, WhatItLeftBehindEndsWithIt) {
  // The grandchild holds the pipe open: run() must not wait for it either.
  const Exit exit = script("sleep 1000 & echo $!");
  EXPECT_TRUE(exit.succeeded());
  EXPECT_LT(exit.took, seconds(10));
  const pid_t grandchild = std::stoi(exit.output);
  while (!is_gone(grandchild)) std::this_thread::yield();
}

TEST_F(ChildProcessTest, KeepsAFloodOfOutputBounded) {
  Command command;
  command.argv = {"/bin/sh", "-c", "echo first; head -c 100000000 /dev/zero | tr '\\0' x; echo last"};
  command.output_limit = 1000;
  const Exit exit = run(command);
  EXPECT_TRUE(exit.succeeded());
  EXPECT_EQ(exit.output_bytes, 100'000'011U);
  EXPECT_LT(exit.output.size(), 1100U);
  EXPECT_THAT(exit.output, StartsWith("first\nxxx"));
  EXPECT_THAT(exit.output, EndsWith("xxxlast\n"));
  EXPECT_THAT(exit.output, HasSubstr("[... 99999011 bytes left out ...]"));
}

TEST_F(ChildProcessTest, StopsWhenAsked) {
  std::stop_source stop;
  stop.request_stop();
  Command command;
  command.argv = {"sleep", "1000"};
  const Exit before = run(command, stop.get_token());
  EXPECT_TRUE(before.stopped);
  EXPECT_EQ(before.to_string(), "stopped");

  std::stop_source later;
  std::jthread asker([&] { later.request_stop(); });
  const Exit during = run(command, later.get_token());
  EXPECT_TRUE(during.stopped);
  EXPECT_FALSE(during.timed_out);
  EXPECT_LT(during.took, seconds(10));
}

TEST_F(ChildProcessTest, LeavesNoDescriptorOpen) {
  const auto open_descriptors = [] {
    int count = 0;
    for (int fd = 0; fd < 1024; ++fd) count += ::fcntl(fd, F_GETFD) >= 0;
    return count;
  };
  const int before = open_descriptors();
  Command command;
  command.input = "x";
  for (int i = 0; i < 5; ++i) {
    command.argv = {"cat"};
    run(command);
    command.argv = {"/no/such/program"};
    EXPECT_FALSE(runner_.run(command));
    command.argv = {"/etc/passwd"};
    EXPECT_FALSE(runner_.run(command));
  }
  EXPECT_EQ(open_descriptors(), before);
}

}  // namespace
}  // namespace core::process

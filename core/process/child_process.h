// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "core/result.h"
#include "core/time/clock.h"

namespace core::process {

// A program to run: an argv array, never a shell string.
struct Command {
  std::vector<std::string> argv;                   // argv[0] is looked up in PATH unless it has a '/'
  std::map<std::string, std::string> environment;  // added to (and overriding) a minimal one: PATH, HOME, LANG, TZ
  std::string working_directory;                   // empty: ours
  std::string input;                               // written to standard input, then closed
  Duration timeout = std::chrono::seconds(60);     // then SIGTERM to the process group, SIGKILL after `grace`
  Duration grace = std::chrono::seconds(5);
  std::size_t output_limit = 64 << 10;  // bytes kept of each stream: its head and its tail; the rest is counted
};

struct Exit {
  std::optional<int> status;  // exit status; none if a signal ended it
  std::optional<int> signal;
  bool timed_out = false;
  bool stopped = false;            // by the stop token
  std::string output;              // standard output, cut to the limit
  std::string errors;              // standard error, likewise
  std::uint64_t output_bytes = 0;  // as written by the program
  std::uint64_t error_bytes = 0;
  Duration took{};
  Duration timeout{};  // that the command had

  bool succeeded() const { return status == 0 && !timed_out && !stopped; }
  // "exited with 1", "killed by signal 9 (Killed)", "timed out after 1m"
  std::string to_string() const;
};

// Runs commands. The child starts in its own process group with our descriptors closed; when it ends for any reason the
// whole group is killed, so that nothing it started outlives it (short of a daemon that left the group: the service's
// control group ends those).
//
// Thread safety: any thread; run() blocks its caller.
class CommandRunner {
 public:
  virtual ~CommandRunner() = default;
  // kNotFound if there is no such program; kFailed if it could not be started. A program that ran is an Exit, however
  // it ended. A stop request ends it as a timeout does.
  virtual Result<Exit> run(const Command& command, std::stop_token stop = {}) = 0;
};

// posix_spawn, pipes and a pidfd.
class ChildProcessRunner final : public CommandRunner {
 public:
  explicit ChildProcessRunner(const Clock& clock) : clock_(clock) {}
  Result<Exit> run(const Command& command, std::stop_token stop = {}) override;

 private:
  const Clock& clock_;
};

}  // namespace core::process

// SPDX-License-Identifier: Apache-2.0
// Work in a process of its own, for what may end the process.
#pragma once

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <exception>
#include <functional>
#include <string>

#include "core/check.h"

namespace fault_test {

struct Ended {
  int exit_code = -1;  // -1: by a signal
  int signal = 0;
  std::string said;  // what the work returned
};

inline Ended wait_for(pid_t child) {
  int status = 0;
  CHECK(::waitpid(child, &status, 0) == child, "a child can be waited for");
  if (WIFSIGNALED(status)) return {-1, WTERMSIG(status), {}};
  return {WEXITSTATUS(status), 0, {}};
}

// Forks; the child ends with its parent, runs `work` and exits with 0.
inline pid_t fork_child(const std::function<void()>& work) {
  const pid_t child = ::fork();
  CHECK(child >= 0, "a process can be forked");
  if (child != 0) return child;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  work();
  ::_exit(0);
}

// Runs `work` in a child until it ends, one way or another. An empty answer is what a test hopes for.
inline Ended in_child(const std::function<std::string()>& work) {
  std::array<int, 2> ends{};
  CHECK(::pipe(ends.data()) == 0, "a pipe can be made");
  const pid_t child = fork_child([&] {
    ::close(ends[0]);
    std::string text;
    try {
      text = work();
    } catch (const std::exception& thrown) {
      text = std::string("exception: ") + thrown.what();
    }
    for (std::size_t done = 0; done < text.size();) {
      const ssize_t written = ::write(ends[1], text.data() + done, text.size() - done);
      if (written <= 0) ::_exit(1);
      done += static_cast<std::size_t>(written);
    }
  });
  ::close(ends[1]);
  std::string said;
  std::array<char, 4096> buffer{};
  for (ssize_t got = 0; (got = ::read(ends[0], buffer.data(), buffer.size())) > 0;) {
    said.append(buffer.data(), static_cast<std::size_t>(got));
  }
  ::close(ends[0]);
  Ended ended = wait_for(child);
  ended.said = said;
  return ended;
}

}  // namespace fault_test

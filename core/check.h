// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdio>
#include <cstdlib>

namespace core {

[[noreturn]] inline void check_failed(const char* condition, const char* why, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: CHECK(%s) failed: %s\n", file, line, condition, why);
  std::abort();
}

}  // namespace core

// A broken invariant of our own code: logs and aborts, also in release builds; systemd starts the agent again and
// the journal says what was under way. Never used to judge outside input.
#define CHECK(condition, why)                                                    \
  do {                                                                           \
    if (!(condition)) ::core::check_failed(#condition, why, __FILE__, __LINE__); \
  } while (false)

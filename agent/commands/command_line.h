// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace agent {

// The program: reads the command line, does what it says, and returns the exit status. 0 is fine, 1 failed, 2 a wrong
// command line.
int run_command_line(int argc, const char* const* argv);

}  // namespace agent

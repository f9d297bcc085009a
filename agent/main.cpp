// SPDX-License-Identifier: Apache-2.0
#include "agent/commands/command_line.h"

int main(int argc, char** argv) { return agent::run_command_line(argc, argv); }

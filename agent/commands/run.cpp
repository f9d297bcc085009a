// SPDX-License-Identifier: Apache-2.0
#include <malloc.h>
#include <signal.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <string>

#include "agent/api/status_api.h"
#include "agent/commands/commands.h"
#include "agent/wiring/agent.h"
#include "agent/wiring/log.h"

namespace agent {
namespace {

struct RunArguments {
  AgentOptions agent;
  std::string listen;
};

// The allocator gives threads that allocate at the same time heaps of their own, eight for each core, and each of them
// keeps what it once needed. What allocates here all the time are two or three threads: two heaps are enough.
constexpr int kHeapsMax = 2;

int run(RunArguments arguments) {
  ::mallopt(M_ARENA_MAX, kHeapsMax);
  set_up_log({});
  // A client that hangs up while it is answered must not end the agent.
  signal(SIGPIPE, SIG_IGN);
  const core::SystemClock clock;
  if (!arguments.listen.empty()) {
    auto address = parse_listen_address(arguments.listen);
    if (!address) {
      spdlog::error("--listen: {}", address.error().message);
      return kUsage;
    }
    arguments.agent.listen = *address;
  }
  auto config = load_config(arguments.agent.config_path);
  if (!config) {
    for (const core::Error& error : config.error()) spdlog::error("{}", error.message);
    return kFailed;
  }
  set_up_log((*config)->settings.log);
  spdlog::info("watchkeeper {} with {}", build_info().version, arguments.agent.config_path);
  for (const std::string& warning : (*config)->warnings) spdlog::warn("{}", warning);
  auto agent = Agent::start(arguments.agent, *config, clock);
  if (!agent) {
    spdlog::error("{}", agent.error().message);
    return kFailed;
  }
  (*agent)->run();
  return kFine;
}

}  // namespace

void add_run_command(const Command& root) {
  const Command command = root.add_command("run", "Keep the watch until SIGTERM; SIGHUP reads the configuration anew");
  const auto arguments = std::make_shared<RunArguments>();
  command.add_option("--config", arguments->agent.config_path, "Configuration file").required();
  command.add_option("--data-dir", arguments->agent.data_dir, "Folder for what outlives the process").default_shown();
  command.add_option("--listen", arguments->listen, "HOST:PORT of the API, instead of the configured one");
  command.runs([arguments] { return run(*arguments); });
}

}  // namespace agent

// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <memory>
#include <string>

#include "agent/api/status_api.h"
#include "agent/commands/commands.h"
#include "agent/config/load.h"
#include "collector/probe/probe_runner.h"
#include "core/net/io_loop.h"

namespace agent {
namespace {

struct ProbeArguments {
  std::string module;
  std::string target;
  std::string config;
  std::string hostname;
  double timeout_seconds = 10;
};

int probe(const ProbeArguments& arguments) {
  collector::probe::Modules modules;
  if (!arguments.config.empty()) {
    const auto loaded = load_config(arguments.config);
    if (!loaded) {
      for (const auto& error : loaded.error()) std::fprintf(stderr, "watchkeeper probe: %s\n", error.message.c_str());
      return kFailed;
    }
    modules = (*loaded)->settings.modules;
  }
  const core::SystemClock clock;
  core::net::IoLoop loop(clock);
  collector::probe::ProbeRunnerOptions options;
  options.user_agent = "Watchkeeper/" + build_info().version;
  collector::probe::ProbeRunner runner(loop, clock, options);
  runner.configure(std::move(modules));
  if (!runner.has_module(arguments.module)) {
    std::fprintf(stderr, "watchkeeper probe: there is no module \"%s\"%s\n", arguments.module.c_str(),
                 arguments.config.empty() ? "; --config names the file that has it" : "");
    return kUsage;
  }
  collector::probe::ProbeQuery query;
  query.module = arguments.module;
  query.target = arguments.target;
  query.hostname = arguments.hostname;
  query.timeout = std::chrono::duration_cast<core::Duration>(std::chrono::duration<double>(arguments.timeout_seconds));
  query.traced = true;
  collector::probe::ProbeResultPtr result;
  runner.run(std::move(query), [&](collector::probe::ProbeResultPtr ended) {
    result = std::move(ended);
    loop.stop();
  });
  loop.run();
  std::fputs(collector::probe::debug_text(*result).c_str(), stdout);
  return result->verdict() == collector::probe::Verdict::kUp ? kFine : kFailed;
}

}  // namespace

void add_probe_command(const Command& root) {
  const Command command = root.add_command("probe", "Probe a target once, from here, and show all of it");
  const auto arguments = std::make_shared<ProbeArguments>();
  command.add_option("MODULE", arguments->module, "How: a module of the configuration, or http_2xx").required();
  command.add_option("TARGET", arguments->target, "What: a URL, host:port, a path").required();
  command.add_option("--config", arguments->config, "The configuration file that has the module");
  command.add_option("--hostname", arguments->hostname, "The name to ask an http or tls target for");
  command.add_option("--timeout", arguments->timeout_seconds, "Seconds that it may take")
      .between(0.001, 3600.0)
      .default_shown();
  command.runs([arguments] { return probe(*arguments); });
}

}  // namespace agent

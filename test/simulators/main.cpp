// SPDX-License-Identifier: Apache-2.0
// Simulated nodes for tests and demonstrations: prints the ports they listen on as one line of JSON, then runs until
// SIGTERM or SIGINT.
#include <csignal>
#include <cstdio>
#include <string>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "test/simulators/simulation.h"

int main(int argc, char** argv) {
  CLI::App app("Simulates a Lighthouse beacon node, its validator client, Geth, Vault, and strict alert receivers");
  simulators::Simulation::Options options;
  int ports = 0;
  app.add_option("--listen-host", options.listen_host, "Address to listen on")->capture_default_str();
  app.add_option("--ports", ports, "0: any free ports")->check(CLI::IsMember({0}));
  app.add_flag("--usual-ports", options.usual_ports,
               "The ports of the real programs; control on 9790, receivers above it");
  app.add_option("--speed", options.speed, "How many times faster the chain runs")->check(CLI::Range(0.1, 1000.0));
  app.add_option("--seed", options.seed, "The same seed gives the same chain")->capture_default_str();
  app.add_option("--vault-token", options.vault.token, "The token /v1/sys/metrics wants")->capture_default_str();
  app.add_flag("--vault-open-metrics", options.vault.open_metrics,
               "As unauthenticated_metrics_access of Vault's listener");
  app.add_option("--aws-hosts", options.aws_hosts, "AWS with an Auto Scaling group of so many hosts; 0: no AWS")
      ->check(CLI::Range(0, 100));
  CLI11_PARSE(app, argc, argv);

  // Blocked before any thread begins, so that only sigwait() below sees them.
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGINT);
  sigaddset(&stop, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &stop, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  try {
    const core::SystemClock clock;
    const simulators::Simulation simulation(clock, options);
    std::printf("%s\n", nlohmann::json(simulation.ports()).dump().c_str());
    std::fflush(stdout);
    int signal = 0;
    sigwait(&stop, &signal);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "simulators: %s\n", error.what());
    return 1;
  }
  return 0;
}

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "actions/drill/drill_run.h"
#include "actions/remedy/protection.h"
#include "actions/remedy/step_surroundings.h"
#include "core/process/child_process.h"
#include "core/process/service_control.h"
#include "core/result.h"

namespace actions::drill {

// Does damage and undoes it: the only place where a drill has an effect on the world.
//
// Thread safety: any thread; the functions block for as long as the work takes.
class Injector {
 public:
  virtual ~Injector() = default;

  // What there is before: whether the fault can be injected, and what a restore has to bring back. Changes nothing.
  struct Survey {
    std::vector<std::string> units = {};       // active ones that the fault stops: its own first
    std::vector<PodBefore> pods = {};          // the one that the fault kills, then those like it
    std::vector<std::string> objections = {};  // why it must not be injected; empty: it may be
  };
  virtual Survey survey(const Fault& fault, const DrillableConfig& component,
                        const remedy::ProtectionConfig& protection, bool validators_allowed) = 0;
  // What was done. An error: perhaps half of it.
  virtual core::Result<std::string> inject(const Run& run, std::stop_token stop) = 0;
  // Undoes it, whether or not it happened, and however often it is called.
  virtual core::Result<std::string> restore(const Run& run, std::stop_token stop) = 0;
};

class FaultInjector final : public Injector {
 public:
  struct Dependencies {
    core::process::CommandRunner& commands;
    core::process::ServiceControl& services;
    std::string data_folder;       // the agent's own: its file system is no scratch disk
    remedy::Surroundings cluster;  // what the API server of a cluster is asked with
  };

  explicit FaultInjector(Dependencies dependencies) : with_(std::move(dependencies)) {}

  Survey survey(const Fault& fault, const DrillableConfig& component, const remedy::ProtectionConfig& protection,
                bool validators_allowed) override;
  core::Result<std::string> inject(const Run& run, std::stop_token stop) override;
  core::Result<std::string> restore(const Run& run, std::stop_token stop) override;

 private:
  void survey_unit(const UnitFault& fault, const DrillableConfig& component, bool validators_allowed, Survey& survey);
  void survey_dependents(const UnitFault& fault, const DrillableConfig& component, bool validators_allowed,
                         Survey& survey);
  void survey_port(const PortFault& fault, Survey& survey);
  core::Result<std::string> stop_unit(const UnitFault& fault, std::stop_token stop);
  core::Result<std::string> restore_units(const UnitFault& fault, const std::vector<std::string>& units,
                                          std::stop_token stop);
  core::Result<std::string> run_program(const Run& run, const std::vector<std::string>& argv, core::Millis timeout,
                                        std::stop_token stop);
  core::Result<std::string> block_port(const PortFault& fault, core::Millis lasts, std::stop_token stop);
  core::Result<std::string> unblock_port(const PortFault& fault, std::stop_token stop);
  core::Result<void> run_nft(const std::string& network_namespace, std::string script, std::stop_token stop);

  Dependencies with_;
};

}  // namespace actions::drill

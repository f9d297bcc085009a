// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <mutex>
#include <stop_token>

#include "actions/backup/backup_set.h"
#include "actions/remedy/decision.h"
#include "actions/remedy/step_surroundings.h"
#include "core/process/child_process.h"
#include "core/process/service_control.h"

namespace actions::remedy {

// Carries out steps: the only place where a remediation has an effect on the world.
//
// Thread safety: any thread; both functions block for as long as the step takes.
class StepRunner {
 public:
  virtual ~StepRunner() = default;
  // Never fails: what went wrong is the outcome.
  virtual StepFinished run(const StartStep& start, std::stop_token stop) = 0;
  // Whether a step whose outcome a crash hid has happened. Changes nothing. REQUIRES: the step is kVerifiable.
  virtual StepSeen look(const StartStep& start, std::stop_token stop) = 0;
};

class StepExecutor final : public StepRunner {
 public:
  struct Dependencies {
    core::process::CommandRunner& commands;
    backup::BackupTaker& backups;
    core::process::ServiceControl& services;
    Surroundings around;
    std::function<void(const Run& run, const std::string& text)> tell;  // of notify steps; any thread
  };

  explicit StepExecutor(Dependencies dependencies) : with_(std::move(dependencies)) {}
  // From the next step on. Until it is told, nothing that could be protected is touched.
  void protect(ProtectionPtr protection);
  StepFinished run(const StartStep& start, std::stop_token stop) override;
  StepSeen look(const StartStep& start, std::stop_token stop) override;

 private:
  StepFinished carry_out(const StartStep& start, const BackupStep& step, std::stop_token stop);
  StepFinished carry_out(const StartStep& start, const ExecStep& step, std::stop_token stop);
  StepFinished carry_out(const StartStep& start, const HttpStep& step, std::stop_token stop);
  StepFinished carry_out(const StartStep& start, const SystemdStep& step, std::stop_token stop);
  StepFinished carry_out(const StartStep& start, const WaitStep& step, std::stop_token stop);
  StepFinished carry_out(const StartStep& start, const NotifyStep& step, std::stop_token stop);
  StepFinished carry_out(const StartStep& start, const AwsStep& step, std::stop_token stop);
  StepFinished carry_out(const StartStep& start, const KubernetesStep& step, std::stop_token stop);
  StepFinished carry_out(const StartStep& start, const VaultStep& step, std::stop_token stop);
  StepFinished carry_out(const StartStep& start, const RestoreDrillStep& step, std::stop_token stop);
  Task task_of(const StartStep& start, std::stop_token stop) const;

  core::process::Command command_of(const StartStep& start, const ExecStep& step,
                                    const std::vector<std::string>& argv) const;
  // Waits until systemd has no job for the unit any more.
  core::Result<core::process::UnitStatus> settled(const SystemdStep& step, std::stop_token stop) const;

  Dependencies with_;
  mutable std::mutex mutex_;
  ProtectionPtr protection_;  // guarded by mutex_
};

}  // namespace actions::remedy

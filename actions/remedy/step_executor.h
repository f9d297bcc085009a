// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stop_token>

#include "actions/backup/backup_set.h"
#include "actions/remedy/decision.h"
#include "core/process/child_process.h"

namespace actions::remedy {

// Carries out steps: the only place where a remediation has an effect on the world.
//
// Thread safety: any thread; run() blocks for as long as the step takes.
class StepRunner {
 public:
  virtual ~StepRunner() = default;
  // Never fails: what went wrong is the outcome.
  virtual StepFinished run(const StartStep& start, std::stop_token stop) = 0;
};

class StepExecutor final : public StepRunner {
 public:
  StepExecutor(core::process::CommandRunner& commands, backup::BackupTaker& backups)
      : commands_(commands), backups_(backups) {}
  StepFinished run(const StartStep& start, std::stop_token stop) override;

 private:
  StepFinished take_backup(const StartStep& start, const BackupStep& step, std::stop_token stop);
  StepFinished execute(const StartStep& start, const ExecStep& step, std::stop_token stop);

  core::process::CommandRunner& commands_;
  backup::BackupTaker& backups_;
};

}  // namespace actions::remedy

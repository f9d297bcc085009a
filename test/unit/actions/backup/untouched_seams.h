// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "actions/backup/backup_set.h"
#include "temporary_folder.h"

namespace actions::backup {

// For backups that stop nothing: a service manager that must not be asked, and a gate that lets nobody through.
class UntouchedSeams {
 public:
  BackupSet::Dependencies with(core::process::CommandRunner& commands, const core::Clock& clock) {
    return {.commands = commands, .services = services_, .gate = gate_, .clock = clock, .tell = {}};
  }

 private:
  class NoServices final : public core::process::ServiceControl {
   public:
    core::Result<core::process::UnitStatus> status(const std::string& unit, core::Duration) override {
      return core::fail(core::Errc::kNotFound, "{}: there is no service manager here", unit);
    }
    core::Result<void> ask(core::process::UnitVerb, const std::string& unit, core::Duration) override {
      return core::fail(core::Errc::kNotFound, "{}: there is no service manager here", unit);
    }
    core::Result<void> kill(const std::string& unit, int, core::Duration) override {
      return core::fail(core::Errc::kNotFound, "{}: there is no service manager here", unit);
    }
    core::Result<std::vector<std::string>> stops_with(const std::string& unit, core::Duration) override {
      return core::fail(core::Errc::kNotFound, "{}: there is no service manager here", unit);
    }
  };
  class ClosedGate final : public StopGate {
   public:
    std::optional<std::string> objection(const ClientConfig&, const std::string&, std::stop_token) override {
      return "nothing is stopped here";
    }
  };

  NoServices services_;
  ClosedGate gate_;
};

inline BackupSet::Options options_in(const TemporaryFolder& folder) {
  return {.database = folder.at("backups.db"),
          .stops_database = folder.at("stopped.db"),
          .cache_folder = folder.at("cache"),
          .scratch_folder = folder.at("scratch")};
}

}  // namespace actions::backup

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "actions/backup/client_config.h"
#include "actions/backup/repository_password.h"
#include "actions/backup/schedule.h"
#include "actions/backup/triggers.h"
#include "actions/backup/vault_raft.h"
#include "core/config/file_path.h"
#include "core/config/table.h"

namespace actions::backup {

// What a backup holds: plain paths, a database that its client is writing, a snapshot that a Vault makes, or the data
// of a node, found at rest. Exactly one of them.
//
// Thread safety: a value.
struct SourceConfig {
  std::vector<std::string> paths;       // absolute
  std::string sqlite;                   // absolute; Lighthouse's slashing protection, or any other SQLite database
  std::string genesis_validators_root;  // of the network whose signatures the slashing protection holds
  std::string network;                  // instead of the root, for a network whose root is known
  bool minify = true;                   // the interchange holds only the highest of what was signed
  std::optional<VaultRaftConfig> vault_raft;
  std::optional<GethConfig> geth;
  std::optional<LighthouseBeaconConfig> lighthouse_beacon;

  // Whether it is made in a folder of ours first, with a manifest.
  bool staged() const { return !sqlite.empty() || vault_raft.has_value(); }
  // Whose data has to be found at rest; none for other sources.
  const ClientConfig* client() const;
  // Of the one that is given, or of the network; empty for neither.
  std::string validators_root() const;

  static const core::config::Table<SourceConfig>& fields();
};

// How many snapshots stay: the newest, and the newest of each of so many hours, days, weeks, months.
//
// Thread safety: a value.
struct KeepConfig {
  std::uint32_t last = 0;
  std::uint32_t hourly = 0;
  std::uint32_t daily = 0;
  std::uint32_t weekly = 0;
  std::uint32_t monthly = 0;

  bool everything() const { return last + hourly + daily + weekly + monthly == 0; }
  static const core::config::Table<KeepConfig>& fields();
};

// When the repository's own structure, and a part of its bytes, is read and checked.
//
// Thread safety: a value.
struct CheckConfig {
  std::optional<Schedule> schedule;
  std::string read_data_subset = "5%";

  static const core::config::Table<CheckConfig>& fields();
};

// When the newest snapshot is restored into a scratch folder, looked at and timed.
//
// Thread safety: a value.
struct DrillConfig {
  std::optional<Schedule> schedule;
  std::vector<std::string> command;  // beside our own checks: run in the folder of what was restored
  core::Millis timeout = std::chrono::hours(2);

  static const core::config::Table<DrillConfig>& fields();
};

// One entry of `backups:`.
//
// Thread safety: a value.
struct BackupConfig {
  std::string name;
  SourceConfig source;
  std::string repository;                // anything restic takes: a path, sftp:..., s3:...
  core::config::FilePath password_file;  // or:
  std::string password_env;              // a variable of the agent's environment; or:
  VaultPasswordConfig password_vault;
  std::optional<Schedule> schedule;  // none: only for `on`, or when a remediation or a person asks
  std::vector<TriggerConfig> on;     // what happens and is a reason for a run
  TriggerLimits on_limits;
  core::Millis jitter{0};  // its schedules' times are spread over so long, each host at a moment of its own
  core::Millis timeout = std::chrono::hours(2);
  std::vector<std::string> tags;
  std::vector<std::string> exclude;
  std::map<std::string, core::config::Secret> environment;
  std::map<std::string, std::string> options;  // restic's -o: of the storage
  KeepConfig keep;
  CheckConfig check;
  DrillConfig drill;

  static const core::config::Table<BackupConfig>& fields();
};

// Names are unique. `root` is the configuration's top, for the error's place.
core::Result<void> check_backups(const std::vector<BackupConfig>& backups, const core::config::Node& root);

}  // namespace actions::backup

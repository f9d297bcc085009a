// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "actions/backup/backup_config.h"
#include "core/process/child_process.h"
#include "core/result.h"

namespace actions::backup {

// What restic says of a snapshot it made.
struct Snapshot {
  std::string id;
  std::uint64_t files = 0;        // looked at
  std::uint64_t bytes = 0;        // looked at
  std::uint64_t bytes_added = 0;  // to the repository, before compression
};

// What one run of `restic backup` is to take.
struct Intake {
  std::vector<std::string> paths;
  std::vector<std::string> exclude = {};       // by whole path, beside the configuration's patterns
  std::string parent = {};                     // a snapshot: of files that are as they are in it nothing is read
  bool ahead = false;                          // of files that change meanwhile: good for a parent, and no backup
  std::optional<core::Duration> timeout = {};  // instead of the configuration's, if it is shorter
};

// A snapshot as the repository has it.
struct HeldSnapshot {
  std::string id;
  std::string time;  // RFC 3339, with the zone of the machine that took it
  std::string hostname;
  std::uint64_t files = 0;  // and folders
  std::uint64_t bytes = 0;  // that a restore writes
};

// A lock in a repository, as `restic cat lock` shows it.
struct Lock {
  std::string id;
  std::string hostname;
  std::int64_t pid = 0;
};

// restic on one repository. Its answers are read from exit codes and --json; where restic 0.14 (Debian 12) has only
// words, from the words, and any other wording means "not known", never "absent".
//
// Thread safety: any thread; every call runs a program and blocks.
class Restic {
 public:
  // `cache_folder` is where restic keeps its cache; `hostname` is what it calls this machine in locks.
  Restic(core::process::CommandRunner& commands, const BackupConfig& config, RepositoryPassword password,
         std::string cache_folder, std::string hostname);

  enum class Repository { kReady, kAbsent };

  // kAbsent only if the storage answered that there is no repository; one that cannot be reached is an error, because
  // it may well hold snapshots. Errors: kInvalid for a wrong password.
  core::Result<Repository> look(std::stop_token stop) const;
  core::Result<void> create(std::stop_token stop) const;
  // A snapshot that lacks a file (exit code 3, or a path that is not there) is an error that names it.
  // kUnavailable: the repository is locked.
  core::Result<Snapshot> back_up(const Intake& intake, std::stop_token stop) const;
  // Takes snapshots off the list, whose bytes go with the next forget(). None is no error.
  core::Result<void> drop(const std::vector<std::string>& snapshots, std::stop_token stop) const;
  // The snapshots of this backup and this machine that were taken ahead, also those that a killed agent left.
  core::Result<std::vector<std::string>> taken_ahead(std::stop_token stop) const;
  // What a restore of the snapshot ("latest": of this backup) would put there. kNotFound: there is none.
  core::Result<HeldSnapshot> describe(const std::string& snapshot, std::stop_token stop) const;
  // Puts a snapshot ("latest": of this backup) below the folder `target` and compares what was written with what the
  // repository holds. A path that matches one of `exclude` stays out.
  core::Result<void> restore(const std::string& snapshot, const std::string& target,
                             const std::vector<std::string>& exclude, std::stop_token stop) const;
  // Removes the snapshots of this backup and this machine that `keep` does not keep, and their bytes.
  core::Result<void> forget(const KeepConfig& keep, std::stop_token stop) const;
  // The repository's structure, and a part of the bytes it holds.
  core::Result<void> check(const std::string& read_data_subset, std::stop_token stop) const;
  // Removes the locks that a killed restic of this machine left, and only if `restic unlock` would remove no one
  // else's: returns those removed.
  core::Result<std::vector<Lock>> remove_own_stale_locks(std::stop_token stop) const;

 private:
  core::Result<core::process::Exit> run(std::vector<std::string> arguments, std::stop_token stop,
                                        std::optional<core::Duration> timeout = {}) const;
  core::Result<std::vector<Lock>> locks(std::stop_token stop) const;

  core::process::CommandRunner& commands_;
  const BackupConfig& config_;
  RepositoryPassword password_;
  std::string cache_folder_;
  std::string hostname_;
};

}  // namespace actions::backup

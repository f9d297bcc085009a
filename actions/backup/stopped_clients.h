// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "actions/backup/client_config.h"
#include "core/process/child_process.h"
#include "core/process/service_control.h"
#include "core/result.h"
#include "core/store/database.h"
#include "core/time/clock.h"

namespace actions::backup {

// A client that a backup stopped, or whose volumes' snapshot it holds.
struct StoppedClient {
  std::string backup;
  std::string client;  // for people: geth.service
  bool stopped = false;
  bool snapshot_held = false;
  core::WallTime since;
  std::uint64_t attempts = 0;  // to start it or to release the snapshot, that failed
  std::string error;           // of the last
};

// What is found of a client that is to be stopped.
enum class Rest {
  kStopped,    // it ran, and was stopped
  kWasAtRest,  // it did not run, and nobody is to start it
};

// The clients that backups stop, and the snapshots that they hold. What is stopped is written down first, with all that
// starting it again needs, and struck out once it runs: whatever ends in between - the copy, the configuration, the
// agent -, look() starts it, and goes on trying until it has. The same holds for releasing snapshots.
//
// Thread safety: any thread. One run at a time of a backup.
class StoppedClients {
 public:
  struct Dependencies {
    core::process::CommandRunner& commands;
    core::process::ServiceControl& services;
    const core::Clock& clock;
    std::function<void(const std::string& text)> tell;  // what people should read in the log; any thread
  };

  // `path`: of the SQLite file; ":memory:" for tests. What an earlier process left stopped is due at once.
  static core::Result<std::unique_ptr<StoppedClients>> open(const std::string& path, Dependencies dependencies);

  // Stops the client and waits until it has ended. Fails, with nothing done, if it cannot be told whether it runs, if
  // it is a validator client, if another unit would stop with it, if an earlier stop of this backup is not over, or if
  // it cannot be written down; and if it does not end in time or not cleanly, when it is started again. From here on
  // start() must be called within stopped_max, or look() does it.
  core::Result<Rest> stop(const std::string& backup, const ClientConfig& client, std::stop_token stop);
  // Starts what stop() stopped and waits until it runs: for how long it was stopped. kNotFound: stopped_max was over,
  // and it has been started meanwhile, so that what was copied is not of a client at rest. kUnavailable: it does not
  // run yet, and look() goes on trying. A stop request ends the waiting, not the start.
  core::Result<core::Duration> start(const std::string& backup, std::stop_token stop);
  // Whether the client does not run, now: for one that was found at rest.
  core::Result<bool> is_at_rest(const std::string& backup, const ClientConfig& client, std::stop_token stop) const;

  // Writes down that there may be a snapshot from here on. An error: it cannot be written down.
  core::Result<void> expect_snapshot(const std::string& backup, const ClientConfig& client);
  // Releases it. After an error look() goes on trying.
  core::Result<void> release_snapshot(const std::string& backup, std::stop_token stop);

  // Starts what is due, and releases what is. Blocks for as long as that takes.
  void look(std::stop_token stop);
  std::vector<StoppedClient> status() const;
  std::uint64_t start_failures() const { return start_failures_; }
  std::uint64_t journal_errors() const { return journal_errors_; }

 private:
  struct Entry {
    ClientConfig client;  // as it was when it was stopped; of the snapshot only what releases it
    core::WallTime since;
    core::SteadyTime since_steady;
    bool stopped = false;
    bool snapshot_held = false;
    std::optional<core::SteadyTime> start_due;    // when look() starts it
    std::optional<core::SteadyTime> release_due;  // when look() releases it; none: the run that has it does
    bool busy = false;                            // somebody is at it, without the lock
    std::uint64_t attempts = 0;
    std::string error;
  };

  explicit StoppedClients(core::store::Database database, Dependencies dependencies)
      : with_(std::move(dependencies)), database_(std::move(database)) {}

  // REQUIRES: mutex_ is held, for all that have `locked` in their name.
  core::Result<void> load_locked();
  core::Result<void> write_locked(const std::string& backup, const Entry& entry);
  // Writes down what is left of it, or strikes it out.
  void keep_locked(const std::string& backup);

  core::Result<bool> runs(const std::string& backup, const ClientConfig& client, std::stop_token stop) const;
  // Whether no other unit that runs would stop along with it.
  core::Result<void> expect_alone(const ClientConfig& client) const;
  core::Result<void> bring_to_rest(const std::string& backup, const ClientConfig& client, std::stop_token stop) const;
  core::Result<void> revive(const std::string& backup, const ClientConfig& client, std::stop_token stop) const;
  core::Result<void> wait_for_check(const std::string& backup, const ClientConfig& client, bool running,
                                    core::Duration timeout, std::stop_token stop) const;
  core::Result<core::process::Exit> run(const std::string& backup, const std::vector<std::string>& argv,
                                        core::Duration timeout, std::stop_token stop) const;
  enum class Work { kStart, kRelease };
  // REQUIRES: the entry is busy for the caller; it is not any more afterwards.
  core::Result<void> work(Work work, const std::string& backup, std::stop_token stop);

  const Dependencies with_;
  std::atomic<std::uint64_t> start_failures_{0};
  std::atomic<std::uint64_t> journal_errors_{0};

  mutable std::mutex mutex_;
  std::condition_variable_any idle_;
  core::store::Database database_;
  std::map<std::string, Entry> entries_;
};

}  // namespace actions::backup

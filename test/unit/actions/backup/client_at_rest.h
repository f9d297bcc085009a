// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "actions/backup/backup_set.h"
#include "temporary_folder.h"
#include "test/support/background_process.h"

namespace actions::backup {

// systemd with one unit, geth.service, whose state is a file: so it outlives a process that is killed. Refuses other
// units, as systemd does.
//
// Thread safety: any thread, one at a time.
class UnitInAFile final : public core::process::ServiceControl {
 public:
  explicit UnitInAFile(const TemporaryFolder& folder) : path_(folder.at("unit")) { set("active"); }

  std::string state() const { return TemporaryFolder::read(path_); }
  void set(const std::string& state) { test_support::write_file(path_, state); }

  std::string stops_as = "inactive";  // what a stop comes to
  bool stop_hangs = false;            // the job never ends
  int starts_refused = 0;             // so many starts end in "failed"
  std::int64_t main_pid = 0;
  std::vector<std::string> along;  // stop with it
  std::atomic<int> stops{0};
  std::atomic<int> starts{0};

  core::Result<void> kill(const std::string& unit, int, core::Duration) override {
    return core::fail(core::Errc::kFailed, "{}: nobody is killed here", unit);
  }
  core::Result<std::vector<std::string>> stops_with(const std::string&, core::Duration) override { return along; }
  core::Result<core::process::UnitStatus> status(const std::string& unit, core::Duration) override {
    if (unit == "validator.service") return core::process::UnitStatus{"active", "running", false, {}, 0};
    if (unit != "geth.service") return core::fail(core::Errc::kNotFound, "{}: there is no such unit", unit);
    core::process::UnitStatus status;
    status.active_state = state();
    status.sub_state = status.active_state == "active" ? "running" : "dead";
    status.has_job = stop_hangs && stops > starts;
    status.main_pid = status.active_state == "active" ? main_pid : 0;
    return status;
  }
  core::Result<void> ask(core::process::UnitVerb verb, const std::string& unit, core::Duration) override {
    if (unit != "geth.service") return core::fail(core::Errc::kNotFound, "{}: there is no such unit", unit);
    if (verb == core::process::UnitVerb::kStop) {
      ++stops;
      if (!stop_hangs) set(stops_as);
      return {};
    }
    ++starts;
    set(starts_refused-- > 0 ? "failed" : "active");
    return {};
  }

 private:
  const std::string path_;
};

class SettableGate final : public StopGate {
 public:
  std::optional<std::string> objection(const ClientConfig&, const std::string& trigger, std::stop_token) override {
    ++asked;
    last_trigger = trigger;
    if (asked > open_for) return "require peers: unknown: no samples";
    return std::nullopt;
  }
  int asked = 0;
  int open_for = 1000;  // so many questions
  std::string last_trigger;
};

// Real programs, with a look at each before it runs.
class WatchedRunner final : public core::process::CommandRunner {
 public:
  explicit WatchedRunner(const core::Clock& clock) : real_(clock) {}
  core::Result<core::process::Exit> run(const core::process::Command& command, std::stop_token stop) override {
    core::process::Command changed = command;
    if (before) before(changed);
    return real_.run(changed, std::move(stop));
  }
  // May change what is run.
  std::function<void(core::process::Command& command)> before;

 private:
  core::process::ChildProcessRunner real_;
};

inline bool is_restic(const core::process::Command& command, const std::string& subcommand) {
  return command.argv.size() > 1 && command.argv[0] == "restic" && command.argv[1] == subcommand;
}
// A run of `restic backup` whose snapshot is a backup, and not one that was taken ahead.
inline bool is_copy(const core::process::Command& command) {
  return is_restic(command, "backup") && command.argv.size() > 4 && command.argv[4].starts_with("watchkeeper:");
}

// What Geth leaves below its --datadir, as far as a backup looks at it: a LevelDB with its manifest, frozen tables with
// indices and data, and what is the host's own.
inline void write_geth(const TemporaryFolder& folder, const std::string& at = "geth-data") {
  const std::string chain = at + "/geth/chaindata/";
  folder.write(chain + "CURRENT", "MANIFEST-000004\n");
  folder.write(chain + "MANIFEST-000004", "manifest");
  folder.write(chain + "000005.ldb", std::string(5000, 'k'));
  const std::string ancient = chain + "ancient/chain/";
  // The first entry is the tail; then two items that end at 3 and 9 of file 0.
  folder.write(ancient + "headers.cidx", std::string("\0\0\0\0\0\0\0\0\0\0\0\3\0\0\0\0\0\11", 18));
  folder.write(ancient + "headers.0000.cdat", "abcdefghi");
  folder.write(ancient + "hashes.ridx", std::string("\0\0\0\0\0\0", 6));
  folder.write(ancient + "hashes.0000.rdat", "");
  for (const char* const own : {"nodekey", "jwtsecret", "LOCK", "nodes/CURRENT"}) {
    folder.write(at + "/geth/" + own, "of this host");
  }
}

}  // namespace actions::backup

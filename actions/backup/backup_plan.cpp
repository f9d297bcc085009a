// SPDX-License-Identifier: Apache-2.0
#include "actions/backup/backup_plan.h"

#include <fmt/format.h>

#include "actions/backup/chain_folders.h"
#include "core/time/duration.h"

namespace actions::backup {
namespace {

std::string words(const std::vector<std::string>& argv) { return fmt::format("{}", fmt::join(argv, " ")); }

class Plan {
 public:
  explicit Plan(const BackupConfig& config) : config_(config) {}

  std::vector<std::string> make() {
    if (config_.source.client() != nullptr) {
      of_client(*config_.source.client());
    } else if (!config_.source.sqlite.empty()) {
      of_database();
    } else if (config_.source.vault_raft) {
      add("ask", fmt::format("{}: the active one gives a snapshot of its storage, which is read whole",
                             fmt::join(config_.source.vault_raft->urls, ", ")));
      take({"that snapshot"});
    } else {
      take(config_.source.paths);
    }
    forget();
    return std::move(lines_);
  }

 private:
  void add(std::string_view verb, std::string_view what) { lines_.push_back(fmt::format("{:<8} {}", verb, what)); }

  void take(const std::vector<std::string>& paths, std::string_view more = "") {
    std::string text = fmt::format("{} into {}", fmt::join(paths, ", "), config_.repository);
    if (!config_.exclude.empty()) text += fmt::format(", without {}", fmt::join(config_.exclude, ", "));
    add("copy", fmt::format("{}{}", text, more));
  }

  void of_database() {
    add("copy", config_.source.sqlite + " by SQLite's online backup, and check its integrity");
    const std::string root = config_.source.validators_root();
    add("export", fmt::format("its signatures, if it is a slashing protection, as an EIP-3076 interchange{}",
                              root.empty() ? "" : " of " + root));
    take({"the copy, the interchange and their manifest"});
  }

  void of_client(const ClientConfig& client) {
    const auto folders = chain_folders(config_.source, "");
    if (!folders) return add("REFUSED", folders.error().message);
    const std::vector<std::string>& paths = folders->paths;
    may_stop(client);
    if (client.snapshot.given()) return from_volumes(client, paths);
    if (client.copy_ahead) {
      take(paths, ", while it runs; that is no backup yet");
      may_stop(client);
    }
    stop(client);
    take(paths, fmt::format(", within {} of the stop", core::format_duration(client.stopped_max)));
    start(client);
  }

  void from_volumes(const ClientConfig& client, std::vector<std::string> paths) {
    const VolumeSnapshotConfig& volumes = client.snapshot;
    if (client.is_stopped()) stop(client);
    add("run", words(volumes.create));
    if (client.is_stopped()) start(client);
    if (!volumes.mount.empty()) add("run", words(volumes.mount));
    for (std::string& path : paths) path = volumes.root + path;
    take(paths);
    add("run", words(volumes.release));
  }

  void may_stop(const ClientConfig& client) {
    if (!client.is_stopped()) return;
    std::vector<std::string> conditions = client.require;
    for (const std::string& gate : client.gates) conditions.push_back("the gate " + gate);
    add("ask", fmt::format("whether {} may be stopped: {}; no pause, remediation or drill; otherwise the run is held",
                           client.name(), fmt::join(conditions, "; ")));
  }

  void stop(const ClientConfig& client) {
    add("stop", fmt::format("{}, which has {} to end", client.service.empty() ? words(client.stop) : client.service,
                            core::format_duration(client.stop_timeout)));
  }

  void start(const ClientConfig& client) {
    add("start", (client.service.empty() ? words(client.start) : client.service) + ", whatever came of it");
  }

  void forget() {
    const KeepConfig& keep = config_.keep;
    if (keep.everything()) return;
    std::vector<std::string> kept;
    const auto count = [&](const char* what, std::uint32_t number) {
      if (number > 0) kept.push_back(fmt::format("{} {}", number, what));
    };
    count("last", keep.last);
    count("hourly", keep.hourly);
    count("daily", keep.daily);
    count("weekly", keep.weekly);
    count("monthly", keep.monthly);
    add("forget", fmt::format("all snapshots of it from this host but {}, and prune", fmt::join(kept, ", ")));
  }

  const BackupConfig& config_;
  std::vector<std::string> lines_;
};

}  // namespace

std::vector<std::string> plan_of(const BackupConfig& config) { return Plan(config).make(); }

}  // namespace actions::backup

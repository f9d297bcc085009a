// SPDX-License-Identifier: Apache-2.0
#include "actions/backup/client_config.h"

#include <algorithm>
#include <string_view>

#include "actions/protection/validator_words.h"

namespace actions::backup {

using core::fail;
using core::Result;
using core::config::Node;
using core::config::Table;

namespace {

bool is_absolute(const std::string& path) { return path.starts_with('/'); }

// restic takes these for a pattern's, and what is left out is named by its path.
bool has_pattern(const std::string& path) { return path.find_first_of("*?[]\\") != std::string::npos; }

Result<void> check_folder(std::string_view key, const std::string& path, const Node& node) {
  if (!is_absolute(path)) return fail(node.error("{}: expected an absolute path, got \"{}\"", key, path));
  if (has_pattern(path)) return fail(node.error("{}: \"{}\" has one of the characters * ? [ ] \\", key, path));
  return {};
}

Result<void> check_optional_folder(std::string_view key, const std::string& path, const Node& node) {
  return path.empty() ? Result<void>() : check_folder(key, path, node);
}

Result<void> check_programs(const ClientConfig& client, const Node& node) {
  const bool by_programs = !client.stop.empty() || !client.start.empty() || !client.check.empty();
  if (!client.service.empty() && by_programs) {
    return fail(node.error("expected one of service, and stop and start with their programs"));
  }
  if (by_programs && (client.stop.empty() || client.start.empty())) {
    return fail(node.error("stop and start: expected both; what is stopped must be started again"));
  }
  if (!client.service.empty() && client.service.find('.') == std::string::npos) {
    return fail(node.error("service: expected a unit such as geth.service, got \"{}\"", client.service));
  }
  for (const auto* argv : {&client.stop, &client.start, &client.check}) {
    if (!argv->empty() && argv->front().empty()) return fail(node.error("stop, start, check: a program is empty"));
  }
  if (!client.is_stopped() && !client.snapshot.given()) {
    return fail(node.error("expected service, stop and start, or snapshot: the data is written all the time"));
  }
  if (names_validator_client({client.service}) || names_validator_client(client.stop) ||
      names_validator_client(client.start)) {
    return fail(node.error("{}: a validator client is not stopped for a backup", client.name()));
  }
  return {};
}

Result<void> check_client(const ClientConfig& client, const Node& node) {
  if (auto checked = check_programs(client, node); !checked) return checked;
  if (client.is_stopped() && client.require.empty() && client.gates.empty()) {
    return fail(
        node.error("require, gates: expected at least one condition: a client is stopped only where it is known that"
                   " others serve"));
  }
  for (const core::Millis time : {client.stop_timeout, client.start_timeout, client.stopped_max, client.fresh_within}) {
    if (time <= core::Millis(0)) {
      return fail(node.error("stop_timeout, start_timeout, stopped_max, fresh_within: expected more than zero"));
    }
  }
  return {};
}

}  // namespace

bool names_validator_client(const std::vector<std::string>& argv) {
  return std::ranges::any_of(argv, [](const std::string& argument) {
    // `--validator-monitor-auto` is an option of beacon nodes, a folder's name says nothing of its program.
    if (argument.starts_with('-')) return false;
    const std::size_t slash = argument.rfind('/');
    return protection::names_a_validator(slash == std::string::npos ? argument : argument.substr(slash + 1));
  });
}

bool runs_validator_client(const std::vector<std::string>& argv) {
  if (argv.empty()) return false;
  if (names_validator_client({argv.front()})) return true;
  // The subcommands of Lighthouse, Prysm, Lodestar and Teku. Whole arguments only: a beacon node has options whose
  // values speak of validators.
  return std::ranges::any_of(argv, [](const std::string& argument) {
    return argument == "vc" || argument == "validator" || argument == "validator_client" ||
           argument == "validator-client";
  });
}

const Table<VolumeSnapshotConfig>& VolumeSnapshotConfig::fields() {
  static const auto table =
      Table<VolumeSnapshotConfig>("snapshot", "A snapshot of the volumes that hold the data, made by your programs.")
          .field("create", &VolumeSnapshotConfig::create,
                 {.help = "A program and its arguments that make the snapshot; the client is started again after it.",
                  .required = true,
                  .example = "[/usr/local/sbin/snapshot-geth, create]"})
          .field("mount", &VolumeSnapshotConfig::mount,
                 {.help = "Makes it readable below root; may take its time, the client runs meanwhile."})
          .field("release", &VolumeSnapshotConfig::release,
                 {.help = "Removes the snapshot, also one that is half made or gone; tried until it ends with 0.",
                  .required = true,
                  .example = "[/usr/local/sbin/snapshot-geth, release]"})
          .field("root", &VolumeSnapshotConfig::root,
                 {.help = "Folder below which the snapshot shows the same paths: /mnt/snapshot for data_dir at"
                          " /mnt/snapshot/var/lib/geth.",
                  .required = true,
                  .example = "/mnt/snapshot"})
          .field("timeout", &VolumeSnapshotConfig::timeout, {.help = "Of each of the programs."})
          .check([](const VolumeSnapshotConfig& snapshot, const Node& node) -> Result<void> {
            if (snapshot.create.empty() || snapshot.release.empty()) {
              return fail(node.error("snapshot: create and release: expected a program in each"));
            }
            if (snapshot.timeout <= core::Millis(0))
              return fail(node.error("snapshot: timeout: expected more than zero"));
            return check_folder("snapshot: root", snapshot.root, node);
          });
  return table;
}

const Table<ClientConfig>& ClientConfig::fields() {
  static const auto table =
      Table<ClientConfig>("client", "How the data of a client is found at rest.")
          .field("service", &ClientConfig::service,
                 {.help = "Its systemd unit, stopped for the copy and started again.", .example = "geth.service"})
          .field("stop", &ClientConfig::stop, {.help = "Instead: a program and its arguments that stop it."})
          .field("start", &ClientConfig::start,
                 {.help = "With stop: what starts it; may be asked again for one that runs."})
          .field("check", &ClientConfig::check,
                 {.help = "With stop: says whether it runs, exit status 0 yes, 1 no; without it, it is taken to."})
          .field("stop_timeout", &ClientConfig::stop_timeout,
                 {.help = "It must have ended by then; otherwise it is started again, and the backup has failed."})
          .field("start_timeout", &ClientConfig::start_timeout,
                 {.help = "It must run by then; otherwise it is tried again until it does."})
          .field("stopped_max", &ClientConfig::stopped_max,
                 {.help = "It is stopped for no longer: then the copy is ended, and the backup has failed."})
          .field("copy_ahead", &ClientConfig::copy_ahead,
                 {.help = "Copy once while it runs, so that little is left to be copied while it is stopped."})
          .field("require", &ClientConfig::require,
                 {.help = "PromQL; it is stopped only if all hold. As of remediations: unknown is no.",
                  .example = "['count(watchkeeper_execution_up == 1) >= 2']"})
          .field("gates", &ClientConfig::gates, {.help = "Names of remediation_gates that must hold as well."})
          .field("fresh_within", &ClientConfig::fresh_within, {.help = "Older samples do not count for these."})
          .field(
              "snapshot", &ClientConfig::snapshot,
              {.help = "The client is stopped only until the snapshot is made; without service and stop not at all."})
          .check(check_client);
  return table;
}

const Table<GethConfig>& GethConfig::fields() {
  static const auto table =
      Table<GethConfig>("geth",
                        "Geth's chain data, without what is the host's own: its key, its peers, its JWT secret.")
          .field("data_dir", &GethConfig::data_dir,
                 {.help = "Its --datadir.", .required = true, .example = "/var/lib/geth"})
          .field("ancient_dir", &GethConfig::ancient_dir, {.help = "Its --datadir.ancient, if it has one."})
          .embed(&GethConfig::client, ClientConfig::fields())
          .check([](const GethConfig& geth, const Node& node) -> Result<void> {
            if (auto checked = check_folder("data_dir", geth.data_dir, node); !checked) return checked;
            return check_optional_folder("ancient_dir", geth.ancient_dir, node);
          });
  return table;
}

const Table<LighthouseBeaconConfig>& LighthouseBeaconConfig::fields() {
  static const auto table =
      Table<LighthouseBeaconConfig>("lighthouse_beacon",
                                    "The database of a Lighthouse beacon node, without its logs and network key.")
          .field("data_dir", &LighthouseBeaconConfig::data_dir,
                 {.help = "Its --datadir.", .required = true, .example = "/var/lib/lighthouse/mainnet"})
          .field("freezer_dir", &LighthouseBeaconConfig::freezer_dir, {.help = "Its --freezer-dir, if it has one."})
          .field("blobs_dir", &LighthouseBeaconConfig::blobs_dir, {.help = "Its --blobs-dir, if it has one."})
          .field("hot_db", &LighthouseBeaconConfig::hot_db,
                 {.help = "false leaves out the hot database, which checkpoint sync brings back in minutes."})
          .embed(&LighthouseBeaconConfig::client, ClientConfig::fields())
          .check([](const LighthouseBeaconConfig& beacon, const Node& node) -> Result<void> {
            if (auto checked = check_folder("data_dir", beacon.data_dir, node); !checked) return checked;
            if (auto checked = check_optional_folder("freezer_dir", beacon.freezer_dir, node); !checked) return checked;
            return check_optional_folder("blobs_dir", beacon.blobs_dir, node);
          });
  return table;
}

}  // namespace actions::backup

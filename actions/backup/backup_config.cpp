// SPDX-License-Identifier: Apache-2.0
#include "actions/backup/backup_config.h"

#include <set>

#include "actions/backup/interchange.h"

namespace actions::backup {

using core::fail;
using core::Result;
using core::config::Node;
using core::config::Table;

namespace {

Result<void> check_source(const SourceConfig& source, const Node& node) {
  const int given = (source.paths.empty() ? 0 : 1) + (source.sqlite.empty() ? 0 : 1) + (source.vault_raft ? 1 : 0) +
                    (source.client() == nullptr ? 0 : 1);
  if (given != 1 || (source.geth && source.lighthouse_beacon)) {
    return fail(
        node.error("source: expected one of paths, with a path in it, sqlite, vault_raft, geth and lighthouse_beacon"));
  }
  for (const std::string& path : source.paths) {
    if (!path.starts_with('/')) return fail(node.error("source: expected an absolute path, got \"{}\"", path));
  }
  if (source.sqlite.empty()) {
    if (!source.genesis_validators_root.empty() || !source.network.empty()) {
      return fail(node.error("source: genesis_validators_root and network belong to sqlite"));
    }
    return {};
  }
  if (!source.sqlite.starts_with('/')) {
    return fail(node.error("source: expected an absolute path, got \"{}\"", source.sqlite));
  }
  if (!source.genesis_validators_root.empty() && !source.network.empty()) {
    return fail(node.error("source: expected one of genesis_validators_root and network"));
  }
  if (!source.genesis_validators_root.empty() && !is_hex(source.genesis_validators_root, 32)) {
    return fail(node.error("source: genesis_validators_root: expected 0x and 64 hexadecimal digits"));
  }
  if (!source.network.empty() && !genesis_validators_root_of(source.network)) {
    return fail(
        node.error("source: network \"{}\": expected mainnet, sepolia, hoodi, holesky or gnosis; of another"
                   " network give genesis_validators_root",
                   source.network));
  }
  return {};
}

}  // namespace

const ClientConfig* SourceConfig::client() const {
  if (geth) return &geth->client;
  return lighthouse_beacon ? &lighthouse_beacon->client : nullptr;
}

std::string SourceConfig::validators_root() const {
  if (network.empty()) return genesis_validators_root;
  return std::string(genesis_validators_root_of(network).value_or(""));
}

const Table<SourceConfig>& SourceConfig::fields() {
  static const auto table =
      Table<SourceConfig>("source", "What a backup holds: one of paths, sqlite, vault_raft, geth, lighthouse_beacon.")
          .field("paths", &SourceConfig::paths,
                 {.help = "Absolute paths of files and folders; one that is missing fails the backup.",
                  .example = "[/etc/watchkeeper]"})
          .field("sqlite", &SourceConfig::sqlite,
                 {.help = "A SQLite database, copied while its program writes it and checked; of Lighthouse's"
                          " slashing_protection.sqlite also an EIP-3076 interchange is kept."})
          .field("genesis_validators_root", &SourceConfig::genesis_validators_root,
                 {.help = "With sqlite: the network's root, which an interchange must name."})
          .field("network", &SourceConfig::network,
                 {.help = "Instead of the root: mainnet, sepolia, hoodi, holesky or gnosis."})
          .field(
              "minify", &SourceConfig::minify,
              {.help = "The interchange holds only the highest slot and epochs of each key, which refuses at least as"
                       " much as all of them."})
          .field("vault_raft", &SourceConfig::vault_raft,
                 {.help = "A snapshot that the active node of a Vault cluster makes, read whole before it counts."})
          .field("geth", &SourceConfig::geth, {.help = "Geth's chain data, copied while Geth rests."})
          .field("lighthouse_beacon", &SourceConfig::lighthouse_beacon,
                 {.help = "The database of a Lighthouse beacon node, copied while it rests."})
          .check(check_source);
  return table;
}

const Table<KeepConfig>& KeepConfig::fields() {
  static const auto table = Table<KeepConfig>("keep", "Which snapshots stay; without any of them all do.")
                                .field("last", &KeepConfig::last, {.help = "The newest so many."})
                                .field("hourly", &KeepConfig::hourly, {.help = "The newest of each of so many hours."})
                                .field("daily", &KeepConfig::daily, {.help = "Likewise of days."})
                                .field("weekly", &KeepConfig::weekly, {.help = "Likewise of weeks."})
                                .field("monthly", &KeepConfig::monthly, {.help = "Likewise of months."});
  return table;
}

const Table<CheckConfig>& CheckConfig::fields() {
  static const auto table =
      Table<CheckConfig>("check", "Reading the repository to find damage.")
          .field("schedule", &CheckConfig::schedule, {.help = "As of the backup; without one only when asked."})
          .field("read_data_subset", &CheckConfig::read_data_subset,
                 {.help = "How much of the data is read each time: 5%, 1/7, 500M (restic's --read-data-subset)."});
  return table;
}

const Table<DrillConfig>& DrillConfig::fields() {
  static const auto table =
      Table<DrillConfig>("drill", "Restoring the newest snapshot into a scratch folder, to know that it can be done.")
          .field("schedule", &DrillConfig::schedule, {.help = "As of the backup; without one only when asked."})
          .field("command", &DrillConfig::command,
                 {.help = "A program and its arguments, run in the restored folder; it must end with 0."})
          .field("timeout", &DrillConfig::timeout, {.help = "A drill's program that takes longer has failed."})
          .check([](const DrillConfig& drill, const Node& node) -> Result<void> {
            if (drill.timeout <= core::Millis(0)) return fail(node.error("drill: timeout must be more than zero"));
            return {};
          });
  return table;
}

const Table<BackupConfig>& BackupConfig::fields() {
  static const auto table =
      Table<BackupConfig>("backup", "A backup taken by restic.")
          .field("name", &BackupConfig::name,
                 {.help = "What remediations, metrics and the page call it.", .required = true, .example = "etc"})
          .field("source", &BackupConfig::source, {.help = "What it holds.", .required = true})
          .field("repository", &BackupConfig::repository,
                 {.help = "Any restic repository; created at the first backup if it is not there.",
                  .required = true,
                  .example = "/var/backups/watchkeeper"})
          .field("password_file", &BackupConfig::password_file,
                 {.help = "Holds the repository's password; refused if other users can read it.",
                  .example = "/etc/watchkeeper/restic-password"})
          .field("password_env", &BackupConfig::password_env,
                 {.help = "Instead: the variable of the agent's environment that has it."})
          .field("password_vault", &BackupConfig::password_vault,
                 {.help = "Instead: a Vault that has it, asked for every run; what backs up that Vault has a file."})
          .field("schedule", &BackupConfig::schedule,
                 {.help = "A duration between starts, or a cron line, in UTC or behind CRON_TZ=Europe/Berlin in that"
                          " zone; without one it runs only when asked.",
                  .example = "6h"})
          .field(
              "on", &BackupConfig::on,
              {.help = "What happens and is a reason to take it, beside the schedule: alerts, events of beacon nodes."})
          .field("on_limits", &BackupConfig::on_limits, {.help = "How often that may be."})
          .field("jitter", &BackupConfig::jitter,
                 {.help = "Scheduled starts come up to so much later, on each host and for each backup by the same time"
                          " every time, so that not all use the repository at once."})
          .field("timeout", &BackupConfig::timeout, {.help = "A backup that takes longer is ended and has failed."})
          .field("tags", &BackupConfig::tags, {.help = "Tags of the snapshot, beside watchkeeper:NAME."})
          .field("exclude", &BackupConfig::exclude, {.help = "Patterns that restic leaves out (its --exclude)."})
          .field(
              "environment", &BackupConfig::environment,
              {.help = "Variables for restic, such as AWS_ACCESS_KEY_ID; it gets no others but PATH, HOME, LANG, TZ."})
          .field(
              "options", &BackupConfig::options,
              {.help = "Options of restic's storage (its -o), such as sftp.command with the key and the known hosts."})
          .field("keep", &BackupConfig::keep, {.help = "After a good backup older snapshots are removed but these."})
          .field("check", &BackupConfig::check, {.help = "When the repository is checked."})
          .field("drill", &BackupConfig::drill, {.help = "When a restore is tried."})
          .check([](const BackupConfig& backup, const Node& node) -> Result<void> {
            if (backup.name.empty()) return fail(node.error("backup: name is empty"));
            if (backup.repository.empty()) return fail(node.error("backup \"{}\": repository is empty", backup.name));
            const int passwords = (backup.password_file.path.empty() ? 0 : 1) + (backup.password_env.empty() ? 0 : 1) +
                                  (backup.password_vault.given() ? 1 : 0);
            if (passwords != 1) {
              return fail(node.error("backup \"{}\": expected one of password_file, password_env and password_vault",
                                     backup.name));
            }
            for (const auto& [name, value] : backup.options) {
              if (!name.empty() && name.find('=') == std::string::npos) continue;
              return fail(node.error("backup \"{}\": options: \"{}\" is not the name of one", backup.name, name));
            }
            if (backup.jitter < core::Millis(0)) {
              return fail(node.error("backup \"{}\": jitter must not be less than zero", backup.name));
            }
            if (backup.timeout <= core::Millis(0)) {
              return fail(node.error("backup \"{}\": timeout must be more than zero", backup.name));
            }
            return {};
          });
  return table;
}

Result<void> check_backups(const std::vector<BackupConfig>& backups, const Node& root) {
  std::set<std::string> names;
  const std::vector<Node> nodes = root.find("backups").items();
  for (std::size_t i = 0; i < backups.size(); ++i) {
    if (names.insert(backups[i].name).second) continue;
    const Node& place = i < nodes.size() ? nodes[i] : root;
    return fail(place.error("backup name \"{}\" is not unique", backups[i].name));
  }
  return {};
}

}  // namespace actions::backup

// SPDX-License-Identifier: Apache-2.0
#include "actions/backup/backup_config.h"

#include <set>

namespace actions::backup {

using core::fail;
using core::Result;
using core::config::Node;
using core::config::Table;

const Table<SourceConfig>& SourceConfig::fields() {
  static const auto table =
      Table<SourceConfig>("source", "What a backup holds.")
          .field("paths", &SourceConfig::paths,
                 {.help = "Absolute paths of files and folders; one that is missing fails the backup.",
                  .required = true,
                  .example = "[/etc/watchkeeper]"})
          .refuse("sqlite", "backups of a live SQLite database are not supported yet; use paths")
          .refuse("geth", "backups that stop and start Geth are not supported yet; use paths")
          .refuse("lighthouse_beacon", "backups that know Lighthouse are not supported yet; use paths")
          .refuse("vault_raft", "Vault raft snapshots are not supported yet; use paths")
          .check([](const SourceConfig& source, const Node& node) -> Result<void> {
            if (source.paths.empty()) return fail(node.error("source: paths is empty"));
            for (const std::string& path : source.paths) {
              if (!path.starts_with('/'))
                return fail(node.error("source: expected an absolute path, got \"{}\"", path));
            }
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
                  .required = true,
                  .example = "/etc/watchkeeper/restic-password"})
          .field("schedule", &BackupConfig::schedule,
                 {.help = "A duration between starts, or a cron line in UTC; without one it runs only when asked.",
                  .example = "6h"})
          .field("timeout", &BackupConfig::timeout, {.help = "A backup that takes longer is ended and has failed."})
          .field("tags", &BackupConfig::tags, {.help = "Tags of the snapshot, beside watchkeeper:NAME."})
          .field("exclude", &BackupConfig::exclude, {.help = "Patterns that restic leaves out (its --exclude)."})
          .field(
              "environment", &BackupConfig::environment,
              {.help = "Variables for restic, such as AWS_ACCESS_KEY_ID; it gets no others but PATH, HOME, LANG, TZ."})
          .check([](const BackupConfig& backup, const Node& node) -> Result<void> {
            if (backup.name.empty()) return fail(node.error("backup: name is empty"));
            if (backup.repository.empty()) return fail(node.error("backup \"{}\": repository is empty", backup.name));
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

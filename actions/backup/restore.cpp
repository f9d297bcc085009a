// SPDX-License-Identifier: Apache-2.0
// Restoring for a person, who decides what to do with what comes back.
#include <filesystem>
#include <system_error>
#include <utility>

#include "actions/backup/backup_set.h"
#include "actions/backup/scratch.h"
#include "actions/backup/staging.h"
#include "core/config/codec.h"

namespace actions::backup {
namespace {

namespace fs = std::filesystem;
using core::Errc;
using core::fail;
using core::Result;

// A restore overwrites nothing: a folder without anything in it, or one that is not there yet.
Result<void> check_target(const std::string& target) {
  std::error_code failed;
  if (!fs::exists(target, failed) && !failed) return {};
  if (!fs::is_directory(target, failed) && !failed) return fail(Errc::kInvalid, "{}: not a folder", target);
  const bool empty = fs::is_empty(target, failed);
  if (failed) return fail(Errc::kFailed, "{}: {}", target, failed.message());
  // What is there may be a running client's.
  if (!empty) return fail(Errc::kInvalid, "{}: not empty; a restore overwrites nothing", target);
  return {};
}

Result<void> make_target(const std::string& target) {
  if (auto checked = check_target(target); !checked) return checked;
  std::error_code failed;
  fs::create_directories(target, failed);
  if (failed) return fail(Errc::kFailed, "{}: {}", target, failed.message());
  return {};
}

std::string target_of(const RestoreOptions& options) {
  return fs::absolute(options.target).lexically_normal().string();
}

// Of the file system that the folder is on, or will be.
Result<std::uint64_t> room_for(fs::path folder) {
  std::error_code failed;
  while (!fs::exists(folder, failed) && folder.has_relative_path()) folder = folder.parent_path();
  const fs::space_info space = fs::space(folder, failed);
  if (failed) return fail(Errc::kFailed, "{}: {}", folder.string(), failed.message());
  return space.available;
}

// By its name, wherever it lies; the names that SQLite gives a journal or a WAL begin with it too.
std::vector<std::string> never_restored() { return {std::string(kSlashingDatabaseFile) + "*"}; }

std::string bytes_text(std::uint64_t bytes) {
  return core::config::Codec<core::config::ByteSize>::print({.bytes = bytes});
}

// Moves the interchange up to the target, complete with the network's root, and drops the rest.
Result<std::string> take_interchange(const std::string& found, const std::string& root, const std::string& target) {
  const Result<std::string> text = read_file(found, kInterchangeBytesMax);
  if (!text) return fail(text.error());
  Result<Interchange> interchange = Interchange::parse(*text);
  if (!interchange) return fail(interchange.error().with_context("{}", found));
  if (!root.empty() && !is_hex(root, 32)) {
    return fail(Errc::kInvalid, "genesis_validators_root: expected 0x and 64 hexadecimal digits");
  }
  if (interchange->genesis_validators_root.empty()) interchange->genesis_validators_root = root;
  if (interchange->genesis_validators_root.empty()) {
    return fail(Errc::kInvalid,
                "the interchange was made without genesis_validators_root, and no client imports it so: give it with"
                " --genesis-validators-root");
  }
  if (!root.empty() && interchange->genesis_validators_root != root) {
    return fail(Errc::kInvalid, "the interchange is of the network with genesis_validators_root {}",
                interchange->genesis_validators_root);
  }
  const Result<std::string> complete = interchange->to_json();
  if (!complete) return fail(complete.error());
  const std::string path = target + "/" + kInterchangeFile;
  if (auto written = write_private_file(path, *complete); !written) return fail(written.error());
  return path;
}

}  // namespace

Result<Restored> restore_snapshot(const BackupConfig& config, const RestoreOptions& options,
                                  core::process::CommandRunner& commands, const core::Clock& clock,
                                  std::stop_token stop) {
  const Result<RepositoryPassword> password = find_password(config, clock, stop);
  if (!password) return fail(password.error());
  const std::string target = target_of(options);
  if (auto made = make_target(target); !made) return fail(made.error());
  const Restic restic(commands, config, *password, "", "");
  const std::vector<std::string> exclude = never_restored();
  if (!config.source.staged()) {
    if (auto restored = restic.restore(options.snapshot, target, exclude, stop); !restored) {
      return fail(restored.error());
    }
    return Restored{target, ""};
  }
  Result<Scratch> scratch = Scratch::make(target, "restoring");
  if (!scratch) return fail(scratch.error());
  if (auto restored = restic.restore(options.snapshot, scratch->path(), exclude, stop); !restored) {
    return fail(restored.error());
  }
  const std::vector<std::string> interchanges = find_files(scratch->path(), kInterchangeFile);
  if (interchanges.size() == 1) {
    Result<std::string> path = take_interchange(interchanges.front(), options.genesis_validators_root, target);
    if (!path) return fail(path.error());
    return Restored{std::move(*path), std::string(kNeverRestored)};
  }
  const std::vector<std::string> manifests = find_files(scratch->path(), kManifestFile);
  if (interchanges.size() > 1 || manifests.size() != 1) {
    return fail(Errc::kInvalid, "snapshot {}: not one of this kind of backup", options.snapshot);
  }
  for (const auto& file : fs::directory_iterator(fs::path(manifests.front()).parent_path())) {
    std::error_code failed;
    fs::rename(file.path(), fs::path(target) / file.path().filename(), failed);
    if (failed) return fail(Errc::kFailed, "{}: {}", file.path().string(), failed.message());
  }
  return Restored{target, ""};
}

Result<RestorePlan> plan_restore(const BackupConfig& config, const RestoreOptions& options,
                                 core::process::CommandRunner& commands, const core::Clock& clock,
                                 std::stop_token stop) {
  const Result<RepositoryPassword> password = find_password(config, clock, stop);
  if (!password) return fail(password.error());
  const Restic restic(commands, config, *password, "", "");
  const Result<HeldSnapshot> held = restic.describe(options.snapshot, stop);
  if (!held) return fail(held.error());
  const std::string target = target_of(options);
  RestorePlan plan;
  plan.lines.push_back(fmt::format("restore  snapshot {} of {}, taken by {}: {} files and folders, {}",
                                   held->id.substr(0, 8), held->time, held->hostname, held->files,
                                   bytes_text(held->bytes)));
  plan.lines.push_back("into     " + target);
  if (!config.source.sqlite.empty()) {
    plan.lines.push_back(fmt::format("gives    {} only: {}", kInterchangeFile, kNeverRestored));
  } else {
    plan.lines.push_back(fmt::format("without  {}", fmt::join(never_restored(), ", ")));
  }
  if (auto checked = check_target(target); !checked) plan.objections.push_back(checked.error().message);
  const Result<std::uint64_t> room = room_for(target);
  if (!room) {
    plan.objections.push_back(room.error().message);
  } else if (*room < held->bytes) {
    plan.objections.push_back(fmt::format("{}: {} are free there", target, bytes_text(*room)));
  }
  return plan;
}

}  // namespace actions::backup

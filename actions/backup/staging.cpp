// SPDX-License-Identifier: Apache-2.0
#include "actions/backup/staging.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "actions/backup/scratch.h"
#include "core/store/live_copy.h"

namespace actions::backup {
namespace {

namespace fs = std::filesystem;
using core::Errc;
using core::fail;
using core::Result;
using core::store::Database;
using nlohmann::json;

constexpr std::size_t kManifestBytesMax = 1 << 20;
constexpr std::size_t kFoundMax = 16;
constexpr auto kPatience = std::chrono::seconds(20);

Result<void> write_manifest(const std::string& folder, std::string_view kind, const std::string& origin,
                            const std::vector<std::string>& files, const core::Clock& clock) {
  json digests = json::object();
  for (const std::string& file : files) {
    const Result<std::string> digest = sha256_of_file(folder + "/" + file);
    if (!digest) return fail(digest.error());
    digests[file] = *digest;
  }
  const json manifest = {{"kind", kind},
                         {"origin", origin},
                         {"taken_ms", core::to_unix_ms(clock.wall_now())},
                         {"sha256", std::move(digests)}};
  return write_private_file(folder + "/" + kManifestFile, manifest.dump(2) + "\n");
}

Result<Interchange> read_copy(const std::string& path, const SourceConfig& source) {
  Result<Database> copy = Database::open_read_only(path);
  if (!copy) return fail(copy.error());
  Result<Interchange> interchange = read_slashing_protection(*copy, source.minify);
  if (interchange) interchange->genesis_validators_root = source.validators_root();
  return interchange;
}

Result<Staged> stage_sqlite(const SourceConfig& source, const std::string& folder, const core::Clock& clock,
                            std::stop_token stop) {
  const std::string plain = folder + "/" + fs::path(source.sqlite).filename().string();
  core::store::LiveCopyOptions options;
  options.patience = kPatience;
  const auto copied = core::store::copy_live(source.sqlite, plain, clock, options, stop);
  if (!copied) return fail(copied.error());
  if (auto sound = core::store::check_integrity(plain); !sound) {
    return fail(sound.error().with_context("copy of {}", source.sqlite));
  }
  Staged staged;
  staged.paths = {folder};
  if (copied->between_writes) staged.note = "its program locks it while it runs: copied between two of its writes";
  bool is_protection = false;
  {
    Result<Database> copy = Database::open_read_only(plain);
    if (!copy) return fail(copy.error());
    const Result<bool> found = is_slashing_protection(*copy);
    if (!found) return fail(found.error());
    is_protection = *found;
  }
  if (!is_protection) {
    if (!source.validators_root().empty()) {
      return fail(Errc::kInvalid, "{}: has not the tables of Lighthouse's slashing protection", source.sqlite);
    }
    auto written = write_manifest(folder, "sqlite", source.sqlite, {fs::path(plain).filename().string()}, clock);
    if (!written) return fail(written.error());
    return staged;
  }
  const std::string database = folder + "/" + kSlashingDatabaseFile;
  std::error_code failed;
  fs::rename(plain, database, failed);
  if (failed) return fail(Errc::kFailed, "{}: {}", database, failed.message());
  const Result<Interchange> interchange = read_copy(database, source);
  if (!interchange) return fail(interchange.error().with_context("{}", source.sqlite));
  staged.watermarks = interchange->watermarks();
  staged.voted = interchange->voted();
  const Result<std::string> text = interchange->to_json();
  if (!text) return fail(text.error());
  if (auto done = write_private_file(folder + "/" + kInterchangeFile, *text); !done) return fail(done.error());
  if (interchange->genesis_validators_root.empty()) {
    staged.note += std::string(staged.note.empty() ? "" : "; ") +
                   "the interchange lacks genesis_validators_root: set source.network, or give it at the restore";
  }
  auto written =
      write_manifest(folder, "slashing_protection", source.sqlite, {kSlashingDatabaseFile, kInterchangeFile}, clock);
  if (!written) return fail(written.error());
  return staged;
}

Result<Staged> stage_vault_raft(const VaultRaftConfig& vault, const std::string& folder, core::Duration timeout,
                                const core::Clock& clock, std::stop_token stop) {
  const auto archive = fetch_raft_snapshot(vault, folder + "/" + kRaftSnapshotFile, timeout, clock, std::move(stop));
  if (!archive) return fail(archive.error());
  auto written = write_manifest(folder, "vault_raft", vault.urls.front(), {kRaftSnapshotFile}, clock);
  if (!written) return fail(written.error());
  return Staged{.paths = {folder},
                .note = fmt::format("raft index {}, term {}", archive->index, archive->term),
                .watermarks = {},
                .voted = {}};
}

Result<Watermarks> examine_protection(const std::string& folder) {
  const Result<std::string> text = read_file(folder + "/" + kInterchangeFile, kInterchangeBytesMax);
  if (!text) return fail(text.error());
  const Result<Interchange> interchange = Interchange::parse(*text);
  if (!interchange) return fail(interchange.error());
  Result<Database> database = Database::open_read_only(folder + "/" + kSlashingDatabaseFile);
  if (!database) return fail(database.error());
  const Result<Interchange> held = read_slashing_protection(*database, /*minify=*/true);
  if (!held) return fail(held.error());
  if (held->minified().keys != interchange->minified().keys) {
    return fail(Errc::kInvalid, "the interchange does not say what the database beside it says");
  }
  return interchange->watermarks();
}

// A staged folder as it came back.
Result<void> examine_staged(const std::string& manifest_path, Findings& findings) {
  const std::string folder = fs::path(manifest_path).parent_path().string();
  const Result<std::string> text = read_file(manifest_path, kManifestBytesMax);
  if (!text) return fail(text.error());
  const json manifest = json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!manifest.is_object() || !manifest.contains("sha256") || !manifest["sha256"].is_object() ||
      !manifest.contains("kind") || !manifest["kind"].is_string()) {
    return fail(Errc::kInvalid, "{}: not a manifest", manifest_path);
  }
  for (const auto& [file, expected] : manifest["sha256"].items()) {
    if (file.find('/') != std::string::npos) return fail(Errc::kInvalid, "{}: names \"{}\"", manifest_path, file);
    const Result<std::string> digest = sha256_of_file(folder + "/" + file);
    if (!digest) return fail(digest.error());
    if (expected != *digest) return fail(Errc::kInvalid, "{}: not what was backed up: its SHA-256 differs", file);
    if (!file.ends_with(".json") && !file.ends_with(".snap")) {
      if (auto sound = core::store::check_integrity(folder + "/" + file); !sound) return sound;
    }
  }
  if (manifest["kind"] == "vault_raft") {
    if (auto archive = read_raft_archive(folder + "/" + kRaftSnapshotFile); !archive) return fail(archive.error());
    return {};
  }
  if (manifest["kind"] != "slashing_protection") return {};
  const Result<Watermarks> marks = examine_protection(folder);
  if (!marks) return fail(marks.error());
  findings.watermarks = *marks;
  return {};
}

}  // namespace

Result<Staged> stage(const SourceConfig& source, const std::string& folder, core::Duration timeout,
                     const core::Clock& clock, std::stop_token stop) {
  if (!source.sqlite.empty()) return stage_sqlite(source, folder, clock, std::move(stop));
  if (source.vault_raft) return stage_vault_raft(*source.vault_raft, folder, timeout, clock, std::move(stop));
  return Staged{.paths = source.paths, .note = {}, .watermarks = {}, .voted = {}};
}

std::vector<std::string> find_files(const std::string& folder, std::string_view name) {
  std::vector<std::string> found;
  std::error_code failed;
  for (fs::recursive_directory_iterator it(folder, failed), end; !failed && it != end; it.increment(failed)) {
    if (it->path().filename() == name && it->is_regular_file(failed) && found.size() < kFoundMax) {
      found.push_back(it->path().string());
    }
  }
  return found;
}

Result<Findings> examine(const std::string& folder, bool staged) {
  Findings findings;
  std::error_code failed;
  for (fs::recursive_directory_iterator it(folder, failed), end; !failed && it != end; it.increment(failed)) {
    if (it->is_symlink(failed) || !it->is_regular_file(failed)) continue;
    ++findings.files;
    findings.bytes += it->file_size(failed);
  }
  if (failed) return fail(Errc::kFailed, "{}: {}", folder, failed.message());
  if (findings.files == 0) return fail(Errc::kInvalid, "nothing was restored: there is not one file");
  if (!staged) return findings;
  const std::vector<std::string> manifests = find_files(folder, kManifestFile);
  if (manifests.size() != 1) {
    return fail(Errc::kInvalid, "{} files named {}, expected one", manifests.size(), kManifestFile);
  }
  if (auto examined = examine_staged(manifests.front(), findings); !examined) return fail(examined.error());
  return findings;
}

}  // namespace actions::backup

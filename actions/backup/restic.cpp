// SPDX-License-Identifier: Apache-2.0
#include "actions/backup/restic.h"

#include <signal.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <utility>

#include "core/check.h"
#include "core/time/duration.h"

namespace actions::backup {
namespace {

using core::Errc;
using core::fail;
using core::Result;
using core::process::Exit;
using nlohmann::json;

// restic reports progress as JSON lines; one a minute keeps the output small.
constexpr std::string_view kProgressPerSecond = "0.0166";
// Enough for the summary at the end and some hundred errors; restic's own lines are a few hundred bytes.
constexpr std::size_t kOutputLimit = 256 << 10;
constexpr std::size_t kNamedPathsMax = 5;
constexpr std::size_t kReasonMax = 1000;
// Time for restic to give back its lock after SIGTERM.
constexpr auto kGrace = std::chrono::seconds(15);
// Instead of watchkeeper:NAME, so that nobody takes such a snapshot for a backup.
constexpr std::string_view kAheadTag = "watchkeeper-ahead:";

// Exit codes since restic 0.17; before, everything is 1.
constexpr int kExitIncomplete = 3;
constexpr int kExitNoRepository = 10;
constexpr int kExitLocked = 11;
constexpr int kExitWrongPassword = 12;

template <class Each>
void for_each_line(std::string_view text, Each each) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    each(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

bool contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

// The lines that say what went wrong: without JSON and without Go's stack traces, whose lines have no spaces.
std::string reason_of(const Exit& exit) {
  std::string reason;
  for_each_line(exit.errors, [&](std::string_view line) {
    if (line.starts_with('{') || line.starts_with('\t') || !contains(line, " ") || reason.size() > kReasonMax) return;
    reason += (reason.empty() ? "" : "; ") + std::string(line.substr(0, kReasonMax));
  });
  return reason.empty() ? exit.to_string() : fmt::format("{} ({})", reason, exit.to_string());
}

bool is_locked(const Exit& exit) {
  return exit.status == kExitLocked || contains(exit.errors, "repository is already locked");
}

Errc code_of(const Exit& exit) {
  if (exit.timed_out) return Errc::kTimeout;
  if (exit.stopped) return Errc::kCancelled;
  if (is_locked(exit)) return Errc::kUnavailable;
  if (exit.status == kExitWrongPassword || contains(exit.errors, "wrong password or no key found")) {
    return Errc::kInvalid;
  }
  return Errc::kFailed;
}

tl::unexpected<core::Error> failure(std::string_view what, const Exit& exit) {
  return fail(code_of(exit), "restic {}: {}", what, reason_of(exit));
}

// The storage itself said that there is no configuration file: a local path or SFTP, a REST server, S3.
bool says_absent(const Exit& exit) {
  if (exit.status == kExitNoRepository) return true;
  if (exit.status != 1 || !contains(exit.errors, "unable to open config file")) return false;
  bool absent = false;
  for_each_line(exit.errors, [&](std::string_view line) {
    if (!contains(line, "unable to open config file")) return;
    absent = line.ends_with("no such file or directory") || line.ends_with("file does not exist") ||
             line.ends_with("<config/> does not exist") || line.ends_with("The specified key does not exist.") ||
             line.ends_with("The specified bucket does not exist");
  });
  return absent;
}

std::string text_at(const json& object, const char* key) {
  if (!object.is_object() || !object.contains(key) || !object[key].is_string()) return "";
  return object[key].get<std::string>();
}

std::uint64_t number_at(const json& object, const char* key) {
  if (!object.is_object() || !object.contains(key) || !object[key].is_number_unsigned()) return 0;
  return object[key].get<std::uint64_t>();
}

// The last summary message of `restic backup --json`.
std::optional<Snapshot> read_summary(std::string_view output) {
  std::optional<Snapshot> snapshot;
  for_each_line(output, [&](std::string_view line) {
    const json message = json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!message.is_object() || message.value("message_type", "") != "summary") return;
    std::string id = text_at(message, "snapshot_id");
    if (id.empty()) return;
    snapshot = Snapshot{std::move(id), number_at(message, "total_files_processed"),
                        number_at(message, "total_bytes_processed"), number_at(message, "data_added")};
  });
  return snapshot;
}

// The files that restic could not read.
std::vector<std::string> unreadable(std::string_view errors) {
  std::vector<std::string> items;
  for_each_line(errors, [&](std::string_view line) {
    const json message = json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!message.is_object() || !message.contains("item") || !message["item"].is_string()) return;
    items.push_back(message["item"].get<std::string>());
  });
  return items;
}

std::string list(const std::vector<std::string>& paths) {
  std::string text;
  for (std::size_t i = 0; i < paths.size() && i < kNamedPathsMax; ++i) text += (i == 0 ? "" : ", ") + paths[i];
  if (paths.size() > kNamedPathsMax) text += fmt::format(" and {} more", paths.size() - kNamedPathsMax);
  return text;
}

bool is_running(std::int64_t pid) { return ::kill(static_cast<pid_t>(pid), 0) == 0 || errno == EPERM; }

}  // namespace

Restic::Restic(core::process::CommandRunner& commands, const BackupConfig& config, RepositoryPassword password,
               std::string cache_folder, std::string hostname)
    : commands_(commands),
      config_(config),
      password_(std::move(password)),
      cache_folder_(std::move(cache_folder)),
      hostname_(std::move(hostname)) {}

Result<Exit> Restic::run(std::vector<std::string> arguments, std::stop_token stop,
                         std::optional<core::Duration> timeout) const {
  core::process::Command command;
  command.argv = {"restic"};
  command.argv.insert(command.argv.end(), arguments.begin(), arguments.end());
  for (const auto& [name, value] : config_.options) {
    // After the subcommand, and before what may be paths.
    command.argv.insert(command.argv.begin() + 2, {"-o", name + "=" + value});
  }
  for (const auto& [name, value] : config_.environment) command.environment[name] = value.value;
  command.environment["RESTIC_REPOSITORY"] = config_.repository;
  // The environment of a process is its user's and root's to read, as a file of mode 0600 is.
  command.environment[password_.file.empty() ? "RESTIC_PASSWORD" : "RESTIC_PASSWORD_FILE"] =
      password_.file.empty() ? password_.text : password_.file;
  if (!cache_folder_.empty()) command.environment["RESTIC_CACHE_DIR"] = cache_folder_;
  command.environment["RESTIC_PROGRESS_FPS"] = kProgressPerSecond;
  command.timeout = timeout ? std::min<core::Duration>(*timeout, config_.timeout) : config_.timeout;
  command.grace = kGrace;
  command.output_limit = kOutputLimit;
  Result<Exit> exit = commands_.run(command, stop);
  if (!exit) return fail(exit.error().with_context("restic"));
  return exit;
}

Result<Restic::Repository> Restic::look(std::stop_token stop) const {
  const Result<Exit> exit = run({"cat", "config", "--no-lock"}, stop);
  if (!exit) return fail(exit.error());
  if (exit->succeeded()) return Repository::kReady;
  if (!exit->timed_out && !exit->stopped && says_absent(*exit)) return Repository::kAbsent;
  return failure("cannot open the repository", *exit);
}

Result<void> Restic::create(std::stop_token stop) const {
  const Result<Exit> exit = run({"init"}, stop);
  if (!exit) return fail(exit.error());
  if (!exit->succeeded()) return failure("init", *exit);
  return {};
}

Result<Snapshot> Restic::back_up(const Intake& intake, std::stop_token stop) const {
  // restic itself only skips a path that is not there, and calls the rest a success.
  for (const std::string& path : intake.paths) {
    struct stat status{};
    if (::lstat(path.c_str(), &status) != 0) return fail(Errc::kFailed, "{}: {}", path, std::strerror(errno));
  }
  const std::string own_tag = (intake.ahead ? std::string(kAheadTag) : "watchkeeper:") + config_.name;
  std::vector<std::string> arguments = {"backup", "--json", "--tag", own_tag};
  for (const std::string& tag : config_.tags) arguments.insert(arguments.end(), {"--tag", tag});
  for (const std::string& pattern : config_.exclude) arguments.insert(arguments.end(), {"--exclude", pattern});
  for (const std::string& path : intake.exclude) arguments.insert(arguments.end(), {"--exclude", path});
  if (!intake.parent.empty()) arguments.insert(arguments.end(), {"--parent", intake.parent});
  arguments.emplace_back("--");
  arguments.insert(arguments.end(), intake.paths.begin(), intake.paths.end());
  const Result<Exit> exit = run(std::move(arguments), stop, intake.timeout);
  if (!exit) return fail(exit.error());
  const std::optional<Snapshot> snapshot = read_summary(exit->output);
  if (intake.ahead && exit->status == kExitIncomplete && snapshot) return *snapshot;
  if (exit->status == kExitIncomplete && !exit->timed_out && !exit->stopped) {
    const std::vector<std::string> items = unreadable(exit->errors);
    return fail(Errc::kFailed, "the snapshot {} is incomplete: could not read {}",
                snapshot ? snapshot->id : "(unnamed)", items.empty() ? reason_of(*exit) : list(items));
  }
  if (!exit->succeeded()) return failure("backup", *exit);
  if (contains(exit->errors, "does not exist, skipping")) return failure("backup: a path went missing", *exit);
  if (!snapshot) return fail(Errc::kFailed, "restic backup ended well but reported no snapshot");
  return *snapshot;
}

Result<void> Restic::drop(const std::vector<std::string>& snapshots, std::stop_token stop) const {
  if (snapshots.empty()) return {};
  std::vector<std::string> arguments = {"forget", "--quiet", "--"};
  arguments.insert(arguments.end(), snapshots.begin(), snapshots.end());
  const Result<Exit> exit = run(std::move(arguments), stop);
  if (!exit) return fail(exit.error());
  if (!exit->succeeded()) return failure("forget", *exit);
  return {};
}

Result<std::vector<std::string>> Restic::taken_ahead(std::stop_token stop) const {
  const Result<Exit> exit = run(
      {"snapshots", "--json", "--no-lock", "--tag", std::string(kAheadTag) + config_.name, "--host", hostname_}, stop);
  if (!exit) return fail(exit.error());
  if (!exit->succeeded()) return failure("snapshots", *exit);
  const json listed = json::parse(exit->output, nullptr, /*allow_exceptions=*/false);
  // restic says null of none.
  if (!listed.is_array() && !listed.is_null()) return fail(Errc::kFailed, "restic snapshots: unexpected answer");
  std::vector<std::string> ids;
  for (const json& each : listed) {
    if (each.is_object() && each.contains("id") && each["id"].is_string()) ids.push_back(each["id"].get<std::string>());
  }
  return ids;
}

Result<HeldSnapshot> Restic::describe(const std::string& snapshot, std::stop_token stop) const {
  std::vector<std::string> arguments = {"snapshots", "--json", "--no-lock"};
  // One of every machine and set of paths; of an id, restic takes a filter for another one's.
  if (snapshot == "latest") {
    arguments.insert(arguments.end(), {"--tag", "watchkeeper:" + config_.name, "--latest", "1"});
  } else {
    arguments.insert(arguments.end(), {"--", snapshot});
  }
  const Result<Exit> listed = run(std::move(arguments), stop);
  if (!listed) return fail(listed.error());
  if (!listed->succeeded()) return failure("snapshots", *listed);
  const json found = json::parse(listed->output, nullptr, /*allow_exceptions=*/false);
  if (!found.is_array() && !found.is_null()) return fail(Errc::kFailed, "restic snapshots: unexpected answer");
  HeldSnapshot held;
  core::WallTime newest = core::WallTime::min();
  for (const json& each : found) {
    const auto taken = core::parse_rfc3339(text_at(each, "time"));
    if (!taken || *taken <= newest) continue;
    newest = *taken;
    held.id = text_at(each, "id");
    held.time = text_at(each, "time");
    held.hostname = text_at(each, "hostname");
  }
  if (held.id.empty()) return fail(Errc::kNotFound, "there is no snapshot {} of {}", snapshot, config_.name);
  const Result<Exit> counted = run({"stats", "--json", "--no-lock", "--mode", "restore-size", "--", held.id}, stop);
  if (!counted) return fail(counted.error());
  if (!counted->succeeded()) return failure("stats", *counted);
  const json size = json::parse(counted->output, nullptr, /*allow_exceptions=*/false);
  if (!size.is_object() || !size.contains("total_size") || !size["total_size"].is_number_unsigned()) {
    return fail(Errc::kFailed, "restic stats: unexpected answer");
  }
  held.bytes = number_at(size, "total_size");
  held.files = number_at(size, "total_file_count");
  return held;
}

Result<void> Restic::restore(const std::string& snapshot, const std::string& target,
                             const std::vector<std::string>& exclude, std::stop_token stop) const {
  std::vector<std::string> arguments = {"restore", "--target", target, "--verify"};
  if (cache_folder_.empty()) arguments.emplace_back("--no-cache");
  // Of an id, restic takes a filter for another one's.
  if (snapshot == "latest") arguments.insert(arguments.end(), {"--tag", "watchkeeper:" + config_.name});
  for (const std::string& pattern : exclude) arguments.insert(arguments.end(), {"--exclude", pattern});
  arguments.insert(arguments.end(), {"--", snapshot});
  const Result<Exit> exit = run(std::move(arguments), stop);
  if (!exit) return fail(exit.error());
  if (!exit->succeeded()) return failure("restore", *exit);
  return {};
}

Result<void> Restic::forget(const KeepConfig& keep, std::stop_token stop) const {
  CHECK(!keep.everything(), "forgetting without a rule for what to keep");
  std::vector<std::string> arguments = {"forget", "--quiet", "--prune",    "--tag", "watchkeeper:" + config_.name,
                                        "--host", hostname_, "--group-by", "host"};
  const auto add = [&](const char* option, std::uint32_t count) {
    if (count > 0) arguments.insert(arguments.end(), {option, std::to_string(count)});
  };
  add("--keep-last", keep.last);
  add("--keep-hourly", keep.hourly);
  add("--keep-daily", keep.daily);
  add("--keep-weekly", keep.weekly);
  add("--keep-monthly", keep.monthly);
  const Result<Exit> exit = run(std::move(arguments), stop);
  if (!exit) return fail(exit.error());
  if (!exit->succeeded()) return failure("forget", *exit);
  return {};
}

Result<void> Restic::check(const std::string& read_data_subset, std::stop_token stop) const {
  std::vector<std::string> arguments = {"check", "--quiet"};
  if (!read_data_subset.empty()) arguments.push_back("--read-data-subset=" + read_data_subset);
  const Result<Exit> exit = run(std::move(arguments), stop);
  if (!exit) return fail(exit.error());
  if (!exit->succeeded()) return failure("check", *exit);
  return {};
}

Result<std::vector<Lock>> Restic::locks(std::stop_token stop) const {
  const Result<Exit> listed = run({"list", "locks", "--no-lock", "--quiet"}, stop);
  if (!listed) return fail(listed.error());
  if (!listed->succeeded()) return failure("list locks", *listed);
  std::vector<std::string> ids;
  for_each_line(listed->output, [&](std::string_view line) {
    if (line.size() == 64) ids.emplace_back(line);
  });
  std::vector<Lock> locks;
  for (const std::string& id : ids) {
    const Result<Exit> shown = run({"cat", "lock", id, "--no-lock", "--quiet"}, stop);
    if (!shown) return fail(shown.error());
    if (!shown->succeeded()) return failure("cat lock", *shown);
    const json lock = json::parse(shown->output, nullptr, /*allow_exceptions=*/false);
    if (!lock.is_object() || !lock.contains("pid") || !lock["pid"].is_number_integer()) {
      return fail(Errc::kFailed, "restic cat lock {}: unexpected answer", id);
    }
    locks.push_back({id, lock.value("hostname", ""), lock["pid"].get<std::int64_t>()});
  }
  return locks;
}

Result<std::vector<Lock>> Restic::remove_own_stale_locks(std::stop_token stop) const {
  const Result<std::vector<Lock>> present = locks(stop);
  if (!present) return fail(present.error());
  std::vector<Lock> stale;
  for (const Lock& lock : *present) {
    // `restic unlock` also removes what it takes for stale of other hosts: with any of those present, a person decides.
    if (lock.hostname != hostname_) {
      return fail(Errc::kUnavailable, "locked by PID {} on {}; `restic unlock` is left to a person", lock.pid,
                  lock.hostname);
    }
    if (!is_running(lock.pid)) stale.push_back(lock);
  }
  if (stale.empty()) return stale;
  const Result<Exit> exit = run({"unlock", "--quiet"}, stop);
  if (!exit) return fail(exit.error());
  if (!exit->succeeded()) return failure("unlock", *exit);
  return stale;
}

}  // namespace actions::backup

// SPDX-License-Identifier: Apache-2.0
// The part of BackupSet that backs up clients which write all the time: at rest, and no longer than necessary.
#include <algorithm>
#include <utility>

#include "actions/backup/backup_set.h"
#include "actions/backup/chain_folders.h"
#include "core/time/duration.h"

namespace actions::backup {
namespace {

using core::Errc;
using core::fail;
using core::Result;

void add_note(Record& record, const std::string& text) { record.note += (record.note.empty() ? "" : "; ") + text; }

std::string duration_text(core::Duration duration) {
  return core::format_duration(std::chrono::round<std::chrono::seconds>(duration));
}

// One run of a client's backup, whatever becomes of it: the client is started again and the snapshot is released.
//
// Thread safety: confined to its run.
class ClientAtRest {
 public:
  ClientAtRest(StoppedClients& stopped, const std::string& backup, const ClientConfig& client, std::stop_token stop)
      : stopped_(stopped), backup_(backup), client_(client), stop_(std::move(stop)) {}
  ClientAtRest(const ClientAtRest&) = delete;
  ClientAtRest& operator=(const ClientAtRest&) = delete;
  ~ClientAtRest() {
    // What fails here is tried again by StoppedClients::look().
    if (must_start_) (void)stopped_.start(backup_, stop_);
    if (must_release_) (void)stopped_.release_snapshot(backup_, stop_);
  }

  Result<void> stop() {
    const Result<Rest> rest = stopped_.stop(backup_, client_, stop_);
    if (!rest) return fail(rest.error());
    rest_ = *rest;
    must_start_ = rest_ == Rest::kStopped;
    return {};
  }

  // It runs again, or still rests; otherwise what was copied is of no use. How long it was stopped goes into the note.
  Result<void> end(Record& record) {
    if (rest_ == Rest::kWasAtRest) {
      const Result<bool> resting = stopped_.is_at_rest(backup_, client_, stop_);
      if (!resting) return fail(resting.error());
      if (!*resting) return fail(Errc::kFailed, "{} was started while it was copied", client_.name());
      add_note(record, client_.name() + " was not running");
      return {};
    }
    must_start_ = false;
    const Result<core::Duration> took = stopped_.start(backup_, stop_);
    if (took) {
      add_note(record, fmt::format("{} was stopped for {}", client_.name(), duration_text(*took)));
      return {};
    }
    if (took.error().code == Errc::kNotFound) return fail(took.error());
    // It does not run yet, but what was copied is good.
    add_note(record, fmt::format("{} does not start again: {}", client_.name(), took.error().message));
    return {};
  }

  Result<void> expect_snapshot() {
    if (auto written = stopped_.expect_snapshot(backup_, client_); !written) return written;
    must_release_ = true;
    return {};
  }

  void release(Record& record) {
    must_release_ = false;
    if (auto released = stopped_.release_snapshot(backup_, stop_); !released) {
      add_note(record, "the snapshot cannot be released: " + released.error().message);
    }
  }

 private:
  StoppedClients& stopped_;
  const std::string& backup_;
  const ClientConfig& client_;
  const std::stop_token stop_;
  Rest rest_ = Rest::kWasAtRest;
  bool must_start_ = false;
  bool must_release_ = false;
};

}  // namespace

Result<void> BackupSet::may_be_stopped(const ClientConfig& client, Record& record, std::stop_token stop) {
  if (!client.is_stopped()) return {};
  const std::optional<std::string> objection = gate_.objection(client, record.trigger, std::move(stop));
  if (!objection) return {};
  record.held = true;
  return fail(Errc::kUnavailable, "{} is not stopped: {}", client.name(), *objection);
}

Result<void> BackupSet::run_hook(const std::string& backup, const std::vector<std::string>& argv,
                                 core::Duration timeout, std::stop_token stop) {
  core::process::Command command;
  command.argv = argv;
  command.environment["WATCHKEEPER_BACKUP"] = backup;
  command.timeout = timeout;
  const Result<core::process::Exit> exit = commands_.run(command, std::move(stop));
  if (!exit) return fail(exit.error());
  if (exit->succeeded()) return {};
  return fail(Errc::kFailed, "{} {}: {}", argv.front(), exit->to_string(), exit->errors.substr(0, 500));
}

Result<Snapshot> BackupSet::back_up_client(const BackupConfig& config, const Restic& restic, Record& record,
                                           bool after_failure, std::stop_token stop) {
  const ClientConfig& client = *config.source.client();
  const Result<ChainFolders> data = chain_folders(config.source, "");
  if (!data) return fail(data.error());
  // Asked here as well, because what is copied ahead may take hours.
  if (auto may = may_be_stopped(client, record, stop); !may) return fail(may.error());
  if (client.snapshot.given()) return copy_from_snapshot(config, restic, record, after_failure, stop);
  return copy_while_stopped(config, restic, record, {.paths = data->paths, .exclude = data->exclude}, after_failure,
                            stop);
}

Result<Snapshot> BackupSet::copy_while_stopped(const BackupConfig& config, const Restic& restic, Record& record,
                                               Intake intake, bool after_failure, std::stop_token stop) {
  const ClientConfig& client = *config.source.client();
  if (client.copy_ahead) {
    intake.ahead = true;
    const Result<Snapshot> ahead = back_up(restic, record, intake, after_failure, stop);
    if (!ahead) return fail(ahead.error().with_context("copying ahead"));
    intake.ahead = false;
    intake.parent = ahead->id;
    if (auto may = may_be_stopped(client, record, stop); !may) return fail(may.error());
  }
  ClientAtRest rest(*stopped_, config.name, client, stop);
  const core::SteadyTime began = clock_.steady_now();
  if (auto stopped = rest.stop(); !stopped) return fail(stopped.error());
  intake.timeout = std::max<core::Duration>(client.stopped_max - (clock_.steady_now() - began), core::Millis(1));
  Result<Snapshot> snapshot = back_up(restic, record, intake, after_failure, stop);
  const Result<void> ended = rest.end(record);
  if (!snapshot && snapshot.error().code == Errc::kTimeout) {
    return fail(snapshot.error().with_context("stopped_max is {}", core::format_duration(client.stopped_max)));
  }
  if (!snapshot) return snapshot;
  std::vector<std::string> useless;
  if (!ended) useless.push_back(snapshot->id);
  if (const auto ahead = restic.taken_ahead(stop)) useless.insert(useless.end(), ahead->begin(), ahead->end());
  if (const Result<void> dropped = restic.drop(useless, stop); !dropped) {
    ++stats_.retention_failures;
    add_note(record, "the copy that was taken ahead stays: " + dropped.error().message);
  }
  if (!ended) return fail(ended.error());
  return snapshot;
}

Result<Snapshot> BackupSet::copy_from_snapshot(const BackupConfig& config, const Restic& restic, Record& record,
                                               bool after_failure, std::stop_token stop) {
  const ClientConfig& client = *config.source.client();
  const VolumeSnapshotConfig& volumes = client.snapshot;
  ClientAtRest rest(*stopped_, config.name, client, stop);
  const core::SteadyTime began = clock_.steady_now();
  if (client.is_stopped()) {
    if (auto stopped = rest.stop(); !stopped) return fail(stopped.error());
  }
  if (auto expected = rest.expect_snapshot(); !expected) return fail(expected.error());
  core::Duration timeout = volumes.timeout;
  if (client.is_stopped()) {
    const core::Duration left = client.stopped_max - (clock_.steady_now() - began);
    timeout = std::clamp<core::Duration>(left, core::Millis(1), timeout);
  }
  const Result<void> created = run_hook(config.name, volumes.create, timeout, stop);
  Result<void> ended;
  if (client.is_stopped()) {
    ended = rest.end(record);
  } else {
    add_note(record, "from a snapshot of the running client: as after a power failure");
  }
  if (!created) return fail(created.error());
  if (!ended) return fail(ended.error());
  if (!volumes.mount.empty()) {
    if (auto mounted = run_hook(config.name, volumes.mount, volumes.timeout, stop); !mounted) {
      return fail(mounted.error());
    }
  }
  const Result<ChainFolders> data = chain_folders(config.source, volumes.root);
  if (!data) return fail(data.error());
  Result<Snapshot> snapshot =
      back_up(restic, record, {.paths = data->paths, .exclude = data->exclude}, after_failure, stop);
  rest.release(record);
  return snapshot;
}

}  // namespace actions::backup

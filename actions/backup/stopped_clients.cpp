// SPDX-License-Identifier: Apache-2.0
#include "actions/backup/stopped_clients.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/process/unit_wait.h"
#include "core/time/duration.h"
#include "core/time/stoppable_wait.h"

namespace actions::backup {
namespace {

using core::Errc;
using core::fail;
using core::Result;
using core::process::Exit;
using core::process::UnitStatus;
using core::process::UnitVerb;
using core::store::Database;
using core::store::Row;
using core::store::Statement;
using nlohmann::json;

constexpr auto kCheckTimeout = std::chrono::seconds(30);
constexpr auto kCheckPoll = std::chrono::seconds(1);
// A copy that is ended for its time ends by itself; who waits for longer hangs.
constexpr auto kSlack = std::chrono::seconds(30);
constexpr auto kRetryMin = std::chrono::seconds(5);
constexpr auto kRetryMax = std::chrono::seconds(60);

constexpr core::store::Migration kStoppedSchema[] = {
    {"stops",
     "CREATE TABLE stops(backup TEXT PRIMARY KEY, since_ms INTEGER NOT NULL, stopped INTEGER NOT NULL,"
     " snapshot_held INTEGER NOT NULL, client TEXT NOT NULL)"}};

// What starting and releasing need, and no more.
std::string client_text(const ClientConfig& client) {
  return json{{"service", client.service},
              {"start", client.start},
              {"check", client.check},
              {"start_timeout_ms", client.start_timeout.count()},
              {"release", client.snapshot.release},
              {"release_timeout_ms", client.snapshot.timeout.count()}}
      .dump();
}

Result<ClientConfig> read_client(const std::string& text) {
  const json value = json::parse(text, nullptr, /*allow_exceptions=*/false);
  ClientConfig client;
  try {
    client.service = value.at("service").get<std::string>();
    client.start = value.at("start").get<std::vector<std::string>>();
    client.check = value.at("check").get<std::vector<std::string>>();
    client.start_timeout = core::Millis(value.at("start_timeout_ms").get<std::int64_t>());
    client.snapshot.release = value.at("release").get<std::vector<std::string>>();
    client.snapshot.timeout = core::Millis(value.at("release_timeout_ms").get<std::int64_t>());
  } catch (const json::exception& error) {
    return fail(Errc::kInvalid, "a stopped client that was written down cannot be read: {}", error.what());
  }
  return client;
}

// Of a process; empty if there is none.
std::vector<std::string> arguments_of(std::int64_t pid) {
  std::ifstream file(fmt::format("/proc/{}/cmdline", pid), std::ios::binary);
  std::vector<std::string> arguments;
  for (std::string each; std::getline(file, each, '\0');) arguments.push_back(each);
  return arguments;
}

std::string state_of(const UnitStatus& unit) { return fmt::format("{} ({})", unit.active_state, unit.sub_state); }

tl::unexpected<core::Error> failure(const std::vector<std::string>& argv, const Exit& exit) {
  const Errc code = exit.stopped ? Errc::kCancelled : exit.timed_out ? Errc::kTimeout : Errc::kFailed;
  std::string why = exit.errors.empty() ? exit.output : exit.errors;
  if (why.size() > 500) why.erase(0, why.size() - 500);
  return fail(code, "{} {}{}{}", argv.front(), exit.to_string(), why.empty() ? "" : ": ", why);
}

}  // namespace

Result<std::unique_ptr<StoppedClients>> StoppedClients::open(const std::string& path, Dependencies dependencies) {
  Result<Database> database = Database::open(path, kStoppedSchema, core::store::Durability::kFull);
  if (!database) return fail(database.error());
  std::unique_ptr<StoppedClients> stopped(new StoppedClients(std::move(*database), std::move(dependencies)));
  const std::scoped_lock lock(stopped->mutex_);
  if (auto loaded = stopped->load_locked(); !loaded) return fail(loaded.error());
  return stopped;
}

Result<void> StoppedClients::load_locked() {
  Result<Statement> select =
      database_.prepare("SELECT backup, since_ms, stopped, snapshot_held, client FROM stops ORDER BY backup");
  if (!select) return fail(select.error());
  const auto read = select->rows([&](const Row& row) {
    Result<ClientConfig> client = read_client(row.text(4));
    if (!client) {
      // Without the agent nobody at all would look after the host.
      ++journal_errors_;
      if (with_.tell) with_.tell(fmt::format("backup {}: {}", row.text(0), client.error().message));
      return;
    }
    Entry entry;
    entry.client = std::move(*client);
    entry.since = core::from_unix_ms(row.integer(1));
    entry.since_steady = with_.clock.steady_now();
    entry.stopped = row.integer(2) != 0;
    entry.snapshot_held = row.integer(3) != 0;
    entry.start_due = entry.release_due = with_.clock.steady_now();
    entry.error = "the agent ended while the backup ran";
    entries_.insert_or_assign(row.text(0), std::move(entry));
  });
  if (!read) return fail(read.error());
  return {};
}

Result<void> StoppedClients::write_locked(const std::string& backup, const Entry& entry) {
  Result<Statement> insert = database_.prepare(
      "INSERT OR REPLACE INTO stops(backup, since_ms, stopped, snapshot_held, client) VALUES(?1, ?2, ?3, ?4, ?5)");
  if (!insert) return fail(insert.error());
  insert->bind(1, backup).bind(2, core::to_unix_ms(entry.since)).bind(3, std::int64_t{entry.stopped});
  return insert->bind(4, std::int64_t{entry.snapshot_held}).bind(5, client_text(entry.client)).run();
}

void StoppedClients::keep_locked(const std::string& backup) {
  const auto found = entries_.find(backup);
  if (found == entries_.end()) return;
  Result<void> written;
  if (found->second.stopped || found->second.snapshot_held) {
    written = write_locked(backup, found->second);
  } else {
    Result<Statement> remove = database_.prepare("DELETE FROM stops WHERE backup=?1");
    written = remove ? remove->bind(1, backup).run() : Result<void>(fail(remove.error()));
    entries_.erase(found);
  }
  // Then the next start of the agent starts what runs already, and releases what is released: both do no harm.
  if (!written) ++journal_errors_;
}

Result<Exit> StoppedClients::run(const std::string& backup, const std::vector<std::string>& argv,
                                 core::Duration timeout, std::stop_token stop) const {
  core::process::Command command;
  command.argv = argv;
  command.environment["WATCHKEEPER_BACKUP"] = backup;
  command.timeout = timeout;
  return with_.commands.run(command, std::move(stop));
}

Result<bool> StoppedClients::runs(const std::string& backup, const ClientConfig& client, std::stop_token stop) const {
  if (client.service.empty()) {
    if (client.check.empty()) return true;
    const Result<Exit> exit = run(backup, client.check, kCheckTimeout, std::move(stop));
    if (!exit) return fail(exit.error());
    const bool told = exit->status && !exit->timed_out && !exit->stopped && (*exit->status == 0 || *exit->status == 1);
    if (!told) return failure(client.check, *exit);
    return *exit->status == 0;
  }
  const Result<UnitStatus> unit = with_.services.status(client.service, core::process::kUnitCallTimeout);
  if (!unit) return fail(unit.error());
  if (unit->main_pid > 0 && runs_validator_client(arguments_of(unit->main_pid))) {
    return fail(Errc::kInvalid, "{} is a validator client, which is not stopped for a backup", client.service);
  }
  if (!unit->has_job && unit->active_state == "active") return true;
  if (!unit->has_job && (unit->active_state == "inactive" || unit->active_state == "failed")) return false;
  return fail(Errc::kUnavailable, "{} is {}{}", client.service, state_of(*unit),
              unit->has_job ? ", and systemd has a job for it" : "");
}

Result<void> StoppedClients::expect_alone(const ClientConfig& client) const {
  if (client.service.empty()) return {};
  const auto along = with_.services.stops_with(client.service, core::process::kUnitCallTimeout);
  if (!along) return fail(along.error());
  for (const std::string& unit : *along) {
    const Result<UnitStatus> status = with_.services.status(unit, core::process::kUnitCallTimeout);
    if (!status && status.error().code == Errc::kNotFound) continue;
    if (!status) return fail(status.error());
    if (status->active_state == "inactive" || status->active_state == "failed") continue;
    return fail(Errc::kInvalid, "{} would stop with {}, and nobody would start it again", unit, client.service);
  }
  return {};
}

Result<bool> StoppedClients::is_at_rest(const std::string& backup, const ClientConfig& client,
                                        std::stop_token stop) const {
  return runs(backup, client, std::move(stop)).map([](bool running) { return !running; });
}

Result<void> StoppedClients::wait_for_check(const std::string& backup, const ClientConfig& client, bool running,
                                            core::Duration timeout, std::stop_token stop) const {
  if (client.check.empty()) return {};
  const core::SteadyTime deadline = with_.clock.steady_now() + timeout;
  for (;;) {
    const Result<bool> found = runs(backup, client, stop);
    if (found && *found == running) return {};
    if (with_.clock.steady_now() >= deadline) {
      if (!found) return fail(found.error());
      return fail(Errc::kTimeout, "{} says that it {} after {}", client.check.front(),
                  running ? "does not run" : "still runs",
                  core::format_duration(std::chrono::duration_cast<core::Millis>(timeout)));
    }
    if (!core::stoppable_wait(kCheckPoll, stop)) return fail(Errc::kCancelled, "the agent ended");
  }
}

Result<void> StoppedClients::bring_to_rest(const std::string& backup, const ClientConfig& client,
                                           std::stop_token stop) const {
  if (client.service.empty()) {
    const Result<Exit> exit = run(backup, client.stop, client.stop_timeout, stop);
    if (!exit) return fail(exit.error());
    if (!exit->succeeded()) return failure(client.stop, *exit);
    return wait_for_check(backup, client, /*running=*/false, client.stop_timeout, stop);
  }
  if (auto asked = with_.services.ask(UnitVerb::kStop, client.service, core::process::kUnitCallTimeout); !asked)
    return asked;
  const Result<UnitStatus> unit =
      core::process::wait_until_settled(with_.services, with_.clock, client.service, client.stop_timeout, stop);
  if (!unit) return fail(unit.error());
  // One that systemd had to kill has not written what it wanted to.
  if (unit->active_state == "failed") {
    return fail(Errc::kFailed, "{} did not end cleanly: {}", client.service, state_of(*unit));
  }
  if (unit->active_state != "inactive") return fail(Errc::kFailed, "{} is {}", client.service, state_of(*unit));
  return {};
}

Result<void> StoppedClients::revive(const std::string& backup, const ClientConfig& client, std::stop_token stop) const {
  if (client.service.empty()) {
    if (!client.check.empty()) {
      if (const Result<bool> running = runs(backup, client, {}); running && *running) return {};
    }
    // Not to be ended by the end of the agent.
    const Result<Exit> exit = run(backup, client.start, client.start_timeout, {});
    if (!exit) return fail(exit.error());
    if (!exit->succeeded()) return failure(client.start, *exit);
    return wait_for_check(backup, client, /*running=*/true, client.start_timeout, stop);
  }
  const Result<UnitStatus> before = with_.services.status(client.service, core::process::kUnitCallTimeout);
  if (before && before->active_state == "active" && !before->has_job) return {};
  if (auto asked = with_.services.ask(UnitVerb::kStart, client.service, core::process::kUnitCallTimeout); !asked)
    return asked;
  const Result<UnitStatus> unit =
      core::process::wait_until_settled(with_.services, with_.clock, client.service, client.start_timeout, stop);
  if (!unit) return fail(unit.error());
  if (unit->active_state != "active") return fail(Errc::kFailed, "{} is {}", client.service, state_of(*unit));
  return {};
}

Result<Rest> StoppedClients::stop(const std::string& backup, const ClientConfig& client, std::stop_token stop) {
  {
    const std::scoped_lock lock(mutex_);
    if (const auto found = entries_.find(backup); found != entries_.end()) {
      return fail(Errc::kUnavailable, "{}: an earlier stop is not over: {}", client.name(), found->second.error);
    }
  }
  const Result<bool> running = runs(backup, client, stop);
  if (!running) return fail(running.error());
  if (!*running) return Rest::kWasAtRest;
  if (auto alone = expect_alone(client); !alone) return fail(alone.error());
  {
    const std::scoped_lock lock(mutex_);
    Entry entry;
    entry.client = client;
    entry.since = with_.clock.wall_now();
    entry.since_steady = with_.clock.steady_now();
    entry.stopped = true;
    entry.start_due = entry.since_steady + client.stopped_max + kSlack;
    if (auto written = write_locked(backup, entry); !written) {
      ++journal_errors_;
      return fail(Errc::kUnavailable, "{} is not stopped, that cannot be written down: {}", client.name(),
                  written.error().message);
    }
    entries_.insert_or_assign(backup, std::move(entry));
  }
  const Result<void> rested = bring_to_rest(backup, client, stop);
  if (rested) return Rest::kStopped;
  // Whether it ended, or is about to, is not known.
  const Result<core::Duration> started = start(backup, stop);
  core::Error error = rested.error();
  if (!started) error.message += "; starting it again: " + started.error().message;
  return fail(std::move(error));
}

Result<core::Duration> StoppedClients::start(const std::string& backup, std::stop_token stop) {
  core::SteadyTime since;
  {
    std::unique_lock lock(mutex_);
    // Bounded: who is busy has start_timeout.
    idle_.wait(lock, [&] {
      const auto found = entries_.find(backup);
      return found == entries_.end() || !found->second.busy;
    });
    const auto found = entries_.find(backup);
    if (found == entries_.end() || !found->second.stopped) {
      return fail(Errc::kNotFound, "the client was stopped for longer than stopped_max and has been started meanwhile");
    }
    found->second.busy = true;
    since = found->second.since_steady;
  }
  if (auto done = work(Work::kStart, backup, std::move(stop)); !done) {
    return fail(Errc::kUnavailable, "{}", done.error().message);
  }
  return with_.clock.steady_now() - since;
}

Result<void> StoppedClients::expect_snapshot(const std::string& backup, const ClientConfig& client) {
  const std::scoped_lock lock(mutex_);
  const auto found = entries_.find(backup);
  Entry entry;
  if (found != entries_.end()) {
    entry = found->second;
  } else {
    entry.since = with_.clock.wall_now();
    entry.since_steady = with_.clock.steady_now();
  }
  if (entry.snapshot_held) {
    return fail(Errc::kUnavailable, "the snapshot of an earlier run is not released yet: {}", entry.error);
  }
  entry.client.snapshot = client.snapshot;
  entry.snapshot_held = true;
  if (auto written = write_locked(backup, entry); !written) {
    ++journal_errors_;
    return fail(Errc::kUnavailable, "no snapshot is made, that cannot be written down: {}", written.error().message);
  }
  entries_.insert_or_assign(backup, std::move(entry));
  return {};
}

Result<void> StoppedClients::release_snapshot(const std::string& backup, std::stop_token stop) {
  {
    std::unique_lock lock(mutex_);
    idle_.wait(lock, [&] {
      const auto found = entries_.find(backup);
      return found == entries_.end() || !found->second.busy;
    });
    const auto found = entries_.find(backup);
    if (found == entries_.end() || !found->second.snapshot_held) return {};
    found->second.busy = true;
  }
  return work(Work::kRelease, backup, std::move(stop));
}

Result<void> StoppedClients::work(Work work, const std::string& backup, std::stop_token stop) {
  ClientConfig client;
  {
    const std::scoped_lock lock(mutex_);
    client = entries_.at(backup).client;
  }
  Result<void> done;
  if (work == Work::kStart) {
    done = revive(backup, client, std::move(stop));
  } else {
    // As for a start, the end of the agent is no reason to leave it half done.
    const Result<Exit> exit = run(backup, client.snapshot.release, client.snapshot.timeout, {});
    if (!exit) done = fail(exit.error());
    if (exit && !exit->succeeded()) done = failure(client.snapshot.release, *exit);
  }
  std::string told;
  {
    const std::scoped_lock lock(mutex_);
    Entry& entry = entries_.at(backup);
    entry.busy = false;
    if (done) {
      const auto& due = work == Work::kStart ? entry.start_due : entry.release_due;
      if (entry.attempts > 0 || (due && *due <= with_.clock.steady_now())) {
        told = fmt::format("backup {}: {}", backup,
                           work == Work::kStart ? client.name() + " runs again" : "the snapshot is released");
      }
      (work == Work::kStart ? entry.stopped : entry.snapshot_held) = false;
      entry.attempts = 0;
      entry.error.clear();
      keep_locked(backup);
    } else {
      const core::Duration wait = std::min<core::Duration>(
          kRetryMin * (std::int64_t{1} << std::min<std::uint64_t>(entry.attempts, 8)), kRetryMax);
      (work == Work::kStart ? entry.start_due : entry.release_due) = with_.clock.steady_now() + wait;
      ++entry.attempts;
      entry.error = done.error().message;
      if (work == Work::kStart) ++start_failures_;
      told = fmt::format(
          "backup {}: {}: {}", backup,
          work == Work::kStart ? client.name() + " does not start again" : "the snapshot cannot be released",
          entry.error);
    }
    idle_.notify_all();
  }
  if (!told.empty() && with_.tell) with_.tell(told);
  return done;
}

void StoppedClients::look(std::stop_token stop) {
  for (const Work each : {Work::kStart, Work::kRelease}) {
    std::vector<std::string> due;
    {
      const std::scoped_lock lock(mutex_);
      for (auto& [backup, entry] : entries_) {
        const bool wanted = each == Work::kStart ? entry.stopped : entry.snapshot_held;
        const auto& when = each == Work::kStart ? entry.start_due : entry.release_due;
        if (entry.busy || !wanted || !when || *when > with_.clock.steady_now()) continue;
        entry.busy = true;
        due.push_back(backup);
      }
    }
    // What came of it is in the entry.
    for (const std::string& backup : due) (void)work(each, backup, stop);
  }
}

std::vector<StoppedClient> StoppedClients::status() const {
  const std::scoped_lock lock(mutex_);
  std::vector<StoppedClient> all;
  for (const auto& [backup, entry] : entries_) {
    all.push_back(
        {backup, entry.client.name(), entry.stopped, entry.snapshot_held, entry.since, entry.attempts, entry.error});
  }
  return all;
}

}  // namespace actions::backup

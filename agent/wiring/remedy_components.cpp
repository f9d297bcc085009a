// SPDX-License-Identifier: Apache-2.0
// The remediation engine and what it stands on.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "agent/wiring/components.h"

namespace agent {
namespace {

using core::fail;
using core::Result;

// The age of a backup's last good snapshot. One from the future says that a clock is wrong, and nothing else.
std::optional<core::Duration> age_of_backup(const actions::backup::BackupSet& backups, const std::string& name,
                                            core::WallTime now) {
  const auto all = backups.status();
  const auto found = std::ranges::find(all, name, &actions::backup::Status::name);
  if (found == all.end() || !found->last_success || found->last_success->started > now) return std::nullopt;
  return now - found->last_success->started;
}

// What tells one boot of the machine from the next; empty if the kernel does not say.
std::string boot_id() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  std::getline(file, id);
  return id;
}

std::string variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

}  // namespace

void Components::protect(const LoadedConfig& config) {
  steps_->protect(std::make_shared<const actions::remedy::ProtectionConfig>(config.settings.protection));
}

actions::remedy::Surroundings Components::service_surroundings() {
  return {.scheduler = loop_, .http = *http_, .clock = clock_, .environment = variable};
}

Result<void> Components::open_backups(const LoadedConfig& config, const DataDir& data) {
  services_ = core::process::make_systemd_control();
  lookout_.emplace(reader(), clock_, engine_.options(),
                   [this](const std::string& name) { return age_of_backup(*backups_, name, clock_.wall_now()); });
  stop_conditions_.emplace(
      *lookout_,
      [this]() -> std::shared_ptr<const actions::remedy::Snapshot> {
        const auto* const remediator = deciding_.load();
        return remediator == nullptr ? nullptr : remediator->snapshot();
      },
      [this]() -> std::optional<std::string> {
        const auto* const drills = drilling_.load();
        if (drills == nullptr) return "drills are not ready";
        const auto snapshot = drills->snapshot();
        if (snapshot->current == nullptr) return std::nullopt;
        return fmt::format("the drill {} runs", snapshot->current->drill);
      },
      config.policy);
  actions::backup::BackupSet::Options options;
  options.database = data.file("backups.db");
  options.stops_database = data.file("stopped_clients.db");
  options.cache_folder = data.file("restic-cache");
  options.scratch_folder = data.file("backup-scratch");
  auto backups = actions::backup::BackupSet::open(config.settings.backups, options,
                                                  {.commands = commands_,
                                                   .services = *services_,
                                                   .gate = *stop_conditions_,
                                                   .clock = clock_,
                                                   .tell = [](const std::string& text) { spdlog::warn("{}", text); },
                                                   .chain = [this] { return votes_on_chain(); }});
  if (!backups) return fail(backups.error());
  backups_ = std::move(*backups);
  return {};
}

actions::backup::VotedEpochs Components::votes_on_chain() const {
  actions::backup::VotedEpochs voted;
  // A remediation that a crash interrupted may take a backup before the chain is watched.
  const auto* const chain = watched_chain_.load();
  if (chain == nullptr) return voted;
  const auto duties = chain->duties();
  if (duties->watched == nullptr || duties->attested == nullptr) return voted;
  const auto& keys = duties->watched->keys;
  for (std::size_t i = 0; i < keys.size() && i < duties->attested->size(); ++i) {
    if (const auto epoch = (*duties->attested)[i]) voted.emplace(collector::staking::to_string(keys[i].key), epoch);
  }
  return voted;
}

Result<void> Components::open_remediator(const LoadedConfig& config, const DataDir& data) {
  marked_decisions_.emplace(drill_marks_, *notifier_);
  announcer_.emplace(*marked_decisions_, clock_);
  steps_.emplace(actions::remedy::StepExecutor::Dependencies{
      .commands = commands_,
      .backups = *backups_,
      .services = *services_,
      .around = service_surroundings(),
      .tell = [this](const actions::remedy::Run& run, const std::string& text) { announcer_->tell(run, text); }});
  protect(config);
  const std::string journal_path = data.file("remediations.db");
  evidence_.emplace(EvidenceStore::Dependencies{.folder = data.file("evidence"),
                                                .journal_path = journal_path,
                                                .reader = reader(),
                                                .clock = clock_,
                                                .options = engine_.options(),
                                                .probes = [this] { return prober_->history(); }});
  auto remediator = actions::remedy::Remediator::open(
      config.policy, {.journal_path = journal_path, .journal = {.boot = boot_id()}, .limits = {}},
      {.steps = *steps_,
       .lookout = *lookout_,
       .announcer = *announcer_,
       .clock = clock_,
       .keep_evidence = [this](const actions::remedy::Run& run, const actions::remedy::Policy& policy) {
         evidence_->keep(run, policy);
       }});
  if (!remediator) return fail(remediator.error());
  remediator_ = std::move(*remediator);
  deciding_ = remediator_.get();
  return {};
}

}  // namespace agent

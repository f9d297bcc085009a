// SPDX-License-Identifier: Apache-2.0
#include "collector/staking/duty_ledger.h"

#include <algorithm>

#include <fmt/format.h>

namespace collector::staking {
namespace {

bool is_active(ValidatorStatus status) {
  return status == ValidatorStatus::kActiveOngoing || status == ValidatorStatus::kActiveExiting ||
         status == ValidatorStatus::kActiveSlashed;
}

// Epochs whose notes are kept; an epoch is closed two epochs after it.
constexpr std::uint64_t kEpochsKept = 4;

template <class Map>
void erase_before(Map& map, std::uint64_t first) {
  map.erase(map.begin(), map.lower_bound(first));
}

}  // namespace

std::string_view to_string(Blindness blindness) {
  static constexpr std::array<std::string_view, 7> kNames = {
      "none", "no_beacon_node", "split_view", "no_blocks", "no_committees", "misfit", "not_yet"};
  return kNames[static_cast<std::size_t>(blindness)];
}

DutyLedger::DutyLedger(DutySpec spec, std::shared_ptr<const WatchedKeys> keys)
    : spec_(spec), keys_(std::move(keys)), validators_(keys_->keys.size()), counts_(keys_->label_sets.size() + 1) {
  view_.due.resize(counts_.size());
  view_.included.resize(counts_.size());
}

std::optional<std::uint64_t> DutyLedger::index_of(std::uint32_t watched) const {
  const auto& record = validators_[watched].record;
  return record ? std::optional(record->index) : std::nullopt;
}

std::vector<std::uint32_t> DutyLedger::untold(std::uint64_t epoch) const {
  std::vector<std::uint32_t> list;
  for (std::uint32_t i = 0; i < validators_.size(); ++i) {
    if (validators_[i].told_in != epoch) list.push_back(i);
  }
  return list;
}

bool DutyLedger::denied_any() const {
  return std::ranges::any_of(validators_, [](const Validator& each) { return each.seen_before && !each.record; });
}

bool DutyLedger::counts_for(std::uint32_t watched) const {
  const auto& record = validators_[watched].record;
  return !record || !record->slashed;
}

bool DutyLedger::was_active(std::uint32_t watched, std::uint64_t epoch) const {
  const auto& record = validators_[watched].record;
  return record && !record->slashed && record->activation <= epoch && epoch < record->exit;
}

double DutyLedger::weight(std::uint32_t watched) const {
  const auto& record = validators_[watched].record;
  if (!record || spec_.weight_unit_gwei == 0) return 0;
  return static_cast<double>(record->effective_gwei) / static_cast<double>(spec_.weight_unit_gwei);
}

std::uint64_t DutyLedger::oldest_needed(std::uint64_t wall_slot) const {
  // The roots of an epoch's votes hang on the last block up to its first slot.
  const std::uint64_t epoch = spec_.epoch_of(wall_slot);
  const std::uint64_t oldest = closing_ ? closing_->epoch : next_epoch_.value_or(epoch == 0 ? 0 : epoch - 1);
  return spec_.first_slot(oldest);
}

void DutyLedger::begin_at(std::uint64_t wall_slot) {
  const std::uint64_t epoch = spec_.epoch_of(wall_slot);
  next_epoch_ = epoch == 0 ? 0 : epoch - 1;
  // What is settled already was judged before this began, or belongs to nobody.
  next_slot_ = wall_slot > settle_slots() ? wall_slot - settle_slots() : 0;
}

DutyEvent DutyLedger::event_of(std::uint32_t watched, std::string_view kind, std::uint64_t epoch,
                               std::int64_t now_ms) const {
  DutyEvent event;
  event.time_ms = now_ms;
  event.epoch = epoch;
  event.kind = kind;
  event.validator = index_of(watched);
  event.key = keys_->keys[watched].key;
  event.label_set = set_of(watched);
  return event;
}

void DutyLedger::take_record(std::uint32_t watched, const ValidatorRecord& record, std::uint64_t epoch,
                             std::int64_t now_ms) {
  Validator& validator = validators_[watched];
  const ValidatorStatus status = record.status(epoch);
  const bool known = validator.record.has_value() || validator.seen_before;
  validators_changed_ = validators_changed_ || !validator.record || status != validator.status;
  validator.record = record;
  validator.told_in = epoch;
  if (known && status != validator.status) {
    DutyEvent event = event_of(watched, "status", epoch, now_ms);
    event.reason = fmt::format("{} -> {}", to_string(validator.status), to_string(status));
    if (status == ValidatorStatus::kActiveExiting) event.reason += fmt::format(", exits at epoch {}", record.exit);
    events_.add(std::move(event));
  }
  validator.status = status;
  if (record.slashed && known) tell_slashing(watched, "validator record", now_ms);
  validator.slashing_told = validator.slashing_told || record.slashed;
  if (!is_active(status)) validator.misses = 0;  // and its status changed
}

void DutyLedger::set_records(std::uint64_t epoch, std::span<const ValidatorRecord> records, std::int64_t now_ms) {
  for (const ValidatorRecord& record : records) {
    const auto found = std::ranges::lower_bound(keys_->keys, record.key, {}, &WatchedKey::key);
    if (found == keys_->keys.end() || found->key != record.key) continue;
    const auto watched = static_cast<std::uint32_t>(found - keys_->keys.begin());
    take_record(watched, record, epoch, now_ms);
  }
  const std::size_t known_before = indices_.pairs().size();
  indices_ = {};
  std::vector<std::uint64_t> effective(validators_.size(), 0);
  for (std::uint32_t i = 0; i < validators_.size(); ++i) {
    // The chain forgets no validator: one that an answer lacks is as it was.
    if (!validators_[i].record) continue;
    indices_.add(validators_[i].record->index, i);
    effective[i] = validators_[i].record->effective_gwei;
  }
  indices_.seal();
  // Of who was not known then, nobody was asked.
  if (indices_.pairs().size() != known_before) sync_seats_.clear();
  effective_[epoch] = std::move(effective);
  records_epoch_ = epoch;
}

void DutyLedger::set_liveness(std::uint64_t epoch, const std::vector<std::uint32_t>& asked,
                              const std::vector<std::uint64_t>& control, const std::vector<Liveness>& answer) {
  LivenessNote note;
  std::set<std::uint64_t> wanted_control(control.begin(), control.end());
  std::size_t live = 0;
  for (const Liveness& each : answer) {
    if (each.live && wanted_control.contains(each.validator)) ++live;
    if (const auto watched = indices_.find(each.validator)) note.live[*watched] = each.live;
  }
  // A node that just started, or that hears too little, says of many that they are not live: nine in ten of validators
  // of all kinds are, while the network works at all.
  constexpr std::size_t kControlMin = 8;
  note.controlled = control.size() >= kControlMin && live * 10 >= control.size() * 9;
  std::erase_if(note.live, [&](const auto& each) { return std::ranges::find(asked, each.first) == asked.end(); });
  liveness_[epoch] = std::move(note);
}

std::vector<std::uint64_t> DutyLedger::control(std::size_t most) const {
  std::set<std::uint64_t> chosen;
  // Who proposes is active, and drawn at random.
  for (auto duties = proposers_.rbegin(); duties != proposers_.rend(); ++duties) {
    for (const ProposerDuty& duty : duties->second) {
      if (chosen.size() < most && !indices_.find(duty.validator)) chosen.insert(duty.validator);
    }
  }
  return {chosen.begin(), chosen.end()};
}

std::vector<std::uint32_t> DutyLedger::not_included(std::uint64_t slot) const {
  std::vector<std::uint32_t> missing;
  const Committees& committees = committees_.at(spec_.epoch_of(slot));
  for (const AttestationVerdict& verdict : judge_attestations(spec_, chain_, committees, slot, slot).watched) {
    if (verdict.grade == AttestationGrade::kMissed && counts_for(verdict.watched)) missing.push_back(verdict.watched);
  }
  return missing;
}

void DutyLedger::adopt(std::vector<Block> newest_first) {
  if (newest_first.empty()) return;
  for (const Block& block : newest_first) seen_.insert(block.slot);
  const auto change = chain_.adopt(std::move(newest_first));
  if (change.dropped == 0) return;
  if (next_slot_ && change.first_dropped < *next_slot_) ++reorgs_after_verdict_;
  // Who proposes in an epoch may hang on a block that went.
  std::erase_if(proposers_, [&](const auto& each) { return spec_.first_slot(each.first) > change.first_dropped; });
}

void DutyLedger::note_arrival(std::uint64_t slot, std::int64_t into_slot_ms) {
  constexpr std::size_t kMost = 4096;
  seen_.insert(slot);
  arrivals_.emplace(slot, into_slot_ms);  // the first counts
  while (arrivals_.size() > kMost) arrivals_.erase(arrivals_.begin());
  while (seen_.size() > kMost) seen_.erase(seen_.begin());
}

void DutyLedger::note_slashing(std::uint64_t validator, std::string_view how, std::int64_t now_ms) {
  if (const auto watched = indices_.find(validator)) tell_slashing(*watched, how, now_ms);
}

void DutyLedger::tell_slashing(std::uint32_t watched, std::string_view how, std::int64_t now_ms) {
  if (validators_[watched].slashing_told) return;
  validators_[watched].slashing_told = validators_changed_ = true;
  DutyEvent event = event_of(watched, "slashed", records_epoch_.value_or(0), now_ms);
  event.reason = fmt::format("seen in: {}", how);
  events_.add(std::move(event));
  ++count(set_of(watched), DutyCount::kSlashed);
}

void DutyLedger::note_disagreement(std::string text, std::uint64_t wall_slot, std::int64_t now_ms) {
  DutyEvent event;
  event.time_ms = now_ms;
  event.epoch = spec_.epoch_of(wall_slot);
  event.slot = wall_slot;
  event.kind = "roots_differ";
  event.reason = std::move(text);
  events_.add(std::move(event));
}

void DutyLedger::forget_old() {
  if (!next_epoch_) return;
  const std::uint64_t first = *next_epoch_ > kEpochsKept ? *next_epoch_ - kEpochsKept : 0;
  erase_before(committees_, *next_epoch_);
  erase_before(proposers_, std::min(*next_epoch_, spec_.epoch_of(next_slot_.value_or(0))));
  erase_before(liveness_, *next_epoch_);
  erase_before(effective_, first);
  erase_before(rewards_done_, first);
  if (spec_.epochs_per_sync_period > 0) {
    erase_before(sync_seats_, spec_.epoch_of(next_slot_.value_or(0)) / spec_.epochs_per_sync_period);
  }
  erase_before(seen_, spec_.first_slot(first));
  chain_.forget_before(spec_.first_slot(*next_epoch_));
}

Blindness DutyLedger::blindness() const {
  if (reach_ != Blindness::kNone) return reach_;
  return epoch_blindness_ == Blindness::kNotYet ? Blindness::kNone : epoch_blindness_;
}

DutySnapshot DutyLedger::snapshot() const {
  DutySnapshot snapshot;
  snapshot.watching = true;
  snapshot.unknown = blindness() != Blindness::kNone;
  snapshot.cause = to_string(blindness());
  snapshot.keys = keys_->keys.size();
  snapshot.keys_known = indices_.pairs().size();
  if (!chain_.empty()) snapshot.head_slot = chain_.head().slot;
  snapshot.judged_epoch = judged_epoch_;
  snapshot.label_sets = keys_->label_sets;
  snapshot.events = events_.newest_first();
  snapshot.events_dropped = events_.dropped();
  snapshot.watched = keys_;
  snapshot.attested = attested_;
  return snapshot;
}

}  // namespace collector::staking

// SPDX-License-Identifier: Apache-2.0
// How the books are closed: what the blocks of the chain say of duties whose time is over.
#include <algorithm>
#include <bit>

#include <fmt/format.h>

#include "collector/staking/duty_ledger.h"

namespace collector::staking {
namespace {

std::string seconds_text(std::int64_t ms) { return fmt::format("{:.1f} s", static_cast<double>(ms) / 1000); }

}  // namespace

std::optional<std::uint64_t> DutyLedger::settled() const {
  if (chain_.empty() || chain_.head().slot < settle_slots()) return std::nullopt;
  const std::uint64_t last = chain_.head().slot - settle_slots();
  return confirmed_slot_ ? std::min(last, *confirmed_slot_) : last;
}

bool DutyLedger::settle(std::uint64_t wall_slot, std::int64_t now_ms) {
  if (!next_slot_) begin_at(wall_slot);
  const auto last = settled();
  const std::uint64_t wall_epoch = spec_.epoch_of(wall_slot);
  // After a long time in which nobody could tell, epochs are over of which the nodes tell no more.
  while (!closing_ && *next_epoch_ + kEpochsBehindMax < wall_epoch) close_blind(*next_epoch_, Blindness::kNoBlocks);
  // Who was active in them, the records tell.
  for (auto at = blind_epochs_.begin(); records_epoch_ && at != blind_epochs_.end();) {
    if (*at + kEpochsBehindMax >= wall_epoch) {
      ++at;
      continue;
    }
    for (std::uint32_t i = 0; i < validators_.size(); ++i) {
      if (was_active(i, *at)) ++count(set_of(i), DutyCount::kUnknown);
    }
    at = blind_epochs_.erase(at);
  }
  if (!last) return false;
  if (*next_slot_ <= *last && settle_slot(*next_slot_, *last, now_ms)) {
    ++*next_slot_;
    return true;
  }
  return close_step(now_ms);
}

bool DutyLedger::settle_slot(std::uint64_t slot, std::uint64_t last, std::int64_t now_ms) {
  if (chain_.oldest_slot() > slot) return true;  // from before this began
  const std::uint64_t epoch = spec_.epoch_of(slot);
  const auto duties = proposers_.find(epoch);
  const Block* const block = chain_.at(slot);
  const bool in_sync = block != nullptr && block->sync_bits && spec_.epochs_per_sync_period > 0;
  const bool knows_members = in_sync && sync_seats_.contains(epoch / spec_.epochs_per_sync_period);
  // What is not told yet is waited for, but not for ever: the rest goes on without it.
  const bool waits = slot + 3 * settle_slots() > last;
  if (waits && (duties == proposers_.end() || (in_sync && !knows_members))) return false;
  if (duties != proposers_.end()) judge_proposal(slot, duties->second, now_ms);
  if (knows_members) judge_sync(*block);
  if (block != nullptr) {
    for (const std::uint64_t validator : block->slashed) note_slashing(validator, "block", now_ms);
  }
  view_slot(slot);
  return true;
}

void DutyLedger::judge_proposal(std::uint64_t slot, const std::vector<ProposerDuty>& duties, std::int64_t now_ms) {
  const auto duty = std::ranges::find(duties, slot, &ProposerDuty::slot);
  if (duty == duties.end()) return;
  const Block* const block = chain_.at(slot);
  // The list is that of another branch: nobody's duty.
  if (block != nullptr && block->proposer != duty->validator) return;
  const bool orphaned = block == nullptr && seen_.contains(slot);
  const DutyCount outcome = orphaned ? DutyCount::kOrphanedProposals : DutyCount::kMissedProposals;
  ++count(network(), DutyCount::kProposals);
  if (block == nullptr) ++count(network(), outcome);
  const auto watched = indices_.find(duty->validator);
  // A slashed validator may be drawn, and its block is invalid: a consequence, not a miss.
  if (!watched || !counts_for(*watched)) return;
  ++count(set_of(*watched), DutyCount::kProposals);
  if (block != nullptr) return;
  ++count(set_of(*watched), outcome);
  DutyEvent event =
      event_of(*watched, orphaned ? "orphaned_proposal" : "missed_proposal", spec_.epoch_of(slot), now_ms);
  event.slot = slot;
  const auto arrival = arrivals_.find(slot);
  if (!orphaned) {
    event.reason = "no block was seen";
    missed_proposal_ = {*watched, slot};
  } else if (arrival != arrivals_.end()) {
    event.reason =
        fmt::format("the block came {} into the slot and is not on the chain", seconds_text(arrival->second));
  } else {
    event.reason = "the block is not on the chain";
  }
  events_.add(std::move(event));
}

void DutyLedger::judge_sync(const Block& block) {
  const std::vector<std::uint8_t>& bits = *block.sync_bits;
  if (bits.size() * 8 < spec_.sync_committee_size) return;
  std::uint64_t set = 0;
  for (std::uint64_t i = 0; i < spec_.sync_committee_size; ++i) set += bit(bits, i) ? 1 : 0;
  count(network(), DutyCount::kSyncMessages) += static_cast<double>(spec_.sync_committee_size);
  count(network(), DutyCount::kMissedSyncMessages) += static_cast<double>(spec_.sync_committee_size - set);
  // An exited member still has the duty until its period ends.
  for (const SyncSeat& seat : sync_seats_[spec_.epoch_of(block.slot) / spec_.epochs_per_sync_period]) {
    if (!counts_for(seat.watched)) continue;
    ++count(set_of(seat.watched), DutyCount::kSyncMessages);
    if (!bit(bits, seat.position)) ++count(set_of(seat.watched), DutyCount::kMissedSyncMessages);
  }
}

void DutyLedger::view_slot(std::uint64_t slot) {
  const auto committees = committees_.find(spec_.epoch_of(slot));
  if (committees == committees_.end()) return;
  const AttestationJudgement judgement = judge_attestations(spec_, chain_, committees->second, slot, slot);
  if (judgement.misfits > 0 || judgement.network.unknown > 0) return;
  view_.slot = slot;
  std::ranges::fill(view_.due, 0);
  std::ranges::fill(view_.included, 0);
  for (const AttestationVerdict& verdict : judgement.watched) {
    if (!counts_for(verdict.watched)) continue;
    ++view_.due[set_of(verdict.watched)];
    if (verdict.grade != AttestationGrade::kMissed) ++view_.included[set_of(verdict.watched)];
  }
  view_.due[network()] = static_cast<double>(judgement.network.due);
  view_.included[network()] = static_cast<double>(judgement.network.due - judgement.network.missed);
}

bool DutyLedger::close_step(std::int64_t now_ms) {
  const auto last = settled();
  if (!closing_) {
    if (!last || *last < spec_.last_slot(*next_epoch_ + 1)) return false;
    if (!committees_.contains(*next_epoch_)) {
      close_blind(*next_epoch_, Blindness::kNoCommittees);
      return true;
    }
    closing_ = Closing{*next_epoch_, spec_.first_slot(*next_epoch_), {}};
  }
  // Slots that may lie within a reorganisation were judged with the blocks of the branch before: the step is short, and
  // what was closed stays closed.
  AttestationJudgement part =
      judge_attestations(spec_, chain_, committees_.at(closing_->epoch), closing_->next_slot, closing_->next_slot);
  AttestationJudgement& whole = closing_->judgement;
  std::ranges::move(part.watched, std::back_inserter(whole.watched));
  whole.network.due += part.network.due;
  whole.network.missed += part.network.missed;
  whole.network.late += part.network.late;
  whole.network.source_late += part.network.source_late;
  whole.network.wrong_head += part.network.wrong_head;
  whole.network.wrong_target += part.network.wrong_target;
  whole.network.unknown += part.network.unknown;
  whole.misfits += part.misfits;
  if (++closing_->next_slot <= spec_.last_slot(closing_->epoch)) return true;
  const Closing closing = std::move(*closing_);
  closing_.reset();
  close(closing, now_ms);
  return true;
}

void DutyLedger::close(const Closing& closing, std::int64_t now_ms) {
  const AttestationTally& tally = closing.judgement.network;
  if (closing.judgement.misfits > 0) return close_blind(closing.epoch, Blindness::kMisfit);
  if (tally.due == 0) return close_blind(closing.epoch, Blindness::kNoBlocks);
  next_epoch_ = closing.epoch + 1;
  judged_epoch_ = closing.epoch;
  missed_.clear();
  const auto add = [&](DutyCount what, std::uint64_t number) { count(network(), what) += static_cast<double>(number); };
  add(DutyCount::kAttestations, tally.due);
  add(DutyCount::kMissed, tally.missed);
  add(DutyCount::kLate, tally.late);
  add(DutyCount::kLateSource, tally.source_late);
  add(DutyCount::kWrongHead, tally.wrong_head);
  add(DutyCount::kWrongTarget, tally.wrong_target);
  add(DutyCount::kUnknown, tally.unknown);
  bool any_unknown = false;
  for (const AttestationVerdict& verdict : closing.judgement.watched) {
    if (!counts_for(verdict.watched)) continue;
    any_unknown = any_unknown || verdict.grade == AttestationGrade::kUnknown;
    count_verdict(verdict, closing.epoch, now_ms);
  }
  epoch_blindness_ = any_unknown ? Blindness::kNoBlocks : Blindness::kNone;
  note_attested();
  forget_old();
}

void DutyLedger::close_blind(std::uint64_t epoch, Blindness why) {
  next_epoch_ = epoch + 1;
  epoch_blindness_ = why;
  blind_epochs_.insert(epoch);
  missed_.clear();
  forget_old();
}

// A whole new list, because the one before may be read by another thread.
void DutyLedger::note_attested() {
  auto attested = std::make_shared<std::vector<std::optional<std::uint64_t>>>();
  attested->reserve(validators_.size());
  for (const Validator& validator : validators_) attested->push_back(validator.attested);
  attested_ = std::move(attested);
}

void DutyLedger::count_verdict(const AttestationVerdict& verdict, std::uint64_t epoch, std::int64_t now_ms) {
  const std::uint32_t labels = set_of(verdict.watched);
  Validator& validator = validators_[verdict.watched];
  if (verdict.grade == AttestationGrade::kUnknown) {
    ++count(labels, DutyCount::kUnknown);
    return;
  }
  ++count(labels, DutyCount::kAttestations);
  count(labels, DutyCount::kWeighted) += weight(verdict.watched);
  if (verdict.source_late) ++count(labels, DutyCount::kLateSource);
  const bool missed = verdict.grade == AttestationGrade::kMissed;
  validators_changed_ = validators_changed_ || missed || validator.misses > 0;
  if (!missed) {
    validator.misses = 0;
    validator.attested = std::max(validator.attested.value_or(0), epoch);
  }
  std::string_view kind;
  switch (verdict.grade) {
    case AttestationGrade::kMissed:
      kind = "missed_attestation";
      ++validator.misses;
      ++count(labels, DutyCount::kMissed);
      count(labels, DutyCount::kMissedWeighted) += weight(verdict.watched);
      missed_.emplace_back(verdict.watched, verdict.slot);
      break;
    case AttestationGrade::kLate:
      kind = "late_attestation";
      ++count(labels, DutyCount::kLate);
      break;
    case AttestationGrade::kWrongHead:
      kind = "wrong_head";
      ++count(labels, DutyCount::kWrongHead);
      break;
    case AttestationGrade::kWrongTarget:
      kind = "wrong_target";
      ++count(labels, DutyCount::kWrongTarget);
      break;
    default:
      return;
  }
  DutyEvent event = event_of(verdict.watched, kind, epoch, now_ms);
  event.slot = verdict.slot;
  event.reason = reason_of(verdict, epoch);
  events_.add(std::move(event));
}

std::string DutyLedger::reason_of(const AttestationVerdict& verdict, std::uint64_t epoch) const {
  if (verdict.grade == AttestationGrade::kMissed) {
    const auto note = liveness_.find(epoch);
    if (note == liveness_.end()) return "not known";
    const auto live = note->second.live.find(verdict.watched);
    if (live == note->second.live.end()) return "not known";
    if (live->second) return "published, but not included";
    return note->second.controlled ? "not published" : "not known";
  }
  if (verdict.grade == AttestationGrade::kLate) {
    if (verdict.blocks_missing) return "no block in the next slots";
    return fmt::format("included after {} slots", verdict.delay);
  }
  const auto arrival = arrivals_.find(verdict.slot);
  const std::int64_t due_ms = spec_.clock.slot_ms() * static_cast<std::int64_t>(spec_.attestation_due_bps) / 10'000;
  if (verdict.voted_parent && arrival != arrivals_.end() && arrival->second > due_ms) {
    return fmt::format("the block came late, {} into the slot", seconds_text(arrival->second));
  }
  if (verdict.voted_parent) return "voted for the block before";
  return "voted for another block";
}

void DutyLedger::set_rewards(std::uint64_t epoch, const RewardAnswer& answer, std::int64_t now_ms) {
  if (!rewards_done_.insert(epoch).second) return;
  if (blind_epochs_.erase(epoch) > 0) judge_by_rewards(epoch, answer, now_ms);
  count_rewards(epoch, answer);
}

// Coarser than the votes on the blocks: whether a head was wrong or late, it does not say. Only who lost both target
// and source missed (or voted for a wrong target too late, which comes to the same).
void DutyLedger::judge_by_rewards(std::uint64_t epoch, const RewardAnswer& answer, std::int64_t now_ms) {
  judged_epoch_ = std::max(judged_epoch_.value_or(0), epoch);
  std::vector<bool> told(validators_.size(), false);
  for (const AttestationReward& reward : answer.total) {
    const auto watched = indices_.find(reward.validator);
    if (!watched || !was_active(*watched, epoch)) continue;
    told[*watched] = true;
    AttestationVerdict verdict{*watched, spec_.first_slot(epoch), AttestationGrade::kMade};
    if (reward.target == 0 && reward.source == 0) {
      // The chain leaks, or is so small that rewards round to nothing: a vote and none look the same.
      verdict.grade = AttestationGrade::kUnknown;
    } else if (reward.target < 0) {
      verdict.grade = reward.source < 0 ? AttestationGrade::kMissed : AttestationGrade::kWrongTarget;
    } else {
      verdict.source_late = reward.source < 0;
      if (verdict.source_late) verdict.grade = AttestationGrade::kLate;
    }
    count_verdict(verdict, epoch, now_ms);
  }
  bool any_unknown = false;
  for (std::uint32_t i = 0; i < validators_.size(); ++i) {
    if (told[i] || !was_active(i, epoch)) continue;
    any_unknown = true;
    ++count(set_of(i), DutyCount::kUnknown);
  }
  if (*next_epoch_ == epoch + 1 && !any_unknown) epoch_blindness_ = Blindness::kNone;
  note_attested();
}

void DutyLedger::count_rewards(std::uint64_t epoch, const RewardAnswer& answer) {
  // The sums are made from the effective balances of the epoch after.
  const auto effective = effective_.find(epoch + 1);
  if (effective == effective_.end()) return;
  std::map<std::uint64_t, std::int64_t> ideal;
  for (const IdealReward& each : answer.ideal) ideal[each.effective_gwei] = each.sum;
  std::size_t due = 0;
  std::size_t told = 0;
  for (std::uint32_t i = 0; i < validators_.size(); ++i) {
    if (was_active(i, epoch)) ++due;
  }
  for (const AttestationReward& reward : answer.total) {
    const auto watched = indices_.find(reward.validator);
    if (!watched || !was_active(*watched, epoch)) continue;
    const auto best = ideal.find(effective->second[*watched]);
    if (best == ideal.end()) continue;
    ++told;
    const std::uint32_t labels = set_of(*watched);
    count(labels, DutyCount::kIdealRewards) += static_cast<double>(best->second);
    for (const std::int64_t part : {reward.head, reward.target, reward.source, reward.inactivity}) {
      count(labels, part < 0 ? DutyCount::kPenalties : DutyCount::kRewards) +=
          static_cast<double>(part < 0 ? -part : part);
    }
  }
  reward_coverage_ = due == 0 ? std::nullopt : std::optional(static_cast<double>(told) / static_cast<double>(due));
}

}  // namespace collector::staking

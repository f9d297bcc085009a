// SPDX-License-Identifier: Apache-2.0
#include "collector/staking/attestation_judge.h"

#include <algorithm>
#include <bit>
#include <limits>

namespace collector::staking {
namespace {

constexpr std::uint16_t kNever = std::numeric_limits<std::uint16_t>::max();

struct Vote {
  const Block* block;
  const Attestation* attestation;
};

// What one voter's vote came to, over all blocks that have it.
struct Outcome {
  std::uint16_t delay = kNever;  // of its first inclusion
  bool target = false;
  bool head = false;
  bool parent = false;
};

// The voters of one slot.
class SlotBallot {
 public:
  SlotBallot(const CanonicalChain& chain, const std::vector<std::uint32_t>& lengths, std::uint64_t slot,
             std::uint64_t first_of_epoch)
      : lengths_(lengths), slot_(slot) {
    std::size_t voters = 0;
    for (const std::uint32_t length : lengths) voters += length;
    outcomes_.resize(voters);
    const Block* const target = chain.last_until(first_of_epoch);
    head_ = chain.last_until(slot);
    before_ = slot == 0 ? nullptr : chain.last_until(slot - 1);
    target_ = target;
  }

  // False if the vote does not fit the committees.
  bool count(const Vote& vote) {
    const Attestation& attestation = *vote.attestation;
    Outcome outcome;
    outcome.delay = static_cast<std::uint16_t>(std::min<std::uint64_t>(vote.block->slot - slot_, kNever - 1));
    outcome.target = target_ != nullptr && attestation.target == target_->root;
    outcome.head = outcome.target && head_ != nullptr && attestation.head == head_->root;
    outcome.parent = before_ != nullptr && attestation.head == before_->root;
    const std::size_t length =
        attestation.voters.size() * 8 - 1 - static_cast<std::size_t>(std::countl_zero(attestation.voters.back()));
    std::size_t bit_at = 0;
    std::size_t seat = 0;
    // Where the vote fits is known only at the end: first the lengths, then the bits.
    for (std::size_t committee = 0; committee < lengths_.size(); ++committee) {
      if (names(attestation, committee)) bit_at += lengths_[committee];
    }
    if (bit_at != length || names_others(attestation)) return false;
    bit_at = 0;
    for (std::size_t committee = 0; committee < lengths_.size(); ++committee) {
      const std::uint32_t size = lengths_[committee];
      if (names(attestation, committee)) {
        for (std::uint32_t i = 0; i < size; ++i) {
          if (bit(attestation.voters, bit_at + i)) merge(outcomes_[seat + i], outcome);
        }
        bit_at += size;
      }
      seat += size;
    }
    return true;
  }

  const std::vector<Outcome>& outcomes() const { return outcomes_; }

 private:
  static bool names(const Attestation& attestation, std::size_t committee) {
    if (!attestation.committee_bits) return attestation.index == committee;
    return committee < attestation.committee_bits->size() * 8 && bit(*attestation.committee_bits, committee);
  }
  bool names_others(const Attestation& attestation) const {
    if (!attestation.committee_bits) return attestation.index >= lengths_.size();
    for (std::size_t i = lengths_.size(); i < attestation.committee_bits->size() * 8; ++i) {
      if (bit(*attestation.committee_bits, i)) return true;
    }
    return false;
  }
  static void merge(Outcome& into, const Outcome& more) {
    into.delay = std::min(into.delay, more.delay);
    into.target = into.target || more.target;
    into.head = into.head || more.head;
    into.parent = into.parent || more.parent;
  }

  const std::vector<std::uint32_t>& lengths_;
  const std::uint64_t slot_;
  const Block* head_ = nullptr;
  const Block* before_ = nullptr;
  const Block* target_ = nullptr;
  std::vector<Outcome> outcomes_;
};

AttestationGrade grade_of(const Outcome& outcome, std::uint64_t timely_delay, bool rooted, bool everything_read) {
  if (!rooted) return AttestationGrade::kUnknown;
  if (outcome.delay == kNever) return everything_read ? AttestationGrade::kMissed : AttestationGrade::kUnknown;
  if (!outcome.target) return AttestationGrade::kWrongTarget;
  if (!outcome.head) return AttestationGrade::kWrongHead;
  return outcome.delay > timely_delay ? AttestationGrade::kLate : AttestationGrade::kMade;
}

}  // namespace

void AttestationTally::add(AttestationGrade grade, bool late_source) {
  if (grade == AttestationGrade::kUnknown) {
    ++unknown;
    return;
  }
  ++due;
  if (late_source) ++source_late;
  if (grade == AttestationGrade::kMissed) ++missed;
  if (grade == AttestationGrade::kLate) ++late;
  if (grade == AttestationGrade::kWrongHead) ++wrong_head;
  if (grade == AttestationGrade::kWrongTarget) ++wrong_target;
}

AttestationJudgement judge_attestations(const DutySpec& spec, const CanonicalChain& chain, const Committees& committees,
                                        std::uint64_t from, std::uint64_t to) {
  AttestationJudgement result;
  const std::uint64_t first = spec.first_slot(committees.epoch);
  const std::uint64_t source_delay_max = spec.source_delay_max();
  std::vector<const Block*> blocks;
  chain.between(from + 1, spec.last_slot(committees.epoch + 1), blocks);
  std::vector<std::vector<Vote>> votes(to - from + 1);
  for (const Block* const block : blocks) {
    if (!block->body_known) ++result.blocks_unread;
    for (const Attestation& attestation : block->attestations) {
      if (attestation.slot < from || attestation.slot > to || attestation.slot >= block->slot) continue;
      votes[attestation.slot - from].push_back({block, &attestation});
    }
  }
  // What roots are right hangs on the blocks before, too.
  const bool rooted = !chain.empty() && chain.oldest_slot() <= first;
  const bool everything_read = result.blocks_unread == 0;
  auto seat =
      std::ranges::lower_bound(committees.seats, static_cast<std::uint32_t>(from - first), {}, &Seat::slot_offset);
  for (std::uint64_t slot = from; slot <= to; ++slot) {
    SlotBallot ballot(chain, committees.lengths[slot - first], slot, first);
    for (const Vote& vote : votes[slot - from]) {
      if (!ballot.count(vote)) ++result.misfits;
    }
    const auto is_source_late = [&](const Outcome& outcome) {
      return outcome.delay != kNever && outcome.delay > source_delay_max;
    };
    for (const Outcome& outcome : ballot.outcomes()) {
      result.network.add(grade_of(outcome, spec.inclusion_delay, rooted, everything_read), is_source_late(outcome));
    }
    for (; seat != committees.seats.end() && seat->slot_offset == slot - first; ++seat) {
      const Outcome& outcome = ballot.outcomes()[seat->position];
      AttestationVerdict verdict{seat->watched, slot, grade_of(outcome, spec.inclusion_delay, rooted, everything_read)};
      if (outcome.delay != kNever) {
        verdict.delay = outcome.delay;
        const Block* const previous = chain.last_until(slot + outcome.delay - 1);
        verdict.blocks_missing = outcome.delay > 1 && previous != nullptr && previous->slot <= slot;
      }
      verdict.source_late = is_source_late(outcome);
      verdict.voted_parent = outcome.parent && !outcome.head;
      result.watched.push_back(verdict);
    }
  }
  return result;
}

}  // namespace collector::staking

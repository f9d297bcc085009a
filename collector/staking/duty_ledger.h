// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "collector/staking/attestation_judge.h"
#include "collector/staking/beacon_answers.h"
#include "collector/staking/canonical_chain.h"
#include "collector/staking/duty_books.h"
#include "collector/staking/duty_events.h"
#include "collector/staking/duty_facts.h"

namespace collector::staking {

// Why the duties cannot be judged. The names are a contract: rules match on them.
enum class Blindness : std::uint8_t { kNone, kNoNode, kSplitView, kNoBlocks, kNoCommittees, kMisfit, kNotYet };
std::string_view to_string(Blindness blindness);

// The books of the watched validators' duties: takes what beacon nodes say, and judges from it, as a pure function of
// what it was told and in which order. Asks nobody and knows no clock.
//
// A slot is judged when settle_slots() slots of the chain lie above it (proposals, sync committee), an epoch's
// attestations when that holds for the last slot that may include them, the end of the epoch after. A reorganisation
// below what was judged changes no verdict; it is counted.
//
// Thread safety: confined to one thread.
class DutyLedger {
 public:
  DutyLedger(DutySpec spec, std::shared_ptr<const WatchedKeys> keys);

  const DutySpec& spec() const { return spec_; }
  std::uint64_t settle_slots() const { return spec_.settle_slots(); }

  // What is to be asked.
  std::optional<std::uint64_t> records_epoch() const { return records_epoch_; }
  // The watched whose records nobody told yet in `epoch`.
  std::vector<std::uint32_t> untold(std::uint64_t epoch) const;
  // Whether the chain knew a validator by the books that go on, and nobody tells its record. The chain forgets none:
  // who denies it is wrong, and whether it has duties is not known.
  bool denied_any() const;
  bool has_committees(std::uint64_t epoch) const { return committees_.contains(epoch); }
  bool has_proposers(std::uint64_t epoch) const { return proposers_.contains(epoch); }
  bool has_sync_seats(std::uint64_t period) const { return sync_seats_.contains(period); }
  bool has_liveness(std::uint64_t epoch) const { return liveness_.contains(epoch); }
  // Whether its attestations are to be judged yet.
  bool wants_committees(std::uint64_t epoch) const { return next_epoch_ && *next_epoch_ <= epoch; }
  bool wants_rewards(std::uint64_t epoch) const {
    return !rewards_done_.contains(epoch) && (effective_.contains(epoch + 1) || blind_epochs_.contains(epoch));
  }
  // Which votes of the slot are on no block yet. REQUIRES: has_committees() of its epoch.
  std::vector<std::uint32_t> not_included(std::uint64_t slot) const;
  // Validators that are active and not watched, as far as they are known: a control for who is said not to be live.
  std::vector<std::uint64_t> control(std::size_t most) const;
  const WatchedIndices& indices() const { return indices_; }
  const WatchedKeys& keys() const { return *keys_; }
  std::optional<std::uint64_t> index_of(std::uint32_t watched) const;
  CanonicalChain& chain() { return chain_; }
  const CanonicalChain& chain() const { return chain_; }
  // The oldest slot whose block is needed.
  std::uint64_t oldest_needed(std::uint64_t wall_slot) const;

  // What was answered. Records of several nodes add up.
  void set_records(std::uint64_t epoch, std::span<const ValidatorRecord> records, std::int64_t now_ms);
  void set_committees(Committees committees) { committees_.insert_or_assign(committees.epoch, std::move(committees)); }
  void set_proposers(std::uint64_t epoch, std::vector<ProposerDuty> duties) { proposers_[epoch] = std::move(duties); }
  void set_sync_seats(std::uint64_t period, std::vector<SyncSeat> seats) { sync_seats_[period] = std::move(seats); }
  // `asked` of the watched, and the control; both in `answer`.
  void set_liveness(std::uint64_t epoch, const std::vector<std::uint32_t>& asked,
                    const std::vector<std::uint64_t>& control, const std::vector<Liveness>& answer);
  void set_rewards(std::uint64_t epoch, const RewardAnswer& answer, std::int64_t now_ms);
  void adopt(std::vector<Block> newest_first);

  // What events said.
  void note_arrival(std::uint64_t slot, std::int64_t into_slot_ms);
  void note_slashing(std::uint64_t validator, std::string_view how, std::int64_t now_ms);

  void note_disagreement(std::string text, std::uint64_t wall_slot, std::int64_t now_ms);

  // Judges what can be judged, a slot's work at a time; false once there is nothing left to do.
  bool settle(std::uint64_t wall_slot, std::int64_t now_ms);
  // Nothing after `slot` is judged for now: it is not known to be of the right chain.
  void set_confirmed(std::optional<std::uint64_t> slot) { confirmed_slot_ = slot; }
  // An epoch that is further behind is nobody's to judge any more.
  static constexpr std::uint64_t kEpochsBehindMax = 3;
  // The epochs before are nobody's any more: nothing was watched then.
  void begin_at(std::uint64_t wall_slot);
  // Goes on with the books of before, where they are of this chain; after begin_at(), before anything else. Of epochs
  // that went by meanwhile everything is unknown, or told by rewards; after more than these only the counts go on.
  void restore(const DutyBooks& books, std::uint64_t wall_slot);
  static constexpr std::uint64_t kEpochsAwayMax = 225;  // a day on mainnet
  // What restore() takes, whole; and the same for who has kept the last ones, without validators that did not change.
  DutyBooks books() const;
  DutyBooks take_books();
  // The last ones that were taken were not kept.
  void put_back_books() { validators_changed_ = true; }
  // Why the nodes told nothing when they were looked at last; kNone: they did.
  void set_reach(Blindness why) { reach_ = why; }

  Blindness blindness() const;
  // The series, as Prometheus text.
  std::string series(std::int64_t now_ms) const;
  DutySnapshot snapshot() const;
  const std::vector<DutyCounts>& counts() const { return counts_; }  // by label set; the last is the network

  // What is added up over the validators of a label set.
  struct SetSums {
    std::array<std::uint64_t, kValidatorStatuses> by_status{};
    double balance = 0;
    double effective = 0;
    std::uint64_t slashed = 0;
    std::uint32_t misses_max = 0;
    std::uint64_t missing = 0;              // who missed twice or more in a row
    std::optional<std::uint64_t> upcoming;  // none: not everything is known of this epoch and the next, and none is
    std::optional<std::int64_t> next_proposal_ms;
    std::optional<std::uint64_t> sync_now;
    std::optional<std::uint64_t> sync_next;
  };

 private:
  struct Validator {
    std::optional<ValidatorRecord> record;
    std::optional<std::uint64_t> told_in;  // the epoch of the record
    ValidatorStatus status = ValidatorStatus::kUnknown;
    std::uint32_t misses = 0;  // one after the other
    bool slashing_told = false;
    bool seen_before = false;               // by the books that go on
    std::optional<std::uint64_t> attested;  // the newest epoch whose vote the chain has
  };
  struct LivenessNote {
    bool controlled = false;  // enough of the control is live: a "not live" means something
    std::map<std::uint32_t, bool> live;
  };
  // An epoch while it is closed, slot by slot.
  struct Closing {
    std::uint64_t epoch = 0;
    std::uint64_t next_slot = 0;
    AttestationJudgement judgement;
  };
  struct SlotView {  // of the last slot that was judged
    std::uint64_t slot = 0;
    std::vector<double> due;  // by label set; the last is the network
    std::vector<double> included;
  };

  double& count(std::uint32_t label_set, DutyCount what) { return counts_[label_set][static_cast<std::size_t>(what)]; }
  std::uint32_t network() const { return static_cast<std::uint32_t>(counts_.size() - 1); }
  std::uint32_t set_of(std::uint32_t watched) const { return keys_->keys[watched].label_set; }
  bool counts_for(std::uint32_t watched) const;  // not slashed
  // Whether it had attestation duties in `epoch`, and counts.
  bool was_active(std::uint32_t watched, std::uint64_t epoch) const;
  double weight(std::uint32_t watched) const;
  std::optional<std::uint64_t> settled() const;
  std::vector<SetSums> sums(std::int64_t now_ms) const;
  DutyEvent event_of(std::uint32_t watched, std::string_view kind, std::uint64_t epoch, std::int64_t now_ms) const;
  void tell_slashing(std::uint32_t watched, std::string_view how, std::int64_t now_ms);
  void take_record(std::uint32_t watched, const ValidatorRecord& record, std::uint64_t epoch, std::int64_t now_ms);

  bool settle_slot(std::uint64_t slot, std::uint64_t last, std::int64_t now_ms);
  void judge_proposal(std::uint64_t slot, const std::vector<ProposerDuty>& duties, std::int64_t now_ms);
  void judge_sync(const Block& block);
  void view_slot(std::uint64_t slot);
  bool close_step(std::int64_t now_ms);
  void close(const Closing& closing, std::int64_t now_ms);
  void close_blind(std::uint64_t epoch, Blindness why);
  void note_attested();
  void count_verdict(const AttestationVerdict& verdict, std::uint64_t epoch, std::int64_t now_ms);
  std::string reason_of(const AttestationVerdict& verdict, std::uint64_t epoch) const;
  void judge_by_rewards(std::uint64_t epoch, const RewardAnswer& answer, std::int64_t now_ms);
  void count_rewards(std::uint64_t epoch, const RewardAnswer& answer);
  void forget_old();

  DutySpec spec_;
  std::shared_ptr<const WatchedKeys> keys_;
  std::vector<Validator> validators_;  // as keys_
  bool validators_changed_ = false;    // since take_books()
  WatchedIndices indices_;
  std::optional<std::uint64_t> records_epoch_;
  std::map<std::uint64_t, std::vector<std::uint64_t>> effective_;  // gwei in the states of an epoch, as keys_

  CanonicalChain chain_;
  std::set<std::uint64_t> seen_;                    // slots of which a block was seen, canonical or not
  std::map<std::uint64_t, std::int64_t> arrivals_;  // ms into the slot
  std::map<std::uint64_t, Committees> committees_;  // by epoch
  std::map<std::uint64_t, std::vector<ProposerDuty>> proposers_;
  std::map<std::uint64_t, std::vector<SyncSeat>> sync_seats_;  // by period
  std::map<std::uint64_t, LivenessNote> liveness_;
  std::set<std::uint64_t> rewards_done_;
  std::set<std::uint64_t> blind_epochs_;  // to be judged by rewards, if they come

  std::optional<std::uint64_t> next_slot_;   // to be judged
  std::optional<std::uint64_t> next_epoch_;  // to be closed
  std::optional<Closing> closing_;
  std::optional<std::uint64_t> judged_epoch_;
  Blindness epoch_blindness_ = Blindness::kNotYet;
  Blindness reach_ = Blindness::kNoNode;
  std::optional<std::uint64_t> confirmed_slot_;  // none: no bound

  std::vector<DutyCounts> counts_;
  std::uint64_t reorgs_after_verdict_ = 0;
  SlotView view_;
  std::vector<std::pair<std::uint32_t, std::uint64_t>> missed_;  // of the last epoch: watched, slot
  std::optional<std::pair<std::uint32_t, std::uint64_t>> missed_proposal_;
  std::optional<double> reward_coverage_;
  DutyEvents events_;
  std::shared_ptr<const std::vector<std::optional<std::uint64_t>>> attested_;  // as validators_, of the last verdicts
};

}  // namespace collector::staking

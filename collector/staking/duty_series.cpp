// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <fmt/format.h>

#include "collector/staking/duty_ledger.h"

namespace collector::staking {
namespace {

enum class Scopes : std::uint8_t { kBoth, kWatched };

struct CountRow {
  DutyCount count;
  Scopes scopes;
  std::string_view name;
  std::string_view help;
};

constexpr CountRow kCountRows[] = {
    {DutyCount::kAttestations, Scopes::kBoth, "attestations_total", "Attestation duties that were judged."},
    {DutyCount::kMissed, Scopes::kBoth, "missed_attestations_total", "Of these, on no block when their time was over."},
    {DutyCount::kLate, Scopes::kBoth, "late_attestations_total", "Right, but included after the next slot."},
    {DutyCount::kLateSource, Scopes::kBoth, "late_source_attestations_total",
     "Included so late that the reward for the source was lost too."},
    {DutyCount::kWrongHead, Scopes::kBoth, "wrong_head_attestations_total", "Voted for another head than the chain's."},
    {DutyCount::kWrongTarget, Scopes::kBoth, "wrong_target_attestations_total", "Voted for another target."},
    {DutyCount::kUnknown, Scopes::kBoth, "unknown_attestations_total", "Duties that nobody could judge."},
    {DutyCount::kWeighted, Scopes::kWatched, "attestations_weighted_total", "Attestation duties by stake."},
    {DutyCount::kMissedWeighted, Scopes::kWatched, "missed_attestations_weighted_total", "Missed ones by stake."},
    {DutyCount::kProposals, Scopes::kBoth, "proposals_total", "Proposals that were due."},
    {DutyCount::kMissedProposals, Scopes::kBoth, "missed_proposals_total", "Of these, without a block."},
    {DutyCount::kOrphanedProposals, Scopes::kBoth, "orphaned_proposals_total",
     "Of these, with a block that is not on the chain."},
    {DutyCount::kSyncMessages, Scopes::kBoth, "sync_messages_total",
     "Messages of sync committee members that a block could have."},
    {DutyCount::kMissedSyncMessages, Scopes::kBoth, "missed_sync_messages_total", "Of these, those it has not."},
    {DutyCount::kIdealRewards, Scopes::kWatched, "ideal_rewards_gwei_total", "What attestations could have earned."},
    {DutyCount::kRewards, Scopes::kWatched, "rewards_gwei_total", "What they earned."},
    {DutyCount::kPenalties, Scopes::kWatched, "penalties_gwei_total", "What they lost."},
    {DutyCount::kSlashed, Scopes::kWatched, "slashed_total", "Validators seen slashed while they were watched."},
};
static_assert(std::size(kCountRows) == kDutyCounts);
static_assert(std::ranges::is_sorted(kCountRows, {}, &CountRow::count), "to_string() takes them by number");

// Of the validators that missed, those whose indices are shown for alerts.
constexpr std::size_t kShownMax = 20;

void append_escaped(std::string& text, std::string_view value) {
  for (const char c : value) {
    if (c == '\\' || c == '"') text += '\\';
    if (c == '\n') {
      text += "\\n";
    } else {
      text += c;
    }
  }
}

class SeriesText {
 public:
  explicit SeriesText(const std::vector<LabelSet>& sets) {
    for (const LabelSet& set : sets) {
      std::string labels = "scope=\"watched\"";
      for (const auto& [name, value] : set) {
        labels += fmt::format(",{}=\"", name);
        append_escaped(labels, value);
        labels += '"';
      }
      labels_.push_back(std::move(labels));
    }
    labels_.emplace_back("scope=\"network\"");
  }

  void family(std::string_view name, std::string_view help, std::string_view type = "gauge") {
    name_ = name;
    text_ += fmt::format("# HELP watchkeeper_duties_{} {}\n# TYPE watchkeeper_duties_{} {}\n", name, help, name, type);
  }
  void sample(double value) { text_ += fmt::format("watchkeeper_duties_{} {}\n", name_, value); }
  void sample(std::string_view labels, double value) {
    text_ += fmt::format("watchkeeper_duties_{}{{{}}} {}\n", name_, labels, value);
  }
  void of_set(std::size_t set, double value, std::string_view more = {}) {
    text_ += fmt::format("watchkeeper_duties_{}{{{}{}}} {}\n", name_, labels_[set], more, value);
  }
  std::string take() { return std::move(text_); }

 private:
  std::vector<std::string> labels_;
  std::string_view name_;
  std::string text_;
};

void append_counts(SeriesText& text, const std::vector<DutyCounts>& counts) {
  for (const CountRow& row : kCountRows) {
    text.family(row.name, row.help, "counter");
    const std::size_t sets = row.scopes == Scopes::kBoth ? counts.size() : counts.size() - 1;
    for (std::size_t set = 0; set < sets; ++set) text.of_set(set, counts[set][static_cast<std::size_t>(row.count)]);
  }
}

void append_sums(SeriesText& text, const std::vector<DutyLedger::SetSums>& sums) {
  text.family("validators", "Watched validators, by what the chain has of them.");
  for (std::size_t set = 0; set < sums.size(); ++set) {
    for (std::size_t status = 0; status < kValidatorStatuses; ++status) {
      const std::uint64_t number = sums[set].by_status[status];
      if (number == 0) continue;
      const auto name = to_string(static_cast<ValidatorStatus>(status));
      text.of_set(set, static_cast<double>(number), fmt::format(",status=\"{}\"", name));
    }
  }
  const auto each = [&](std::string_view name, std::string_view help, auto value) {
    text.family(name, help);
    for (std::size_t set = 0; set < sums.size(); ++set) text.of_set(set, static_cast<double>(value(sums[set])));
  };
  using Sums = DutyLedger::SetSums;
  each("balance_gwei", "Balances of watched validators.", [](const Sums& sum) { return sum.balance; });
  each("effective_balance_gwei", "Their effective balances.", [](const Sums& sum) { return sum.effective; });
  each("slashed_validators", "Of these, slashed.", [](const Sums& sum) { return sum.slashed; });
  each("consecutive_missed_attestations_max", "The most attestations that one validator missed in a row.",
       [](const Sums& sum) { return sum.misses_max; });
  each("missing_validators", "Validators that missed their last two attestations, or more.",
       [](const Sums& sum) { return sum.missing; });
  text.family("upcoming_proposals",
              "Proposals of the running slot and later ones; absent if none is known and some may be.");
  for (std::size_t set = 0; set < sums.size(); ++set) {
    if (sums[set].upcoming) text.of_set(set, static_cast<double>(*sums[set].upcoming));
  }
  text.family("next_proposal_seconds", "Until the next of them begins.");
  for (std::size_t set = 0; set < sums.size(); ++set) {
    if (sums[set].next_proposal_ms) text.of_set(set, static_cast<double>(*sums[set].next_proposal_ms) / 1000);
  }
  text.family("sync_committee_members", "Positions in the sync committees of this period and the next.");
  for (std::size_t set = 0; set < sums.size(); ++set) {
    if (sums[set].sync_now) text.of_set(set, static_cast<double>(*sums[set].sync_now), ",period=\"current\"");
    if (sums[set].sync_next) text.of_set(set, static_cast<double>(*sums[set].sync_next), ",period=\"next\"");
  }
}

}  // namespace

std::string_view to_string(DutyCount count) { return kCountRows[static_cast<std::size_t>(count)].name; }

std::vector<DutyLedger::SetSums> DutyLedger::sums(std::int64_t now_ms) const {
  std::vector<SetSums> sums(keys_->label_sets.size());
  for (std::uint32_t i = 0; i < validators_.size(); ++i) {
    const Validator& validator = validators_[i];
    SetSums& sum = sums[set_of(i)];
    ++sum.by_status[static_cast<std::size_t>(validator.status)];
    sum.misses_max = std::max(sum.misses_max, validator.misses);
    if (validator.misses >= 2) ++sum.missing;
    if (!validator.record) continue;
    sum.balance += static_cast<double>(validator.record->balance_gwei);
    sum.effective += static_cast<double>(validator.record->effective_gwei);
    if (validator.record->slashed) ++sum.slashed;
  }
  const auto now = spec_.clock.slot_at(core::from_unix_ms(now_ms));
  if (!now) return sums;
  const std::uint64_t running = spec_.epoch_of(now->value);
  // Of a validator that nobody knows, none can tell whether it has duties. Where some are known, the others are not on
  // the chain yet; where all are unknown, it may be the node that is wrong.
  const bool knows_whose = !indices_.pairs().empty() && !denied_any();
  if (knows_whose && has_proposers(running) && has_proposers(running + 1)) {
    for (SetSums& sum : sums) sum.upcoming = 0;
  }
  for (const auto& [epoch, duties] : proposers_) {
    for (const ProposerDuty& duty : duties) {
      const auto watched = indices_.find(duty.validator);
      if (!watched || duty.slot < now->value) continue;
      SetSums& sum = sums[set_of(*watched)];
      sum.upcoming = sum.upcoming.value_or(0) + 1;
      if (duty.slot == now->value) continue;
      const std::int64_t left = spec_.clock.start_ms({duty.slot}) - now_ms;
      sum.next_proposal_ms = std::min(sum.next_proposal_ms.value_or(left), left);
    }
  }
  if (spec_.epochs_per_sync_period == 0) return sums;
  const std::uint64_t period = spec_.epoch_of(now->value) / spec_.epochs_per_sync_period;
  for (const auto& [of, seats] : sync_seats_) {
    if (of != period && of != period + 1) continue;
    const auto member = of == period ? &SetSums::sync_now : &SetSums::sync_next;
    for (SetSums& sum : sums) {
      if (knows_whose) sum.*member = 0;
    }
    for (const SyncSeat& seat : seats) {
      auto& members = sums[set_of(seat.watched)].*member;
      members = members.value_or(0) + 1;
    }
  }
  return sums;
}

std::string DutyLedger::series(std::int64_t now_ms) const {
  SeriesText text(keys_->label_sets);
  const Blindness blind = blindness();
  text.family("unknown", "1 while nobody can tell how duties are done.");
  text.sample(blind == Blindness::kNone ? 0 : 1);
  text.family("unknown_reason", "1, with why nobody can tell.");
  if (blind != Blindness::kNone) text.sample(fmt::format("reason=\"{}\"", to_string(blind)), 1);
  append_counts(text, counts_);
  append_sums(text, sums(now_ms));
  text.family("reorgs_after_verdict_total", "Reorganisations below a slot that was judged already.", "counter");
  text.sample(static_cast<double>(reorgs_after_verdict_));
  text.family("events_dropped_total", "Events that were only counted.", "counter");
  text.sample(static_cast<double>(events_.dropped()));
  if (!chain_.empty()) {
    text.family("head_slot", "The slot of the head that the judgement is made from.");
    text.sample(static_cast<double>(chain_.head().slot));
  }
  if (judged_epoch_) {
    text.family("judged_epoch", "The last epoch whose attestations were judged.");
    text.sample(static_cast<double>(*judged_epoch_));
  }
  if (view_.slot != 0) {
    text.family("slot", "The last slot that was judged.");
    text.sample(static_cast<double>(view_.slot));
    text.family("slot_attestations", "Attestations that were due in that slot.");
    for (std::size_t set = 0; set < view_.due.size(); ++set) text.of_set(set, view_.due[set]);
    text.family("slot_included_attestations", "Of these, included by then; more may come until the next epoch ends.");
    for (std::size_t set = 0; set < view_.due.size(); ++set) text.of_set(set, view_.included[set]);
  }
  if (reward_coverage_) {
    text.family("reward_coverage_ratio", "Of the active watched validators, whose rewards were told last.");
    text.sample(*reward_coverage_);
  }
  // The index is the value: a label for each validator would leave a series for each that ever missed.
  text.family("missed_validator_index", "Validators that missed an attestation in the last epoch, some of them.");
  for (std::size_t i = 0; i < std::min(missed_.size(), kShownMax); ++i) {
    if (const auto index = index_of(missed_[i].first)) {
      text.of_set(set_of(missed_[i].first), static_cast<double>(*index), fmt::format(",n=\"{}\"", i + 1));
    }
  }
  if (missed_proposal_) {
    text.family("missed_proposal_slot", "The slot of the last proposal that was missed.");
    text.of_set(set_of(missed_proposal_->first), static_cast<double>(missed_proposal_->second));
    text.family("missed_proposal_validator_index", "Whose it was.");
    if (const auto index = index_of(missed_proposal_->first)) {
      text.of_set(set_of(missed_proposal_->first), static_cast<double>(*index));
    }
  }
  return text.take();
}

}  // namespace collector::staking

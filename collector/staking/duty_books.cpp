// SPDX-License-Identifier: Apache-2.0
// What of the books is kept over a restart, and how they go on from it.
#include "collector/staking/duty_books.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "collector/staking/duty_ledger.h"

namespace collector::staking {

std::string text_of(const LabelSet& labels) {
  nlohmann::json object = nlohmann::json::object();
  for (const auto& [name, value] : labels) object[name] = value;
  return object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

DutyBooks DutyLedger::books() const {
  DutyBooks books;
  books.genesis_ms = spec_.clock.genesis_ms();
  books.slot_ms = spec_.clock.slot_ms();
  books.slots_per_epoch = spec_.clock.slots_per_epoch();
  books.next_slot = next_slot_.value_or(0);
  books.next_epoch = next_epoch_.value_or(0);
  books.judged_epoch = judged_epoch_;
  books.blind_epochs.assign(blind_epochs_.begin(), blind_epochs_.end());
  books.rewarded_epochs.assign(rewards_done_.begin(), rewards_done_.end());
  books.reorgs_after_verdict = reorgs_after_verdict_;
  for (std::size_t set = 0; set < keys_->label_sets.size(); ++set) {
    books.counts[text_of(keys_->label_sets[set])] = counts_[set];
  }
  books.network = counts_.back();
  if (missed_proposal_) books.missed_proposal = {keys_->keys[missed_proposal_->first].key, missed_proposal_->second};
  books.validators.emplace();
  books.validators->reserve(validators_.size());
  for (std::size_t i = 0; i < validators_.size(); ++i) {
    const Validator& validator = validators_[i];
    if (!validator.record && !validator.seen_before) continue;
    books.validators->push_back({keys_->keys[i].key, validator.status, validator.misses, validator.slashing_told});
  }
  return books;
}

DutyBooks DutyLedger::take_books() {
  DutyBooks books = this->books();
  if (!validators_changed_) books.validators.reset();
  validators_changed_ = false;
  return books;
}

void DutyLedger::restore(const DutyBooks& books, std::uint64_t wall_slot) {
  const SlotClock& clock = spec_.clock;
  if (books.genesis_ms != clock.genesis_ms() || books.slot_ms != clock.slot_ms() ||
      books.slots_per_epoch != clock.slots_per_epoch()) {
    return;
  }
  for (std::size_t set = 0; set < keys_->label_sets.size(); ++set) {
    const auto found = books.counts.find(text_of(keys_->label_sets[set]));
    if (found != books.counts.end()) counts_[set] = found->second;
  }
  counts_.back() = books.network;
  reorgs_after_verdict_ = books.reorgs_after_verdict;
  judged_epoch_ = books.judged_epoch;
  const std::uint64_t epoch = spec_.epoch_of(wall_slot);
  // Where a clock was set back, what was judged is not judged again, unless it was so far ahead that it was wrong.
  const bool goes_on = books.next_epoch + kEpochsAwayMax >= epoch && books.next_epoch <= epoch + 1;
  if (goes_on) {
    next_epoch_ = books.next_epoch;
    next_slot_ = books.next_slot;
    blind_epochs_.insert(books.blind_epochs.begin(), books.blind_epochs.end());
    rewards_done_.insert(books.rewarded_epochs.begin(), books.rewarded_epochs.end());
  }
  const auto watched_of = [this](const PublicKey& key) -> std::optional<std::uint32_t> {
    const auto found = std::ranges::lower_bound(keys_->keys, key, {}, &WatchedKey::key);
    if (found == keys_->keys.end() || found->key != key) return std::nullopt;
    return static_cast<std::uint32_t>(found - keys_->keys.begin());
  };
  for (const DutyBooks::Validator& kept : books.validators.value_or(std::vector<DutyBooks::Validator>())) {
    const auto watched = watched_of(kept.key);
    if (!watched) continue;
    Validator& validator = validators_[*watched];
    validator.seen_before = true;
    validator.status = kept.status;
    validator.slashing_told = kept.slashing_told;
    // A row of misses from long ago says nothing of now.
    if (goes_on) validator.misses = kept.misses;
  }
  if (books.missed_proposal) {
    if (const auto watched = watched_of(books.missed_proposal->first)) {
      missed_proposal_ = {*watched, books.missed_proposal->second};
    }
  }
}

}  // namespace collector::staking

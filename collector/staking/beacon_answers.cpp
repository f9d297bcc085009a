// SPDX-License-Identifier: Apache-2.0
#include "collector/staking/beacon_answers.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace collector::staking {
namespace {

using core::Errc;
using core::fail;
using core::Result;

// Validators of a network at most, by far: a list of flags up to the highest index is kept.
constexpr std::uint64_t kIndexMax = 1 << 26;

constexpr std::array<std::string_view, 7> kAttestationFields = {
    "aggregation_bits",       "committee_bits",    "data/slot",       "data/index",
    "data/beacon_block_root", "data/target/epoch", "data/target/root"};

std::optional<Attestation> attestation_of(const JsonRow& row) {
  Attestation vote;
  const auto voters = row.text(0);
  const auto slot = row.number(2);
  const auto index = row.number(3);
  const auto head = row.text(4);
  const auto epoch = row.number(5);
  const auto target = row.text(6);
  if (!voters || !slot || !index || !head || !epoch || !target) return std::nullopt;
  auto bits = parse_bytes(*voters);
  const auto head_root = parse_root(*head);
  const auto target_root = parse_root(*target);
  if (!bits || bits->empty() || bits->back() == 0 || !head_root || !target_root) return std::nullopt;
  vote = {*slot, *index, *head_root, *epoch, *target_root, std::move(*bits), std::nullopt};
  if (row.count(1) > 0) {
    const auto committees = row.text(1);
    auto committee_bits = committees ? parse_bytes(*committees) : std::nullopt;
    if (!committee_bits || committee_bits->size() > 8) return std::nullopt;
    vote.committee_bits = std::move(*committee_bits);
  }
  return vote;
}

JsonRows::Table attestation_table(std::string_view list, std::vector<Attestation>& into) {
  return {list, {kAttestationFields.begin(), kAttestationFields.end()}, [&into](const JsonRow& row) {
            auto vote = attestation_of(row);
            if (vote) into.push_back(std::move(*vote));
            return vote.has_value();
          }};
}

// A reward; sums of what is within these bounds do not overflow.
std::optional<std::int64_t> gwei(const JsonRow& row, std::size_t field) {
  constexpr std::int64_t kMost = std::int64_t{1} << 50;
  const auto value = row.signed_number(field);
  return value && *value <= kMost && *value >= -kMost ? value : std::nullopt;
}

std::optional<std::vector<std::uint64_t>> numbers(const JsonRow& row, std::size_t field) {
  std::vector<std::uint64_t> result(row.count(field));
  for (std::size_t i = 0; i < result.size(); ++i) {
    const auto number = row.number(field, i);
    if (!number) return std::nullopt;
    result[i] = *number;
  }
  return result;
}

}  // namespace

std::vector<std::uint64_t> named_by_both(const std::vector<std::uint64_t>& one,
                                         const std::vector<std::uint64_t>& other) {
  std::vector<std::uint64_t> a = one;
  std::vector<std::uint64_t> b = other;
  std::ranges::sort(a);
  std::ranges::sort(b);
  std::vector<std::uint64_t> both;
  std::ranges::set_intersection(a, b, std::back_inserter(both));
  return both;
}

Result<void> AnswerReader::finish() {
  if (bytes_ > kBytesMax) return fail(Errc::kLimitExceeded, "more than {} bytes", kBytesMax);
  if (auto whole = rows().finish(); !whole) return whole;
  return judge();
}

ValidatorsReader::ValidatorsReader(std::function<bool(const PublicKey&)> wanted)
    : wanted_(std::move(wanted)),
      rows_({},
            {{"data",
              {"index", "balance", "validator/pubkey", "validator/effective_balance", "validator/slashed",
               "validator/activation_eligibility_epoch", "validator/activation_epoch", "validator/exit_epoch",
               "validator/withdrawable_epoch"},
              [this](const JsonRow& row) { return take(row); }}},
            kRowsMax) {}

bool ValidatorsReader::take(const JsonRow& row) {
  const auto key_text = row.text(2);
  const auto key = key_text ? parse_public_key(*key_text) : std::nullopt;
  if (!key) return false;
  if (!wanted_(*key)) return true;
  ValidatorRecord record;
  record.key = *key;
  const auto slashed = row.flag(4);
  const std::array<std::uint64_t*, 9> into = {&record.index,
                                              &record.balance_gwei,
                                              nullptr,
                                              &record.effective_gwei,
                                              nullptr,
                                              &record.activation_eligibility,
                                              &record.activation,
                                              &record.exit,
                                              &record.withdrawable};
  for (std::size_t i = 0; i < into.size(); ++i) {
    if (into[i] == nullptr) continue;
    const auto number = row.number(i);
    if (!number) return false;
    *into[i] = *number;
  }
  if (!slashed || record.index >= kIndexMax) return false;
  record.slashed = *slashed;
  records.push_back(record);
  return true;
}

void WatchedIndices::seal() {
  std::ranges::sort(pairs_);
  there_.assign(pairs_.empty() ? 0 : pairs_.back().first + 1, false);
  for (const auto& [validator, watched] : pairs_) there_[validator] = true;
}

std::optional<std::uint32_t> WatchedIndices::find(std::uint64_t validator) const {
  if (validator >= there_.size() || !there_[validator]) return std::nullopt;
  return std::ranges::lower_bound(pairs_, validator, {}, &std::pair<std::uint64_t, std::uint32_t>::first)->second;
}

CommitteesReader::CommitteesReader(const DutySpec& spec, std::uint64_t epoch, const WatchedIndices& watched)
    : first_slot_(spec.first_slot(epoch)),
      slots_(spec.clock.slots_per_epoch()),
      watched_(watched),
      rows_({}, {{"data", {"slot", "index", "validators"}, [this](const JsonRow& row) { return take(row); }}},
            kRowsMax) {
  committees.epoch = epoch;
  committees.lengths.resize(slots_);
}

bool CommitteesReader::take(const JsonRow& row) {
  constexpr std::uint64_t kCommitteesMax = 64;  // of a slot: the bits that name them
  auto slot = row.number(0);
  auto index = row.number(1);
  if (!slot || !index) return false;
  if (!swapped_) swapped_ = *slot < first_slot_ && *slot < kCommitteesMax;
  if (*swapped_) {
    std::swap(slot, index);
    *slot += first_slot_;
  }
  if (*slot < first_slot_ || *slot - first_slot_ >= slots_ || *index >= kCommitteesMax) return false;
  const auto offset = static_cast<std::uint32_t>(*slot - first_slot_);
  auto& lengths = committees.lengths[offset];
  if (lengths.size() <= *index) lengths.resize(*index + 1, 0);
  if (lengths[*index] != 0) return false;  // given twice
  const std::size_t count = row.count(2);
  lengths[*index] = static_cast<std::uint32_t>(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto validator = row.number(2, i);
    if (!validator) return false;
    if (const auto watched = watched_.find(*validator)) {
      seats_.push_back({offset, static_cast<std::uint32_t>(*index), static_cast<std::uint32_t>(i), *watched});
    }
  }
  return count > 0;
}

Result<void> CommitteesReader::judge() {
  for (const auto& lengths : committees.lengths) {
    // All slots of an epoch have as many (phase0, get_committee_count_per_slot).
    const bool as_many = lengths.size() == committees.lengths.front().size();
    if (lengths.empty() || !as_many || std::ranges::find(lengths, 0U) != lengths.end()) {
      return fail(Errc::kInvalid, "the committees of epoch {} are not all there", committees.epoch);
    }
  }
  for (const CommitteeSeat& seat : seats_) {
    const auto& lengths = committees.lengths[seat.slot_offset];
    std::uint32_t before = 0;
    for (std::uint32_t i = 0; i < seat.committee; ++i) before += lengths[i];
    committees.seats.push_back({seat.slot_offset, before + seat.position, seat.watched});
  }
  std::ranges::sort(committees.seats);
  return {};
}

ProposersReader::ProposersReader(const DutySpec& spec, std::uint64_t epoch)
    : rows_({},
            {{"data",
              {"slot", "validator_index"},
              [this, first = spec.first_slot(epoch), last = spec.last_slot(epoch)](const JsonRow& row) {
                const auto slot = row.number(0);
                const auto validator = row.number(1);
                if (!slot || !validator || *slot < first || *slot > last) return false;
                duties.push_back({*slot, *validator});
                return true;
              }}},
            spec.clock.slots_per_epoch()) {}

SyncDutiesReader::SyncDutiesReader(const DutySpec& spec, const WatchedIndices& watched)
    : rows_({},
            {{"data",
              {"validator_index", "validator_sync_committee_indices"},
              [this, &watched, size = spec.sync_committee_size](const JsonRow& row) {
                const auto validator = row.number(0);
                const auto positions = numbers(row, 1);
                if (!validator || !positions) return false;
                const auto found = watched.find(*validator);
                for (const std::uint64_t position : *positions) {
                  if (position >= size) return false;
                  if (found) seats.push_back({*found, static_cast<std::uint32_t>(position)});
                }
                return true;
              }}},
            kRowsMax) {}

RewardsReader::RewardsReader()
    : rows_({},
            {{"data/ideal_rewards",
              {"effective_balance", "head", "target", "source"},
              [this](const JsonRow& row) {
                const auto balance = row.number(0);
                const auto head = gwei(row, 1);
                const auto target = gwei(row, 2);
                const auto source = gwei(row, 3);
                if (!balance || !head || !target || !source) return false;
                rewards.ideal.push_back({*balance, *head + *target + *source});
                return true;
              }},
             {"data/total_rewards",
              {"validator_index", "head", "target", "source", "inactivity"},
              [this](const JsonRow& row) {
                const auto validator = row.number(0);
                const auto head = gwei(row, 1);
                const auto target = gwei(row, 2);
                const auto source = gwei(row, 3);
                if (!validator || !head || !target || !source) return false;
                rewards.total.push_back({*validator, *head, *target, *source, gwei(row, 4).value_or(0)});
                return true;
              }}},
            kRowsMax) {}

LivenessReader::LivenessReader()
    : rows_({},
            {{"data",
              {"index", "is_live"},
              [this](const JsonRow& row) {
                const auto validator = row.number(0);
                const auto live = row.flag(1);
                if (!validator || !live) return false;
                list.push_back({*validator, *live});
                return true;
              }}},
            kRowsMax) {}

BlockReader::BlockReader()
    : rows_({"data/message/slot", "data/message/proposer_index", "data/message/parent_root",
             "data/message/body/sync_aggregate/sync_committee_bits"},
            {attestation_table("data/message/body/attestations", block.attestations),
             {"data/message/body/proposer_slashings",
              {"signed_header_1/message/proposer_index"},
              [this](const JsonRow& row) {
                const auto validator = row.number(0);
                if (validator) block.slashed.push_back(*validator);
                return validator.has_value();
              },
              false},
             {"data/message/body/attester_slashings",
              {"attestation_1/attesting_indices", "attestation_2/attesting_indices"},
              [this](const JsonRow& row) {
                const auto one = numbers(row, 0);
                const auto other = numbers(row, 1);
                if (!one || !other) return false;
                std::ranges::copy(named_by_both(*one, *other), std::back_inserter(block.slashed));
                return true;
              },
              false}},
            kRowsMax) {}

Result<void> BlockReader::judge() {
  const auto slot = rows_.singles().number(0);
  const auto proposer = rows_.singles().number(1);
  const auto parent_text = rows_.singles().text(2);
  const auto parent = parent_text ? parse_root(*parent_text) : std::nullopt;
  if (!slot || !proposer || !parent) return fail(Errc::kInvalid, "a block without slot, proposer or parent");
  block.slot = *slot;
  block.proposer = *proposer;
  block.parent = *parent;
  block.body_known = true;
  if (const auto bits = rows_.singles().text(3)) block.sync_bits = parse_bytes(*bits);
  return {};
}

BlockAttestationsReader::BlockAttestationsReader() : rows_({}, {attestation_table("data", attestations)}, kRowsMax) {}

}  // namespace collector::staking

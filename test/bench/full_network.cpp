// SPDX-License-Identifier: Apache-2.0
#include "test/bench/full_network.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <numeric>

#include <fmt/format.h>

namespace bench {
namespace {

constexpr std::uint64_t kFirstEpoch = 400'000;
constexpr std::uint64_t kLateVoteMax = 5;       // slots
constexpr std::size_t kAggregatesOfABlock = 8;  // MAX_ATTESTATIONS_ELECTRA
constexpr std::uint64_t kCommitteesMax = 64;    // of a slot

std::uint64_t mix(std::uint64_t x) {  // splitmix64's finaliser
  x += 0x9e3779b97f4a7c15U;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31);
}

std::uint64_t noise(std::uint64_t what, std::uint64_t step) { return mix(mix(what) ^ step); }

// What noise() is about.
enum : std::uint64_t { kEmptySlot = 1, kRoot, kProposer, kKey, kVote, kSecondAggregate, kEpochShift, kFiller };

template <class... Args>
void add(std::string& text, fmt::format_string<Args...> format, Args&&... args) {
  fmt::format_to(std::back_inserter(text), format, std::forward<Args>(args)...);
}

// 0x and so many bytes that mean nothing, but are as long as what they stand for.
std::string filler(std::uint64_t step, std::size_t bytes) {
  std::string text = "0x";
  for (std::size_t at = 0; at < bytes; at += 8) add(text, "{:016x}", noise(kFiller, step * 4096 + at));
  text.resize(2 + 2 * bytes);
  return text;
}

std::string bitlist(const std::vector<bool>& bits) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text = "0x";
  text.reserve(2 + 2 * (bits.size() / 8 + 1));
  for (std::size_t at = 0; at <= bits.size(); at += 8) {
    unsigned byte = 0;
    for (std::size_t i = at; i < std::min(at + 8, bits.size()); ++i) byte |= bits[i] ? 1U << (i - at) : 0U;
    if (bits.size() < at + 8) byte |= 1U << (bits.size() - at);  // marks the length
    text += kDigits[byte >> 4U];
    text += kDigits[byte & 15U];
  }
  return text;
}

std::optional<std::uint64_t> hex_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string list_of(const std::string& rows) {
  return R"({"execution_optimistic":false,"finalized":false,"data":[)" + rows + "]}";
}

void comma(std::string& rows) {
  if (!rows.empty()) rows += ',';
}

}  // namespace

FullNetwork::FullNetwork(const core::Clock& clock, Options options)
    : clock_(clock),
      options_(options),
      // Rounded up: at most a second of the epoch before is left.
      genesis_s_((core::to_unix_ms(clock.wall_now()) + 999 -
                  static_cast<std::int64_t>(kFirstEpoch * kSlotsPerEpoch) * options.slot_ms) /
                 1000) {
  stride_ = options_.validators * 5 / 8 + 1;
  while (std::gcd(stride_, options_.validators) != 1) ++stride_;
}

std::uint64_t FullNetwork::wall_slot() const {
  return static_cast<std::uint64_t>((core::to_unix_ms(clock_.wall_now()) - genesis_s_ * 1000) / options_.slot_ms);
}

core::WallTime FullNetwork::start_of(std::uint64_t slot) const {
  return core::from_unix_ms(genesis_s_ * 1000 + static_cast<std::int64_t>(slot) * options_.slot_ms);
}

std::uint64_t FullNetwork::head_slot() const {
  const std::int64_t arrived = core::to_unix_ms(clock_.wall_now()) - genesis_s_ * 1000 - options_.slot_ms / 7;
  return last_block(static_cast<std::uint64_t>(arrived / options_.slot_ms));
}

bool FullNetwork::has_block(std::uint64_t slot) const { return noise(kEmptySlot, slot) % 100 != 0; }

std::uint64_t FullNetwork::last_block(std::uint64_t slot) const {
  while (!has_block(slot)) --slot;
  return slot;
}

std::uint64_t FullNetwork::next_block(std::uint64_t slot) const {
  while (!has_block(slot)) ++slot;
  return slot;
}

std::string FullNetwork::root(std::uint64_t slot) const {
  return fmt::format("0x{:016x}{:016x}{:016x}{:016x}", slot, noise(kRoot, slot), noise(kRoot, slot + 1),
                     noise(kRoot, slot + 2));
}

std::optional<std::uint64_t> FullNetwork::slot_of(std::string_view text) const {
  if (text.size() != 66) return std::nullopt;
  const auto slot = hex_number(text.substr(2, 16));
  return slot && *slot <= head_slot() && has_block(*slot) && root(*slot) == text ? slot : std::nullopt;
}

std::uint64_t FullNetwork::proposer(std::uint64_t slot) const { return noise(kProposer, slot) % options_.validators; }

std::string FullNetwork::public_key(std::uint64_t validator) {
  std::string text = fmt::format("0x{:x}", 8 + noise(kKey, validator) % 4);
  for (std::uint64_t i = 1; i < 6; ++i) add(text, "{:016x}", noise(kKey + i * 64, validator));
  text.resize(2 + 80);
  return text + fmt::format("{:016x}", validator);
}

std::optional<std::uint64_t> FullNetwork::validator_of(std::string_view key) const {
  if (key.size() != 98) return std::nullopt;
  const auto validator = hex_number(key.substr(82));
  return validator && *validator < options_.validators && public_key(*validator) == key ? validator : std::nullopt;
}

std::uint64_t FullNetwork::member(std::uint64_t epoch, std::uint64_t seat) const {
  return (seat * stride_ + noise(kEpochShift, epoch) % options_.validators) % options_.validators;
}

std::uint64_t FullNetwork::committees_of_slot() const {  // phase0, get_committee_count_per_slot
  return std::clamp<std::uint64_t>(options_.validators / kSlotsPerEpoch / 128, 1, kCommitteesMax);
}

std::uint64_t FullNetwork::seats_before(std::uint64_t slot_offset) const {
  return options_.validators * slot_offset / kSlotsPerEpoch;
}

FullNetwork::Vote FullNetwork::vote_of(std::uint64_t epoch, std::uint64_t validator) {
  const std::uint64_t luck = noise(kVote + epoch * 64, validator) % 10'000;
  if (luck < 30) return {0, false};
  if (luck < 130) return {1, false};
  if (luck < 230) return {2, true};
  if (luck < 260) return {3 + luck % (kLateVoteMax - 2), true};
  return {1, true};
}

std::string FullNetwork::spec() const {
  std::string text = R"({"data":{"CONFIG_NAME":"mainnet","PRESET_BASE":"mainnet",)";
  add(text, R"("SLOT_DURATION_MS":"{}","SLOTS_PER_EPOCH":"{}",)", options_.slot_ms, kSlotsPerEpoch);
  if (options_.slot_ms % 1000 == 0) add(text, R"("SECONDS_PER_SLOT":"{}",)", options_.slot_ms / 1000);
  add(text, R"("EPOCHS_PER_SYNC_COMMITTEE_PERIOD":"{}","SYNC_COMMITTEE_SIZE":"{}",)", kEpochsPerSyncPeriod, kSyncSize);
  return text + R"("MIN_ATTESTATION_INCLUSION_DELAY":"1","MIN_ACTIVATION_BALANCE":"32000000000",)"
                R"("MAX_EFFECTIVE_BALANCE_ELECTRA":"2048000000000","EFFECTIVE_BALANCE_INCREMENT":"1000000000",)"
                R"("MAX_COMMITTEES_PER_SLOT":"64","DEPOSIT_CHAIN_ID":"1","DEPOSIT_NETWORK_ID":"1"}})";
}

std::string FullNetwork::genesis() const {
  return fmt::format(
      R"({{"data":{{"genesis_time":"{}","genesis_validators_root":"{}","genesis_fork_version":"0x00000000"}}}})",
      genesis_s_, root(0));
}

std::string FullNetwork::syncing() const {
  const std::uint64_t head = head_slot();
  return fmt::format(
      R"({{"data":{{"is_syncing":false,"is_optimistic":false,"el_offline":false,"head_slot":"{}","sync_distance":"{}"}}}})",
      head, wall_slot() - std::min(head, wall_slot()));
}

std::string FullNetwork::header(std::uint64_t slot) const {
  return fmt::format(
      R"({{"execution_optimistic":false,"finalized":false,"data":{{"root":"{}","canonical":true,"header":{{"message":)"
      R"({{"slot":"{}","proposer_index":"{}","parent_root":"{}","state_root":"{}","body_root":"{}"}},"signature":"{}"}}}}}})",
      root(slot), slot, proposer(slot), root(last_block(slot - 1)), filler(slot, 32), filler(slot + 1, 32),
      filler(slot, 96));
}

std::string FullNetwork::finality() const {
  const std::uint64_t epoch = head_slot() / kSlotsPerEpoch;
  const auto checkpoint = [&](std::uint64_t at) {
    return fmt::format(R"({{"epoch":"{}","root":"{}"}})", at, root(last_block(at * kSlotsPerEpoch)));
  };
  return fmt::format(
      R"({{"execution_optimistic":false,"finalized":false,"data":{{"previous_justified":{},"current_justified":{},)"
      R"("finalized":{}}}}})",
      checkpoint(epoch - 2), checkpoint(epoch - 1), checkpoint(epoch - 2));
}

std::string FullNetwork::aggregate(std::uint64_t slot, bool right_head, const std::vector<bool>& voters) const {
  const std::uint64_t epoch = slot / kSlotsPerEpoch;
  const std::uint64_t head = last_block(slot);
  std::string bits = "0x";
  for (std::uint64_t byte = 0; byte < kCommitteesMax / 8; ++byte) {
    const std::uint64_t named =
        std::min<std::uint64_t>(8, committees_of_slot() - std::min(committees_of_slot(), byte * 8));
    add(bits, "{:02x}", (1U << named) - 1U);
  }
  return fmt::format(
      R"({{"aggregation_bits":"{}","data":{{"slot":"{}","index":"0","beacon_block_root":"{}","source":{{"epoch":"{}",)"
      R"("root":"{}"}},"target":{{"epoch":"{}","root":"{}"}}}},"signature":"{}","committee_bits":"{}"}})",
      bitlist(voters), slot, root(right_head ? head : last_block(head - 1)), epoch - 1,
      root(last_block((epoch - 1) * kSlotsPerEpoch)), epoch, root(last_block(epoch * kSlotsPerEpoch)), filler(slot, 96),
      bits);
}

// The votes whose first chance is this block, each kind in an aggregate of its own. Those for the right head of the
// newest slot stand in two that have many voters in common, and what room is left is taken by repetitions.
void FullNetwork::append_votes(std::string& text, std::uint64_t block) const {
  std::vector<std::string> list;
  for (std::uint64_t slot = block - 1; slot + kLateVoteMax + 2 > block; --slot) {
    const std::uint64_t epoch = slot / kSlotsPerEpoch;
    const std::uint64_t from = seats_before(slot % kSlotsPerEpoch);
    const std::uint64_t seats = seats_before(slot % kSlotsPerEpoch + 1) - from;
    std::vector<bool> right(seats);
    std::vector<bool> right_too(seats);
    std::vector<bool> wrong(seats);
    bool any_right = false;
    bool any_wrong = false;
    for (std::uint64_t seat = 0; seat < seats; ++seat) {
      const Vote vote = vote_of(epoch, member(epoch, from + seat));
      if (vote.delay == 0 || next_block(slot + vote.delay) != block) continue;
      (vote.right_head ? any_right : any_wrong) = true;
      if (!vote.right_head) {
        wrong[seat] = true;
        continue;
      }
      const std::uint64_t where = slot + 1 == block ? noise(kSecondAggregate + slot * 64, seat) % 100 : 0;
      right[seat] = where < 95;
      right_too[seat] = where >= 40;
    }
    if (any_right) list.push_back(aggregate(slot, true, right));
    if (any_right && slot + 1 == block) list.push_back(aggregate(slot, true, right_too));
    if (any_wrong) list.push_back(aggregate(slot, false, wrong));
  }
  for (std::size_t i = 0; !list.empty() && list.size() < kAggregatesOfABlock; ++i) list.push_back(list[i]);
  add(text, "{}", fmt::join(list, ","));
}

std::string FullNetwork::block(std::uint64_t slot) const {
  constexpr std::uint64_t kBlobs = 6;
  std::string text = fmt::format(
      R"({{"version":"electra","execution_optimistic":false,"finalized":false,"data":{{"message":{{"slot":"{}",)"
      R"("proposer_index":"{}","parent_root":"{}","state_root":"{}","body":{{"randao_reveal":"{}","eth1_data":)"
      R"({{"deposit_root":"{}","deposit_count":"2100000","block_hash":"{}"}},"graffiti":"{}",)"
      R"("proposer_slashings":[],"attester_slashings":[],"attestations":[)",
      slot, proposer(slot), root(last_block(slot - 1)), filler(slot, 32), filler(slot, 96), filler(slot, 32),
      filler(slot + 1, 32), filler(slot + 2, 32));
  append_votes(text, slot);
  std::string sync = "0x";
  for (std::uint64_t byte = 0; byte < kSyncSize / 8; ++byte) sync += byte == slot % 64 ? "fb" : "ff";
  add(text,
      R"(],"deposits":[],"voluntary_exits":[],"sync_aggregate":{{"sync_committee_bits":"{}",)"
      R"("sync_committee_signature":"{}"}},"execution_payload_header":{{"parent_hash":"{}","fee_recipient":"{}",)"
      R"("state_root":"{}","receipts_root":"{}","logs_bloom":"{}","prev_randao":"{}","block_number":"{}",)"
      R"("gas_limit":"45000000","gas_used":"21000000","timestamp":"{}","extra_data":"0x","base_fee_per_gas":"7",)"
      R"("block_hash":"{}","transactions_root":"{}","withdrawals_root":"{}","blob_gas_used":"786432",)"
      R"("excess_blob_gas":"0"}},"bls_to_execution_changes":[],"blob_kzg_commitments":[)",
      sync, filler(slot, 96), filler(slot, 32), filler(slot, 20), filler(slot, 32), filler(slot, 32), filler(slot, 256),
      filler(slot, 32), slot, core::to_unix_ms(start_of(slot)) / 1000, filler(slot, 32), filler(slot, 32),
      filler(slot, 32));
  for (std::uint64_t blob = 0; blob < kBlobs; ++blob) add(text, "{}\"{}\"", blob == 0 ? "" : ",", filler(blob, 48));
  add(text, R"(],"execution_requests":{{"deposits":[],"withdrawals":[],"consolidations":[]}}}}}},"signature":"{}"}}}})",
      filler(slot, 96));
  return text;
}

std::string FullNetwork::committees(std::uint64_t epoch) const {
  const std::uint64_t in_slot = committees_of_slot();
  const std::uint64_t all = in_slot * kSlotsPerEpoch;
  std::string rows;
  rows.reserve(options_.validators * 11);
  for (std::uint64_t which = 0; which < all; ++which) {
    comma(rows);
    add(rows, R"({{"index":"{}","slot":"{}","validators":[)", which % in_slot,
        epoch * kSlotsPerEpoch + which / in_slot);
    const std::uint64_t first = options_.validators * which / all;
    for (std::uint64_t seat = first; seat < options_.validators * (which + 1) / all; ++seat) {
      add(rows, "{}\"{}\"", seat == first ? "" : ",", member(epoch, seat));
    }
    rows += "]}";
  }
  return list_of(rows);
}

std::string FullNetwork::records(const std::vector<std::uint64_t>& validators) const {
  std::string rows;
  for (const std::uint64_t each : validators) {
    comma(rows);
    // A credential of an execution address.
    add(rows,
        R"({{"index":"{}","balance":"{}","status":"active_ongoing","validator":{{"pubkey":"{}",)"
        R"("withdrawal_credentials":"0x010000000000000000000000{}","effective_balance":"32000000000","slashed":false,)"
        R"("activation_eligibility_epoch":"1000","activation_epoch":"1010","exit_epoch":"18446744073709551615",)"
        R"("withdrawable_epoch":"18446744073709551615"}}}})",
        each, 32'000'000'000 + each % 20'000'000, public_key(each), filler(each, 20).substr(2));
  }
  return list_of(rows);
}

std::string FullNetwork::proposers(std::uint64_t epoch) const {
  std::string rows;
  for (std::uint64_t slot = epoch * kSlotsPerEpoch; slot < (epoch + 1) * kSlotsPerEpoch; ++slot) {
    comma(rows);
    add(rows, R"({{"pubkey":"{}","validator_index":"{}","slot":"{}"}})", public_key(proposer(slot)), proposer(slot),
        slot);
  }
  return fmt::format(R"({{"dependent_root":"{}","execution_optimistic":false,"data":[{}]}})", root(epoch), rows);
}

std::string FullNetwork::sync_duties(std::uint64_t epoch, const std::vector<std::uint64_t>& validators) const {
  // The members stand evenly among all.
  const std::uint64_t every = std::max<std::uint64_t>(1, options_.validators / kSyncSize);
  const std::uint64_t first = epoch / kEpochsPerSyncPeriod % every;
  std::string rows;
  for (const std::uint64_t each : validators) {
    if (each % every != first || each / every >= kSyncSize) continue;
    comma(rows);
    add(rows, R"({{"pubkey":"{}","validator_index":"{}","validator_sync_committee_indices":["{}"]}})", public_key(each),
        each, each / every);
  }
  return R"({"execution_optimistic":false,"data":[)" + rows + "]}";
}

std::string FullNetwork::rewards(std::uint64_t epoch, const std::vector<std::uint64_t>& validators) const {
  constexpr std::uint64_t kIncrementsMax = 2048;
  std::string ideal;
  for (std::uint64_t at = 1; at <= kIncrementsMax; ++at) {
    comma(ideal);
    add(ideal,
        R"({{"effective_balance":"{}","head":"{}","target":"{}","source":"{}","inclusion_delay":"0","inactivity":"0"}})",
        at * 1'000'000'000, at * 84, at * 156, at * 84);
  }
  std::string rows;
  for (const std::uint64_t each : validators) {
    const Vote vote = vote_of(epoch, each);
    const bool missed = vote.delay == 0;
    const bool timely_head = vote.right_head && vote.delay == 1;
    comma(rows);
    add(rows,
        R"({{"validator_index":"{}","head":"{}","target":"{}","source":"{}","inclusion_delay":"0","inactivity":"0"}})",
        each, timely_head ? 2688 : 0, missed ? -4992 : 4992, missed ? -2688 : 2688);
  }
  return fmt::format(
      R"({{"execution_optimistic":false,"finalized":false,"data":{{"ideal_rewards":[{}],"total_rewards":[{}]}}}})",
      ideal, rows);
}

std::string FullNetwork::liveness(std::uint64_t epoch, const std::vector<std::uint64_t>& validators) const {
  std::string rows;
  for (const std::uint64_t each : validators) {
    comma(rows);
    add(rows, R"({{"index":"{}","is_live":{}}})", each, vote_of(epoch, each).delay > 0);
  }
  return R"({"data":[)" + rows + "]}";
}

std::string FullNetwork::events_of(std::uint64_t slot) const {
  return fmt::format(
      "event:block\ndata:{{\"slot\":\"{0}\",\"block\":\"{1}\",\"execution_optimistic\":false}}\n\n"
      "event:head\ndata:{{\"slot\":\"{0}\",\"block\":\"{1}\",\"state\":\"{2}\",\"epoch_transition\":{3},"
      "\"previous_duty_dependent_root\":\"{2}\",\"current_duty_dependent_root\":\"{2}\","
      "\"execution_optimistic\":false}}\n\n",
      slot, root(slot), filler(slot, 32), slot % kSlotsPerEpoch == 0);
}

}  // namespace bench

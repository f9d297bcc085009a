// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "collector/staking/duty_facts.h"
#include "staking_world.h"

namespace collector::staking {

// How an attester did its duty; by default as it should.
struct MadeVote {
  bool cast = true;
  std::uint64_t delay_at_least = 1;  // slots until a block may have it
  bool for_parent = false;           // names the block before as the head
  bool for_other_target = false;
};

// A small chain of which every vote is known, and the beacon nodes that tell of it, as strict as real ones: what they
// do not know is 404, what they need not tell 400.
class MadeChain {
 public:
  static constexpr std::uint64_t kSlotsPerEpoch = 8;
  static constexpr std::uint64_t kCommittees = 2;  // a slot
  static constexpr std::uint64_t kSyncSize = 16;

  // In its slot 100.
  explicit MadeChain(const core::Clock& clock, std::uint64_t validators = 64, std::int64_t slot_ms = 12'000)
      : clock_(clock),
        validators_(validators),
        slot_ms_(slot_ms),
        genesis_s_((core::to_unix_ms(clock.wall_now()) - 100 * slot_ms) / 1000) {}

  // What goes wrong.
  std::map<std::pair<std::uint64_t, std::uint64_t>, MadeVote> votes;  // by slot and validator
  std::set<std::uint64_t> empty_slots;
  std::map<std::uint64_t, int> fork_of;             // a slot's block is another one: its root is
  std::set<std::uint64_t> silent_in_sync;           // validators
  std::set<std::uint64_t> not_live;                 // validators, as liveness tells
  std::map<std::uint64_t, nlohmann::json> records;  // fields of a validator that are not the usual ones
  bool electra = true;
  bool swaps_committees = false;      // the slot in its epoch stands for the index, and the reverse
  bool whole_blocks = true;           // else only the votes of a block are told
  std::set<std::string> not_offered;  // paths that answer 404, by their beginning
  std::set<std::string> failing;      // answer 500
  // By host: down, syncing, optimistic, other_network, stuck; forgetful: it knows no validator; mute: of blocks it says
  // nothing, and does not end either.
  std::map<std::string, std::string> host_state;
  std::uint64_t stuck_at = 0;
  std::map<std::string, int> asked;  // by method and path without what varies

  std::uint64_t now_slot() const {
    return static_cast<std::uint64_t>((core::to_unix_ms(clock_.wall_now()) - genesis_s_ * 1000) / slot_ms_);
  }
  std::int64_t slot_ms(std::uint64_t slot) const {
    return genesis_s_ * 1000 + static_cast<std::int64_t>(slot) * slot_ms_;
  }
  static PublicKey key(std::uint64_t validator) {
    PublicKey key{};
    key[0] = 0xa0;
    for (std::size_t i = 0; i < 8; ++i) key[47 - i] = static_cast<std::uint8_t>(validator >> (8 * i));
    return key;
  }
  std::uint64_t proposer(std::uint64_t slot) const { return (slot * 11 + 3) % validators_; }
  std::uint64_t sync_member(std::uint64_t position) const { return position * 3 % validators_; }
  bool has_block(std::uint64_t slot) const { return slot == 0 || !empty_slots.contains(slot); }
  std::uint64_t last_block(std::uint64_t slot) const {
    while (!has_block(slot)) --slot;
    return slot;
  }
  std::string root(std::uint64_t slot) const {
    const auto fork = fork_of.find(slot);
    return fmt::format("0x{:016x}{:016x}{:032x}", slot, fork == fork_of.end() ? 0 : fork->second, slot * 7919);
  }
  // The active validators in the order of the epoch's committees.
  std::vector<std::uint64_t> order(std::uint64_t epoch) const {
    std::vector<std::uint64_t> members;
    for (std::uint64_t i = 0; i < validators_; ++i) {
      const std::uint64_t validator = (i * 5 + epoch * 7) % validators_;
      if (number(validator, "activation_epoch", 0) <= epoch &&
          epoch < number(validator, "exit_epoch", kFarFutureEpoch)) {
        members.push_back(validator);
      }
    }
    return members;
  }
  std::vector<std::uint64_t> committee(std::uint64_t slot, std::uint64_t index) const {
    const auto members = order(slot / kSlotsPerEpoch);
    const std::uint64_t all = kSlotsPerEpoch * kCommittees;
    const std::uint64_t at = slot % kSlotsPerEpoch * kCommittees + index;
    return {members.begin() + static_cast<std::ptrdiff_t>(members.size() * at / all),
            members.begin() + static_cast<std::ptrdiff_t>(members.size() * (at + 1) / all)};
  }
  // The slot in which a validator attests in an epoch; none: it has no duty.
  std::optional<std::uint64_t> duty(std::uint64_t validator, std::uint64_t epoch) const {
    for (std::uint64_t slot = epoch * kSlotsPerEpoch; slot < (epoch + 1) * kSlotsPerEpoch; ++slot) {
      for (std::uint64_t index = 0; index < kCommittees; ++index) {
        const auto members = committee(slot, index);
        if (std::ranges::find(members, validator) != members.end()) return slot;
      }
    }
    return std::nullopt;
  }

  Told answer_to(const core::net::Request& request) {
    const std::string host = request.url.substr(7, request.url.find('/', 7) - 7);
    const std::string target = request.url.substr(request.url.find('/', 7));
    const std::string path = target.substr(0, target.find('?'));
    ++asked[request.method + " " + path.substr(0, path.find_last_of('/'))];
    const std::string& state = host_state[host];
    if (state == "down") return broken("dial tcp: connect: connection refused");
    for (const std::string& each : not_offered) {
      if ((request.method + " " + path).starts_with(each)) return answer(404, R"({"code":404,"message":"NOT_FOUND"})");
    }
    for (const std::string& each : failing) {
      if ((request.method + " " + path).starts_with(each)) return answer(500, R"({"code":500})");
    }
    if (state == "mute" && path.starts_with("/eth/v1/beacon/blinded_blocks/")) return late(std::chrono::hours(1));
    const std::uint64_t head = last_block(state == "stuck" ? stuck_at : now_slot());
    if (path == "/eth/v1/node/syncing") return syncing(state, head);
    if (path == "/eth/v1/beacon/genesis") {
      return data({{"genesis_time", std::to_string(genesis_s_)},
                   {"genesis_validators_root", "0x" + std::string(64, state == "other_network" ? '2' : '1')}});
    }
    if (path == "/eth/v1/config/spec") return data(specification());
    if (state == "forgetful" && path == "/eth/v1/beacon/states/head/validators") return data(json::array());
    return request.method == "POST" ? post(path, request.body, head) : get(path, target, head);
  }

  nlohmann::json specification() const {
    return {{"SLOT_DURATION_MS", std::to_string(slot_ms_)}, {"SLOTS_PER_EPOCH", "8"},
            {"EPOCHS_PER_SYNC_COMMITTEE_PERIOD", "4"},      {"SYNC_COMMITTEE_SIZE", std::to_string(kSyncSize)},
            {"MIN_ACTIVATION_BALANCE", "32000000000"},      {"BLOB_SCHEDULE", nlohmann::json::array()}};
  }

 private:
  using json = nlohmann::json;
  static std::string quoted(std::uint64_t value) { return std::to_string(value); }
  static Told data(const json& value) { return answer(200, json{{"data", value}}.dump()); }
  static Told refused(int status) { return answer(status, fmt::format(R"({{"code":{}}})", status)); }

  std::uint64_t number(std::uint64_t validator, const char* field, std::uint64_t usual) const {
    const auto found = records.find(validator);
    if (found == records.end() || !found->second.contains(field)) return usual;
    return found->second[field].get<std::uint64_t>();
  }

  Told syncing(const std::string& state, std::uint64_t head) const {
    return data({{"head_slot", quoted(head)},
                 {"sync_distance", "0"},
                 {"is_syncing", state == "syncing"},
                 {"is_optimistic", state == "optimistic"}});
  }

  json validator(std::uint64_t index) const {
    const auto found = records.find(index);
    const bool slashed = found != records.end() && found->second.value("slashed", false);
    return {{"index", quoted(index)},
            {"balance", quoted(number(index, "balance", 32'000'000'000))},
            {"status", "active_ongoing"},
            {"validator",
             {{"pubkey", to_string(key(index))},
              {"effective_balance", quoted(number(index, "effective_balance", 32'000'000'000))},
              {"slashed", slashed},
              {"activation_eligibility_epoch", "0"},
              {"activation_epoch", quoted(number(index, "activation_epoch", 0))},
              {"exit_epoch", quoted(number(index, "exit_epoch", kFarFutureEpoch))},
              {"withdrawable_epoch", quoted(kFarFutureEpoch)}}}};
  }

  Told post(const std::string& path, const std::string& body_text, std::uint64_t head) const {
    const json body = json::parse(body_text, nullptr, false);
    if (path == "/eth/v1/beacon/states/head/validators") {
      if (!body.is_object() || !body["ids"].is_array()) return refused(400);
      return data(validators_of(body["ids"]));
    }
    if (!body.is_array() || body.empty()) return refused(400);
    std::vector<std::uint64_t> indices;
    for (const json& item : body) {
      if (!item.is_string()) return refused(400);
      indices.push_back(std::stoull(item.get<std::string>()));
    }
    const auto epoch = last_number(path);
    if (!epoch) return refused(400);
    const std::uint64_t current = now_slot() / kSlotsPerEpoch;
    json list = json::array();
    if (path.starts_with("/eth/v1/validator/duties/sync/")) {
      if (*epoch / 4 > current / 4 + 1) return refused(400);
      for (const std::uint64_t each : indices) {
        json positions = json::array();
        for (std::uint64_t at = 0; at < kSyncSize; ++at) {
          if (sync_member(at) == each) positions.push_back(quoted(at));
        }
        if (!positions.empty()) {
          list.push_back({{"validator_index", quoted(each)}, {"validator_sync_committee_indices", positions}});
        }
      }
      return data(list);
    }
    if (path.starts_with("/eth/v1/validator/liveness/")) {
      if (*epoch + 1 < current || *epoch > current + 1) return refused(400);
      for (const std::uint64_t each : indices) {
        list.push_back({{"index", quoted(each)}, {"is_live", !not_live.contains(each)}});
      }
      return data(list);
    }
    if (path.starts_with("/eth/v1/beacon/rewards/attestations/")) return rewards(*epoch, indices, head);
    return refused(404);
  }

  Told rewards(std::uint64_t epoch, const std::vector<std::uint64_t>& indices, std::uint64_t head) const {
    if ((epoch + 2) * kSlotsPerEpoch > head) return refused(404);
    json total = json::array();
    for (const std::uint64_t each : indices) {
      const auto slot = duty(each, epoch);
      if (!slot) continue;
      const auto vote = votes.find({*slot, each});
      const bool made = vote == votes.end() || vote->second.cast;
      total.push_back({{"validator_index", quoted(each)},
                       {"head", made ? "14" : "0"},
                       {"target", made ? "26" : "-26"},
                       {"source", made ? "14" : "-14"},
                       {"inactivity", "0"}});
    }
    const json ideal = {{{"effective_balance", "32000000000"}, {"head", "14"}, {"target", "26"}, {"source", "14"}}};
    return data({{"ideal_rewards", ideal}, {"total_rewards", total}});
  }

  json validators_of(const std::vector<std::string>& ids) const {
    json list = json::array();
    for (const std::string& id : ids) {
      for (std::uint64_t i = 0; i < validators_; ++i) {
        if (to_string(key(i)) == id) list.push_back(validator(i));
      }
    }
    return list;
  }

  static std::optional<std::uint64_t> last_number(const std::string& path) {
    return parse_number(std::string_view(path).substr(path.rfind('/') + 1));
  }

  Told get(const std::string& path, const std::string& target, std::uint64_t head) const {
    const std::uint64_t current = now_slot() / kSlotsPerEpoch;
    const auto starts = [&](const char* prefix) { return path.starts_with(prefix); };
    if (starts("/eth/v1/beacon/headers/")) {
      const auto slot = block_of(path.substr(path.rfind('/') + 1), head);
      return slot ? data(header(*slot)) : refused(404);
    }
    if (starts("/eth/v1/beacon/blinded_blocks/") || starts("/eth/v2/beacon/blocks/")) {
      const bool only_votes = path.ends_with("/attestations");
      const std::string whole = only_votes ? path.substr(0, path.rfind('/')) : path;
      const auto slot = block_of(whole.substr(whole.rfind('/') + 1), head);
      if (!slot || (!only_votes && !whole_blocks)) return refused(404);
      return data(only_votes ? attestations(*slot) : block(*slot));
    }
    if (path == "/eth/v1/beacon/states/head/finality_checkpoints") {
      const std::uint64_t epoch = head / kSlotsPerEpoch < 2 ? 0 : head / kSlotsPerEpoch - 2;
      const std::string checkpoint = root(last_block(epoch * kSlotsPerEpoch));
      return data({{"finalized", {{"epoch", quoted(epoch)}, {"root", checkpoint}}}});
    }
    if (starts("/eth/v1/validator/duties/proposer/")) {
      const auto epoch = last_number(path);
      if (!epoch || *epoch > current + 1) return refused(400);
      json list = json::array();
      for (std::uint64_t slot = *epoch * kSlotsPerEpoch; slot < (*epoch + 1) * kSlotsPerEpoch; ++slot) {
        list.push_back({{"validator_index", quoted(proposer(slot))}, {"slot", quoted(slot)}});
      }
      return data(list);
    }
    if (starts("/eth/v1/beacon/states/") && path.ends_with("/committees")) {
      const std::string state = path.substr(22, path.rfind('/') - 22);
      const auto slot = state == "head" ? std::optional(now_slot()) : parse_number(state);
      if (!slot || *slot > head) return refused(404);
      const std::uint64_t of = *slot / kSlotsPerEpoch;
      const auto epoch = parse_number(std::string_view(target).substr(target.find("epoch=") + 6));
      if (!epoch || *epoch > of + 1 || *epoch + 1 < of) return refused(400);
      return data(committees(*epoch));
    }
    if (path == "/eth/v1/beacon/states/head/validators") {
      // A list between commas is one id, that of nobody.
      std::vector<std::string> ids;
      for (std::size_t at = target.find('?'); at != std::string::npos; at = target.find('&', at + 1)) {
        if (target.compare(at + 1, 3, "id=") == 0)
          ids.push_back(target.substr(at + 4, target.find('&', at + 1) - at - 4));
      }
      return data(validators_of(ids));
    }
    return refused(404);
  }

  std::optional<std::uint64_t> block_of(const std::string& id, std::uint64_t head) const {
    if (id == "head") return head;
    std::uint64_t slot = 0;
    if (id.size() != 66) return std::nullopt;
    std::from_chars(id.data() + 2, id.data() + 18, slot, 16);
    if (slot > head || !has_block(slot) || root(slot) != id) return std::nullopt;
    return slot;
  }

  json header(std::uint64_t slot) const {
    const std::string parent = slot == 0 ? "0x" + std::string(64, '0') : root(last_block(slot - 1));
    return {
        {"root", root(slot)},
        {"canonical", true},
        {"header",
         {{"message", {{"slot", quoted(slot)}, {"proposer_index", quoted(proposer(slot))}, {"parent_root", parent}}},
          {"signature", "0x00"}}}};
  }

  json committees(std::uint64_t epoch) const {
    json list = json::array();
    for (std::uint64_t slot = epoch * kSlotsPerEpoch; slot < (epoch + 1) * kSlotsPerEpoch; ++slot) {
      for (std::uint64_t index = 0; index < kCommittees; ++index) {
        json members = json::array();
        for (const std::uint64_t each : committee(slot, index)) members.push_back(quoted(each));
        const std::uint64_t offset = slot - epoch * kSlotsPerEpoch;
        list.push_back({{"index", quoted(swaps_committees ? offset : index)},
                        {"slot", quoted(swaps_committees ? index : slot)},
                        {"validators", members}});
      }
    }
    return list;
  }

  // The votes whose first chance to be included is this block.
  json attestations(std::uint64_t block_slot) const {
    std::map<std::tuple<std::uint64_t, std::string, std::string, std::uint64_t>, std::vector<bool>> groups;
    const std::uint64_t from = block_slot > 2 * kSlotsPerEpoch ? block_slot - 2 * kSlotsPerEpoch : 0;
    for (std::uint64_t slot = from; slot < block_slot; ++slot) {
      std::size_t at = 0;
      std::size_t size = 0;
      for (std::uint64_t index = 0; index < kCommittees; ++index) size += committee(slot, index).size();
      for (std::uint64_t index = 0; index < kCommittees; ++index) {
        const auto members = committee(slot, index);
        for (std::size_t i = 0; i < members.size(); ++i, ++at) {
          const auto found = votes.find({slot, members[i]});
          const MadeVote vote = found == votes.end() ? MadeVote{} : found->second;
          std::uint64_t included = slot + vote.delay_at_least;
          while (!has_block(included)) ++included;
          if (!vote.cast || included != block_slot) continue;
          const std::uint64_t head = last_block(slot);
          const std::string head_root = root(vote.for_parent ? last_block(head - 1) : head);
          const std::uint64_t boundary = last_block(slot / kSlotsPerEpoch * kSlotsPerEpoch);
          const std::string target = root(vote.for_other_target ? last_block(boundary - 1) : boundary);
          auto& bits = groups[{slot, head_root, target, electra ? 0 : index}];
          bits.resize(electra ? size : members.size());
          bits[electra ? at : i] = true;
        }
      }
    }
    json list = json::array();
    for (const auto& [what, bits] : groups) {
      const auto& [slot, head, target, index] = what;
      json vote = {{"aggregation_bits", bitlist(bits)},
                   {"signature", "0x00"},
                   {"data",
                    {{"slot", quoted(slot)},
                     {"index", quoted(index)},
                     {"beacon_block_root", head},
                     {"source", {{"epoch", "0"}, {"root", head}}},
                     {"target", {{"epoch", quoted(slot / kSlotsPerEpoch)}, {"root", target}}}}}};
      if (electra) vote["committee_bits"] = "0x0300000000000000";
      list.push_back(std::move(vote));
    }
    return list;
  }

  static std::string bitlist(std::vector<bool> bits) {
    bits.push_back(true);
    std::string text = "0x";
    for (std::size_t at = 0; at < bits.size(); at += 8) {
      unsigned byte = 0;
      for (std::size_t i = at; i < std::min(at + 8, bits.size()); ++i) byte |= bits[i] ? 1U << (i - at) : 0U;
      text += fmt::format("{:02x}", byte);
    }
    return text;
  }

  json block(std::uint64_t slot) const {
    unsigned sync = 0;
    for (std::uint64_t at = 0; at < kSyncSize; ++at) sync |= silent_in_sync.contains(sync_member(at)) ? 0U : 1U << at;
    const std::string parent = slot == 0 ? "0x" + std::string(64, '0') : root(last_block(slot - 1));
    return {{"message",
             {{"slot", quoted(slot)},
              {"proposer_index", quoted(proposer(slot))},
              {"parent_root", parent},
              {"body",
               {{"attestations", attestations(slot)},
                {"proposer_slashings", json::array()},
                {"attester_slashings", json::array()},
                {"sync_aggregate", {{"sync_committee_bits", fmt::format("0x{:02x}{:02x}", sync & 0xffU, sync >> 8U)}}},
                {"execution_payload_header", {{"block_number", "7"}}}}}}},
            {"signature", "0x00"}};
  }

  const core::Clock& clock_;
  const std::uint64_t validators_;
  const std::int64_t slot_ms_;
  const std::int64_t genesis_s_;
};

}  // namespace collector::staking

// SPDX-License-Identifier: Apache-2.0
#include <map>
#include <memory>
#include <mutex>

#include <fmt/format.h>

#include "test/simulators/beacon_answers.h"
#include "test/simulators/beacon_node.h"

namespace simulators {

namespace {

using nlohmann::json;
using Request = httplib::Request;
using Response = httplib::Response;

bool is_ours(std::uint64_t index) {
  return index >= kFirstValidatorIndex && index < kFirstValidatorIndex + kValidators;
}

// In which slots our validators did not vote. A fault is seen when a slot is asked for the first time, and what was on
// a block then stays there.
//
// Thread safety: any thread.
class SilentSlots {
 public:
  bool contains(const Chain& chain, std::uint64_t slot) {
    const std::lock_guard lock(mutex_);
    const auto [found, fresh] = slots_.emplace(slot, false);
    if (!fresh) return found->second;
    const double begin =
        (static_cast<double>(slot) - static_cast<double>(chain.slot())) * kSecondsPerSlot + chain.seconds();
    const bool faulty = chain.faults().active("validator", "missed-attestations");
    found->second =
        faulty && begin + kSecondsPerSlot >= chain.faults().since_seconds("validator", "missed-attestations");
    return found->second;
  }

 private:
  std::mutex mutex_;
  std::map<std::uint64_t, bool> slots_;
};

std::string bits_text(const std::vector<bool>& bits) {
  std::string text = "0x";
  for (std::size_t at = 0; at < bits.size(); at += 8) {
    unsigned byte = 0;
    for (std::size_t i = at; i < std::min(at + 8, bits.size()); ++i) byte |= bits[i] ? 1U << (i - at) : 0U;
    text += fmt::format("{:02x}", byte);
  }
  return text;
}

json checkpoint(const Chain& chain, std::uint64_t epoch) {
  return {{"epoch", quoted(epoch)}, {"root", chain.hash("block", chain.last_block(epoch * kSlotsPerEpoch))}};
}

// The vote of one slot's committee, all of them in one aggregate as in a block since Electra.
json attestation_of(const Chain& chain, SilentSlots& silent, std::uint64_t slot) {
  std::vector<bool> voters;
  const bool missing = silent.contains(chain, slot);
  for (std::uint64_t position = 0; position < kCommitteeSize; ++position) {
    voters.push_back(!missing || !is_ours(committee_member(slot, position)));
  }
  voters.push_back(true);  // marks the length
  return {{"aggregation_bits", bits_text(voters)},
          {"committee_bits", "0x0100000000000000"},
          {"signature", chain.hash("attestation", slot, 96)},
          {"data",
           {{"slot", quoted(slot)},
            {"index", "0"},
            {"beacon_block_root", chain.hash("block", chain.last_block(slot))},
            {"source", checkpoint(chain, slot / kSlotsPerEpoch - 1)},
            {"target", checkpoint(chain, slot / kSlotsPerEpoch)}}}};
}

json attestations_of(const Chain& chain, SilentSlots& silent, std::uint64_t block) {
  json list = json::array();
  for (std::uint64_t slot = chain.last_block(block - 1); slot < block; ++slot) {
    list.push_back(attestation_of(chain, silent, slot));
  }
  return list;
}

json block_of(const Chain& chain, SilentSlots& silent, std::uint64_t slot) {
  const std::vector<bool> everybody(kSyncCommitteeSize, true);
  return {
      {"message",
       {{"slot", quoted(slot)},
        {"proposer_index", quoted(proposer_of(chain, slot))},
        {"parent_root", chain.hash("block", chain.last_block(slot - 1))},
        {"state_root", chain.hash("state", slot)},
        {"body",
         {{"randao_reveal", chain.hash("randao", slot, 96)},
          {"graffiti", chain.hash("graffiti", slot)},
          {"proposer_slashings", json::array()},
          {"attester_slashings", json::array()},
          {"attestations", attestations_of(chain, silent, slot)},
          {"deposits", json::array()},
          {"voluntary_exits", json::array()},
          {"sync_aggregate",
           {{"sync_committee_bits", bits_text(everybody)}, {"sync_committee_signature", chain.hash("sync", slot, 96)}}},
          {"execution_payload_header", {{"block_number", quoted(chain.block_number(slot))}}}}}}},
      {"signature", chain.hash("signature", slot, 96)}};
}

void add_blocks(httplib::Server& server, Chain& chain, const std::shared_ptr<SilentSlots>& silent) {
  const auto whole = [&chain, silent](const Request& request, Response& response) {
    const auto slot = find_block(chain, request.matches[1].str(), response);
    if (!slot) return;
    answer(response, {{"version", "electra"},
                      {"execution_optimistic", false},
                      {"finalized", *slot <= chain.finalized_epoch() * kSlotsPerEpoch},
                      {"data", block_of(chain, *silent, *slot)}});
  };
  server.Get(R"(/eth/v1/beacon/blinded_blocks/([^/]+))", whole);
  server.Get(R"(/eth/v2/beacon/blocks/([^/]+))", whole);
  server.Get(R"(/eth/v2/beacon/blocks/([^/]+)/attestations)",
             [&chain, silent](const Request& request, Response& response) {
               const auto slot = find_block(chain, request.matches[1].str(), response);
               if (!slot) return;
               answer(response, {{"version", "electra"},
                                 {"execution_optimistic", false},
                                 {"finalized", *slot <= chain.finalized_epoch() * kSlotsPerEpoch},
                                 {"data", attestations_of(chain, *silent, *slot)}});
             });
}

void add_committees(httplib::Server& server, Chain& chain) {
  server.Get(R"(/eth/v1/beacon/states/([^/]+)/committees)", [&chain](const Request& request, Response& response) {
    const auto state = find_state(chain, request.matches[1].str(), response);
    if (!state) return;
    const std::uint64_t of_state = state->slot / kSlotsPerEpoch;
    const auto wanted = [&](const char* name, std::uint64_t usual) -> std::optional<std::uint64_t> {
      return request.has_param(name) ? parse_number(request.get_param_value(name)) : usual;
    };
    const auto slot = wanted("slot", of_state * kSlotsPerEpoch);
    const auto epoch = wanted("epoch", slot ? *slot / kSlotsPerEpoch : of_state);
    if (!epoch || !slot || (request.has_param("slot") && *slot / kSlotsPerEpoch != *epoch)) {
      return refuse(response, 400, "BAD_REQUEST: invalid epoch or slot");
    }
    if (*epoch > of_state + 1 || *epoch + 1 < of_state) {
      return refuse(response, 400, fmt::format("BAD_REQUEST: epoch {} out of bounds of the state", *epoch));
    }
    json list = json::array();
    for (std::uint64_t at = *epoch * kSlotsPerEpoch; at < (*epoch + 1) * kSlotsPerEpoch; ++at) {
      if (request.has_param("slot") && at != *slot) continue;
      json members = json::array();
      for (std::uint64_t position = 0; position < kCommitteeSize; ++position) {
        members.push_back(quoted(committee_member(at, position)));
      }
      list.push_back({{"index", "0"}, {"slot", quoted(at)}, {"validators", std::move(members)}});
    }
    answer(response, {{"execution_optimistic", false}, {"finalized", state->finalized}, {"data", list}});
  });
}

void add_rewards(httplib::Server& server, Chain& chain, const std::shared_ptr<SilentSlots>& silent) {
  server.Post(R"(/eth/v1/beacon/rewards/attestations/([^/]+))",
              [&chain, silent](const Request& request, Response& response) {
                const auto epoch = parse_number(request.matches[1].str());
                if (!epoch) return refuse(response, 400, "BAD_REQUEST: invalid epoch");
                // What an epoch brought is known when the one after it is over.
                if ((*epoch + 2) * kSlotsPerEpoch > chain.beacon_head_slot()) {
                  return refuse(response, 404, "NOT_FOUND: missing state at the end of the next epoch");
                }
                const auto indices = read_indices(request, response);
                if (!indices) return;
                json total = json::array();
                for (const std::uint64_t index : *indices) {
                  if (index < kNetworkFirst || index >= kNetworkFirst + kNetworkSize) continue;
                  bool missed = false;
                  for (std::uint64_t slot = *epoch * kSlotsPerEpoch;
                       is_ours(index) && !missed && slot < (*epoch + 1) * kSlotsPerEpoch; ++slot) {
                    for (std::uint64_t at = 0; at < kCommitteeSize; ++at) {
                      if (committee_member(slot, at) == index) missed = silent->contains(chain, slot);
                    }
                  }
                  total.push_back({{"validator_index", quoted(index)},
                                   {"head", missed ? "0" : "2856"},
                                   {"target", missed ? "-5304" : "5304"},
                                   {"source", missed ? "-2856" : "2856"},
                                   {"inactivity", "0"}});
                }
                const json ideal = {{{"effective_balance", "32000000000"},
                                     {"head", "2856"},
                                     {"target", "5304"},
                                     {"source", "2856"},
                                     {"inactivity", "0"}}};
                answer(response, {{"execution_optimistic", false},
                                  {"finalized", false},
                                  {"data", {{"ideal_rewards", ideal}, {"total_rewards", total}}}});
              });
}

}  // namespace

void add_beacon_blocks(httplib::Server& server, Chain& chain) {
  const auto silent = std::make_shared<SilentSlots>();
  add_blocks(server, chain, silent);
  add_committees(server, chain);
  add_rewards(server, chain, silent);
}

}  // namespace simulators

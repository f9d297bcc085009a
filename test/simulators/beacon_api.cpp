// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <charconv>
#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "test/simulators/beacon_answers.h"
#include "test/simulators/beacon_node.h"

namespace simulators {

using nlohmann::json;
using Request = httplib::Request;
using Response = httplib::Response;

namespace {

constexpr const char* kVersion = "Lighthouse/v8.1.3-176cce5/x86_64-linux";

}  // namespace

void answer(Response& response, const json& body, int status) {
  response.status = status;
  response.set_header("Server", kVersion);
  response.set_content(body.dump(), "application/json");
}

void refuse(Response& response, int status, const std::string& message) {
  answer(response, {{"code", status}, {"message", message}, {"stacktraces", json::array()}}, status);
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

bool is_root(const std::string& text) {
  return text.size() == 66 && text.starts_with("0x") &&
         text.find_first_not_of("0123456789abcdef", 2) == std::string::npos;
}

// Integers travel as decimal strings in this API.
std::string quoted(std::uint64_t value) { return std::to_string(value); }

std::optional<State> find_state(const Chain& chain, const std::string& id, Response& response) {
  const std::uint64_t head = chain.beacon_head_slot();
  const std::uint64_t finalized = chain.finalized_epoch() * kSlotsPerEpoch;
  if (id == "head") return State{head, false};
  if (id == "finalized") return State{chain.last_block(finalized), true};
  if (id == "justified") return State{chain.last_block(chain.justified_epoch() * kSlotsPerEpoch), false};
  if (id == "genesis") return State{0, true};
  if (const auto slot = parse_number(id)) {
    if (*slot > head) {
      refuse(response, 404, fmt::format("NOT_FOUND: beacon state at slot {}", *slot));
      return std::nullopt;
    }
    return State{*slot, *slot <= finalized};
  }
  if (is_root(id)) {
    refuse(response, 404, "NOT_FOUND: beacon state for state root " + id);
  } else {
    refuse(response, 400, "BAD_REQUEST: invalid state ID: " + id);
  }
  return std::nullopt;
}

std::optional<std::uint64_t> find_block(const Chain& chain, const std::string& id, Response& response) {
  if (is_root(id)) {
    // Roots are made from slots: those of the last epochs are tried.
    const std::uint64_t head = chain.beacon_head_slot();
    for (std::uint64_t slot = head; slot + 4 * kSlotsPerEpoch > head; --slot) {
      if (chain.has_block(slot) && chain.hash("block", slot) == id) return slot;
    }
    refuse(response, 404, "NOT_FOUND: beacon block with root " + id);
    return std::nullopt;
  }
  const auto state = find_state(chain, id, response);
  if (!state) return std::nullopt;
  if (!chain.has_block(state->slot)) {
    refuse(response, 404, "NOT_FOUND: beacon block at this slot");
    return std::nullopt;
  }
  return state->slot;
}

std::uint64_t committee_member(std::uint64_t slot, std::uint64_t position) {
  // Five and a power of two have no common factor: each validator sits somewhere, once an epoch.
  const std::uint64_t seat = slot % kSlotsPerEpoch * kCommitteeSize + position;
  return kNetworkFirst + (seat * 5 + slot / kSlotsPerEpoch * 7) % kNetworkSize;
}

std::uint64_t proposer_of(const Chain& chain, std::uint64_t slot) {
  return kNetworkFirst + static_cast<std::uint64_t>(chain.noise("proposer", slot) * kNetworkSize);
}

std::uint64_t sync_committee_member(std::uint64_t period, std::uint64_t position) {
  return kNetworkFirst + (position * 3 + period * 11) % kNetworkSize;
}

namespace {

json header_of(const Chain& chain, std::uint64_t slot) {
  const std::uint64_t parent = slot == 0 ? 0 : chain.last_block(slot - 1);
  return {{"root", chain.hash("block", slot)},
          {"canonical", true},
          {"header",
           {{"message",
             {{"slot", quoted(slot)},
              {"proposer_index", quoted(proposer_of(chain, slot))},
              {"parent_root", chain.hash("block", parent)},
              {"state_root", chain.hash("state", slot)},
              {"body_root", chain.hash("body", slot)}}},
            {"signature", chain.hash("signature", slot, 96)}}}};
}

json validator_of(const Chain& chain, std::uint64_t index) {
  const std::uint64_t balance = 32'000'000'000 + static_cast<std::uint64_t>(chain.seconds() * 20);
  return {{"index", quoted(index)},
          {"balance", quoted(balance)},
          {"status", "active_ongoing"},
          {"validator",
           {{"pubkey", chain.hash("pubkey", index, 48)},
            {"withdrawal_credentials", "0x01" + std::string(22, '0') + chain.hash("withdrawal", index, 20).substr(2)},
            {"effective_balance", "32000000000"},
            {"slashed", false},
            {"activation_eligibility_epoch", "1000"},
            {"activation_epoch", "1010"},
            {"exit_epoch", quoted(kFarFutureEpoch)},
            {"withdrawable_epoch", quoted(kFarFutureEpoch)}}}};
}

// The index a validator id stands for, if it is one of ours. Sets `valid` to whether it is an id at all.
std::optional<std::uint64_t> find_validator(const Chain& chain, const std::string& id, bool& valid) {
  valid = true;
  if (const auto index = parse_number(id)) {
    const bool ours = *index >= kFirstValidatorIndex && *index < kFirstValidatorIndex + kValidators;
    return ours ? index : std::nullopt;
  }
  valid = id.size() == 98 && id.starts_with("0x");
  for (std::uint64_t i = kFirstValidatorIndex; valid && i < kFirstValidatorIndex + kValidators; ++i) {
    if (chain.hash("pubkey", i, 48) == id) return i;
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::vector<std::uint64_t>> read_indices(const Request& request, Response& response) {
  const json body = json::parse(request.body, nullptr, false);
  std::vector<std::uint64_t> indices;
  bool good = body.is_array();
  for (const json& item : good ? body : json::array()) {
    const auto index = item.is_string() ? parse_number(item.get<std::string>()) : std::nullopt;
    good = good && index.has_value();
    if (index) indices.push_back(*index);
  }
  if (request.get_header_value("Content-Type").find("application/json") != 0) {
    refuse(response, 415, "UNSUPPORTED_MEDIA_TYPE: Content-Type header missing or not application/json");
    return std::nullopt;
  }
  if (!good) {
    refuse(response, 400, "BAD_REQUEST: body deserialize error: expected an array of decimal strings");
    return std::nullopt;
  }
  return indices;
}

namespace {

std::optional<std::uint64_t> read_epoch(const Chain& chain, const Request& request, Response& response) {
  const auto epoch = parse_number(request.matches[1].str());
  if (!epoch) {
    refuse(response, 400, "BAD_REQUEST: invalid epoch: " + request.matches[1].str());
    return std::nullopt;
  }
  if (*epoch > chain.epoch() + 1) {
    refuse(response, 400,
           fmt::format("BAD_REQUEST: request epoch {} is more than one epoch past the current epoch {}", *epoch,
                       chain.epoch()));
    return std::nullopt;
  }
  return epoch;
}

void add_node(httplib::Server& server, Chain& chain) {
  server.Get("/eth/v1/node/version",
             [](const Request&, Response& response) { answer(response, {{"data", {{"version", kVersion}}}}); });
  server.Get("/eth/v1/node/syncing", [&chain](const Request&, Response& response) {
    const std::uint64_t distance = chain.slot() - chain.beacon_head_slot();
    const bool offline = chain.faults().active("beacon", "execution-layer-offline");
    answer(response, {{"data",
                       {{"is_syncing", distance > 8},
                        {"is_optimistic", offline},
                        {"el_offline", offline},
                        {"head_slot", quoted(chain.beacon_head_slot())},
                        {"sync_distance", quoted(distance)}}}});
  });
  server.Get("/eth/v1/node/health", [&chain](const Request&, Response& response) {
    if (chain.faults().active("beacon", "execution-layer-offline")) {
      return refuse(response, 503, "SERVICE_UNAVAILABLE: execution layer is offline");
    }
    response.status = chain.slot() > chain.beacon_head_slot() + 8 ? 206 : 200;
  });
  server.Get("/eth/v1/node/peer_count", [&chain](const Request&, Response& response) {
    answer(response, {{"data",
                       {{"connected", quoted(chain.beacon_peers())},
                        {"connecting", "0"},
                        {"disconnected", "412"},
                        {"disconnecting", "0"}}}});
  });
  server.Get("/eth/v1/node/identity", [&chain](const Request&, Response& response) {
    answer(response,
           {{"data",
             {{"peer_id", "16Uiu2HAm" + chain.hash("peer", 0, 22).substr(2)},
              {"enr", "enr:-" + chain.hash("enr", 0, 64).substr(2)},
              {"p2p_addresses", {"/ip4/127.0.0.1/tcp/9000"}},
              {"discovery_addresses", {"/ip4/127.0.0.1/udp/9000"}},
              {"metadata", {{"seq_number", "7"}, {"attnets", "0x0000000000000000"}, {"syncnets", "0x00"}}}}}});
  });
  server.Get("/eth/v1/config/spec", [](const Request&, Response& response) {
    answer(response, {{"data",
                       {{"CONFIG_NAME", "mainnet"},
                        {"PRESET_BASE", "mainnet"},
                        {"SECONDS_PER_SLOT", "12"},
                        {"SLOTS_PER_EPOCH", "32"},
                        {"EPOCHS_PER_SYNC_COMMITTEE_PERIOD", "256"},
                        {"SYNC_COMMITTEE_SIZE", quoted(kSyncCommitteeSize)},
                        {"MIN_ATTESTATION_INCLUSION_DELAY", "1"},
                        {"MIN_ACTIVATION_BALANCE", "32000000000"},
                        {"MAX_EFFECTIVE_BALANCE", "32000000000"},
                        {"EFFECTIVE_BALANCE_INCREMENT", "1000000000"},
                        {"MAX_COMMITTEES_PER_SLOT", "64"},
                        {"TARGET_COMMITTEE_SIZE", "128"},
                        {"MIN_GENESIS_TIME", "1606824000"},
                        {"DEPOSIT_CHAIN_ID", "1"},
                        {"DEPOSIT_NETWORK_ID", "1"}}}});
  });
}

void add_beacon(httplib::Server& server, Chain& chain) {
  server.Get("/eth/v1/beacon/genesis", [&chain](const Request&, Response& response) {
    answer(response, {{"data",
                       {{"genesis_time", std::to_string(chain.genesis_unix_seconds())},
                        {"genesis_validators_root", chain.hash("genesis", 0)},
                        {"genesis_fork_version", "0x00000000"}}}});
  });
  server.Get("/eth/v1/beacon/headers", [&chain](const Request&, Response& response) {
    answer(response, {{"execution_optimistic", false},
                      {"finalized", false},
                      {"data", json::array({header_of(chain, chain.beacon_head_slot())})}});
  });
  server.Get(R"(/eth/v1/beacon/headers/([^/]+))", [&chain](const Request& request, Response& response) {
    const auto slot = find_block(chain, request.matches[1].str(), response);
    if (!slot) return;
    const bool finalized = *slot <= chain.finalized_epoch() * kSlotsPerEpoch;
    answer(response, {{"execution_optimistic", false}, {"finalized", finalized}, {"data", header_of(chain, *slot)}});
  });
  server.Get(
      R"(/eth/v1/beacon/states/([^/]+)/finality_checkpoints)", [&chain](const Request& request, Response& response) {
        const auto state = find_state(chain, request.matches[1].str(), response);
        if (!state) return;
        const std::uint64_t epoch = state->slot / kSlotsPerEpoch;
        const auto checkpoint = [&](std::uint64_t behind) {
          const std::uint64_t at = epoch >= behind ? epoch - behind : 0;
          return json{{"epoch", quoted(at)}, {"root", chain.hash("block", chain.last_block(at * kSlotsPerEpoch))}};
        };
        answer(response, {{"execution_optimistic", false},
                          {"finalized", state->finalized},
                          {"data",
                           {{"previous_justified", checkpoint(2)},
                            {"current_justified", checkpoint(1)},
                            {"finalized", checkpoint(2)}}}});
      });
}

void add_validators(httplib::Server& server, Chain& chain) {
  server.Get(R"(/eth/v1/beacon/states/([^/]+)/validators)", [&chain](const Request& request, Response& response) {
    const auto state = find_state(chain, request.matches[1].str(), response);
    if (!state) return;
    json list = json::array();
    if (request.has_param("id")) {
      for (std::size_t i = 0; i < request.get_param_value_count("id"); ++i) {
        std::istringstream ids(request.get_param_value("id", i));
        for (std::string id; std::getline(ids, id, ',');) {
          bool valid = false;
          const auto index = find_validator(chain, id, valid);
          if (!valid) return refuse(response, 400, "BAD_REQUEST: invalid validator id: " + id);
          if (index) list.push_back(validator_of(chain, *index));
        }
      }
    } else {
      for (std::uint64_t i = 0; i < kValidators; ++i) list.push_back(validator_of(chain, kFirstValidatorIndex + i));
    }
    answer(response, {{"execution_optimistic", false}, {"finalized", state->finalized}, {"data", list}});
  });
  server.Post(R"(/eth/v1/beacon/states/([^/]+)/validators)", [&chain](const Request& request, Response& response) {
    const auto state = find_state(chain, request.matches[1].str(), response);
    if (!state) return;
    const json body = json::parse(request.body, nullptr, false);
    if (!body.is_object() || (body.contains("ids") && !body["ids"].is_array() && !body["ids"].is_null())) {
      return refuse(response, 400, "BAD_REQUEST: body deserialize error: expected an object with a list of ids");
    }
    json list = json::array();
    for (const json& id : body.value("ids", json::array())) {
      bool valid = false;
      const auto index = id.is_string() ? find_validator(chain, id.get<std::string>(), valid) : std::nullopt;
      if (!valid) return refuse(response, 400, "BAD_REQUEST: invalid validator id: " + id.dump());
      if (index) list.push_back(validator_of(chain, *index));
    }
    answer(response, {{"execution_optimistic", false}, {"finalized", state->finalized}, {"data", list}});
  });
  server.Get(R"(/eth/v1/beacon/states/([^/]+)/validators/([^/]+))", [&chain](const Request& request,
                                                                             Response& response) {
    const auto state = find_state(chain, request.matches[1].str(), response);
    if (!state) return;
    bool valid = false;
    const auto index = find_validator(chain, request.matches[2].str(), valid);
    if (!valid) return refuse(response, 400, "BAD_REQUEST: invalid validator id: " + request.matches[2].str());
    if (!index) return refuse(response, 404, "NOT_FOUND: unknown validator: " + request.matches[2].str());
    answer(response,
           {{"execution_optimistic", false}, {"finalized", state->finalized}, {"data", validator_of(chain, *index)}});
  });
  server.Post(R"(/eth/v1/validator/liveness/([^/]+))", [&chain](const Request& request, Response& response) {
    const auto epoch = read_epoch(chain, request, response);
    if (!epoch) return;
    if (*epoch + 1 < chain.epoch()) {
      return refuse(response, 400, "BAD_REQUEST: request epoch must be the previous, current or next epoch");
    }
    const auto indices = read_indices(request, response);
    if (!indices) return;
    const bool missing = chain.faults().active("validator", "missed-attestations");
    json list = json::array();
    for (const std::uint64_t index : *indices) {
      const bool ours = index >= kFirstValidatorIndex && index < kFirstValidatorIndex + kValidators;
      list.push_back({{"index", quoted(index)}, {"is_live", !(missing && ours)}});
    }
    answer(response, {{"data", list}});
  });
}

void add_duties(httplib::Server& server, Chain& chain) {
  server.Get(R"(/eth/v1/validator/duties/proposer/([^/]+))", [&chain](const Request& request, Response& response) {
    const auto epoch = read_epoch(chain, request, response);
    if (!epoch) return;
    json list = json::array();
    for (std::uint64_t slot = *epoch * kSlotsPerEpoch; slot < (*epoch + 1) * kSlotsPerEpoch; ++slot) {
      const std::uint64_t index = proposer_of(chain, slot);
      list.push_back(
          {{"pubkey", chain.hash("pubkey", index, 48)}, {"validator_index", quoted(index)}, {"slot", quoted(slot)}});
    }
    answer(response,
           {{"dependent_root", chain.hash("dependent", *epoch)}, {"execution_optimistic", false}, {"data", list}});
  });
  server.Post(R"(/eth/v1/validator/duties/attester/([^/]+))", [&chain](const Request& request, Response& response) {
    const auto epoch = read_epoch(chain, request, response);
    if (!epoch) return;
    const auto indices = read_indices(request, response);
    if (!indices) return;
    json list = json::array();
    for (const std::uint64_t index : *indices) {
      for (std::uint64_t slot = *epoch * kSlotsPerEpoch; slot < (*epoch + 1) * kSlotsPerEpoch; ++slot) {
        for (std::uint64_t position = 0; position < kCommitteeSize; ++position) {
          if (committee_member(slot, position) != index) continue;
          list.push_back({{"pubkey", chain.hash("pubkey", index, 48)},
                          {"validator_index", quoted(index)},
                          {"committee_index", "0"},
                          {"committee_length", quoted(kCommitteeSize)},
                          {"committees_at_slot", "1"},
                          {"validator_committee_index", quoted(position)},
                          {"slot", quoted(slot)}});
        }
      }
    }
    answer(response,
           {{"dependent_root", chain.hash("dependent", *epoch)}, {"execution_optimistic", false}, {"data", list}});
  });
  server.Post(R"(/eth/v1/validator/duties/sync/([^/]+))", [&chain](const Request& request, Response& response) {
    constexpr std::uint64_t kEpochsPerPeriod = 256;
    const auto epoch = parse_number(request.matches[1].str());
    // Of the period after the next nobody knows the members.
    if (!epoch || *epoch / kEpochsPerPeriod > chain.epoch() / kEpochsPerPeriod + 1) {
      return refuse(response, 400, "BAD_REQUEST: epoch out of range");
    }
    const auto indices = read_indices(request, response);
    if (!indices) return;
    json list = json::array();
    for (const std::uint64_t index : *indices) {
      json positions = json::array();
      for (std::uint64_t position = 0; position < kSyncCommitteeSize; ++position) {
        if (sync_committee_member(*epoch / kEpochsPerPeriod, position) == index) positions.push_back(quoted(position));
      }
      if (positions.empty()) continue;
      list.push_back({{"pubkey", chain.hash("pubkey", index, 48)},
                      {"validator_index", quoted(index)},
                      {"validator_sync_committee_indices", positions}});
    }
    answer(response, {{"execution_optimistic", false}, {"data", list}});
  });
}

void add_events(httplib::Server& server, Chain& chain) {
  server.Get("/eth/v1/events", [&chain](const Request& request, Response& response) {
    bool head = false;
    bool finalized = false;
    bool block = false;
    // Repeated, or a list with commas; Lighthouse takes both.
    std::string all;
    for (std::size_t i = 0; i < request.get_param_value_count("topics"); ++i) {
      all += (i == 0 ? "" : ",") + request.get_param_value("topics", i);
    }
    std::istringstream topics(all);
    for (std::string topic; std::getline(topics, topic, ',');) {
      head = head || topic == "head";
      block = block || topic == "block";
      finalized = finalized || topic == "finalized_checkpoint";
      const bool quiet = topic == "block" || topic == "attestation" || topic == "chain_reorg" ||
                         topic == "voluntary_exit" || topic == "attester_slashing" || topic == "proposer_slashing";
      if (topic != "head" && topic != "finalized_checkpoint" && !quiet) {
        return refuse(response, 400, "BAD_REQUEST: invalid topic: " + topic);
      }
    }
    if (!request.has_param("topics")) return refuse(response, 400, "BAD_REQUEST: invalid query: missing topics");
    auto last_head = std::make_shared<std::uint64_t>(chain.beacon_head_slot());
    auto last_final = std::make_shared<std::uint64_t>(chain.finalized_epoch());
    response.set_chunked_content_provider("text/event-stream", [&chain, head, block, finalized, last_head, last_final](
                                                                   std::size_t, httplib::DataSink& sink) {
      std::string text;
      const std::uint64_t now = chain.beacon_head_slot();
      if (block && now != *last_head) {
        text += fmt::format(
            "event:block\ndata:{}\n\n",
            json{{"slot", quoted(now)}, {"block", chain.hash("block", now)}, {"execution_optimistic", false}}.dump());
      }
      if (head && now != *last_head) {
        text += fmt::format("event:head\ndata:{}\n\n", json{{"slot", quoted(now)},
                                                            {"block", chain.hash("block", now)},
                                                            {"state", chain.hash("state", now)},
                                                            {"epoch_transition", now % kSlotsPerEpoch == 0},
                                                            {"execution_optimistic", false}}
                                                           .dump());
      }
      if (finalized && chain.finalized_epoch() != *last_final) {
        text += fmt::format("event:finalized_checkpoint\ndata:{}\n\n",
                            json{{"epoch", quoted(chain.finalized_epoch())},
                                 {"block", chain.hash("block", chain.finalized_epoch() * kSlotsPerEpoch)},
                                 {"execution_optimistic", false}}
                                .dump());
      }
      *last_head = now;
      *last_final = chain.finalized_epoch();
      if (text.empty()) chain.faults().wait_while("beacon", "never", 0.05);
      const bool open = text.empty() ? sink.is_writable() : sink.write(text.data(), text.size());
      return open && !chain.faults().is_shut_down();
    });
  });
}

}  // namespace

void add_beacon_api(httplib::Server& server, Chain& chain) {
  add_node(server, chain);
  add_beacon(server, chain);
  add_validators(server, chain);
  add_duties(server, chain);
  add_beacon_blocks(server, chain);
  add_events(server, chain);
  // A known path with another method; cpp-httplib knows only "no route".
  static constexpr const char* kGetOnly =
      R"(/eth/v1/(node|config|events|beacon/genesis|beacon/headers|validator/duties/proposer)(/.*)?)";
  static constexpr const char* kPostOnly =
      R"(/eth/v1/(validator/(liveness|duties/attester|duties/sync)|beacon/rewards/attestations)/.*)";
  const auto wrong_method = [](const Request&, Response& response) { refuse(response, 405, "METHOD_NOT_ALLOWED"); };
  server.Post(kGetOnly, wrong_method).Put(kGetOnly, wrong_method).Delete(kGetOnly, wrong_method);
  server.Get(kPostOnly, wrong_method).Put(kPostOnly, wrong_method).Delete(kPostOnly, wrong_method);
  server.set_error_handler([](const Request&, Response& response) {
    if (response.body.empty() && response.status == 404) refuse(response, 404, "NOT_FOUND");
  });
}

}  // namespace simulators

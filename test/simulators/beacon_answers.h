// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <httplib.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "test/simulators/chain.h"

namespace simulators {

// How a Lighthouse node answers and refuses, and what its states and blocks have, for all routes of its API.

void answer(httplib::Response& response, const nlohmann::json& body, int status = 200);
void refuse(httplib::Response& response, int status, const std::string& message);
std::optional<std::uint64_t> parse_number(std::string_view text);
bool is_root(const std::string& text);
// Integers travel as decimal strings in this API.
std::string quoted(std::uint64_t value);

struct State {
  std::uint64_t slot;
  bool finalized;
};
// What a {state_id} stands for; answers the request itself, and gives nothing, if it stands for nothing.
std::optional<State> find_state(const Chain& chain, const std::string& id, httplib::Response& response);
// The slot of the block that a {block_id} names, likewise.
std::optional<std::uint64_t> find_block(const Chain& chain, const std::string& id, httplib::Response& response);
// Body `["1","2"]`, as every POST of duties, rewards and liveness has it; answers 400 itself otherwise.
std::optional<std::vector<std::uint64_t>> read_indices(const httplib::Request& request, httplib::Response& response);

// The validators of the chain follow one another from here; ours are among them. One committee a slot has them all once
// an epoch.
inline constexpr std::uint64_t kNetworkFirst = 4096;
inline constexpr std::uint64_t kNetworkSize = 2048;
inline constexpr std::uint64_t kCommitteeSize = kNetworkSize / kSlotsPerEpoch;
inline constexpr std::uint64_t kSyncCommitteeSize = 512;
std::uint64_t committee_member(std::uint64_t slot, std::uint64_t position);
std::uint64_t proposer_of(const Chain& chain, std::uint64_t slot);
std::uint64_t sync_committee_member(std::uint64_t period, std::uint64_t position);

// Routes of blocks, committees and rewards: what duties are judged by.
void add_beacon_blocks(httplib::Server& server, Chain& chain);

}  // namespace simulators

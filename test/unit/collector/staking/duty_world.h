// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "collector/staking/duty_loop.h"
#include "made_chain.h"

namespace collector::staking {

// Nodes of a chain in its slot 100, the fifth of epoch 12, and what is published of the duties of some validators.
class DutyWorld : public StakingWorld {
 protected:
  DutyWorld() {
    nodes.otherwise = [this](const core::net::Request& request) { return chain.answer_to(request); };
    nodes.keep_requests = false;
  }

  static std::shared_ptr<const WatchedKeys> keys_of(const std::map<std::uint64_t, std::string>& groups) {
    std::string text;
    for (const auto& [validator, group] : groups) {
      text += fmt::format("- {{pubkey: \"{}\", labels: {{group: {}}}}}\n", to_string(MadeChain::key(validator)), group);
    }
    const auto keys = WatchedKeys::parse(text, "keys.yml");
    EXPECT_TRUE(keys) << (keys ? "" : keys.error().message);
    return keys ? *keys : nullptr;
  }
  void watch(const std::map<std::uint64_t, std::string>& groups, const std::vector<std::string>& hosts = {"a"}) {
    StakingConfig config;
    config.network.from_beacon_node = true;
    for (const std::string& host : hosts) {
      config.beacon_nodes.emplace_back();
      config.beacon_nodes.back().name = host;
      config.beacon_nodes.back().url = "http://" + host;
    }
    config.keys = keys_of(groups);
    const auto shared = std::make_shared<Network>(config.network);
    loop.configure(config, shared);
    heads.configure(config.beacon_nodes, shared);
  }
  // To the end of a slot.
  void run_through(std::uint64_t slot) {
    while (chain.now_slot() <= slot) clock.advance(std::chrono::milliseconds(500));
  }
  std::string value(const std::string& name, const std::string& labels) const {
    return Seen(text)["watchkeeper_duties_" + name + "{" + labels + "}"];
  }
  std::string watched(const std::string& name, const std::string& group = "g") const {
    return value(name, "scope=\"watched\",group=\"" + group + "\"");
  }
  std::string network(const std::string& name) const { return value(name, "scope=\"network\""); }
  std::string roots(const std::string& series) const { return Seen(heads_text)["watchkeeper_beacon_roots_" + series]; }
  std::string standing(const std::string& host) const {
    for (const char* const each : {"alone", "agrees", "outvoted", "tied"}) {
      if (roots(fmt::format("standing{{target=\"{}\",standing=\"{}\"}}", host, each)) == "1") return each;
    }
    return "none";
  }
  std::string plain(const std::string& name) const { return Seen(text)["watchkeeper_duties_" + name]; }
  std::vector<DutyEvent> events(std::string_view kind) const {
    std::vector<DutyEvent> found;
    const auto snapshot = loop.snapshot();
    for (const DutyEvent& event : snapshot->events) {
      if (event.kind == kind) found.push_back(event);
    }
    return found;
  }

  MadeChain chain{clock};
  std::string text;
  std::string heads_text;
  DutyLoop loop{nodes, clock, clock, [this](std::string series) { text = std::move(series); }};
  HeadLoop heads{nodes,
                 clock,
                 clock,
                 {.round = [this](const HeadRound& round) { loop.take(round); },
                  .publish = [this](std::string series) { heads_text = std::move(series); }}};
};

}  // namespace collector::staking

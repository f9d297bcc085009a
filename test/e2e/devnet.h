// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/time/clock.h"
#include "test/support/background_process.h"

namespace e2e {

// A proof-of-stake network of real programs on loopback, worked by a folder's devnet.sh: three beacon nodes, bn0 with
// the validators 0 to 11 in its own process, bn1 and bn2 for the validator clients vcA and vcB, which have 12 to 15.
// What runs belongs to this object, and ends with it.
//
// Thread safety: confined to one thread.
class Devnet {
 public:
  static constexpr int kSlotSeconds = 3;
  static constexpr std::uint64_t kSlotsPerEpoch = 8;
  static constexpr std::uint64_t kOperatorFirst = 12;
  static constexpr std::uint64_t kValidators = 16;
  static int port_of(const std::string& name) {
    static const std::map<std::string, int> ports = {{"bn0", 19590}, {"bn1", 19591}, {"bn2", 19592}};
    return ports.at(name);
  }

  // `scripts` has devnet.sh; `programs` what its set-up installed; `root` is this network's own.
  Devnet(std::filesystem::path scripts, std::filesystem::path programs, std::filesystem::path root)
      : scripts_(std::move(scripts)), programs_(std::move(programs)), root_(std::move(root)) {}
  ~Devnet() { run({"stop"}); }
  Devnet(const Devnet&) = delete;
  Devnet& operator=(const Devnet&) = delete;

  // Whether devnet.sh did it; what it said is in text().
  bool run(const std::vector<std::string>& arguments) {
    std::vector<std::string> argv = {"env",
                                     "DEVNET_ROOT=" + root_.string(),
                                     "LDPATH=" + (programs_ / "ld").string(),
                                     "SECONDS_PER_SLOT=" + std::to_string(kSlotSeconds),
                                     "bash",
                                     (scripts_ / "devnet.sh").string()};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    test_support::BackgroundProcess script(argv, root_.string() + ".log");
    const auto status = script.wait(std::chrono::seconds(120));
    text_ = script.log_text();
    return status == 0;
  }
  const std::string& text() const { return text_; }
  bool start() { return run({"start"}); }
  bool start(const std::string& name) { return run({"start", name}); }
  bool signal(const std::string& name, const std::string& what) { return run({"sig", what, name}); }
  // The beacon nodes find each other again.
  bool peer() { return run({"peer"}); }

  std::filesystem::path run_folder() const { return root_ / "run"; }
  std::int64_t genesis_s() const { return std::stoll(test_support::read_file(run_folder() / "genesis_time")); }
  std::int64_t slot_ms(std::int64_t slot) const { return (genesis_s() + slot * kSlotSeconds) * 1000; }
  // Negative before genesis.
  std::int64_t slot_now() const {
    const std::int64_t since_ms = clock_.unix_ms() - genesis_s() * 1000;
    return since_ms < 0 ? -1 : since_ms / (kSlotSeconds * 1000);
  }
  // To a moment of a slot; false if it lies more than two minutes ahead.
  bool wait_for(std::int64_t slot, double phase) const {
    const std::int64_t until = slot_ms(slot) + static_cast<std::int64_t>(phase * kSlotSeconds * 1000);
    return test_support::eventually(std::chrono::minutes(2), [&] { return clock_.unix_ms() >= until; });
  }

  // The slot of a node's head, as it says itself; -1 if it does not answer.
  static double head_of(const std::string& node) {
    const auto answer = test_support::http_get(port_of(node), "/eth/v1/node/syncing");
    const auto parsed = nlohmann::json::parse(answer.body, nullptr, false);
    return parsed.is_object() && parsed.contains("data") ? std::stod(parsed["data"]["head_slot"].get<std::string>())
                                                         : -1;
  }
  // Who is to propose in this epoch, which nodes tell only until it is over. (For the next one they name the slots of
  // this one.)
  void note_proposers() {
    const std::uint64_t epoch = static_cast<std::uint64_t>(std::max<std::int64_t>(slot_now(), 0)) / kSlotsPerEpoch;
    if (proposers_.contains((epoch + 1) * kSlotsPerEpoch - 1)) return;
    const auto answer =
        test_support::http_get(port_of("bn0"), "/eth/v1/validator/duties/proposer/" + std::to_string(epoch));
    const auto parsed = nlohmann::json::parse(answer.body, nullptr, false);
    if (!parsed.is_object() || !parsed.contains("data")) return;
    for (const auto& duty : parsed["data"]) {
      proposers_[std::stoull(duty["slot"].get<std::string>())] =
          std::stoull(duty["validator_index"].get<std::string>());
    }
  }
  const std::map<std::uint64_t, std::uint64_t>& proposers() const { return proposers_; }

  // Public keys by index.
  std::vector<std::string> keys() const {
    std::ifstream stream(scripts_ / "interop-pubkeys.txt");
    std::vector<std::string> keys;
    std::size_t index = 0;
    for (std::string key; keys.size() < kValidators && stream >> index >> key;) keys.push_back(key);
    return keys;
  }

 private:
  const std::filesystem::path scripts_;
  const std::filesystem::path programs_;
  const std::filesystem::path root_;
  const core::SystemClock clock_;
  std::string text_;
  std::map<std::uint64_t, std::uint64_t> proposers_;  // by slot
};

// Who has voted, by the blocks of a node and the duties that were recorded while they could be asked for; counted here
// anew, by other means than the agent's.
class DevnetChain {
 public:
  DevnetChain(const Devnet& devnet, std::string node) : port_(Devnet::port_of(node)) {
    std::ifstream stream(devnet.run_folder() / "duties.jsonl");
    // The last record of an epoch is the one of the branch that stayed.
    for (std::string line; std::getline(stream, line);) {
      const json record = json::parse(line, nullptr, false);
      if (record.is_object()) duties_[record["epoch"].get<std::uint64_t>()] = record["duties"];
    }
  }

  // The validators that voted in an epoch, as the blocks have it until the end of the next; none if a duty is unknown.
  std::set<std::uint64_t> voters(std::uint64_t epoch) {
    std::set<std::uint64_t> voters;
    const std::uint64_t first = epoch * Devnet::kSlotsPerEpoch;
    for (std::uint64_t slot = first + 1; slot < first + 2 * Devnet::kSlotsPerEpoch; ++slot) {
      for (const json& vote : attestations(slot)) {
        if (number(vote["data"]["slot"]) / Devnet::kSlotsPerEpoch == epoch) add_voters(vote, epoch, voters);
      }
    }
    return voters;
  }
  bool knows_duties(std::uint64_t epoch) const {
    const auto found = duties_.find(epoch);
    return found != duties_.end() && found->second.size() == Devnet::kValidators;
  }
  std::uint64_t slot_of(std::uint64_t epoch, std::uint64_t validator) const {
    for (const json& duty : duties_.at(epoch)) {
      if (duty[3] == validator) return duty[0].get<std::uint64_t>();
    }
    return 0;
  }
  bool has_block(std::uint64_t slot) { return block(slot).is_object(); }

 private:
  using json = nlohmann::json;
  static std::uint64_t number(const json& text) { return std::stoull(text.get<std::string>()); }

  const json& block(std::uint64_t slot) {
    const auto [found, fresh] = blocks_.emplace(slot, json());
    if (fresh) {
      const auto answer = test_support::http_get(port_, "/eth/v2/beacon/blocks/" + std::to_string(slot));
      const json parsed = answer.status == 200 ? json::parse(answer.body, nullptr, false) : json();
      if (parsed.is_object()) found->second = parsed["data"]["message"];
    }
    return found->second;
  }
  json attestations(std::uint64_t slot) {
    const json& message = block(slot);
    return message.is_object() ? message["body"]["attestations"] : json::array();
  }
  void add_voters(const json& vote, std::uint64_t epoch, std::set<std::uint64_t>& voters) const {
    const std::string bits = vote["aggregation_bits"].get<std::string>();
    for (const json& duty : duties_.at(epoch)) {
      const bool of_committee = duty[0] == number(vote["data"]["slot"]) && duty[1] == number(vote["data"]["index"]);
      if (!of_committee) continue;
      const std::size_t position = duty[2].get<std::size_t>();
      const unsigned long byte = std::stoul(bits.substr(2 + position / 8 * 2, 2), nullptr, 16);
      if ((byte >> position % 8 & 1UL) != 0) voters.insert(duty[3].get<std::uint64_t>());
    }
  }

  const int port_;
  std::map<std::uint64_t, json> duties_;  // [slot, committee, position, validator, key]
  std::map<std::uint64_t, json> blocks_;
};

}  // namespace e2e

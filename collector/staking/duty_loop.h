// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "collector/staking/duty_ledger.h"
#include "collector/staking/head_loop.h"
#include "collector/staking/network.h"
#include "collector/staking/staking_config.h"
#include "collector/staking/verdict.h"
#include "core/net/http_client.h"
#include "core/task.h"
#include "core/time/clock.h"
#include "core/time/scheduler.h"

namespace collector::staking {

// Asks the beacon nodes what the watched validators' duties are and what the chain has of them, once for each round of
// a HeadLoop, and keeps the books of it. Of several nodes the one with the newest head is asked first, and the others
// if it does not know; one that the round has a reason against is not asked at all. If none can tell, or they
// contradict each other and nobody is a majority, the duties are unknown.
//
// Thread safety: confined to the scheduler's thread, except snapshot(): any thread.
// Invariants: one round is worked on at most; each of its requests has a deadline.
class DutyLoop {
 public:
  // What outlives a restart of the agent.
  struct Keeping {
    std::optional<DutyBooks> books;       // that were kept before
    std::function<bool(DutyBooks)> keep;  // once a round; false: it could not be
  };
  // `publish` takes the series, as Prometheus text, once a round. REQUIRES: all outlive this.
  DutyLoop(core::net::HttpClient& http, core::Scheduler& scheduler, const core::Clock& clock,
           std::function<void(std::string)> publish, Keeping keeping = {});
  ~DutyLoop();
  DutyLoop(const DutyLoop&) = delete;
  DutyLoop& operator=(const DutyLoop&) = delete;

  // Begins anew if what is watched, or who is asked, is another than before; what was counted goes on.
  void configure(const StakingConfig& config, std::shared_ptr<Network> network);
  void stop();
  // REQUIRES: the nodes of `round` are those that were configured.
  void take(const HeadRound& round);
  bool watching() const { return keys_ != nullptr && !nodes_.empty(); }

  // What event streams say.
  void note_block(std::uint64_t slot, core::WallTime arrived);
  void note_slashing(const std::vector<std::uint64_t>& validators, std::string_view how);

  std::shared_ptr<const DutySnapshot> snapshot() const;

 private:
  // How far a node may be asked.
  struct Node {
    BeaconNodeConfig config;
    std::string reason = "not_asked";  // why it is not used; empty: it is
    Root head{};
    std::uint64_t head_slot = 0;
    bool validators_by_get = false;  // it does not take lists of keys in a body
    std::size_t block_form = 0;      // of the ways to ask for a block, the first that it has
  };
  using Job = core::Task<bool> (DutyLoop::*)(Node&, std::uint64_t);

  core::RootTask work();
  void give_up();
  core::Task<bool> carry_out(std::uint64_t slot);
  core::Task<bool> try_nodes(Job job, std::uint64_t argument);
  core::Task<bool> learn_records(std::uint64_t epoch);
  core::Task<bool> follow(Node& node, std::uint64_t slot);
  core::Task<bool> fetch(Node& node, Root root, Block& into);
  core::Task<bool> fetch_parts(Node& node, std::string id, Block& into);
  core::Task<bool> ask_records(Node& node, std::uint64_t epoch);
  core::Task<bool> ask_committees(Node& node, std::uint64_t epoch);
  core::Task<bool> ask_proposers(Node& node, std::uint64_t epoch);
  core::Task<bool> ask_sync_seats(Node& node, std::uint64_t epoch);
  core::Task<bool> ask_liveness(Node& node, std::uint64_t epoch);
  core::Task<bool> ask_rewards(Node& node, std::uint64_t epoch);

  // Reads an answer as it comes; the status, or 0 if there is no whole and right one.
  core::Task<int> read(Node& node, core::net::Request request, AnswerReader& reader);
  core::net::Request post_of(const Node& node, const std::string& path, std::string body) const;
  std::vector<std::string> key_texts(std::span<const std::uint32_t> watched, std::size_t first, std::size_t most) const;
  std::vector<std::string> index_texts(std::size_t first, std::size_t most) const;

  std::optional<std::uint64_t> wall_slot() const;
  std::optional<std::uint64_t> judged_until(const HeadRound& round) const;
  void begin_books(const DutySpec& spec);
  void show();
  void keep_books();
  std::string blind_text() const;
  std::string node_text() const;

  core::net::HttpClient& http_;
  core::Scheduler& scheduler_;
  const core::Clock& clock_;
  std::function<void(std::string)> publish_;
  Keeping keeping_;

  StakingConfig config_;
  std::shared_ptr<const WatchedKeys> keys_;
  std::shared_ptr<Network> network_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<Node*> usable_;  // of this round, the best first
  Node* asked_ = nullptr;      // whose answer is waited for
  std::unique_ptr<DutyLedger> ledger_;
  std::map<Root, Block> fetched_;                    // on the way to blocks that are known
  std::optional<std::uint64_t> proposers_asked_in_;  // the epoch in which both lists were asked for
  std::vector<std::uint32_t> not_included_;          // for ask_liveness()

  core::TimerId work_timer_ = 0;
  bool working_ = false;
  Blindness reach_ = Blindness::kNoNode;  // of the last round, whoever was asked in it
  bool stopped_ = true;
  core::RootTask work_;
  std::uint64_t failed_requests_ = 0;

  mutable std::mutex mutex_;
  std::shared_ptr<const DutySnapshot> snapshot_;  // guarded by mutex_
};

}  // namespace collector::staking

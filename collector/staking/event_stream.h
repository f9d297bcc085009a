// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "collector/staking/duty_facts.h"
#include "collector/staking/duty_requests.h"
#include "collector/staking/event_parser.h"
#include "collector/staking/network.h"
#include "collector/staking/staking_config.h"
#include "core/net/http_client.h"
#include "core/task.h"
#include "core/time/clock.h"
#include "core/time/scheduler.h"

namespace collector::staking {

enum class Topic : std::uint8_t {
  kHead,
  kBlock,
  kChainReorg,
  kFinalizedCheckpoint,
  kAttesterSlashing,
  kProposerSlashing,
};
inline constexpr std::size_t kTopics = 6;

// Listens to a beacon node's events (/eth/v1/events) and tells of each at once. The stream is a way to be quick, not
// the truth: there is no replay, so what comes while it is broken is a gap, which is counted, and the polls go on.
//
// Thread safety: confined to the scheduler's thread.
// Invariants: a stream that is silent for three slots is given up and made anew; between attempts time passes, up to 30
// s.
class EventStream {
 public:
  struct Listener {
    std::function<void(std::string)> publish;  // the series, as Prometheus text, at once
    std::function<void(std::uint64_t slot, core::WallTime arrived)> block;
    std::function<void(const std::vector<std::uint64_t>& validators, std::string_view how)> slashing;
    std::function<void(std::string_view topic)> event = {};  // each that was told of, as the beacon API names it
  };

  // `jitter` in [0, 1) spreads the attempts. REQUIRES: all outlive this.
  EventStream(core::net::HttpClient& http, core::Scheduler& scheduler, const core::Clock& clock,
              BeaconNodeConfig config, std::shared_ptr<Network> network, std::function<double()> jitter,
              Listener listener);
  ~EventStream();
  EventStream(const EventStream&) = delete;
  EventStream& operator=(const EventStream&) = delete;

  void start();

 private:
  core::RootTask run();
  core::Task<std::string> learn();
  core::Task<std::string> listen();
  core::net::Request request(const std::string& path, core::Duration timeout) const;
  void watch();
  void take(std::string_view name, std::string_view data);
  void take_block(std::uint64_t slot);
  void take_slashing(Topic topic, std::string_view data);
  void lose(std::string reason);
  void show();

  core::net::HttpClient& http_;
  core::Scheduler& scheduler_;
  const core::Clock& clock_;
  const BeaconNodeConfig config_;
  std::shared_ptr<Network> network_;
  std::function<double()> jitter_;
  Listener listener_;

  std::optional<DutySpec> spec_;
  std::size_t topic_set_ = 0;
  std::optional<EventParser> parser_;
  HttpExchange* exchange_ = nullptr;  // the stream, while it is open
  core::SteadyTime last_byte_{};
  core::TimerId watch_timer_ = 0;
  bool connected_ = false;
  std::string reason_ = "not_asked";  // why not
  unsigned attempts_ = 0;             // without an event

  std::array<std::uint64_t, kTopics> events_{};
  std::uint64_t bad_events_ = 0;
  std::uint64_t gaps_ = 0;
  std::uint64_t connects_ = 0;
  std::uint64_t late_blocks_ = 0;
  // Of this connection.
  std::optional<std::uint64_t> head_slot_;
  std::optional<std::uint64_t> block_slot_;
  std::optional<std::int64_t> head_delay_ms_;
  std::optional<std::int64_t> block_delay_ms_;
  std::optional<std::uint64_t> finalized_epoch_;
  std::optional<std::uint64_t> reorg_depth_;
  core::RootTask run_;
};

}  // namespace collector::staking

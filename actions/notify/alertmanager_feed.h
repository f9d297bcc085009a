// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actions/notify/alerting_config.h"
#include "actions/notify/dispatcher.h"
#include "actions/receivers/alertmanager/alertmanager.h"
#include "core/net/http_client.h"

namespace actions::notify {

// The state of one Alertmanager that is fed.
struct FeedStatus {
  std::string url;
  std::size_t waiting = 0;
  std::uint64_t sent = 0;     // alerts in requests that were answered with 2xx
  std::uint64_t errors = 0;   // alerts in requests that failed
  std::uint64_t dropped = 0;  // alerts pushed out by the bound, or refused for good
  std::uint64_t consecutive_failures = 0;
  std::string last_error;
};

// The alerts that Alertmanagers are still to be told, the newest state of each only. Not durable, as in Prometheus: a
// firing alert is told again with every refresh, a resolved one with every reminder.
//
// Thread safety: confined to its strand. Holds no clock and sends nothing itself.
class AlertmanagerFeed {
 public:
  // As Prometheus's notification queue: alerts that wait for one Alertmanager; more push out the oldest.
  static constexpr std::size_t kWaitingMax = 10'000;
  static constexpr core::Millis kBackoffFirst = std::chrono::seconds(1);
  static constexpr core::Millis kBackoffMax = std::chrono::seconds(30);

  // What waits for a target that stays is kept.
  void configure(std::vector<AlertmanagerTarget> targets);
  // An alert with its external labels, after the relabelling of all.
  void add(const AlertNews& news, Instant now);

  struct Batch {
    std::string url;
    core::net::Request request;
  };
  // The next batch to send, in flight from here until finish(); nothing if none may be sent now.
  std::optional<Batch> next(Instant now);
  void finish(const std::string& url, const receivers::Verdict& verdict, Instant now);
  // What its batch under way has.
  std::vector<receivers::Alert> in_flight(const std::string& url) const;
  std::optional<core::SteadyTime> next_wakeup() const;

  std::vector<FeedStatus> status() const;

 private:
  struct Waiting {
    receivers::PostedAlert alert;
    bool in_flight = false;  // and not changed since
  };
  // One Alertmanager. `order` has the fingerprints of `waiting`, the oldest first.
  struct Queue {
    AlertmanagerTarget target;
    std::map<std::uint64_t, std::pair<Waiting, std::list<std::uint64_t>::iterator>> waiting;
    std::list<std::uint64_t> order;
    std::size_t in_flight = 0;
    core::SteadyTime resume_at = core::SteadyTime::min();
    FeedStatus status;
  };
  void give_up_batch(Queue& queue);

  std::map<std::string, std::unique_ptr<Queue>> queues_;
};

}  // namespace actions::notify

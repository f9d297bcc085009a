// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <httplib.h>

#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "core/time/clock.h"
#include "test/simulators/faults.h"

namespace simulators {

// One request that reached a receiver.
struct Received {
  std::string receiver;
  int status = 0;
  std::string reason;  // why it was refused; empty if it was accepted
  std::string target;  // path and query
  std::string content_type;
  std::string body;
  std::int64_t time_ms = 0;
};

// What the receivers got, in order; the last kRecordedMax requests.
//
// Thread safety: any thread.
class Inbox {
 public:
  static constexpr std::size_t kRecordedMax = 10000;

  explicit Inbox(const core::Clock& clock) : clock_(clock) {}
  void record(Received received);
  void clear();
  // {"received": [...], "forgotten": n}; only those of `receiver`, unless it is empty.
  nlohmann::json to_json(const std::string& receiver) const;

 private:
  const core::Clock& clock_;
  mutable std::mutex mutex_;
  std::deque<Received> received_;
  std::uint64_t forgotten_ = 0;
};

// What is wrong with a body, in the words for our own record, and the answer the real service would give.
struct Refusal {
  int status;
  std::string reason;
  std::string body;
};

// The judges of the three services; pure functions of the request.
std::optional<Refusal> judge_webhook(const std::string& content_type, const std::string& body);
std::optional<Refusal> judge_discord(const std::string& content_type, const std::string& body);
std::optional<Refusal> judge_pagerduty(const std::string& content_type, const std::string& body);

inline constexpr const char* kDiscordWebhookPath = "/api/webhooks/112233445566778899/simulated-token";
inline constexpr const char* kPagerdutyPath = "/v2/enqueue";
inline constexpr const char* kWebhookPath = "/webhook";

void add_webhook(httplib::Server& server, Inbox& inbox, FaultBoard& faults);
void add_discord(httplib::Server& server, Inbox& inbox, FaultBoard& faults);
void add_pagerduty(httplib::Server& server, Inbox& inbox, FaultBoard& faults);

}  // namespace simulators

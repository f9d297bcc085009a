// SPDX-License-Identifier: Apache-2.0
#include "test/simulators/receivers.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace simulators {

namespace {

using nlohmann::json;
using Request = httplib::Request;
using Response = httplib::Response;

constexpr double kRetryAfterSeconds = 1;

// Answers for a receiver that is switched down or limits the rate; true if it did.
bool refuse_by_fault(const std::string& receiver, const FaultBoard& faults, Response& response, std::string& reason) {
  if (faults.active(receiver, "down")) {
    reason = "down";
    response.status = 503;
    response.set_content("upstream unavailable\n", "text/plain");
    return true;
  }
  if (!faults.active(receiver, "ratelimit")) return false;
  reason = "rate limited";
  response.status = 429;
  response.set_header("Retry-After", fmt::format("{:.0f}", kRetryAfterSeconds));
  const json body = {
      {"message", "You are being rate limited."}, {"retry_after", kRetryAfterSeconds}, {"global", false}};
  response.set_content(body.dump(), "application/json");
  return true;
}

using Judge = std::optional<Refusal> (*)(const std::string&, const std::string&);

// Judges, answers a refusal, and records either way; `accept` answers what is good.
void receive(const std::string& receiver, Judge judge, const Request& request, Response& response, Inbox& inbox,
             const FaultBoard& faults, const std::function<void()>& accept) {
  Received received;
  received.receiver = receiver;
  received.target = request.target.empty() ? request.path : request.target;
  received.content_type = request.get_header_value("Content-Type");
  received.body = request.body;
  if (!refuse_by_fault(receiver, faults, response, received.reason)) {
    if (const auto refusal = judge(received.content_type, request.body)) {
      received.reason = refusal->reason;
      response.status = refusal->status;
      response.set_content(refusal->body, refusal->body.starts_with('{') ? "application/json" : "text/plain");
    } else {
      accept();
    }
  }
  received.status = response.status;
  inbox.record(std::move(received));
}

}  // namespace

void Inbox::record(Received received) {
  const std::lock_guard lock(mutex_);
  received.time_ms = clock_.unix_ms();
  received_.push_back(std::move(received));
  if (received_.size() > kRecordedMax) {
    received_.pop_front();
    ++forgotten_;
  }
}

void Inbox::clear() {
  const std::lock_guard lock(mutex_);
  received_.clear();
  forgotten_ = 0;
}

json Inbox::to_json(const std::string& receiver) const {
  const std::lock_guard lock(mutex_);
  json list = json::array();
  for (const Received& one : received_) {
    if (!receiver.empty() && one.receiver != receiver) continue;
    json body = json::parse(one.body, nullptr, false);
    if (body.is_discarded()) body = one.body.substr(0, 1000);
    list.push_back({{"receiver", one.receiver},
                    {"accepted", one.reason.empty()},
                    {"status", one.status},
                    {"reason", one.reason},
                    {"target", one.target},
                    {"content_type", one.content_type},
                    {"time_ms", one.time_ms},
                    {"body", std::move(body)}});
  }
  return {{"received", std::move(list)}, {"forgotten", forgotten_}};
}

void add_webhook(httplib::Server& server, Inbox& inbox, FaultBoard& faults) {
  server.Post(kWebhookPath, [&](const Request& request, Response& response) {
    receive("webhook", judge_webhook, request, response, inbox, faults, [&] { response.status = 200; });
  });
}

void add_discord(httplib::Server& server, Inbox& inbox, FaultBoard& faults) {
  const auto unknown = [](Response& response, int status, const char* message, int code) {
    response.status = status;
    response.set_content(json{{"message", message}, {"code", code}}.dump(), "application/json");
  };
  server.Post(kDiscordWebhookPath, [&](const Request& request, Response& response) {
    receive("discord", judge_discord, request, response, inbox, faults, [&] {
      response.status = 204;
      if (!request.has_param("wait") || request.get_param_value("wait") != "true") return;
      response.status = 200;
      const json sent = json::parse(request.body, nullptr, false);
      const json message = {{"id", "1100000000000000001"},
                            {"type", 0},
                            {"channel_id", "998877665544332211"},
                            {"webhook_id", "112233445566778899"},
                            {"content", sent.value("content", json(""))},
                            {"embeds", sent.value("embeds", json::array())}};
      response.set_content(message.dump(), "application/json");
    });
  });
  server.Post(R"(/api/webhooks/(\d+)/([^/]+))", [&inbox, unknown](const Request& request, Response& response) {
    const bool known = request.matches[1].str() == "112233445566778899";
    if (known) {
      unknown(response, 401, "Invalid Webhook Token", 50027);
    } else {
      unknown(response, 404, "Unknown Webhook", 10015);
    }
    Received received;
    received.receiver = "discord";
    received.status = response.status;
    received.reason = "unknown webhook or token";
    received.target = request.target;
    inbox.record(std::move(received));
  });
  server.set_error_handler([unknown](const Request&, Response& response) {
    if (response.body.empty() && response.status == 404) unknown(response, 404, "404: Not Found", 0);
  });
}

void add_pagerduty(httplib::Server& server, Inbox& inbox, FaultBoard& faults) {
  server.Post(kPagerdutyPath, [&](const Request& request, Response& response) {
    receive("pagerduty", judge_pagerduty, request, response, inbox, faults, [&] {
      const json event = json::parse(request.body, nullptr, false);
      response.status = 202;
      const json reply = {{"status", "success"},
                          {"message", "Event processed"},
                          {"dedup_key", event.value("dedup_key", json("made-by-the-service"))}};
      response.set_content(reply.dump(), "application/json");
    });
  });
}

}  // namespace simulators

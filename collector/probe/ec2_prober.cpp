// SPDX-License-Identifier: Apache-2.0
// The instance metadata service of EC2, version 2 (AWS's "Amazon EC2 User Guide", instance metadata): what AWS is about
// to do with the instance that this runs on.
#include <array>
#include <ctime>

#include <nlohmann/json.hpp>

#include "collector/probe/address.h"
#include "collector/probe/plain_request.h"
#include "core/net/url.h"
#include "core/time/duration.h"

namespace collector::probe {
namespace {

using nlohmann::json;

constexpr std::size_t kBodyBytesMax = 64 << 10;
// The token serves one probe.
constexpr const char* kTokenSeconds = "60";
constexpr std::size_t kEventsMax = 50;
constexpr std::size_t kLabelBytesMax = 128;

// What is urgent comes first, should the time run out.
constexpr std::array<const char*, 4> kNotices = {"spot/instance-action", "events/maintenance/scheduled",
                                                 "events/recommendations/rebalance",
                                                 "autoscaling/target-lifecycle-state"};

struct IdentityPart {
  const char* path;
  std::string_view label;
};
constexpr std::array<IdentityPart, 4> kIdentity = {{{"placement/availability-zone", "availability_zone"},
                                                    {"ami-id", "image_id"},
                                                    {"instance-id", "instance_id"},
                                                    {"instance-life-cycle", "life_cycle"}}};

std::string label(std::string_view text) { return printable(text, kLabelBytesMax); }

// The service's base address and token.
struct Service {
  std::string url;
  std::string dial_address;
  std::string token;
};

// An address, with or without http:// and a port; a name would be looked up on a network that may be the fault.
Outcome<Service> service_of(const std::string& target) {
  const auto url = core::net::parse_url(target.starts_with("http://") ? target : "http://" + target);
  const auto address = url ? Address::parse(url->host) : std::nullopt;
  if (!address || url->path.size() > 1) {
    return failed(Reason::kBadTarget, fmt::format("expected an IP address, got \"{}\"", target));
  }
  std::string base = url->to_string();
  while (base.ends_with('/')) base.pop_back();
  return Service{std::move(base), address->to_string(), ""};
}

// The text of a path; none if there is no such thing (404).
core::Task<Outcome<std::optional<std::string>>> look_up(Attempt& attempt, const Service& service, const char* path) {
  core::net::Request request;
  request.url = service.url + "/latest/meta-data/" + path;
  request.headers.emplace_back("X-aws-ec2-metadata-token", service.token);
  auto answer = co_await ask_once(attempt, std::move(request), service.dial_address, "", kBodyBytesMax);
  if (!answer) co_return failed(answer.error());
  attempt.report.evidence.status = answer->status;
  if (answer->status == 404) co_return std::optional<std::string>();
  if (answer->status != 200) co_return failed(Reason::kHttpStatus, fmt::format("{}: status {}", path, answer->status));
  co_return std::optional(std::move(answer->body));
}

core::Task<Outcome<std::string>> take_token(Attempt& attempt, const Service& service) {
  core::net::Request request;
  request.method = "PUT";
  request.url = service.url + "/latest/api/token";
  request.headers.emplace_back("X-aws-ec2-metadata-token-ttl-seconds", kTokenSeconds);
  auto answer = co_await ask_once(attempt, std::move(request), service.dial_address, "", kBodyBytesMax);
  if (!answer) co_return failed(answer.error());
  attempt.report.evidence.status = answer->status;
  if (answer->status != 200) co_return failed(Reason::kHttpStatus, fmt::format("token: status {}", answer->status));
  const bool plain = !answer->body.empty() && answer->body.find_first_of("\r\n\0 ") == std::string::npos;
  if (!plain) co_return failed(Reason::kProtocol, "the token is not one");
  co_return std::move(answer->body);
}

std::string text_at(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

// {"action": "terminate", "time": "2017-09-18T08:22:00Z"}; there is none before an interruption is decided.
Outcome<bool> set_interruption(Report& report, const std::optional<std::string>& text) {
  report.set("probe_ec2_spot_interruption", text ? 1 : 0);
  if (!text) return true;
  const json notice = json::parse(*text, nullptr, false);
  if (!notice.is_object()) return failed(Reason::kProtocol, "spot/instance-action is not JSON");
  report.set("probe_ec2_spot_interruption_info", 1, {{"action", label(text_at(notice, "action"))}});
  if (const auto time = core::parse_rfc3339(text_at(notice, "time"))) {
    report.set("probe_ec2_spot_interruption_timestamp_seconds", static_cast<double>(core::to_unix_ms(*time)) / 1000);
  }
  return true;
}

// [{"NotBefore": "21 Jan 2019 09:00:43 GMT", "Code": "system-reboot", "EventId": "instance-event-0d", "State":
// "active"}]
Outcome<bool> set_maintenance(Report& report, const std::optional<std::string>& text) {
  const json events = text ? json::parse(*text, nullptr, false) : json::array();
  if (!events.is_array()) return failed(Reason::kProtocol, "events/maintenance/scheduled is not a JSON list");
  std::size_t active = 0;
  for (const json& event : events) {
    if (!event.is_object()) return failed(Reason::kProtocol, "events/maintenance/scheduled holds what is no event");
    // Those that ended stay in the list for a while.
    const std::string state = text_at(event, "State");
    if (state == "completed" || state == "canceled") continue;
    if (++active > kEventsMax) break;
    std::tm parts{};
    const std::string begins = text_at(event, "NotBefore");
    const char* const end = ::strptime(begins.c_str(), "%d %b %Y %H:%M:%S GMT", &parts);
    if (end == nullptr || *end != '\0') return failed(Reason::kProtocol, "an event has no time NotBefore");
    report.set("probe_ec2_scheduled_event_timestamp_seconds", static_cast<double>(::timegm(&parts)),
               {{"code", label(text_at(event, "Code"))}, {"event_id", label(text_at(event, "EventId"))}});
  }
  report.set("probe_ec2_scheduled_events", static_cast<double>(active));
  return true;
}

Outcome<bool> set_part(Report& report, std::string_view path, const std::optional<std::string>& text) {
  if (path == "spot/instance-action") return set_interruption(report, text);
  if (path == "events/maintenance/scheduled") return set_maintenance(report, text);
  if (path == "events/recommendations/rebalance") {
    report.set("probe_ec2_rebalance_recommended", text ? 1 : 0);
  } else if (text) {  // autoscaling/target-lifecycle-state; absent outside of a group
    report.set("probe_ec2_target_lifecycle_state", 1, {{"state", label(*text)}});
  }
  return true;
}

core::Task<Outcome<bool>> tell_of_instance(Attempt& attempt, const Service& service) {
  MetricLabels labels;
  std::string image;
  for (const auto& [path, name] : kIdentity) {
    auto text = co_await look_up(attempt, service, path);
    if (!text) co_return failed(text.error());
    if (!*text) co_return failed(Reason::kProtocol, fmt::format("there is no {}", path));
    if (name == "image_id") image = **text;
    labels.emplace_back(name, label(**text));
  }
  attempt.report.set("probe_ec2_info", 1, std::move(labels));
  const std::string& wanted = attempt.module.ec2_metadata.image_id;
  if (!wanted.empty()) attempt.report.set("probe_ec2_image_wanted", image == wanted ? 1 : 0);
  co_return true;
}

}  // namespace

core::Task<bool> probe_ec2_metadata(Attempt& attempt) {
  Report& report = attempt.report;
  auto service = service_of(attempt.target);
  if (!service) {
    report.fail(service.error());
    co_return true;
  }
  report.evidence.address = service->dial_address;
  auto token = co_await take_token(attempt, *service);
  if (!token) {
    report.fail(token.error());
    co_return true;
  }
  service->token = std::move(*token);
  for (const char* const path : kNotices) {
    auto text = co_await look_up(attempt, *service, path);
    const auto told = text ? set_part(report, path, *text) : Outcome<bool>(failed(text.error()));
    if (!told) {
      report.fail(told.error());
      co_return true;
    }
  }
  if (auto told = co_await tell_of_instance(attempt, *service); !told) report.fail(told.error());
  co_return true;
}

}  // namespace collector::probe

// SPDX-License-Identifier: Apache-2.0
#include "actions/receivers/alertmanager/alertmanager.h"

#include <nlohmann/json.hpp>

#include "actions/receivers/go_json.h"
#include "core/check.h"
#include "core/time/duration.h"

namespace actions::receivers {

using nlohmann::ordered_json;

std::string alertmanager_body(std::span<const PostedAlert* const> alerts) {
  CHECK(alerts.size() <= kAlertmanagerBatchMax, "the caller cuts batches");
  ordered_json body = ordered_json::array();
  for (const PostedAlert* const posted : alerts) {
    ordered_json labels = ordered_json::object();
    for (const core::ring::Label& label : posted->alert.labels) labels[label.name] = label.value;
    ordered_json object;
    object["annotations"] = go_map(posted->alert.annotations);
    object["endsAt"] = core::format_rfc3339(posted->alert.ends_at.value_or(posted->valid_until));
    object["startsAt"] = core::format_rfc3339(posted->alert.starts_at);
    // The field is an URI in the API's schema; an empty one would be refused.
    if (!posted->alert.generator_url.empty()) object["generatorURL"] = posted->alert.generator_url;
    object["labels"] = std::move(labels);
    body.push_back(std::move(object));
  }
  return go_dump(body);
}

Verdict judge_alertmanager(const core::net::Response& response, core::WallTime now) {
  Verdict verdict = judge_status(response, now);
  if (response.status == 400) {
    verdict.kind = Verdict::Kind::kReject;
  } else if (verdict.kind != Verdict::Kind::kDelivered) {
    verdict.kind = Verdict::Kind::kRetry;
  }
  return verdict;
}

}  // namespace actions::receivers

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>

#include "actions/receivers/receiver.h"

namespace actions::receivers {

// The most alerts of one POST, as Prometheus sends them.
inline constexpr std::size_t kAlertmanagerBatchMax = 256;

// One alert for an Alertmanager: firing ones carry the time until which they are believed.
struct PostedAlert {
  Alert alert;                 // ends_at: when it resolved
  core::WallTime valid_until;  // endsAt of a firing one
};

// The body of POST /api/v2/alerts.
// REQUIRES: alerts.size() <= kAlertmanagerBatchMax.
std::string alertmanager_body(std::span<const PostedAlert* const> alerts);

// 2xx is delivered; 400 means that some were invalid while the good ones were stored, so the batch is never repeated;
// anything else is retried with the newest state.
Verdict judge_alertmanager(const core::net::Response& response, core::WallTime now);

}  // namespace actions::receivers

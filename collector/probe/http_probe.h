// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "collector/probe/attempt.h"
#include "core/net/observation.h"
#include "core/net/url.h"

namespace collector::probe {

// Bytes of a body on which rules are run; with rules a larger one fails. Without rules bytes are only counted.
inline constexpr std::size_t kRuledBodyMax = 4 << 20;

// Redirects that are followed.
inline constexpr int kRedirectsMax = 10;

// The HTTP probe of a module at a URL: over the network, or through a Unix socket.
core::Task<bool> run_http(Attempt& attempt, const HttpModule& module, core::net::Url url, std::string unix_socket);

// The end of a chain of redirects.
struct FinalAnswer {
  core::net::Observation seen;
  bool ssl = false;
  bool unread = false;  // a redirect that was not followed: its body counts as unreadable
  int redirects = 0;
};

// Judges the last answer, and sets the metrics that are about it.
void judge_http(Report& report, const HttpModule& module, FinalAnswer& answer);

// What a request without a complete answer failed of.
Failure failure_of(const core::net::Observation& seen, const std::string& address);

}  // namespace collector::probe

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "collector/probe/attempt.h"
#include "collector/probe/stream.h"

namespace collector::probe {

// What is said and expected on a connection that stands: the part that tcp and unix have in common. Sets
// probe_failed_due_to_regex, probe_failed_due_to_bytes, probe_expect_info and, after a handshake, the metrics of TLS.
core::Task<bool> run_dialogue(Attempt& attempt, Stream& stream, const std::vector<QueryResponse>& steps,
                              bool begins_with_tls, core::net::TlsOptions tls, std::string peer_name);

}  // namespace collector::probe

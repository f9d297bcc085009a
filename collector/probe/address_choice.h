// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "collector/probe/address.h"
#include "collector/probe/attempt.h"

namespace collector::probe {

// Looks a host up once and picks the one address that is tried, as the module wants; sets
// probe_dns_lookup_time_seconds, probe_ip_protocol and probe_ip_addr_hash, also where there is none. `took` has the
// time of the look-up either way.
core::Task<Outcome<Address>> choose_address(Attempt& attempt, std::string host, const IpChoice& choice,
                                            core::Duration& took);

}  // namespace collector::probe

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <httplib.h>

#include "test/simulators/chain.h"

namespace simulators {

inline constexpr std::uint64_t kValidators = 16;             // ours, of the many on the chain
inline constexpr std::uint64_t kFirstValidatorIndex = 4200;  // their indices follow one another

// Routes of a Lighthouse beacon node: its metrics port, and the standard beacon API with Lighthouse's ways of refusing.
// Both keep a reference to the chain.
void add_beacon_metrics(httplib::Server& server, const Chain& chain);
void add_beacon_api(httplib::Server& server, Chain& chain);

// Routes of a Lighthouse validator client's metrics port.
void add_validator_metrics(httplib::Server& server, const Chain& chain);

}  // namespace simulators

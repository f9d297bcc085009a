// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <httplib.h>

#include "test/simulators/chain.h"

namespace simulators {

// Routes of a Web3Signer that only reads what is asked: a signature is refused loudly (418), for no observer may ask
// for one. Faults: db-down, keys-down, unprotected (no check of a database), fenced (a watermark in the past), old (no
// healthcheck).
void add_web3signer(httplib::Server& server, const Chain& chain);

// Routes of a MEV-Boost with -relay-check. Registrations and headers are refused likewise. Faults: no-relay.
void add_mev_boost(httplib::Server& server, const Chain& chain);

}  // namespace simulators

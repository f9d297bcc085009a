// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <httplib.h>

#include "test/simulators/chain.h"

namespace simulators {

// Routes of a Geth: its metrics port, and JSON-RPC with Geth's codes for what it refuses. Both keep a reference to the
// chain.
void add_geth_metrics(httplib::Server& server, const Chain& chain);
void add_geth_rpc(httplib::Server& server, const Chain& chain);

// Routes of a Vault. Without `open_metrics` /v1/sys/metrics wants the token, as Vault does unless its listener has
// unauthenticated_metrics_access.
struct VaultOptions {
  std::string token = "s.simulated-vault-token";
  bool open_metrics = false;
};
void add_vault(httplib::Server& server, const Chain& chain, const VaultOptions& options);

}  // namespace simulators

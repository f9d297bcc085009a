// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <stop_token>
#include <string>

#include "actions/backup/client_config.h"

namespace actions::backup {

// Who says whether a client may be stopped now. Owned by backups; implemented where conditions can be evaluated.
//
// Thread safety: any thread; blocks for as long as looking takes, which is bounded.
class StopGate {
 public:
  virtual ~StopGate() = default;
  // Why it must not be stopped; none if all of its conditions are known to hold. `trigger`: who asked for the backup.
  virtual std::optional<std::string> objection(const ClientConfig& client, const std::string& trigger,
                                               std::stop_token stop) = 0;
};

}  // namespace actions::backup

// SPDX-License-Identifier: Apache-2.0
#include "actions/remedy/shipped_gates.h"

#include <array>

namespace actions::remedy {

std::span<const GateConfig> shipped_gates() {
  static const std::array<GateConfig, 4> kGates = {{
      {"finality", "gate:finality:ok == 1"},
      {"participation", "gate:participation:ok == 1"},
      {"no-proposal-ahead", "gate:no_proposal_ahead:ok == 1"},
      {"no-sync-committee", "gate:no_sync_committee:ok == 1"},
  }};
  return kGates;
}

}  // namespace actions::remedy

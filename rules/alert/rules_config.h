// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/table.h"

namespace rules {

enum class Evaluate { kArrival, kInterval };

// `rules`: how rules are evaluated, beyond what Prometheus has words for.
struct RulesConfig {
  Evaluate evaluate = Evaluate::kArrival;
  double arrival_share = 0.01;

  bool operator==(const RulesConfig&) const = default;
  static const core::config::Table<RulesConfig>& fields();
};

inline constexpr core::config::EnumName<Evaluate> kEvaluateNames[] = {{Evaluate::kArrival, "arrival"},
                                                                      {Evaluate::kInterval, "interval"}};

}  // namespace rules

namespace core::config {
template <>
struct Codec<rules::Evaluate> : EnumCodec<rules::Evaluate, rules::kEvaluateNames> {};
}  // namespace core::config

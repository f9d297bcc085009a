// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "rules/alert/alert_sink.h"

namespace agent {

// Writes every change of an alert's state into the log; refreshes are not changes.
//
// Thread safety: any thread.
class AlertLog final : public rules::AlertSink {
 public:
  void on_transitions(std::span<const rules::Transition> transitions) override;
};

}  // namespace agent

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/codec.h"
#include "core/time/clock.h"

namespace actions::receivers {

// A duration as Go writes one: 1m30s, 1.5h, 500ms; a bare number is nanoseconds. Alertmanager reads the `timeout` of
// its receivers this way, and every other duration as Prometheus does.
struct GoDuration {
  core::Millis value{};
  auto operator<=>(const GoDuration&) const = default;
};

}  // namespace actions::receivers

template <>
struct core::config::Codec<actions::receivers::GoDuration> {
  static Result<actions::receivers::GoDuration> read(const Node& node);
  static std::string print(actions::receivers::GoDuration value) { return format_duration(value.value); }
  static TypeDescription describe() { return {"Go duration", {}}; }
};

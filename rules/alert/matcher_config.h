// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "core/config/codec.h"
#include "core/ring/matcher.h"

namespace core::config {

// Alertmanager's syntax: alertname="X".
template <>
struct Codec<std::vector<ring::Matcher>> {
  static Result<std::vector<ring::Matcher>> read(const Node& node);
  static std::string print(const std::vector<ring::Matcher>&) { return ""; }
  static TypeDescription describe() { return {"list of matcher", {}}; }
};

}  // namespace core::config

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <strings.h>

#include <string_view>

namespace collector::probe {

// Names of headers compare without regard to case (RFC 9110, section 5.1).
inline bool same_header_name(std::string_view a, std::string_view b) {
  return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace collector::probe

// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace collector::staking {

// The value of a hexadecimal digit, -1 if it is none.
inline int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

}  // namespace collector::staking

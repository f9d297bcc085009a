// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>

namespace collector::probe {

// Bytes that nobody can guess, for what a reply is told by.
std::string random_bytes(std::size_t count);
template <class T>
T random_number() {
  const std::string bytes = random_bytes(sizeof(T));
  T value{};
  for (const char byte : bytes) value = static_cast<T>(value << 8 | static_cast<unsigned char>(byte));
  return value;
}

}  // namespace collector::probe

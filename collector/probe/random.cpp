// SPDX-License-Identifier: Apache-2.0
#include "collector/probe/random.h"

#include <sys/random.h>

#include "core/check.h"

namespace collector::probe {

std::string random_bytes(std::size_t count) {
  CHECK(count <= 256, "getrandom(2) fills up to 256 bytes at once");
  std::string bytes(count, '\0');
  CHECK(::getrandom(bytes.data(), count, 0) == static_cast<ssize_t>(count), "the kernel has random bytes");
  return bytes;
}

}  // namespace collector::probe

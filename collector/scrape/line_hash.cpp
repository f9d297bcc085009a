// SPDX-License-Identifier: Apache-2.0
#include "collector/scrape/line_hash.h"

#include <random>

namespace collector::scrape {

LineHash::LineHash() {
  std::random_device random;
  for (std::uint64_t& key : keys_) key = static_cast<std::uint64_t>(random()) << 32 | random();
}

}  // namespace collector::scrape

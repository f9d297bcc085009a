// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

namespace rules::promql {

// XXH64 with seed 0, by its published description (doc/xxhash_spec.md of Cyan4973/xxHash). limit_ratio() promises it.
std::uint64_t xxhash64(std::string_view bytes);

}  // namespace rules::promql

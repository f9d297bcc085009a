// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "made_series.h"

namespace oracle {

// The body of a Prometheus remote write request with the samples in [from_ms, to_ms): a protobuf WriteRequest in a
// snappy block. Of all ways into Prometheus only this one takes stale markers.
std::string write_request(std::span<const MadeSeries> series, std::int64_t from_ms, std::int64_t to_ms);

}  // namespace oracle

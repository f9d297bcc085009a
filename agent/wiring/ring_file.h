// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "agent/config/agent_config.h"
#include "core/result.h"
#include "core/ring/mapped_ring.h"

namespace agent {

core::ring::MappedRingOptions ring_options(const RingConfig& config, std::string path);

// Opens the ring in the file, or makes it; the log says how it was found, and what of it was lost. An error leaves the
// file as it is: what is in it may be all that is known of the hours before.
core::Result<std::unique_ptr<core::ring::MappedRing>> open_ring(const RingConfig& config, const std::string& path);

}  // namespace agent

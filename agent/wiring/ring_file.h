// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "agent/config/agent_config.h"
#include "core/result.h"
#include "core/ring/mapped_ring.h"

namespace agent {

core::ring::MappedRingOptions ring_options(const RingConfig& config, std::string path);

// Where the ring's file is: in the folder that is configured, which is made if it is not there, or at its
// usual place in the data folder.
core::Result<std::string> ring_path(const RingConfig& config, const std::string& usual);

// Opens the ring in the file, or makes it; the log says how it was found, and what of it was lost. An error leaves the
// file as it is: what is in it may be all that is known of the hours before.
core::Result<std::unique_ptr<core::ring::MappedRing>> open_ring(const RingConfig& config, const std::string& path);

}  // namespace agent

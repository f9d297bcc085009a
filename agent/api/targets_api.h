// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "agent/api/http_message.h"
#include "collector/scrape/scrape_pools.h"

namespace agent {

// /api/v1/targets, /scrape_pools, /targets/metadata, /metadata.
ApiResponse answer_targets(std::span<const collector::scrape::PoolStatus> pools, const ApiRequest& request);
ApiResponse answer_scrape_pools(std::span<const collector::scrape::PoolStatus> pools);
ApiResponse answer_target_metadata(std::span<const collector::scrape::TargetMetadata> targets,
                                   const ApiRequest& request);
ApiResponse answer_metadata(std::span<const collector::scrape::TargetMetadata> targets, const ApiRequest& request);

}  // namespace agent

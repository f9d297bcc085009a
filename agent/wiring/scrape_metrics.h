// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "agent/api/agent_view.h"
#include "agent/metrics/metric_text.h"
#include "collector/scrape/scrape_loop.h"

namespace agent {

// What the agent says of its targets, its scrapes, what they may take of its memory, and how targets are found.
void append_scrape_metrics(MetricText& text, const AgentView& agent, const collector::scrape::ScrapeStats& stats,
                           const collector::scrape::ScrapeMemory& memory);

}  // namespace agent

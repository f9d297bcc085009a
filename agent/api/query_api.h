// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stop_token>

#include "agent/api/http_message.h"
#include "agent/api/query_gate.h"
#include "core/ring/ring.h"
#include "core/time/clock.h"
#include "rules/promql/engine.h"

namespace agent {

// What the query endpoints read. A request's timeout and lookback_delta override the options, the timeout only
// downwards.
struct QuerySource {
  const core::ring::Reader& reader;
  const core::Clock& clock;
  rules::promql::EngineOptions options;
  std::stop_token stop;  // ends queries when the agent does
  QueryGate& gate;
};

// /api/v1/query, /query_range, /query_exemplars, /format_query, /parse_query: GET or POST with a form body.
//
// Thread safety: any thread.
ApiResponse answer_query(const QuerySource& source, const ApiRequest& request);
ApiResponse answer_query_range(const QuerySource& source, const ApiRequest& request);
ApiResponse answer_format_query(const ApiRequest& request);
ApiResponse answer_query_exemplars(const ApiRequest& request);
ApiResponse answer_parse_query(const ApiRequest& request);

}  // namespace agent

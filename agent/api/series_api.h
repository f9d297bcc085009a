// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "agent/api/http_message.h"
#include "core/ring/ring.h"

namespace agent {

// /api/v1/series, /labels, /label/<name>/values: what is in the ring. GET or POST with a form body; values only GET.
//
// Thread safety: any thread.
ApiResponse answer_series(const core::ring::Reader& reader, const ApiRequest& request);
ApiResponse answer_labels(const core::ring::Reader& reader, const ApiRequest& request);
// `name` as it stands in the path.
ApiResponse answer_label_values(const core::ring::Reader& reader, std::string_view name, const ApiRequest& request);

// A label name behind U__ : _xx_ is a code point in hex, __ an underscore. Anything else stays as it is.
std::string unescape_label_name(std::string_view name);

// /api/v1/status/tsdb: how many series there are, and which names and labels make most of them.
ApiResponse answer_tsdb_status(const core::ring::Reader& reader, const ApiRequest& request);

}  // namespace agent

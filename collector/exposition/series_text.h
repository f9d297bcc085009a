// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "collector/exposition/entry.h"
#include "collector/exposition/lexer.h"
#include "core/ring/labels.h"

namespace collector::exposition {

// Replaces `out` with the labels in the series part of a sample line (name{a="b"}), in the order of the text, the
// metric name first; escapes decoded, empty values and repeated names kept: what they mean is the scrape's business.
// Under a histogram `le`, and under a summary `quantile`, take the form of format_label_float.
// REQUIRES: `series` was returned by a Parser.
void decode_series(std::string_view series, MetricType type, std::vector<core::ring::Label>& out);

// A HELP text without its escapes: \\ and \n, in OpenMetrics \" too; any other escape stays as it is.
std::string decode_help(std::string_view text, Format format);

}  // namespace collector::exposition

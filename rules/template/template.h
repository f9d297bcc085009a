// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "core/ring/labels.h"

// The templates of alert labels and annotations: the subset of Go's text/template that Prometheus documents, with
// Prometheus's functions (RULES_AND_API.md 5).
namespace rules::templates {

// Bounds of one expansion. A template that hits one fails with kLimitExceeded; nothing partial is returned.
struct Limits {
  std::size_t text_bytes = 64 << 10;     // of the template
  std::size_t output_bytes = 256 << 10;  // of the result and of every string on the way
  std::size_t steps = 100'000;           // nodes executed, loop iterations included
  std::size_t nesting = 100;             // of blocks and parentheses in the text, of template calls when running
  std::size_t queries = 32;
};

struct QuerySample {
  core::ring::Labels labels;  // __name__ among them
  double value = 0;
};

// Runs an instant query for the template function `query`.
using QueryFunction = std::function<core::Result<std::vector<QuerySample>>(std::string_view expr)>;

// What a template knows of the alert it is expanded for.
struct AlertContext {
  core::ring::Labels labels;           // .Labels, $labels
  core::ring::Labels external_labels;  // .ExternalLabels, $externalLabels
  std::string external_url;            // .ExternalURL, $externalURL
  double value = 0;                    // .Value, $value
  std::int64_t now_ms = 0;             // what `now` gives: the evaluation slot
};

// Expands `text`. Errors: kInvalid `error parsing template NAME: ...`, kFailed or kLimitExceeded
// `error executing template NAME: ...`. Without `query` the function of that name fails.
//
// Thread safety: any thread; `query` is called on the caller's.
core::Result<std::string> expand(std::string_view text, const AlertContext& data, std::string_view name,
                                 const QueryFunction& query = {}, const Limits& limits = {});

// Whether `text` parses, names only functions there are and variables it has declared: for use when rules are loaded.
core::Result<void> check(std::string_view text, std::string_view name);

}  // namespace rules::templates

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "collector/exposition/parser.h"
#include "collector/scrape/scrape_config.h"
#include "core/result.h"

namespace collector::scrape {

// The Accept header for these formats, most wanted first; kPrometheusProto is not offered, as nothing here reads it.
std::string accept_header(std::span<const Protocol> protocols, Escaping escaping);

// The parser for a body with this Content-Type: its media type decides, and `fallback` where that says nothing known.
// kInvalid in Prometheus's words.
core::Result<exposition::Format> choose_format(std::string_view content_type, std::optional<Protocol> fallback);

}  // namespace collector::scrape

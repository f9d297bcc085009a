// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "core/net/url.h"

namespace collector::probe {

// Where a Location header leads from `base`: RFC 3986, section 5.2.
core::Result<core::net::Url> resolve_reference(const core::net::Url& base, std::string_view reference);

// Whether `host` is `parent` or a name below it; an address is below nothing.
bool is_within(std::string_view host, std::string_view parent);

}  // namespace collector::probe

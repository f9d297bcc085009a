// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "agent/api/http_message.h"

namespace agent {

// Whether a request that changes something may come from another host.
enum class RemoteChanges { kRefused, kAllowed };

// Why a request that changes something is refused; none if it may pass. The API has no login, so it must not serve as
// the hands of a web page that someone on this host happens to look at: a browser's request is taken only from our own
// page (Sec-Fetch-Site and Origin, as the Fetch standard sends them), addressed to us by a name no foreign site can
// own.
std::optional<std::string> refusal_of_change(const ApiRequest& request, RemoteChanges remote);

// True for a Host header that names this host by address or by a name without a dot (localhost, or a neighbour's); a
// foreign site's name that resolves to us (DNS rebinding) is none of these.
bool is_own_host(std::string_view host_header);

}  // namespace agent

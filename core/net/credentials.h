// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "core/net/http_client.h"
#include "core/result.h"

namespace core::net {

// What a request carries, with every file read.
struct ResolvedCredentials {
  bool basic = false;
  std::string username;
  std::string password;
  std::string authorization;  // value of the header, empty if none
};

// Reads the files of `credentials` now. A missing, oversized or unreadable file is kUnavailable: it may be in the
// middle of a rotation.
Result<ResolvedCredentials> resolve_credentials(const Credentials& credentials);

}  // namespace core::net

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "core/net/tls_context.h"

struct x509_st;
struct asn1_string_st;

namespace core::net {

// For the files that speak OpenSSL.
Certificate describe_certificate(const x509_st& certificate);
std::int64_t unix_seconds(const asn1_string_st& time);

}  // namespace core::net

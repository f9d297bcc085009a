// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/net/dns_client.h"
#include "core/result.h"

namespace core::net {

// An answer of a name server (RFC 1035, section 4).
struct DnsReply {
  std::uint16_t id = 0;
  bool truncated = false;
  int code = 0;                    // 0 no error, 3 no such name
  std::string name;                // of the question, in lower case, with a dot at the end
  DnsType type{};                  // of the question
  std::vector<DnsRecord> answers;  // of the types that DnsType knows
};

inline constexpr int kDnsNoError = 0;
inline constexpr int kDnsNoSuchName = 3;

// A question for `name`, which ends with a dot. kInvalid for a name that cannot be asked for.
Result<std::string> encode_dns_query(std::uint16_t id, std::string_view name, DnsType type);

// kInvalid for anything that is no whole answer to one question.
Result<DnsReply> parse_dns_reply(std::string_view bytes);

}  // namespace core::net

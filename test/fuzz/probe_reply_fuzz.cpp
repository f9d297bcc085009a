// SPDX-License-Identifier: Apache-2.0
// Whatever comes back from a name server, a time server, a pinged host or a gRPC server is data or an error, never a
// crash or a loop; and what was read of DNS is printed within bounds.
#include <cstdint>
#include <string_view>

#include "collector/probe/dns_message.h"
#include "collector/probe/grpc_message.h"
#include "collector/probe/icmp_message.h"
#include "collector/probe/ntp_message.h"
#include "collector/probe/resolver.h"
#include "core/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace collector::probe;
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  // A printed record is at most its data four times over, and a few names: RFC 1035 bounds those at 255 bytes.
  constexpr std::size_t kNamesMax = 16 * 1024;
  if (const auto message = dns::decode(text)) {
    for (const auto& record : message->answer) {
      CHECK(record.to_string().size() <= 8 * record.data.size() + kNamesMax, "printing a record is bounded");
      static_cast<void>(dns::soa_serial(record));
      if (record.type == dns::kTypeCname)
        CHECK(dns::encode_name(record.presentation).has_value(), "a printed name reads");
    }
  }
  if (const auto reply = ntp::decode_reply(text, 0)) {
    static_cast<void>(ntp::reference_text(*reply));
    static_cast<void>(ntp::seconds_from(core::from_unix_ms(0), reply->received));
  }
  static_cast<void>(icmp::decode_reply(text, false));
  if (const auto inner = icmp::without_ip_header(text)) static_cast<void>(icmp::decode_reply(*inner, true));
  static_cast<void>(grpc::decode_response(text));
  static_cast<void>(parse_resolver_config(text));
  static_cast<void>(parse_hosts(text));
  return 0;
}

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/result.h"
#include "core/time/clock.h"

namespace core::net {

class IoLoop;

// Record types by their numbers on the wire.
enum class DnsType : std::uint16_t { kA = 1, kNs = 2, kCname = 5, kMx = 15, kAaaa = 28, kSrv = 33 };

struct DnsRecord {
  std::string name;
  DnsType type{};
  std::string value;  // an address, or a name with the dot at its end
  std::uint16_t port = 0;
  std::uint16_t priority = 0;
  std::uint16_t weight = 0;
  std::uint32_t ttl_seconds = 0;
  bool operator==(const DnsRecord&) const = default;
};

struct DnsClientOptions {
  std::string resolver_file = "/etc/resolv.conf";  // read at every look-up
  std::uint16_t port = 53;
  Duration timeout = std::chrono::seconds(2);  // of one server's answer
};

// Asks the name servers of the resolver's configuration for records of one type.
//
// The search list and ndots apply as in miekg/dns: the first name that any server answers for, even with nothing, is
// the answer. If no server knows any of the names there are no records; kUnavailable if one of them could not be told.
//
// Thread safety: confined to the loop's thread; `done` is called there, exactly once, never inside look_up().
// Destroying the client drops every look-up without calling back.
class DnsClient {
 public:
  virtual ~DnsClient() = default;
  virtual void look_up(const std::string& name, DnsType type,
                       std::function<void(Result<std::vector<DnsRecord>>)> done) = 0;
};

// UDP, and TCP where an answer does not fit.
std::unique_ptr<DnsClient> make_dns_client(IoLoop& loop, DnsClientOptions options = {});

}  // namespace core::net

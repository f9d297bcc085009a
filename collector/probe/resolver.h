// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "collector/probe/address.h"
#include "collector/probe/dns_message.h"
#include "core/task.h"
#include "core/time/clock.h"

namespace core::net {
class IoLoop;
}

namespace collector::probe {

struct ResolverOptions {
  std::string configuration = "/etc/resolv.conf";
  std::string hosts = "/etc/hosts";
  std::uint16_t port = 53;
};

// Which families are asked for.
enum class Families { kV4, kV6, kBoth };

// What /etc/resolv.conf says (resolv.conf(5)).
struct ResolverConfig {
  std::vector<Address> servers;
  std::vector<std::string> search;
  int dots = 1;
  core::Duration timeout = std::chrono::seconds(5);
  int attempts = 2;
};
ResolverConfig parse_resolver_config(std::string_view text);
// Name in lower case -> its addresses in the order of the file.
std::map<std::string, std::vector<Address>, std::less<>> parse_hosts(std::string_view text);

// Looks names up without a thread and without a cache: in the hosts file, then by asking the name servers of
// resolv.conf over UDP, and TCP where an answer is too long. nsswitch.conf is not looked at. Tells "there is no such
// name" from "nobody could say".
//
// Thread safety: confined to the loop's thread.
class Resolver {
 public:
  Resolver(core::net::IoLoop& loop, const core::Clock& clock, ResolverOptions options = {});

  // The addresses of a name, A and AAAA each in the order they came; a literal address is itself. Failures:
  // kDnsNotFound, kResolver, kNoDescriptors; a name without addresses is an empty list.
  core::Task<Outcome<std::vector<Address>>> lookup(std::string name, Families families, core::SteadyTime deadline);

 private:
  struct Answers {
    std::vector<Address> addresses;
    bool exists = false;
    std::string problem;  // why nobody could say; empty if somebody could
  };
  struct FileMark {
    timespec changed{};
    off_t size = -1;
  };

  void refresh();
  static bool changed(const std::string& path, FileMark& mark);
  std::vector<std::string> candidates(const std::string& name) const;
  core::Task<Outcome<Answers>> ask_all(std::string name, Families families, core::SteadyTime deadline);
  core::Task<Outcome<std::vector<dns::Message>>> ask(Address server, std::string name, Families families,
                                                     core::SteadyTime until);
  core::Task<Outcome<dns::Message>> ask_over_tcp(Address server, dns::Question question, core::SteadyTime until);

  core::net::IoLoop& loop_;
  const core::Clock& clock_;
  ResolverOptions options_;
  FileMark configuration_mark_;
  FileMark hosts_mark_;
  ResolverConfig config_;
  std::map<std::string, std::vector<Address>, std::less<>> hosts_;
};

}  // namespace collector::probe

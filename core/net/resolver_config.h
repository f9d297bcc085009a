// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace core::net {

// What of resolv.conf(5) a look-up needs.
struct ResolverConfig {
  std::vector<std::string> servers;  // addresses; the machine itself if none is named
  std::vector<std::string> search;   // domains without a dot at the end
  int ndots = 1;
};

// Reads what it knows and passes over the rest, as resolvers do.
ResolverConfig parse_resolver_config(std::string_view text);
// Of a file that cannot be read: the machine itself.
ResolverConfig read_resolver_config(const std::string& path);

// The full names to ask for, in order, each with a dot at its end.
std::vector<std::string> names_to_ask(const std::string& name, const ResolverConfig& config);

}  // namespace core::net

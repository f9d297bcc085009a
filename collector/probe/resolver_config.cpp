// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "collector/probe/ascii_case.h"
#include "collector/probe/resolver.h"

namespace collector::probe {
namespace {

// resolv.conf(5): MAXNS, and the caps of glibc on the options.
constexpr std::size_t kServersMax = 3;
constexpr std::size_t kSearchMax = 32;
constexpr int kDotsMax = 15;
constexpr int kTimeoutSecondsMax = 30;
constexpr int kAttemptsMax = 5;
// Names of a hosts file that are kept: block lists have some hundred thousand lines, and are of no use here.
constexpr std::size_t kHostsMax = 10'000;

std::vector<std::string_view> words(std::string_view line) {
  std::vector<std::string_view> result;
  constexpr std::string_view kBlanks = " \t\r";
  while (true) {
    const std::size_t first = line.find_first_not_of(kBlanks);
    if (first == std::string_view::npos) return result;
    line.remove_prefix(first);
    const std::size_t size = std::min(line.find_first_of(kBlanks), line.size());
    result.push_back(line.substr(0, size));
    line.remove_prefix(size);
  }
}

template <class Line>
void for_each_line(std::string_view text, const Line& take) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    take(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

void take_option(std::string_view option, ResolverConfig& config) {
  const std::size_t colon = option.find(':');
  if (colon == std::string_view::npos) return;
  int value = 0;
  const std::string_view digits = option.substr(colon + 1);
  const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (problem != std::errc() || end != digits.data() + digits.size()) return;
  const std::string_view name = option.substr(0, colon);
  if (name == "ndots") config.dots = std::clamp(value, 0, kDotsMax);
  if (name == "timeout") config.timeout = std::chrono::seconds(std::clamp(value, 1, kTimeoutSecondsMax));
  if (name == "attempts") config.attempts = std::clamp(value, 1, kAttemptsMax);
}

// Without a search list the domain of the host's own name serves.
std::vector<std::string> own_domain() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return {};
  const std::string_view text = name.data();
  const std::size_t dot = text.find('.');
  if (dot == std::string_view::npos || dot + 1 == text.size()) return {};
  return {std::string(text.substr(dot + 1))};
}

}  // namespace

ResolverConfig parse_resolver_config(std::string_view text) {
  ResolverConfig config;
  bool searched = false;
  for_each_line(text, [&](std::string_view line) {
    if (line.starts_with('#') || line.starts_with(';')) return;
    const std::vector<std::string_view> parts = words(line);
    if (parts.size() < 2) return;
    if (parts[0] == "nameserver") {
      const auto address = Address::parse(parts[1]);
      if (address && config.servers.size() < kServersMax) config.servers.push_back(*address);
    } else if (parts[0] == "search" || parts[0] == "domain") {
      searched = true;
      config.search.clear();
      for (std::size_t i = 1; i < parts.size() && i <= kSearchMax; ++i) config.search.emplace_back(parts[i]);
    } else if (parts[0] == "options") {
      for (std::size_t i = 1; i < parts.size(); ++i) take_option(parts[i], config);
    }
  });
  if (config.servers.empty()) config.servers.push_back(*Address::parse("127.0.0.1"));
  if (!searched) config.search = own_domain();
  return config;
}

std::map<std::string, std::vector<Address>, std::less<>> parse_hosts(std::string_view text) {
  std::map<std::string, std::vector<Address>, std::less<>> hosts;
  for_each_line(text, [&](std::string_view line) {
    const std::vector<std::string_view> parts = words(line.substr(0, line.find('#')));
    if (parts.size() < 2) return;
    const auto address = Address::parse(parts[0]);
    if (!address) return;
    for (std::size_t i = 1; i < parts.size() && hosts.size() < kHostsMax; ++i) {
      hosts[ascii_lower(parts[i])].push_back(*address);
    }
  });
  return hosts;
}

}  // namespace collector::probe

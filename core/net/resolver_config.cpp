// SPDX-License-Identifier: Apache-2.0
#include "core/net/resolver_config.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>

namespace core::net {
namespace {

// resolv.conf(5): ndots is capped at 15. glibc takes three servers; more do no harm.
constexpr int kNdotsMax = 15;
constexpr std::size_t kServersMax = 16;
constexpr std::size_t kSearchMax = 32;
constexpr std::size_t kFileBytesMax = 64 << 10;

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream in(line);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

}  // namespace

ResolverConfig parse_resolver_config(std::string_view text) {
  ResolverConfig config;
  std::istringstream in{std::string(text)};
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with('#') || line.starts_with(';')) continue;
    const std::vector<std::string> words = words_of(line);
    if (words.size() < 2) continue;
    if (words[0] == "nameserver" && config.servers.size() < kServersMax) {
      config.servers.push_back(words[1]);
    } else if (words[0] == "domain") {
      config.search = {words[1]};
    } else if (words[0] == "search") {
      config.search.assign(words.begin() + 1,
                           words.begin() + static_cast<std::ptrdiff_t>(std::min(words.size(), kSearchMax + 1)));
    } else if (words[0] == "options") {
      for (const std::string& word : words) {
        if (!word.starts_with("ndots:")) continue;
        int ndots = 1;
        std::from_chars(word.data() + 6, word.data() + word.size(), ndots);
        config.ndots = std::clamp(ndots, 0, kNdotsMax);
      }
    }
  }
  for (std::string& domain : config.search) {
    if (domain.ends_with('.')) domain.pop_back();
  }
  if (config.servers.empty()) config.servers.emplace_back("127.0.0.1");
  return config;
}

ResolverConfig read_resolver_config(const std::string& path) {
  std::string text(kFileBytesMax, '\0');
  std::ifstream file(path, std::ios::binary);
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  return parse_resolver_config(text);
}

std::vector<std::string> names_to_ask(const std::string& name, const ResolverConfig& config) {
  if (name.ends_with('.')) return {name};
  std::vector<std::string> names;
  const bool dotted = std::count(name.begin(), name.end(), '.') >= config.ndots;
  if (dotted) names.push_back(name + '.');
  for (const std::string& domain : config.search) {
    names.push_back(domain.empty() ? name + '.' : name + '.' + domain + '.');
  }
  if (!dotted) names.push_back(name + '.');
  return names;
}

}  // namespace core::net

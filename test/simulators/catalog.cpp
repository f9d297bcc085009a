// SPDX-License-Identifier: Apache-2.0
#include "test/simulators/catalog.h"

#include <sstream>

namespace simulators {

namespace {

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

}  // namespace

std::vector<Family> parse_catalog(std::string_view table) {
  std::vector<Family> families;
  for (const std::string& line : split(std::string(table), '\n')) {
    const std::vector<std::string> words = split(line, ' ');
    if (words.size() < 2) continue;
    Family family{words[0], words[1], {}};
    for (std::size_t i = 2; i < words.size(); ++i) {
      const std::size_t equals = words[i].find('=');
      family.labels.emplace_back(words[i].substr(0, equals), split(words[i].substr(equals + 1), ','));
    }
    families.push_back(std::move(family));
  }
  return families;
}

}  // namespace simulators

// SPDX-License-Identifier: Apache-2.0
#include "agent/api/http_message.h"

#include <algorithm>
#include <cctype>
#include <optional>

namespace agent {
namespace {

// A bound on what one request may make us hold; Prometheus's own clients send a handful.
constexpr std::size_t kMaxParameters = 1000;

std::optional<int> hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return std::nullopt;
}

enum class PlusMeans { kPlus, kSpace };

std::string percent_decode(std::string_view text, PlusMeans plus) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      const auto high = hex_digit(text[i + 1]);
      const auto low = hex_digit(text[i + 2]);
      if (high && low) {
        decoded += static_cast<char>(*high * 16 + *low);
        i += 2;
        continue;
      }
    }
    decoded += text[i] == '+' && plus == PlusMeans::kSpace ? ' ' : text[i];
  }
  return decoded;
}

bool equal_names(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

}  // namespace

Parameters::Parameters(std::string_view query, std::string_view body) {
  for (std::string_view rest : {body, query}) {
    while (!rest.empty() && pairs_.size() < kMaxParameters) {
      const std::size_t end = std::min(rest.find('&'), rest.size());
      const std::string_view part = rest.substr(0, end);
      rest.remove_prefix(std::min(end + 1, rest.size()));
      if (part.empty()) continue;
      const std::size_t equals = std::min(part.find('='), part.size());
      const std::string_view value = part.substr(std::min(equals + 1, part.size()));
      pairs_.emplace_back(percent_decode(part.substr(0, equals), PlusMeans::kSpace),
                          percent_decode(value, PlusMeans::kSpace));
    }
  }
}

bool Parameters::has(std::string_view name) const {
  return std::ranges::any_of(pairs_, [name](const auto& pair) { return pair.first == name; });
}

std::string_view Parameters::get(std::string_view name) const {
  const auto pair = std::ranges::find_if(pairs_, [name](const auto& each) { return each.first == name; });
  return pair == pairs_.end() ? std::string_view() : std::string_view(pair->second);
}

std::vector<std::string> Parameters::all(std::string_view name) const {
  std::vector<std::string> values;
  for (const auto& [key, value] : pairs_) {
    if (key == name) values.push_back(value);
  }
  return values;
}

std::string decode_path(std::string_view text) { return percent_decode(text, PlusMeans::kPlus); }

std::string_view ApiRequest::header(std::string_view name) const {
  const auto found = std::ranges::find_if(headers, [name](const auto& each) { return equal_names(each.first, name); });
  return found == headers.end() ? std::string_view() : std::string_view(found->second);
}

ApiResponse plain_text(int status, std::string body) {
  return {.status = status, .content_type = "text/plain; charset=utf-8", .body = std::move(body), .headers = {}};
}

}  // namespace agent

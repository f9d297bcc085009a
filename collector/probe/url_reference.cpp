// SPDX-License-Identifier: Apache-2.0
#include "collector/probe/url_reference.h"

#include <cctype>
#include <vector>

#include "collector/probe/address.h"

namespace collector::probe {
namespace {

bool has_scheme(std::string_view reference) {
  const std::size_t colon = reference.find(':');
  if (colon == std::string_view::npos || colon == 0 || colon > reference.find_first_of("/?#")) return false;
  for (const char c : reference.substr(0, colon)) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '+' && c != '-' && c != '.') return false;
  }
  return true;
}

// RFC 3986, section 5.2.4.
std::string without_dot_segments(std::string_view path) {
  std::vector<std::string_view> kept;
  bool slash_at_end = false;
  while (!path.empty()) {
    path.remove_prefix(1);  // the slash
    const std::size_t size = std::min(path.find('/'), path.size());
    const std::string_view segment = path.substr(0, size);
    path.remove_prefix(size);
    slash_at_end = segment == "." || segment == "..";
    if (segment == "..") {
      if (!kept.empty()) kept.pop_back();
    } else if (segment != ".") {
      kept.push_back(segment);
    }
  }
  std::string result;
  for (const std::string_view segment : kept) result.append("/").append(segment);
  if (slash_at_end || result.empty()) result += '/';
  return result;
}

}  // namespace

core::Result<core::net::Url> resolve_reference(const core::net::Url& base, std::string_view reference) {
  reference = reference.substr(0, reference.find('#'));
  if (has_scheme(reference)) return core::net::parse_url(reference);
  if (reference.starts_with("//")) return core::net::parse_url(base.scheme + ":" + std::string(reference));
  core::net::Url target = base;
  if (reference.empty()) return target;
  const std::size_t question = reference.find('?');
  const std::string_view path = reference.substr(0, question);
  target.query = question == std::string_view::npos ? "" : std::string(reference.substr(question + 1));
  if (path.starts_with('/')) {
    target.path = without_dot_segments(path);
  } else if (!path.empty()) {
    target.path = without_dot_segments(base.path.substr(0, base.path.rfind('/') + 1) + std::string(path));
  }
  // Once more through the parser, for characters that no URL has.
  return core::net::parse_url(target.to_string());
}

bool is_within(std::string_view host, std::string_view parent) {
  if (host == parent) return true;
  if (Address::parse(host) || !host.ends_with(parent)) return false;
  return host.size() > parent.size() && host[host.size() - parent.size() - 1] == '.';
}

}  // namespace collector::probe

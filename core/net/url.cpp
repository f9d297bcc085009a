// SPDX-License-Identifier: Apache-2.0
#include "core/net/url.h"

#include <algorithm>
#include <charconv>

namespace core::net {

namespace {

bool is_alphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

void append_escaped(std::string& out, char c) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  const auto byte = static_cast<unsigned char>(c);
  out += '%';
  out += kDigits[byte >> 4];
  out += kDigits[byte & 15];
}

std::string escape(std::string_view text, std::string_view bare) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (is_alphanumeric(c) || bare.find(c) != std::string_view::npos) {
      out += c;
    } else {
      append_escaped(out, c);
    }
  }
  return out;
}

Result<void> split_port(std::string_view text, std::string_view port, Url& url) {
  unsigned number = 0;
  const auto [end, failure] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (failure != std::errc() || end != port.data() + port.size() || number == 0 || number > 65535) {
    return fail(Errc::kInvalid, "\"{}\": port \"{}\" is not a number from 1 to 65535", redact_url(text), port);
  }
  url.port = static_cast<std::uint16_t>(number);
  url.has_port = true;
  return {};
}

Result<void> split_authority(std::string_view text, std::string_view authority, Url& url) {
  const std::size_t at = authority.rfind('@');
  if (at != std::string_view::npos) {
    url.userinfo = authority.substr(0, at);
    authority.remove_prefix(at + 1);
  }
  std::string_view host = authority;
  std::string_view rest;
  if (authority.starts_with('[')) {
    const std::size_t bracket = authority.find(']');
    if (bracket == std::string_view::npos) {
      return fail(Errc::kInvalid, "\"{}\": '[' without ']' in the host", redact_url(text));
    }
    host = authority.substr(1, bracket - 1);
    rest = authority.substr(bracket + 1);
    if (host.find_first_not_of("0123456789abcdefABCDEF:.%") != std::string_view::npos && !host.starts_with("fe80:")) {
      return fail(Errc::kInvalid, "\"{}\": \"{}\" is not an IPv6 address", redact_url(text), host);
    }
  } else if (const std::size_t colon = authority.find(':'); colon != std::string_view::npos) {
    host = authority.substr(0, colon);
    rest = authority.substr(colon);
  }
  if (host.empty()) return fail(Errc::kInvalid, "\"{}\": no host in the URL", redact_url(text));
  if (!authority.starts_with('[')) {
    const bool strange = std::any_of(host.begin(), host.end(), [](char c) {
      return static_cast<unsigned char>(c) < 0x80 && !is_alphanumeric(c) && c != '-' && c != '.' && c != '_';
    });
    if (strange) return fail(Errc::kInvalid, "\"{}\": \"{}\" is not a valid host name", redact_url(text), host);
  }
  url.host = lower_case(host);
  if (rest.empty() || rest == ":") return {};
  if (rest.front() != ':') {
    return fail(Errc::kInvalid, "\"{}\": expected ':' and a port after the host", redact_url(text));
  }
  return split_port(text, rest.substr(1), url);
}

}  // namespace

std::string Url::authority() const {
  std::string out = host.find(':') == std::string::npos ? host : "[" + host + "]";
  if (has_port) out += ":" + std::to_string(port);
  return out;
}

std::string Url::to_string() const {
  std::string out = scheme + "://";
  if (!userinfo.empty()) out += userinfo + "@";
  out += authority() + path;
  if (!query.empty()) out += "?" + query;
  return out;
}

Result<Url> parse_url(std::string_view text) {
  const bool has_blank = std::any_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) <= ' ' || static_cast<unsigned char>(c) == 0x7f;
  });
  if (has_blank) return fail(Errc::kInvalid, "\"{}\": blank or control character in the URL", redact_url(text));
  const std::size_t colon = text.find("://");
  Url url;
  url.scheme = colon == std::string_view::npos ? "" : lower_case(text.substr(0, colon));
  if (url.scheme != "http" && url.scheme != "https") {
    return fail(Errc::kInvalid, "\"{}\": unsupported protocol scheme \"{}\", expected http:// or https://",
                redact_url(text), url.scheme);
  }
  url.port = url.scheme == "http" ? 80 : 443;
  std::string_view rest = text.substr(colon + 3);
  rest = rest.substr(0, rest.find('#'));
  const std::size_t authority_end = std::min(rest.find_first_of("/?"), rest.size());
  if (auto split = split_authority(text, rest.substr(0, authority_end), url); !split) return fail(split.error());
  rest.remove_prefix(authority_end);
  const std::size_t question = std::min(rest.find('?'), rest.size());
  url.path = rest.substr(0, question);
  if (url.path.empty()) url.path = "/";
  if (question < rest.size()) url.query = rest.substr(question + 1);
  return url;
}

std::string redact_url(std::string_view text) {
  const std::size_t scheme_end = text.find("://");
  if (scheme_end == std::string_view::npos) return std::string(text);
  const std::size_t start = scheme_end + 3;
  const std::size_t end = std::min(text.find_first_of("/?#", start), text.size());
  const std::size_t at = text.substr(0, end).rfind('@');
  const std::size_t colon = text.find(':', start);
  if (at == std::string_view::npos || at < start || colon == std::string_view::npos || colon > at) {
    return std::string(text);
  }
  return std::string(text.substr(0, colon + 1)) + "***" + std::string(text.substr(at));
}

std::string escape_query(std::string_view text) {
  std::string out = escape(text, "-_.~ ");
  std::replace(out.begin(), out.end(), ' ', '+');
  return out;
}

std::string escape_path(std::string_view text) { return escape(text, "/-_.~$&+,:;=@!'()*"); }

std::string build_query(std::vector<std::pair<std::string, std::string>> parameters) {
  std::stable_sort(parameters.begin(), parameters.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::string out;
  for (const auto& [key, value] : parameters) {
    if (!out.empty()) out += '&';
    out += escape_query(key) + "=" + escape_query(value);
  }
  return out;
}

}  // namespace core::net

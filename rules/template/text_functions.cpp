// SPDX-License-Identifier: Apache-2.0
#include "rules/template/text_functions.h"

#include <arpa/inet.h>
#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <optional>
#include <vector>

#include "rules/promql/characters.h"

namespace rules::templates {
namespace {

using core::Errc;
using core::fail;
using promql::is_alphanumeric;
using promql::is_digit;
using promql::Rune;
using promql::rune_at;

core::Result<std::unique_ptr<re2::RE2>> compile(std::string_view pattern) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  auto regex = std::make_unique<re2::RE2>(re2::StringPiece(pattern.data(), pattern.size()), options);
  if (!regex->ok()) return fail(Errc::kInvalid, "error parsing regexp: {}", regex->error());
  return regex;
}

// Appends what `$name`, `${name}` or `$$` at the start of `rest` stands for, and moves past it.
void expand_reference(const re2::RE2& regex, const std::vector<re2::StringPiece>& groups, std::string_view& rest,
                      std::string& out) {
  rest.remove_prefix(1);
  if (rest.starts_with('$')) {
    out += '$';
    rest.remove_prefix(1);
    return;
  }
  const bool braces = rest.starts_with('{');
  std::size_t end = braces ? 1 : 0;
  const std::size_t start = end;
  while (end < rest.size() && is_alphanumeric(rest[end])) ++end;
  if (end == start || (braces && (end == rest.size() || rest[end] != '}'))) {
    out += '$';
    return;
  }
  const std::string name(rest.substr(start, end - start));
  rest.remove_prefix(end + (braces ? 1 : 0));
  std::size_t group = groups.size();
  if (std::all_of(name.begin(), name.end(), is_digit)) {
    std::from_chars(name.data(), name.data() + name.size(), group);
  } else if (const auto found = regex.NamedCapturingGroups().find(name); found != regex.NamedCapturingGroups().end()) {
    group = static_cast<std::size_t>(found->second);
  }
  if (group < groups.size() && groups[group].data() != nullptr) out.append(groups[group].data(), groups[group].size());
}

void expand(const re2::RE2& regex, const std::vector<re2::StringPiece>& groups, std::string_view replacement,
            std::string& out) {
  while (!replacement.empty()) {
    const std::size_t dollar = std::min(replacement.find('$'), replacement.size());
    out += replacement.substr(0, dollar);
    replacement.remove_prefix(dollar);
    if (!replacement.empty()) expand_reference(regex, groups, replacement, out);
  }
}

// Letters whose cases differ by a constant: Latin, Greek and Cyrillic, which is what host and team names are written
// in; others stay as they are.
struct CaseRange {
  char32_t first_lower;
  char32_t last_lower;
  char32_t distance;
};
constexpr std::array<CaseRange, 6> kCases = {
    {{'a', 'z', 32}, {0xE0, 0xF6, 32}, {0xF8, 0xFE, 32}, {0x3B1, 0x3C9, 32}, {0x430, 0x44F, 32}, {0x450, 0x45F, 80}}};
constexpr char32_t kFinalSigma = 0x3C2;

char32_t upper(char32_t code) {
  if (code == kFinalSigma) return 0x3A3;
  for (const CaseRange& range : kCases) {
    if (code >= range.first_lower && code <= range.last_lower) return code - range.distance;
  }
  return code;
}

char32_t lower(char32_t code) {
  if (code == kFinalSigma - 32) return code;  // not assigned
  for (const CaseRange& range : kCases) {
    if (code + range.distance >= range.first_lower && code + range.distance <= range.last_lower) {
      return code + range.distance;
    }
  }
  return code;
}

template <class Change>
std::string mapped(std::string_view text, Change change) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const Rune rune = rune_at(text, at);
    if (rune.valid) {
      promql::append_utf8(out, change(rune.code));
    } else {
      out += text[at];
    }
    at += rune.bytes;
  }
  return out;
}

struct HostPort {
  std::string_view host;
  std::string_view port;
};

// host:port or [address]:port; nothing else.
std::optional<HostPort> split_host_port(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[')) {
    if (!host.ends_with(']')) return std::nullopt;
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return std::nullopt;
  }
  if (host.find_first_of("[]") != std::string_view::npos) return std::nullopt;
  return HostPort{host, text.substr(colon + 1)};
}

bool is_address(std::string_view host) {
  std::array<unsigned char, sizeof(in6_addr)> buffer{};
  const std::string text(host);
  return inet_pton(AF_INET, text.c_str(), buffer.data()) == 1 || inet_pton(AF_INET6, text.c_str(), buffer.data()) == 1;
}

template <std::size_t N>
std::string escaped(std::string_view text, const std::array<std::pair<char, std::string_view>, N>& table) {
  std::string out;
  for (const char c : text) {
    const auto* const found = std::find_if(table.begin(), table.end(), [c](const auto& row) { return row.first == c; });
    if (found == table.end()) {
      out += c;
    } else {
      out += found->second;
    }
  }
  return out;
}

}  // namespace

core::Result<bool> matches_anywhere(std::string_view pattern, std::string_view text) {
  const auto regex = compile(pattern);
  if (!regex) return fail(regex.error());
  return re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), **regex);
}

core::Result<std::string> replace_all(std::string_view pattern, std::string_view replacement, std::string_view text,
                                      std::size_t max_bytes) {
  const auto regex = compile(pattern);
  if (!regex) return fail(regex.error());
  std::vector<re2::StringPiece> groups(static_cast<std::size_t>((*regex)->NumberOfCapturingGroups()) + 1);
  const re2::StringPiece input(text.data(), text.size());
  std::string out;
  std::size_t copied = 0;
  for (std::size_t at = 0; at <= text.size();) {
    const bool found =
        (*regex)->Match(input, at, text.size(), re2::RE2::UNANCHORED, groups.data(), static_cast<int>(groups.size()));
    if (!found) break;
    const auto start = static_cast<std::size_t>(groups[0].data() - text.data());
    const std::size_t end = start + groups[0].size();
    out += text.substr(copied, start - copied);
    // An empty match right after a match is not one of its own.
    if (end > copied || start == 0) expand(**regex, groups, replacement, out);
    if (out.size() > max_bytes) return fail(Errc::kLimitExceeded, "result is longer than {} bytes", max_bytes);
    copied = end;
    at = std::max(end, at + std::max<std::size_t>(rune_at(text, at).bytes, 1));
  }
  if (copied < text.size()) out += text.substr(copied);
  return out;
}

std::string to_upper(std::string_view text) { return mapped(text, upper); }
std::string to_lower(std::string_view text) { return mapped(text, lower); }

std::string to_title(std::string_view text) {
  bool in_word = false;
  return mapped(text, [&in_word](char32_t code) {
    // Letters, digits and underscores make words; of what is not ASCII, spaces alone end one.
    const bool part = code < 0x80 ? is_alphanumeric(static_cast<char>(code)) : code != 0xA0 && code != 0x3000;
    const char32_t written = part && !in_word ? upper(code) : code;
    in_word = part;
    return written;
  });
}

std::string strip_port(std::string_view host_port) {
  const auto split = split_host_port(host_port);
  return std::string(split ? split->host : host_port);
}

std::string strip_domain(std::string_view host_port) {
  const auto split = split_host_port(host_port);
  const std::string_view host = split ? split->host : host_port;
  if (is_address(host)) return std::string(host_port);
  std::string name(host.substr(0, host.find('.')));
  if (split && !split->port.empty()) name += ":" + std::string(split->port);
  return name;
}

std::string query_escape(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (is_alphanumeric(c) || c == '-' || c == '.' || c == '~') {
      out += c;
    } else if (c == ' ') {
      out += '+';
    } else {
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out;
}

std::string html_escape(std::string_view text) {
  constexpr std::array<std::pair<char, std::string_view>, 6> kTable = {
      {{'"', "&#34;"}, {'\'', "&#39;"}, {'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'\0', "\xEF\xBF\xBD"}}};
  return escaped(text, kTable);
}

std::string js_escape(std::string_view text) {
  constexpr std::array<std::pair<char, std::string_view>, 10> kTable = {{{'\\', "\\\\"},
                                                                         {'\'', "\\'"},
                                                                         {'"', "\\\""},
                                                                         {'<', "\\u003C"},
                                                                         {'>', "\\u003E"},
                                                                         {'&', "\\u0026"},
                                                                         {'=', "\\u003D"},
                                                                         {'\n', "\\u000A"},
                                                                         {'\r', "\\u000D"},
                                                                         {'\t', "\\u0009"}}};
  return escaped(text, kTable);
}

std::string path_of_url(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme != std::string_view::npos) url.remove_prefix(scheme + 3);
  const std::size_t slash = url.find('/');
  if (slash == std::string_view::npos) return "";
  const std::string_view path = url.substr(slash);
  return std::string(path.substr(0, path.find_first_of("?#")));
}

}  // namespace rules::templates

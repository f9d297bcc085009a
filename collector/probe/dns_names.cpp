// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "collector/probe/dns_message.h"

namespace collector::probe::dns {
namespace {

struct Mnemonic {
  std::string_view name;
  std::uint16_t number;
};

// https://www.iana.org/assignments/dns-parameters, the types that are in use.
constexpr std::array<Mnemonic, 50> kTypes = {{
    {"A", 1},           {"NS", 2},      {"CNAME", 5},   {"SOA", 6},     {"NULL", 10},  {"PTR", 12},
    {"HINFO", 13},      {"MX", 15},     {"TXT", 16},    {"RP", 17},     {"AFSDB", 18}, {"SIG", 24},
    {"KEY", 25},        {"AAAA", 28},   {"LOC", 29},    {"SRV", 33},    {"NAPTR", 35}, {"KX", 36},
    {"CERT", 37},       {"DNAME", 39},  {"OPT", 41},    {"APL", 42},    {"DS", 43},    {"SSHFP", 44},
    {"IPSECKEY", 45},   {"RRSIG", 46},  {"NSEC", 47},   {"DNSKEY", 48}, {"DHCID", 49}, {"NSEC3", 50},
    {"NSEC3PARAM", 51}, {"TLSA", 52},   {"SMIMEA", 53}, {"HIP", 55},    {"CDS", 59},   {"CDNSKEY", 60},
    {"OPENPGPKEY", 61}, {"CSYNC", 62},  {"ZONEMD", 63}, {"SVCB", 64},   {"HTTPS", 65}, {"SPF", 99},
    {"EUI48", 108},     {"EUI64", 109}, {"TKEY", 249},  {"TSIG", 250},  {"IXFR", 251}, {"AXFR", 252},
    {"ANY", 255},       {"CAA", 257},
}};

constexpr std::array<Mnemonic, 5> kClasses = {{{"IN", 1}, {"CH", 3}, {"HS", 4}, {"NONE", 254}, {"ANY", 255}}};

constexpr std::array<Mnemonic, 19> kRcodes = {{
    {"NOERROR", 0},  {"FORMERR", 1},  {"SERVFAIL", 2}, {"NXDOMAIN", 3},  {"NOTIMP", 4},
    {"REFUSED", 5},  {"YXDOMAIN", 6}, {"YXRRSET", 7},  {"NXRRSET", 8},   {"NOTAUTH", 9},
    {"NOTZONE", 10}, {"BADSIG", 16},  {"BADVERS", 16}, {"BADKEY", 17},   {"BADTIME", 18},
    {"BADMODE", 19}, {"BADNAME", 20}, {"BADALG", 21},  {"BADTRUNC", 22},
}};

template <std::size_t kCount>
std::optional<std::uint16_t> number_of(const std::array<Mnemonic, kCount>& list, std::string_view name,
                                       std::string_view prefix) {
  const auto found = std::ranges::find(list, name, &Mnemonic::name);
  if (found != list.end()) return found->number;
  if (prefix.empty() || !name.starts_with(prefix)) return std::nullopt;
  std::uint16_t number = 0;
  const char* const end = name.data() + name.size();
  const auto [stop, problem] = std::from_chars(name.data() + prefix.size(), end, number);
  if (problem != std::errc() || stop != end) return std::nullopt;
  return number;
}

template <std::size_t kCount>
std::string name_of(const std::array<Mnemonic, kCount>& list, std::uint16_t number, std::string_view prefix) {
  const auto found = std::ranges::find(list, number, &Mnemonic::number);
  return found == list.end() ? fmt::format("{}{}", prefix, number) : std::string(found->name);
}

char folded(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

// One character of a name, which \. or \DDD may stand for; moves `text` past it.
std::optional<char> take_character(std::string_view& text) {
  char c = text[0];
  text.remove_prefix(1);
  if (c != '\\') return c;
  if (text.empty()) return std::nullopt;
  const auto is_digit = [](char d) { return d >= '0' && d <= '9'; };
  if (text.size() >= 3 && is_digit(text[0]) && is_digit(text[1]) && is_digit(text[2])) {
    const int value = (text[0] - '0') * 100 + (text[1] - '0') * 10 + (text[2] - '0');
    if (value > 255) return std::nullopt;
    text.remove_prefix(3);
    return static_cast<char>(value);
  }
  c = text[0];
  text.remove_prefix(1);
  return c;
}

}  // namespace

std::optional<std::uint16_t> type_number(std::string_view name) { return number_of(kTypes, name, "TYPE"); }
std::string type_name(std::uint16_t type) { return name_of(kTypes, type, "TYPE"); }
std::optional<std::uint16_t> class_number(std::string_view name) { return number_of(kClasses, name, "CLASS"); }
std::string class_name(std::uint16_t number) { return name_of(kClasses, number, "CLASS"); }
std::optional<std::uint16_t> rcode_number(std::string_view name) { return number_of(kRcodes, name, ""); }
std::string rcode_name(std::uint16_t rcode) { return name_of(kRcodes, rcode, "RCODE"); }

tl::expected<std::string, std::string> encode_name(std::string_view text) {
  constexpr std::size_t kLabelMax = 63;
  constexpr std::size_t kNameMax = 255;
  std::string wire;
  std::string label;
  if (text == ".") return std::string(1, '\0');
  const auto flush = [&]() -> bool {
    if (label.empty() || label.size() > kLabelMax) return false;
    wire += static_cast<char>(label.size());
    wire += label;
    label.clear();
    return true;
  };
  while (!text.empty()) {
    if (text[0] == '.') {
      text.remove_prefix(1);
      if (!flush()) return tl::unexpected(std::string("a part of the name is empty or longer than 63 bytes"));
      continue;
    }
    const auto c = take_character(text);
    if (!c) return tl::unexpected(std::string("a broken escape in the name"));
    label += *c;
  }
  if (!label.empty() && !flush()) return tl::unexpected(std::string("a part of the name is longer than 63 bytes"));
  wire += '\0';
  if (wire.size() > kNameMax) return tl::unexpected(std::string("the name is longer than 255 bytes"));
  return wire;
}

bool same_name(std::string_view a, std::string_view b) {
  if (a.ends_with('.')) a.remove_suffix(1);
  if (b.ends_with('.')) b.remove_suffix(1);
  return std::ranges::equal(a, b, {}, folded, folded);
}

}  // namespace collector::probe::dns

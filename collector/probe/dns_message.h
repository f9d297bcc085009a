// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

namespace collector::probe::dns {

// Messages of RFC 1035, as far as a client needs them.

inline constexpr std::uint16_t kTypeA = 1;
inline constexpr std::uint16_t kTypeCname = 5;
inline constexpr std::uint16_t kTypeSoa = 6;
inline constexpr std::uint16_t kTypeAaaa = 28;
inline constexpr std::uint16_t kClassIn = 1;
inline constexpr std::uint8_t kRcodeNoError = 0;
inline constexpr std::uint8_t kRcodeServerFailure = 2;
inline constexpr std::uint8_t kRcodeNameError = 3;
inline constexpr std::uint8_t kRcodeRefused = 5;

// Records of one answer that are read; a message of 64 KiB has room for some five thousand of the smallest.
inline constexpr std::size_t kRecordsMax = 6000;

// By their mnemonics, in capitals. TYPEn and CLASSn are numbers (RFC 3597).
std::optional<std::uint16_t> type_number(std::string_view name);
std::string type_name(std::uint16_t type);
std::optional<std::uint16_t> class_number(std::string_view name);
std::string class_name(std::uint16_t number);
std::optional<std::uint16_t> rcode_number(std::string_view name);
std::string rcode_name(std::uint16_t rcode);

// A name on the wire; `text` with or without the last dot, with \. and \DDD. The error says what is wrong with it.
tl::expected<std::string, std::string> encode_name(std::string_view text);

struct Question {
  std::string name;
  std::uint16_t type = kTypeA;
  std::uint16_t cls = kClassIn;
  bool recursion_desired = true;
};

// REQUIRES: the question's name encodes.
std::string encode_query(std::uint16_t id, const Question& question);

struct Record {
  std::string name;  // absolute, in lower or upper case as it came
  std::uint16_t type = 0;
  std::uint16_t cls = 0;
  std::uint32_t ttl = 0;
  std::string data;          // as it came
  std::string presentation;  // of the data, names decompressed

  // name, TTL, class, type and data, between tabs.
  std::string to_string() const;
};

struct Message {
  std::uint16_t id = 0;
  bool response = false;
  bool truncated = false;
  std::uint16_t rcode = 0;  // without the extension of EDNS
  std::string question;     // the name of the first one
  std::uint16_t question_type = 0;
  std::vector<Record> answer;
  std::vector<Record> authority;
  std::vector<Record> additional;
};

// Reads a whole message; the error says where it is broken. Every loop of compression ends.
tl::expected<Message, std::string> decode(std::string_view bytes);

// The serial number of a SOA record; 0 if it has none.
std::uint32_t soa_serial(const Record& record);

// Whether two names are the same: letters of either case, with or without the last dot.
bool same_name(std::string_view a, std::string_view b);

}  // namespace collector::probe::dns

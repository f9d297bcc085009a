// SPDX-License-Identifier: Apache-2.0
#include "collector/probe/protobuf.h"

namespace collector::probe::protobuf {
namespace {

constexpr unsigned kTypeBits = 3;
// Field numbers have 29 bits.
constexpr std::uint64_t kKeyMax = (std::uint64_t{1} << 32) - 1;

void put_varint(std::string& out, std::uint64_t value) {
  while (value >= 0x80) {
    out += static_cast<char>((value & 0x7f) | 0x80);
    value >>= 7;
  }
  out += static_cast<char>(value);
}

}  // namespace

void put_number(std::string& message, std::uint32_t field, std::uint64_t value) {
  put_varint(message, std::uint64_t{field} << kTypeBits);
  put_varint(message, value);
}

void put_bytes(std::string& message, std::uint32_t field, std::string_view bytes) {
  put_varint(message, std::uint64_t{field} << kTypeBits | 2);
  put_varint(message, bytes.size());
  message += bytes;
}

bool FieldReader::take_varint(std::uint64_t& value) {
  value = 0;
  for (unsigned shift = 0; shift < 64 && !left_.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(left_[0]);
    left_.remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return true;
  }
  return false;
}

bool FieldReader::take_bytes(std::uint64_t size) {
  if (size > left_.size()) return false;
  bytes_ = left_.substr(0, size);
  left_.remove_prefix(size);
  return true;
}

bool FieldReader::take_value() {
  std::uint64_t size = 0;
  switch (type_) {
    case kVarint:
      return take_varint(number_);
    case kFixed64:
      return take_bytes(8);
    case kLengthDelimited:
      return take_varint(size) && take_bytes(size);
    case kFixed32:
      return take_bytes(4);
    default:  // groups, which were given up long ago
      return false;
  }
}

bool FieldReader::next() {
  if (left_.empty() || broken_) return false;
  std::uint64_t key = 0;
  broken_ = !take_varint(key) || key > kKeyMax || key >> kTypeBits == 0;
  if (broken_) return false;
  field_ = static_cast<std::uint32_t>(key >> kTypeBits);
  type_ = static_cast<std::uint8_t>(key & 7);
  number_ = 0;
  bytes_ = {};
  broken_ = !take_value();
  return !broken_;
}

}  // namespace collector::probe::protobuf

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace collector::probe::protobuf {

// The little of protobuf's wire format that is needed (https://protobuf.dev/programming-guides/encoding/).

// Appends a field: a number, or a text or message of `bytes`.
void put_number(std::string& message, std::uint32_t field, std::uint64_t value);
void put_bytes(std::string& message, std::uint32_t field, std::string_view bytes);

// The fields of a message, one after another. Fields of the types that are not read here have neither number nor bytes,
// and are passed by. Reads a view: the message must live as long.
//
// Thread safety: confined to one thread.
class FieldReader {
 public:
  explicit FieldReader(std::string_view message) : left_(message) {}

  // Moves to the next field; false at the end, and where the message is broken.
  bool next();
  bool broken() const { return broken_; }

  std::uint32_t field() const { return field_; }
  // Whether the field is of this number and wire type.
  bool is_number(std::uint32_t field) const { return field_ == field && type_ == kVarint; }
  bool is_bytes(std::uint32_t field) const { return field_ == field && type_ == kLengthDelimited; }
  std::uint64_t number() const { return number_; }
  std::string_view bytes() const { return bytes_; }

 private:
  enum WireType : std::uint8_t { kVarint = 0, kFixed64 = 1, kLengthDelimited = 2, kFixed32 = 5 };

  bool take_varint(std::uint64_t& value);
  bool take_bytes(std::uint64_t size);
  bool take_value();

  std::string_view left_;
  bool broken_ = false;
  std::uint32_t field_ = 0;
  std::uint8_t type_ = 0;
  std::uint64_t number_ = 0;
  std::string_view bytes_;
};

}  // namespace collector::probe::protobuf

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/result.h"

namespace collector::staking {

// What a JSON text has in it, in its order. A false ends the reading.
class JsonEvents {
 public:
  enum class Scalar : std::uint8_t { kText, kNumber, kTrue, kFalse, kNull, kTooLong };

  virtual ~JsonEvents() = default;
  virtual bool begin(bool object) = 0;  // else an array
  virtual bool end() = 0;
  virtual bool key(std::string_view name) = 0;
  // `text` holds until this returns. A text longer than kTokenBytesMax is kTooLong, and empty.
  virtual bool scalar(Scalar kind, std::string_view text) = 0;
};

// Reads a JSON text in the pieces in which it comes, whatever their sizes. Takes the memory of one token, so that an
// answer of any length can be read.
//
// Thread safety: confined to one thread.
class JsonFeed {
 public:
  // Nothing that is looked for is longer: the votes of a slot's committees, in hexadecimal.
  static constexpr std::size_t kTokenBytesMax = 256 << 10;
  static constexpr std::size_t kDepthMax = 64;

  explicit JsonFeed(JsonEvents& events) : events_(events) {}

  // False from the first byte on that is wrong, or that the events refused; error() says why.
  bool feed(std::string_view piece);
  // kInvalid unless one whole value was fed.
  core::Result<void> finish();
  bool failed() const { return state_ == State::kFailed; }

 private:
  enum class State : std::uint8_t {
    kValue,
    kFirstValue,  // of an array, or its end
    kFirstKey,    // of an object, or its end
    kKey,
    kColon,
    kNext,  // a comma, or the end of what is open
    kDone,
    kText,
    kEscape,
    kCode,  // the digits of \u
    kWord,  // a number or a literal
    kFailed,
  };

  bool structure(char c);
  bool begin_value(char c);
  bool open(bool object);
  bool close(bool object);
  bool after_value();
  // Takes as much as belongs to the token; returns how much that was.
  std::size_t take_text(std::string_view rest);
  std::size_t take_word(std::string_view rest);
  bool end_text(std::string_view whole);
  bool end_word(std::string_view word);
  bool escape(char c);
  bool code_digit(char c);
  void append(std::string_view bytes);
  bool append_code_point(std::uint32_t code);
  bool fail(std::string_view why);

  JsonEvents& events_;
  State state_ = State::kValue;
  std::uint64_t objects_ = 0;  // a bit for each open container: 1 is an object; the lowest is the innermost
  std::size_t depth_ = 0;
  bool is_key_ = false;
  bool buffered_ = false;  // the token began in an earlier piece, or has an escape
  bool too_long_ = false;
  std::string token_;
  std::uint32_t code_ = 0;
  int code_digits_ = 0;
  std::uint32_t high_surrogate_ = 0;
  std::string problem_;
};

}  // namespace collector::staking

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/net/http_client.h"

namespace core::net {

// Bytes of all heads and trailers of one answer; more are a fault.
inline constexpr std::size_t kHeaderBytesMax = 1 << 20;
// Headers of one answer, for each takes more memory than bytes on its way.
inline constexpr std::size_t kHeadersMax = 10'000;

// Finds the parts of one HTTP/1 answer in the bytes of its connection, however they are cut up (RFC 9112). Lines may
// end without CR, as those of many small exporters do. Interim answers (1xx) are passed over.
//
// Thread safety: confined to one thread.
class ResponseReader {
 public:
  enum class Event {
    kNeedsMore,
    kHead,  // status and headers are there; once
    kBody,  // a piece of the body
    kEnd,   // the answer is whole; bytes that are left are none of its
    kFault,
  };
  enum class Fault { kNone, kMalformed, kBadChunk, kHeadersTooLarge };

  // `to_head`: the answer to a HEAD request, which has no body whatever its headers say.
  explicit ResponseReader(bool to_head) : to_head_(to_head) {}

  // Takes from the front of `input`. A piece of the body is a part of that input.
  Event next(std::string_view& input, std::string_view& piece);

  // The bytes that are all of what is left of the answer, if they are known by number; else 0. Who reads some of them
  // from the connection himself says so by skip().
  std::uint64_t bytes_left() const { return state_ == State::kLengthBody ? left_ : 0; }
  // REQUIRES: bytes <= bytes_left().
  void skip(std::uint64_t bytes);
  bool ended() const { return state_ == State::kEnd; }

  // Whether the answer is whole because the connection has ended.
  bool whole_at_close() const { return state_ == State::kCloseBody; }
  bool head_done() const { return head_done_; }
  // Whether the server takes further requests on the connection. REQUIRES: ended().
  bool keeps_alive() const { return keeps_alive_; }
  Fault fault() const { return fault_; }

  // What there is of the head, which is that of the answer itself once head_done().
  int status() const { return status_; }
  bool is_http_1_0() const { return minor_ == 0; }
  std::string& reason() { return reason_; }
  Headers& headers() { return headers_; }
  Headers& trailers() { return trailers_; }

 private:
  enum class State {
    kStatusLine,
    kHeaderLine,
    kLengthBody,
    kCloseBody,
    kChunkSize,
    kChunk,
    kChunkEnd,
    kTrailerLine,
    kEnd,
    kFault
  };

  bool take_line(std::string_view& input, std::string_view& line, std::size_t& bytes, std::size_t bytes_max);
  Event fail(Fault fault);
  Event take_head_line(std::string_view line);
  Event end_head();
  Event frame();
  bool read_status(std::string_view line);
  bool read_length();
  Event take_chunk_size(std::string_view line);
  Event take_piece(std::string_view& input, std::string_view& piece);
  Event take_chunk_end(std::string_view& input);

  const bool to_head_;
  State state_ = State::kStatusLine;
  Fault fault_ = Fault::kNone;
  std::string line_;  // the part of a line that has come
  bool line_is_taken_ = false;
  std::size_t head_bytes_ = 0;
  std::size_t chunk_line_bytes_ = 0;
  bool head_done_ = false;
  int status_ = 0;
  int minor_ = 1;
  std::string reason_;
  Headers headers_;
  Headers trailers_;
  bool keeps_alive_ = false;
  bool has_length_ = false;
  std::uint64_t left_ = 0;  // of the body or the chunk
};

}  // namespace core::net

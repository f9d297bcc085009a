// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/result.h"

namespace core::net {

// How the bytes of a body were packed for the way (RFC 9110, section 8.4).
enum class Coding { kIdentity, kGzip, kZstd };

// A window of zstd that is larger is refused: that much memory a frame's header alone may ask for (RFC 9659).
inline constexpr int kZstdWindowLogMax = 23;

// Unpacks a stream piece by piece and stops as soon as the output would grow past its limit: a bomb costs at most the
// limit, one window and one buffer.
//
// Thread safety: confined to one thread.
class Decompressor {
 public:
  enum class Outcome { kOk, kTooBig, kCorrupt };

  virtual ~Decompressor() = default;
  // Appends what `piece` unpacks to. After anything but kOk the object is used up.
  virtual Outcome feed(std::string_view piece, std::string& out) = 0;
  // Every member (or frame) that began has ended; false for a stream that was cut, and before any input.
  virtual bool complete() const = 0;
};

// None for kIdentity. `output_limit` is a bound on all of `out`.
std::unique_ptr<Decompressor> make_decompressor(Coding coding, std::uint64_t output_limit);

// Why a body could not be unpacked, in the words of a scrape's error. REQUIRES: not kOk.
Error decompression_error(Coding coding, Decompressor::Outcome outcome);

// Replaces `out` with all that `body` unpacks to. kLimitExceeded (`body size limit exceeded`), kUnavailable for bytes
// that are not of this coding or were cut.
Result<void> decompress(Coding coding, std::string_view body, std::uint64_t output_limit, std::string& out);

}  // namespace core::net

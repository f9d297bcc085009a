// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace core::net {

// Inflates a gzip stream piece by piece and stops as soon as the output would grow past its limit: a bomb costs at
// most the limit and one buffer.
//
// Thread safety: confined to one thread.
class GzipInflater {
 public:
  enum class Outcome { kOk, kTooBig, kCorrupt };

  explicit GzipInflater(std::uint64_t output_limit);
  ~GzipInflater();

  // Appends what `piece` inflates to. After anything but kOk the object is used up.
  Outcome feed(std::string_view piece, std::string& out);
  // Every member of the stream that began has ended; false for a stream that was cut, and before any input.
  bool complete() const;

 private:
  struct Stream;
  std::unique_ptr<Stream> stream_;
  std::uint64_t output_limit_;
};

}  // namespace core::net

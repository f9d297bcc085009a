// SPDX-License-Identifier: Apache-2.0
#include "xor_chunks.h"

#include <algorithm>
#include <bit>

namespace ring_bench {
namespace {

constexpr int kSamplesPerChunk = 120;
constexpr std::uint64_t kHeadBytes = 2;

// Of a varint as Go's encoding/binary writes it: seven bits a byte.
std::uint64_t uvarint_bits(std::uint64_t number) {
  std::uint64_t bytes = 1;
  for (; number >= 0x80; number >>= 7) ++bytes;
  return bytes * 8;
}

std::uint64_t varint_bits(std::int64_t number) {
  const std::uint64_t twice = static_cast<std::uint64_t>(number) << 1;
  return uvarint_bits(number < 0 ? ~twice : twice);
}

// Whether xor.go's bitRange takes the number for one of so many bits: one more above zero than below.
bool fits(std::int64_t number, int bits) {
  const std::int64_t most = std::int64_t{1} << (bits - 1);
  return -(most - 1) <= number && number <= most;
}

// One chunk under construction: counts, writes nothing.
class XorChunkCounter {
 public:
  void append(std::int64_t time_ms, std::uint64_t value_bits) {
    if (samples_ == 0) {
      bits_ += varint_bits(time_ms) + 64;
    } else {
      const std::int64_t delta_ms = time_ms - time_ms_;
      bits_ += samples_ == 1 ? uvarint_bits(static_cast<std::uint64_t>(delta_ms)) : time_bits(delta_ms - delta_ms_);
      bits_ += value_bits_cost(value_bits ^ value_bits_);
      delta_ms_ = delta_ms;
    }
    time_ms_ = time_ms;
    value_bits_ = value_bits;
    ++samples_;
  }

  int samples() const { return samples_; }
  std::uint64_t bytes() const { return kHeadBytes + (bits_ + 7) / 8; }

 private:
  // A prefix of one to four bits, then the change of the delta.
  static std::uint64_t time_bits(std::int64_t delta_of_delta) {
    if (delta_of_delta == 0) return 1;
    if (fits(delta_of_delta, 14)) return 2 + 14;
    if (fits(delta_of_delta, 17)) return 3 + 17;
    if (fits(delta_of_delta, 20)) return 4 + 20;
    return 4 + 64;
  }

  // 0: the same value. 10: within the window of the last that set one. 11: 5 bits of leading zeros, 6 of length.
  std::uint64_t value_bits_cost(std::uint64_t difference) {
    if (difference == 0) return 1;
    const int leading = std::min(std::countl_zero(difference), 31);
    const int trailing = std::countr_zero(difference);
    if (window_set_ && leading >= leading_ && trailing >= trailing_) {
      return 2 + static_cast<std::uint64_t>(64 - leading_ - trailing_);
    }
    window_set_ = true;
    leading_ = leading;
    trailing_ = trailing;
    return 2 + 5 + 6 + static_cast<std::uint64_t>(64 - leading - trailing);
  }

  int samples_ = 0;
  std::uint64_t bits_ = 0;
  std::int64_t time_ms_ = 0;
  std::int64_t delta_ms_ = 0;
  std::uint64_t value_bits_ = 0;
  bool window_set_ = false;
  int leading_ = 0;
  int trailing_ = 0;
};

}  // namespace

XorChunksSize xor_chunks_size(std::span<const RecordedTarget> recording, Times times) {
  XorChunksSize size;
  for (const RecordedTarget& target : recording) {
    const std::vector<std::int64_t>& times_ms = times == Times::kAligned ? target.due_ms : target.scraped_ms;
    for (std::size_t j = 0; j < target.series(); ++j) {
      const std::span<const std::uint64_t> values = target.bits_of(j);
      XorChunkCounter chunk;
      for (std::size_t k = 0; k < values.size(); ++k) {
        if (values[k] == kAbsentBits) continue;
        if (chunk.samples() == kSamplesPerChunk) {
          size.bytes += chunk.bytes();
          chunk = {};
        }
        chunk.append(times_ms[k], values[k]);
        ++size.samples;
      }
      if (chunk.samples() != 0) size.bytes += chunk.bytes();
    }
  }
  return size;
}

}  // namespace ring_bench

// SPDX-License-Identifier: Apache-2.0
// Values as series have them, and as a codec fears them.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "core/ring/sample.h"
#include "test/unit/core/ring/ring_model.h"

namespace ring_test {

enum class Family {
  kGauge,        // whole numbers going up and down
  kCounter,      // whole numbers going up, now and then from the start again
  kDecimal,      // m / 10^places
  kAccumulated,  // a sum of decimals in binary, whose last bits are no decimal's
  kConstant,     // hardly ever another value
  kSpecial,      // NaNs, infinities, zeros, denormals
  kHuge,         // magnitudes far apart
  kBits,         // any 64 bits
  kRestless,     // another of these every now and then
};
inline constexpr std::size_t kFamilies = 9;

inline constexpr std::array<std::uint64_t, 18> kSpecialBits = {
    core::ring::kStaleBits, core::ring::kNanBits,  0x7ff0000000000001ULL,  // a signalling NaN
    0xfff8000000000000ULL,                                                 // the processor's own NaN
    0x7fffffffffffffffULL,  0xffffffffffffffffULL,
    0x7ff0000000000000ULL,                                                 // infinities
    0xfff0000000000000ULL,  0x0000000000000000ULL, 0x8000000000000000ULL,  // zeros
    0x0000000000000001ULL,  0x800fffffffffffffULL, 0x000fffffffffffffULL,  // denormals
    0x0010000000000000ULL,                                                 // the least normal number
    0x7fefffffffffffffULL,  0xffefffffffffffffULL,                         // the largest
    0x4340000000000000ULL,  0x433fffffffffffffULL};                        // 2^53 and one before

// The values of one series, one after the other.
//
// Thread safety: confined to one thread.
class ValueSource {
 public:
  ValueSource(Family family, std::uint64_t seed) : random_(seed) { become(family); }

  double next() {
    if (restless_ && random_.one_in(40)) become(static_cast<Family>(random_.below(kFamilies - 1)));
    switch (family_) {
      case Family::kGauge:
        if (!random_.one_in(3)) whole_ += random_.between(-50, 50);
        return static_cast<double>(whole_);
      case Family::kCounter:
        whole_ =
            random_.one_in(60) ? random_.between(0, 5) : whole_ + random_.between(0, random_.one_in(9) ? 100'000 : 9);
        return static_cast<double>(whole_);
      case Family::kDecimal:
        whole_ += random_.between(-1000, 1000);
        return static_cast<double>(whole_) / std::pow(10.0, static_cast<double>(places_));
      case Family::kAccumulated:
        value_ += 0.001 * static_cast<double>(random_.below(5000));
        return value_;
      case Family::kConstant:
        if (random_.one_in(100)) whole_ = random_.between(0, 3);
        return static_cast<double>(whole_);
      case Family::kSpecial:
        if (!random_.one_in(3)) value_ = std::bit_cast<double>(kSpecialBits[random_.below(kSpecialBits.size())]);
        return value_;
      case Family::kHuge:
        return std::ldexp(static_cast<double>(random_.between(-9999, 9999)),
                          static_cast<int>(random_.between(-1080, 1000)));
      case Family::kBits:
      case Family::kRestless:
        break;
    }
    return std::bit_cast<double>(random_.bits());
  }

 private:
  void become(Family family) {
    restless_ = restless_ || family == Family::kRestless;
    family_ = family == Family::kRestless ? Family::kGauge : family;
    places_ = random_.between(1, 9);
    // Counters near 2^53 and past it lose steps, as they do in the programs that export them.
    constexpr std::array<std::int64_t, 6> kStarts = {0, 7, -3, 1'700'000'000, 1LL << 53, (1LL << 62) + 1};
    whole_ = kStarts[random_.below(family == Family::kDecimal ? 4 : kStarts.size())];
    if (family == Family::kAccumulated || !std::isfinite(value_)) value_ = 0;
  }

  Random random_;
  Family family_ = Family::kGauge;
  bool restless_ = false;
  std::int64_t places_ = 1;
  std::int64_t whole_ = 0;
  double value_ = 0;
};

}  // namespace ring_test

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#include "core/ring/chunk_format.h"

namespace core::ring {

// Takes bits out of a slot's image, from a position upwards.
//
// Thread safety: confined to one thread, as is everything here: what is decoded is a copy of one's own.
class BitSource {
 public:
  BitSource(const SlotImage& image, std::uint32_t position, std::uint32_t limit)
      : image_(image), position_(position), limit_(limit) {}

  // The next `width` bits, 0 to 64 of them; past the limit the source is spent and gives zeros.
  std::uint64_t take(std::uint32_t width) {
    const std::uint64_t bits = peek(image_, position_) & mask(width);
    position_ += width;
    return spent() ? 0 : bits;
  }
  std::int64_t take_signed(std::uint32_t width) {
    if (width == 0) return 0;
    const std::uint64_t raw = take(width);
    return static_cast<std::int64_t>(raw << (64 - width)) >> (64 - width);
  }

  bool spent() const { return position_ > limit_; }
  std::uint32_t position() const { return position_; }
  void go_to(std::uint32_t position) { position_ = position; }

  bool has(std::uint32_t bits) const { return position_ + bits <= limit_; }

  // At least kShort bits at a position within the slot, in one load.
  static constexpr std::uint32_t kShort = 57;
  static std::uint64_t peek_short(const SlotImage& image, std::uint32_t at) {
    std::uint64_t word = 0;
    // The file is little-endian, as are the machines that this runs on.
    std::memcpy(&word, reinterpret_cast<const unsigned char*>(image.data()) + (at >> 3), sizeof(word));
    return word >> (at & 7);
  }
  // The 64 bits at a position, whatever is taken. Past the end these are the last words over again.
  static std::uint64_t peek(const SlotImage& image, std::uint32_t at) {
    const std::uint32_t word = std::min<std::uint32_t>(at >> 6, kSlotWords - 1);
    const std::uint32_t shift = at & 63;
    return image[word] >> shift | image[word + 1] << 1 << (63 - shift);
  }
  static std::uint64_t mask(std::uint32_t width) {
    return width >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << width) - 1;
  }

 private:
  const SlotImage& image_;
  std::uint32_t position_;
  std::uint32_t limit_;
};

namespace chunk_detail {

// The widths and middles of the controls kSame, kNarrow and kWide, so that all three decode alike.
struct Steps {
  // Member by member and in place: a copy of the whole costs more than what is in it.
  explicit Steps(const ChunkParams& params) {
    const auto center = static_cast<std::uint64_t>(params.has_center ? center_of(params.center) : 0);
    set(kSame, 0, 0);
    set(kNarrow, kWidths[params.narrow], center);
    set(kWide, kWidths[params.wide], center);
    const std::uint32_t ulps = params.domain.kind == DomainKind::kNear ? kUlpWidths[params.ulps] : 0U;
    set_ulps(kSame, 0);
    set_ulps(kNarrow, ulps);
    set_ulps(kWide, ulps);
    for (const Control control : {kSame, kNarrow, kWide}) widths[control] = width[control] + ulp_width[control];
  }

  void set(Control control, std::uint32_t bits, std::uint64_t center) {
    width[control] = bits;
    add[control] = center - (bits == 0 ? 0 : std::uint64_t{1} << (bits - 1));
    mask[control] = BitSource::mask(bits);
  }
  void set_ulps(Control control, std::uint32_t bits) {
    ulp_width[control] = bits;
    ulp_half[control] = bits == 0 ? 0U : 1U << (bits - 1);
    ulp_mask[control] = static_cast<std::uint32_t>(BitSource::mask(bits));
  }

  std::uint32_t width[3];
  std::uint64_t add[3];
  std::uint64_t mask[3];
  std::uint32_t ulp_width[3];
  std::uint32_t ulp_half[3];
  std::uint32_t ulp_mask[3];
  std::uint32_t widths[3];  // of both fields
};

// Where taking fields has come to.
struct Fields {
  std::uint32_t position = 0;
  std::uint64_t m = 0;
  std::int32_t ulps = 0;
};
struct Row {
  std::array<std::int64_t, 32> ms;
  std::array<std::int32_t, 32> ulps;
};

// The next field, or two: kLong if it may have more than BitSource::kShort bits; two have not.
template <bool kLong>
std::uint64_t peek_fields(const SlotImage& image, std::uint32_t position) {
  return kLong ? BitSource::peek(image, position) : BitSource::peek_short(image, position);
}

// The inner loops, of controls from the top of `word` on: functions of their own, so that all they need is in
// registers.
template <DomainKind kKind, bool kLong>
[[gnu::noinline]] void sum_fields(const SlotImage& image, const Steps& steps, std::uint64_t word, std::uint32_t count,
                                  Fields& fields) {
  std::uint32_t position = fields.position;
  std::uint64_t m = fields.m;
  std::int32_t ulps = fields.ulps;
  for (; count > 0; --count, word <<= 2) {
    const std::uint64_t control = word >> 62;
    const std::uint64_t raw = peek_fields<kLong>(image, position);
    m += (raw & steps.mask[control]) + steps.add[control];
    position += steps.widths[control];
    if constexpr (kKind == DomainKind::kNear) {
      const auto field = static_cast<std::uint32_t>(raw >> steps.width[control]) & steps.ulp_mask[control];
      ulps += static_cast<std::int32_t>(field - steps.ulp_half[control]);
    }
  }
  fields = {position, m, ulps};
}

template <DomainKind kKind, bool kLong>
[[gnu::noinline]] void take_fields(const SlotImage& image, const Steps& steps, std::uint64_t word, std::uint32_t count,
                                   Fields& fields, Row& row) {
  std::uint32_t position = fields.position;
  std::uint64_t m = fields.m;
  std::int32_t ulps = fields.ulps;
  for (std::uint32_t i = 0; i < count; ++i, word <<= 2) {
    const std::uint64_t control = word >> 62;
    const std::uint64_t raw = peek_fields<kLong>(image, position);
    m += (raw & steps.mask[control]) + steps.add[control];
    position += steps.widths[control];
    row.ms[i] = static_cast<std::int64_t>(m);
    if constexpr (kKind == DomainKind::kNear) {
      const auto field = static_cast<std::uint32_t>(raw >> steps.width[control]) & steps.ulp_mask[control];
      ulps += static_cast<std::int32_t>(field - steps.ulp_half[control]);
      row.ulps[i] = ulps;
    }
  }
  fields = {position, m, ulps};
}

// Two at a time, in the registers that every 64-bit machine has for it.
using DoublePair = double __attribute__((vector_size(16)));
using WordPair = std::uint64_t __attribute__((vector_size(16)));

inline std::uint64_t widened(std::int32_t ulps) { return static_cast<std::uint64_t>(static_cast<std::int64_t>(ulps)); }

// The same as take_fields(), and each m divided by `power` (1 if `whole`) and moved by its ulps: at once, as a row of
// results would have to be waited for before it could be loaded in pairs. False, and the fields are as they were, if an
// m lies outside [-2^51, 2^51), which is what a pair can be converted from.
template <DomainKind kKind, bool kLong>
[[gnu::noinline]] bool take_values(const SlotImage& image, const Steps& steps, std::uint64_t word, std::uint32_t count,
                                   Fields& fields, double power, bool whole, double* values) {
  std::uint32_t position = fields.position;
  std::uint64_t m = fields.m;
  std::int32_t ulps = fields.ulps;
  const auto next = [&] {
    const std::uint64_t control = word >> 62;
    word <<= 2;
    const std::uint64_t raw = peek_fields<kLong>(image, position);
    m += (raw & steps.mask[control]) + steps.add[control];
    position += steps.widths[control];
    if constexpr (kKind == DomainKind::kNear) {
      const auto field = static_cast<std::uint32_t>(raw >> steps.width[control]) & steps.ulp_mask[control];
      ulps += static_cast<std::int32_t>(field - steps.ulp_half[control]);
    }
    return m;
  };
  if constexpr (kKind == DomainKind::kBits) {
    for (std::uint32_t i = 0; i < count; ++i)
      values[i] = std::bit_cast<double>(bits_of_ordered(static_cast<std::int64_t>(next())));
  } else if (kKind == DomainKind::kDecimal && whole) {
    // A division by one would be exact as well, but not as quick.
    for (std::uint32_t i = 0; i < count; ++i) values[i] = static_cast<double>(static_cast<std::int64_t>(next()));
  } else {
    constexpr std::uint64_t kReach = std::uint64_t{1} << 51;
    // Of this double the lowest bit is worth one.
    constexpr double kUnit = 0x1.8p52;
    WordPair beyond = {0, 0};
    std::uint32_t i = 0;
    for (; i + 2 <= count; i += 2) {
      const std::uint64_t first = next();
      [[maybe_unused]] const std::uint64_t first_ulps = widened(ulps);
      const WordPair ms = {first, next()};
      beyond |= ms + kReach;
      DoublePair pair = std::bit_cast<DoublePair>(ms + std::bit_cast<std::uint64_t>(kUnit)) - kUnit;
      pair /= power;
      if constexpr (kKind == DomainKind::kNear) {
        pair = std::bit_cast<DoublePair>(std::bit_cast<WordPair>(pair) + WordPair{first_ulps, widened(ulps)});
      }
      std::memcpy(values + i, &pair, sizeof(pair));
    }
    if (i < count) {
      const double value = static_cast<double>(static_cast<std::int64_t>(next())) / power;
      values[i] = std::bit_cast<double>(std::bit_cast<std::uint64_t>(value) + widened(ulps));
    }
    if ((beyond[0] | beyond[1]) >> 52 != 0) return false;
  }
  fields = {position, m, ulps};
  return true;
}

}  // namespace chunk_detail
}  // namespace core::ring

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

#include "core/ring/chunk_fields.h"
#include "core/ring/chunk_format.h"

namespace core::ring {

// Thread safety: confined to one thread, all of it: what is decoded is a copy of one's own.

// What stands before the events of a chunk.
struct ChunkStart {
  ChunkHead head;
  PreviousChunk previous;
  ChunkParams params;
  std::uint32_t index = 0;  // the scrape of the first sample; a timed chunk has `time_ms` instead
  std::int64_t time_ms = 0;
  std::uint16_t left_timeline = kNoTimeline;  // head.starts: the timeline before this one
  std::uint32_t left_index = 0;               // and the first scrape on it that is not the series' any more
  std::int64_t m = 0;
  std::int32_t ulps = 0;
  std::uint32_t data = kStreamBegin;  // where the events' data begin

  std::uint64_t value_bits() const { return std::bit_cast<std::uint64_t>(value_of(params.domain, m, ulps)); }
};

// What stands before the first value, field by field into the place where it is wanted: a copy of what was just written
// would wait for it. `data` is where the value begins.
inline void decode_front_into(ChunkStart& start, const SlotImage& image) {
  start.head = ChunkHead::unpack(image[0]);
  start.previous = unpack_previous(image[1]);
  start.params = unpack_params(image[1], image[2]);
  start.index = static_cast<std::uint32_t>(image[2]);
  start.data = kStreamBegin + (start.params.has_center ? kCenterBits : 0);
  if (start.head.starts) [[unlikely]] {
    const std::uint64_t left = BitSource::peek_short(image, start.data);
    start.left_timeline = static_cast<std::uint16_t>(left);
    start.left_index = static_cast<std::uint32_t>(left >> kStartsTimelineBits);
    start.data += kStartsTimelineBits + kStartsIndexBits;
  } else {
    start.left_timeline = kNoTimeline;
    start.left_index = 0;
  }
  start.time_ms = 0;
  if (start.head.timed) [[unlikely]] {
    start.time_ms = static_cast<std::int64_t>(BitSource::peek(image, start.data));
    start.data += 64;
  }
}

// The first value. REQUIRES: decode_front_into() was the last to change `start`. Best some time after the image was
// copied: words that were stored one by one can be loaded across their ends only once all of them have arrived.
inline void decode_first_into(ChunkStart& start, const SlotImage& image) {
  std::uint32_t at = start.data;
  const auto width = static_cast<std::uint32_t>(BitSource::peek_short(image, at) & BitSource::mask(kFarWidthBits)) + 1;
  at += kFarWidthBits;
  const std::uint64_t m = width <= BitSource::kShort ? BitSource::peek_short(image, at) : BitSource::peek(image, at);
  start.m = static_cast<std::int64_t>(m << (64 - width)) >> (64 - width);
  at += width;
  start.ulps = 0;
  if (start.params.domain.kind == DomainKind::kNear) {
    start.ulps = static_cast<std::int32_t>(static_cast<std::int8_t>(BitSource::peek_short(image, at)));
    at += 8;
  }
  start.data = at;
}

inline void decode_start_into(ChunkStart& start, const SlotImage& image) {
  decode_front_into(start, image);
  decode_first_into(start, image);
}

inline ChunkStart decode_start(const SlotImage& image) {
  ChunkStart start;
  decode_start_into(start, image);
  return start;
}

// Where decoding a chunk has come to: all that a writer needs to go on with it.
struct ChunkEnd {
  std::uint32_t index = 0;   // of the last sample, or of the first one that is absent
  std::int64_t time_ms = 0;  // timed: of the last sample
  std::int64_t step_ms = 0;  // timed: between the last two
  std::uint64_t bits = 0;    // of the last sample
  std::int64_t m = 0;
  std::int32_t ulps = 0;
  bool absent = false;
  bool damaged = false;  // its bytes make no sense
  std::uint32_t data = 0;
  std::uint32_t check = 0;
};

namespace chunk_detail {

inline double moved(double value, std::int32_t ulps) {
  const auto bits = std::bit_cast<std::uint64_t>(value);
  return std::bit_cast<double>(bits + static_cast<std::uint64_t>(static_cast<std::int64_t>(ulps)));
}

template <DomainKind kKind>
double value_in(double power, std::int64_t m, std::int32_t ulps) {
  if constexpr (kKind == DomainKind::kBits) {
    return std::bit_cast<double>(bits_of_ordered(m));
  } else if constexpr (kKind == DomainKind::kDecimal) {
    return decimal_value(m, power);
  } else {
    return moved(decimal_value(m, power), ulps);
  }
}

// A timed sample's value: as ChunkWalk does it, but for any domain, and without what only runs need.
inline void take_value(BitSource& source, const Steps& steps, Domain domain, std::uint32_t control, ChunkEnd& end) {
  if (control == kSame) return;
  if (control != kEscape) {
    const std::uint64_t raw = source.take(steps.width[control]);
    end.m = static_cast<std::int64_t>(static_cast<std::uint64_t>(end.m) + raw + steps.add[control]);
    end.ulps += static_cast<std::int32_t>(source.take(steps.ulp_width[control])) -
                static_cast<std::int32_t>(steps.ulp_half[control]);
  } else {
    const std::uint64_t escape = source.take(kEscapeBits);
    if (escape == kRaw) {
      end.bits = source.take(64);
      return;
    }
    end.damaged = end.damaged || escape != kFar;
    const auto width = static_cast<std::uint32_t>(source.take(kFarWidthBits)) + 1;
    end.m = static_cast<std::int64_t>(static_cast<std::uint64_t>(end.m) +
                                      static_cast<std::uint64_t>(source.take_signed(width)));
    if (domain.kind == DomainKind::kNear) end.ulps = static_cast<std::int32_t>(source.take_signed(8));
  }
  end.bits = std::bit_cast<std::uint64_t>(value_of(domain, end.m, end.ulps));
}

}  // namespace chunk_detail

// Walks the events of a chunk. The sink says with first() from which scrape on it wants samples, and gets, in order,
//   many(index, values, count)  samples of so many scrapes in a row; a sink with kMantissas gets mantissas(index, ms,
//   count)
//                               instead, where a value is m in the chunk's domain, if that is decimal
//   one(index, value)           a sample
//   run(index, count, value)    samples of one value; they may begin before first()
//   absent(index)               no sample here nor after, until the next one
// and may return false to stop. A sink with kOnlyFirst does so at once.
template <DomainKind kKind, bool kChecked, class Sink>
class ChunkWalk {
 public:
  ChunkWalk(const SlotImage& image, const ChunkStart& start, Sink& sink, ChunkEnd& end)
      : image_(image),
        sink_(sink),
        first_(sink.first()),
        controls_(start.head.controls),
        power_(kPowersOfTen[start.params.domain.places]),
        whole_(start.params.domain.places == 0),
        steps_(start.params),
        widest_(std::max(steps_.widths[kNarrow], steps_.widths[kWide])),
        long_fields_(widest_ > BitSource::kShort),
        source_(image, start.data, kSlotBits - 2 * std::min<std::uint32_t>(start.head.controls, kSlotBits / 2)),
        end_(end) {
    end_.index = start.index;
    end_.m = start.m;
    end_.ulps = start.ulps;
    if constexpr (kChecked)
      end_.check = check_step(start.head.check, start.index, std::bit_cast<std::uint64_t>(value()));
  }

  void walk() {
    end_.damaged = controls_ > (kSlotBits - kStreamBegin) / 2;
    bool more = !end_.damaged && (end_.index < first_ || emit());
    for (std::uint32_t done = 0; more && done < controls_;) {
      const std::uint64_t word = image_[kSlotWords - 1 - done / 32] << 2 * (done % 32);
      const std::uint32_t here = std::min<std::uint32_t>(32 - done % 32, controls_ - done);
      // The check has a step for each event, so that a checked walk goes one by one.
      const bool alone = kChecked || end_.absent || raw_held_ || (!kHasLong && long_fields_);
      const std::uint32_t plain = alone ? 0 : std::min(here, plain_controls(word));
      // Mostly there is room for all of them at their widest; else their widths are counted.
      if (plain > 0 && (source_.has(plain * widest_) || source_.has(bits_of(word, plain)))) {
        const std::uint32_t unwanted = std::min(plain, first_ > end_.index + 1 ? first_ - end_.index - 1 : 0);
        const std::uint32_t wanted = Sink::kOnlyFirst ? std::min(plain - unwanted, 1U) : plain - unwanted;
        if (unwanted > 0) pass_over(word, unwanted);
        more = wanted == 0 || batch(word << (2 * unwanted % 64), wanted);
        done += unwanted + wanted;
      } else {
        const auto control = static_cast<std::uint32_t>(word >> 62);
        more = control == kEscape ? escape() : step(control);
        ++done;
      }
    }
    if (source_.spent()) end_.damaged = true;
    end_.bits = std::bit_cast<std::uint64_t>(value());
    end_.data = source_.position();
  }

 private:
  double value() const {
    if (raw_held_) return raw_;
    if constexpr (kKind == DomainKind::kDecimal) {
      // A division by one would be exact as well, but not as quick.
      if (whole_) return static_cast<double>(end_.m);
    }
    return chunk_detail::value_in<kKind>(power_, end_.m, end_.ulps);
  }

  // How many controls, from the top of the word on, come before the next escape.
  static std::uint32_t plain_controls(std::uint64_t word) {
    const std::uint64_t escapes = word & word << 1 & 0xaaaaaaaaaaaaaaaaULL;
    return static_cast<std::uint32_t>(std::countl_zero(escapes)) / 2;
  }

  // The data of so many controls from the top of the word on, none of which is an escape.
  std::uint32_t bits_of(std::uint64_t word, std::uint32_t count) const {
    const std::uint64_t taken = count == 32 ? word : word >> (64 - 2 * count);
    const auto narrow = static_cast<std::uint32_t>(std::popcount(taken & 0x5555555555555555ULL));
    const auto wide = static_cast<std::uint32_t>(std::popcount(taken & 0xaaaaaaaaaaaaaaaaULL));
    return narrow * steps_.widths[kNarrow] + wide * steps_.widths[kWide];
  }

  // Goes over up to 32 controls that are no escapes and of which no sample is wanted.
  void pass_over(std::uint64_t word, std::uint32_t count) {
    chunk_detail::Fields fields{source_.position(), static_cast<std::uint64_t>(end_.m), end_.ulps};
    if (kHasLong && long_fields_) [[unlikely]] {
      chunk_detail::sum_fields<kKind, kHasLong>(image_, steps_, word, count, fields);
    } else {
      chunk_detail::sum_fields<kKind, false>(image_, steps_, word, count, fields);
    }
    go_to(fields, count);
  }

  // Decodes up to 32 controls that are no escapes: nothing depends on which of the three a control is, and nothing is
  // written but the row of results. REQUIRES: their data are within the limit.
  bool batch(std::uint64_t word, std::uint32_t count) {
    const std::uint32_t index = end_.index + 1;
    chunk_detail::Fields fields{source_.position(), static_cast<std::uint64_t>(end_.m), end_.ulps};
    if constexpr (Sink::kMantissas && kKind == DomainKind::kDecimal) {
      chunk_detail::Row row;
      take_row(word, count, fields, row);
      go_to(fields, count);
      return sink_.mantissas(index, row.ms.data(), count);
    }
    std::array<double, 32> values;
    if (!take_values(word, count, fields, values.data())) [[unlikely]] {
      chunk_detail::Row row;
      take_row(word, count, fields, row);
      for (std::uint32_t i = 0; i < count; ++i) {
        values[i] = chunk_detail::value_in<kKind>(power_, row.ms[i], kKind == DomainKind::kNear ? row.ulps[i] : 0);
      }
    }
    go_to(fields, count);
    return sink_.many(index, values.data(), count);
  }

  void take_row(std::uint64_t word, std::uint32_t count, chunk_detail::Fields& fields, chunk_detail::Row& row) const {
    if (kHasLong && long_fields_) [[unlikely]] {
      chunk_detail::take_fields<kKind, kHasLong>(image_, steps_, word, count, fields, row);
    } else {
      chunk_detail::take_fields<kKind, false>(image_, steps_, word, count, fields, row);
    }
  }
  bool take_values(std::uint64_t word, std::uint32_t count, chunk_detail::Fields& fields, double* values) const {
    if (kHasLong && long_fields_) [[unlikely]] {
      return chunk_detail::take_values<kKind, kHasLong>(image_, steps_, word, count, fields, power_, whole_, values);
    }
    return chunk_detail::take_values<kKind, false>(image_, steps_, word, count, fields, power_, whole_, values);
  }

  void go_to(const chunk_detail::Fields& fields, std::uint32_t count) {
    source_.go_to(fields.position);
    end_.index += count;
    end_.m = static_cast<std::int64_t>(fields.m);
    end_.ulps = fields.ulps;
  }

  bool step(std::uint32_t control) {
    const std::uint64_t raw = source_.take(steps_.width[control]);
    end_.m = static_cast<std::int64_t>(static_cast<std::uint64_t>(end_.m) + raw + steps_.add[control]);
    if constexpr (kKind == DomainKind::kNear) {
      const auto ulps = static_cast<std::uint32_t>(source_.take(steps_.ulp_width[control]));
      end_.ulps += static_cast<std::int32_t>(ulps - steps_.ulp_half[control]);
    }
    // An unchanged sample repeats the bits, which need not be those of m: the one before may have been an escape.
    if (raw_held_ && control != kSame) raw_held_ = false;
    return sample(control != kSame);
  }

  bool sample(bool event) {
    if (end_.absent) [[unlikely]] {
      // No sample while it is absent, but the one with which it returns.
      if (!returning_) {
        end_.damaged = true;
        return false;
      }
      returning_ = end_.absent = false;
      event = true;
    } else {
      ++end_.index;
    }
    if constexpr (kChecked) {
      if (event) end_.check = check_step(end_.check, end_.index, std::bit_cast<std::uint64_t>(value()));
    }
    return end_.index < first_ || emit();
  }

  bool emit() { return sink_.one(end_.index, value()); }

  bool run(std::uint64_t count) {
    if (end_.absent || source_.spent() || end_.index + count > 0xfffffff0U) {
      end_.damaged = true;
      return false;
    }
    const std::uint32_t first = end_.index + 1;
    end_.index += static_cast<std::uint32_t>(count);
    return end_.index < first_ || sink_.run(first, static_cast<std::uint32_t>(count), value());
  }

  bool escape() {
    switch (source_.take(kEscapeBits)) {
      case kShortRun:
        return run(source_.take(kShortRunBits) + kShortRunLeast);
      case kRun:
        return run(source_.take(kRunBits) + kRunLeast);
      case kLongRun:
        return run(source_.take(32) + kLongRunLeast);
      case kRaw:
        raw_ = std::bit_cast<double>(source_.take(64));
        raw_held_ = true;
        return !source_.spent() && sample(true);
      case kFar: {
        const auto width = static_cast<std::uint32_t>(source_.take(kFarWidthBits)) + 1;
        const auto difference = static_cast<std::uint64_t>(source_.take_signed(width));
        end_.m = static_cast<std::int64_t>(static_cast<std::uint64_t>(end_.m) + difference);
        if constexpr (kKind == DomainKind::kNear) end_.ulps = static_cast<std::int32_t>(source_.take_signed(8));
        raw_held_ = false;
        return !source_.spent() && sample(true);
      }
      case kAbsent:
        if (end_.absent) break;
        end_.absent = true;
        ++end_.index;
        if constexpr (kChecked) end_.check = check_step(end_.check, end_.index, kAbsentCheckBits);
        return sink_.absent(end_.index);
      case kReturn: {
        const std::uint64_t gap = source_.take(32);
        if (!end_.absent || returning_ || end_.index + gap > 0xfffffff0U) break;
        returning_ = true;
        end_.index += static_cast<std::uint32_t>(gap);
        return true;
      }
      default:
        break;
    }
    end_.damaged = true;
    return false;
  }

  // Two fields that do not fit into one load are taken one after the other.
  static constexpr bool kHasLong = kKind != DomainKind::kNear;

  const SlotImage& image_;
  Sink& sink_;
  const std::uint32_t first_;
  const std::uint32_t controls_;
  const double power_;
  const bool whole_;
  const chunk_detail::Steps steps_;
  const std::uint32_t widest_;
  const bool long_fields_;  // of both fields together, or of the one there is, more bits than one load has
  BitSource source_;
  double raw_ = 0;
  bool raw_held_ = false;  // the value is raw_, whatever m says
  bool returning_ = false;
  ChunkEnd& end_;
};

// For a walk whose end is all that matters.
struct NoSink {
  static constexpr bool kMantissas = false;
  static constexpr bool kOnlyFirst = false;
  std::uint32_t first() const { return 0xffffffff; }
  bool one(std::uint32_t, double) { return true; }
  bool many(std::uint32_t, const double*, std::uint32_t) { return true; }
  bool run(std::uint32_t, std::uint32_t, double) { return true; }
  bool absent(std::uint32_t) { return true; }
  bool timed(std::int64_t, double) { return true; }
};

// REQUIRES: not a timed chunk. kChecked computes ChunkEnd::check as well, from the seed in start.head.check.
template <bool kChecked, class Sink>
ChunkEnd walk_chunk(const SlotImage& image, const ChunkStart& start, Sink& sink) {
  ChunkEnd end;
  switch (start.params.domain.kind) {
    case DomainKind::kBits:
      ChunkWalk<DomainKind::kBits, kChecked, Sink>(image, start, sink, end).walk();
      break;
    case DomainKind::kDecimal:
      ChunkWalk<DomainKind::kDecimal, kChecked, Sink>(image, start, sink, end).walk();
      break;
    case DomainKind::kNear:
      ChunkWalk<DomainKind::kNear, kChecked, Sink>(image, start, sink, end).walk();
      break;
  }
  return end;
}

// Walks a timed chunk: the sink gets timed(time_ms, value), and may return false to stop.
template <bool kChecked, class Sink>
ChunkEnd walk_timed(const SlotImage& image, const ChunkStart& start, Sink& sink) {
  const chunk_detail::Steps steps(start.params);
  const std::uint32_t controls = std::min<std::uint32_t>(start.head.controls, (kSlotBits - kStreamBegin) / 2);
  BitSource source(image, start.data, kSlotBits - 2 * controls);
  ChunkEnd end;
  end.time_ms = start.time_ms;
  end.m = start.m;
  end.ulps = start.ulps;
  end.bits = start.value_bits();
  end.damaged = controls != start.head.controls;
  if constexpr (kChecked) end.check = check_step(start.head.check, start.index, end.bits);
  bool more = sink.timed(end.time_ms, std::bit_cast<double>(end.bits));
  for (std::uint32_t i = 0; i < controls && more; ++i) {
    if (source.take(1) != 0) {
      if (source.take(1) == 0) {
        end.step_ms = static_cast<std::int64_t>(static_cast<std::uint64_t>(end.step_ms) +
                                                static_cast<std::uint64_t>(source.take_signed(kTimedChangeBits)));
      } else {
        end.step_ms = static_cast<std::int64_t>(source.take(64));
      }
    }
    end.time_ms =
        static_cast<std::int64_t>(static_cast<std::uint64_t>(end.time_ms) + static_cast<std::uint64_t>(end.step_ms));
    const auto control = static_cast<std::uint32_t>(image[kSlotWords - 1 - i / 32] >> (62 - 2 * (i % 32)) & 3);
    chunk_detail::take_value(source, steps, start.params.domain, control, end);
    if (end.damaged || source.spent()) break;
    if constexpr (kChecked) end.check = check_step(end.check, static_cast<std::uint32_t>(end.step_ms), end.bits);
    more = sink.timed(end.time_ms, std::bit_cast<double>(end.bits));
  }
  end.damaged = end.damaged || source.spent();
  end.data = source.position();
  return end;
}

}  // namespace core::ring

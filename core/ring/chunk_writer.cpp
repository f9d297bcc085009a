// SPDX-License-Identifier: Apache-2.0
#include "core/ring/chunk_writer.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "core/ring/chunk_learning.h"

namespace core::ring {
namespace {

// relaxed: only this thread writes the slot. The stores pair with the acquire loads of copy_slot(): a reader that sees
// a word of this chunk sees the generation stored before it, and one that sees the count sees what it counts.
std::uint64_t own(const Word& word) { return word.load(std::memory_order_relaxed); }
void publish(Word& word, std::uint64_t value) { word.store(value, std::memory_order_release); }

// Puts bits behind those that are there. Unused bits are zero.
void put(SlotImage& image, std::uint32_t& position, std::uint64_t value, std::uint32_t width) {
  if (width == 0) return;
  if (width < 64) value &= (std::uint64_t{1} << width) - 1;
  const std::uint32_t at = position >> 6;
  const std::uint32_t shift = position & 63;
  image[at] |= value << shift;
  image[at + 1] |= value >> 1 >> (63 - shift);
  position += width;
}
void put(Slot& slot, std::uint32_t& position, std::uint64_t value, std::uint32_t width) {
  if (width == 0) return;
  if (width < 64) value &= (std::uint64_t{1} << width) - 1;
  const std::uint32_t at = position >> 6;
  const std::uint32_t shift = position & 63;
  publish(slot.words[at], own(slot.words[at]) | value << shift);
  if (shift + width > 64) publish(slot.words[at + 1], own(slot.words[at + 1]) | value >> (64 - shift));
  position += width;
}

void put_control(Slot& slot, std::uint32_t number, std::uint32_t control) {
  Word& word = slot.words[kSlotWords - 1 - number / 32];
  publish(word, own(word) | static_cast<std::uint64_t>(control) << (62 - 2 * (number % 32)));
}

bool fits(std::uint64_t difference, std::uint32_t width) {
  return signed_width(static_cast<std::int64_t>(difference)) <= width;
}

std::uint64_t half(std::uint32_t width) { return width == 0 ? 0 : std::uint64_t{1} << (width - 1); }

// A value as it goes into the stream: one control, and at most two fields of data.
struct Coded {
  std::uint32_t control = kSame;
  std::uint64_t first = 0;
  std::uint32_t first_width = 0;
  std::uint64_t second = 0;
  std::uint32_t second_width = 0;
  bool in_domain = true;
  Mantissa mantissa;

  std::uint32_t bits() const { return first_width + second_width; }
};

Coded code_escape(const ChunkParams& params, const Mantissa& mantissa, std::uint64_t difference, std::uint64_t bits) {
  Coded coded;
  coded.control = kEscape;
  coded.mantissa = mantissa;
  if (!mantissa.exact) {
    coded.in_domain = false;
    coded.first = kRaw;
    coded.first_width = kEscapeBits;
    coded.second = bits;
    coded.second_width = 64;
    return coded;
  }
  const std::uint32_t width = std::max(1U, signed_width(static_cast<std::int64_t>(difference)));
  coded.first = kFar | static_cast<std::uint64_t>(width - 1) << kEscapeBits;
  coded.first_width = kEscapeBits + kFarWidthBits;
  coded.second = difference;
  coded.second_width = width;
  if (params.domain.kind == DomainKind::kNear) {
    // The ulps follow the difference; the two of them have room in one field, or the value goes as it is.
    if (width > 56) return code_escape(params, {}, 0, bits);
    coded.second = (difference & ((std::uint64_t{1} << width) - 1)) |
                   static_cast<std::uint64_t>(static_cast<std::uint8_t>(mantissa.ulps)) << width;
    coded.second_width = width + 8;
  }
  return coded;
}

Coded code_value(const ChunkParams& params, const ChunkPen& pen, std::uint64_t bits, std::uint64_t previous) {
  if (bits == previous) return Coded{.in_domain = !pen.aside, .mantissa = {pen.m, pen.ulps, true}};
  const Mantissa mantissa = mantissa_of(params.domain, std::bit_cast<double>(bits));
  const std::uint64_t difference = static_cast<std::uint64_t>(mantissa.m) - static_cast<std::uint64_t>(pen.m);
  if (!mantissa.exact) return code_escape(params, mantissa, difference, bits);
  const std::uint64_t centered =
      difference - (params.has_center ? static_cast<std::uint64_t>(center_of(params.center)) : 0);
  const std::uint32_t ulp_width = params.domain.kind == DomainKind::kNear ? kUlpWidths[params.ulps] : 0U;
  const auto ulp_difference = static_cast<std::uint64_t>(static_cast<std::int64_t>(mantissa.ulps - pen.ulps));
  const std::uint32_t needed = signed_width(static_cast<std::int64_t>(centered));
  const bool narrow = needed <= kWidths[params.narrow];
  if ((!narrow && needed > kWidths[params.wide]) || !fits(ulp_difference, ulp_width)) {
    return code_escape(params, mantissa, difference, bits);
  }
  Coded coded;
  coded.mantissa = mantissa;
  coded.control = narrow ? kNarrow : kWide;
  coded.first_width = kWidths[narrow ? params.narrow : params.wide];
  coded.first = centered + half(coded.first_width);
  coded.second_width = ulp_width;
  coded.second = ulp_difference + half(ulp_width);
  return coded;
}

// What leads from the last coded scrape to the next event.
struct Lead {
  std::uint32_t controls = 0;
  bool escape = false;  // one control with data; without it `controls` times kSame
  std::uint64_t data = 0;
  std::uint32_t width = 0;
};

Lead lead_to(const ChunkPen& pen, std::uint32_t index) {
  if (pen.absent) {
    return {1, true, kReturn | static_cast<std::uint64_t>(index - pen.index) << kEscapeBits, kEscapeBits + 32};
  }
  const std::uint32_t gap = index - pen.index - 1;
  if (gap < kShortRunLeast) return {gap, false, 0, 0};
  if (gap < kRunLeast) {
    return {1, true, kShortRun | static_cast<std::uint64_t>(gap - kShortRunLeast) << kEscapeBits,
            kEscapeBits + kShortRunBits};
  }
  if (gap < kLongRunLeast) {
    return {1, true, kRun | static_cast<std::uint64_t>(gap - kRunLeast) << kEscapeBits, kEscapeBits + kRunBits};
  }
  return {1, true, kLongRun | static_cast<std::uint64_t>(gap - kLongRunLeast) << kEscapeBits, kEscapeBits + 32};
}

bool has_room(const ChunkPen& pen, std::uint32_t data, std::uint32_t controls) {
  return pen.data + data + 2 * (pen.controls + controls) <= kSlotBits;
}

void put_lead(Slot& slot, const Lead& lead, std::uint32_t& data, std::uint32_t& controls) {
  if (lead.escape) {
    put_control(slot, controls, kEscape);
    put(slot, data, lead.data, lead.width);
  }
  controls += lead.controls;
}

void put_coded(Slot& slot, const Coded& coded, std::uint32_t& data, std::uint32_t& controls) {
  if (coded.control != kSame) put_control(slot, controls, coded.control);
  ++controls;
  if (coded.bits() <= 64 && coded.first_width < 64) {
    const std::uint64_t first = coded.first & ((std::uint64_t{1} << coded.first_width) - 1);
    put(slot, data, first | coded.second << coded.first_width, coded.bits());
    return;
  }
  put(slot, data, coded.first, coded.first_width);
  put(slot, data, coded.second, coded.second_width);
}

// The count goes last: whoever sees it sees all it counts.
inline void count_event(Slot& slot, std::uint32_t controls, std::uint32_t index, std::uint64_t bits, bool escaped,
                        bool uneven) {
  const std::uint64_t head = own(slot.words[0]);
  const std::uint32_t check = check_step(static_cast<std::uint32_t>(head >> 32), index, bits);
  // ChunkHead: the controls are replaced, the flags stay.
  const std::uint64_t kept = head & ~(std::uint64_t{0xfff} << 16) & 0xffffffff;
  publish(slot.words[0], kept | static_cast<std::uint64_t>(controls) << 16 | static_cast<std::uint64_t>(escaped) << 30 |
                             static_cast<std::uint64_t>(uneven) << 31 | static_cast<std::uint64_t>(check) << 32);
}

void note_value(ChunkPen& pen, const Coded& coded) {
  pen.aside = !coded.in_domain;
  if (pen.aside) return;
  pen.m = coded.mantissa.m;
  pen.ulps = coded.mantissa.ulps;
}

std::uint32_t fold_check(std::uint32_t check, std::uint64_t word) {
  return check_step(check, static_cast<std::uint32_t>(word >> 32), word);
}

// `previous` is word 1 of the slot; of the start, what stands before its first value counts.
std::uint32_t seed_of(std::uint32_t owner_check, std::uint32_t slot, std::uint64_t previous, const ChunkStart& start) {
  std::uint32_t check = fold_check(owner_check, static_cast<std::uint64_t>(slot) << 32 | start.head.generation);
  check = fold_check(check, previous);
  check = fold_check(check, static_cast<std::uint64_t>(start.params.center) << 32 | start.index);
  check = fold_check(check, static_cast<std::uint64_t>(start.left_timeline) << 32 | start.left_index);
  return fold_check(check, static_cast<std::uint64_t>(start.time_ms) << 1 | (start.head.timed ? 1U : 0U));
}

}  // namespace

std::uint32_t chunk_seed(std::uint32_t owner_check, std::uint32_t slot, const SlotImage& image) {
  return seed_of(owner_check, slot, image[1], decode_start(image));
}

void open_chunk(Slot& slot, const ChunkOpening& opening, ChunkPen& pen) {
  ChunkStart start;
  start.head.generation = opening.self.generation;
  start.head.timed = opening.time_ms.has_value();
  start.head.starts = opening.left.has_value();
  start.params = opening.params;
  if (!start.params.has_center) start.params.center = 0;
  start.index = opening.index;
  // First of all the generation: a reader that sees any word stored below sees, when it looks again, that the slot is
  // another chunk's now.
  publish(slot.words[0], start.head.pack());
  // Put together beside the slot: what was just stored in parts cannot be loaded as a whole without waiting for it.
  SlotImage image{};
  image[1] = pack_previous(opening.previous, opening.params);
  image[2] = opening.index;
  std::uint32_t data = kStreamBegin;
  if (start.params.has_center) put(image, data, start.params.center, kCenterBits);
  if (opening.left) {
    start.left_timeline = opening.left->timeline;
    start.left_index = opening.left->index;
    put(image, data, start.left_timeline, kStartsTimelineBits);
    put(image, data, start.left_index, kStartsIndexBits);
  }
  if (opening.time_ms) {
    start.time_ms = *opening.time_ms;
    put(image, data, static_cast<std::uint64_t>(start.time_ms), 64);
  }
  const Mantissa mantissa = mantissa_of(opening.params.domain, std::bit_cast<double>(opening.bits));
  const std::uint32_t width = std::max(1U, signed_width(mantissa.m));
  put(image, data, width - 1, kFarWidthBits);
  put(image, data, static_cast<std::uint64_t>(mantissa.m), width);
  if (opening.params.domain.kind == DomainKind::kNear) {
    put(image, data, static_cast<std::uint8_t>(mantissa.ulps), 8);
  }
  for (std::size_t i = 1; i < kSlotWords; ++i) publish(slot.words[i], image[i]);
  const std::uint32_t seed = seed_of(opening.owner_check, opening.self.slot, image[1], start);
  start.head.check = check_step(seed, opening.index, opening.bits);
  publish(slot.words[0], start.head.pack());
  pen = ChunkPen{.m = mantissa.m, .ulps = mantissa.ulps, .index = opening.index, .data = data};
}

void take_value(ChunkPen& pen, Domain domain, std::uint64_t bits) {
  const Mantissa mantissa = mantissa_of(domain, std::bit_cast<double>(bits));
  pen.m = mantissa.m;
  pen.ulps = mantissa.ulps;
}

Near append_near(Slot& slot, std::uint32_t& data, std::uint32_t last_index, std::uint32_t index, std::uint64_t bits,
                 std::uint64_t previous) {
  const std::uint32_t gap = index - last_index - 1;
  if (gap >= kShortRunLeast || bits == previous) return Near::kOther;
  const std::uint64_t word = own(slot.words[1]);
  const Domain domain = domain_of(word >> 43 & 0x1f);
  const Mantissa mantissa = mantissa_of(domain, std::bit_cast<double>(bits));
  if (!mantissa.exact) return Near::kOther;
  const Mantissa before = held_mantissa(domain, std::bit_cast<double>(previous));
  std::uint64_t distance = static_cast<std::uint64_t>(mantissa.m) - static_cast<std::uint64_t>(before.m);
  if (word >> 63 != 0) {
    distance -= static_cast<std::uint64_t>(center_of(static_cast<std::uint32_t>(own(slot.words[2]) >> 32) & 0xffff));
  }
  const std::uint32_t needed = signed_width(static_cast<std::int64_t>(distance));
  const std::uint32_t narrow = kWidths[word >> 48 & 0x1f];
  const std::uint32_t wide = kWidths[word >> 53 & 0x1f];
  // Which of the two cannot be guessed, and a wrong guess costs a tenth of an append.
  const std::uint32_t is_wide = needed > narrow ? 1U : 0U;
  const std::uint32_t width = narrow ^ ((narrow ^ wide) & (0U - is_wide));
  // What fills a word, or has no bits, goes the general way: neither can be shifted about as below.
  if (needed > width || width - 1 >= 63) return Near::kOther;
  std::uint64_t field = (distance + half(width)) & ((std::uint64_t{1} << width) - 1);
  std::uint32_t field_width = width;
  if (domain.kind == DomainKind::kNear) {
    const std::uint32_t ulp_width = kUlpWidths[word >> 58 & 0x7];
    const auto ulps = static_cast<std::uint64_t>(static_cast<std::int64_t>(mantissa.ulps - before.ulps));
    if (!fits(ulps, ulp_width) || width + ulp_width > 64) return Near::kOther;
    field |= (ulps + half(ulp_width)) << width;
    field_width += ulp_width;
  }
  const std::uint32_t begin = data;
  const std::uint32_t controls = ChunkHead::unpack(own(slot.words[0])).controls + gap;
  if (begin + field_width + 2 * (controls + 1) > kSlotBits) return Near::kFull;
  // Whether a field goes over the end of a word cannot be guessed: the next word gets what does, if only zeros. It is
  // not the word that was stored just now, for whose load that store would have to be waited for; but for the last one.
  const std::uint32_t shift = begin & 63;
  const std::uint32_t at = begin >> 6;
  Word& first = slot.words[at];
  publish(first, own(first) | field << shift);
  Word& second = slot.words[std::min<std::uint32_t>(at + 1, kSlotWords - 1)];
  publish(second, own(second) | (field >> 1) >> (63 - shift));
  put_control(slot, controls, kNarrow + is_wide);
  count_event(slot, controls + 1, index, bits, false, is_uneven(previous, bits));
  data = begin + field_width;
  return Near::kWritten;
}

bool append_value(Slot& slot, ChunkPen& pen, std::uint32_t index, std::uint64_t bits, std::uint64_t previous) {
  if (!pen.absent && !pen.aside && append_near(slot, pen.data, pen.index, index, bits, previous) == Near::kWritten) {
    pen.controls += index - pen.index;
    pen.index = index;
    take_value(pen, domain_of(own(slot.words[1]) >> 43 & 0x1f), bits);
    return true;
  }
  return append_other(slot, pen, index, bits, previous);
}

bool append_other(Slot& slot, ChunkPen& pen, std::uint32_t index, std::uint64_t bits, std::uint64_t previous) {
  const ChunkParams params = unpack_params(own(slot.words[1]), own(slot.words[2]));
  const Lead lead = lead_to(pen, index);
  const Coded coded = code_value(params, pen, bits, previous);
  if (!has_room(pen, lead.width + coded.bits(), lead.controls + 1)) return false;
  std::uint32_t data = pen.data;
  std::uint32_t controls = pen.controls;
  put_lead(slot, lead, data, controls);
  put_coded(slot, coded, data, controls);
  count_event(slot, controls, index, bits, coded.control == kEscape, is_uneven(previous, bits));
  pen.index = index;
  pen.data = data;
  pen.controls = controls;
  pen.absent = false;
  note_value(pen, coded);
  return true;
}

bool append_absent(Slot& slot, ChunkPen& pen, std::uint32_t index) {
  const Lead lead = lead_to(pen, index);
  if (!has_room(pen, lead.width + kEscapeBits, lead.controls + 1)) return false;
  std::uint32_t data = pen.data;
  std::uint32_t controls = pen.controls;
  put_lead(slot, lead, data, controls);
  put_control(slot, controls++, kEscape);
  put(slot, data, kAbsent, kEscapeBits);
  count_event(slot, controls, index, kAbsentCheckBits, false, true);
  pen.index = index;
  pen.data = data;
  pen.controls = controls;
  pen.absent = true;
  return true;
}

bool append_timed(Slot& slot, ChunkPen& pen, const TimedStep& before, std::int64_t time_ms, std::uint64_t bits,
                  std::uint64_t previous) {
  const ChunkParams params = unpack_params(own(slot.words[1]), own(slot.words[2]));
  const Coded coded = code_value(params, pen, bits, previous);
  const std::uint64_t step = static_cast<std::uint64_t>(time_ms) - static_cast<std::uint64_t>(before.time_ms);
  const std::uint64_t change = step - static_cast<std::uint64_t>(before.step_ms);
  const std::uint32_t width = change == 0 ? 1 : fits(change, kTimedChangeBits) ? 2 + kTimedChangeBits : 2 + 64;
  if (!has_room(pen, width + coded.bits(), 1)) return false;
  std::uint32_t data = pen.data;
  std::uint32_t controls = pen.controls;
  put(slot, data, change == 0 ? 0U : width == 2 + kTimedChangeBits ? 1U : 3U, change == 0 ? 1 : 2);
  if (change != 0) put(slot, data, width == 2 + kTimedChangeBits ? change : step, width - 2);
  put_coded(slot, coded, data, controls);
  count_event(slot, controls, static_cast<std::uint32_t>(step), bits, coded.control == kEscape,
              is_uneven(previous, bits));
  pen.data = data;
  pen.controls = controls;
  note_value(pen, coded);
  return true;
}

bool copy_slot_into(SlotImage& image, const Slot& slot, std::uint16_t generation, std::uint16_t mask) {
  // acquire, each pairing with the writer's release: see publish() above.
  for (std::size_t i = 0; i < kSlotWords; ++i) image[i] = slot.words[i].load(std::memory_order_acquire);
  // relaxed: the loads above keep it behind them.
  const std::uint64_t again = slot.words[0].load(std::memory_order_relaxed);
  const std::uint16_t before = ChunkHead::unpack(image[0]).generation;
  return (before & mask) == generation && ChunkHead::unpack(again).generation == before;
}

std::optional<SlotImage> copy_slot(const Slot& slot, std::uint16_t generation, std::uint16_t mask) {
  SlotImage image{};
  if (!copy_slot_into(image, slot, generation, mask)) return std::nullopt;
  return image;
}

}  // namespace core::ring

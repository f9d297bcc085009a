// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "core/ring/label_store.h"

namespace core::ring {

using SeriesNumber = std::uint32_t;

// Which series have which label: for some series, all of whose pairs of name and value are here in the order of their
// texts, each with the numbers of the series that have it. Numbers are stored as differences of one byte or two, so a
// series costs about a byte a label.
//
// Thread safety: immutable after construction. It refers to the label store, whose rules hold.
class Postings {
 public:
  // `series` ascending; `set_of` gives a series' label set.
  static std::shared_ptr<const Postings> build(const LabelStore& labels, std::vector<SeriesNumber> series,
                                               const std::function<LabelRef(SeriesNumber)>& set_of);

  std::size_t size() const { return series_; }
  // The places of a name's pairs, [first, second).
  std::pair<std::size_t, std::size_t> places_of(std::string_view name) const;
  std::optional<std::size_t> place_of(std::string_view name, std::string_view value) const;
  std::size_t places() const { return pairs_.size(); }
  LabelRef pair(std::size_t place) const { return pairs_[place].pair; }
  std::size_t count(std::size_t place) const { return pairs_[place].count; }

  // Appends the numbers, ascending.
  void append(std::size_t place, std::vector<SeriesNumber>& out) const;
  void append_all(std::vector<SeriesNumber>& out) const;

 private:
  struct Pair {
    LabelRef pair = 0;
    std::uint32_t count = 0;
    std::uint32_t begin = 0;  // in bytes_
  };

  explicit Postings(const LabelStore& labels) : labels_(labels) {}
  std::uint32_t encode(std::span<const SeriesNumber> numbers);
  void decode(std::uint32_t begin, std::size_t count, std::vector<SeriesNumber>& out) const;

  const LabelStore& labels_;
  std::size_t series_ = 0;
  std::uint32_t all_begin_ = 0;
  std::vector<Pair> pairs_;
  std::vector<std::uint8_t> bytes_;
};

}  // namespace core::ring

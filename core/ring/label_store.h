// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "core/ring/labels.h"
#include "core/ring/ref_table.h"

namespace core::ring {

// Names a record of the label store: its place in granules of kLabelGranule bytes; 0 is none.
using LabelRef = std::uint32_t;

// The bytes of a record in the file. Text follows, then padding to the granule.
enum class LabelKind : std::uint16_t { kFree = 0, kName = 1, kPair = 2, kSet = 3 };

struct LabelRecord {
  std::uint32_t check;   // over kind, length, name and what follows
  std::uint16_t length;  // bytes of text; pairs of a set
  LabelKind kind;
  // Below, only of names and pairs; a set is followed by the references of its pairs, in the order of their names.
  std::uint32_t uses;  // counted anew at every start
  std::uint32_t name;  // a pair's name
  std::uint32_t hash;  // of the text and a pair's name; made anew at every start
};
static_assert(sizeof(LabelRecord) == 20);
inline constexpr std::size_t kSetHeaderBytes = 8;
inline constexpr std::size_t kLabelTextMax = 65'535;
inline constexpr std::size_t kLabelsPerSeriesMax = 1024;

// Label names, pairs of a name and a value, and sets of pairs, in a region of the mapped file: each name and each pair
// is stored once, whoever uses it. Which parts of the region are free is known in ordinary memory only.
//
// Thread safety: changes by one thread at a time (the index's lock); name(), value(), pairs() and materialise() by any
// thread that holds a ReadEpoch guard since before it found the reference. release() only after that epoch is over.
class LabelStore {
 public:
  LabelStore(std::byte* region, std::uint64_t bytes);

  // The set of these labels, made if need be along with what it consists of; none if the region is full.
  std::optional<LabelRef> make_set(const Labels& labels);
  // The pairs of these labels if every one of them is known: a set of others is nobody's.
  bool find_pairs(const Labels& labels, std::vector<LabelRef>& pairs) const;
  std::optional<LabelRef> find_pair(std::string_view name, std::string_view value) const;
  std::optional<LabelRef> find_name(std::string_view name) const;
  // Gives back a set, and what only it used.
  void release(LabelRef set);

  // Total on any bytes: a reference that leads nowhere has no text and no pairs.
  std::string_view text(LabelRef name_or_pair) const;
  LabelRef name_of(LabelRef pair) const;
  std::span<const LabelRef> pairs(LabelRef set) const;
  // None if the set, or one of its texts, is not there: bytes that were lost say nothing.
  std::optional<Labels> materialise(LabelRef set) const;
  // Of what the labels say, not of where they lie: the same in every file. As it was when the set was made.
  std::uint32_t set_check(LabelRef set) const { return is(set, LabelKind::kSet) ? record(set)->check : 0; }
  // Asks for the memory of a set whose check is about to be wanted.
  void prefetch(LabelRef set) const;

  // After a start: takes over a set that a series uses. False if its bytes are not what was written; `checked` looks at
  // all of them, otherwise only at what could lead astray.
  bool adopt(LabelRef set, bool checked);
  // The end of adopting: what nobody used is free.
  void finish_adoption();

  std::uint64_t bytes_used() const { return used_ * 8; }
  std::uint64_t bytes() const { return granules_ * 8; }

 private:
  std::uint32_t content_check(LabelRef set) const;
  LabelRecord* record(LabelRef ref) const;
  bool is(LabelRef ref, LabelKind kind) const;
  std::optional<LabelRef> make_name(std::string_view name);
  std::optional<LabelRef> make_pair(std::string_view name, std::string_view value);
  std::optional<LabelRef> make_text(LabelKind kind, LabelRef name, std::string_view text, std::uint32_t hash);
  void unuse_pair(LabelRef pair);
  bool adopt_name(LabelRef name, bool checked);
  bool adopt_pair(LabelRef pair, bool checked);

  std::optional<LabelRef> allocate(std::size_t bytes);
  void free(LabelRef ref, std::size_t bytes);
  void add_free(std::uint32_t begin, std::uint32_t granules);

  std::byte* const region_;
  const std::uint32_t granules_;
  std::uint64_t used_ = 0;  // granules
  RefTable names_;
  RefTable pairs_;
  std::map<std::uint32_t, std::uint32_t> free_;                     // begin -> granules
  std::set<std::pair<std::uint32_t, std::uint32_t>> free_by_size_;  // granules, begin
  std::vector<std::pair<std::uint32_t, std::uint32_t>> adopted_;    // begin, granules; while adopting
  std::vector<bool> seen_;                                          // by granule; while adopting
};

}  // namespace core::ring

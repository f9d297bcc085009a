// SPDX-License-Identifier: Apache-2.0
#include "core/ring/label_store.h"

#include <algorithm>
#include <cstring>

#include "core/check.h"
#include "core/ring/ring_layout.h"

namespace core::ring {
namespace {

std::uint32_t granules_for(std::size_t bytes) {
  return static_cast<std::uint32_t>((bytes + kLabelGranule - 1) / kLabelGranule);
}

std::uint32_t hash_text(std::uint32_t seed, std::string_view text) {
  std::uint64_t hash = (seed + 0x9e3779b97f4a7c15ULL) ^ text.size();
  while (text.size() >= 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data(), 8);
    hash = (hash ^ word) * 0xff51afd7ed558ccdULL;
    hash ^= hash >> 32;
    text.remove_prefix(8);
  }
  std::uint64_t tail = 0;
  // An empty text may be no address at all, which memcpy() must not be given.
  if (!text.empty()) std::memcpy(&tail, text.data(), text.size());
  hash = (hash ^ tail) * 0xc4ceb9fe1a85ec53ULL;
  return static_cast<std::uint32_t>(hash ^ hash >> 29 ^ hash >> 47);
}

// Seeds that keep a name and a value of the same text apart.
constexpr std::uint32_t kNameSeed = 1;

std::uint32_t hash_pair(std::string_view name, std::string_view value) {
  return hash_text(hash_text(kNameSeed, name), value);
}

std::size_t set_bytes(std::size_t pairs) { return kSetHeaderBytes + pairs * sizeof(LabelRef); }

}  // namespace

LabelStore::LabelStore(std::byte* region, std::uint64_t bytes)
    : region_(region), granules_(static_cast<std::uint32_t>(bytes / kLabelGranule)) {
  // Granule 0 is nobody's, so that a reference of 0 is none.
  add_free(1, granules_ - 1);
}

LabelRecord* LabelStore::record(LabelRef ref) const {
  return reinterpret_cast<LabelRecord*>(region_ + static_cast<std::uint64_t>(ref) * kLabelGranule);
}

void LabelStore::prefetch(LabelRef set) const {
  if (set < granules_) __builtin_prefetch(record(set));
}

bool LabelStore::is(LabelRef ref, LabelKind kind) const {
  if (ref == 0 || ref >= granules_) return false;
  const std::uint64_t room = static_cast<std::uint64_t>(granules_ - ref) * kLabelGranule;
  if (room < sizeof(LabelRecord) && (kind != LabelKind::kSet || room < kSetHeaderBytes)) return false;
  const LabelRecord* const found = record(ref);
  if (found->kind != kind) return false;
  const std::size_t bytes = kind == LabelKind::kSet ? set_bytes(found->length) : sizeof(LabelRecord) + found->length;
  return bytes <= room;
}

std::string_view LabelStore::text(LabelRef ref) const {
  if (!is(ref, LabelKind::kName) && !is(ref, LabelKind::kPair)) return {};
  const LabelRecord* const found = record(ref);
  return {reinterpret_cast<const char*>(found + 1), found->length};
}

LabelRef LabelStore::name_of(LabelRef pair) const { return is(pair, LabelKind::kPair) ? record(pair)->name : 0; }

std::span<const LabelRef> LabelStore::pairs(LabelRef set) const {
  if (!is(set, LabelKind::kSet)) return {};
  const auto* const first =
      reinterpret_cast<const LabelRef*>(reinterpret_cast<const std::byte*>(record(set)) + kSetHeaderBytes);
  return {first, record(set)->length};
}

std::optional<Labels> LabelStore::materialise(LabelRef set) const {
  const auto members = pairs(set);
  if (members.empty()) return std::nullopt;
  std::vector<Label> labels;
  labels.reserve(members.size());
  for (const LabelRef pair : members) {
    const std::string_view name = text(name_of(pair));
    const std::string_view value = text(pair);
    if (name.empty() || value.empty()) return std::nullopt;
    labels.push_back({std::string(name), std::string(value)});
  }
  return Labels::from_sorted(std::move(labels));
}

std::uint32_t LabelStore::content_check(LabelRef set) const {
  std::uint32_t check = 0;
  for (const LabelRef pair : pairs(set)) check = hash_text(hash_text(check, text(name_of(pair))), text(pair));
  return check;
}

std::optional<LabelRef> LabelStore::find_name(std::string_view name) const {
  const LabelRef found = names_.find(hash_text(kNameSeed, name), [&](LabelRef ref) { return text(ref) == name; });
  return found == 0 ? std::nullopt : std::optional(found);
}

std::optional<LabelRef> LabelStore::find_pair(std::string_view name, std::string_view value) const {
  const LabelRef found = pairs_.find(hash_pair(name, value),
                                     [&](LabelRef ref) { return text(ref) == value && text(name_of(ref)) == name; });
  return found == 0 ? std::nullopt : std::optional(found);
}

bool LabelStore::find_pairs(const Labels& labels, std::vector<LabelRef>& pairs) const {
  pairs.clear();
  for (const Label& label : labels) {
    const auto pair = find_pair(label.name, label.value);
    if (!pair) return false;
    pairs.push_back(*pair);
  }
  return true;
}

std::optional<LabelRef> LabelStore::make_text(LabelKind kind, LabelRef name, std::string_view text,
                                              std::uint32_t hash) {
  if (text.size() > kLabelTextMax) return std::nullopt;
  const auto ref = allocate(sizeof(LabelRecord) + text.size());
  if (!ref) return std::nullopt;
  LabelRecord* const made = record(*ref);
  std::memcpy(static_cast<void*>(made + 1), text.data(), text.size());
  made->length = static_cast<std::uint16_t>(text.size());
  made->uses = 0;
  made->name = name;
  made->hash = hash;
  made->check = hash_text(hash_text(static_cast<std::uint32_t>(kind), text), std::string_view()) ^ name;
  made->kind = kind;
  (kind == LabelKind::kPair ? pairs_ : names_).insert(hash, *ref);
  return ref;
}

std::optional<LabelRef> LabelStore::make_name(std::string_view name) {
  if (const auto found = find_name(name)) return found;
  return make_text(LabelKind::kName, 0, name, hash_text(kNameSeed, name));
}

std::optional<LabelRef> LabelStore::make_pair(std::string_view name, std::string_view value) {
  if (const auto found = find_pair(name, value)) return found;
  const auto name_ref = make_name(name);
  if (!name_ref) return std::nullopt;
  const auto pair = make_text(LabelKind::kPair, *name_ref, value, hash_pair(name, value));
  if (pair) {
    ++record(*name_ref)->uses;
  } else if (record(*name_ref)->uses == 0) {
    names_.erase(record(*name_ref)->hash, *name_ref);
    free(*name_ref, sizeof(LabelRecord) + name.size());
  }
  return pair;
}

std::optional<LabelRef> LabelStore::make_set(const Labels& labels) {
  if (labels.size() > kLabelsPerSeriesMax) return std::nullopt;
  std::vector<LabelRef> members;
  members.reserve(labels.size());
  std::optional<LabelRef> set;
  for (const Label& label : labels) {
    const auto pair = make_pair(label.name, label.value);
    if (!pair) break;
    ++record(*pair)->uses;
    members.push_back(*pair);
  }
  if (members.size() == labels.size()) set = allocate(set_bytes(members.size()));
  if (!set) {
    for (const LabelRef pair : members) unuse_pair(pair);
    return std::nullopt;
  }
  LabelRecord* const made = record(*set);
  auto* const bytes = reinterpret_cast<std::byte*>(made);
  std::memcpy(bytes + kSetHeaderBytes, members.data(), members.size() * sizeof(LabelRef));
  made->length = static_cast<std::uint16_t>(members.size());
  made->kind = LabelKind::kSet;
  made->check = content_check(*set);
  return set;
}

void LabelStore::unuse_pair(LabelRef pair) {
  if (!is(pair, LabelKind::kPair)) return;
  LabelRecord* const gone = record(pair);
  if (gone->uses == 0 || --gone->uses > 0) return;
  const LabelRef name = gone->name;
  pairs_.erase(gone->hash, pair);
  free(pair, sizeof(LabelRecord) + gone->length);
  if (!is(name, LabelKind::kName) || record(name)->uses == 0 || --record(name)->uses > 0) return;
  names_.erase(record(name)->hash, name);
  free(name, sizeof(LabelRecord) + record(name)->length);
}

void LabelStore::release(LabelRef set) {
  const auto members = pairs(set);
  const std::vector<LabelRef> gone(members.begin(), members.end());
  free(set, set_bytes(gone.size()));
  for (const LabelRef pair : gone) unuse_pair(pair);
}

std::optional<LabelRef> LabelStore::allocate(std::size_t bytes) {
  const std::uint32_t wanted = granules_for(bytes);
  // Best fit: series that come and go with values of one length leave holes that fit the next ones.
  const auto found = free_by_size_.lower_bound({wanted, 0});
  if (found == free_by_size_.end()) return std::nullopt;
  const auto [granules, begin] = *found;
  free_by_size_.erase(found);
  free_.erase(begin);
  if (granules > wanted) {
    free_.emplace(begin + wanted, granules - wanted);
    free_by_size_.emplace(granules - wanted, begin + wanted);
  }
  used_ += wanted;
  return begin;
}

void LabelStore::free(LabelRef ref, std::size_t bytes) {
  record(ref)->kind = LabelKind::kFree;
  used_ -= granules_for(bytes);
  add_free(ref, granules_for(bytes));
}

void LabelStore::add_free(std::uint32_t begin, std::uint32_t granules) {
  auto next = free_.lower_bound(begin);
  if (next != free_.end() && begin + granules == next->first) {
    granules += next->second;
    free_by_size_.erase({next->second, next->first});
    next = free_.erase(next);
  }
  if (next != free_.begin()) {
    const auto before = std::prev(next);
    if (before->first + before->second == begin) {
      free_by_size_.erase({before->second, before->first});
      begin = before->first;
      granules += before->second;
      free_.erase(before);
    }
  }
  if (granules == 0) return;
  free_.emplace(begin, granules);
  free_by_size_.emplace(granules, begin);
}

bool LabelStore::adopt_name(LabelRef name, bool checked) {
  if (!is(name, LabelKind::kName)) return false;
  LabelRecord* const found = record(name);
  if (!seen_[name]) {
    const std::uint32_t hash = hash_text(kNameSeed, text(name));
    const std::uint32_t check = hash_text(hash_text(static_cast<std::uint32_t>(LabelKind::kName), text(name)), {});
    if (checked && found->check != check) return false;
    found->hash = hash;
    found->uses = 0;
    names_.insert(hash, name);
    seen_[name] = true;
    adopted_.emplace_back(name, granules_for(sizeof(LabelRecord) + found->length));
  }
  ++found->uses;
  return true;
}

bool LabelStore::adopt_pair(LabelRef pair, bool checked) {
  if (!is(pair, LabelKind::kPair)) return false;
  LabelRecord* const found = record(pair);
  if (seen_[pair]) {
    ++found->uses;
    return true;
  }
  if (!is(found->name, LabelKind::kName)) return false;
  const std::uint32_t check =
      hash_text(hash_text(static_cast<std::uint32_t>(LabelKind::kPair), text(pair)), {}) ^ found->name;
  if (checked && found->check != check) return false;
  if (!adopt_name(found->name, checked)) return false;
  found->hash = hash_pair(text(found->name), text(pair));
  found->uses = 1;
  pairs_.insert(found->hash, pair);
  seen_[pair] = true;
  adopted_.emplace_back(pair, granules_for(sizeof(LabelRecord) + found->length));
  return true;
}

bool LabelStore::adopt(LabelRef set, bool checked) {
  if (seen_.empty()) seen_.resize(granules_);
  if (!is(set, LabelKind::kSet)) return false;
  const auto members = pairs(set);
  if (members.size() > kLabelsPerSeriesMax) return false;
  std::size_t done = 0;
  while (done < members.size() && adopt_pair(members[done], checked)) ++done;
  const bool whole = done == members.size() && (!checked || record(set)->check == content_check(set));
  if (!whole) {
    // What it alone used stays adopted with no user until finish_adoption() gives it back.
    for (std::size_t i = 0; i < done; ++i) --record(members[i])->uses;
    return false;
  }
  adopted_.emplace_back(set, granules_for(set_bytes(members.size())));
  return true;
}

void LabelStore::finish_adoption() {
  free_.clear();
  free_by_size_.clear();
  used_ = 0;
  std::sort(adopted_.begin(), adopted_.end());
  std::uint32_t next = 1;
  std::vector<LabelRef> unused;
  for (const auto& [begin, granules] : adopted_) {
    // Two records in one place: only damaged bytes say so, and the index has refused the series that led here.
    if (begin < next) continue;
    if (begin > next) add_free(next, begin - next);
    next = begin + granules;
    used_ += granules;
    if (record(begin)->kind == LabelKind::kPair && record(begin)->uses == 0) unused.push_back(begin);
  }
  if (next < granules_) add_free(next, granules_ - next);
  adopted_ = {};
  seen_ = {};
  for (const LabelRef pair : unused) {
    record(pair)->uses = 1;
    unuse_pair(pair);
  }
}

}  // namespace core::ring

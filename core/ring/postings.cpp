// SPDX-License-Identifier: Apache-2.0
#include "core/ring/postings.h"

#include <algorithm>

namespace core::ring {
namespace {

// Gives each pair that occurs a number from 0 on.
class PairNumbers {
 public:
  std::uint32_t of(LabelRef pair) {
    const std::uint32_t hash = pair * 0x9e3779b9U;
    const std::uint32_t known = table_.find(hash, [&](std::uint32_t ref) { return pairs_[ref - 1] == pair; });
    if (known != 0) return known - 1;
    pairs_.push_back(pair);
    table_.insert(hash, static_cast<std::uint32_t>(pairs_.size()));
    return static_cast<std::uint32_t>(pairs_.size() - 1);
  }
  const std::vector<LabelRef>& pairs() const { return pairs_; }

 private:
  RefTable table_;
  std::vector<LabelRef> pairs_;
};

struct Texts {
  std::string_view name;
  std::string_view value;
  auto operator<=>(const Texts&) const = default;
};

}  // namespace

std::shared_ptr<const Postings> Postings::build(const LabelStore& labels, std::vector<SeriesNumber> series,
                                                const std::function<LabelRef(SeriesNumber)>& set_of) {
  std::shared_ptr<Postings> built(new Postings(labels));
  built->series_ = series.size();
  PairNumbers numbers;
  std::vector<std::uint32_t> counts;
  for (const SeriesNumber each : series) {
    for (const LabelRef pair : labels.pairs(set_of(each))) {
      const std::uint32_t number = numbers.of(pair);
      if (number == counts.size()) counts.push_back(0);
      ++counts[number];
    }
  }
  std::vector<std::uint32_t> next(counts.size() + 1, 0);
  for (std::size_t i = 0; i < counts.size(); ++i) next[i + 1] = next[i] + counts[i];
  std::vector<SeriesNumber> members(next.back());
  for (const SeriesNumber each : series) {
    for (const LabelRef pair : labels.pairs(set_of(each))) members[next[numbers.of(pair)]++] = each;
  }
  // Now next[i] is the end of the i-th list.
  std::vector<std::uint32_t> order(counts.size());
  for (std::uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  const auto texts = [&](std::uint32_t number) {
    const LabelRef pair = numbers.pairs()[number];
    return Texts{labels.text(labels.name_of(pair)), labels.text(pair)};
  };
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) { return texts(a) < texts(b); });
  built->pairs_.reserve(order.size());
  built->bytes_.reserve(members.size() + members.size() / 8 + series.size());
  for (const std::uint32_t number : order) {
    const std::span<const SeriesNumber> list(members.data() + next[number] - counts[number], counts[number]);
    built->pairs_.push_back({numbers.pairs()[number], counts[number], built->encode(list)});
  }
  built->all_begin_ = built->encode(series);
  built->bytes_.shrink_to_fit();
  return built;
}

std::uint32_t Postings::encode(std::span<const SeriesNumber> numbers) {
  const auto begin = static_cast<std::uint32_t>(bytes_.size());
  SeriesNumber before = 0;
  for (const SeriesNumber number : numbers) {
    std::uint32_t difference = number - before;
    before = number;
    for (; difference >= 0x80; difference >>= 7) bytes_.push_back(static_cast<std::uint8_t>(difference | 0x80));
    bytes_.push_back(static_cast<std::uint8_t>(difference));
  }
  return begin;
}

void Postings::decode(std::uint32_t begin, std::size_t count, std::vector<SeriesNumber>& out) const {
  const std::uint8_t* at = bytes_.data() + begin;
  SeriesNumber number = 0;
  out.reserve(out.size() + count);
  for (std::size_t i = 0; i < count; ++i) {
    std::uint32_t difference = *at & 0x7f;
    for (std::uint32_t shift = 7; (*at++ & 0x80) != 0; shift += 7) {
      difference |= static_cast<std::uint32_t>(*at & 0x7f) << shift;
    }
    number += difference;
    out.push_back(number);
  }
}

void Postings::append(std::size_t place, std::vector<SeriesNumber>& out) const {
  decode(pairs_[place].begin, pairs_[place].count, out);
}

void Postings::append_all(std::vector<SeriesNumber>& out) const { decode(all_begin_, series_, out); }

std::pair<std::size_t, std::size_t> Postings::places_of(std::string_view name) const {
  const auto name_of = [&](const Pair& pair) { return labels_.text(labels_.name_of(pair.pair)); };
  const auto first =
      std::partition_point(pairs_.begin(), pairs_.end(), [&](const Pair& pair) { return name_of(pair) < name; });
  const auto last = std::partition_point(first, pairs_.end(), [&](const Pair& pair) { return name_of(pair) == name; });
  return {static_cast<std::size_t>(first - pairs_.begin()), static_cast<std::size_t>(last - pairs_.begin())};
}

std::optional<std::size_t> Postings::place_of(std::string_view name, std::string_view value) const {
  const Texts wanted{name, value};
  const auto texts = [&](const Pair& pair) {
    return Texts{labels_.text(labels_.name_of(pair.pair)), labels_.text(pair.pair)};
  };
  const auto found =
      std::partition_point(pairs_.begin(), pairs_.end(), [&](const Pair& pair) { return texts(pair) < wanted; });
  if (found == pairs_.end() || texts(*found) != wanted) return std::nullopt;
  return static_cast<std::size_t>(found - pairs_.begin());
}

}  // namespace core::ring

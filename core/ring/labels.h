// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace core::ring {

inline constexpr std::string_view kMetricName = "__name__";

struct Label {
  std::string name;
  std::string value;
  auto operator<=>(const Label&) const = default;
};

// The identity of a series: label pairs with the metric name among them under `__name__`.
//
// Thread safety: a value.
// Invariants: sorted by name bytewise, names unique, no empty values (an empty value means "no such label").
class Labels {
 public:
  Labels() = default;
  // Sorts, drops empty values; of two pairs with one name the later wins.
  explicit Labels(std::vector<Label> pairs);
  Labels(std::initializer_list<Label> pairs) : Labels(std::vector<Label>(pairs)) {}

  // Of pairs that keep the invariants already.
  static Labels from_sorted(std::vector<Label> pairs) {
    Labels labels;
    labels.pairs_ = std::move(pairs);
    return labels;
  }

  // "" if absent.
  std::string_view get(std::string_view name) const;
  bool has(std::string_view name) const { return !get(name).empty(); }
  std::string_view metric_name() const { return get(kMetricName); }

  // Copies that differ in one label; `with` an empty value removes it.
  Labels with(std::string_view name, std::string_view value) const;
  Labels without(std::string_view name) const { return with(name, ""); }
  Labels without_metric_name() const { return with(kMetricName, ""); }

  const std::vector<Label>& pairs() const { return pairs_; }
  auto begin() const { return pairs_.begin(); }
  auto end() const { return pairs_.end(); }
  std::size_t size() const { return pairs_.size(); }
  bool empty() const { return pairs_.empty(); }

  // FNV-1a 64 over name 0xff value 0xff, in order: the fingerprint of Alertmanager and of prometheus/common
  // (model/signature.go), so that ours agree with theirs. Stable across versions and machines.
  std::uint64_t fingerprint() const;

  // name{a="b", c="d"}, as Prometheus prints a series; values Go-quoted, names quoted where they must be.
  std::string to_string() const;

  // Pair by pair, name then value, bytewise; a prefix sorts first. The order of every result that promises one.
  auto operator<=>(const Labels&) const = default;
  bool operator==(const Labels&) const = default;

 private:
  std::vector<Label> pairs_;
};

struct LabelsHash {
  std::size_t operator()(const Labels& labels) const { return static_cast<std::size_t>(labels.fingerprint()); }
};

// [a-zA-Z_][a-zA-Z0-9_]* — what needs no quotes in PromQL braces.
bool is_plain_label_name(std::string_view name);
// [a-zA-Z_:][a-zA-Z0-9_:]*
bool is_plain_metric_name(std::string_view name);
bool is_valid_utf8(std::string_view text);

// Go's strconv.Quote: \a \b \f \n \r \t \v \\ \"; other control bytes and invalid UTF-8 as \xNN; other non-printable
// code points as \uNNNN or \UNNNNNNNN; printable Unicode as it is.
std::string go_quote(std::string_view text);

}  // namespace core::ring

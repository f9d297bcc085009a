// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/config/table.h"
#include "core/result.h"
#include "core/ring/labels.h"

namespace collector::relabel {

// Which names a job accepts: any UTF-8, or only those that need no quotes (metric_name_validation_scheme).
enum class NameValidation { kUtf8, kLegacy };

bool is_valid_label_name(std::string_view name, NameValidation validation);
bool is_valid_metric_name(std::string_view name, NameValidation validation);

enum class Action {
  kReplace,
  kKeep,
  kDrop,
  kKeepEqual,
  kDropEqual,
  kHashMod,
  kLabelMap,
  kLabelDrop,
  kLabelKeep,
  kLowercase,
  kUppercase
};

// One rule as it is written: Prometheus's <relabel_config>.
struct RelabelConfig {
  std::vector<std::string> source_labels;
  std::string separator = ";";
  std::string regex = "(.*)";
  std::uint64_t modulus = 0;
  std::string target_label;
  std::string replacement = "$1";
  Action action = Action::kReplace;

  bool operator==(const RelabelConfig&) const = default;
  static const core::config::Table<RelabelConfig>& fields();
};

// Labels being changed.
//
// Thread safety: a value.
// Invariants: names are unique; no value is empty: setting a label to "" removes it.
class LabelBuilder {
 public:
  LabelBuilder() = default;
  explicit LabelBuilder(const core::ring::Labels& labels) : pairs_(labels.pairs()) {}
  // REQUIRES: names are unique.
  explicit LabelBuilder(std::vector<core::ring::Label> pairs) : pairs_(std::move(pairs)) {
    std::erase_if(pairs_, [](const core::ring::Label& pair) { return pair.value.empty(); });
  }

  std::string_view get(std::string_view name) const;  // "" if absent
  void set(std::string_view name, std::string_view value);
  void remove(std::string_view name) { set(name, ""); }
  // As set() of each in turn, and yet not a walk for each: there may be a thousand of them.
  void set_all(std::vector<core::ring::Label> changes);
  template <class Predicate>
  void remove_if(Predicate predicate) {
    std::erase_if(pairs_, predicate);
  }
  const std::vector<core::ring::Label>& pairs() const { return pairs_; }
  core::ring::Labels build() const { return core::ring::Labels(pairs_); }
  void clear() { pairs_.clear(); }

 private:
  std::vector<core::ring::Label> pairs_;  // few enough that a walk beats an index
};

// Rules in order, checked and with their expressions compiled.
//
// Thread safety: immutable after construction; copies share the compiled rules.
class Rules {
 public:
  Rules() = default;

  // kInvalid in Prometheus's words (model/relabel/relabel.go, Validate).
  static core::Result<Rules> compile(std::span<const RelabelConfig> configs, NameValidation validation);

  // False if a rule drops the set, which is then as the rules before it left it.
  bool apply(LabelBuilder& labels) const;
  bool empty() const { return rules_.empty(); }

 private:
  struct Rule;
  std::vector<std::shared_ptr<const Rule>> rules_;
};

}  // namespace collector::relabel

template <>
struct core::config::Codec<collector::relabel::Action> {
  // In any case: Replace, replace.
  static Result<collector::relabel::Action> read(const Node& node);
  static std::string print(collector::relabel::Action action);
  static TypeDescription describe();
};

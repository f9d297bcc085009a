// SPDX-License-Identifier: Apache-2.0
#include "collector/relabel/relabel.h"

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <optional>
#include <utility>

#include <openssl/evp.h>
#include <re2/re2.h>

#include "collector/relabel/case_fold.h"
#include "core/check.h"
#include "core/ring/matcher.h"

namespace collector::relabel {
namespace {

using core::Errc;
using core::Result;

// Groups of one expression whose text a template may ask for; RE2 fills no more.
constexpr int kGroupsMax = 64;
// Bytes of one compiled expression, as for label matchers.
constexpr std::int64_t kRegexMemoryMax = 8 << 20;

using Groups = std::array<re2::StringPiece, kGroupsMax>;

std::string name_of(Action action) { return core::config::Codec<Action>::print(action); }

bool is_word(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }

// The name in "$name" or "${name}" at the front of `text`, and the bytes it takes; none if it is not one.
struct Variable {
  std::string_view name;
  std::size_t bytes = 0;
};

std::optional<Variable> variable_at(std::string_view text) {
  if (text.size() < 2 || text[0] != '$') return std::nullopt;
  const bool braced = text[1] == '{';
  const std::size_t start = braced ? 2 : 1;
  std::size_t end = start;
  while (end < text.size() && is_word(text[end])) ++end;
  if (end == start || (braced && (end >= text.size() || text[end] != '}'))) return std::nullopt;
  return Variable{text.substr(start, end - start), braced ? end + 1 : end};
}

bool has_variable(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (variable_at(text.substr(i))) return true;
  }
  return false;
}

// Letters, digits, underscores and variables, not beginning with a digit.
bool is_legacy_name_template(std::string_view text) {
  if (text.empty() || (text[0] >= '0' && text[0] <= '9')) return false;
  for (std::size_t i = 0; i < text.size();) {
    const auto variable = variable_at(text.substr(i));
    if (!variable && !is_word(text[i])) return false;
    i += variable ? variable->bytes : 1;
  }
  return true;
}

// The group that a variable names: digits without a leading zero are a number, anything else is a name.
int group_index(std::string_view name, const std::map<std::string, int>& named) {
  int number = 0;
  bool numeric = name == "0" || name.front() != '0';
  for (const char c : name) {
    if (c < '0' || c > '9' || number >= 100'000'000) numeric = false;
    if (numeric) number = number * 10 + (c - '0');
  }
  if (numeric) return number;
  const auto found = named.find(std::string(name));
  return found == named.end() ? -1 : found->second;
}

std::uint64_t md5_tail(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  const int done = EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_md5(), nullptr);
  CHECK(done == 1 && size == 16, "MD5 is part of every OpenSSL that the agent is built for");
  std::uint64_t tail = 0;
  for (std::size_t i = 8; i < 16; ++i) tail = tail << 8 | digest[i];
  return tail;
}

Result<void> check_names(const RelabelConfig& config, NameValidation validation) {
  const std::string action = name_of(config.action);
  const auto is_template = [&](std::string_view text) {
    return validation == NameValidation::kUtf8 ? is_valid_label_name(text, validation) : is_legacy_name_template(text);
  };
  switch (config.action) {
    case Action::kReplace: {
      const bool valid = has_variable(config.target_label) ? is_template(config.target_label)
                                                           : is_valid_label_name(config.target_label, validation);
      if (!valid)
        return core::fail(Errc::kInvalid, "\"{}\" is invalid 'target_label' for {} action", config.target_label,
                          action);
      return {};
    }
    case Action::kLowercase:
    case Action::kUppercase:
    case Action::kKeepEqual:
    case Action::kDropEqual:
    case Action::kHashMod:
      if (!is_valid_label_name(config.target_label, validation)) {
        return core::fail(Errc::kInvalid, "\"{}\" is invalid 'target_label' for {} action", config.target_label,
                          action);
      }
      return {};
    case Action::kLabelMap:
      if (!is_template(config.replacement)) {
        return core::fail(Errc::kInvalid, "\"{}\" is invalid 'replacement' for {} action", config.replacement, action);
      }
      return {};
    default:
      return {};
  }
}

// model/relabel/relabel.go, Validate.
Result<void> check(const RelabelConfig& config, NameValidation validation) {
  const RelabelConfig defaults;
  const Action action = config.action;
  const bool equal = action == Action::kKeepEqual || action == Action::kDropEqual;
  const bool letters = action == Action::kLowercase || action == Action::kUppercase;
  if (action == Action::kHashMod && config.modulus == 0) {
    return core::fail(Errc::kInvalid, "relabel configuration for hashmod requires non-zero modulus");
  }
  const bool needs_target = action == Action::kReplace || action == Action::kHashMod || equal || letters;
  if (needs_target && config.target_label.empty()) {
    return core::fail(Errc::kInvalid, "relabel configuration for {} action requires 'target_label' value",
                      name_of(action));
  }
  if (auto named = check_names(config, validation); !named) return named;
  if (letters && config.replacement != defaults.replacement) {
    return core::fail(Errc::kInvalid, "'replacement' can not be set for {} action", name_of(action));
  }
  const bool others = config.modulus != defaults.modulus || config.separator != defaults.separator ||
                      config.replacement != defaults.replacement;
  if (equal && (others || config.regex != defaults.regex)) {
    return core::fail(Errc::kInvalid, "{} action requires only 'source_labels' and `target_label`, and no other fields",
                      name_of(action));
  }
  if ((action == Action::kLabelDrop || action == Action::kLabelKeep) &&
      (others || !config.source_labels.empty() || !config.target_label.empty())) {
    return core::fail(Errc::kInvalid, "{} action requires only 'regex', and no other fields", name_of(action));
  }
  return {};
}

}  // namespace

bool is_valid_label_name(std::string_view name, NameValidation validation) {
  if (validation == NameValidation::kLegacy) return core::ring::is_plain_label_name(name);
  return !name.empty() && core::ring::is_valid_utf8(name);
}

bool is_valid_metric_name(std::string_view name, NameValidation validation) {
  if (validation == NameValidation::kLegacy) return core::ring::is_plain_metric_name(name);
  return !name.empty() && core::ring::is_valid_utf8(name);
}

std::string_view LabelBuilder::get(std::string_view name) const {
  for (const auto& pair : pairs_) {
    if (pair.name == name) return pair.value;
  }
  return {};
}

void LabelBuilder::set(std::string_view name, std::string_view value) {
  const auto found = std::find_if(pairs_.begin(), pairs_.end(), [&](const auto& pair) { return pair.name == name; });
  if (value.empty()) {
    if (found != pairs_.end()) pairs_.erase(found);
  } else if (found == pairs_.end()) {
    pairs_.push_back({std::string(name), std::string(value)});
  } else {
    found->value = value;
  }
}

void LabelBuilder::set_all(std::vector<core::ring::Label> changes) {
  constexpr std::size_t kWalked = 32;
  if (changes.size() <= kWalked) {
    for (const auto& change : changes) set(change.name, change.value);
    return;
  }
  std::map<std::string, std::string> all;
  for (auto& pair : pairs_) all.emplace(std::move(pair.name), std::move(pair.value));
  for (auto& change : changes) all.insert_or_assign(std::move(change.name), std::move(change.value));
  pairs_.clear();
  for (const auto& [name, value] : all) {
    if (!value.empty()) pairs_.push_back({name, value});
  }
}

struct Rules::Rule {
  RelabelConfig config;
  NameValidation validation;
  re2::RE2 regex;  // between ^(?s: and )$
  int groups;      // with the whole match

  Rule(const RelabelConfig& rule, NameValidation names, const re2::RE2::Options& options)
      : config(rule),
        validation(names),
        regex("(?s:" + rule.regex + ")", options),
        groups(std::min(regex.NumberOfCapturingGroups() + 1, kGroupsMax)) {}

  bool matches(std::string_view text, Groups* found) const {
    return regex.Match(re2::StringPiece(text.data(), text.size()), 0, text.size(), re2::RE2::ANCHOR_BOTH,
                       found == nullptr ? nullptr : found->data(), found == nullptr ? 0 : groups);
  }

  // Go's regexp.Expand: an unknown variable is empty, "$$" is a dollar, and what is not a variable stays.
  std::string expand(std::string_view pattern, const Groups& found) const {
    std::string result;
    for (std::size_t i = 0; i < pattern.size();) {
      if (pattern.substr(i).starts_with("$$")) {
        result += '$';
        i += 2;
        continue;
      }
      const auto variable = variable_at(pattern.substr(i));
      if (!variable) {
        result += pattern[i++];
        continue;
      }
      const int index = group_index(variable->name, regex.NamedCapturingGroups());
      if (index >= 0 && index < groups) {
        const re2::StringPiece& group = found[static_cast<std::size_t>(index)];
        result.append(group.data() == nullptr ? "" : group.data(), group.size());
      }
      i += variable->bytes;
    }
    return result;
  }

  std::string joined_source(const LabelBuilder& labels) const {
    std::string value;
    for (std::size_t i = 0; i < config.source_labels.size(); ++i) {
      if (i > 0) value += config.separator;
      value += labels.get(config.source_labels[i]);
    }
    return value;
  }

  void replace(LabelBuilder& labels, const std::string& value) const {
    Groups found;
    if (!matches(value, &found)) return;
    const std::string target = expand(config.target_label, found);
    if (!is_valid_label_name(target, validation)) return;
    labels.set(target, expand(config.replacement, found));
  }

  void map_names(LabelBuilder& labels) const {
    // Made after all were looked at: labels that this rule adds are not visited.
    std::vector<core::ring::Label> mapped;
    for (const auto& pair : labels.pairs()) {
      Groups found;
      if (!matches(pair.name, &found)) continue;
      std::string name = expand(config.replacement, found);
      if (!name.empty()) mapped.push_back({std::move(name), pair.value});
    }
    labels.set_all(std::move(mapped));
  }

  void remove_names(LabelBuilder& labels, bool matching) const {
    labels.remove_if([&](const core::ring::Label& pair) { return matches(pair.name, nullptr) == matching; });
  }

  bool apply(LabelBuilder& labels) const {
    switch (config.action) {
      case Action::kReplace:
        replace(labels, joined_source(labels));
        return true;
      case Action::kKeep:
        return matches(joined_source(labels), nullptr);
      case Action::kDrop:
        return !matches(joined_source(labels), nullptr);
      case Action::kKeepEqual:
        return joined_source(labels) == labels.get(config.target_label);
      case Action::kDropEqual:
        return joined_source(labels) != labels.get(config.target_label);
      case Action::kHashMod:
        labels.set(config.target_label, std::to_string(md5_tail(joined_source(labels)) % config.modulus));
        return true;
      case Action::kLabelMap:
        map_names(labels);
        return true;
      case Action::kLabelDrop:
        remove_names(labels, true);
        return true;
      case Action::kLabelKeep:
        remove_names(labels, false);
        return true;
      case Action::kLowercase:
        labels.set(config.target_label, to_lower(joined_source(labels)));
        return true;
      case Action::kUppercase:
        labels.set(config.target_label, to_upper(joined_source(labels)));
        return true;
    }
    return true;
  }
};

Result<Rules> Rules::compile(std::span<const RelabelConfig> configs, NameValidation validation) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kRegexMemoryMax);
  Rules rules;
  for (const RelabelConfig& config : configs) {
    if (auto valid = check(config, validation); !valid) return core::fail(valid.error());
    // The matcher has the words for what is wrong with an expression.
    const auto matcher = core::ring::Matcher::make(core::ring::MatchType::kRegexMatch, "", config.regex);
    if (!matcher) return core::fail(matcher.error());
    auto rule = std::make_shared<const Rule>(config, validation, options);
    if (!rule->regex.ok()) return core::fail(Errc::kInvalid, "error parsing regexp: `{}`", config.regex);
    rules.rules_.push_back(std::move(rule));
  }
  return rules;
}

bool Rules::apply(LabelBuilder& labels) const {
  return std::all_of(rules_.begin(), rules_.end(), [&](const auto& rule) { return rule->apply(labels); });
}

}  // namespace collector::relabel

// SPDX-License-Identifier: Apache-2.0
#include "rules/promql/label_functions.h"

#include <re2/re2.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <utility>
#include <vector>

namespace rules::promql {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_name_character(char c) {
  return is_digit(c) || c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c & 0x80) != 0;
}

struct Reference {
  std::string_view name;
  std::size_t length = 0;  // of what was read after the $
};

// `name` or `{name}` at the start of `text`; nothing if the braces are malformed or the name is empty.
std::optional<Reference> read_reference(std::string_view text) {
  const bool braces = text.starts_with('{');
  const std::string_view rest = text.substr(braces ? 1 : 0);
  const auto end = std::find_if_not(rest.begin(), rest.end(), is_name_character);
  const auto length = static_cast<std::size_t>(end - rest.begin());
  if (length == 0) return std::nullopt;
  if (!braces) return Reference{rest.substr(0, length), length};
  if (length == rest.size() || rest[length] != '}') return std::nullopt;
  return Reference{rest.substr(0, length), length + 2};
}

// The group a reference names; none for a number past the last group or an unknown name: both stand for nothing.
std::optional<std::size_t> group_of(const re2::RE2& regex, std::string_view name) {
  const bool number = std::all_of(name.begin(), name.end(), is_digit) && (name.size() == 1 || name[0] != '0');
  if (number) {
    std::size_t index = 0;
    const auto parsed = std::from_chars(name.data(), name.data() + name.size(), index);
    const auto groups = static_cast<std::size_t>(regex.NumberOfCapturingGroups());
    if (parsed.ec != std::errc() || index > groups) return std::nullopt;
    return index;
  }
  const auto& names = regex.NamedCapturingGroups();
  const auto found = names.find(std::string(name));
  if (found == names.end()) return std::nullopt;
  return static_cast<std::size_t>(found->second);
}

std::string_view leading_run(std::string_view text) {
  const bool digits = is_digit(text[0]);
  const auto end = std::find_if(text.begin(), text.end(), [digits](char c) { return is_digit(c) != digits; });
  return text.substr(0, static_cast<std::size_t>(end - text.begin()));
}

int compare_runs(std::string_view a, std::string_view b) {
  const auto number = [](std::string_view run) -> std::optional<std::int64_t> {
    std::int64_t value = 0;
    const auto parsed = std::from_chars(run.data(), run.data() + run.size(), value);
    if (parsed.ec != std::errc() || parsed.ptr != run.data() + run.size()) return std::nullopt;
    return value;
  };
  const auto left = number(a);
  const auto right = number(b);
  if (left && right) return *left < *right ? -1 : (*left > *right ? 1 : 0);
  return a.compare(b);
}

}  // namespace

core::Result<LabelRewrite> LabelRewrite::make(std::string_view regex, std::string replacement) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  auto compiled = std::make_shared<const re2::RE2>("^(?s:" + std::string(regex) + ")$", options);
  if (!compiled->ok()) {
    return core::fail(core::Errc::kFailed, "invalid regular expression in label_replace(): {}", regex);
  }
  return LabelRewrite(std::move(compiled), std::move(replacement));
}

std::optional<std::string> LabelRewrite::apply(std::string_view value) const {
  std::vector<re2::StringPiece> groups(static_cast<std::size_t>(regex_->NumberOfCapturingGroups()) + 1);
  const re2::StringPiece input(value.data(), value.size());
  if (!regex_->Match(input, 0, value.size(), re2::RE2::ANCHOR_BOTH, groups.data(), static_cast<int>(groups.size()))) {
    return std::nullopt;
  }
  std::string result;
  std::string_view rest = replacement_;
  while (!rest.empty()) {
    const std::size_t dollar = rest.find('$');
    result += rest.substr(0, dollar);
    if (dollar == std::string_view::npos) break;
    rest.remove_prefix(dollar + 1);
    if (rest.starts_with('$')) {
      result += '$';
      rest.remove_prefix(1);
      continue;
    }
    const auto reference = read_reference(rest);
    if (!reference) {  // a lone $ stands for itself
      result += '$';
      continue;
    }
    if (const auto group = group_of(*regex_, reference->name)) {
      result.append(groups[*group].data() == nullptr ? "" : groups[*group].data(), groups[*group].size());
    }
    rest.remove_prefix(reference->length);
  }
  return result;
}

int compare_naturally(std::string_view a, std::string_view b) {
  while (!a.empty() && !b.empty()) {
    const std::string_view run_a = leading_run(a);
    const std::string_view run_b = leading_run(b);
    if (const int order = compare_runs(run_a, run_b); order != 0) return order;
    a.remove_prefix(run_a.size());
    b.remove_prefix(run_b.size());
  }
  return a.empty() ? (b.empty() ? 0 : -1) : 1;
}

}  // namespace rules::promql

// SPDX-License-Identifier: Apache-2.0
#include "collector/probe/pattern.h"

#include <re2/re2.h>

#include <charconv>

#include "core/ring/labels.h"

namespace collector::probe {
namespace {

// Bytes of memory for one expression; RE2 gives up beyond, and says so when it compiles.
constexpr std::int64_t kPatternMemoryMax = 8 << 20;
constexpr int kGroupsMax = 64;

re2::RE2::Options options_for(bool utf8) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kPatternMemoryMax);
  options.set_encoding(utf8 ? re2::RE2::Options::EncodingUTF8 : re2::RE2::Options::EncodingLatin1);
  return options;
}

bool is_word(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }

// The name after a dollar, and how many bytes it takes; 0 if there is none.
std::pair<std::string_view, std::size_t> group_name(std::string_view rest) {
  const bool braced = rest.starts_with('{');
  std::size_t end = braced ? 1 : 0;
  while (end < rest.size() && is_word(rest[end])) ++end;
  const std::string_view name = rest.substr(braced ? 1 : 0, end - (braced ? 1 : 0));
  if (name.empty()) return {{}, 0};
  if (!braced) return {name, end};
  return end < rest.size() && rest[end] == '}' ? std::pair(name, end + 1)
                                               : std::pair(std::string_view(), std::size_t{0});
}

}  // namespace

core::Result<Pattern> Pattern::compile(std::string text) {
  if (text.find("\\C") != std::string::npos) {
    return core::fail(core::Errc::kInvalid, "invalid regular expression \"{}\": \\C is not supported", text);
  }
  Pattern pattern;
  pattern.text_ = std::move(text);
  auto regex = std::make_shared<re2::RE2>(pattern.text_, options_for(true));
  if (!regex->ok()) {
    return core::fail(core::Errc::kInvalid, "invalid regular expression \"{}\": {}", pattern.text_, regex->error());
  }
  pattern.regex_ = std::move(regex);
  pattern.bytewise_ = std::make_shared<re2::RE2>(pattern.text_, options_for(false));
  return pattern;
}

bool Pattern::found_in(std::string_view text) const {
  const bool bytewise = bytewise_->ok() && !core::ring::is_valid_utf8(text);
  return re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), bytewise ? *bytewise_ : *regex_);
}

std::optional<std::vector<std::string>> Pattern::groups(std::string_view text) const {
  const bool bytewise = bytewise_->ok() && !core::ring::is_valid_utf8(text);
  const re2::RE2& regex = bytewise ? *bytewise_ : *regex_;
  const int count = std::min(regex.NumberOfCapturingGroups() + 1, kGroupsMax);
  std::vector<re2::StringPiece> found(static_cast<std::size_t>(count));
  const re2::StringPiece piece(text.data(), text.size());
  if (!regex.Match(piece, 0, piece.size(), re2::RE2::UNANCHORED, found.data(), count)) return std::nullopt;
  std::vector<std::string> result;
  for (const re2::StringPiece& each : found) result.emplace_back(each.data() == nullptr ? "" : each.as_string());
  return result;
}

std::string Pattern::expand(std::string_view text_template, const std::vector<std::string>& groups) const {
  std::string result;
  const auto& names = regex_->NamedCapturingGroups();
  for (std::size_t i = 0; i < text_template.size();) {
    if (text_template[i] != '$') {
      result += text_template[i++];
      continue;
    }
    const std::string_view rest = text_template.substr(i + 1);
    if (rest.starts_with('$')) {
      result += '$';
      i += 2;
      continue;
    }
    const auto [name, size] = group_name(rest);
    if (size == 0) {
      result += text_template[i++];
      continue;
    }
    std::size_t number = groups.size();
    const auto [end, problem] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (problem != std::errc() || end != name.data() + name.size()) {
      const auto found = names.find(std::string(name));
      number = found == names.end() ? groups.size() : static_cast<std::size_t>(found->second);
    }
    if (number < groups.size()) result += groups[number];
    i += 1 + size;
  }
  return result;
}

}  // namespace collector::probe

namespace core::config {

Result<collector::probe::Pattern> Codec<collector::probe::Pattern>::read(const Node& node) {
  if (!node.is_scalar()) return fail(node.error("expected a regular expression, got {}", node.describe()));
  auto pattern = collector::probe::Pattern::compile(node.scalar());
  if (!pattern) return fail(node.error("{}", pattern.error().message));
  return pattern;
}

}  // namespace core::config

// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <optional>
#include <string_view>

#include "rules/alert/rule_file.h"

namespace rules {
namespace {

using core::config::Node;
using core::config::Position;

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

std::size_t offset_of(std::string_view text, int line, int column) {
  std::size_t offset = 0;
  for (int at = 1; at < line && offset < text.size(); ++at) {
    const std::size_t end = text.find('\n', offset);
    offset = end == std::string_view::npos ? text.size() : end + 1;
  }
  return std::min(text.size(), offset + static_cast<std::size_t>(std::max(column - 1, 0)));
}

Position position_of(std::string_view text, std::size_t offset, std::string file) {
  Position position{std::move(file), 1, 1};
  for (const char c : text.substr(0, offset)) {
    position.column = c == '\n' ? 1 : position.column + 1;
    if (c == '\n') ++position.line;
  }
  return position;
}

enum class Quoting { kNone, kSingle, kDouble };

struct Text {
  std::size_t begin;
  Quoting quoting;
};

// Steps over what precedes the text of a scalar: a quote, or the header line of a block scalar.
Text text_of(std::string_view source, std::size_t at) {
  if (at >= source.size()) return {source.size(), Quoting::kNone};
  if (source[at] == '"') return {at + 1, Quoting::kDouble};
  if (source[at] == '\'') return {at + 1, Quoting::kSingle};
  if (source[at] == '|' || source[at] == '>') {
    const std::size_t end = source.find('\n', at);
    return {end == std::string_view::npos ? source.size() : end + 1, Quoting::kNone};
  }
  return {at, Quoting::kNone};
}

// White space as it stands or, between double quotes, as an escape.
std::size_t skip_blanks(std::string_view source, std::size_t at, Quoting quoting) {
  while (at < source.size()) {
    if (is_blank(source[at])) {
      ++at;
    } else if (quoting == Quoting::kDouble && source[at] == '\\' && at + 1 < source.size() &&
               std::string_view("ntr \n").find(source[at + 1]) != std::string_view::npos) {
      at += 2;
    } else {
      break;
    }
  }
  return at;
}

// The place in the source of byte `target` of the scalar's value. Both are walked together: folding and indentation
// differ in white space only, quoting by a byte before the one meant.
std::optional<std::size_t> align(std::string_view source, Text text, std::string_view value, std::size_t target) {
  std::size_t at = text.begin;
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (is_blank(value[i])) {
      if (i == target) return at;
      continue;
    }
    at = skip_blanks(source, at, text.quoting);
    const bool escaped = text.quoting == Quoting::kDouble && at < source.size() && source[at] == '\\';
    const bool doubled = text.quoting == Quoting::kSingle && source.substr(at).starts_with("''");
    if (escaped || doubled) ++at;
    if (at >= source.size() || source[at] != value[i]) return std::nullopt;
    if (i == target) return at;
    ++at;
  }
  return at;
}

}  // namespace

Position place_in_scalar(const Node& scalar, int line, int column) {
  const Position start = scalar.position();
  if (!scalar.is_scalar()) return start;
  const std::string_view source = scalar.source_text();
  const std::string_view value = scalar.scalar();
  const Text text = text_of(source, offset_of(source, start.line, start.column));
  const std::optional<std::size_t> found = align(source, text, value, offset_of(value, line, column));
  return found ? position_of(source, *found, start.file) : start;
}

}  // namespace rules

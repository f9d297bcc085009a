// SPDX-License-Identifier: Apache-2.0
#include "core/ring/labels.h"

#include <algorithm>

#include <fmt/format.h>

namespace core::ring {
namespace {

constexpr std::uint64_t kFnvOffset = 14695981039346656037ULL;
constexpr std::uint64_t kFnvPrime = 1099511628211ULL;
// Between name and value; can occur in neither, as both are UTF-8.
constexpr unsigned char kSeparator = 0xff;

std::uint64_t fnv1a(std::uint64_t hash, std::string_view bytes) {
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * kFnvPrime;
  return (hash ^ kSeparator) * kFnvPrime;
}

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

struct CodePoint {
  std::uint32_t value = 0;
  std::size_t bytes = 0;  // 0: the byte is not the start of valid UTF-8
};

// RFC 3629: shortest form, no surrogates, at most 10FFFF.
CodePoint decode_utf8(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(text[i])); };
  const std::uint32_t first = byte(0);
  if (first < 0x80) return {first, 1};
  const std::size_t length = first >= 0xf0 && first < 0xf8   ? 4
                             : first >= 0xe0 && first < 0xf0 ? 3
                             : first >= 0xc0 && first < 0xe0 ? 2
                                                             : 0;
  if (length == 0 || text.size() < length) return {};
  std::uint32_t value = first & (0xffU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    value = value << 6 | (byte(i) & 0x3f);
  }
  constexpr std::uint32_t kLeast[5] = {0, 0, 0x80, 0x800, 0x10000};
  if (value < kLeast[length] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) return {};
  return {value, length};
}

// Go's strconv.IsPrint, to the extent that label values show a difference: letters, marks, numbers, punctuation and
// symbols print; controls, separators other than the ASCII space, private use and noncharacters do not.
bool is_printable(std::uint32_t c) {
  if (c < 0x20 || (c >= 0x7f && c < 0xa1) || c == 0xad) return false;
  if ((c >= 0x2000 && c <= 0x200f) || (c >= 0x2028 && c <= 0x202f) || (c >= 0x205f && c <= 0x206f)) return false;
  if (c == 0x1680 || c == 0x3000 || c == 0xfeff || (c >= 0xfff0 && c <= 0xfffb)) return false;
  if ((c >= 0xe000 && c <= 0xf8ff) || c >= 0xe0000) return false;
  return (c & 0xfffe) != 0xfffe;
}

}  // namespace

Labels::Labels(std::vector<Label> pairs) : pairs_(std::move(pairs)) {
  std::stable_sort(pairs_.begin(), pairs_.end(), [](const Label& a, const Label& b) { return a.name < b.name; });
  // Of equal names the last one given wins: keep it by walking from the back.
  std::vector<Label> kept;
  kept.reserve(pairs_.size());
  for (std::size_t i = 0; i < pairs_.size(); ++i) {
    const bool last_of_name = i + 1 == pairs_.size() || pairs_[i + 1].name != pairs_[i].name;
    if (last_of_name && !pairs_[i].value.empty()) kept.push_back(std::move(pairs_[i]));
  }
  pairs_ = std::move(kept);
}

std::string_view Labels::get(std::string_view name) const {
  const auto found = std::lower_bound(pairs_.begin(), pairs_.end(), name,
                                      [](const Label& label, std::string_view wanted) { return label.name < wanted; });
  return found != pairs_.end() && found->name == name ? std::string_view(found->value) : std::string_view();
}

Labels Labels::with(std::string_view name, std::string_view value) const {
  Labels copy = *this;
  const auto found = std::lower_bound(copy.pairs_.begin(), copy.pairs_.end(), name,
                                      [](const Label& label, std::string_view wanted) { return label.name < wanted; });
  const bool present = found != copy.pairs_.end() && found->name == name;
  if (present && value.empty()) {
    copy.pairs_.erase(found);
  } else if (present) {
    found->value = value;
  } else if (!value.empty()) {
    copy.pairs_.insert(found, Label{std::string(name), std::string(value)});
  }
  return copy;
}

std::uint64_t Labels::fingerprint() const {
  std::uint64_t hash = kFnvOffset;
  for (const Label& label : pairs_) hash = fnv1a(fnv1a(hash, label.name), label.value);
  return hash;
}

std::string Labels::to_string() const {
  const std::string_view metric = metric_name();
  const bool outside = is_plain_metric_name(metric);
  std::string text(outside ? metric : std::string_view());
  std::string inside;
  for (const Label& label : pairs_) {
    if (label.name == kMetricName && outside) continue;
    if (!inside.empty()) inside += ", ";
    inside += is_plain_label_name(label.name) ? label.name : go_quote(label.name);
    inside += '=';
    inside += go_quote(label.value);
  }
  if (inside.empty() && !text.empty()) return text;
  return text + "{" + inside + "}";
}

bool is_plain_label_name(std::string_view name) {
  return !name.empty() && is_letter(name.front()) &&
         std::all_of(name.begin(), name.end(), [](char c) { return is_letter(c) || is_digit(c); });
}

bool is_plain_metric_name(std::string_view name) {
  return !name.empty() && !is_digit(name.front()) &&
         std::all_of(name.begin(), name.end(), [](char c) { return is_letter(c) || is_digit(c) || c == ':'; });
}

bool is_valid_utf8(std::string_view text) {
  while (!text.empty()) {
    const CodePoint point = decode_utf8(text);
    if (point.bytes == 0) return false;
    text.remove_prefix(point.bytes);
  }
  return true;
}

std::string go_quote(std::string_view text) {
  constexpr std::string_view kNamed = "\a\b\f\n\r\t\v\\\"";
  constexpr std::string_view kLetters = "abfnrtv\\\"";
  std::string quoted = "\"";
  while (!text.empty()) {
    const char first = text.front();
    const CodePoint point = decode_utf8(text);
    if (const std::size_t named = kNamed.find(first); named != std::string_view::npos) {
      quoted += '\\';
      quoted += kLetters[named];
    } else if (point.bytes == 0 || point.value < 0x20 || point.value == 0x7f) {
      quoted += fmt::format("\\x{:02x}", static_cast<unsigned char>(first));
    } else if (is_printable(point.value)) {
      quoted += text.substr(0, point.bytes);
    } else if (point.value < 0x10000) {
      quoted += fmt::format("\\u{:04x}", point.value);
    } else {
      quoted += fmt::format("\\U{:08x}", point.value);
    }
    text.remove_prefix(std::max<std::size_t>(point.bytes, 1));
  }
  return quoted + '"';
}

}  // namespace core::ring

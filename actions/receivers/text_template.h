// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "actions/receivers/notification.h"
#include "core/config/codec.h"

namespace actions::receivers {

// A text of a receiver's configuration that may depend on the message. Plain text stands for itself; the call of one of
// Alertmanager's default templates, `{{ template "discord.default.title" . }}`, gives what that template gives. Any
// other action between {{ and }} is refused by name when the configuration is read.
//
// Thread safety: a value.
struct TextTemplate {
  std::string text;

  std::string render(const Notification& notification) const;
  bool operator==(const TextTemplate&) const = default;
};

// Nothing if `text` can be rendered; else what is not supported, for an error message.
std::string unsupported_in_template(std::string_view text);

// The first `limit` code points, the last of them replaced by an ellipsis if anything was cut: fits -> unchanged,
// limit <= 3 -> the first code points without ellipsis. Bytes that are not UTF-8 count as a code point each.
std::string truncate_code_points(std::string_view text, std::size_t limit);
std::size_t count_code_points(std::string_view text);

}  // namespace actions::receivers

template <>
struct core::config::Codec<actions::receivers::TextTemplate> {
  static Result<actions::receivers::TextTemplate> read(const Node& node);
  static std::string print(const actions::receivers::TextTemplate& value) { return value.text; }
  static TypeDescription describe() { return {"template", {}}; }
};

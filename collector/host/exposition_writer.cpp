// SPDX-License-Identifier: Apache-2.0
#include "collector/host/exposition_writer.h"

#include <fmt/format.h>

#include <iterator>
#include <utility>

#include "core/ring/labels.h"

namespace collector::host {
namespace {

void append_escaped(std::string& text, std::string_view value) {
  const bool valid = core::ring::is_valid_utf8(value);
  for (const char c : value) {
    if (c == '\n') {
      text += "\\n";
    } else if (!valid && static_cast<unsigned char>(c) >= 0x80) {
      text += '?';
    } else {
      if (c == '"' || c == '\\') text += '\\';
      text += c;
    }
  }
}

}  // namespace

void ExpositionWriter::family(std::string_view name, std::string_view type, std::string_view help) {
  name_ = name;
  type_ = type;
  help_ = help;
  announced_ = false;
}

void ExpositionWriter::single(std::string_view name, std::string_view type, std::string_view help, double value) {
  family(name, type, help);
  sample({}, value);
}

void ExpositionWriter::lines(std::string_view name, std::string_view type, std::string_view help,
                             std::string_view text) {
  if (!help.empty()) fmt::format_to(std::back_inserter(text_), "# HELP {} {}\n", name, help);
  if (!type.empty()) fmt::format_to(std::back_inserter(text_), "# TYPE {} {}\n", name, type);
  text_ += text;
}

bool ExpositionWriter::has_family(std::string_view name) const {
  return text_.find(fmt::format("# TYPE {} ", name)) != std::string::npos;
}

void ExpositionWriter::take_back(std::size_t size) {
  text_.resize(size);
  announced_ = false;
}

void ExpositionWriter::write_sample(const Pair* labels, std::size_t count, double value) {
  if (!std::exchange(announced_, true)) {
    fmt::format_to(std::back_inserter(text_), "# HELP {0} {1}\n# TYPE {0} {2}\n", name_, help_, type_);
  }
  text_ += name_;
  for (std::size_t i = 0; i < count; ++i) {
    text_ += i == 0 ? '{' : ',';
    text_ += labels[i].first;
    text_ += "=\"";
    append_escaped(text_, labels[i].second);
    text_ += '"';
  }
  if (count > 0) text_ += '}';
  fmt::format_to(std::back_inserter(text_), " {}\n", value);
}

}  // namespace collector::host

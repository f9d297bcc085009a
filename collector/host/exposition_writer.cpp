// SPDX-License-Identifier: Apache-2.0
#include "collector/host/exposition_writer.h"

#include <fmt/format.h>

#include "core/ring/labels.h"

namespace collector::host {
namespace {

std::string escape(std::string_view value) {
  const bool valid = core::ring::is_valid_utf8(value);
  std::string escaped;
  for (const char c : value) {
    if (c == '\n') {
      escaped += "\\n";
    } else if (!valid && static_cast<unsigned char>(c) >= 0x80) {
      escaped += '?';
    } else {
      if (c == '"' || c == '\\') escaped += '\\';
      escaped += c;
    }
  }
  return escaped;
}

}  // namespace

void ExpositionWriter::family(std::string_view name, std::string_view type, std::string_view help) {
  name_ = name;
  text_ += fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n", name, help, type);
}

void ExpositionWriter::sample(Pairs labels, double value) {
  text_ += name_;
  char separator = '{';
  for (const auto& [name, label_value] : labels) {
    text_ += fmt::format("{}{}=\"{}\"", separator, name, escape(label_value));
    separator = ',';
  }
  text_ += fmt::format("{} {}\n", separator == ',' ? "}" : "", value);
}

}  // namespace collector::host

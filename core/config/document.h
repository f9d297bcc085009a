// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "core/config/node.h"
#include "core/config/table.h"

namespace core::config {

// What is generated from the one description of a configuration. Tables are followed from `root` through their nested
// ones, each described once.

// Markdown: a section a table, a row a key.
std::string reference_markdown(const TableDescription& root, std::string_view introduction);

// JSON Schema (draft 2020-12), for editors: unknown keys are errors there too.
std::string json_schema(const TableDescription& root, std::string_view title);

// The commented example. A key of `root` with an example stands with it (a block starts with a line break; one that
// starts with '#' is a comment itself); every other is a comment that shows the keys below it with their defaults.
std::string example_yaml(const TableDescription& root, std::string_view introduction);

// A configuration as it was read, printed anew in block style: aliases written out, comments gone, and every key that
// the description calls a secret as <secret>.
std::string print_yaml(const Node& node, const TableDescription& description);

}  // namespace core::config

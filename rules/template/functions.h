// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "rules/template/template.h"
#include "rules/template/value.h"

namespace rules::templates {

// What functions may use beside their arguments.
struct FunctionContext {
  const AlertContext& data;
  const QueryFunction& query;
  const Limits& limits;
  std::size_t queries = 0;
};

using Arguments = std::vector<Value>;

inline constexpr std::size_t kAnyNumber = static_cast<std::size_t>(-1);

// A function of the template language. An error says only what is wrong: the executor adds the function's name.
struct Function {
  std::string_view name;
  std::size_t min_arguments = 0;
  std::size_t max_arguments = 0;
  core::Result<Value> (*run)(FunctionContext& context, Arguments& arguments) = nullptr;
};

// Null if there is none of that name. `and` and `or` are here for their names only: the executor runs them, because
// they do not evaluate all of their arguments.
const Function* find_function(std::string_view name);

// Go's own functions and Prometheus's: the two halves of find_function.
const std::vector<Function>& go_functions();
const std::vector<Function>& prometheus_functions();

// The argument as the type a function wants.
core::Result<std::string> string_argument(const Value& value);
core::Result<std::int64_t> integer_argument(const Value& value);
// A number, a duration (in seconds) or a numeric string.
core::Result<double> number_argument(const Value& value);

// fmt.Sprintf for the verbs v s d f F g G e E q x X t c o b %, with flags, width and precision. Mistakes appear in the
// text as in Go: %!d(string=x).
core::Result<std::string> format_text(std::string_view format, const Arguments& arguments, std::size_t first,
                                      std::size_t max_bytes);
// fmt.Sprint: a space between operands that are both not strings.
std::string print_text(const Arguments& arguments);

}  // namespace rules::templates

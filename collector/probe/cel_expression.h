// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/config/codec.h"

namespace collector::probe {

namespace cel {
struct Program;
}

// An expression of CEL, the Common Expression Language, on a JSON body, as blackbox_exporter has them: one variable,
// `body`, and the standard operators, macros and functions on what JSON has. What is not there (times, bytes, messages,
// optional values, extensions) is refused by name when the expression is read.
//
// Thread safety: immutable after construction; cheap to copy.
class CelExpression {
 public:
  CelExpression() = default;
  // kInvalid with the place in the text, kNotSupported for what CEL has and this has not.
  static core::Result<CelExpression> compile(std::string text);

  // REQUIRES: !empty(). The expression's value for this body. An error says why there is none: no JSON, a missing
  // field, operands without a meaning, or more work than an expression may be (kSteps).
  core::Result<bool> evaluate(std::string_view json_body) const;

  const std::string& text() const { return text_; }
  bool empty() const { return program_ == nullptr; }
  bool operator==(const CelExpression& other) const { return text_ == other.text_ && empty() == other.empty(); }

 private:
  std::string text_;
  std::shared_ptr<const cel::Program> program_;
};

}  // namespace collector::probe

namespace core::config {

template <>
struct Codec<collector::probe::CelExpression> {
  static Result<collector::probe::CelExpression> read(const Node& node);
  static std::string print(const collector::probe::CelExpression& value) { return value.text(); }
  static TypeDescription describe() { return {"CEL expression", {}}; }
};

}  // namespace core::config

// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <initializer_list>

#include "collector/probe/cel_syntax.h"

namespace collector::probe::cel {
namespace {

using core::Errc;
using core::Result;

bool is_one_of(Type type, std::initializer_list<Type> types) {
  return type == Type::kDyn || std::ranges::find(types, type) != types.end();
}

tl::unexpected<core::Error> mismatch(const Node& node, std::string_view what) {
  std::string types;
  for (const Node& part : node.parts) types += fmt::format("{}{}", types.empty() ? "" : ", ", to_string(part.type));
  return core::fail(error_at(Errc::kInvalid, node.column, fmt::format("{} has no meaning for {}", what, types)));
}

bool is_number(Type type) { return is_one_of(type, {Type::kInt, Type::kUint, Type::kDouble}); }

// Whether two values can be compared: both of one type, or both numbers.
bool comparable(const Node& node) {
  const Type left = node.parts[0].type;
  const Type right = node.parts[1].type;
  return left == right || left == Type::kDyn || right == Type::kDyn || (is_number(left) && is_number(right));
}

// Both operands of one type, one of these; numbers are not converted.
Result<Type> same_type(const Node& node, std::string_view what, std::initializer_list<Type> types) {
  const Type left = node.parts[0].type;
  const Type right = node.parts[1].type;
  const bool fits = left == right || left == Type::kDyn || right == Type::kDyn;
  if (!fits || !is_one_of(left, types) || !is_one_of(right, types)) return mismatch(node, what);
  return left == Type::kDyn ? right : left;
}

Result<Type> all_of_type(const Node& node, std::string_view what, Type type) {
  const bool fit = std::ranges::all_of(node.parts, [&](const Node& part) { return is_one_of(part.type, {type}); });
  if (!fit) return mismatch(node, what);
  return type;
}

Result<Type> function_type(const Node& node) {
  const Type of = node.parts[0].type;
  switch (node.function) {
    case Function::kSize:
      if (!is_one_of(of, {Type::kString, Type::kList, Type::kMap})) return mismatch(node, "size()");
      return Type::kInt;
    case Function::kContains:
    case Function::kStartsWith:
    case Function::kEndsWith:
    case Function::kMatches:
      if (auto texts = all_of_type(node, "a function of texts", Type::kString); !texts) return texts;
      return Type::kBool;
    case Function::kInt:
    case Function::kUint:
    case Function::kDouble: {
      const Type result = node.function == Function::kInt    ? Type::kInt
                          : node.function == Function::kUint ? Type::kUint
                                                             : Type::kDouble;
      if (!is_one_of(of, {Type::kInt, Type::kUint, Type::kDouble, Type::kString})) {
        return mismatch(node, fmt::format("{}()", to_string(result)));
      }
      return result;
    }
    case Function::kString:
      if (!is_one_of(of, {Type::kInt, Type::kUint, Type::kDouble, Type::kString, Type::kBool})) {
        return mismatch(node, "string()");
      }
      return Type::kString;
    case Function::kBool:
      if (!is_one_of(of, {Type::kBool, Type::kString})) return mismatch(node, "bool()");
      return Type::kBool;
    case Function::kTypeOf:
      return Type::kType;
    case Function::kDyn:
      return Type::kDyn;
  }
  return Type::kDyn;
}

Result<Type> macro_type(const Node& node) {
  if (!is_one_of(node.parts[0].type, {Type::kList, Type::kMap})) return mismatch(node.parts[0], "a macro");
  const bool transforms = node.op == Op::kTransform;
  const bool has_condition = !transforms || node.parts.size() == 3;
  if (has_condition && !is_one_of(node.parts[1].type, {Type::kBool})) {
    return core::fail(error_at(Errc::kInvalid, node.parts[1].column,
                               fmt::format("a condition of type {}", to_string(node.parts[1].type))));
  }
  return transforms || node.op == Op::kFilter ? Type::kList : Type::kBool;
}

Result<Type> operator_type(const Node& node) {
  switch (node.op) {
    case Op::kMultiply:
    case Op::kDivide:
      return same_type(node, node.op == Op::kMultiply ? "*" : "/", {Type::kInt, Type::kUint, Type::kDouble});
    case Op::kModulo:
      return same_type(node, "%", {Type::kInt, Type::kUint});
    case Op::kAdd:
      return same_type(node, "+", {Type::kInt, Type::kUint, Type::kDouble, Type::kString, Type::kList});
    case Op::kSubtract:
      return same_type(node, "-", {Type::kInt, Type::kUint, Type::kDouble});
    case Op::kLess:
    case Op::kLessEqual:
    case Op::kGreater:
    case Op::kGreaterEqual: {
      const auto has_order = [](const Node& part) {
        return is_number(part.type) || is_one_of(part.type, {Type::kBool, Type::kString});
      };
      if (!comparable(node) || !std::ranges::all_of(node.parts, has_order)) return mismatch(node, "an order");
      return Type::kBool;
    }
    case Op::kEqual:
    case Op::kNotEqual:
      if (!comparable(node)) return mismatch(node, "==");
      return Type::kBool;
    default:
      return all_of_type(node, node.op == Op::kAnd ? "&&" : "||", Type::kBool);
  }
}

Result<Type> type_of(const Node& node) {
  switch (node.op) {
    case Op::kLiteral:
      return node.literal.type();
    case Op::kVariable:
      return Type::kDyn;
    case Op::kList:
      return Type::kList;
    case Op::kMap:
      return Type::kMap;
    case Op::kSelect:
    case Op::kHas:
      if (!is_one_of(node.parts[0].type, {Type::kMap})) return mismatch(node, "a field");
      return node.op == Op::kHas ? Type::kBool : Type::kDyn;
    case Op::kIndex:
      if (!is_one_of(node.parts[0].type, {Type::kList, Type::kMap})) return mismatch(node, "an index");
      return Type::kDyn;
    case Op::kNot:
      return all_of_type(node, "!", Type::kBool);
    case Op::kNegate:
      if (!is_one_of(node.parts[0].type, {Type::kInt, Type::kDouble})) return mismatch(node, "-");
      return node.parts[0].type;
    case Op::kIn:
      if (!is_one_of(node.parts[1].type, {Type::kList, Type::kMap})) return mismatch(node, "in");
      return Type::kBool;
    case Op::kConditional:
      if (!is_one_of(node.parts[0].type, {Type::kBool})) return mismatch(node, "?:");
      return node.parts[1].type == node.parts[2].type ? node.parts[1].type : Type::kDyn;
    case Op::kFunction:
      return function_type(node);
    case Op::kAll:
    case Op::kExists:
    case Op::kExistsOne:
    case Op::kFilter:
    case Op::kTransform:
      return macro_type(node);
    default:
      return operator_type(node);
  }
}

}  // namespace

Result<void> check_types(Node& node) {  // NOLINT(misc-no-recursion): as deep as the parser allows
  for (Node& part : node.parts) {
    if (auto checked = check_types(part); !checked) return checked;
  }
  auto type = type_of(node);
  if (!type) return core::fail(type.error());
  node.type = *type;
  return {};
}

}  // namespace collector::probe::cel

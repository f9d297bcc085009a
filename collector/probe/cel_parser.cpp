// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <limits>

#include "collector/probe/cel_syntax.h"

namespace collector::probe::cel {
namespace {

using core::Errc;
using core::Result;

// CEL's binary operators by how strongly they bind (language definition, "Syntax"); all are left-associative.
struct Operator {
  std::string_view text;
  Op op;
  int strength;
};
constexpr std::array<Operator, 14> kOperators = {{{"||", Op::kOr, 1},
                                                  {"&&", Op::kAnd, 2},
                                                  {"<", Op::kLess, 3},
                                                  {"<=", Op::kLessEqual, 3},
                                                  {">", Op::kGreater, 3},
                                                  {">=", Op::kGreaterEqual, 3},
                                                  {"==", Op::kEqual, 3},
                                                  {"!=", Op::kNotEqual, 3},
                                                  {"in", Op::kIn, 3},
                                                  {"+", Op::kAdd, 4},
                                                  {"-", Op::kSubtract, 4},
                                                  {"*", Op::kMultiply, 5},
                                                  {"/", Op::kDivide, 5},
                                                  {"%", Op::kModulo, 5}}};

// Functions, by how many operands they have, a receiver included.
struct FunctionRow {
  std::string_view name;
  Function function;
  bool global;
  bool member;
  std::size_t operands;
};
constexpr std::array<FunctionRow, 12> kFunctions = {{{"size", Function::kSize, true, true, 1},
                                                     {"contains", Function::kContains, false, true, 2},
                                                     {"startsWith", Function::kStartsWith, false, true, 2},
                                                     {"endsWith", Function::kEndsWith, false, true, 2},
                                                     {"matches", Function::kMatches, true, true, 2},
                                                     {"int", Function::kInt, true, false, 1},
                                                     {"uint", Function::kUint, true, false, 1},
                                                     {"double", Function::kDouble, true, false, 1},
                                                     {"string", Function::kString, true, false, 1},
                                                     {"bool", Function::kBool, true, false, 1},
                                                     {"type", Function::kTypeOf, true, false, 1},
                                                     {"dyn", Function::kDyn, true, false, 1}}};

struct Macro {
  std::string_view name;
  Op op;
  std::size_t arguments;  // with the variable
};
constexpr std::array<Macro, 6> kMacros = {{{"all", Op::kAll, 2},
                                           {"exists", Op::kExists, 2},
                                           {"exists_one", Op::kExistsOne, 2},
                                           {"filter", Op::kFilter, 2},
                                           {"map", Op::kTransform, 2},
                                           {"map", Op::kTransform, 3}}};

constexpr std::array<std::pair<std::string_view, Type>, 9> kTypeNames = {{{"bool", Type::kBool},
                                                                          {"int", Type::kInt},
                                                                          {"uint", Type::kUint},
                                                                          {"double", Type::kDouble},
                                                                          {"string", Type::kString},
                                                                          {"list", Type::kList},
                                                                          {"map", Type::kMap},
                                                                          {"null_type", Type::kNull},
                                                                          {"type", Type::kType}}};

// Names that no variable and no function may have (language definition, RESERVED).
constexpr std::array<std::string_view, 18> kReserved = {"as",      "break",     "const",  "continue", "else",  "for",
                                                        "if",      "import",    "let",    "loop",     "var",   "void",
                                                        "package", "namespace", "return", "function", "while", "in"};

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  Result<Program> run() {
    auto root = expression();
    if (!root) return core::fail(root.error());
    if (here().kind != TokenKind::kEnd) return unexpected();
    Program program;
    program.root = std::move(*root);
    program.slots = slots_;
    return program;
  }

 private:
  struct Depth {
    explicit Depth(std::size_t& its_depth) : depth(its_depth) { ++depth; }
    ~Depth() { --depth; }
    Depth(const Depth&) = delete;
    Depth& operator=(const Depth&) = delete;
    std::size_t& depth;
  };

  const Token& here() const { return tokens_[at_]; }
  bool is(std::string_view symbol) const { return here().kind == TokenKind::kSymbol && here().text == symbol; }
  bool is_name(std::string_view name) const { return here().kind == TokenKind::kName && here().text == name; }
  bool take(std::string_view symbol) {
    if (!is(symbol)) return false;
    ++at_;
    return true;
  }
  Result<void> want(std::string_view symbol) {
    if (take(symbol)) return {};
    return core::fail(error_at(Errc::kInvalid, here().column, fmt::format("expected '{}'", symbol)));
  }
  tl::unexpected<core::Error> unexpected() const {
    if (here().kind == TokenKind::kEnd) {
      return core::fail(error_at(Errc::kInvalid, here().column, "the expression ends too early"));
    }
    return core::fail(error_at(Errc::kInvalid, here().column, fmt::format("unexpected \"{}\"", here().text)));
  }
  static tl::unexpected<core::Error> unsupported(std::size_t column, std::string_view what) {
    return core::fail(error_at(Errc::kNotSupported, column, fmt::format("{} is not supported", what)));
  }

  Result<Node> made(Op op, std::size_t column, std::vector<Node> parts) {
    if (++nodes_ > kNodesMax) {
      return core::fail(error_at(Errc::kLimitExceeded, column, fmt::format("more than {} parts", kNodesMax)));
    }
    Node node;
    node.op = op;
    node.column = column;
    node.parts = std::move(parts);
    return node;
  }

  // NOLINTBEGIN(misc-no-recursion): bounded by kDepthMax
  Result<Node> expression() {
    const Depth depth(depth_);
    if (depth_ > kDepthMax) {
      return core::fail(
          error_at(Errc::kLimitExceeded, here().column, fmt::format("nested more than {} deep", kDepthMax)));
    }
    auto condition = binary(1);
    if (!condition || !is("?")) return condition;
    const std::size_t column = here().column;
    ++at_;
    auto yes = binary(1);
    if (!yes) return yes;
    if (auto colon = want(":"); !colon) return core::fail(colon.error());
    auto no = expression();
    if (!no) return no;
    std::vector<Node> parts;
    parts.push_back(std::move(*condition));
    parts.push_back(std::move(*yes));
    parts.push_back(std::move(*no));
    return made(Op::kConditional, column, std::move(parts));
  }

  const Operator* operator_here() const {
    if (here().kind != TokenKind::kSymbol && !is_name("in")) return nullptr;
    const auto* const found = std::ranges::find(kOperators, here().text, &Operator::text);
    return found == kOperators.end() ? nullptr : found;
  }

  // Operators that bind at least as strongly as `least`.
  Result<Node> binary(int least) {
    auto left = unary();
    while (left) {
      const Operator* found = operator_here();
      if (found == nullptr || found->strength < least) return left;
      const std::size_t column = here().column;
      ++at_;
      auto right = binary(found->strength + 1);
      if (!right) return right;
      std::vector<Node> parts;
      parts.push_back(std::move(*left));
      parts.push_back(std::move(*right));
      left = made(found->op, column, std::move(parts));
    }
    return left;
  }

  Result<Node> unary() {
    const Depth depth(depth_);
    if (depth_ > kDepthMax) {
      return core::fail(
          error_at(Errc::kLimitExceeded, here().column, fmt::format("nested more than {} deep", kDepthMax)));
    }
    const std::size_t column = here().column;
    const bool negate = is("-");
    if (!negate && !is("!")) return member();
    ++at_;
    if (negate && here().kind == TokenKind::kLiteral && take_negative()) return member();
    auto operand = unary();
    if (!operand) return operand;
    std::vector<Node> parts;
    parts.push_back(std::move(*operand));
    return made(negate ? Op::kNegate : Op::kNot, column, std::move(parts));
  }

  // A minus is part of the number after it, which reaches -2^63 so.
  bool take_negative() {
    Value& literal = tokens_[at_].literal;
    if (const auto* number = literal.as<std::int64_t>()) {
      literal = {static_cast<std::int64_t>(0 - static_cast<std::uint64_t>(*number))};
      negative_at_ = at_;
      return true;
    }
    if (const auto* number = literal.as<double>()) {
      literal = {-*number};
      return true;
    }
    return false;
  }

  Result<Node> member() {
    auto node = primary();
    while (node) {
      const std::size_t column = here().column;
      if (is(".?") || is("[?")) return unsupported(column, "an optional field (\"?\")");
      if (is("{")) return unsupported(column, "construction of messages");
      if (take(".")) {
        node = selection(std::move(*node));
      } else if (take("[")) {
        auto index = expression();
        if (!index) return index;
        if (auto closed = want("]"); !closed) return core::fail(closed.error());
        std::vector<Node> parts;
        parts.push_back(std::move(*node));
        parts.push_back(std::move(*index));
        node = made(Op::kIndex, column, std::move(parts));
      } else {
        return node;
      }
    }
    return node;
  }

  // After a dot: a field, a function of what is before it, or a macro.
  Result<Node> selection(Node receiver) {
    if (is("`")) return unsupported(here().column, "a quoted field name");
    if (here().kind != TokenKind::kName) return unexpected();
    const Token name = here();
    if (name.text == "true" || name.text == "false" || name.text == "null" || name.text == "in") return unexpected();
    ++at_;
    std::vector<Node> parts;
    if (!take("(")) {
      parts.push_back(std::move(receiver));
      auto node = made(Op::kSelect, name.column, std::move(parts));
      if (node) node->field = std::string(name.text);
      return node;
    }
    if (std::ranges::find(kMacros, name.text, &Macro::name) != kMacros.end()) return macro(name, std::move(receiver));
    parts.push_back(std::move(receiver));
    if (auto read = arguments(parts, ")"); !read) return core::fail(read.error());
    return call(name, std::move(parts), true);
  }

  Result<Node> macro(const Token& name, Node range) {
    const Token variable = here();
    if (variable.kind != TokenKind::kName || is_reserved(variable.text)) {
      return core::fail(error_at(Errc::kInvalid, variable.column, fmt::format("{}: expected a variable", name.text)));
    }
    if (scope_.size() >= kMacrosNestedMax) {
      return core::fail(error_at(Errc::kLimitExceeded, name.column,
                                 fmt::format("macros nested more than {} deep", kMacrosNestedMax)));
    }
    ++at_;
    if (auto comma = want(","); !comma) return core::fail(comma.error());
    scope_.push_back(variable.text);
    const std::size_t slot = scope_.size();
    slots_ = std::max(slots_, slot + 1);
    std::vector<Node> parts;
    parts.push_back(std::move(range));
    auto read = arguments(parts, ")");
    scope_.pop_back();
    if (!read) return core::fail(read.error());
    const std::size_t count = parts.size();  // the range instead of the variable
    const auto* const row = std::ranges::find_if(
        kMacros, [&](const Macro& each) { return each.name == name.text && each.arguments == count; });
    if (row == kMacros.end()) {
      return core::fail(
          error_at(Errc::kInvalid, name.column, fmt::format("{} does not take {} arguments", name.text, count)));
    }
    auto node = made(row->op, name.column, std::move(parts));
    if (node) node->slot = slot;
    return node;
  }

  // Up to `end`, which is taken.
  Result<void> arguments(std::vector<Node>& parts, std::string_view end) {
    if (take(end)) return {};
    while (true) {
      if (is("?")) return unsupported(here().column, "an optional element (\"?\")");
      auto part = expression();
      if (!part) return core::fail(part.error());
      parts.push_back(std::move(*part));
      if (take(end)) return {};
      if (auto comma = want(","); !comma) return core::fail(comma.error());
      if (end != ")" && take(end)) return {};
    }
  }

  Result<Node> map_literal(std::size_t column) {
    std::vector<Node> parts;
    while (!take("}")) {
      if (is("?")) return unsupported(here().column, "an optional entry (\"?\")");
      auto key = expression();
      if (!key) return key;
      if (auto colon = want(":"); !colon) return core::fail(colon.error());
      auto value = expression();
      if (!value) return value;
      parts.push_back(std::move(*key));
      parts.push_back(std::move(*value));
      if (take("}")) break;
      if (auto comma = want(","); !comma) return core::fail(comma.error());
    }
    return made(Op::kMap, column, std::move(parts));
  }

  Result<Node> primary() {
    const Token token = here();
    const std::size_t index = at_;
    if (token.kind == TokenKind::kEnd) return unexpected();
    ++at_;
    if (token.kind == TokenKind::kName) return name(token);
    if (token.kind == TokenKind::kLiteral) {
      const auto* const whole = token.literal.as<std::int64_t>();
      if (whole != nullptr && *whole == std::numeric_limits<std::int64_t>::min() && negative_at_ != index) {
        return core::fail(error_at(Errc::kInvalid, token.column, "the number is too large"));
      }
      return literal(token.column, token.literal);
    }
    if (token.text == "(") {
      auto inner = expression();
      if (!inner) return inner;
      if (auto closed = want(")"); !closed) return core::fail(closed.error());
      return inner;
    }
    if (token.text == "[") {
      std::vector<Node> parts;
      if (auto read = arguments(parts, "]"); !read) return core::fail(read.error());
      return made(Op::kList, token.column, std::move(parts));
    }
    if (token.text == "[?") return unsupported(token.column, "an optional element (\"?\")");
    if (token.text == "{") return map_literal(token.column);
    --at_;
    return unexpected();
  }

  Result<Node> name(const Token& token) {
    if (token.text == "true" || token.text == "false") return literal(token.column, {token.text == "true"});
    if (token.text == "null") return literal(token.column, {});
    if (is_reserved(token.text)) {
      --at_;
      return unexpected();
    }
    if (take("(")) {
      if (token.text == "has") return presence(token);
      std::vector<Node> parts;
      if (auto read = arguments(parts, ")"); !read) return core::fail(read.error());
      return call(token, std::move(parts), false);
    }
    const auto bound = std::find(scope_.rbegin(), scope_.rend(), token.text);
    if (bound != scope_.rend() || token.text == "body") {
      auto node = made(Op::kVariable, token.column, {});
      if (node) node->slot = static_cast<std::size_t>(scope_.rend() - bound);
      return node;
    }
    const auto* const type = std::ranges::find(kTypeNames, token.text, &std::pair<std::string_view, Type>::first);
    if (type != kTypeNames.end()) return literal(token.column, {type->second});
    return core::fail(
        error_at(Errc::kNotSupported, token.column,
                 fmt::format("\"{}\" is not known: there are \"body\" and the variables of macros", token.text)));
  }

  // has(a.b): the field is looked for, not read.
  Result<Node> presence(const Token& token) {
    auto field = expression();
    if (!field) return field;
    if (auto closed = want(")"); !closed) return core::fail(closed.error());
    if (field->op != Op::kSelect) {
      return core::fail(error_at(Errc::kInvalid, token.column, "has() takes a field: has(body.a)"));
    }
    field->op = Op::kHas;
    return field;
  }

  Result<Node> call(const Token& token, std::vector<Node> parts, bool member) {
    const auto* const row = std::ranges::find_if(kFunctions, [&](const FunctionRow& each) {
      return each.name == token.text && (member ? each.member : each.global);
    });
    if (row == kFunctions.end()) {
      return unsupported(token.column, fmt::format("function \"{}\"", token.text));
    }
    if (parts.size() != row->operands) {
      return core::fail(
          error_at(Errc::kInvalid, token.column,
                   fmt::format("{}() does not take {} arguments", token.text, parts.size() - (member ? 1 : 0))));
    }
    auto node = made(Op::kFunction, token.column, std::move(parts));
    if (!node) return node;
    node->function = row->function;
    if (row->function != Function::kMatches || node->parts[1].op != Op::kLiteral) return node;
    if (const std::string* regex = node->parts[1].literal.text()) {
      auto pattern = Pattern::compile(*regex);
      if (!pattern) return core::fail(error_at(Errc::kInvalid, node->parts[1].column, pattern.error().message));
      node->pattern = std::move(*pattern);
    }
    return node;
  }
  // NOLINTEND(misc-no-recursion)

  Result<Node> literal(std::size_t column, Value value) {
    auto node = made(Op::kLiteral, column, {});
    if (node) node->literal = std::move(value);
    return node;
  }

  static bool is_reserved(std::string_view name) { return std::ranges::find(kReserved, name) != kReserved.end(); }

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  std::size_t negative_at_ = std::numeric_limits<std::size_t>::max();
  std::size_t depth_ = 0;
  std::size_t nodes_ = 0;
  std::size_t slots_ = 1;
  std::vector<std::string_view> scope_;  // variables of the macros around, outermost first; their slots are 1, 2, 3
};

}  // namespace

Result<Program> parse(std::string_view text) {
  if (text.size() > kTextBytesMax) {
    return core::fail(Errc::kLimitExceeded, "the expression has more than {} bytes", kTextBytesMax);
  }
  auto tokens = split(text);
  if (!tokens) return core::fail(tokens.error());
  auto program = Parser(std::move(*tokens)).run();
  if (!program) return program;
  if (auto checked = check_types(program->root); !checked) return core::fail(checked.error());
  if (program->root.type != Type::kBool && program->root.type != Type::kDyn) {
    return core::fail(Errc::kInvalid, "the expression is of type {}, not bool", to_string(program->root.type));
  }
  return program;
}

}  // namespace collector::probe::cel

// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <charconv>

#include "core/ring/labels.h"
#include "rules/promql/characters.h"
#include "rules/promql/literals.h"
#include "rules/template/functions.h"
#include "rules/template/lexer.h"
#include "rules/template/syntax.h"

namespace rules::templates {
namespace {

using core::Errc;
using core::fail;
using core::ring::go_quote;

constexpr std::array<std::string_view, 10> kKeywords = {"if",     "else",     "end",   "range", "with",
                                                        "define", "template", "block", "break", "continue"};

bool is_keyword(std::string_view word) {
  return std::find(kKeywords.begin(), kKeywords.end(), word) != kKeywords.end();
}

// What ended a list of nodes.
enum class Ending { kEof, kEnd, kElse };

class Parser {
 public:
  Parser(std::vector<Token> tokens, std::string_view name, const Limits& limits)
      : tokens_(std::move(tokens)), limits_(limits) {
    result_.name = name;
    for (const std::string_view variable : kPredeclared) variables_.emplace_back(variable);
  }

  core::Result<Template> run() {
    const Ending ending = list(result_.body);
    if (!failed() && ending == Ending::kEnd) wrong("unexpected {{end}}");
    if (!failed() && ending == Ending::kElse) wrong("unexpected {{else}}");
    if (failed()) return fail(Errc::kInvalid, "template: {}:{}: {}", result_.name, error_->line, error_->message);
    return std::move(result_);
  }

 private:
  struct ParseError {
    std::size_t line;
    std::string message;
  };

  const Token& token() const { return tokens_[at_]; }
  const Token& ahead(std::size_t n) const { return tokens_[std::min(at_ + n, tokens_.size() - 1)]; }
  bool is(TokenKind kind) const { return token().kind == kind; }
  bool is_word(std::string_view word) const { return is(TokenKind::kWord) && token().text == word; }
  Token take() {
    Token taken = token();
    if (at_ + 1 < tokens_.size()) ++at_;
    return taken;
  }

  bool failed() const { return error_.has_value(); }
  void wrong(std::string message) {
    if (!failed()) error_ = ParseError{token().position.line, std::move(message)};
  }
  void unexpected(std::string_view context) {
    const Token& found = token();
    if (found.kind == TokenKind::kEof) return wrong("unexpected EOF");
    wrong(fmt::format("unexpected {} in {}", found.kind == TokenKind::kActionEnd ? "\"}}\"" : go_quote(found.text),
                      context));
  }
  bool expect(TokenKind kind, std::string_view context) {
    if (failed()) return false;
    if (!is(kind)) {
      unexpected(context);
      return false;
    }
    take();
    return true;
  }

  // Blocks and parentheses; bounds the recursion here and in the executor.
  class Level {
   public:
    explicit Level(Parser& parser) : parser_(parser) {
      if (++parser_.level_ > parser_.limits_.nesting) {
        parser_.wrong(fmt::format("nested deeper than {} levels", parser_.limits_.nesting));
      }
    }
    ~Level() { --parser_.level_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    Parser& parser_;
  };

  // Reads nodes up to {{end}} (read whole), {{else}} (its word read, not the rest) or the end.
  Ending list(NodeList& nodes) {
    const Level level(*this);
    while (!failed()) {
      const Position position = token().position;
      if (is(TokenKind::kEof)) return Ending::kEof;
      if (is(TokenKind::kText)) {
        nodes.push_back({TextNode{take().text}, position});
        continue;
      }
      if (is_word("end")) {
        take();
        expect(TokenKind::kActionEnd, "end");
        return Ending::kEnd;
      }
      if (is_word("else")) {
        take();
        return Ending::kElse;
      }
      action(nodes, position);
    }
    return Ending::kEof;
  }

  void action(NodeList& nodes, Position position) {
    if (!is(TokenKind::kWord) || !is_keyword(token().text)) {
      auto pipe = pipeline("command", TokenKind::kActionEnd, 1);
      nodes.push_back({ActionNode{std::move(pipe)}, position});
      return;
    }
    const std::string keyword = take().text;
    if (keyword == "if") return branch(BranchKind::kIf, nodes, position);
    if (keyword == "with") return branch(BranchKind::kWith, nodes, position);
    if (keyword == "range") return branch(BranchKind::kRange, nodes, position);
    if (keyword == "define") return define();
    if (keyword == "block") return block(nodes, position);
    if (keyword == "template") return call(nodes, position);
    if (range_depth_ == 0) return wrong(fmt::format("{{{{{0}}}}} outside {{{{range}}}}", keyword));
    if (!expect(TokenKind::kActionEnd, "{{" + keyword + "}}")) return;
    if (keyword == "break") {
      nodes.push_back({BreakNode{}, position});
    } else {
      nodes.push_back({ContinueNode{}, position});
    }
  }

  static std::string_view word_of(BranchKind kind) {
    return kind == BranchKind::kIf ? "if" : (kind == BranchKind::kWith ? "with" : "range");
  }

  void branch(BranchKind kind, NodeList& nodes, Position position) {
    const std::size_t mark = variables_.size();
    BranchNode node;
    node.kind = kind;
    node.pipeline = pipeline(word_of(kind), TokenKind::kActionEnd, kind == BranchKind::kRange ? 2 : 1);
    if (failed()) return;
    if (kind == BranchKind::kRange) ++range_depth_;
    NodeList body;
    const Ending ending = list(body);
    if (kind == BranchKind::kRange) --range_depth_;
    node.body = std::make_shared<const NodeList>(std::move(body));
    if (ending == Ending::kElse) node.otherwise = otherwise(kind);
    if (ending == Ending::kEof) wrong("unexpected EOF");
    variables_.resize(mark);
    if (!failed()) nodes.push_back({std::move(node), position});
  }

  // What follows the word `else`: {{else if x}} and {{else with x}} are a branch of their own that shares the end.
  std::shared_ptr<const NodeList> otherwise(BranchKind kind) {
    NodeList nodes;
    const Level level(*this);
    const Position position = token().position;
    if (kind != BranchKind::kRange && is_word(word_of(kind))) {
      take();
      branch(kind, nodes, position);
    } else if (expect(TokenKind::kActionEnd, "else")) {
      const Ending ending = list(nodes);
      if (ending == Ending::kElse) wrong("expected end; found {{else}}");
      if (ending == Ending::kEof) wrong("unexpected EOF");
    }
    return std::make_shared<const NodeList>(std::move(nodes));
  }

  std::optional<std::string> quoted_name(std::string_view context) {
    if (!is(TokenKind::kString)) {
      unexpected(context);
      return std::nullopt;
    }
    auto name = promql::unquote(token().text);
    if (!name) {
      wrong(name.error().message);
      return std::nullopt;
    }
    take();
    return std::move(*name);
  }

  // The body of a definition sees only its own dot: variables of the outside end at it.
  void definition(const std::string& name) {
    std::vector<std::string> outside = std::move(variables_);
    variables_ = {"$"};
    const std::size_t ranges = std::exchange(range_depth_, 0);
    NodeList body;
    const Ending ending = list(body);
    if (ending == Ending::kEof) wrong("unexpected EOF");
    if (ending == Ending::kElse) wrong("unexpected {{else}} in define clause");
    range_depth_ = ranges;
    variables_ = std::move(outside);
    result_.defined[name] = std::make_shared<const NodeList>(std::move(body));
  }

  void define() {
    if (level_ > 1) return wrong("unexpected {{define}}");
    const auto name = quoted_name("define clause");
    if (name && expect(TokenKind::kActionEnd, "define clause")) definition(*name);
  }

  void block(NodeList& nodes, Position position) {
    const auto name = quoted_name("block clause");
    if (!name) return;
    auto argument = pipeline("block clause", TokenKind::kActionEnd, 1);
    if (failed()) return;
    definition(*name);
    nodes.push_back({CallNode{*name, std::move(argument)}, position});
  }

  void call(NodeList& nodes, Position position) {
    const auto name = quoted_name("template clause");
    if (!name) return;
    CallNode node{*name, std::nullopt};
    if (is(TokenKind::kActionEnd)) {
      take();
    } else {
      node.argument = pipeline("template clause", TokenKind::kActionEnd, 1);
    }
    if (!failed()) nodes.push_back({std::move(node), position});
  }

  // Reads the declaration `$x :=`, `$x =` or (for range) `$i, $x :=` if there is one.
  void binding(Pipeline& pipe, std::string_view context, std::size_t max_variables) {
    if (!is(TokenKind::kVariable)) return;
    if (ahead(1).kind == TokenKind::kDeclare || ahead(1).kind == TokenKind::kAssign) {
      pipe.variables.push_back(take().text);
    } else if (max_variables == 2 && ahead(1).kind == TokenKind::kComma) {
      pipe.variables.push_back(take().text);
      take();
      if (!is(TokenKind::kVariable)) return wrong("range can only initialize variables");
      pipe.variables.push_back(take().text);
      if (!is(TokenKind::kDeclare) && !is(TokenKind::kAssign)) return unexpected(context);
    } else {
      return;
    }
    pipe.binding = is(TokenKind::kDeclare) ? Binding::kDeclare : Binding::kAssign;
    take();
    for (const std::string& variable : pipe.variables) {
      if (pipe.binding == Binding::kAssign) check_variable(variable);
    }
  }

  void check_variable(const std::string& name) {
    if (std::find(variables_.begin(), variables_.end(), name) == variables_.end()) {
      wrong("undefined variable " + go_quote(name));
    }
  }

  Pipeline pipeline(std::string_view context, TokenKind end, std::size_t max_variables) {
    const Level level(*this);
    Pipeline pipe;
    pipe.position = token().position;
    binding(pipe, context, max_variables);
    for (bool more = true; more && !failed();) {
      command(pipe, context, end);
      more = is(TokenKind::kPipe);
      if (more) take();
    }
    if (!failed() && expect(end, context) && pipe.binding == Binding::kDeclare) {
      variables_.insert(variables_.end(), pipe.variables.begin(), pipe.variables.end());
    }
    return pipe;
  }

  void command(Pipeline& pipe, std::string_view context, TokenKind end) {
    Command node;
    node.position = token().position;
    while (!failed() && !is(TokenKind::kPipe) && !is(end)) {
      auto read = operand(context);
      if (!read) return;
      node.operands.push_back(std::move(*read));
      const bool ends = is(TokenKind::kPipe) || is(end);
      if (!ends && !token().after_space) return unexpected("operand");
    }
    if (node.operands.empty()) return wrong(fmt::format("missing value for {}", context));
    const Operand& first = node.operands.front();
    const bool plain =
        first.fields.empty() && (first.kind == Operand::Kind::kDot || first.kind == Operand::Kind::kNil ||
                                 first.kind == Operand::Kind::kConstant);
    if (!pipe.commands.empty() && plain) {
      return wrong(fmt::format("non executable command in pipeline stage {}", pipe.commands.size() + 1));
    }
    pipe.commands.push_back(std::move(node));
  }

  std::optional<Operand> operand(std::string_view context) {
    Operand node;
    node.position = token().position;
    node.text = token().text;
    switch (token().kind) {
      case TokenKind::kDot:
        node.kind = Operand::Kind::kDot;
        take();
        break;
      case TokenKind::kField:
        node.kind = Operand::Kind::kDot;
        node.fields.push_back(take().text.substr(1));
        break;
      case TokenKind::kVariable:
        node.kind = Operand::Kind::kVariable;
        check_variable(token().text);
        node.name = take().text;
        break;
      case TokenKind::kLeftParen:
        take();
        node.kind = Operand::Kind::kPipeline;
        node.pipeline = std::make_shared<const Pipeline>(pipeline("parenthesized pipeline", TokenKind::kRightParen, 0));
        node.text = "(...)";
        break;
      case TokenKind::kString:
      case TokenKind::kNumber:
      case TokenKind::kWord:
        if (!constant_or_function(node, context)) return std::nullopt;
        break;
      default:
        unexpected(context);
        return std::nullopt;
    }
    while (!failed() && is(TokenKind::kField) && !token().after_space) {
      node.text += token().text;
      node.fields.push_back(take().text.substr(1));
    }
    if (failed()) return std::nullopt;
    const bool bare = node.kind == Operand::Kind::kConstant || node.kind == Operand::Kind::kNil;
    if (bare && !node.fields.empty()) {
      wrong(fmt::format("unexpected . after term {}", go_quote(node.text)));
      return std::nullopt;
    }
    return node;
  }

  bool constant_or_function(Operand& node, std::string_view context) {
    node.kind = Operand::Kind::kConstant;
    const Token found = token();
    if (found.kind == TokenKind::kString) {
      auto text = promql::unquote(found.text);
      if (!text) return wrong(text.error().message), false;
      node.constant = std::move(*text);
    } else if (found.kind == TokenKind::kNumber) {
      auto number = constant(found.text);
      if (!number) return wrong(number.error().message), false;
      node.constant = std::move(*number);
    } else if (found.text == "true" || found.text == "false") {
      node.constant = found.text == "true";
    } else if (found.text == "nil") {
      node.kind = Operand::Kind::kNil;
    } else if (is_keyword(found.text)) {
      return unexpected(context), false;
    } else if (find_function(found.text) == nullptr) {
      return wrong(fmt::format("function {} not defined", go_quote(found.text))), false;
    } else {
      node.kind = Operand::Kind::kFunction;
      node.name = found.text;
    }
    take();
    return true;
  }

  // A number is an int if it is written as one, else a float64, as Go types untyped constants.
  static core::Result<Value> constant(std::string_view text) {
    const auto bad = [&] { return fail(Errc::kInvalid, "bad number syntax: {}", go_quote(text)); };
    if (text.starts_with('\'')) {
      const auto character = promql::unquote(text);
      if (!character) return fail(character.error());
      const promql::Rune rune = promql::rune_at(*character, 0);
      if (rune.bytes == 0 || rune.bytes != character->size()) return bad();
      return Value(static_cast<std::int64_t>(rune.code));
    }
    const bool negative = text.starts_with('-');
    const std::string_view digits = negative || text.starts_with('+') ? text.substr(1) : text;
    const bool hex = digits.starts_with("0x") || digits.starts_with("0X");
    if (!hex && digits.find_first_of(".eE") == std::string_view::npos) {
      const bool octal = digits.size() > 1 && digits[0] == '0';
      return integer(digits, octal ? 8 : 10, negative, bad);
    }
    if (hex) return integer(digits.substr(2), 16, negative, bad);
    const auto number = promql::parse_number(digits);
    if (!number) return bad();
    return Value(negative ? -*number : *number);
  }

  template <class Bad>
  static core::Result<Value> integer(std::string_view digits, int base, bool negative, const Bad& bad) {
    std::string plain;
    std::copy_if(digits.begin(), digits.end(), std::back_inserter(plain), [](char c) { return c != '_'; });
    std::int64_t value = 0;
    const auto read = std::from_chars(plain.data(), plain.data() + plain.size(), value, base);
    if (read.ec != std::errc() || read.ptr != plain.data() + plain.size()) return bad();
    return Value(negative ? -value : value);
  }

  std::vector<Token> tokens_;
  const Limits& limits_;
  Template result_;
  std::vector<std::string> variables_;
  std::size_t at_ = 0;
  std::size_t level_ = 0;
  std::size_t range_depth_ = 0;
  std::optional<ParseError> error_;
};

}  // namespace

core::Result<Template> parse_template(std::string_view text, std::string_view name, const Limits& limits) {
  if (text.size() > limits.text_bytes) {
    return fail(Errc::kLimitExceeded, "template: {}: longer than {} bytes", name, limits.text_bytes);
  }
  auto tokens = lex(text);
  if (!tokens) {
    return fail(Errc::kInvalid, "template: {}:{}: {}", name, tokens.error().position.line, tokens.error().message);
  }
  return Parser(std::move(*tokens), name, limits).run();
}

}  // namespace rules::templates

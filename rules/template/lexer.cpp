// SPDX-License-Identifier: Apache-2.0
#include "rules/template/lexer.h"

#include "core/ring/labels.h"
#include "rules/promql/characters.h"

namespace rules::templates {
namespace {

using promql::is_alpha;
using promql::is_alphanumeric;
using promql::is_digit;
using promql::is_space;
using promql::rune_at;

constexpr std::string_view kLeft = "{{";
constexpr std::string_view kRight = "}}";

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  tl::expected<std::vector<Token>, LexError> run() {
    while (!failed_ && at_ < text_.size()) {
      plain_text();
      if (at_ < text_.size()) action();
    }
    if (failed_) return tl::unexpected<LexError>(error_);
    emit(TokenKind::kEof, "", here());
    return std::move(tokens_);
  }

 private:
  Position here() {
    // Places are asked for in the order of the text.
    for (; counted_ < at_; ++counted_) {
      if (text_[counted_] == '\n') {
        ++position_.line;
        position_.column = 0;
      }
      ++position_.column;
    }
    return position_;
  }

  std::string_view rest() const { return text_.substr(at_); }
  char peek(std::size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }

  void emit(TokenKind kind, std::string_view text, Position position) {
    tokens_.push_back({kind, std::string(text), position, after_space_});
    after_space_ = false;
  }

  void fail(std::string message) {
    if (failed_) return;
    failed_ = true;
    error_ = {here(), std::move(message)};
  }

  // -}} may only follow a space: without it the dash is a sign.
  bool at_right_trim() const { return is_space(peek()) && rest().substr(1).starts_with("-}}"); }

  void plain_text() {
    const Position position = here();
    const std::size_t start = at_;
    const std::size_t found = text_.find(kLeft, at_);
    const std::size_t end = found == std::string_view::npos ? text_.size() : found;
    std::string_view piece = text_.substr(start, end - start);
    const bool trim_left = found != std::string_view::npos && text_.substr(found + 2).starts_with("-") &&
                           found + 3 < text_.size() && is_space(text_[found + 3]);
    if (trim_after_action_) {
      while (!piece.empty() && is_space(piece.front())) piece.remove_prefix(1);
    }
    if (trim_left) {
      while (!piece.empty() && is_space(piece.back())) piece.remove_suffix(1);
    }
    trim_after_action_ = false;
    if (!piece.empty()) emit(TokenKind::kText, piece, position);
    at_ = end;
    if (found != std::string_view::npos) at_ += trim_left ? 3 : 2;
  }

  void action() {
    std::size_t blank = at_;
    while (blank < text_.size() && is_space(text_[blank])) ++blank;
    const bool trimmed = at_ > 0 && text_[at_ - 1] == '-';
    if (text_.substr(trimmed ? blank : at_).starts_with("/*")) {
      if (trimmed) at_ = blank;
      return comment();
    }
    while (!failed_) {
      if (rest().starts_with(kRight) || at_right_trim()) return end_of_action();
      if (at_ >= text_.size()) return fail("unclosed action");
      token();
    }
  }

  void comment() {
    const std::size_t end = text_.find("*/", at_ + 2);
    if (end == std::string_view::npos) return fail("unclosed comment");
    at_ = end + 2;
    if (at_right_trim()) {
      trim_after_action_ = true;
      at_ += 4;
    } else if (rest().starts_with(kRight)) {
      at_ += 2;
    } else {
      fail("comment ends before closing delimiter");
    }
  }

  void end_of_action() {
    if (paren_depth_ != 0) return fail("unclosed left paren");
    const Position position = here();
    trim_after_action_ = !rest().starts_with(kRight);
    at_ += trim_after_action_ ? 4 : 2;
    after_space_ = false;
    emit(TokenKind::kActionEnd, kRight, position);
  }

  void token() {
    const char c = peek();
    if (is_space(c)) {
      after_space_ = true;
      ++at_;
      return;
    }
    const Position position = here();
    if (c == '"' || c == '`' || c == '\'') return quoted(c);
    if (is_digit(c) || ((c == '+' || c == '-' || c == '.') && is_digit(peek(1))) ||
        ((c == '+' || c == '-') && peek(1) == '.' && is_digit(peek(2)))) {
      return number();
    }
    if (is_alpha(c)) return word(TokenKind::kWord, 0);
    if (c == '$') return word(TokenKind::kVariable, 1);
    if (c == '.') {
      if (is_alpha(peek(1))) return word(TokenKind::kField, 1);
      return single(TokenKind::kDot, position);
    }
    if (c == ':') {
      if (peek(1) != '=') return fail("expected :=");
      at_ += 2;
      return emit(TokenKind::kDeclare, ":=", position);
    }
    switch (c) {
      case '|':
        return single(TokenKind::kPipe, position);
      case '=':
        return single(TokenKind::kAssign, position);
      case ',':
        return single(TokenKind::kComma, position);
      case '(':
        ++paren_depth_;
        return single(TokenKind::kLeftParen, position);
      case ')':
        if (paren_depth_ == 0) return fail("unexpected right paren");
        --paren_depth_;
        return single(TokenKind::kRightParen, position);
      default:
        return fail("unrecognized character in action: " + promql::name_rune(rune_at(text_, at_)));
    }
  }

  void single(TokenKind kind, Position position) {
    const std::string_view text = text_.substr(at_, 1);
    ++at_;
    emit(kind, text, position);
  }

  // A name may end only where something else can begin, so that .foo-bar is not read as .foo and -bar.
  void word(TokenKind kind, std::size_t start) {
    const Position position = here();
    std::size_t end = at_ + start;
    while (end < text_.size() && is_alphanumeric(text_[end])) ++end;
    const std::string_view name = text_.substr(at_, end - at_);
    at_ = end;
    const char next = peek();
    const bool terminated = at_ >= text_.size() || is_space(next) || rest().starts_with(kRight) ||
                            std::string_view(".,|:()=").find(next) != std::string_view::npos;
    if (!terminated) return fail("bad character " + promql::name_rune(rune_at(text_, at_)));
    emit(kind, name, position);
  }

  void number() {
    const Position position = here();
    std::size_t end = at_ + 1;
    while (end < text_.size()) {
      const char c = text_[end];
      const bool exponent_sign = (c == '+' || c == '-') && (text_[end - 1] == 'e' || text_[end - 1] == 'E');
      if (!is_alphanumeric(c) && c != '.' && !exponent_sign) break;
      ++end;
    }
    const std::string_view text = text_.substr(at_, end - at_);
    at_ = end;
    emit(TokenKind::kNumber, text, position);
  }

  void quoted(char quote) {
    const Position position = here();
    std::size_t end = at_ + 1;
    while (end < text_.size() && text_[end] != quote) {
      if (quote != '`' && text_[end] == '\\') ++end;
      if (quote != '`' && end < text_.size() && text_[end] == '\n') break;
      ++end;
    }
    if (end >= text_.size() || text_[end] != quote) {
      return fail(quote == '`'   ? "unterminated raw quoted string"
                  : quote == '"' ? "unterminated quoted string"
                                 : "unterminated character constant");
    }
    const std::string_view text = text_.substr(at_, end + 1 - at_);
    at_ = end + 1;
    emit(quote == '\'' ? TokenKind::kNumber : TokenKind::kString, text, position);
  }

  std::string_view text_;
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  std::size_t counted_ = 0;
  Position position_;
  std::size_t paren_depth_ = 0;
  bool after_space_ = false;
  bool trim_after_action_ = false;
  bool failed_ = false;
  LexError error_;
};

}  // namespace

tl::expected<std::vector<Token>, LexError> lex(std::string_view text) { return Lexer(text).run(); }

}  // namespace rules::templates

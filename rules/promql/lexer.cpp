// SPDX-License-Identifier: Apache-2.0
#include "rules/promql/lexer.h"

#include "core/ring/labels.h"
#include "rules/promql/characters.h"
#include "rules/promql/literals.h"

namespace rules::promql {
namespace {

// What the bytes at the current place mean. Inside braces every word is a label name. Right after `[` only a duration
// expression may stand; once a number was read there, the rest of the bracket is read as the top level is, but that
// words must be those of duration expressions.
enum class Mode { kTop, kBraces, kDuration };

class Lexer {
 public:
  Lexer(std::string_view query, TokenList& list) : text_(query), list_(list) {}

  void run() {
    while (!done_) {
      start_ = at_;
      switch (mode_) {
        case Mode::kTop:
          top();
          break;
        case Mode::kBraces:
          braces();
          break;
        case Mode::kDuration:
          duration();
          break;
      }
    }
  }

 private:
  char peek(std::size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  bool at_end() const { return at_ >= text_.size(); }

  void emit(TokenKind kind, std::size_t length) {
    at_ = start_ + length;
    list_.tokens.push_back(
        {kind, {static_cast<std::uint32_t>(start_), static_cast<std::uint32_t>(at_)}, text_.substr(start_, length)});
  }

  void fail(std::string message) { fail_at(start_, std::move(message)); }

  void fail_at(std::size_t place, std::string message) {
    list_.message = std::move(message);
    const auto at = static_cast<std::uint32_t>(place);
    list_.tokens.push_back({TokenKind::kError, {at, at}, list_.message});
    done_ = true;
  }

  void end() {
    if (paren_depth_ != 0) return fail("unclosed left parenthesis");
    if (bracket_open_) return fail("unclosed left bracket");
    emit(TokenKind::kEof, 0);
    done_ = true;
  }

  void skip_spaces() {
    while (!at_end() && is_space(text_[at_])) ++at_;
  }

  void skip_comment() {
    while (!at_end() && text_[at_] != '\n' && text_[at_] != '\r') ++at_;
  }

  void top() {
    if (at_end()) return end();
    const char c = peek();
    if (is_space(c)) return skip_spaces();
    if (c == '#') return skip_comment();
    if (is_digit(c) || (c == '.' && is_digit(peek(1)))) return number_or_duration();
    if (c == '"' || c == '\'' || c == '`') return string();
    if (is_alpha(c) || c == ':') return bracket_open_ ? word_or_colon_in_bracket() : word();
    if (punctuation(c)) return;
    fail("unexpected character: " + quote_rune(rune_at(text_, at_)));
  }

  // True if `c` starts a token here, which then has been read.
  bool punctuation(char c) {
    const char next = peek(1);
    switch (c) {
      case ',':
        return emit(TokenKind::kComma, 1), true;
      case '=':
        if (next == '~') return fail("unexpected character after '=': '~'"), true;
        return next == '=' ? emit(TokenKind::kEqual, 2) : emit(TokenKind::kAssign, 1), true;
      case '!':
        if (next == '=') return emit(TokenKind::kNotEqual, 2), true;
        return fail("unexpected character after '!': " + quote_rune(rune_at(text_, at_ + 1))), true;
      case '<':
        if (next == '=') return emit(TokenKind::kLessOrEqual, 2), true;
        return next == '/' ? emit(TokenKind::kTrimUpper, 2) : emit(TokenKind::kLess, 1), true;
      case '>':
        if (next == '=') return emit(TokenKind::kGreaterOrEqual, 2), true;
        return next == '/' ? emit(TokenKind::kTrimLower, 2) : emit(TokenKind::kGreater, 1), true;
      case '@':
        return emit(TokenKind::kAt, 1), true;
      case '{':
        mode_ = Mode::kBraces;
        return emit(TokenKind::kLeftBrace, 1), true;
      case '[':
        return left_bracket(), true;
      case ']':
        return right_bracket(), true;
      default:
        return parenthesis(c) || arithmetic(c);
    }
  }

  bool arithmetic(char c) {
    constexpr std::string_view kSigns = "+-*/%^";
    constexpr TokenKind kKinds[] = {TokenKind::kAdd, TokenKind::kSub, TokenKind::kMul,
                                    TokenKind::kDiv, TokenKind::kMod, TokenKind::kPow};
    const std::size_t sign = kSigns.find(c);
    if (sign == std::string_view::npos) return false;
    emit(kKinds[sign], 1);
    return true;
  }

  bool parenthesis(char c) {
    if (c == '(') {
      ++paren_depth_;
      emit(TokenKind::kLeftParen, 1);
      return true;
    }
    if (c != ')') return false;
    if (paren_depth_ == 0) {
      fail_at(at_ + 1, "unexpected right parenthesis ')'");
      return true;
    }
    --paren_depth_;
    emit(TokenKind::kRightParen, 1);
    return true;
  }

  void left_bracket() {
    if (bracket_open_) return fail("unexpected left bracket '['");
    emit(TokenKind::kLeftBracket, 1);
    bracket_open_ = true;
    got_colon_ = false;
    got_duration_ = false;
    mode_ = Mode::kDuration;
  }

  void right_bracket() {
    if (!bracket_open_) return fail("unexpected right bracket ']'");
    emit(TokenKind::kRightBracket, 1);
    bracket_open_ = false;
    mode_ = Mode::kTop;
  }

  void duration() {
    if (at_end()) return fail("unexpected end of input in duration expression");
    const char c = peek();
    if (is_space(c)) return skip_spaces();
    if (c == ']') return right_bracket();
    if (c == ':') {
      if (!got_duration_) return fail("unexpected colon before duration in duration expression");
      if (got_colon_) return fail("unexpected repeated colon in duration expression");
      got_colon_ = true;
      return emit(TokenKind::kColon, 1);
    }
    if (c == ',') return emit(TokenKind::kComma, 1);
    if (parenthesis(c) || arithmetic(c)) return;
    if (is_digit(c) || (c == '.' && is_digit(peek(1)))) {
      got_duration_ = true;
      mode_ = Mode::kTop;
      return number_or_duration();
    }
    if (duration_word()) return;
    fail("unexpected character in duration expression: " + quote_rune(rune_at(text_, at_)));
  }

  // step, range, max_of or min_of.
  bool duration_word() {
    std::size_t length = 0;
    while (is_alpha(peek(length))) ++length;
    const TokenKind kind = classify_word(text_.substr(at_, length));
    if (kind < TokenKind::kStep || kind > TokenKind::kMinOf) return false;
    got_duration_ = true;
    emit(kind, length);
    return true;
  }

  void word_or_colon_in_bracket() {
    if (peek() == ':') {
      if (got_colon_) return fail("unexpected colon ':'");
      got_colon_ = true;
      return emit(TokenKind::kColon, 1);
    }
    if (duration_word()) return;
    fail("unexpected character: " + quote_rune(rune_at(text_, at_)) + ", expected ':'");
  }

  void word() {
    std::size_t length = 0;
    while (is_alphanumeric(peek(length)) || peek(length) == ':') ++length;
    const std::string_view name = text_.substr(at_, length);
    TokenKind kind = classify_word(name);
    if (kind >= TokenKind::kFill && kind <= TokenKind::kFillRight) {
      std::size_t after = length;
      while (is_space(peek(after))) ++after;
      // Anywhere else these words go on being names, as they were before they got a meaning.
      if (peek(after) != '(') kind = TokenKind::kIdentifier;
    }
    if (kind == TokenKind::kIdentifier && name.find(':') != std::string_view::npos) {
      kind = TokenKind::kMetricIdentifier;
    }
    emit(kind, length);
  }

  void string() {
    const auto scanned = scan_string(text_.substr(at_));
    if (!scanned) return fail(scanned.error().message);
    emit(TokenKind::kString, scanned->length);
  }

  void braces() {
    if (at_end()) return fail("unexpected end of input inside braces");
    const char c = peek();
    const char next = peek(1);
    if (is_space(c)) return skip_spaces();
    if (c == '#') return skip_comment();
    if (c == '"' || c == '\'' || c == '`') return string();
    if (is_alpha(c)) {
      std::size_t length = 0;
      while (is_alphanumeric(peek(length))) ++length;
      return emit(TokenKind::kIdentifier, length);
    }
    switch (c) {
      case ',':
        return emit(TokenKind::kComma, 1);
      case '=':
        return next == '~' ? emit(TokenKind::kRegexMatch, 2) : emit(TokenKind::kAssign, 1);
      case '!':
        if (next == '~') return emit(TokenKind::kRegexNotMatch, 2);
        if (next == '=') return emit(TokenKind::kNotEqual, 2);
        return fail("unexpected character after '!' inside braces: " + quote_rune(rune_at(text_, at_ + 1)));
      case '{':
        return fail("unexpected left brace '{'");
      case '}':
        mode_ = Mode::kTop;
        return emit(TokenKind::kRightBrace, 1);
      default:
        return fail("unexpected character inside braces: " + quote_rune(rune_at(text_, at_)));
    }
  }

  // Takes one byte of `set` if it is next.
  bool accept(std::string_view set) {
    if (at_end() || set.find(text_[at_]) == std::string_view::npos) return false;
    ++at_;
    return true;
  }

  void number_or_duration() {
    if (scan_number() || scan_rest_of_duration()) {
      const std::string_view found = text_.substr(start_, at_ - start_);
      const bool hex = found.size() > 1 && (found[1] == 'x' || found[1] == 'X');
      const bool unit = found.find_first_of("smhdwy") != std::string_view::npos;
      return emit(unit && !hex ? TokenKind::kDuration : TokenKind::kNumber, found.size());
    }
    fail("bad number or duration syntax: " + core::ring::go_quote(text_.substr(start_, at_ - start_)));
  }

  // Moves over a number. False where it is malformed or goes on with a letter; the place is then where that shows.
  bool scan_number() {
    std::string_view digits = "0123456789";
    if (accept("0") && accept("xX")) {
      accept("_");
      digits = "0123456789abcdefABCDEF";
    }
    const bool hex = digits.size() > 10;
    bool dot = false;
    bool exponent = false;
    while (!at_end()) {
      if (accept(digits)) continue;
      const char c = peek();
      if (c == '.') {
        ++at_;
        if (dot || hex || accept("_.")) return false;
        dot = true;
      } else if (c == 'e' || c == 'E') {
        ++at_;
        if (exponent) return false;
        exponent = true;
        accept("+-");
        if (accept("._eE") || at_end()) return false;
      } else if (c == '_') {
        ++at_;
        if (accept("._eE") || at_end()) return false;
      } else {
        break;
      }
    }
    return at_end() || !is_alphanumeric(peek());
  }

  // Moves over the units, and further numbers with units, after the digits of a duration. Which units may follow which
  // is checked when the duration is parsed.
  bool scan_rest_of_duration() {
    if (!accept("smhdwy")) return false;
    accept("s");
    while (accept("0123456789")) {
      while (accept("0123456789")) {
      }
      if (!accept("smhdw")) return false;
      accept("s");
    }
    if (at_end() || !is_alphanumeric(peek())) return true;
    ++at_;
    return false;
  }

  std::string_view text_;
  TokenList& list_;
  Mode mode_ = Mode::kTop;
  std::size_t start_ = 0;
  std::size_t at_ = 0;
  std::size_t paren_depth_ = 0;
  bool bracket_open_ = false;
  bool got_colon_ = false;
  bool got_duration_ = false;
  bool done_ = false;
};

}  // namespace

void tokenize(std::string_view query, TokenList& list) {
  list.tokens.clear();
  list.message.clear();
  Lexer(query, list).run();
}

}  // namespace rules::promql

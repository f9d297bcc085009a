// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "collector/probe/cel_syntax.h"

namespace collector::probe::cel {
namespace {

using core::Errc;
using core::Result;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

constexpr std::array<std::string_view, 27> kSymbols = {"&&", "||", "==", "!=", "<=", ">=", ".?", "[?", "(",
                                                       ")",  "[",  "]",  "{",  "}",  ",",  ".",  "?",  ":",
                                                       "<",  ">",  "+",  "-",  "*",  "/",  "%",  "!",  "`"};

struct Escape {
  char letter;
  char byte;
};
constexpr std::array<Escape, 12> kEscapes = {{{'a', '\a'},
                                              {'b', '\b'},
                                              {'f', '\f'},
                                              {'n', '\n'},
                                              {'r', '\r'},
                                              {'t', '\t'},
                                              {'v', '\v'},
                                              {'\\', '\\'},
                                              {'?', '?'},
                                              {'"', '"'},
                                              {'\'', '\''},
                                              {'`', '`'}}};

// How many digits of what base follow, by the letter after the backslash; none for other letters.
struct CodeForm {
  std::size_t digits;
  int base;
};
std::optional<CodeForm> code_form(char letter) {
  switch (letter) {
    case 'x':
    case 'X':
      return CodeForm{2, 16};
    case 'u':
      return CodeForm{4, 16};
    case 'U':
      return CodeForm{8, 16};
    default:
      return std::nullopt;
  }
}

void append_utf8(std::string& out, std::uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | (code >> 6));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | (code >> 12));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | (code >> 18));
    out += static_cast<char>(0x80 | ((code >> 12) & 0x3F));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  }
}

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  Result<std::vector<Token>> run() {
    std::vector<Token> tokens;
    while (true) {
      skip_blanks();
      auto token = next();
      if (!token) return core::fail(token.error());
      tokens.push_back(std::move(*token));
      if (tokens.back().kind == TokenKind::kEnd) return tokens;
    }
  }

 private:
  char at(std::size_t offset = 0) const { return at_ + offset < text_.size() ? text_[at_ + offset] : '\0'; }

  void skip_blanks() {
    while (at_ < text_.size()) {
      if (std::string_view(" \t\r\n\f").find(at()) != std::string_view::npos) {
        ++at_;
      } else if (text_.substr(at_, 2) == "//") {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else {
        return;
      }
    }
  }

  Result<Token> next() {
    Token token;
    token.column = at_ + 1;
    const std::size_t start = at_;
    if (at_ >= text_.size()) return token;
    if (is_digit(at()) || (at() == '.' && is_digit(at(1)))) return number(std::move(token));
    if (is_name_start(at())) {
      if (auto prefix = string_prefix()) return string(std::move(token), *prefix);
      while (is_name_start(at()) || is_digit(at())) ++at_;
      token.kind = TokenKind::kName;
      token.text = text_.substr(start, at_ - start);
      return token;
    }
    if (at() == '"' || at() == '\'') return string(std::move(token), 0);
    const auto* const symbol = std::ranges::find_if(
        kSymbols, [this](std::string_view each) { return text_.substr(at_, each.size()) == each; });
    if (symbol == kSymbols.end()) {
      return core::fail(error_at(Errc::kInvalid, at_ + 1, fmt::format("unexpected '{}'", at())));
    }
    at_ += symbol->size();
    token.kind = TokenKind::kSymbol;
    token.text = *symbol;
    return token;
  }

  // The letters before a quotation mark, if that is what is here: r, b, or both.
  std::optional<std::size_t> string_prefix() const {
    for (std::size_t length = 1; length <= 2; ++length) {
      if (at(length) != '"' && at(length) != '\'') continue;
      const std::string_view letters = text_.substr(at_, length);
      if (letters.find_first_not_of("rRbB") == std::string_view::npos) return length;
    }
    return std::nullopt;
  }

  Result<Token> string(Token token, std::size_t prefix) {
    const std::string_view letters = text_.substr(at_, prefix);
    if (letters.find_first_of("bB") != std::string_view::npos) {
      return core::fail(error_at(Errc::kNotSupported, token.column, "bytes are not supported"));
    }
    const bool raw = !letters.empty();
    const std::size_t start = at_;
    at_ += prefix;
    const char quote = at();
    const std::string three(3, quote);
    const bool tripled = text_.substr(at_, 3) == three;
    const std::string_view end = tripled ? std::string_view(three) : std::string_view(three).substr(0, 1);
    at_ += end.size();
    std::string value;
    while (text_.substr(at_, end.size()) != end) {
      if (at_ >= text_.size() || (!tripled && (at() == '\n' || at() == '\r'))) {
        return core::fail(error_at(Errc::kInvalid, token.column, "the text does not end"));
      }
      if (at() == '\\' && !raw) {
        if (auto taken = escape(value); !taken) return core::fail(taken.error());
      } else {
        value += text_[at_++];
      }
    }
    at_ += end.size();
    token.kind = TokenKind::kLiteral;
    token.text = text_.substr(start, at_ - start);
    token.literal = Value::of(std::move(value));
    return token;
  }

  // After a backslash.
  Result<void> escape(std::string& value) {
    const std::size_t column = at_ + 1;
    const char letter = at(1);
    const auto* const simple = std::ranges::find(kEscapes, letter, &Escape::letter);
    if (simple != kEscapes.end()) {
      value += simple->byte;
      at_ += 2;
      return {};
    }
    const bool octal = letter >= '0' && letter <= '3';
    const auto form = octal ? std::optional(CodeForm{3, 8}) : code_form(letter);
    if (!form) return core::fail(error_at(Errc::kInvalid, column, fmt::format("unknown escape '\\{}'", letter)));
    at_ += octal ? 1 : 2;
    const std::string_view digits = text_.substr(at_, form->digits);
    std::uint32_t code = 0;
    const auto [stop, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), code, form->base);
    const bool whole = problem == std::errc() && digits.size() == form->digits && stop == digits.data() + digits.size();
    if (!whole || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) {
      return core::fail(error_at(Errc::kInvalid, column, "the escape names no character"));
    }
    append_utf8(value, code);
    at_ += form->digits;
    return {};
  }

  Result<Token> number(Token token) {
    const std::size_t start = at_;
    const bool hex = at() == '0' && (at(1) == 'x' || at(1) == 'X') && is_hex(at(2));
    bool whole = true;
    if (hex) {
      at_ += 2;
      while (is_hex(at())) ++at_;
    } else {
      while (is_digit(at())) ++at_;
      if (at() == '.' && is_digit(at(1))) {
        whole = false;
        ++at_;
        while (is_digit(at())) ++at_;
      }
      const std::size_t sign = at(1) == '+' || at(1) == '-' ? 2 : 1;
      if ((at() == 'e' || at() == 'E') && is_digit(at(sign))) {
        whole = false;
        at_ += sign;
        while (is_digit(at())) ++at_;
      }
    }
    const std::string_view digits = text_.substr(start, at_ - start);
    const bool is_unsigned = whole && (at() == 'u' || at() == 'U');
    if (is_unsigned) ++at_;
    token.kind = TokenKind::kLiteral;
    token.text = text_.substr(start, at_ - start);
    const bool read = whole ? read_whole(digits, hex, is_unsigned, token.literal) : read_double(digits, token.literal);
    if (!read || is_name_start(at())) {
      return core::fail(error_at(Errc::kInvalid, token.column, fmt::format("\"{}\" is not a number", token.text)));
    }
    return token;
  }

  // A signed one may be 2^63, which only a minus before it makes one (parser).
  static bool read_whole(std::string_view digits, bool hex, bool is_unsigned, Value& value) {
    std::uint64_t number = 0;
    if (hex) digits.remove_prefix(2);
    const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), number, hex ? 16 : 10);
    if (problem != std::errc() || end != digits.data() + digits.size()) return false;
    if (is_unsigned) {
      value = {number};
      return true;
    }
    constexpr std::uint64_t kLowest = 1ULL << 63;
    if (number > kLowest) return false;
    value = {static_cast<std::int64_t>(number)};
    return true;
  }

  static bool read_double(std::string_view digits, Value& value) {
    double number = 0;
    const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    value = {number};
    return problem == std::errc() && end == digits.data() + digits.size() && std::isfinite(number);
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

core::Error error_at(Errc code, std::size_t column, std::string_view what) {
  return core::error(code, "{} (column {})", what, column);
}

Result<std::vector<Token>> split(std::string_view text) { return Lexer(text).run(); }

}  // namespace collector::probe::cel

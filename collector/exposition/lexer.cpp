// SPDX-License-Identifier: Apache-2.0
#include "collector/exposition/lexer.h"

#include <algorithm>
#include <array>

#include "collector/exposition/excerpt.h"

namespace collector::exposition {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// What a byte may be part of; bits of one number, so that a run of bytes is a loop over one table.
constexpr unsigned char kLabelName = 1;   // letters, digits, underscore
constexpr unsigned char kMetricName = 2;  // the same and a colon
constexpr unsigned char kPlainValue = 4;  // ASCII but quote, backslash, line feed and NUL
constexpr unsigned char kInQuotes = 8;    // any but these four
constexpr unsigned char kNumber = 16;  // what the text format's values run over: any but brace, line feed, NUL, blanks

constexpr std::array<unsigned char, 256> kByteKinds = [] {
  std::array<unsigned char, 256> table{};
  const auto mark = [&table](int first, int last, unsigned kinds) {
    for (int c = first; c <= last; ++c) table[static_cast<std::size_t>(c)] |= static_cast<unsigned char>(kinds);
  };
  mark('a', 'z', kLabelName | kMetricName);
  mark('A', 'Z', kLabelName | kMetricName);
  mark('0', '9', kLabelName | kMetricName);
  mark('_', '_', kLabelName | kMetricName);
  mark(':', ':', kMetricName);
  mark(0, 0x7f, kPlainValue);
  mark(0, 0xff, kInQuotes | kNumber);
  for (const char special : {'"', '\\', '\n', '\0'}) {
    table[static_cast<std::size_t>(special)] &= static_cast<unsigned char>(~(kPlainValue | kInQuotes));
  }
  for (const char special : {'{', '\n', '\0', ' ', '\t'}) {
    table[static_cast<std::size_t>(special)] &= static_cast<unsigned char>(~kNumber);
  }
  return table;
}();

bool is_one_of(char c, unsigned char kinds) { return (kByteKinds[static_cast<unsigned char>(c)] & kinds) != 0; }
bool starts_name(char c, unsigned char kind) { return is_one_of(c, kind) && !is_digit(c); }

}  // namespace

std::string_view to_string(Token token) {
  switch (token) {
    case Token::kInvalid:
      return "INVALID";
    case Token::kEof:
      return "EOF";
    case Token::kLinebreak:
      return "LINEBREAK";
    case Token::kHelp:
      return "HELP";
    case Token::kType:
      return "TYPE";
    case Token::kUnit:
      return "UNIT";
    case Token::kEofWord:
      return "EOFWORD";
    case Token::kText:
      return "TEXT";
    case Token::kComment:
      return "COMMENT";
    case Token::kName:
      return "MNAME";
    case Token::kQuoted:
      return "QSTRING";
    case Token::kBraceOpen:
      return "BOPEN";
    case Token::kBraceClose:
      return "BCLOSE";
    case Token::kLabelName:
      return "LNAME";
    case Token::kLabelValue:
      return "LVALUE";
    case Token::kComma:
      return "COMMA";
    case Token::kEqual:
      return "EQUAL";
    case Token::kTimestamp:
      return "TIMESTAMP";
    case Token::kValue:
      return "VALUE";
  }
  return "";
}

Lexer::Lexer(std::string_view body, Format format, Tolerance tolerance)
    : body_(body),
      format_(format),
      sloppy_(tolerance == Tolerance::kSloppy && format == Format::kPrometheusText),
      size_(body.size() + (format == Format::kPrometheusText && !body.empty() ? 1 : 0)) {}

std::string Lexer::slice(std::size_t from, std::size_t to) const {
  // One byte more, so that it shows that something was cut: a token may be as long as the body.
  to = std::min(to, from + kExcerptBytesMax + 1);
  std::string text(body_.substr(std::min(from, body_.size()), to - from));
  if (to > body_.size()) text += '\n';
  return text;
}

Token Lexer::next() {
  if (format_ == Format::kOpenMetrics) {
    start_ = end_;
    return end_ >= size_ ? Token::kEof : open_metrics_token();
  }
  // A text of nothing but blanks after HELP's name is an empty text, so blanks are skipped there only up to the line's
  // end; that is what text_meta_text does.
  if (state_ != State::kMetaText) {
    for (; end_ < size_ && is_blank(end_); ++end_) {
      if (at(end_) == '\r') ++tolerated_;
    }
  }
  start_ = end_;
  return end_ >= size_ ? Token::kEof : text_token();
}

// Past the bytes of the wanted kind; never past the body.
std::size_t Lexer::run_end(std::size_t from, unsigned char wanted) const {
  std::size_t i = from;
  while (i < body_.size() && is_one_of(body_[i], wanted)) ++i;
  return i;
}

std::size_t Lexer::skip_plain_pairs(std::size_t most) {
  std::size_t count = 0;
  while (state_ == State::kLabels && count < most && starts_name(at(end_), kLabelName)) {
    std::size_t i = run_end(end_ + 1, kLabelName);
    if (at(i) != '=' || at(i + 1) != '"') break;
    i = run_end(i + 2, kPlainValue);
    if (at(i) != '"') break;
    const char after = at(i + 1);
    if (after != ',' && after != '}') break;
    end_ = i + (after == ',' ? 2 : 1);
    ++count;
  }
  return count;
}

void Lexer::skip_line() {
  end_ = std::min(body_.find('\n', end_), body_.size()) + 1;
  state_ = State::kInit;
  ++tolerated_;
}

Token Lexer::accept(Token token, std::size_t end, State state) {
  end_ = end;
  state_ = state;
  return token;
}

// The byte at which no rule went on is not part of the token, but messages show it.
Token Lexer::reject(std::size_t stopped_at) {
  end_ = std::min(stopped_at, size_);
  return Token::kInvalid;
}

Token Lexer::text_token() {
  switch (state_) {
    case State::kInit:
      return text_init();
    case State::kMetaName:
      return meta_name();
    case State::kMetaText:
      return text_meta_text();
    case State::kLabels:
      return labels(State::kLabelValue, State::kValue);
    case State::kLabelValue:
      return at(start_) == '"' ? quoted(Token::kLabelValue, State::kLabels) : reject(start_);
    default:
      return text_number();
  }
}

Token Lexer::text_init() {
  const char first = at(start_);
  if (first == '\n') return accept(Token::kLinebreak, start_ + 1, State::kInit);
  if (first == '#') return text_comment();
  if (first == '{') return accept(Token::kBraceOpen, start_ + 1, State::kLabels);
  if (!starts_name(first, kMetricName)) return reject(start_);
  return accept(Token::kName, run_end(start_ + 1, kMetricName), State::kValue);
}

// "# HELP ", "# TYPE " with any blanks; everything else up to the line's end is a comment.
Token Lexer::text_comment() {
  std::size_t i = start_ + 1;
  while (is_blank(i)) ++i;
  if (i > start_ + 1) {
    const std::string_view word = body_.substr(std::min(i, body_.size()), 4);
    if ((word == "HELP" || word == "TYPE") && is_blank(i + 4)) {
      i += 4;
      while (is_blank(i)) ++i;
      return accept(word == "HELP" ? Token::kHelp : Token::kType, i, State::kMetaName);
    }
  }
  const std::size_t end = std::min(body_.find('\n', i), body_.size());
  return accept(Token::kComment, end, State::kInit);
}

Token Lexer::meta_name() {
  const char first = at(start_);
  if (first == '"') return quoted(Token::kName, State::kMetaText);
  if (!starts_name(first, kMetricName)) return reject(start_);
  return accept(Token::kName, run_end(start_ + 1, kMetricName), State::kMetaText);
}

// The rest of the line with the separator before it; nothing at all if it holds only blanks.
Token Lexer::text_meta_text() {
  const std::size_t end = std::min(body_.find('\n', start_), body_.size());
  std::size_t text = start_;
  while (text < end && is_blank(text)) ++text;
  if (text == end) start_ = end;
  return accept(Token::kText, end, State::kInit);
}

Token Lexer::text_number() {
  const char first = at(start_);
  if (state_ == State::kTimestamp) {
    if (first == '\n') return accept(Token::kLinebreak, start_ + 1, State::kInit);
    std::size_t i = start_;
    while (is_digit(at(i))) ++i;
    return i == start_ ? reject(start_) : accept(Token::kTimestamp, i, State::kTimestamp);
  }
  if (first == '{') return accept(Token::kBraceOpen, start_ + 1, State::kLabels);
  std::size_t i = run_end(start_, kNumber);
  if (sloppy_ && i > start_ && is_blank(i - 1)) --i;
  return i == start_ ? reject(start_) : accept(Token::kValue, i, State::kTimestamp);
}

Token Lexer::labels(State value_state, State after) {
  const char first = at(start_);
  if (first == '}') return accept(Token::kBraceClose, start_ + 1, after);
  if (first == '=') return accept(Token::kEqual, start_ + 1, value_state);
  if (first == ',') return accept(Token::kComma, start_ + 1, state_);
  if (first == '"') return quoted(Token::kQuoted, state_);
  if (!starts_name(first, kLabelName)) return reject(start_);
  return accept(Token::kLabelName, run_end(start_ + 1, kLabelName), state_);
}

// From a quote to the next that no backslash hides. OpenMetrics ends it at a line feed; the text format goes on.
// NUL is a byte like any other in the values of labels and nowhere else.
Token Lexer::quoted(Token token, State after) {
  std::size_t i = run_end(start_ + 1, kInQuotes);
  for (; i < size_; i = run_end(i + 1, kInQuotes)) {
    const char c = at(i);
    if (c == '"') return accept(token, i + 1, after);
    if (c == '\n' && format_ == Format::kOpenMetrics) break;
    if (c == '\0' && token != Token::kLabelValue) break;
    if (c == '\\') {
      ++i;
      if (i >= size_ || at(i) == '\n' || (at(i) == '\0' && token != Token::kLabelValue)) break;
    }
  }
  return reject(i);
}

Token Lexer::open_metrics_token() {
  switch (state_) {
    case State::kInit:
      return open_metrics_init();
    case State::kMetaName:
      return meta_name();
    case State::kMetaText:
      return open_metrics_meta_text();
    case State::kLabels:
      return labels(State::kLabelValue, State::kValue);
    case State::kLabelValue:
      return at(start_) == '"' ? quoted(Token::kLabelValue, State::kLabels) : reject(start_);
    case State::kValue:
      if (at(start_) == '{') return accept(Token::kBraceOpen, start_ + 1, State::kLabels);
      return open_metrics_number(Token::kValue, State::kTimestamp);
    case State::kTimestamp:
      return open_metrics_after_value();
    case State::kExemplarLabels:
      return labels(State::kExemplarLabelValue, State::kExemplarValue);
    case State::kExemplarLabelValue:
      return at(start_) == '"' ? quoted(Token::kLabelValue, State::kExemplarLabels) : reject(start_);
    case State::kExemplarValue:
      return open_metrics_number(Token::kValue, State::kExemplarTimestamp);
    case State::kExemplarTimestamp:
      if (at(start_) == '\n') return accept(Token::kLinebreak, start_ + 1, State::kInit);
      return open_metrics_number(Token::kTimestamp, State::kExemplarTimestamp);
  }
  return reject(start_);
}

Token Lexer::open_metrics_init() {
  const char first = at(start_);
  if (first == '{') return accept(Token::kBraceOpen, start_ + 1, State::kLabels);
  if (first == '#') {
    std::string_view rest = body_.substr(start_ + 1);
    if (!rest.starts_with(' ')) return reject(start_ + 1);
    rest.remove_prefix(1);
    if (rest.starts_with("HELP ")) return accept(Token::kHelp, start_ + 7, State::kMetaName);
    if (rest.starts_with("TYPE ")) return accept(Token::kType, start_ + 7, State::kMetaName);
    if (rest.starts_with("UNIT ")) return accept(Token::kUnit, start_ + 7, State::kMetaName);
    if (rest.starts_with("EOF")) {
      return accept(Token::kEofWord, start_ + 5 + (rest.substr(3).starts_with('\n') ? 1 : 0), State::kInit);
    }
    return reject(start_ + 2);
  }
  if (!starts_name(first, kMetricName)) return reject(start_);
  return accept(Token::kName, run_end(start_ + 1, kMetricName), State::kValue);
}

// A blank, the text, and the line feed.
Token Lexer::open_metrics_meta_text() {
  if (at(start_) != ' ') return reject(start_);
  const std::size_t end = body_.find('\n', start_);
  if (end == std::string_view::npos) return reject(size_);
  return accept(Token::kText, end + 1, State::kInit);
}

// Exactly one blank, then anything up to the next blank or the line's end.
Token Lexer::open_metrics_number(Token number, State after) {
  if (at(start_) != ' ') return reject(start_);
  std::size_t i = start_ + 1;
  while (i < size_ && at(i) != ' ' && at(i) != '\n' && at(i) != '\0') ++i;
  return i == start_ + 1 ? reject(i) : accept(number, i, after);
}

Token Lexer::open_metrics_after_value() {
  if (at(start_) == '\n') return accept(Token::kLinebreak, start_ + 1, State::kInit);
  const std::string_view rest = body_.substr(start_);
  if (rest.starts_with(" # {")) return accept(Token::kComment, start_ + 4, State::kExemplarLabels);
  if (rest.starts_with(" # ")) return reject(start_ + 3);
  return open_metrics_number(Token::kTimestamp, State::kTimestamp);
}

}  // namespace collector::exposition

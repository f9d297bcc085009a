// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "collector/exposition/entry.h"

namespace collector::exposition {

enum class Format { kPrometheusText, kOpenMetrics };

enum class Token {
  kInvalid,
  kEof,
  kLinebreak,
  kHelp,
  kType,
  kUnit,
  kEofWord,
  kText,
  kComment,
  kName,
  kQuoted,
  kBraceOpen,
  kBraceClose,
  kLabelName,
  kLabelValue,
  kComma,
  kEqual,
  kTimestamp,
  kValue
};

// As an error message names it: "INVALID", "LNAME".
std::string_view to_string(Token token);

// Cuts a metrics body into tokens, each in the light of those before it, as the lexers of Prometheus do
// (model/textparse promlex.l and openmetricslex.l): accepted texts and the extent of a wrong token are the same.
//
// Thread safety: confined to one thread.
// Invariants: start() <= end() <= size(); the bytes of a token are [start(), end()).
class Lexer {
 public:
  Lexer(std::string_view body, Format format, Tolerance tolerance = Tolerance::kAsPrometheus);

  Token next();

  // Goes on at `at`, as if everything before had been read. REQUIRES: a line begins there.
  void resume(std::size_t at) {
    start_ = end_ = at;
    state_ = State::kInit;
  }

  // Reads on over label pairs of the plainest form, name="value" in ASCII without escapes or blanks, each with the
  // comma after it: most of a body is these, and a token at a time they take twice as long. What next() finds after
  // them is what it would have found had it read them. Returns how many there were, `most` at most; none where no label
  // is due.
  std::size_t skip_plain_pairs(std::size_t most);

  // Past the end of the line, whatever is there.
  void skip_line();
  // How often something was taken that Prometheus would not take.
  std::uint64_t tolerated() const { return tolerated_; }

  std::size_t start() const { return start_; }
  std::size_t end() const { return end_; }
  // Of what is being read: the text format has one line feed more than its body, so that the last line always ends.
  std::size_t size() const { return size_; }
  // For a message: no more of it than an excerpt shows. REQUIRES: from <= to <= size().
  std::string slice(std::size_t from, std::size_t to) const;
  // The bytes of the token; only of tokens that hold no line break of the lexer's own.
  std::string_view text() const { return body_.substr(start_, end_ - start_); }

 private:
  enum class State {
    kInit,
    kMetaName,
    kMetaText,
    kLabels,
    kLabelValue,
    kValue,
    kTimestamp,
    kExemplarLabels,
    kExemplarLabelValue,
    kExemplarValue,
    kExemplarTimestamp
  };

  std::size_t run_end(std::size_t from, unsigned char wanted) const;
  char at(std::size_t i) const { return i < body_.size() ? body_[i] : '\n'; }
  Token accept(Token token, std::size_t end, State state);
  Token reject(std::size_t stopped_at);

  Token text_token();
  Token text_init();
  Token text_comment();
  Token text_meta_text();
  Token text_number();

  Token open_metrics_token();
  Token open_metrics_init();
  Token open_metrics_meta_text();
  Token open_metrics_number(Token number, State after);
  Token open_metrics_after_value();

  Token labels(State value_state, State after);
  Token quoted(Token token, State after);
  Token meta_name();

  bool is_blank(std::size_t i) const {
    const char c = at(i);
    return c == ' ' || c == '\t' || (c == '\r' && sloppy_ && at(i + 1) == '\n');
  }

  std::string_view body_;
  Format format_;
  bool sloppy_;
  std::uint64_t tolerated_ = 0;
  std::size_t size_;
  std::size_t start_ = 0;
  std::size_t end_ = 0;
  State state_ = State::kInit;
};

}  // namespace collector::exposition

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "collector/exposition/entry.h"
#include "collector/exposition/lexer.h"
#include "collector/exposition/series_text.h"
#include "core/error.h"

namespace collector::exposition {

// Walks a metrics body entry by entry, accepting what Prometheus accepts: text format 0.0.4 and 1.0.0 (one parser,
// quoted names allowed) and OpenMetrics 1.0. Nothing is allocated for an entry; every view points into the body.
//
//   Parser parser(body, Format::kPrometheusText);
//   for (Entry entry = parser.next(); entry != Entry::kEnd; entry = parser.next()) { ... }
//
// Thread safety: confined to one thread.
// Invariants: after kEnd or kInvalid, next() returns the same again.
class Parser {
 public:
  // REQUIRES: `body` outlives the parser.
  Parser(std::string_view body, Format format, Tolerance tolerance = Tolerance::kAsPrometheus)
      : body_(body),
        format_(format),
        sloppy_(tolerance == Tolerance::kSloppy && format == Format::kPrometheusText),
        lexer_(body, format, tolerance) {}

  Entry next();

  // Where the entry that comes next may begin: past the last one, but for the line feed after a comment or metadata.
  std::size_t offset() const { return lexer_.end(); }
  // Goes on at `at`, under this type, as if everything before had been read: for a caller who knows what is there.
  // REQUIRES: a line begins there; neither kEnd nor kInvalid has been found.
  void resume(std::size_t at, MetricType type) {
    lexer_.resume(at);
    type_ = type;
  }

  // How often something was taken so far that Prometheus would not take.
  std::uint64_t tolerated() const { return lexer_.tolerated() + tolerated_; }

  // After kSample: the bytes from the line's start to the end of the labels, equal for equal lines of one target.
  std::string_view series() const { return series_; }
  double value() const { return value_; }
  // A time of the sample's own, in ms.
  std::optional<std::int64_t> timestamp_ms() const { return timestamp_ms_; }
  void labels(std::vector<core::ring::Label>& out) const { decode_series(series_, type_, out); }

  // After kHelp, kType, kUnit: the metric family, without quotes but with its escapes.
  std::string_view family() const { return family_; }
  // After kHelp and kUnit; see decode_help.
  std::string_view text() const { return text_; }
  // The last TYPE seen, whichever family it named: Prometheus reads every sample in its light.
  MetricType type() const { return type_; }

  // After kInvalid: what Prometheus says, and the line: `expected equal, got ... while parsing: ... (line 3)`.
  const core::Error& error() const { return error_; }
  // Of the current entry, from 1. Costs a walk over the body before it.
  std::size_t line() const;

 private:
  Entry metadata(Token kind);
  Entry help_text();
  Entry type_text();
  MetricType sloppy_type() const;
  Entry unit_text();
  Entry sample(Token first);
  bool label_pairs(bool in_exemplar);
  bool number(Token token, std::string_view after, double& value);
  bool seconds(std::string_view what, double& seconds);
  bool end_of_text_line();
  bool is_exemplar_in_text(Token token);
  bool end_of_open_metrics_line();
  bool exemplar();

  // Blanks are part of OpenMetrics numbers: exactly one stands before each.
  std::string_view number_text() const { return lexer_.text().substr(format_ == Format::kOpenMetrics ? 1 : 0); }
  std::string seen() const;
  // All three set the error and the state; false, for a bool function to return.
  bool fail(std::string message);
  bool fail_seen(std::string message);
  bool fail_token(std::string_view expected, Token got);

  std::string_view body_;
  Format format_;
  bool sloppy_;
  std::uint64_t tolerated_ = 0;
  Lexer lexer_;
  std::size_t entry_start_ = 0;
  std::size_t labels_ = 0;
  bool has_name_ = false;
  Entry last_ = Entry::kComment;

  std::string_view series_;
  double value_ = 0;
  std::optional<std::int64_t> timestamp_ms_;
  std::string_view family_;
  std::string_view text_;
  MetricType type_ = MetricType::kUnknown;
  core::Error error_;
};

}  // namespace collector::exposition

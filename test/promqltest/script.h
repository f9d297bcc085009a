// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "storage.h"

namespace promqltest {

struct LoadedSeries {
  Labels labels;
  std::vector<ScriptSample> samples;
};

struct ClearCommand {};

struct LoadCommand {
  std::vector<LoadedSeries> series;
};

// What a text must be: anything, one text exactly, or a match of a regular expression.
struct TextExpectation {
  enum class Kind { kAny, kExact, kRegex };
  Kind kind = Kind::kAny;
  std::string text;
};

// What is expected of the annotations of one kind.
struct AnnotationExpectation {
  std::vector<TextExpectation> wanted;  // each must be met, and each annotation must meet one; empty: not looked at
  bool none = false;                    // there must not be any
  bool some = false;                    // there must be at least one, whatever it says
};

struct ExpectedSeries {
  Labels labels;
  std::vector<std::optional<double>> values;
};

struct TimeRange {
  std::int64_t start_ms = 0;
  std::int64_t end_ms = 0;
  std::int64_t step_ms = 0;
};

struct EvalCommand {
  std::string query;
  bool instant = true;
  TimeRange time;  // of an instant query: start_ms

  std::optional<TextExpectation> fail;
  AnnotationExpectation warnings;
  AnnotationExpectation infos;
  bool ordered = false;
  std::optional<double> scalar;
  std::optional<std::string> string;
  std::optional<TimeRange> range_vector;
  std::vector<ExpectedSeries> series;
  bool expects_native = false;  // a line holds {{...}}
};

// A command that cannot be read. The script goes on after its block.
struct BrokenCommand {
  std::string reason;
};

struct Command {
  std::size_t line = 0;  // from 1
  std::variant<ClearCommand, LoadCommand, EvalCommand, BrokenCommand> action;
};

// Reads a script of the language in which Prometheus tests PromQL (promql/promqltest).
std::vector<Command> parse_script(std::string_view text);

}  // namespace promqltest

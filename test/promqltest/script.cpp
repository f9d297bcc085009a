// SPDX-License-Identifier: Apache-2.0
#include "script.h"

#include <algorithm>
#include <cctype>

#include "core/time/duration.h"
#include "load_lines.h"
#include "rules/promql/literals.h"
#include "rules/promql/number_text.h"
#include "rules/promql/series_notation.h"

namespace promqltest {

using core::Errc;
using core::fail;
using core::Result;

using Status = Result<void>;

namespace {

constexpr std::string_view kBlank = " \t\r";

std::string_view trim(std::string_view text) {
  const std::size_t start = text.find_first_not_of(kBlank);
  if (start == std::string_view::npos) return "";
  return text.substr(start, text.find_last_not_of(kBlank) - start + 1);
}

// Takes the first word off.
std::string_view take_word(std::string_view& text) {
  text = trim(text);
  const std::string_view word = text.substr(0, text.find_first_of(kBlank));
  text = trim(text.substr(word.size()));
  return word;
}

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

Result<std::int64_t> parse_time(std::string_view text) {
  const auto duration = core::parse_duration(text);
  if (!duration) return fail(duration.error());
  return duration->count();
}

Status expect_word(std::string_view& text, std::string_view wanted) {
  const std::string_view word = take_word(text);
  if (word == wanted) return {};
  return fail(Errc::kInvalid, "expected \"{}\", found \"{}\"", wanted, word);
}

// `from A to B step D`, which is followed by the query of a range eval.
Result<TimeRange> take_range(std::string_view& text) {
  TimeRange range;
  const std::pair<std::string_view, std::int64_t*> parts[] = {
      {"from", &range.start_ms}, {"to", &range.end_ms}, {"step", &range.step_ms}};
  for (const auto& [word, value] : parts) {
    if (Status found = expect_word(text, word); !found) return fail(found.error());
    const auto time = parse_time(take_word(text));
    if (!time) return fail(time.error());
    *value = *time;
  }
  if (range.step_ms <= 0) return fail(Errc::kInvalid, "the step must be greater than 0");
  if (range.end_ms < range.start_ms) return fail(Errc::kInvalid, "the range ends before it starts");
  return range;
}

// What follows `expect warn` and the like: nothing, `msg: text` or `regex: pattern`.
Result<TextExpectation> parse_text_expectation(std::string_view text) {
  text = trim(text);
  if (text.empty()) return TextExpectation{};
  constexpr std::string_view kExact = "msg:";
  constexpr std::string_view kRegex = "regex:";
  if (text.starts_with(kExact)) {
    return TextExpectation{TextExpectation::Kind::kExact, std::string(trim(text.substr(kExact.size())))};
  }
  if (text.starts_with(kRegex)) {
    return TextExpectation{TextExpectation::Kind::kRegex, std::string(trim(text.substr(kRegex.size())))};
  }
  return fail(Errc::kInvalid, "expected msg: or regex:, found \"{}\"", text);
}

bool starts_with_expect(std::string_view line) {
  constexpr std::string_view kExpect = "expect";
  return line == kExpect || (line.starts_with(kExpect) && kBlank.find(line[kExpect.size()]) != std::string_view::npos);
}

// One annotation line of either kind: `warn`, `no_warn`, with `kind` its name.
bool names_kind(std::string_view word, std::string_view kind) {
  return word == kind || (word.starts_with("no_") && word.substr(3) == kind);
}

Status add_annotation_line(AnnotationExpectation& expectation, std::string_view word, std::string_view rest) {
  if (word.starts_with("no_")) {
    expectation.none = true;
    if (!rest.empty()) return fail(Errc::kInvalid, "{} takes no text", word);
  } else {
    auto text = parse_text_expectation(rest);
    if (!text) return fail(text.error());
    expectation.wanted.push_back(std::move(*text));
  }
  if (expectation.none && !expectation.wanted.empty()) {
    return fail(Errc::kInvalid, "annotations are both expected and not expected");
  }
  return {};
}

// A line after `eval` that begins with the word `expect`.
Status add_expect_line(EvalCommand& eval, std::string_view line) {
  take_word(line);
  const std::string_view word = take_word(line);
  if (names_kind(word, "warn")) return add_annotation_line(eval.warnings, word, line);
  if (names_kind(word, "info")) return add_annotation_line(eval.infos, word, line);
  if (word == "ordered" && line.empty()) {
    eval.ordered = true;
    return {};
  }
  if (word == "fail") {
    if (eval.fail) return fail(Errc::kInvalid, "there is more than one expect fail");
    auto text = parse_text_expectation(line);
    if (!text) return fail(text.error());
    eval.fail = std::move(*text);
    return {};
  }
  if (word == "string") {
    auto text = rules::promql::unquote(line);
    if (!text) return fail(text.error());
    eval.string = std::move(*text);
    return {};
  }
  if (word == "range") {
    if (Status vector = expect_word(line, "vector"); !vector) return vector;
    const auto range = take_range(line);
    if (!range) return fail(range.error());
    eval.range_vector = *range;
    return {};
  }
  return fail(Errc::kInvalid, "unknown expectation \"{}\"", word);
}

Status add_series_line(EvalCommand& eval, std::string_view line) {
  if (line.find("{{") != std::string_view::npos) {
    eval.expects_native = true;
    return {};
  }
  auto series = rules::promql::parse_series_description(line);
  if (!series) return fail(series.error());
  const bool single = eval.instant && !eval.range_vector;
  if (single && (series->values.size() != 1 || !series->values.front())) {
    return fail(Errc::kInvalid, "an instant query has exactly one value a series");
  }
  eval.series.push_back({std::move(series->labels), std::move(series->values)});
  return {};
}

// Whether more lines may follow inside the block.
enum class Block { kGoesOn, kEnds };

Result<Block> add_eval_line(EvalCommand& eval, std::string_view line) {
  constexpr std::string_view kOldMessage = "expected_fail_message";
  constexpr std::string_view kOldRegex = "expected_fail_regexp";
  std::string_view rest = line;
  const std::string_view word = take_word(rest);
  if (eval.fail && word == kOldMessage) {
    eval.fail = TextExpectation{TextExpectation::Kind::kExact, std::string(rest)};
    return Block::kEnds;
  }
  if (eval.fail && word == kOldRegex) {
    eval.fail = TextExpectation{TextExpectation::Kind::kRegex, std::string(rest)};
    return Block::kEnds;
  }
  if (starts_with_expect(line)) {
    if (Status added = add_expect_line(eval, line); !added) return fail(added.error());
    return Block::kGoesOn;
  }
  if (const auto number = rules::promql::parse_float(line)) {
    eval.scalar = *number;
    return Block::kEnds;
  }
  if (Status added = add_series_line(eval, line); !added) return fail(added.error());
  return Block::kGoesOn;
}

Result<EvalCommand> parse_eval_head(std::string_view line) {
  EvalCommand eval;
  const std::string word = lower(take_word(line));
  const std::string_view kind = std::string_view(word).substr(std::string_view("eval").size());
  if (kind == "_fail") {
    eval.fail = TextExpectation{};
  } else if (kind == "_warn") {
    eval.warnings.some = true;
  } else if (kind == "_info") {
    eval.infos.some = true;
  } else if (kind == "_ordered") {
    eval.ordered = true;
  } else if (!kind.empty()) {
    return fail(Errc::kInvalid, "unknown command \"{}\"", word);
  }
  const std::string_view shape = take_word(line);
  if (shape == "instant") {
    if (Status at = expect_word(line, "at"); !at) return fail(at.error());
    const auto time = parse_time(take_word(line));
    if (!time) return fail(time.error());
    eval.time.start_ms = *time;
  } else if (shape == "range") {
    if (eval.ordered) return fail(Errc::kInvalid, "a range query has no order to expect");
    const auto range = take_range(line);
    if (!range) return fail(range.error());
    eval.time = *range;
    eval.instant = false;
  } else {
    return fail(Errc::kInvalid, "expected \"instant\" or \"range\", found \"{}\"", shape);
  }
  eval.query = line;
  if (eval.query.empty()) return fail(Errc::kInvalid, "there is no query");
  return eval;
}

// Hands out trimmed lines; comments are blank.
class Lines {
 public:
  explicit Lines(std::string_view text) {
    for (;;) {
      const std::size_t end = text.find('\n');
      const std::string_view line = trim(text.substr(0, end));
      lines_.push_back(line.starts_with('#') ? "" : line);
      if (end == std::string_view::npos) return;
      text.remove_prefix(end + 1);
    }
  }

  bool at_end() const { return next_ == lines_.size(); }
  std::size_t number() const { return next_; }  // of the line taken last
  std::string_view take() { return lines_[next_++]; }
  // The next line of a block; none at its end.
  std::optional<std::string_view> take_of_block() {
    if (at_end() || lines_[next_].empty()) return std::nullopt;
    return take();
  }
  void skip_block() {
    while (take_of_block()) {
    }
  }

 private:
  std::vector<std::string_view> lines_;
  std::size_t next_ = 0;
};

Result<EvalCommand> parse_eval(std::string_view head, Lines& lines) {
  auto eval = parse_eval_head(head);
  if (!eval) return eval;
  while (const auto line = lines.take_of_block()) {
    const auto block = add_eval_line(*eval, *line);
    if (!block) return fail(block.error().with_context("line {}", lines.number()));
    if (*block == Block::kEnds) break;
  }
  return eval;
}

// A series twice in one load: the later replaces the earlier.
void put(std::vector<LoadedSeries>& list, LoadedSeries series) {
  const auto same = std::find_if(list.begin(), list.end(),
                                 [&series](const LoadedSeries& known) { return known.labels == series.labels; });
  if (same != list.end()) {
    *same = std::move(series);
  } else {
    list.push_back(std::move(series));
  }
}

Result<LoadCommand> parse_load(std::string_view head, Lines& lines) {
  const std::string word = lower(take_word(head));
  const bool with_native = word == "load_with_nhcb";
  if (word != "load" && !with_native) return fail(Errc::kInvalid, "unknown command \"{}\"", word);
  const auto step = parse_time(head);
  if (!step) return fail(step.error());
  LoadCommand load;
  std::optional<std::vector<std::optional<std::int64_t>>> starts;
  while (const auto line = lines.take_of_block()) {
    if (is_start_line(*line)) {
      auto parsed = parse_start_line(*line);
      if (!parsed) return fail(parsed.error().with_context("line {}", lines.number()));
      starts = std::move(*parsed);
      continue;
    }
    auto series = parse_loaded_series(*line, *step);
    if (!series) return fail(series.error().with_context("line {}", lines.number()));
    for (ScriptSample& sample : series->samples) {
      if (!starts) break;
      const auto index = *step == 0 ? 0 : static_cast<std::size_t>(sample.time_ms / *step);
      if (index >= starts->size()) return fail(Errc::kInvalid, "line {}: too few start times", lines.number());
      if ((*starts)[index]) sample.start_ms = sample.time_ms + *(*starts)[index];
    }
    starts.reset();
    put(load.series, std::move(*series));
  }
  if (with_native) {
    for (LoadedSeries& native : native_from_classic(load.series)) load.series.push_back(std::move(native));
  }
  return load;
}

Command parse_command(std::string_view head, Lines& lines) {
  const std::size_t number = lines.number();
  const auto broken = [&](const core::Error& error) {
    lines.skip_block();
    return Command{number, BrokenCommand{error.message}};
  };
  std::string_view rest = head;
  const std::string word = lower(take_word(rest));
  if (word == "clear") return {number, ClearCommand{}};
  if (word.starts_with("load")) {
    auto load = parse_load(head, lines);
    return load ? Command{number, std::move(*load)} : broken(load.error());
  }
  if (word.starts_with("eval")) {
    auto eval = parse_eval(head, lines);
    return eval ? Command{number, std::move(*eval)} : broken(eval.error());
  }
  return broken(core::error(Errc::kInvalid, "unknown command \"{}\"", word));
}

}  // namespace

std::vector<Command> parse_script(std::string_view text) {
  std::vector<Command> commands;
  Lines lines(text);
  while (!lines.at_end()) {
    const std::string_view line = lines.take();
    if (!line.empty()) commands.push_back(parse_command(line, lines));
  }
  return commands;
}

}  // namespace promqltest

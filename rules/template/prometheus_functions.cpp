// SPDX-License-Identifier: Apache-2.0
// The functions Prometheus adds to Go's.
#include <algorithm>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "core/ring/labels.h"
#include "core/time/duration.h"
#include "rules/promql/literals.h"
#include "rules/promql/number_text.h"
#include "rules/template/functions.h"
#include "rules/template/humanize.h"
#include "rules/template/text_functions.h"

namespace rules::templates {
namespace {

using core::Errc;
using core::fail;
using core::Result;

// Maps made of maps by `args` again and again would make printing them recurse without end.
constexpr std::size_t kMaxValueDepth = 20;

std::size_t depth_of(const Value& value) {
  std::size_t deepest = 0;
  if (const Map* map = value.map()) {
    for (const auto& [key, element] : map->entries) deepest = std::max(deepest, depth_of(element));
  }
  if (const List* list = value.list()) {
    for (const Value& element : *list) deepest = std::max(deepest, depth_of(element));
  }
  return deepest + 1;
}

Value sample_value(const QuerySample& sample) {
  Map fields;
  fields.kind = MapKind::kFields;
  fields.entries.emplace("Labels", labels_value(sample.labels));
  fields.entries.emplace("Value", Value(sample.value));
  return fields;
}

Result<Value> query(FunctionContext& context, Arguments& arguments) {
  const auto expr = string_argument(arguments[0]);
  if (!expr) return fail(expr.error());
  if (!context.query) return fail(Errc::kFailed, "queries cannot be run here");
  if (++context.queries > context.limits.queries) {
    return fail(Errc::kLimitExceeded, "more than {} queries in one template", context.limits.queries);
  }
  const auto samples = context.query(*expr);
  if (!samples) return fail(samples.error());
  List list;
  for (const QuerySample& sample : *samples) list.push_back(sample_value(sample));
  return Value(std::move(list));
}

Result<const List*> list_argument(const Value& value) {
  if (const List* list = value.list()) return list;
  return fail(Errc::kFailed, "wrong type for value; expected a list of samples; got {}", type_name(value));
}

// A field of a sample.
Result<Value> sample_field(const Value& sample, const std::string& name) {
  const Map* fields = sample.map();
  if (fields == nullptr || fields->kind != MapKind::kFields || !fields->entries.contains(name)) {
    return fail(Errc::kFailed, "wrong type for value; expected a sample; got {}", type_name(sample));
  }
  return fields->entries.at(name);
}

Result<std::string> sample_label(const Value& sample, const std::string& name) {
  const auto labels = sample_field(sample, "Labels");
  if (!labels) return fail(labels.error());
  const auto& entries = labels->map()->entries;
  const auto found = entries.find(name);
  return found == entries.end() ? std::string() : text_of(found->second);
}

Result<Value> first(FunctionContext&, Arguments& arguments) {
  const auto list = list_argument(arguments[0]);
  if (!list) return fail(list.error());
  if ((*list)->empty()) return fail(Errc::kFailed, "first() called on vector with no elements");
  return (*list)->front();
}

Result<Value> label(FunctionContext&, Arguments& arguments) {
  const auto name = string_argument(arguments[0]);
  if (!name) return fail(name.error());
  auto text = sample_label(arguments[1], *name);
  if (!text) return fail(text.error());
  return Value(std::move(*text));
}

Result<Value> value(FunctionContext&, Arguments& arguments) { return sample_field(arguments[0], "Value"); }

Result<Value> strvalue(FunctionContext&, Arguments& arguments) {
  auto text = sample_label(arguments[0], "__value__");
  if (!text) return fail(text.error());
  return Value(std::move(*text));
}

Result<Value> sort_by_label(FunctionContext&, Arguments& arguments) {
  const auto name = string_argument(arguments[0]);
  if (!name) return fail(name.error());
  const auto list = list_argument(arguments[1]);
  if (!list) return fail(list.error());
  std::vector<std::pair<std::string, Value>> keyed;
  for (const Value& sample : **list) {
    auto key = sample_label(sample, *name);
    if (!key) return fail(key.error());
    keyed.emplace_back(std::move(*key), sample);
  }
  std::stable_sort(keyed.begin(), keyed.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  List sorted;
  for (auto& [key, sample] : keyed) sorted.push_back(std::move(sample));
  return Value(std::move(sorted));
}

template <std::string (*kWrite)(double)>
Result<Value> number_text(FunctionContext&, Arguments& arguments) {
  const auto number = number_argument(arguments[0]);
  if (!number) return fail(number.error());
  return Value(kWrite(*number));
}

template <std::string (*kChange)(std::string_view)>
Result<Value> text_change(FunctionContext&, Arguments& arguments) {
  const auto text = string_argument(arguments[0]);
  if (!text) return fail(text.error());
  return Value(kChange(*text));
}

std::string same_text(std::string_view text) { return std::string(text); }
std::string graph_link(std::string_view expr) { return "/graph?g0.expr=" + query_escape(expr) + "&g0.tab=0"; }
std::string table_link(std::string_view expr) { return "/graph?g0.expr=" + query_escape(expr) + "&g0.tab=1"; }

Result<TimePoint> time_of(double seconds) {
  if (!std::isfinite(seconds)) return fail(Errc::kFailed, "value is NaN or Inf");
  const double nanoseconds = seconds * 1e9;
  if (!(std::abs(nanoseconds) < 0x1p63)) {
    return fail(Errc::kFailed, "{} cannot be represented as a nanoseconds timestamp since it overflows int64",
                promql::short_number(seconds));
  }
  return TimePoint{static_cast<std::int64_t>(nanoseconds) / 1'000'000};
}

Result<Value> humanize_timestamp(FunctionContext&, Arguments& arguments) {
  const auto seconds = number_argument(arguments[0]);
  if (!seconds) return fail(seconds.error());
  if (!std::isfinite(*seconds)) return Value(four_digits(*seconds));
  const auto time = time_of(*seconds);
  if (!time) return fail(time.error());
  return Value(time_text(*time));
}

Result<Value> to_time(FunctionContext&, Arguments& arguments) {
  const auto seconds = number_argument(arguments[0]);
  if (!seconds) return fail(seconds.error());
  const auto time = time_of(*seconds);
  if (!time) return fail(time.error());
  return Value(*time);
}

Result<Value> to_duration(FunctionContext&, Arguments& arguments) {
  const auto seconds = number_argument(arguments[0]);
  if (!seconds) return fail(seconds.error());
  const double nanoseconds = *seconds * 1e9;
  if (!(std::abs(nanoseconds) < 0x1p63)) {
    return fail(Errc::kFailed, "{} cannot be represented as a duration", promql::short_number(*seconds));
  }
  return Value(TimeSpan{static_cast<std::int64_t>(nanoseconds)});
}

Result<Value> now(FunctionContext& context, Arguments&) {
  return Value(static_cast<double>(context.data.now_ms) / 1000.0);
}

Result<Value> match(FunctionContext&, Arguments& arguments) {
  const auto pattern = string_argument(arguments[0]);
  const auto text = string_argument(arguments[1]);
  if (!pattern) return fail(pattern.error());
  if (!text) return fail(text.error());
  const auto found = matches_anywhere(*pattern, *text);
  if (!found) return fail(found.error());
  return Value(*found);
}

Result<Value> re_replace_all(FunctionContext& context, Arguments& arguments) {
  std::vector<std::string> texts;
  for (const Value& argument : arguments) {
    auto text = string_argument(argument);
    if (!text) return fail(text.error());
    texts.push_back(std::move(*text));
  }
  auto replaced = replace_all(texts[0], texts[1], texts[2], context.limits.output_bytes);
  if (!replaced) return fail(replaced.error());
  return Value(std::move(*replaced));
}

Result<Value> parse_duration(FunctionContext&, Arguments& arguments) {
  const auto text = string_argument(arguments[0]);
  if (!text) return fail(text.error());
  const bool negative = text->starts_with('-');
  const auto duration = core::parse_duration(std::string_view(*text).substr(negative ? 1 : 0));
  if (!duration) return fail(duration.error());
  const double seconds = static_cast<double>(duration->count()) / 1000.0;
  return Value(negative ? -seconds : seconds);
}

Result<Value> args(FunctionContext&, Arguments& arguments) {
  Map map;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (depth_of(arguments[i]) >= kMaxValueDepth) {
      return fail(Errc::kLimitExceeded, "values nested deeper than {} levels", kMaxValueDepth);
    }
    map.entries.emplace(fmt::format("arg{}", i), arguments[i]);
  }
  return Value(std::move(map));
}

Result<Value> external_url(FunctionContext& context, Arguments&) { return Value(context.data.external_url); }
Result<Value> path_prefix(FunctionContext& context, Arguments&) {
  return Value(path_of_url(context.data.external_url));
}

Result<Value> tmpl(FunctionContext&, Arguments&) {
  return fail(Errc::kNotSupported, "tmpl is for consoles, which there are none of: use the template action");
}

}  // namespace

Result<std::string> string_argument(const Value& value) {
  if (const auto* text = value.as<std::string>()) return *text;
  return fail(Errc::kFailed, "wrong type for value; expected string; got {}", type_name(value));
}

Result<std::int64_t> integer_argument(const Value& value) {
  if (const auto* number = value.as<std::int64_t>()) return *number;
  return fail(Errc::kFailed, "wrong type for value; expected int; got {}", type_name(value));
}

Result<double> number_argument(const Value& value) {
  if (const auto* number = value.as<double>()) return *number;
  if (const auto* number = value.as<std::int64_t>()) return static_cast<double>(*number);
  if (const auto* span = value.as<TimeSpan>()) return static_cast<double>(span->nanoseconds) / 1e9;
  const auto* text = value.as<std::string>();
  if (text == nullptr) return fail(Errc::kFailed, "can't convert {} to float", type_name(value));
  std::string_view digits = *text;
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) digits.remove_prefix(1);
  double number = 0;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  const bool sign_again = digits.starts_with('-');  // from_chars takes one sign of its own
  if (digits.empty() || sign_again || read.ec != std::errc() || read.ptr != digits.data() + digits.size()) {
    return fail(Errc::kFailed, "strconv.ParseFloat: parsing {}: invalid syntax", core::ring::go_quote(*text));
  }
  return negative ? -number : number;
}

const std::vector<Function>& prometheus_functions() {
  static const std::vector<Function> kFunctions = {
      {"query", 1, 1, query},
      {"first", 1, 1, first},
      {"label", 2, 2, label},
      {"value", 1, 1, value},
      {"strvalue", 1, 1, strvalue},
      {"sortByLabel", 2, 2, sort_by_label},
      {"humanize", 1, 1, number_text<humanize>},
      {"humanize1024", 1, 1, number_text<humanize_1024>},
      {"humanizeDuration", 1, 1, number_text<humanize_duration>},
      {"humanizePercentage", 1, 1, number_text<humanize_percentage>},
      {"humanizeTimestamp", 1, 1, humanize_timestamp},
      {"toTime", 1, 1, to_time},
      {"toDuration", 1, 1, to_duration},
      {"now", 0, 0, now},
      {"title", 1, 1, text_change<to_title>},
      {"toUpper", 1, 1, text_change<to_upper>},
      {"toLower", 1, 1, text_change<to_lower>},
      {"match", 2, 2, match},
      {"reReplaceAll", 3, 3, re_replace_all},
      {"stripPort", 1, 1, text_change<strip_port>},
      {"stripDomain", 1, 1, text_change<strip_domain>},
      {"graphLink", 1, 1, text_change<graph_link>},
      {"tableLink", 1, 1, text_change<table_link>},
      {"urlQueryEscape", 1, 1, text_change<query_escape>},
      {"safeHtml", 1, 1, text_change<same_text>},
      {"parseDuration", 1, 1, parse_duration},
      {"args", 0, kAnyNumber, args},
      {"externalURL", 0, 0, external_url},
      {"pathPrefix", 0, 0, path_prefix},
      {"tmpl", 2, 2, tmpl},
  };
  return kFunctions;
}

const Function* find_function(std::string_view name) {
  for (const std::vector<Function>* table : {&go_functions(), &prometheus_functions()}) {
    const auto found =
        std::find_if(table->begin(), table->end(), [name](const Function& function) { return function.name == name; });
    if (found != table->end()) return &*found;
  }
  return nullptr;
}

}  // namespace rules::templates

// SPDX-License-Identifier: Apache-2.0
#include "rules/template/value.h"

#include <chrono>

#include <fmt/format.h>

#include "rules/promql/number_text.h"

namespace rules::templates {
namespace {

template <class... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};
template <class... Fs>
Overloaded(Fs...) -> Overloaded<Fs...>;

using ListPtr = std::shared_ptr<const List>;
using MapPtr = std::shared_ptr<const Map>;

// Whole units and the fraction after the point, trailing zeros cut: 1.5 of 1500 with 3 places.
std::string with_fraction(std::uint64_t whole, std::uint64_t fraction, int places) {
  std::string text = fmt::format("{}", whole);
  if (fraction == 0) return text;
  text += fmt::format(".{:0{}}", fraction, places);
  while (text.back() == '0') text.pop_back();
  return text;
}

std::string list_text(const List& list) {
  std::string text = "[";
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (i > 0) text += ' ';
    text += text_of(list[i]);
  }
  return text + "]";
}

std::string map_text(const Map& map) {
  const bool fields = map.kind == MapKind::kFields;
  std::string text = fields ? "{" : "map[";
  bool first = true;
  for (const auto& [key, value] : map.entries) {
    if (!first) text += ' ';
    first = false;
    text += fields ? text_of(value) : key + ":" + text_of(value);
  }
  return text + (fields ? "}" : "]");
}

}  // namespace

Value::Value(Map map) : held(std::make_shared<const Map>(std::move(map))) {}

const List* Value::list() const {
  const auto* shared = as<ListPtr>();
  return shared != nullptr ? shared->get() : nullptr;
}

const Map* Value::map() const {
  const auto* shared = as<MapPtr>();
  return shared != nullptr ? shared->get() : nullptr;
}

Value labels_value(const core::ring::Labels& labels) {
  Map map;
  map.kind = MapKind::kStrings;
  for (const core::ring::Label& label : labels) map.entries.emplace(label.name, Value(label.value));
  return map;
}

bool truth(const Value& value) {
  return std::visit(Overloaded{
                        [](std::monostate) { return false; },
                        [](bool held) { return held; },
                        [](std::int64_t held) { return held != 0; },
                        [](double held) { return held != 0; },
                        [](const std::string& held) { return !held.empty(); },
                        [](TimePoint) { return true; },
                        [](TimeSpan held) { return held.nanoseconds != 0; },
                        [](const ListPtr& held) { return !held->empty(); },
                        [](const MapPtr& held) { return held->kind == MapKind::kFields || !held->entries.empty(); },
                    },
                    value.held);
}

std::string_view type_name(const Value& value) {
  return std::visit(Overloaded{
                        [](std::monostate) -> std::string_view { return "nil"; },
                        [](bool) -> std::string_view { return "bool"; },
                        [](std::int64_t) -> std::string_view { return "int"; },
                        [](double) -> std::string_view { return "float64"; },
                        [](const std::string&) -> std::string_view { return "string"; },
                        [](TimePoint) -> std::string_view { return "time.Time"; },
                        [](TimeSpan) -> std::string_view { return "time.Duration"; },
                        [](const ListPtr&) -> std::string_view { return "list"; },
                        [](const MapPtr& held) -> std::string_view {
                          if (held->kind == MapKind::kStrings) return "map[string]string";
                          return held->kind == MapKind::kAny ? "map[string]interface {}" : "struct";
                        },
                    },
                    value.held);
}

std::string text_of(const Value& value) {
  return std::visit(Overloaded{
                        [](std::monostate) { return std::string("<no value>"); },
                        [](bool held) { return std::string(held ? "true" : "false"); },
                        [](std::int64_t held) { return fmt::format("{}", held); },
                        [](double held) { return promql::short_number(held); },
                        [](const std::string& held) { return held; },
                        [](TimePoint held) { return time_text(held); },
                        [](TimeSpan held) { return span_text(held); },
                        [](const ListPtr& held) { return list_text(*held); },
                        [](const MapPtr& held) { return map_text(*held); },
                    },
                    value.held);
}

std::string time_text(TimePoint time) {
  const auto point = std::chrono::sys_time<std::chrono::milliseconds>(std::chrono::milliseconds(time.time_ms));
  const auto day = std::chrono::floor<std::chrono::days>(point);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(point - day);
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{} +0000 UTC", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), clock.hours().count(),
                     clock.minutes().count(), [&] {
                       const auto seconds = static_cast<std::uint64_t>(clock.seconds().count());
                       const auto fraction = static_cast<std::uint64_t>(clock.subseconds().count());
                       return (seconds < 10 ? "0" : "") + with_fraction(seconds, fraction, 3);
                     }());
}

// Below a second in the unit that leaves a digit before the point, from there on in hours, minutes and seconds.
std::string span_text(TimeSpan span) {
  if (span.nanoseconds == 0) return "0s";
  const std::string sign = span.nanoseconds < 0 ? "-" : "";
  const std::uint64_t total = span.nanoseconds < 0 ? 0 - static_cast<std::uint64_t>(span.nanoseconds)
                                                   : static_cast<std::uint64_t>(span.nanoseconds);
  if (total < 1'000) return fmt::format("{}{}ns", sign, total);
  if (total < 1'000'000) return sign + with_fraction(total / 1'000, total % 1'000, 3) + "µs";
  if (total < 1'000'000'000) return sign + with_fraction(total / 1'000'000, total % 1'000'000, 6) + "ms";
  const std::uint64_t seconds = total / 1'000'000'000;
  std::string text = sign;
  if (seconds >= 3600) text += fmt::format("{}h", seconds / 3600);
  if (seconds >= 60) text += fmt::format("{}m", seconds / 60 % 60);
  return text + with_fraction(seconds % 60, total % 1'000'000'000, 9) + "s";
}

}  // namespace rules::templates

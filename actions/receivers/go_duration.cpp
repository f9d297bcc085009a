// SPDX-License-Identifier: Apache-2.0
#include "actions/receivers/go_duration.h"

#include <array>
#include <charconv>
#include <cmath>

namespace core::config {
namespace {

struct Unit {
  std::string_view name;
  double nanoseconds;
};
// Longer names before their prefixes.
constexpr std::array<Unit, 7> kUnits = {
    {{"ns", 1}, {"us", 1e3}, {"\xc2\xb5s", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 6e10}, {"h", 3.6e12}}};
constexpr double kNanosecondsMax = 9.2e18;

// Nanoseconds, or -1 for anything that is not a duration.
double parse(std::string_view text) {
  double total = 0;
  const bool bare = text.find_first_not_of("0123456789") == std::string_view::npos;
  if (text.empty()) return -1;
  while (!text.empty()) {
    if (text.front() == '+' || text.front() == '-' || text.front() == 'i' || text.front() == 'n') return -1;
    double number = 0;
    const auto [end, problem] =
        std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
    if (problem != std::errc()) return -1;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    if (bare) return number;
    const Unit* unit = nullptr;
    for (const Unit& each : kUnits) {
      if (unit == nullptr && text.starts_with(each.name)) unit = &each;
    }
    if (unit == nullptr) return -1;
    text.remove_prefix(unit->name.size());
    total += number * unit->nanoseconds;
  }
  return total;
}

}  // namespace

using actions::receivers::GoDuration;

Result<GoDuration> Codec<GoDuration>::read(const Node& node) {
  const double nanoseconds = node.is_scalar() ? parse(node.scalar()) : -1;
  if (nanoseconds < 0 || nanoseconds > kNanosecondsMax) {
    return fail(node.error("expected a duration such as 10s or 1m30s, got {}", node.describe()));
  }
  return GoDuration{Millis(static_cast<std::int64_t>(std::ceil(nanoseconds / 1e6)))};
}

}  // namespace core::config

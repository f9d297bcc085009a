// SPDX-License-Identifier: Apache-2.0
#include "rules/template/humanize.h"

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string_view>

#include <fmt/format.h>

namespace rules::templates {
namespace {

using Prefixes = std::array<std::string_view, 8>;
constexpr Prefixes kLarge = {"k", "M", "G", "T", "P", "E", "Z", "Y"};
constexpr Prefixes kSmall = {"m", "u", "n", "p", "f", "a", "z", "y"};
constexpr Prefixes kBinary = {"ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"};

std::string scaled_down(double value, double base, const Prefixes& prefixes) {
  std::string_view prefix;
  for (const std::string_view next : prefixes) {
    if (std::abs(value) < base) break;
    prefix = next;
    value /= base;
  }
  return four_digits(value) + std::string(prefix);
}

std::string scaled_up(double value) {
  std::string_view prefix;
  for (const std::string_view next : kSmall) {
    if (std::abs(value) >= 1) break;
    prefix = next;
    value *= 1000;
  }
  return four_digits(value) + std::string(prefix);
}

}  // namespace

std::string four_digits(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Inf" : "+Inf";
  return fmt::format("{:.4g}", value);
}

std::string humanize(double value) {
  if (value == 0 || !std::isfinite(value)) return four_digits(value);
  return std::abs(value) >= 1 ? scaled_down(value, 1000, kLarge) : scaled_up(value);
}

std::string humanize_1024(double value) {
  if (std::abs(value) <= 1 || !std::isfinite(value)) return four_digits(value);
  return scaled_down(value, 1024, kBinary);
}

std::string humanize_duration(double seconds) {
  if (!std::isfinite(seconds)) return four_digits(seconds);
  if (seconds == 0) return "0s";
  if (std::abs(seconds) < 1) return scaled_up(seconds) + "s";
  const std::string sign = seconds < 0 ? "-" : "";
  const double magnitude = std::abs(seconds);
  if (magnitude < 60) return sign + four_digits(magnitude) + "s";
  constexpr double kMost = 9.2e18;  // what still fits 64 bits
  const auto whole = static_cast<std::int64_t>(std::fmin(magnitude, kMost));
  const std::int64_t days = whole / 86'400;
  const std::int64_t hours = whole / 3600 % 24;
  std::string text = sign;
  if (days != 0) text += fmt::format("{}d ", days);
  if (days != 0 || hours != 0) text += fmt::format("{}h ", hours);
  return text + fmt::format("{}m {}s", whole / 60 % 60, whole % 60);
}

std::string humanize_percentage(double ratio) { return four_digits(ratio * 100) + "%"; }

}  // namespace rules::templates

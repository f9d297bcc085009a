// SPDX-License-Identifier: Apache-2.0
#include "core/ring/value_domain.h"

#include <algorithm>

namespace core::ring {
namespace {

// A sum of seconds has milliseconds, microseconds or nanoseconds in it; more places than that, and the distance in ulps
// says nothing about the number any more.
constexpr int kNearPlacesMax = 9;

bool holds(Domain domain, double value) { return mantissa_of(domain, value).exact; }

}  // namespace

Domain find_domain(double value) {
  for (int places = 0; places <= kDecimalPlacesMax; ++places) {
    const Domain domain{DomainKind::kDecimal, static_cast<std::uint8_t>(places)};
    if (holds(domain, value)) return domain;
  }
  for (int places = 0; places <= kNearPlacesMax; places += 3) {
    const Domain domain{DomainKind::kNear, static_cast<std::uint8_t>(places)};
    if (holds(domain, value)) return domain;
  }
  return {};
}

Domain widen_domain(Domain domain, double value) {
  if (holds(domain, value)) return domain;
  if (domain.kind == DomainKind::kBits) return domain;
  const Domain other = find_domain(value);
  if (other.kind == DomainKind::kBits) return other;
  const auto places = std::max(domain.places, other.places);
  Domain wide{DomainKind::kDecimal, places};
  if (domain.kind == DomainKind::kNear || other.kind == DomainKind::kNear) {
    // What has n decimals is near to itself at any more places, as far as whole numbers reach.
    wide = {DomainKind::kNear, static_cast<std::uint8_t>(std::min<int>((places + 2) / 3 * 3, kNearPlacesMax))};
  }
  return holds(wide, value) ? wide : Domain{};
}

}  // namespace core::ring

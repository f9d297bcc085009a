// SPDX-License-Identifier: Apache-2.0
// PromQL from outside: whatever the bytes are, there is a query or an error, and a printed query reads back as itself.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/check.h"
#include "rules/promql/durations.h"
#include "rules/promql/parser.h"
#include "rules/promql/printer.h"
#include "rules/promql/series_notation.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace rules::promql;
  // Past this the inputs grow slow, not new.
  if (size > 4096) return 0;
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  (void)parse_series_description(text.substr(0, 256));
  (void)parse_series_selector(text);
  const auto expr = parse(text);
  if (!expr) return 0;
  (void)resolve_durations(*expr, {15'000, 3'600'000});
  const std::string printed = print(**expr);
  const auto again = parse(printed);
  CHECK(again.has_value(), "a printed query parses");
  CHECK(print(**again) == printed, "printing is stable");
  CHECK(parse(print_pretty(**expr)).has_value(), "the pretty form parses");
  return 0;
}

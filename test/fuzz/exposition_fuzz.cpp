// SPDX-License-Identifier: Apache-2.0
// Metrics bodies from outside: whatever the bytes are, there are samples or an error, in both formats, labels can
// always be had, and what is read by its difference to the body before is what the full parser finds. The first byte
// picks the format; bodies, one scrape's after another's, are parted by a byte that no text has.
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/check.h"
#include "test/support/difference_reading.h"

namespace {

using collector::exposition::Entry;
using collector::exposition::Format;
using collector::exposition::Parser;

void decode_all(std::string_view body, Format format) {
  std::vector<core::ring::Label> labels;
  Parser parser(body, format);
  std::size_t entries = 0;
  for (Entry entry = parser.next(); entry != Entry::kEnd && entry != Entry::kInvalid; entry = parser.next()) {
    CHECK(++entries <= body.size() + 1, "every entry takes a byte");
    if (entry == Entry::kSample) parser.labels(labels);
    if (entry == Entry::kHelp) (void)collector::exposition::decode_help(parser.text(), format);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  // Past this the inputs grow slow, not new.
  if (size < 1 || size > 8192) return 0;
  const Format format = (bytes[0] & 1) != 0 ? Format::kOpenMetrics : Format::kPrometheusText;
  std::string_view rest(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  test_support::DifferenceReading reading;
  for (bool more = true; more;) {
    const std::size_t end = rest.find('\xff');
    const std::string_view body = rest.substr(0, end);
    decode_all(body, format);
    CHECK(reading.read(body, format).text == test_support::read_in_full(body, format), "both ways read the same");
    more = end != std::string_view::npos;
    rest.remove_prefix(more ? end + 1 : rest.size());
  }
  return 0;
}

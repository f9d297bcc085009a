// SPDX-License-Identifier: Apache-2.0
// Alert templates from outside: whatever the bytes are, there is a text or an error, within the bounds.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/check.h"
#include "rules/template/template.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace rules::templates;
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  AlertContext data;
  data.labels = core::ring::Labels{{"instance", "node1:9100"}, {"job", "geth"}};
  data.external_url = "http://watch.example.org/";
  data.value = 1.5;
  const auto query = [](std::string_view) -> core::Result<std::vector<QuerySample>> {
    return std::vector<QuerySample>{{core::ring::Labels{{"host", "a"}}, 1}, {core::ring::Labels{{"host", "b"}}, 2}};
  };
  Limits limits;
  limits.steps = 2'000;
  limits.output_bytes = 16 << 10;
  const auto result = expand(text, data, "fuzz", query, limits);
  if (result) CHECK(result->size() <= limits.output_bytes, "a result keeps to its bound");
  return 0;
}

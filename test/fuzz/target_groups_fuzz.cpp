// SPDX-License-Identifier: Apache-2.0
// Lists of targets from files and HTTP endpoints: whatever the bytes are, there are groups or an error with its place.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "collector/discovery/target_group_text.h"
#include "core/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace collector::discovery;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  const auto groups = bytes[0] % 2 == 0 ? parse_json_groups(text, "f") : parse_yaml_groups(text, "f");
  if (!groups) {
    CHECK(groups.error().message.starts_with("f:"), "an error begins with its place");
    return 0;
  }
  for (const TargetGroup& group : *groups) {
    for (const LabelMap& target : group.targets) CHECK(target.contains("__address__"), "a target has an address");
    for (const auto& [name, value] : group.labels) CHECK(!name.empty(), "a label has a name");
  }
  return 0;
}

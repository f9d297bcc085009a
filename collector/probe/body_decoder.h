// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace collector::probe {

struct DecodedBody {
  std::string bytes;
  bool complete = false;  // the stream has ended as it should
  bool too_big = false;   // cut at the limit
};

// Undoes gzip, deflate (without zlib's header, as blackbox_exporter has it), br or identity; none for another coding.
std::optional<DecodedBody> decode_body(std::string_view coding, std::string_view body, std::uint64_t limit);

}  // namespace collector::probe

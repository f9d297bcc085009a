// SPDX-License-Identifier: Apache-2.0
// Whatever a server sends is an answer or a fault, within bounds, and the same however the network cuts it up.
#include <cstdint>
#include <string>
#include <string_view>

#include "core/check.h"
#include "core/net/response_reader.h"

namespace {

using core::net::ResponseReader;

struct Reading {
  int status = 0;
  std::string body;
  std::size_t headers = 0;
  bool ended = false;
  bool faulty = false;
  bool operator==(const Reading&) const = default;
};

Reading read(std::string_view bytes, std::size_t piece_bytes, bool to_head) {
  ResponseReader reader(to_head);
  Reading seen;
  while (!bytes.empty() && !seen.ended && !seen.faulty) {
    std::string_view input = bytes.substr(0, piece_bytes);
    bytes.remove_prefix(input.size());
    for (bool more = true; more;) {
      std::string_view piece;
      const auto event = reader.next(input, piece);
      seen.ended = event == ResponseReader::Event::kEnd;
      seen.faulty = event == ResponseReader::Event::kFault;
      more = event == ResponseReader::Event::kHead || event == ResponseReader::Event::kBody;
      if (event == ResponseReader::Event::kBody) seen.body += piece;
    }
  }
  if (reader.head_done()) {
    seen.status = reader.status();
    seen.headers = reader.headers().size();
  }
  return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size == 0) return 0;
  const bool to_head = (bytes[0] & 1) != 0;
  const std::size_t piece_bytes = 1 + (bytes[0] >> 1);
  const std::string_view text(reinterpret_cast<const char*>(bytes + 1), size - 1);
  const Reading whole = read(text, text.size(), to_head);
  CHECK(whole.body.size() <= text.size(), "a body is a part of what came");
  CHECK(read(text, piece_bytes, to_head) == whole, "cuts do not matter");
  return 0;
}

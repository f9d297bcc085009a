// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace collector::staking {

// Reads a stream of server-sent events (WHATWG HTML, section 9.2.6) in the pieces in which it comes.
//
// Thread safety: confined to one thread.
class EventParser {
 public:
  // Of one event or line. A longer one ends the stream: nothing that is listened to comes near it.
  static constexpr std::size_t kEventBytesMax = 1 << 20;

  struct Listener {
    std::function<void(std::string_view name, std::string_view data)> event;
    std::function<void(std::string_view text)> comment;
  };

  explicit EventParser(Listener listener) : listener_(std::move(listener)) {}
  // False once an event was too long.
  bool feed(std::string_view piece);

 private:
  void take_line(std::string_view line);

  Listener listener_;
  std::string line_;  // as far as it came
  bool after_cr_ = false;
  std::string name_;
  std::string data_;
  bool has_data_ = false;
};

}  // namespace collector::staking

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>

#include "collector/probe/address.h"
#include "collector/probe/socket.h"
#include "collector/probe/stream.h"
#include "core/task.h"

namespace collector::probe {

// Datagrams on one socket that are no reply to what was sent; after so many the wait is given up.
inline constexpr int kForeignDatagramsMax = 1000;

// A UDP socket that hears one peer only.
//
// Thread safety: confined to the loop's thread.
class Datagram {
 public:
  Datagram(core::net::IoLoop& loop, core::SteadyTime deadline) : socket_(loop), deadline_(deadline) {}

  Outcome<void> connect(const Address& address, std::uint16_t port, const std::string& source);
  Outcome<void> send(const std::string& bytes);
  // The next datagram.
  core::Task<Outcome<std::string>> receive();

 private:
  Socket socket_;
  core::SteadyTime deadline_;
  Address peer_;
};

}  // namespace collector::probe

// SPDX-License-Identifier: Apache-2.0
#include "collector/probe/datagram.h"

#include <sys/socket.h>

#include <cerrno>

namespace collector::probe {
namespace {

constexpr std::size_t kDatagramBytesMax = 65535;

}  // namespace

Outcome<void> Datagram::connect(const Address& address, std::uint16_t port, const std::string& source) {
  peer_ = address;
  const std::string doing = "send to " + join_host_port(address.to_string(), port);
  if (const int number = socket_.open(address.family(), SOCK_DGRAM, 0); number != 0) {
    return failed(failure_of_errno(number, doing, &address));
  }
  if (auto bound = bind_source(socket_.fd(), source, address.family()); !bound) return bound;
  sockaddr_storage peer{};
  const socklen_t size = address.to_sockaddr(port, peer);
  if (::connect(socket_.fd(), reinterpret_cast<const sockaddr*>(&peer), size) == 0) return {};
  return failed(failure_of_errno(errno, doing, &address));
}

Outcome<void> Datagram::send(const std::string& bytes) {
  if (::send(socket_.fd(), bytes.data(), bytes.size(), 0) >= 0) return {};
  return failed(failure_of_errno(errno, "send", &peer_));
}

core::Task<Outcome<std::string>> Datagram::receive() {
  std::string buffer(kDatagramBytesMax, '\0');
  while (true) {
    const ssize_t count = ::recv(socket_.fd(), buffer.data(), buffer.size(), 0);
    if (count >= 0) {
      buffer.resize(static_cast<std::size_t>(count));
      co_return buffer;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) co_return failed(failure_of_errno(errno, "receive", &peer_));
    const bool in_time = co_await socket_.readable(deadline_);
    if (!in_time) co_return failed(Reason::kTimeout, "no answer until the deadline");
  }
}

}  // namespace collector::probe

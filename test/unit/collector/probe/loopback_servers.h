// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "core/check.h"

namespace collector::probe {

inline sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

inline int bound_port(int socket) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  CHECK(::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) == 0, "a bound socket has a name");
  return ntohs(address.sin_port);
}

// A UDP server on a port of its own that answers a datagram with those its script returns.
//
// Thread safety: confined to one thread; the script runs on the server's own.
class DatagramServer {
 public:
  using Script = std::function<std::vector<std::string>(const std::string& request)>;

  explicit DatagramServer(Script script)
      : script_(std::move(script)), socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)), stop_(::eventfd(0, 0)) {
    const sockaddr_in address = loopback(0);
    CHECK(::bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0, "port 0 can be bound");
    thread_ = std::thread([this] { serve(); });
  }
  ~DatagramServer() {
    const std::uint64_t one = 1;
    CHECK(::write(stop_, &one, sizeof one) == sizeof one, "an eventfd takes a count");
    thread_.join();
    ::close(socket_);
    ::close(stop_);
  }
  DatagramServer(const DatagramServer&) = delete;
  DatagramServer& operator=(const DatagramServer&) = delete;

  std::string target() const { return "127.0.0.1:" + std::to_string(bound_port(socket_)); }
  int port() const { return bound_port(socket_); }

 private:
  void serve() {
    std::array<char, 4096> buffer{};
    while (true) {
      pollfd watched[2] = {{socket_, POLLIN, 0}, {stop_, POLLIN, 0}};
      if (::poll(watched, 2, -1) <= 0 || watched[1].revents != 0) return;
      sockaddr_in peer{};
      socklen_t size = sizeof peer;
      const ssize_t count =
          ::recvfrom(socket_, buffer.data(), buffer.size(), 0, reinterpret_cast<sockaddr*>(&peer), &size);
      if (count < 0) continue;
      for (const std::string& reply : script_(std::string(buffer.data(), static_cast<std::size_t>(count)))) {
        ::sendto(socket_, reply.data(), reply.size(), 0, reinterpret_cast<sockaddr*>(&peer), size);
      }
    }
  }

  Script script_;
  int socket_;
  int stop_;
  std::thread thread_;
};

// A listener whose backlog is full: whoever connects is not answered at all.
//
// Thread safety: confined to one thread.
class BlackHole {
 public:
  BlackHole() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = loopback(0);
    CHECK(::bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0, "port 0 can be bound");
    CHECK(::listen(socket_, 0) == 0, "a bound socket can listen");
    address = loopback(static_cast<std::uint16_t>(port()));
    for (int& each : fillers_) {
      each = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
      static_cast<void>(::connect(each, reinterpret_cast<const sockaddr*>(&address), sizeof address));
    }
  }
  ~BlackHole() {
    for (const int each : fillers_) ::close(each);
    ::close(socket_);
  }
  BlackHole(const BlackHole&) = delete;
  BlackHole& operator=(const BlackHole&) = delete;

  int port() const { return bound_port(socket_); }

 private:
  int socket_;
  std::array<int, 4> fillers_{};
};

// A port on which nobody listens: it was free a moment ago.
inline int closed_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(0);
  CHECK(::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0, "port 0 can be bound");
  const int port = bound_port(socket);
  ::close(socket);
  return port;
}

}  // namespace collector::probe

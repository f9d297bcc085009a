// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "core/check.h"

namespace core::net {

// A server that misbehaves exactly as told: it hands every connection, one after the other, to a script.
//
// Thread safety: confined to one thread; the script runs on the server's own.
class RawServer {
 public:
  // One connection, as the script sees it.
  class Peer {
   public:
    Peer(int socket, int stop) : socket_(socket), stop_(stop) {}
    // Reads up to the blank line after the headers; "" if the client closed before.
    std::string read_request() {
      std::string request;
      char byte = 0;
      while (!request.ends_with("\r\n\r\n")) {
        if (!wait(POLLIN) || ::recv(socket_, &byte, 1, 0) != 1) return {};
        request += byte;
      }
      return request;
    }
    // False once the client is gone or the server stops.
    bool write(std::string_view text) {
      while (!text.empty()) {
        if (!wait(POLLOUT)) return false;
        const ssize_t sent = ::send(socket_, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent <= 0) return false;
        text.remove_prefix(static_cast<std::size_t>(sent));
      }
      return true;
    }
    // Says nothing until the client goes away or the server stops.
    void hang() {
      char sink[4096];
      while (wait(POLLIN) && ::recv(socket_, sink, sizeof sink, 0) > 0) {
      }
    }
    // Makes the close a reset instead of an orderly end.
    void reset_on_close() {
      const linger now{1, 0};
      ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }

   private:
    bool wait(short events) {
      pollfd watched[2] = {{socket_, events, 0}, {stop_, POLLIN, 0}};
      return ::poll(watched, 2, -1) > 0 && watched[1].revents == 0;
    }
    int socket_;
    int stop_;
  };

  explicit RawServer(std::function<void(Peer&)> script)
      : script_(std::move(script)),
        listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)),
        stop_(::eventfd(0, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    CHECK(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0, "port 0 can be bound");
    CHECK(::listen(listener_, 64) == 0, "a bound socket can listen");
    CHECK(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0, "a bound socket has a name");
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~RawServer() {
    const std::uint64_t one = 1;
    CHECK(::write(stop_, &one, sizeof one) == sizeof one, "an eventfd takes a count");
    thread_.join();
    ::close(listener_);
    ::close(stop_);
  }
  RawServer(const RawServer&) = delete;
  RawServer& operator=(const RawServer&) = delete;

  int port() const { return port_; }
  std::string url(std::string_view path = "/") const {
    return "http://127.0.0.1:" + std::to_string(port_) + std::string(path);
  }
  int connections() const { return connections_; }

 private:
  void serve() {
    while (true) {
      pollfd watched[2] = {{listener_, POLLIN, 0}, {stop_, POLLIN, 0}};
      if (::poll(watched, 2, -1) <= 0 || watched[1].revents != 0) return;
      const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (socket < 0) continue;
      ++connections_;
      Peer peer(socket, stop_);
      script_(peer);
      ::close(socket);
    }
  }

  std::function<void(Peer&)> script_;
  int listener_;
  int stop_;
  int port_ = 0;
  std::atomic<int> connections_{0};
  std::thread thread_;
};

}  // namespace core::net

// SPDX-License-Identifier: Apache-2.0
#include "test/support/hostile_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <array>
#include <cstdint>

#include "core/check.h"

namespace test_support {

bool HostilePeer::ready(short events, int milliseconds) {
  pollfd watched[2] = {{socket_, events, 0}, {stop_, POLLIN, 0}};
  return ::poll(watched, 2, milliseconds) > 0 && watched[1].revents == 0;
}

bool HostilePeer::write(std::string_view text) {
  while (!text.empty()) {
    if (!ready(POLLOUT, -1)) return false;
    const ssize_t sent = ::send(socket_, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

bool HostilePeer::wait(int milliseconds) {
  pollfd watched[2] = {{socket_, POLLIN, 0}, {stop_, POLLIN, 0}};
  return ::poll(watched, 2, milliseconds) == 0;
}

void HostilePeer::hang() {
  std::array<char, 4096> sink;
  while (ready(POLLIN, -1) && ::recv(socket_, sink.data(), sink.size(), 0) > 0) {
  }
}

std::string HostilePeer::read_request() {
  constexpr std::size_t kRequestBytesMax = 64 << 10;
  std::string request;
  std::array<char, 4096> piece;
  while (!request.ends_with("\r\n\r\n") && request.size() < kRequestBytesMax) {
    if (!ready(POLLIN, -1)) return {};
    const ssize_t size = ::recv(socket_, piece.data(), piece.size(), 0);
    if (size <= 0) return {};
    request.append(piece.data(), static_cast<std::size_t>(size));
    if (!request.starts_with("GET ")) return request;
  }
  return request;
}

HostileServer::HostileServer(std::map<std::string, Script> scripts, Script garbage, int port)
    : scripts_(std::move(scripts)),
      garbage_(std::move(garbage)),
      port_(port),
      listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)),
      stop_(::eventfd(0, EFD_CLOEXEC)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  const int again = 1;
  ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &again, sizeof again);
  CHECK(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0, "the port is free");
  CHECK(::listen(listener_, 256) == 0, "a bound socket can listen");
  accepting_ = std::thread([this] { accept(); });
}

HostileServer::~HostileServer() {
  const std::uint64_t one = 1;
  CHECK(::write(stop_, &one, sizeof one) == sizeof one, "an eventfd takes a count");
  accepting_.join();
  for (std::thread& each : connections_) each.join();
  ::close(listener_);
  ::close(stop_);
}

void HostileServer::accept() {
  while (true) {
    pollfd watched[2] = {{listener_, POLLIN, 0}, {stop_, POLLIN, 0}};
    if (::poll(watched, 2, -1) <= 0 || watched[1].revents != 0) return;
    const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket >= 0) connections_.emplace_back([this, socket] { serve(socket); });
  }
}

void HostileServer::serve(int socket) {
  HostilePeer peer(socket, stop_);
  const std::string request = peer.read_request();
  if (!request.empty() && !request.starts_with("GET ")) {
    garbage_(peer);
  } else if (!request.empty()) {
    const std::string path = request.substr(4, request.find(' ', 4) - 4);
    const auto script = scripts_.find(path);
    for (const char* wanted : {" HTTP/1.1\r\n", "\r\nHost: 127.0.0.1:", "\r\nAccept: application/openmetrics-text;",
                               "\r\nX-Prometheus-Scrape-Timeout-Seconds: ", "\r\nUser-Agent: "}) {
      if (request.find(wanted) == std::string::npos) complain(path + ": no \"" + wanted + "\" in: " + request);
    }
    if (script == scripts_.end()) {
      complain("nobody is at " + path);
    } else {
      {
        const std::lock_guard lock(mutex_);
        ++requests_[path];
      }
      script->second(peer);
    }
  }
  ::close(socket);
}

void HostileServer::complain(const std::string& what) {
  const std::lock_guard lock(mutex_);
  complaints_.push_back(what);
}

std::vector<std::string> HostileServer::complaints() const {
  const std::lock_guard lock(mutex_);
  return complaints_;
}

int HostileServer::requests(const std::string& path) const {
  const std::lock_guard lock(mutex_);
  const auto found = requests_.find(path);
  return found == requests_.end() ? 0 : found->second;
}

std::string gzip_members(std::string_view text, int times) {
  z_stream z{};
  CHECK(deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 9, Z_DEFAULT_STRATEGY) == Z_OK, "zlib has memory");
  std::string member(deflateBound(&z, text.size()), '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  z.avail_in = static_cast<uInt>(text.size());
  z.next_out = reinterpret_cast<Bytef*>(member.data());
  z.avail_out = static_cast<uInt>(member.size());
  CHECK(deflate(&z, Z_FINISH) == Z_STREAM_END, "a bound is enough");
  member.resize(z.total_out);
  deflateEnd(&z);
  std::string all;
  for (int i = 0; i < times; ++i) all += member;
  return all;
}

std::string zstd_frames(std::string_view text, int times) {
  std::string frame(ZSTD_compressBound(text.size()), '\0');
  const std::size_t size = ZSTD_compress(frame.data(), frame.size(), text.data(), text.size(), 3);
  CHECK(ZSTD_isError(size) == 0, "a bound is enough");
  frame.resize(size);
  std::string all;
  for (int i = 0; i < times; ++i) all += frame;
  return all;
}

}  // namespace test_support

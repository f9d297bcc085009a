// SPDX-License-Identifier: Apache-2.0
#include "agent/api/hangup_watch.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

namespace agent {
namespace {

struct End {
  std::string address;
  std::uint16_t port = 0;
};

using NameCall = int (*)(int, sockaddr*, socklen_t*);

std::optional<End> end_of(int socket, NameCall name) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (name(socket, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return std::nullopt;
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (storage.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(storage);
    if (inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size()) == nullptr) return std::nullopt;
    return End{text.data(), ntohs(v4.sin_port)};
  }
  if (storage.ss_family != AF_INET6) return std::nullopt;
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(storage);
  if (inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size()) == nullptr) return std::nullopt;
  return End{text.data(), ntohs(v6.sin6_port)};
}

bool is_connection_to(int socket, const Peer& peer) {
  const auto other = end_of(socket, getpeername);
  if (!other || other->port != peer.port || other->address != peer.address) return false;
  const auto own = end_of(socket, getsockname);
  return own && own->port == peer.local_port;
}

// -1 if there is no such connection, or the files of this process cannot be listed.
int find_socket(const Peer& peer) {
  DIR* const folder = opendir("/proc/self/fd");
  if (folder == nullptr) return -1;
  int found = -1;
  while (found < 0) {
    const dirent* const entry = readdir(folder);
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    int file = -1;
    const auto read = std::from_chars(name.data(), name.data() + name.size(), file);
    if (read.ec == std::errc() && is_connection_to(file, peer)) found = file;
  }
  closedir(folder);
  return found;
}

// A client that only closes its sending half counts too, as for Prometheus.
bool is_closed_by_peer(int socket) {
  pollfd state{.fd = socket, .events = POLLRDHUP, .revents = 0};
  return poll(&state, 1, 0) > 0 && (state.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

}  // namespace

HangupWatch::HangupWatch(core::Millis period)
    : period_(period), thread_([this](const std::stop_token& stop) { look(stop); }) {}

HangupWatch::~HangupWatch() = default;

HangupWatch::Request::Request(HangupWatch& watch, Peer peer) : watch_(watch) {
  bool first = false;
  {
    const std::lock_guard lock(watch_.mutex_);
    first = watch_.requests_.empty();
    entry_ = watch_.requests_.insert(watch_.requests_.end(), Entry{std::move(peer), {}, 0, -1});
  }
  if (first) watch_.begun_.notify_one();
}

HangupWatch::Request::~Request() {
  const std::lock_guard lock(watch_.mutex_);
  watch_.requests_.erase(entry_);
}

void HangupWatch::look(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (begun_.wait(lock, stop, [this] { return !requests_.empty(); })) {
    // Nothing but the end of the agent ends this wait early.
    begun_.wait_for(lock, stop, period_, [] { return false; });
    // Under the lock no request ends, so that no socket looked at is closed, let alone used for something else.
    for (Request::Entry& entry : requests_) {
      if (++entry.rounds < 2 || entry.stop.stop_requested()) continue;
      if (entry.socket < 0) entry.socket = find_socket(entry.peer);
      if (entry.socket >= 0 && is_closed_by_peer(entry.socket)) entry.stop.request_stop();
    }
  }
}

}  // namespace agent

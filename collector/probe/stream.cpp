// SPDX-License-Identifier: Apache-2.0
#include "collector/probe/stream.h"

#include <fmt/format.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

namespace collector::probe {
namespace {

Failure timed_out(std::string_view doing) { return {Reason::kTimeout, fmt::format("{}: the deadline passed", doing)}; }

}  // namespace

Reason reason_of(core::net::TlsFault fault) {
  using core::net::TlsFault;
  switch (fault) {
    case TlsFault::kNone:
      return Reason::kTlsHandshake;
    case TlsFault::kExpired:
      return Reason::kTlsExpired;
    case TlsFault::kNotYetValid:
      return Reason::kTlsNotYetValid;
    case TlsFault::kWrongName:
      return Reason::kTlsName;
    case TlsFault::kSelfSigned:
      return Reason::kTlsSelfSigned;
    case TlsFault::kUnknownAuthority:
    case TlsFault::kOther:
      return Reason::kTlsVerify;
  }
  return Reason::kTlsVerify;
}

Outcome<void> bind_source(int fd, const std::string& source, int family) {
  if (source.empty()) return {};
  const auto address = Address::parse(source);
  if (!address || address->family() != family) {
    return failed(Reason::kNoSourceAddress,
                  fmt::format("source_ip_address \"{}\" is no address of the family", source));
  }
  sockaddr_storage own{};
  const socklen_t size = address->to_sockaddr(0, own);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&own), size) == 0) return {};
  return failed(failure_of_errno(errno, "bind to " + source, nullptr));
}

void Stream::SessionFree::operator()(ssl_st* session) const { SSL_free(session); }

Stream::~Stream() = default;

core::Task<Outcome<void>> Stream::connect(Address address, std::uint16_t port, std::string source) {
  const std::string doing = "connect to " + join_host_port(address.to_string(), port);
  if (const int number = socket_.open(address.family(), SOCK_STREAM, 0); number != 0) {
    co_return failed(failure_of_errno(number, doing, &address));
  }
  if (auto bound = bind_source(socket_.fd(), source, address.family()); !bound) co_return failed(bound.error());
  const int yes = 1;
  ::setsockopt(socket_.fd(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  sockaddr_storage peer{};
  const socklen_t size = address.to_sockaddr(port, peer);
  if (::connect(socket_.fd(), reinterpret_cast<const sockaddr*>(&peer), size) != 0 && errno != EINPROGRESS) {
    co_return failed(failure_of_errno(errno, doing, &address));
  }
  auto done = co_await finish_connecting(&address);
  if (!done) done.error().detail = doing + ": " + done.error().detail;
  co_return done;
}

core::Task<Outcome<void>> Stream::finish_connecting(const Address* address) {
  const bool in_time = co_await socket_.writable(deadline_);
  if (!in_time) co_return failed(timed_out("no answer"));
  int number = 0;
  socklen_t size = sizeof number;
  ::getsockopt(socket_.fd(), SOL_SOCKET, SO_ERROR, &number, &size);
  if (number != 0) co_return failed(failure_of_errno(number, "failed", address));
  co_return Outcome<void>();
}

core::Task<Outcome<void>> Stream::connect_unix(std::string path) {
  const std::string doing = "connect to " + path;
  sockaddr_un peer{};
  peer.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof peer.sun_path) {
    co_return failed(Reason::kBadTarget, fmt::format("\"{}\" is not the path of a socket", path));
  }
  std::memcpy(peer.sun_path, path.data(), path.size());
  if (const int number = socket_.open(AF_UNIX, SOCK_STREAM, 0); number != 0) {
    co_return failed(failure_of_errno(number, doing, nullptr));
  }
  if (::connect(socket_.fd(), reinterpret_cast<const sockaddr*>(&peer), sizeof peer) != 0) {
    const int number = errno;
    // A full backlog is EAGAIN here, not a wait; a path that is not there has nobody listening.
    if (number == EAGAIN) co_return failed(Reason::kTimeout, doing + ": the socket's backlog is full");
    if (number == ENOENT || number == ENOTSOCK || number == ENOTDIR) {
      co_return failed(Reason::kRefused, fmt::format("{}: {}", doing, std::strerror(number)));
    }
    co_return failed(failure_of_errno(number, doing, nullptr));
  }
  co_return Outcome<void>();
}

core::Task<Outcome<void>> Stream::secure(core::net::TlsOptions options, std::string peer_name) {
  if (!options.server_name.empty()) peer_name = options.server_name;
  session_ = {};
  context_ = core::net::make_client_tls_context();
  const auto configured = core::net::configure_tls(*context_, options, peer_name, &session_);
  if (!configured) co_return failed(Reason::kLocalFile, configured.error().message);
  tls_.reset(SSL_new(context_.get()));
  if (tls_ == nullptr) co_return failed(Reason::kNoDescriptors, "no memory for a TLS session");
  SSL_set_fd(tls_.get(), socket_.fd());
  if (!Address::parse(peer_name)) SSL_set_tlsext_host_name(tls_.get(), peer_name.c_str());
  while (true) {
    ERR_clear_error();
    const int result = SSL_connect(tls_.get());
    if (result == 1) co_return Outcome<void>();
    auto waited = co_await continue_tls(result, "TLS handshake");
    if (!waited) co_return failed(waited.error());
  }
}

core::Task<Outcome<void>> Stream::continue_tls(int result, std::string_view doing) {
  const int what = SSL_get_error(tls_.get(), result);
  bool in_time = true;
  if (what == SSL_ERROR_WANT_READ) {
    in_time = co_await socket_.readable(deadline_);
  } else if (what == SSL_ERROR_WANT_WRITE) {
    in_time = co_await socket_.writable(deadline_);
  } else {
    co_return failed(tls_failure(what, doing));
  }
  if (!in_time) co_return failed(timed_out(doing));
  co_return Outcome<void>();
}

Failure Stream::tls_failure(int what, std::string_view doing) const {
  const int number = errno;
  if (session_.fault != core::net::TlsFault::kNone && !session_.established) {
    return {reason_of(session_.fault), fmt::format("{}: {}", doing, session_.fault_text)};
  }
  if (what == SSL_ERROR_SYSCALL && number != 0) return failure_of_errno(number, doing, nullptr);
  const unsigned long code = ERR_peek_error();
  if (what == SSL_ERROR_SYSCALL || ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
    return {Reason::kClosed, fmt::format("{}: the connection was closed", doing)};
  }
  return {session_.established ? Reason::kProtocol : Reason::kTlsHandshake,
          fmt::format("{}: {}", doing, core::net::tls_error_text())};
}

core::Task<Outcome<std::size_t>> Stream::read(char* into, std::size_t size) {
  while (true) {
    if (tls_ != nullptr) {
      ERR_clear_error();
      std::size_t count = 0;
      const int result = SSL_read_ex(tls_.get(), into, size, &count);
      if (result == 1) co_return count;
      const int what = SSL_get_error(tls_.get(), result);
      const bool cut_off = ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
      if (what == SSL_ERROR_ZERO_RETURN || cut_off) co_return std::size_t{0};
      auto waited = co_await continue_tls(result, "read");
      if (!waited) co_return failed(waited.error());
      continue;
    }
    const ssize_t count = ::recv(socket_.fd(), into, size, 0);
    if (count >= 0) co_return static_cast<std::size_t>(count);
    if (errno == EINTR) continue;
    if (errno != EAGAIN) co_return failed(failure_of_errno(errno, "read", nullptr));
    const bool in_time = co_await socket_.readable(deadline_);
    if (!in_time) co_return failed(timed_out("read"));
  }
}

core::Task<Outcome<void>> Stream::write(std::string bytes) {
  std::string_view rest = bytes;
  while (!rest.empty()) {
    if (tls_ != nullptr) {
      ERR_clear_error();
      std::size_t count = 0;
      const int result = SSL_write_ex(tls_.get(), rest.data(), rest.size(), &count);
      rest.remove_prefix(count);
      if (result == 1) continue;
      auto waited = co_await continue_tls(result, "write");
      if (!waited) co_return failed(waited.error());
      continue;
    }
    const ssize_t count = ::send(socket_.fd(), rest.data(), rest.size(), MSG_NOSIGNAL);
    if (count >= 0) {
      rest.remove_prefix(static_cast<std::size_t>(count));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) co_return failed(failure_of_errno(errno, "write", nullptr));
    const bool in_time = co_await socket_.writable(deadline_);
    if (!in_time) co_return failed(timed_out("write"));
  }
  co_return Outcome<void>();
}

}  // namespace collector::probe

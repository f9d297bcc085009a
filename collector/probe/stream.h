// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "collector/probe/address.h"
#include "collector/probe/socket.h"
#include "core/net/tls_context.h"
#include "core/task.h"

struct ssl_st;

namespace collector::probe {

// A connection, with TLS or without, every step of which ends by the deadline (kTimeout).
//
// Thread safety: confined to the loop's thread. One step at a time.
class Stream {
 public:
  Stream(core::net::IoLoop& loop, core::SteadyTime deadline) : socket_(loop), deadline_(deadline) {}
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // `source` is an address of this host, or empty.
  core::Task<Outcome<void>> connect(Address address, std::uint16_t port, std::string source);
  core::Task<Outcome<void>> connect_unix(std::string path);
  // Begins TLS; the certificate must name `peer_name`, which is also asked for unless it is an address.
  core::Task<Outcome<void>> secure(core::net::TlsOptions options, std::string peer_name);

  // Bytes that have come, at most `size`; 0 at the end.
  core::Task<Outcome<std::size_t>> read(char* into, std::size_t size);
  core::Task<Outcome<void>> write(std::string bytes);

  const core::net::TlsSession& tls() const { return session_; }

 private:
  struct SessionFree {
    void operator()(ssl_st* session) const;
  };

  core::Task<Outcome<void>> finish_connecting(const Address* address);
  // Waits for what OpenSSL waits for, after `result` of one of its calls.
  core::Task<Outcome<void>> continue_tls(int result, std::string_view doing);
  Failure tls_failure(int result, std::string_view doing) const;

  Socket socket_;
  core::SteadyTime deadline_;
  core::net::TlsSession session_;  // before the context, which refers to it
  core::net::TlsContext context_;
  std::unique_ptr<ssl_st, SessionFree> tls_;
};

// Why a chain was refused, as a reason.
Reason reason_of(core::net::TlsFault fault);

// Binds to an address of this host; failures are kNoSourceAddress or kBadTarget.
Outcome<void> bind_source(int fd, const std::string& source, int family);

}  // namespace collector::probe

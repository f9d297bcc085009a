// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroutine>
#include <memory>

#include "core/time/clock.h"

namespace core::net {
class IoLoop;
}

namespace collector::probe {

// A socket that does not block, and the wait for it.
//
// Thread safety: confined to the loop's thread. One wait at a time. What waits is never resumed after the socket is
// gone.
class Socket {
 public:
  class Wait {
   public:
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> waiting);
    bool await_resume() const noexcept;  // false: the time is up

   private:
    friend class Socket;
    Wait(Socket& socket, bool to_write, core::SteadyTime until) : socket_(socket), to_write_(to_write), until_(until) {}
    Socket& socket_;
    bool to_write_;
    core::SteadyTime until_;
  };

  explicit Socket(core::net::IoLoop& loop);
  ~Socket();
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  // socket(2), non-blocking and not inherited; 0 or an errno. A socket that was open before is closed.
  int open(int family, int type, int protocol);
  void close();
  int fd() const { return fd_; }

  Wait readable(core::SteadyTime until) { return {*this, false, until}; }
  Wait writable(core::SteadyTime until) { return {*this, true, until}; }

 private:
  struct State;
  core::net::IoLoop& loop_;
  std::shared_ptr<State> state_;
  int fd_ = -1;
};

}  // namespace collector::probe

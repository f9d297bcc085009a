// SPDX-License-Identifier: Apache-2.0
#if defined(__SANITIZE_THREAD__) && !defined(__clang__)
// Asio's fences, which ThreadSanitizer cannot see; Asio's own mutex orders the same accesses.
#pragma GCC diagnostic ignored "-Wtsan"
#endif

#include "collector/probe/socket.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "core/check.h"
#include "core/net/io_loop.h"

namespace collector::probe {

namespace asio = boost::asio;

// Shared with the wait under way, whose end comes through the loop even after the socket is gone.
struct Socket::State : std::enable_shared_from_this<State> {
  State(core::net::IoLoop& its_loop, int fd) : loop(its_loop), descriptor(its_loop.context(), fd) {}

  void begin(bool to_write, core::SteadyTime until, std::coroutine_handle<> who) {
    CHECK(!waiting, "one wait at a time");
    waiting = who;
    const std::uint64_t own = ++round;
    descriptor.async_wait(
        to_write ? asio::posix::stream_descriptor::wait_write : asio::posix::stream_descriptor::wait_read,
        [self = shared_from_this(), own](boost::system::error_code) {
          if (self->round == own) self->end(false);
        });
    timer = loop.schedule_at(until, [weak = weak_from_this(), own] {
      const auto self = weak.lock();
      if (self && self->round == own) self->end(true);
    });
  }

  void end(bool is_late) {
    ++round;
    late = is_late;
    if (is_late) {
      descriptor.cancel();
    } else {
      loop.cancel(timer);
    }
    std::exchange(waiting, {}).resume();
  }

  void abandon() {
    ++round;
    waiting = {};
    loop.cancel(timer);
    boost::system::error_code ignored;
    descriptor.close(ignored);
  }

  core::net::IoLoop& loop;
  asio::posix::stream_descriptor descriptor;
  std::coroutine_handle<> waiting;
  std::uint64_t round = 0;  // of the wait that is under way; another one has ended
  core::TimerId timer = 0;
  bool late = false;
};

void Socket::Wait::await_suspend(std::coroutine_handle<> waiting) { socket_.state_->begin(to_write_, until_, waiting); }

bool Socket::Wait::await_resume() const noexcept { return !socket_.state_->late; }

Socket::Socket(core::net::IoLoop& loop) : loop_(loop) {}

Socket::~Socket() { close(); }

int Socket::open(int family, int type, int protocol) {
  close();
  const int fd = ::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
  if (fd < 0) return errno;
  fd_ = fd;
  state_ = std::make_shared<State>(loop_, fd);
  return 0;
}

void Socket::close() {
  if (state_) state_->abandon();
  state_.reset();
  fd_ = -1;
}

}  // namespace collector::probe

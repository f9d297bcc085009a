// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "core/net/answer_body.h"
#include "core/net/http_client.h"
#include "core/net/response_reader.h"

namespace core::net {

struct Url;

// One request and its answer in HTTP/1.1 over a connected, non-blocking socket: writes the one, reads the other within
// its bounds, and says how it ended. Knows nothing of where connections come from, and waits for nothing.
//
// Thread safety: confined to the I/O thread.
// Invariants: never moves in memory.
class PlainTransfer {
 public:
  enum class Progress { kNeedsRead, kNeedsWrite, kNeedsTime, kEnded };
  enum class End {
    kNone,
    kWhole,
    kRedirected,  // and redirects are to be followed
    kStopped,     // enough of the body has come, or too much
    kClosed,      // too early
    kReadError,
    kWriteError,
    kConnectError,
    kBadAnswer,
    kTimeout
  };

  PlainTransfer(const Clock& clock, TransferId id, Request request, std::function<void(Result<Response>)> done);
  PlainTransfer(const PlainTransfer&) = delete;
  PlainTransfer& operator=(const PlainTransfer&) = delete;

  // Errors: what is wrong with the request itself.
  Result<void> prepare(const Url& url, const std::string& user_agent);

  // Begins on a connection to `peer` (ip:port), whose name was looked up for so long; again, if may_try_again().
  void begin(std::string peer, bool reused, Duration resolve);
  // Sends what is left of the request. The socket is connected or on its way there.
  Progress write(int socket);
  // Reads what has come; `scratch` is for the time of the call.
  Progress read(int socket, std::span<char> scratch);
  void time_out() { end(End::kTimeout); }
  void fail_to_connect(int number);

  // The answer, or why there is none. REQUIRES: ended.
  Result<Response> finish();

  TransferId id() const { return id_; }
  bool may_be_repeated() const { return request_.may_be_repeated(); }
  bool is_observed() const { return request_.observation != nullptr; }
  // Some of the request has left, so that there may be an answer.
  bool has_sent() const { return sent_ > 0; }
  // The connection takes no more of the request; read() says what that means.
  bool write_failed() const { return write_error_ != 0; }
  SteadyTime deadline() const { return deadline_; }
  // When reading goes on after kNeedsTime.
  SteadyTime resumes_at() const { return resumes_at_; }
  End ended() const { return end_; }
  // The connection had been left idle and closed by the server before it saw anything of this request, as far as one
  // can tell: nothing has come back.
  bool may_try_again() const;
  // Everything was sent and received, and both sides are ready for the next request. REQUIRES: ended.
  bool leaves_connection() const;
  // What somebody else needs to connect to the host.
  Request request_to_dial() const;
  // For who follows a redirect, with the time that is left. The transfer is used up.
  Request take_request();
  void complete(Result<Response> result) { std::exchange(done_, nullptr)(std::move(result)); }
  std::function<void(Result<Response>)> take_done() { return std::exchange(done_, nullptr); }

 private:
  Progress end(End how);
  Progress receive(int socket, std::span<char> scratch);
  Progress receive_failed(int number);
  // Of the body, that are sure to come and have room; 1 if nothing is known.
  std::size_t bytes_that_come();
  void set_low_water(int socket, std::size_t bytes);
  bool take_head();
  bool consume(std::string_view bytes);
  bool must_pause();
  bool is_enough() const;
  Error failure() const;
  Error read_failure() const;
  Timings timings() const;
  void observe();

  const Clock& clock_;
  const TransferId id_;
  Request request_;
  std::function<void(Result<Response>)> done_;
  std::string head_;
  std::size_t sent_ = 0;  // of head and body
  std::string peer_;
  bool reused_ = false;
  Duration resolve_{};
  bool received_ = false;  // anything at all
  int low_water_ = 1;      // SO_RCVLOWAT: bytes that must have come before the socket is readable
  bool leftover_ = false;  // bytes after the answer's end

  Response response_;
  AnswerBody body_{request_, response_};
  std::unique_ptr<ResponseReader> reader_;
  End end_ = End::kNone;
  int os_error_ = 0;
  int write_error_ = 0;

  SteadyTime deadline_;
  SteadyTime started_;
  std::optional<SteadyTime> connected_;  // and ready to be written to
  std::optional<SteadyTime> first_byte_;
  SteadyTime ended_at_{};
  std::optional<SteadyTime> large_since_;
  SteadyTime resumes_at_{};
};

}  // namespace core::net

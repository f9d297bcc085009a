// SPDX-License-Identifier: Apache-2.0
#include "core/net/plain_transfer.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>

#include "core/net/exchange_errors.h"
#include "core/net/observation.h"
#include "core/net/request_head.h"
#include "core/net/url.h"

namespace core::net {
namespace {

using std::chrono::milliseconds;

// What is read at once before the head is known: enough for any usual head, so that most of a body goes straight to
// where it is kept.
constexpr std::size_t kHeadRead = 16 << 10;
// What one answer may bring in one turn of the loop.
constexpr std::size_t kTurnBytesMax = 1 << 20;
// The kernel makes room for twice as much.
constexpr std::size_t kLowWaterMax = 512 << 10;
// Of a body that counts against a budget: 30 MB within a second, and a twentieth of a core.
constexpr std::uint64_t kLargeBytesPerSecond = 32 << 20;
constexpr milliseconds kLargePause{10};

HttpFault fault_of(ResponseReader::Fault fault) {
  switch (fault) {
    case ResponseReader::Fault::kHeadersTooLarge:
      return HttpFault::kHeadersTooLarge;
    case ResponseReader::Fault::kBadChunk:
      // As libcurl has it: the body was not received whole.
      return HttpFault::kClosed;
    case ResponseReader::Fault::kNone:
    case ResponseReader::Fault::kMalformed:
      break;
  }
  return HttpFault::kMalformed;
}

}  // namespace

PlainTransfer::PlainTransfer(const Clock& clock, TransferId id, Request request,
                             std::function<void(Result<Response>)> done)
    : clock_(clock), id_(id), request_(std::move(request)), done_(std::move(done)), started_(clock.steady_now()) {
  deadline_ = started_ + request_.timeout;
}

Result<void> PlainTransfer::prepare(const Url& url, const std::string& user_agent) {
  if (auto checked = check_request(request_); !checked) return checked;
  auto head = request_head(request_, url, user_agent);
  if (!head) return core::fail(head.error());
  head_ = std::move(*head);
  if (request_.method == "HEAD") request_.body.clear();
  return {};
}

void PlainTransfer::begin(std::string peer, bool reused, Duration resolve) {
  peer_ = std::move(peer);
  reused_ = reused;
  resolve_ = resolve;
  sent_ = 0;
  end_ = End::kNone;
  os_error_ = write_error_ = 0;
  connected_.reset();
  reader_ = std::make_unique<ResponseReader>(request_.method == "HEAD");
}

PlainTransfer::Progress PlainTransfer::end(End how) {
  if (end_ != End::kNone) return Progress::kEnded;
  end_ = how;
  ended_at_ = clock_.steady_now();
  return Progress::kEnded;
}

void PlainTransfer::fail_to_connect(int number) {
  os_error_ = number;
  end(End::kConnectError);
}

PlainTransfer::Progress PlainTransfer::write(int socket) {
  const std::size_t all = head_.size() + request_.body.size();
  while (sent_ < all) {
    // Head and body as one, so that a small request is one packet.
    iovec parts[2] = {{head_.data(), head_.size()}, {request_.body.data(), request_.body.size()}};
    msghdr message{};
    if (sent_ < head_.size()) {
      parts[0] = {head_.data() + sent_, head_.size() - sent_};
      message.msg_iov = parts;
      message.msg_iovlen = request_.body.empty() ? 1 : 2;
    } else {
      const std::size_t at = sent_ - head_.size();
      parts[1] = {request_.body.data() + at, request_.body.size() - at};
      message.msg_iov = parts + 1;
      message.msg_iovlen = 1;
    }
    const ssize_t count = ::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) return Progress::kNeedsWrite;
      if (!connected_ && !reused_) {
        fail_to_connect(errno);
        return Progress::kEnded;
      }
      // The server may have answered before it hung up: that is the better end.
      write_error_ = errno;
      return Progress::kNeedsRead;
    }
    if (!connected_) connected_ = clock_.steady_now();
    sent_ += static_cast<std::size_t>(count);
  }
  return Progress::kNeedsRead;
}

PlainTransfer::Progress PlainTransfer::read(int socket, std::span<char> scratch) {
  Progress progress = receive(socket, scratch);
  // A body comes in pieces, each of which would wake this thread up. As long as it is known how much is to come, the
  // kernel waits for as much of it as it can hold; but for the beginning of the next answer, which may be short.
  const std::size_t wanted = progress == Progress::kNeedsRead ? bytes_that_come() : 1;
  if (body_.stop() != AnswerBody::Stop::kNone) progress = end(End::kStopped);
  set_low_water(socket, progress == Progress::kEnded ? 1 : wanted);
  return progress;
}

std::size_t PlainTransfer::bytes_that_come() {
  if (!body_.begun() || reader_->bytes_left() == 0) return 1;
  return std::max<std::size_t>(1, body_.room(reader_->bytes_left()).size());
}

void PlainTransfer::set_low_water(int socket, std::size_t bytes) {
  const int wanted = static_cast<int>(std::min(bytes, kLowWaterMax));
  if (wanted == low_water_) return;
  if (::setsockopt(socket, SOL_SOCKET, SO_RCVLOWAT, &wanted, sizeof wanted) == 0) low_water_ = wanted;
}

PlainTransfer::Progress PlainTransfer::receive(int socket, std::span<char> scratch) {
  for (std::size_t turn = 0; turn < kTurnBytesMax;) {
    if (must_pause()) return Progress::kNeedsTime;
    std::span<char> to;
    const bool has_length = body_.begun() && reader_->bytes_left() > 0;
    if (has_length) to = body_.room(reader_->bytes_left());
    if (body_.stop() != AnswerBody::Stop::kNone) return end(End::kStopped);
    const bool direct = !to.empty();
    if (!direct) to = reader_->head_done() ? scratch : scratch.first(std::min(kHeadRead, scratch.size()));
    const ssize_t count = ::recv(socket, to.data(), to.size(), MSG_DONTWAIT);
    if (count < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) return receive_failed(errno);
      return write_error_ != 0 ? receive_failed(0) : Progress::kNeedsRead;
    }
    if (count == 0) {
      if (reader_->whole_at_close()) return end(End::kWhole);
      return receive_failed(0);
    }
    if (!received_) first_byte_ = clock_.steady_now();
    received_ = true;
    const auto size = static_cast<std::size_t>(count);
    turn += size;
    if (direct) {
      body_.filled(size);
      reader_->skip(size);
      if (reader_->ended()) return end(End::kWhole);
    } else if (!consume({to.data(), size})) {
      return Progress::kEnded;
    }
    // There was no more. What comes later is waited for, which costs no call that finds nothing.
    if (size < to.size()) return Progress::kNeedsRead;
  }
  return Progress::kNeedsRead;
}

// `number` 0: the connection was closed in an orderly way.
PlainTransfer::Progress PlainTransfer::receive_failed(int number) {
  os_error_ = write_error_ != 0 ? write_error_ : number;
  if (write_error_ != 0) return end(End::kWriteError);
  return end(number == 0 ? End::kClosed : End::kReadError);
}

// False if nothing more is wanted.
bool PlainTransfer::take_head() {
  response_.status = reader_->status();
  response_.reason = std::move(reader_->reason());
  response_.headers = std::move(reader_->headers());
  const int status = response_.status;
  const bool has_location = !find_header(response_.headers, "Location").empty();
  if (request_.observation != nullptr) {
    Observation& seen = *request_.observation;
    const bool followed = status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
    seen.redirects = followed && has_location;
    if (seen.redirects && seen.ends_at_redirect) return end(End::kStopped), false;
  } else if (request_.follow_redirects && status >= 300 && status <= 399 && has_location) {
    return end(End::kRedirected), false;
  }
  if (reader_->bytes_left() > 0 && !body_.begin()) return end(End::kStopped), false;
  return true;
}

// False once the answer has ended.
bool PlainTransfer::consume(std::string_view bytes) {
  std::string_view piece;
  while (true) {
    switch (reader_->next(bytes, piece)) {
      case ResponseReader::Event::kNeedsMore:
        return true;
      case ResponseReader::Event::kHead:
        if (!take_head()) return false;
        break;
      case ResponseReader::Event::kBody:
        if (!body_.take(piece)) return end(End::kStopped), false;
        break;
      case ResponseReader::Event::kEnd:
        leftover_ = !bytes.empty();
        return end(End::kWhole), false;
      case ResponseReader::Event::kFault:
        return end(End::kBadAnswer), false;
    }
  }
}

// A few large bodies that never end would take all of this thread: they do not come as fast as they can.
bool PlainTransfer::must_pause() {
  if (!body_.is_large()) return false;
  const SteadyTime now = clock_.steady_now();
  if (!large_since_) large_since_ = now;
  const auto elapsed = std::chrono::duration_cast<milliseconds>(now - *large_since_ + kLargePause).count();
  const std::uint64_t allowed = kBodyBytesFree + kLargeBytesPerSecond * static_cast<std::uint64_t>(elapsed) / 1000;
  if (response_.wire_bytes < allowed) return false;
  resumes_at_ = now + kLargePause;
  return true;
}

bool PlainTransfer::may_try_again() const {
  const bool hung_up = end_ == End::kClosed || end_ == End::kReadError || end_ == End::kWriteError;
  return reused_ && !received_ && hung_up;
}

bool PlainTransfer::leaves_connection() const {
  return end_ == End::kWhole && sent_ == head_.size() + request_.body.size() && reader_->ended() &&
         reader_->keeps_alive() && !leftover_ && request_.observation == nullptr && may_be_repeated();
}

Request PlainTransfer::request_to_dial() const {
  Request request;
  request.method = request_.method;
  request.url = request_.url;
  request.timeout = deadline_ - clock_.steady_now();
  request.repeatable = true;  // nothing is sent; and libcurl must not close what it hands over
  return request;
}

Request PlainTransfer::take_request() {
  request_.timeout = deadline_ - clock_.steady_now();
  return std::move(request_);
}

Timings PlainTransfer::timings() const {
  Timings times;
  times.total = ended_at_ - started_;
  if (!connected_) return times;
  times.resolve = resolve_;
  if (!reused_) times.connect = *connected_ - started_ - resolve_;
  if (!first_byte_) return times;
  times.processing = *first_byte_ - *connected_;
  times.transfer = ended_at_ - *first_byte_;
  return times;
}

// Enough has come for an answer, whatever became of the rest.
bool PlainTransfer::is_enough() const {
  if (end_ == End::kWhole || body_.stop() == AnswerBody::Stop::kCut) return true;
  return reader_ != nullptr && reader_->head_done() && body_.wants_status_only();
}

Result<Response> PlainTransfer::finish() {
  if (request_.observation != nullptr) {
    observe();
    // All that is wanted of it is in the observation.
    if (request_.observation->fault == HttpFault::kNone) return std::move(response_);
  }
  if (!is_enough()) return fail(failure());
  const bool whole = body_.finish();
  if (end_ == End::kWhole && !whole) return fail(Errc::kUnavailable, "unexpected EOF");
  response_.timings = timings();
  response_.remote_address = peer_;
  return std::move(response_);
}

Error PlainTransfer::failure() const {
  switch (end_) {
    case End::kStopped:
      return body_.error();
    case End::kTimeout:
      if (reader_ != nullptr && reader_->head_done()) return {Errc::kTimeout, std::string(kDeadlineExceeded)};
      return request_error(request_, Errc::kTimeout, kDeadlineExceeded);
    case End::kConnectError:
      return request_error(request_, Errc::kUnavailable,
                           fmt::format("dial tcp {}: connect: {}", peer_, errno_text(os_error_)));
    default:
      return read_failure();
  }
}

Error PlainTransfer::read_failure() const {
  const bool in_body = reader_->head_done();
  if (end_ == End::kBadAnswer) {
    switch (reader_->fault()) {
      case ResponseReader::Fault::kHeadersTooLarge:
        return request_error(request_, Errc::kLimitExceeded, "response headers exceed 1 MiB or 10,000 lines");
      case ResponseReader::Fault::kBadChunk:
        return {Errc::kUnavailable, "malformed chunked encoding"};
      default:
        return request_error(request_, Errc::kUnavailable, "malformed HTTP response");
    }
  }
  std::string reason = received_ ? "unexpected EOF" : "EOF";
  if (end_ != End::kClosed) {
    reason = fmt::format("{} tcp {}: {}", end_ == End::kWriteError ? "write" : "read", peer_, errno_text(os_error_));
  }
  if (in_body) return {Errc::kUnavailable, reason};
  return request_error(request_, Errc::kUnavailable, reason);
}

void PlainTransfer::observe() {
  Observation& seen = *request_.observation;
  // A head that did not come to its end is shown as far as it came.
  seen.status = reader_->status();
  seen.headers = std::move(reader_->head_done() ? response_.headers : reader_->headers());
  for (auto& trailer : reader_->trailers()) seen.headers.push_back(std::move(trailer));
  if (seen.status != 0) seen.http_version = reader_->is_http_1_0() ? "1.0" : "1.1";
  seen.timings = timings();
  seen.connected = connected_.has_value();
  seen.first_byte = seen.status != 0;
  switch (end_) {
    case End::kNone:
    case End::kWhole:
    case End::kRedirected:
      return;
    case End::kStopped:
      if (body_.stop() != AnswerBody::Stop::kNone) seen.fault = HttpFault::kBodyTooLarge;
      break;
    case End::kTimeout:
      seen.fault = HttpFault::kTimeout;
      break;
    case End::kConnectError:
      seen.fault = HttpFault::kConnect;
      break;
    case End::kBadAnswer:
      seen.fault = fault_of(reader_->fault());
      break;
    case End::kClosed:
    case End::kReadError:
    case End::kWriteError:
      seen.fault = os_error_ == ECONNRESET || os_error_ == EPIPE ? HttpFault::kReset : HttpFault::kClosed;
      break;
  }
  if (seen.fault == HttpFault::kNone) return;
  seen.os_error = os_error_;
  seen.fault_text = failure().message;
}

}  // namespace core::net

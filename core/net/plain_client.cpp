// SPDX-License-Identifier: Apache-2.0
#if defined(__SANITIZE_THREAD__) && !defined(__clang__)
// Asio's fences, which ThreadSanitizer cannot see; Asio's own mutex orders the same accesses.
#pragma GCC diagnostic ignored "-Wtsan"
#endif

#include "core/net/plain_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <iterator>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>

#include "core/net/curl_client.h"
#include "core/net/exchange_errors.h"
#include "core/net/header_text.h"
#include "core/net/io_loop.h"
#include "core/net/observation.h"
#include "core/net/plain_transfer.h"
#include "core/net/url.h"

namespace core::net {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using Descriptor = asio::posix::stream_descriptor;

// As Prometheus keeps its idle connections.
constexpr std::chrono::seconds kIdleConnectionMax{300};
// What is received at once of a body that is not kept as it comes. One for all: it is used within a turn of the loop.
constexpr std::size_t kScratchBytes = 128 << 10;

// One to a server, in use or idle. While it is idle, its becoming readable is its end.
struct Connection {
  Connection(asio::io_context& context, const Endpoint& to, std::string peer_text)
      : descriptor(context), endpoint(to), peer(std::move(peer_text)) {}
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  Descriptor descriptor;
  const Endpoint endpoint;
  const std::string peer;
  PlainTransfer* user = nullptr;
  bool reading = false;  // a wait is under way
  bool writing = false;
};
using ConnectionPtr = std::shared_ptr<Connection>;

// A socket on its way to the endpoint; the system's error number, negative, if there is none.
int open_socket(const Endpoint& endpoint) {
  const int socket = ::socket(endpoint.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket < 0) return -errno;
  const int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&endpoint.address), endpoint.size) == 0) return socket;
  const int number = errno;
  if (number == EINPROGRESS) return socket;
  ::close(socket);
  return -number;
}

// Nothing has come, not even the end. What has come without being asked for must not pass for the next answer.
bool is_quiet(int socket) {
  char byte = 0;
  return ::recv(socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && (errno == EAGAIN || errno == EINTR);
}

// Headers that change how a request or its answer is framed are libcurl's.
bool has_unusual_header(const Headers& headers) {
  constexpr std::string_view kUnusual[] = {"Content-Length", "Transfer-Encoding", "TE", "Expect", "Upgrade"};
  return std::ranges::any_of(headers, [&](const auto& header) {
    return std::ranges::any_of(kUnusual, [&](auto name) { return equals_ignoring_case(header.first, name); });
  });
}

// Invariants: a transfer is in active_ or finished_, until its callback begins.
class Client final : public PlainClient, public std::enable_shared_from_this<Client> {
 public:
  Client(IoLoop& loop, const Clock& clock, const HttpClientOptions& options, CurlClient& curl, Redirected redirected)
      : loop_(loop), clock_(clock), options_(options), curl_(curl), redirected_(std::move(redirected)) {}

  void start(TransferId id, Request request, const Url& url, const Endpoint& endpoint, Done done) override;
  void drop(TransferId id) override;
  // Those that are dialled are counted there.
  std::size_t active() const override { return active_.size() - dialled_; }
  void close() override;

 private:
  struct Active {
    std::unique_ptr<PlainTransfer> transfer;
    ConnectionPtr connection;  // none while it is dialled
    bool is_dialled = false;
  };
  struct Idle {
    std::uint64_t key;  // of the endpoint, so that nothing else need be touched to look for one
    SteadyTime since;
    ConnectionPtr connection;
  };
  struct Finished {
    std::unique_ptr<PlainTransfer> transfer;
    Result<Response> result;
  };

  ConnectionPtr take_idle(const Endpoint& endpoint);
  void leave_idle(const ConnectionPtr& connection);
  void forget_idle(std::vector<Idle>::iterator idle);
  void connect(TransferId id, const Endpoint& endpoint);
  void dial(TransferId id, const Endpoint& endpoint);
  void dialled(TransferId id, const Endpoint& endpoint, Result<Dialled> result);
  void adopt(TransferId id, const Endpoint& endpoint, int socket, std::string peer, Duration resolve);
  void use(TransferId id, const ConnectionPtr& connection, bool reused, Duration resolve);
  void wait_readable(const ConnectionPtr& connection);
  void wait_writable(const ConnectionPtr& connection);
  void readable(const ConnectionPtr& connection, error_code error);
  void writable(const ConnectionPtr& connection);
  void resume_later(const ConnectionPtr& connection, const PlainTransfer& transfer);
  void write(const ConnectionPtr& connection);
  void read(const ConnectionPtr& connection);
  void go_on(const ConnectionPtr& connection, PlainTransfer::Progress progress);
  void end(TransferId id);
  Active remove(TransferId id);
  void watch_deadline(SteadyTime deadline);
  void look_for_late();
  void deliver_later();
  void deliver();

  IoLoop& loop_;
  const Clock& clock_;
  const HttpClientOptions options_;
  CurlClient& curl_;
  const Redirected redirected_;
  bool starting_ = false;  // what ends now is delivered later
  std::unordered_map<TransferId, Active> active_;
  std::size_t dialled_ = 0;  // of active_
  std::deque<Finished> finished_;
  std::vector<Idle> idle_;  // the one that was used last at the end
  TimerId timer_ = 0;
  SteadyTime rings_at_ = SteadyTime::max();  // of timer_
  std::array<char, kScratchBytes> scratch_;
};

void Client::start(TransferId id, Request request, const Url& url, const Endpoint& endpoint, Done done) {
  starting_ = true;
  Active& active = active_[id];
  active.transfer = std::make_unique<PlainTransfer>(clock_, id, std::move(request), std::move(done));
  auto prepared = active.transfer->prepare(url, options_.user_agent);
  if (!prepared) {
    finished_.push_back({std::move(active.transfer), fail(prepared.error())});
    active_.erase(id);
  } else {
    watch_deadline(active.transfer->deadline());
    const bool may_use_idle = active.transfer->may_be_repeated() && !active.transfer->is_observed();
    const ConnectionPtr idle = may_use_idle ? take_idle(endpoint) : nullptr;
    if (idle != nullptr) {
      use(id, idle, true, {});
    } else {
      connect(id, endpoint);
    }
  }
  starting_ = false;
  deliver_later();
}

void Client::connect(TransferId id, const Endpoint& endpoint) {
  if (endpoint.size == 0) return dial(id, endpoint);
  std::string peer = address_text(endpoint.address);
  const int socket = open_socket(endpoint);
  if (socket < 0) {
    PlainTransfer& transfer = *active_.at(id).transfer;
    transfer.begin(std::move(peer), false, {});
    transfer.fail_to_connect(-socket);
    return end(id);
  }
  adopt(id, endpoint, socket, std::move(peer), {});
}

void Client::dial(TransferId id, const Endpoint& endpoint) {
  active_.at(id).is_dialled = true;
  ++dialled_;
  curl_.dial(id, active_.at(id).transfer->request_to_dial(),
             [weak = weak_from_this(), id, endpoint](Result<Dialled> result) {
               if (const auto self = weak.lock()) self->dialled(id, endpoint, std::move(result));
             });
}

void Client::dialled(TransferId id, const Endpoint& endpoint, Result<Dialled> result) {
  const auto found = active_.find(id);
  if (found == active_.end()) return;
  if (!result) {
    auto active = remove(id);
    finished_.push_back({std::move(active.transfer), fail(result.error())});
    return deliver();
  }
  adopt(id, endpoint, std::exchange(result->socket, -1), std::move(result->peer), result->resolve);
}

void Client::adopt(TransferId id, const Endpoint& endpoint, int socket, std::string peer, Duration resolve) {
  const auto connection = std::make_shared<Connection>(loop_.context(), endpoint, std::move(peer));
  error_code failure;
  connection->descriptor.assign(socket, failure);
  if (!failure) return use(id, connection, false, resolve);
  // The kernel watches no more descriptors for this user.
  ::close(socket);
  PlainTransfer& transfer = *active_.at(id).transfer;
  transfer.begin(connection->peer, false, resolve);
  transfer.fail_to_connect(failure.value());
  end(id);
}

// Begins to ask.
void Client::use(TransferId id, const ConnectionPtr& connection, bool reused, Duration resolve) {
  Active& active = active_.at(id);
  if (std::exchange(active.is_dialled, false)) --dialled_;
  active.connection = connection;
  connection->user = active.transfer.get();
  active.transfer->begin(connection->peer, reused, resolve);
  write(connection);
}

ConnectionPtr Client::take_idle(const Endpoint& endpoint) {
  const SteadyTime oldest = clock_.steady_now() - kIdleConnectionMax;
  while (!idle_.empty() && idle_.front().since < oldest) forget_idle(idle_.begin());
  const std::uint64_t key = endpoint.key();
  for (auto each = idle_.end(); each != idle_.begin();) {
    --each;
    if (each->key != key || each->connection->endpoint != endpoint) continue;
    ConnectionPtr connection = std::move(each->connection);
    each = idle_.erase(each);
    if (is_quiet(connection->descriptor.native_handle())) return connection;
    connection->descriptor.close();
  }
  return nullptr;
}

void Client::forget_idle(std::vector<Idle>::iterator idle) {
  idle->connection->descriptor.close();
  idle_.erase(idle);
}

void Client::leave_idle(const ConnectionPtr& connection) {
  idle_.push_back({connection->endpoint.key(), clock_.steady_now(), connection});
  // Until the next request: it may be this wait that its answer ends.
  wait_readable(connection);
  if (idle_.size() > options_.max_idle_connections) forget_idle(idle_.begin());
}

void Client::wait_readable(const ConnectionPtr& connection) {
  if (std::exchange(connection->reading, true)) return;
  connection->descriptor.async_wait(Descriptor::wait_read, [weak = weak_from_this(), connection](error_code error) {
    connection->reading = false;
    const auto self = weak.lock();
    if (self && error != asio::error::operation_aborted) self->readable(connection, error);
  });
}

void Client::wait_writable(const ConnectionPtr& connection) {
  if (std::exchange(connection->writing, true)) return;
  connection->descriptor.async_wait(Descriptor::wait_write, [weak = weak_from_this(), connection](error_code error) {
    connection->writing = false;
    const auto self = weak.lock();
    if (self && error != asio::error::operation_aborted) self->writable(connection);
  });
}

void Client::readable(const ConnectionPtr& connection, error_code) {
  if (!connection->descriptor.is_open()) return;
  if (connection->user != nullptr) return read(connection);
  // Closed by the server, or bytes that nobody asked for.
  const auto idle = std::ranges::find(idle_, connection, &Idle::connection);
  if (idle != idle_.end()) forget_idle(idle);
}

void Client::writable(const ConnectionPtr& connection) {
  if (connection->descriptor.is_open() && connection->user != nullptr) write(connection);
}

void Client::write(const ConnectionPtr& connection) {
  const auto progress = connection->user->write(connection->descriptor.native_handle());
  if (progress == PlainTransfer::Progress::kNeedsRead && connection->user->write_failed()) return read(connection);
  go_on(connection, progress);
}

void Client::read(const ConnectionPtr& connection) {
  go_on(connection, connection->user->read(connection->descriptor.native_handle(), scratch_));
}

void Client::go_on(const ConnectionPtr& connection, PlainTransfer::Progress progress) {
  switch (progress) {
    case PlainTransfer::Progress::kNeedsWrite:
      wait_writable(connection);
      // The answer may come before all of the request is sent; on a socket that is not connected there is none.
      if (connection->user->has_sent()) wait_readable(connection);
      return;
    case PlainTransfer::Progress::kNeedsRead:
      return wait_readable(connection);
    case PlainTransfer::Progress::kNeedsTime:
      return resume_later(connection, *connection->user);
    case PlainTransfer::Progress::kEnded:
      break;
  }
  end(connection->user->id());
}

void Client::resume_later(const ConnectionPtr& connection, const PlainTransfer& transfer) {
  loop_.schedule_at(transfer.resumes_at(), [weak = weak_from_this(), connection, id = transfer.id()] {
    const auto self = weak.lock();
    if (!self || connection->user == nullptr || connection->user->id() != id) return;
    self->read(connection);
  });
}

Client::Active Client::remove(TransferId id) {
  const auto found = active_.find(id);
  Active active = std::move(found->second);
  active_.erase(found);
  if (active.is_dialled) --dialled_;
  if (active.connection != nullptr) active.connection->user = nullptr;
  return active;
}

void Client::end(TransferId id) {
  PlainTransfer& transfer = *active_.at(id).transfer;
  if (transfer.may_try_again()) {
    const ConnectionPtr dead = std::exchange(active_.at(id).connection, nullptr);
    dead->user = nullptr;
    dead->descriptor.close();
    return connect(id, dead->endpoint);
  }
  Active active = remove(id);
  if (active.is_dialled) curl_.drop(id);
  if (active.connection != nullptr && transfer.leaves_connection()) {
    leave_idle(active.connection);
  } else if (active.connection != nullptr) {
    active.connection->descriptor.close();
  }
  if (transfer.ended() == PlainTransfer::End::kRedirected) {
    auto done = transfer.take_done();
    return redirected_(id, transfer.take_request(), std::move(done));
  }
  auto result = transfer.finish();
  finished_.push_back({std::move(active.transfer), std::move(result)});
  if (!starting_) deliver();
}

// Transfers mostly end long before their deadlines: one timer rings for the earliest that was known when it was set,
// and looks then who is late.
void Client::watch_deadline(SteadyTime deadline) {
  if (deadline >= rings_at_) return;
  if (timer_ != 0) loop_.cancel(timer_);
  rings_at_ = deadline;
  timer_ = loop_.schedule_at(deadline, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->look_for_late();
  });
}

void Client::look_for_late() {
  timer_ = 0;
  rings_at_ = SteadyTime::max();
  const SteadyTime now = clock_.steady_now();
  std::vector<TransferId> late;
  SteadyTime next = SteadyTime::max();
  for (const auto& [id, active] : active_) {
    if (active.transfer->deadline() <= now) {
      late.push_back(id);
    } else {
      next = std::min(next, active.transfer->deadline());
    }
  }
  if (next != SteadyTime::max()) watch_deadline(next);
  const auto self = shared_from_this();
  for (const TransferId id : late) {
    // The callback of another may have cancelled it.
    const auto found = active_.find(id);
    if (found == active_.end()) continue;
    found->second.transfer->time_out();
    end(id);
  }
}

void Client::drop(TransferId id) {
  if (active_.contains(id)) {
    const Active active = remove(id);
    if (active.is_dialled) curl_.drop(id);
    if (active.connection != nullptr) active.connection->descriptor.close();
    return;
  }
  std::erase_if(finished_, [id](const Finished& finished) { return finished.transfer->id() == id; });
}

void Client::close() {
  finished_.clear();
  while (!active_.empty()) drop(active_.begin()->first);
  while (!idle_.empty()) forget_idle(std::prev(idle_.end()));
  if (timer_ != 0) loop_.cancel(timer_);
}

// For who must not be called back by the call that he is in.
void Client::deliver_later() {
  if (finished_.empty()) return;
  asio::post(loop_.context(), [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->deliver();
  });
}

void Client::deliver() {
  // A callback may cancel others, or end the client and with it this object.
  const auto self = shared_from_this();
  while (!finished_.empty()) {
    Finished next = std::move(finished_.front());
    finished_.pop_front();
    next.transfer->complete(std::move(next.result));
  }
}

}  // namespace

bool Endpoint::operator==(const Endpoint& other) const {
  return size == other.size && port == other.port && name == other.name &&
         std::memcmp(&address, &other.address, size) == 0;
}

std::uint64_t Endpoint::key() const {
  if (size == 0) return std::hash<std::string>{}(name) + port;
  return std::hash<std::string_view>{}({reinterpret_cast<const char*>(&address), size});
}

std::optional<Endpoint> PlainClient::endpoint_of(const Request& request, const Url& url) {
  if (url.scheme != "http" || !url.userinfo.empty() || !request.proxy.url.empty()) return std::nullopt;
  if (request.aws_signature || request.http2_without_tls || request.on_body) return std::nullopt;
  if (request.timeout <= Duration::zero() || has_unusual_header(request.headers)) return std::nullopt;
  const bool safe = request.method == "GET" || request.method == "HEAD";
  if (request.follow_redirects && !safe) return std::nullopt;
  const Observation* const observed = request.observation.get();
  if (observed != nullptr && (!observed->unix_socket.empty() || !observed->cookies.empty())) return std::nullopt;
  // libcurl takes dots out of a path that is not observed.
  if (observed == nullptr && url.path.find("/.") != std::string::npos) return std::nullopt;

  const bool given = observed != nullptr && !observed->dial_address.empty();
  const std::string& host = given ? observed->dial_address : url.host;
  Endpoint endpoint;
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  if (::inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(url.port);
    endpoint.size = sizeof v4;
    std::memcpy(&endpoint.address, &v4, sizeof v4);
  } else if (::inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(url.port);
    endpoint.size = sizeof v6;
    std::memcpy(&endpoint.address, &v6, sizeof v6);
  } else if (observed != nullptr || host.find_first_of(":%") != std::string::npos) {
    return std::nullopt;
  } else {
    endpoint.name = host;
    endpoint.port = url.port;
  }
  return endpoint;
}

std::shared_ptr<PlainClient> make_plain_client(IoLoop& loop, const Clock& clock, const HttpClientOptions& options,
                                               CurlClient& curl, PlainClient::Redirected redirected) {
  return std::make_shared<Client>(loop, clock, options, curl, std::move(redirected));
}

}  // namespace core::net

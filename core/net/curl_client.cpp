// SPDX-License-Identifier: Apache-2.0
#if defined(__SANITIZE_THREAD__) && !defined(__clang__)
// Asio's fences, which ThreadSanitizer cannot see; Asio's own mutex orders the same accesses.
#pragma GCC diagnostic ignored "-Wtsan"
#endif

#include "core/net/curl_client.h"

#include <csignal>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>

#include <curl/curl.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "core/check.h"
#include "core/net/curl_transfer.h"
#include "core/net/io_loop.h"

namespace core::net {

namespace {

namespace asio = boost::asio;
using boost::system::error_code;

// Handles kept for the next requests. One costs about 20 KiB for as long as it is kept and some microseconds to make,
// and requests are spread over time: the few that are mostly under way at once are worth it.
constexpr std::size_t kSpareHandlesMax = 8;

void start_libcurl_once() {
  static std::once_flag started;
  std::call_once(started, [] {
    CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK, "libcurl starts");
    // Writing to a connection that the other side closed must be an error, not a signal.
    std::signal(SIGPIPE, SIG_IGN);
  });
}

// A descriptor of libcurl's, watched for what libcurl asks. libcurl opens and closes it; we only let go in time.
struct WatchedSocket {
  WatchedSocket(asio::io_context& context, curl_socket_t file) : descriptor(context, file) {}
  ~WatchedSocket() {
    if (descriptor.is_open()) descriptor.release();
  }
  WatchedSocket(const WatchedSocket&) = delete;
  WatchedSocket& operator=(const WatchedSocket&) = delete;

  asio::posix::stream_descriptor descriptor;
  int wanted = CURL_POLL_NONE;
  bool reading = false;  // a wait is under way
  bool writing = false;
};

// The driver of the multi handle.
//
// Invariants: a transfer is in exactly one of active_ and finished_, until its callback begins.
class Exchange final : public CurlClient, public std::enable_shared_from_this<Exchange> {
 public:
  Exchange(IoLoop& loop, const Clock& clock, HttpClientOptions options)
      : loop_(loop), clock_(clock), options_(std::move(options)), multi_(curl_multi_init()), timer_(loop.context()) {
    CHECK(multi_ != nullptr, "libcurl has memory for a multi handle");
    curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &Exchange::on_socket);
    curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
    curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &Exchange::on_timer);
    curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
    curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, static_cast<long>(options_.max_idle_connections));
  }
  ~Exchange() override { close(); }
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  void start(TransferId id, Request request, std::function<void(Result<Response>)> done) override;
  void dial(TransferId id, Request request, std::function<void(Result<Dialled>)> done) override;
  void drop(TransferId id) override;
  std::size_t active() const override { return active_.size(); }
  void close() override;

 private:
  struct Finished {
    std::unique_ptr<CurlTransfer> transfer;
    Result<Response> result;
  };

  CurlEasy take_easy();
  void begin(std::unique_ptr<CurlTransfer> transfer);
  static int on_socket(CURL* easy, curl_socket_t file, int wanted, void* self, void* watch);
  static int on_timer(CURLM* multi, long timeout_ms, void* self);

  void watch(curl_socket_t file, int wanted);
  void wait(curl_socket_t file, const std::shared_ptr<WatchedSocket>& socket);
  void ready(curl_socket_t file, const std::shared_ptr<WatchedSocket>& socket, int events);
  void set_timer(long timeout_ms);
  void arm();
  void rang();
  void work(curl_socket_t file, int events);
  void collect();
  void deliver();
  void deliver_later();
  void recycle(CurlTransfer& transfer);

  IoLoop& loop_;
  const Clock& clock_;
  const HttpClientOptions options_;
  CURLM* multi_;
  asio::steady_timer timer_;
  std::optional<SteadyTime> due_;        // when libcurl wants to be called
  std::optional<SteadyTime> armed_for_;  // of timer_, which may ring before that
  std::map<curl_socket_t, std::shared_ptr<WatchedSocket>> sockets_;
  std::unordered_map<TransferId, std::unique_ptr<CurlTransfer>> active_;
  std::deque<Finished> finished_;
  std::vector<CurlEasy> spare_;
  bool starting_ = false;  // a transfer is being added, and worked on right after
};

void Exchange::drop(TransferId id) {
  if (const auto found = active_.find(id); found != active_.end()) {
    const std::unique_ptr<CurlTransfer> transfer = std::move(found->second);
    active_.erase(found);
    curl_multi_remove_handle(multi_, transfer->easy());
    recycle(*transfer);
    return;
  }
  std::erase_if(finished_, [id](const Finished& finished) { return finished.transfer->id() == id; });
}

void Exchange::close() {
  if (multi_ == nullptr) return;
  finished_.clear();
  // The handles leave before the multi handle goes; closing idle connections still calls on_socket.
  for (const auto& [id, transfer] : active_) curl_multi_remove_handle(multi_, transfer->easy());
  active_.clear();
  curl_multi_cleanup(std::exchange(multi_, nullptr));
  timer_.cancel();
  sockets_.clear();
  spare_.clear();
}

CurlEasy Exchange::take_easy() {
  if (spare_.empty()) {
    CurlEasy easy(curl_easy_init());
    CHECK(easy != nullptr, "libcurl has memory for a handle");
    return easy;
  }
  CurlEasy easy = std::move(spare_.back());
  spare_.pop_back();
  return easy;
}

void Exchange::start(TransferId id, Request request, std::function<void(Result<Response>)> done) {
  begin(std::make_unique<CurlTransfer>(id, take_easy(), std::move(request), std::move(done)));
}

void Exchange::dial(TransferId id, Request request, std::function<void(Result<Dialled>)> done) {
  begin(std::make_unique<CurlTransfer>(id, take_easy(), std::move(request), std::move(done)));
}

void Exchange::begin(std::unique_ptr<CurlTransfer> transfer) {
  if (multi_ == nullptr) return;
  if (auto prepared = transfer->prepare(options_.user_agent); !prepared) {
    finished_.push_back({std::move(transfer), fail(prepared.error())});
    return deliver_later();
  }
  curl_easy_setopt(transfer->easy(), CURLOPT_PRIVATE, transfer.get());
  CURL* handle = transfer->easy();
  const TransferId id = transfer->id();
  active_.emplace(id, std::move(transfer));
  starting_ = true;
  curl_multi_add_handle(multi_, handle);  // asks for a timer at once: that is now
  starting_ = false;
  int running = 0;
  curl_multi_socket_action(multi_, CURL_SOCKET_TIMEOUT, 0, &running);
  collect();
  deliver_later();
}

// For who must not be called back by the call that he is in.
void Exchange::deliver_later() {
  if (finished_.empty()) return;
  asio::post(loop_.context(), [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->deliver();
  });
}

void Exchange::recycle(CurlTransfer& transfer) {
  CurlEasy easy = transfer.take_easy();
  if (spare_.size() >= kSpareHandlesMax) return;
  curl_easy_reset(easy.get());
  spare_.push_back(std::move(easy));
}

int Exchange::on_socket(CURL*, curl_socket_t file, int wanted, void* self, void*) {
  static_cast<Exchange*>(self)->watch(file, wanted);
  return 0;
}

void Exchange::watch(curl_socket_t file, int wanted) {
  if (wanted == CURL_POLL_REMOVE) {
    const auto found = sockets_.find(file);
    if (found == sockets_.end()) return;
    found->second->wanted = CURL_POLL_NONE;
    // Now, while the descriptor is still open: libcurl may close it next, and its number may come again at once.
    found->second->descriptor.release();
    sockets_.erase(found);
    return;
  }
  auto& socket = sockets_[file];
  if (!socket) socket = std::make_shared<WatchedSocket>(loop_.context(), file);
  socket->wanted = wanted;
  wait(file, socket);
}

void Exchange::wait(curl_socket_t file, const std::shared_ptr<WatchedSocket>& socket) {
  const auto begin = [this, file, &socket](int events, bool WatchedSocket::* waiting, auto kind) {
    if ((socket->wanted & events) == 0 || (*socket).*waiting) return;
    (*socket).*waiting = true;
    socket->descriptor.async_wait(kind, [self = weak_from_this(), file, socket, events, waiting](error_code error) {
      (*socket).*waiting = false;
      const auto exchange = self.lock();
      if (!exchange || error == asio::error::operation_aborted) return;
      exchange->ready(file, socket, error ? CURL_CSELECT_ERR : events);
    });
  };
  static_assert(CURL_POLL_IN == CURL_CSELECT_IN && CURL_POLL_OUT == CURL_CSELECT_OUT);
  begin(CURL_POLL_IN, &WatchedSocket::reading, asio::posix::stream_descriptor::wait_read);
  begin(CURL_POLL_OUT, &WatchedSocket::writing, asio::posix::stream_descriptor::wait_write);
}

void Exchange::ready(curl_socket_t file, const std::shared_ptr<WatchedSocket>& socket, int events) {
  const auto current = sockets_.find(file);
  // The wait may have ended for a socket that is gone; its number may belong to a new one.
  if (current == sockets_.end() || current->second != socket) return;
  if (events != CURL_CSELECT_ERR && (socket->wanted & events) == 0) return;
  work(file, events);
  if (multi_ == nullptr) return;
  const auto still = sockets_.find(file);
  if (still != sockets_.end() && still->second == socket) wait(file, socket);
}

int Exchange::on_timer(CURLM*, long timeout_ms, void* self) {
  static_cast<Exchange*>(self)->set_timer(timeout_ms);
  return 0;
}

void Exchange::set_timer(long timeout_ms) {
  if (timeout_ms < 0) {
    due_.reset();
    return;
  }
  if (timeout_ms == 0 && starting_) return;
  if (timeout_ms == 0) {
    due_.reset();
    // A timer would cost system calls. libcurl forbids to work on inside this call.
    asio::post(loop_.context(), [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->work(CURL_SOCKET_TIMEOUT, 0);
    });
    return;
  }
  due_ = clock_.steady_now() + Millis(timeout_ms);
  arm();
}

// Transfers mostly end long before their deadlines: a timer that is set for an earlier time stays, and looks then what
// has become of it. To set it anew for each would cost more than the few that ring in vain.
void Exchange::arm() {
  if (armed_for_ && *armed_for_ <= *due_) return;
  armed_for_ = due_;
  timer_.expires_after(*due_ - clock_.steady_now());
  timer_.async_wait([weak = weak_from_this()](error_code error) {
    if (error) return;
    if (const auto self = weak.lock()) self->rang();
  });
}

void Exchange::rang() {
  armed_for_.reset();
  if (!due_) return;
  if (clock_.steady_now() < *due_) return arm();
  due_.reset();
  work(CURL_SOCKET_TIMEOUT, 0);
}

void Exchange::work(curl_socket_t file, int events) {
  if (multi_ == nullptr) return;
  int running = 0;
  curl_multi_socket_action(multi_, file, events, &running);
  collect();
  deliver();
}

void Exchange::collect() {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    CURL* easy = message->easy_handle;
    const CURLcode code = message->data.result;
    char* owner = nullptr;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &owner);
    const auto found = active_.find(reinterpret_cast<CurlTransfer*>(owner)->id());
    CHECK(found != active_.end(), "a handle on the multi handle belongs to an active transfer");
    std::unique_ptr<CurlTransfer> transfer = std::move(found->second);
    active_.erase(found);
    // Its connection is closed with it.
    if (transfer->dials() && code == CURLE_OK) transfer->keep_socket();
    curl_multi_remove_handle(multi_, easy);
    Result<Response> result = transfer->finish(code);
    recycle(*transfer);
    finished_.push_back({std::move(transfer), std::move(result)});
  }
}

void Exchange::deliver() {
  // A callback may cancel others, or end the client and with it this object.
  const auto self = shared_from_this();
  while (!finished_.empty()) {
    Finished next = std::move(finished_.front());
    finished_.pop_front();
    next.transfer->complete(std::move(next.result));
  }
}

}  // namespace

std::shared_ptr<CurlClient> make_curl_client(IoLoop& loop, const Clock& clock, const HttpClientOptions& options) {
  start_libcurl_once();
  return std::make_shared<Exchange>(loop, clock, options);
}

}  // namespace core::net

// SPDX-License-Identifier: Apache-2.0
#include "core/net/http_client.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>

#include "core/net/curl_client.h"
#include "core/net/exchange_errors.h"
#include "core/net/io_loop.h"
#include "core/net/plain_client.h"
#include "core/net/url.h"

namespace core::net {
namespace {

using Done = std::function<void(Result<Response>)>;

// URLs that are known to redirect; of more the oldest is forgotten, and then asked once more in vain.
constexpr std::size_t kRedirectingMax = 256;

// Gives each request to the client that knows enough for it. Shared by the client's face and by what it posts.
//
// Thread safety: send() and cancel() any thread; the rest confined to the loop's thread.
// Invariants: a request is in waiting_, in refused_ or with one of the two clients, until its callback begins.
class Dispatch : public std::enable_shared_from_this<Dispatch> {
 public:
  Dispatch(IoLoop& loop, const Clock& clock, HttpClientOptions options)
      : loop_(loop), clock_(clock), options_(std::move(options)), curl_(make_curl_client(loop, clock, options_)) {}
  ~Dispatch() { close(); }
  Dispatch(const Dispatch&) = delete;
  Dispatch& operator=(const Dispatch&) = delete;

  TransferId send(Request request, Done done);
  void cancel(TransferId id);
  void close();

 private:
  struct Waiting {
    Request request;
    Done done;
  };

  PlainClient& plain();
  void start_waiting(TransferId id);
  void start(TransferId id, Waiting waiting);
  void drop(TransferId id);
  void refuse(TransferId id, Waiting waiting);
  void redirected(TransferId id, Request request, Done done);

  IoLoop& loop_;
  const Clock& clock_;
  const HttpClientOptions options_;
  std::atomic<TransferId> next_id_{1};
  std::mutex mutex_;
  std::unordered_map<TransferId, Waiting> waiting_;  // guarded by mutex_

  std::shared_ptr<CurlClient> curl_;
  std::shared_ptr<PlainClient> plain_;  // once it is needed
  std::unordered_map<TransferId, Waiting> refused_;
  std::deque<std::string> redirecting_;
  bool closed_ = false;
};

PlainClient& Dispatch::plain() {
  if (plain_ == nullptr) {
    plain_ = make_plain_client(loop_, clock_, options_, *curl_, [this](TransferId id, Request request, Done done) {
      redirected(id, std::move(request), std::move(done));
    });
  }
  return *plain_;
}

TransferId Dispatch::send(Request request, Done done) {
  // relaxed: the ids need only differ.
  const TransferId id = next_id_.fetch_add(1, std::memory_order_relaxed);
  Waiting waiting{std::move(request), std::move(done)};
  if (loop_.on_loop_thread()) {
    // At once: each turn of the loop costs system calls.
    start(id, std::move(waiting));
    return id;
  }
  {
    const std::lock_guard lock(mutex_);
    waiting_.emplace(id, std::move(waiting));
  }
  loop_.post([weak = weak_from_this(), id] {
    if (const auto self = weak.lock()) self->start_waiting(id);
  });
  return id;
}

void Dispatch::cancel(TransferId id) {
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.erase(id) > 0) return;
  }
  if (loop_.on_loop_thread()) return drop(id);
  loop_.post([weak = weak_from_this(), id] {
    if (const auto self = weak.lock()) self->drop(id);
  });
}

void Dispatch::drop(TransferId id) {
  if (closed_) return;
  refused_.erase(id);
  if (plain_ != nullptr) plain_->drop(id);
  curl_->drop(id);
}

void Dispatch::close() {
  if (std::exchange(closed_, true)) return;
  {
    const std::lock_guard lock(mutex_);
    waiting_.clear();
  }
  refused_.clear();
  if (plain_ != nullptr) plain_->close();
  curl_->close();
}

void Dispatch::start_waiting(TransferId id) {
  Waiting waiting;
  {
    const std::lock_guard lock(mutex_);
    auto found = waiting_.extract(id);
    if (found.empty()) return;
    waiting = std::move(found.mapped());
  }
  start(id, std::move(waiting));
}

void Dispatch::start(TransferId id, Waiting waiting) {
  if (closed_) return;
  const std::size_t active = curl_->active() + (plain_ == nullptr ? 0 : plain_->active());
  if (active >= options_.max_in_flight) return refuse(id, std::move(waiting));
  const Request& request = waiting.request;
  const auto url = parse_url(request.url);
  const auto endpoint = url ? PlainClient::endpoint_of(request, *url) : std::nullopt;
  const bool redirects = request.follow_redirects && !redirecting_.empty() &&
                         std::ranges::find(redirecting_, request.url) != redirecting_.end();
  // What is wrong with a request is said by libcurl's client, whatever it is.
  if (!endpoint || redirects) return curl_->start(id, std::move(waiting.request), std::move(waiting.done));
  plain().start(id, std::move(waiting.request), *url, *endpoint, std::move(waiting.done));
}

void Dispatch::refuse(TransferId id, Waiting waiting) {
  refused_.emplace(id, std::move(waiting));
  loop_.post([weak = weak_from_this(), id] {
    const auto self = weak.lock();
    if (!self) return;
    auto found = self->refused_.extract(id);
    if (found.empty()) return;
    found.mapped().done(
        fail(request_error(found.mapped().request, Errc::kLimitExceeded, "too many requests in flight")));
  });
}

// libcurl follows redirects, from the beginning on: such a request changes nothing on the server (only GET and HEAD are
// asked for plainly then), and the next one goes to libcurl at once.
void Dispatch::redirected(TransferId id, Request request, Done done) {
  if (redirecting_.size() >= kRedirectingMax) redirecting_.pop_front();
  redirecting_.push_back(request.url);
  curl_->start(id, std::move(request), std::move(done));
}

// The client's face; its end is the end of every transfer.
class DispatchingClient final : public HttpClient {
 public:
  DispatchingClient(IoLoop& loop, const Clock& clock, HttpClientOptions options)
      : dispatch_(std::make_shared<Dispatch>(loop, clock, std::move(options))) {}
  ~DispatchingClient() override { dispatch_->close(); }

  TransferId send(Request request, Done done) override { return dispatch_->send(std::move(request), std::move(done)); }
  void cancel(TransferId transfer) override { dispatch_->cancel(transfer); }

 private:
  std::shared_ptr<Dispatch> dispatch_;
};

}  // namespace

std::unique_ptr<HttpClient> make_http_client(IoLoop& loop, const Clock& clock, HttpClientOptions options) {
  return std::make_unique<DispatchingClient>(loop, clock, std::move(options));
}

}  // namespace core::net

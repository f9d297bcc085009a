// SPDX-License-Identifier: Apache-2.0
#include "agent/api/http_server.h"

#include <fmt/format.h>
#include <httplib.h>

#include <atomic>
#include <charconv>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "agent/api/envelope.h"
#include "agent/api/hangup_watch.h"

namespace agent {
namespace {

using core::Errc;
using core::fail;
using core::Result;

// Some threads, more up to a bound while all of them are busy, and a bounded line before them. When the line is full
// the accepting thread waits, so that further connections stay in the kernel's queue.
//
// Thread safety: any thread.
class BoundedQueue final : public httplib::TaskQueue {
 public:
  BoundedQueue(std::size_t threads, std::size_t threads_max, std::size_t waiting)
      : threads_max_(threads_max), waiting_(waiting) {
    for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
  }

  void enqueue(std::function<void()> task) override {
    std::unique_lock lock(mutex_);
    room_.wait(lock, [this] { return tasks_.size() < waiting_ || stopping_; });
    tasks_.push_back(std::move(task));
    if (idle_ < tasks_.size() && threads_.size() < threads_max_ && !stopping_) {
      threads_.emplace_back([this] { work(); });
    }
    ready_.notify_one();
  }

  void shutdown() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    ready_.notify_all();
    room_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  void work() {
    while (true) {
      std::function<void()> task;
      {
        std::unique_lock lock(mutex_);
        ++idle_;
        ready_.wait(lock, [this] { return !tasks_.empty() || stopping_; });
        --idle_;
        if (tasks_.empty()) return;
        task = std::move(tasks_.front());
        tasks_.pop_front();
      }
      room_.notify_one();
      task();
    }
  }

  const std::size_t threads_max_;
  const std::size_t waiting_;
  std::mutex mutex_;
  std::condition_variable ready_;
  std::condition_variable room_;
  std::deque<std::function<void()>> tasks_;  // guarded by mutex_
  bool stopping_ = false;                    // guarded by mutex_
  std::size_t idle_ = 0;                     // guarded by mutex_
  std::vector<std::thread> threads_;         // grown by enqueue(), which one thread calls
};

bool is_loopback(std::string_view address) {
  return address == "::1" || address.starts_with("127.") || address.starts_with("::ffff:127.");
}

ApiRequest request_of(const httplib::Request& given, std::string body) {
  ApiRequest request;
  request.method = given.method;
  const std::string_view target = given.target;
  const std::size_t question = target.find('?');
  request.path = target.substr(0, question);
  const std::string_view query = question == std::string_view::npos ? "" : target.substr(question + 1);
  for (const auto& [name, value] : given.headers) request.headers.emplace_back(name, value);
  const bool form = request.header("Content-Type").starts_with("application/x-www-form-urlencoded");
  request.parameters = Parameters(query.substr(0, query.find('#')), form ? std::string_view(body) : std::string_view());
  request.body = std::move(body);
  request.from_loopback = is_loopback(given.remote_addr);
  return request;
}

// Without SO_REUSEPORT, which the library sets by itself: a second agent on the same port must fail, not share it.
void set_socket_options(socket_t socket) {
  const int yes = 1;
  setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
}

}  // namespace

struct HttpServer::State {
  explicit State(const core::Clock& its_clock) : clock(its_clock) {}

  const Router* router = nullptr;  // set before the first request is answered
  const core::Clock& clock;
  HangupWatch hangups;
  ListenAddress address;
  httplib::Server server;
  std::thread thread;
  std::atomic<bool> stopped{false};
  std::atomic<bool> ended{false};
  mutable std::mutex mutex;
  RequestCounts counts;  // guarded by mutex

  void answer(const httplib::Request& given, httplib::Response& response, std::string body);
  void count(std::string_view route, int status, core::SteadyTime started);
  void configure(const HttpServerOptions& options);
};

void HttpServer::State::count(std::string_view route, int status, core::SteadyTime started) {
  const core::Duration took = clock.steady_now() - started;
  const std::lock_guard lock(mutex);
  RequestCount& count = counts[{std::string(route), status}];
  ++count.requests;
  count.took += took;
}

void HttpServer::State::answer(const httplib::Request& given, httplib::Response& response, std::string body) {
  const core::SteadyTime started = clock.steady_now();
  Router::Answer answer{.response = {}, .route = "other"};
  try {
    const HangupWatch::Request watched(
        hangups, {given.remote_addr, static_cast<std::uint16_t>(given.remote_port), address.port});
    ApiRequest request = request_of(given, std::move(body));
    request.hung_up = watched.token();
    answer = router->handle(request);
  } catch (const std::exception& exception) {  // out of memory, above all: this request fails, the agent goes on
    answer.response = failure(ErrorType::kInternal, exception.what());
  }
  response.status = answer.response.status;
  for (const auto& [name, value] : answer.response.headers) response.set_header(name, value);
  if (answer.response.status != 204)
    response.set_content(std::move(answer.response.body), answer.response.content_type);
  count(answer.route, response.status, started);
}

void HttpServer::State::configure(const HttpServerOptions& options) {
  server.new_task_queue = [threads = options.threads, most = options.threads_max, waiting = options.waiting] {
    return new BoundedQueue(threads, most, waiting);  // the library takes ownership
  };
  server.set_socket_options(set_socket_options);
  server.set_payload_max_length(options.body_limit);
  server.set_read_timeout(options.io_timeout);
  server.set_write_timeout(options.io_timeout);
  server.set_keep_alive_timeout(std::chrono::duration_cast<std::chrono::seconds>(options.keep_alive).count());
  server.set_tcp_nodelay(true);
  server.set_default_headers({{"X-Content-Type-Options", "nosniff"}, {"Cache-Control", "no-store"}});
  // A Range header makes the library copy overlapping parts of the answer, as often as asked: nothing here needs
  // ranges.
  server.set_pre_routing_handler([](const httplib::Request& request, httplib::Response& response) {
    if (!request.has_header("Range")) return httplib::Server::HandlerResponse::Unhandled;
    response.status = 416;
    return httplib::Server::HandlerResponse::Handled;
  });
  server.set_error_handler([](const httplib::Request&, httplib::Response& response) {
    if (!response.body.empty()) return;
    response.set_content(fmt::format("the request was refused with status {}\n", response.status),
                         "text/plain; charset=utf-8");
  });
  // One pattern for everything: routes are Router's, free of the library's std::regex.
  const std::string any = ".*";
  const auto without_body = [this](const httplib::Request& request, httplib::Response& response) {
    answer(request, response, {});
  };
  // With the body read here, forms may be longer than the library's own 8 KiB.
  const auto with_body = [this](const httplib::Request& request, httplib::Response& response,
                                const httplib::ContentReader& content) {
    std::string body;
    // RFC 9112, 6.3: a request that announces no body has none; the library would wait for one until the timeout.
    if (!request.has_header("Content-Length") && !request.has_header("Transfer-Encoding")) {
      return answer(request, response, std::move(body));
    }
    const bool whole = content([&body](const char* part, std::size_t size) {
      body.append(part, size);
      return true;
    });
    if (whole) return answer(request, response, std::move(body));
    if (response.status < 400) response.status = 400;
  };
  server.Get(any, without_body);
  server.Options(any, without_body);
  server.Post(any, with_body);
  server.Put(any, with_body);
  server.Delete(any, with_body);
}

std::string ListenAddress::to_string() const {
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port) : fmt::format("[{}]:{}", host, port);
}

Result<ListenAddress> parse_listen_address(std::string_view text) {
  const auto bad = [text] { return fail(Errc::kInvalid, "expected HOST:PORT, got \"{}\"", text); };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return bad();
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return bad();
  }
  const std::string_view digits = text.substr(colon + 1);
  ListenAddress address;
  address.host = host;
  const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), address.port);
  if (host.empty() || digits.empty() || problem != std::errc() || end != digits.data() + digits.size()) return bad();
  return address;
}

HttpServer::HttpServer(std::unique_ptr<State> state) : state_(std::move(state)) {}

HttpServer::~HttpServer() { stop(); }

Result<std::unique_ptr<HttpServer>> HttpServer::bind(const ListenAddress& address, const core::Clock& clock,
                                                     HttpServerOptions options) {
  auto state = std::make_unique<State>(clock);
  state->configure(options);
  state->address = address;
  errno = 0;
  if (address.port == 0) {
    const int port = state->server.bind_to_any_port(address.host);
    if (port <= 0)
      return fail(Errc::kUnavailable, "cannot listen on {}: {}", address.to_string(), std::strerror(errno));
    state->address.port = static_cast<std::uint16_t>(port);
  } else if (!state->server.bind_to_port(address.host, address.port)) {
    return fail(Errc::kUnavailable, "cannot listen on {}: {}", address.to_string(),
                errno == 0 ? "no such address" : std::strerror(errno));
  }
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(state)));
}

void HttpServer::serve(const Router& router) {
  State& running = *state_;
  running.router = &router;
  running.thread = std::thread([&running] {
    running.server.listen_after_bind();
    running.ended = true;
  });
  // The library's stop() is lost on a server that does not listen yet.
  while (!running.server.is_running() && !running.ended) std::this_thread::yield();
}

const ListenAddress& HttpServer::address() const { return state_->address; }

RequestCounts HttpServer::counts() const {
  const std::lock_guard lock(state_->mutex);
  return state_->counts;
}

void HttpServer::stop() {
  if (state_->stopped.exchange(true)) return;
  state_->server.stop();
  if (state_->thread.joinable()) state_->thread.join();
}

}  // namespace agent

// SPDX-License-Identifier: Apache-2.0
#include "test/simulators/node_port.h"

#include <stdexcept>

namespace simulators {

namespace {

constexpr std::size_t kThreads = 8;
constexpr double kSlowSeconds = 2;
constexpr double kHungCheckSeconds = 0.2;
constexpr std::size_t kBodyBytesMax = 8 << 20;

}  // namespace

NodePort::NodePort(FaultBoard& faults, std::string node, std::string host, int port,
                   std::function<void(httplib::Server&)> routes)
    : faults_(faults), node_(std::move(node)), host_(std::move(host)), port_(port), routes_(std::move(routes)) {
  faults_.allow(node_, {"slow", "hung", "garbage", "gone"});
  const std::lock_guard lock(mutex_);
  open();
}

NodePort::~NodePort() {
  const std::lock_guard lock(mutex_);
  close();
}

void NodePort::prepare(httplib::Server& server) {
  server.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
  server.set_tcp_nodelay(true);
  server.set_keep_alive_max_count(1000000);
  server.set_keep_alive_timeout(2);  // also bounds how long closing the port takes
  server.set_payload_max_length(kBodyBytesMax);
  server.set_pre_routing_handler([this](const httplib::Request&, httplib::Response& response) {
    if (faults_.active(node_, "slow")) faults_.wait_while(node_, "slow", kSlowSeconds);
    // In short waits: a port that hangs can still be told to go.
    while (faults_.active(node_, "hung") && !faults_.active(node_, "gone") && !faults_.is_shut_down()) {
      faults_.wait_while(node_, "hung", kHungCheckSeconds);
    }
    if (!faults_.active(node_, "garbage")) return httplib::Server::HandlerResponse::Unhandled;
    std::string noise;
    for (int i = 0; i < 4096; ++i) noise += static_cast<char>((i * 131 + 17) & 0xff);
    response.set_content(noise, "application/octet-stream");
    return httplib::Server::HandlerResponse::Handled;
  });
  routes_(server);
}

void NodePort::open() {
  server_ = std::make_unique<httplib::Server>();
  prepare(*server_);
  const int bound = port_ == 0 ? server_->bind_to_any_port(host_) : (server_->bind_to_port(host_, port_) ? port_ : -1);
  if (bound <= 0) throw std::runtime_error("cannot listen on " + host_ + ":" + std::to_string(port_) + " for " + node_);
  port_ = bound;
  thread_ = std::thread([server = server_.get()] { server->listen_after_bind(); });
  while (!server_->is_running()) std::this_thread::yield();  // stop() before that would be lost
}

void NodePort::close() {
  if (!server_) return;
  server_->stop();
  thread_.join();
  server_.reset();
}

void NodePort::follow_faults() {
  const std::lock_guard lock(mutex_);
  const bool gone = faults_.active(node_, "gone");
  if (gone && server_) close();
  if (!gone && !server_) open();
}

}  // namespace simulators

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <httplib.h>

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "test/simulators/faults.h"

namespace simulators {

// One listening port of a simulated node, with the faults that hit every port of that node alike: `slow` (answers take
// 2 s), `hung` (they never come), `garbage` (bytes that are no answer) and `gone` (nothing listens).
//
// Thread safety: any thread, after the routes are set.
class NodePort {
 public:
  // `routes` sets the paths of a fresh server; it is called again whenever the port comes back.
  // The port itself is bound before this returns; 0 takes any. Throws std::runtime_error if it cannot be bound.
  NodePort(FaultBoard& faults, std::string node, std::string host, int port,
           std::function<void(httplib::Server&)> routes);
  ~NodePort();
  NodePort(const NodePort&) = delete;
  NodePort& operator=(const NodePort&) = delete;

  int port() const { return port_; }
  // Opens or closes the port, as the fault board says.
  void follow_faults();

 private:
  void open();
  void close();
  void prepare(httplib::Server& server);

  FaultBoard& faults_;
  std::string node_;
  std::string host_;
  int port_;
  std::function<void(httplib::Server&)> routes_;
  std::mutex mutex_;  // guards server_ and thread_
  std::unique_ptr<httplib::Server> server_;
  std::thread thread_;
};

}  // namespace simulators

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <httplib.h>

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "test/bench/full_network.h"

namespace bench {

// A beacon node of a FullNetwork on a port of its own, which notes what it was asked.
//
// Thread safety: any thread.
class FullNode {
 public:
  struct Traffic {
    std::uint64_t requests = 0;
    std::uint64_t bytes = 0;  // of the answers
  };

  // REQUIRES: `network` outlives this.
  explicit FullNode(const FullNetwork& network);
  ~FullNode();

  int port() const { return port_; }
  // By what was asked for: blocks, committees, validators, ...; refused: what it does not know.
  std::map<std::string, Traffic> traffic() const;

 private:
  struct Answer {
    std::string kind;
    std::string body;  // empty: there is none
  };
  Answer get(const std::string& path, const httplib::Request& request) const;
  Answer post(const std::string& path, const std::string& body) const;
  void stream(httplib::Response& response);
  void note(const Answer& answer);

  const FullNetwork& network_;
  httplib::Server server_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool stopped_ = false;                    // guarded by mutex_
  std::map<std::string, Traffic> traffic_;  // guarded by mutex_
  int port_ = 0;
  std::jthread thread_;
};

}  // namespace bench

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <cstdint>
#include <list>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>

#include "core/time/clock.h"

namespace agent {

// The other end of a connection, and our port of it: together they name one connection of this process.
struct Peer {
  std::string address;
  std::uint16_t port = 0;
  std::uint16_t local_port = 0;
};

// Notices that a client closed its connection while its request is answered. The HTTP library does not tell, nor does
// it give its socket away: it is found among the files of this process by its two ends. A request that is answered
// within one period is never looked at.
//
// Thread safety: any thread; a thread of its own does the looking.
class HangupWatch {
 public:
  explicit HangupWatch(core::Millis period = core::Millis(200));
  ~HangupWatch();

  // One request, as long as this lives. Its token is stopped when the client hangs up.
  class Request {
   public:
    Request(HangupWatch& watch, Peer peer);
    ~Request();
    Request(const Request&) = delete;
    Request& operator=(const Request&) = delete;
    std::stop_token token() const { return entry_->stop.get_token(); }

   private:
    friend class HangupWatch;
    struct Entry {
      Peer peer;
      std::stop_source stop;
      unsigned rounds = 0;  // of looking that it has lived through
      int socket = -1;      // once it was looked for
    };
    HangupWatch& watch_;
    std::list<Entry>::iterator entry_;
  };

 private:
  void look(const std::stop_token& stop);

  const core::Millis period_;
  std::mutex mutex_;
  std::condition_variable_any begun_;
  std::list<Request::Entry> requests_;  // guarded by mutex_
  std::jthread thread_;                 // the last member: it uses the others
};

}  // namespace agent

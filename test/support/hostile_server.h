// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace test_support {

// One connection of a HostileServer, as a script sees it. Every call ends early once the client is gone or the server
// stops.
//
// Thread safety: confined to the connection's thread.
class HostilePeer {
 public:
  HostilePeer(int socket, int stop) : socket_(socket), stop_(stop) {}
  HostilePeer(const HostilePeer&) = delete;
  HostilePeer& operator=(const HostilePeer&) = delete;

  // False once nobody listens.
  bool write(std::string_view text);
  // Says nothing until the client goes away.
  void hang();
  // The same, for so long at most; false if the client has gone.
  bool wait(int milliseconds);
  // Up to and with the blank line after the headers; what there is if it is no HTTP; "" if the client went away.
  std::string read_request();

 private:
  bool ready(short events, int milliseconds);

  const int socket_;
  const int stop_;
};

// A target that does what it is told by its path, and all at once: a thread each connection, one request each.
//
// It is strict: what is not a well-formed GET of a scraper is a complaint.
//
// Thread safety: confined to one thread; scripts run on threads of their own.
class HostileServer {
 public:
  using Script = std::function<void(HostilePeer&)>;

  // What is asked of a path by TLS, or in any way that is no HTTP, is answered by `garbage`.
  HostileServer(std::map<std::string, Script> scripts, Script garbage, int port);
  ~HostileServer();
  HostileServer(const HostileServer&) = delete;
  HostileServer& operator=(const HostileServer&) = delete;

  int port() const { return port_; }
  std::vector<std::string> complaints() const;
  int requests(const std::string& path) const;

 private:
  void accept();
  void serve(int socket);
  void complain(const std::string& what);

  const std::map<std::string, Script> scripts_;
  const Script garbage_;
  const int port_;
  int listener_;
  int stop_;
  mutable std::mutex mutex_;
  std::vector<std::string> complaints_;
  std::map<std::string, int> requests_;
  std::vector<std::thread> connections_;
  std::thread accepting_;
};

// The same bytes packed `times` over, each time a member (gzip) or a frame (zstd) of its own: a bomb that is made fast.
std::string gzip_members(std::string_view text, int times);
std::string zstd_frames(std::string_view text, int times);

}  // namespace test_support

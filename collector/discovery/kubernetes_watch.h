// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "collector/discovery/discovery.h"
#include "collector/discovery/kubernetes_objects.h"
#include "core/kubernetes/api_server.h"
#include "core/net/http_client.h"

namespace collector::discovery::kubernetes {

// What is watched.
struct Resource {
  KubernetesRole kind{};
  std::string path;   // /api/v1/pods
  std::string label;  // selectors
  std::string field;
};

// The objects under one path, kept as they are: listed page by page, then watched from the list's resource version on.
// A watch that ends goes on from the last version seen; one whose version the server has forgotten (410 Gone) begins
// with a new list. There is no resync between.
//
// Thread safety: confined to the scheduler's thread. The listener must not call the HTTP client.
class Watch {
 public:
  struct Listener {
    std::function<void(std::vector<Object>)> listed;   // all there are
    std::function<void(std::vector<Event>)> happened;  // added, modified and deleted ones; none: all is well
    std::function<void(const core::Error&)> failed;
  };

  Watch(const Context& context, core::kubernetes::ApiServer api, Resource resource, Listener listener);
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

 private:
  using Step = void (Watch::*)();

  core::Result<core::net::Request> request(std::vector<std::pair<std::string, std::string>> parameters) const;
  void list(const std::string& continue_token);
  void take_page(core::Result<core::net::Response> response, bool continued);
  void watch();
  bool take_piece(std::string_view piece);
  bool take_line(std::string_view line);
  void watch_ended(core::Result<core::net::Response> response);
  // Tells of `error` and goes on with `next` after a while that doubles from failure to failure.
  void retry(const core::Error& error, Step next);
  void later(core::Duration delay, Step next);
  void list_anew() { list(""); }
  core::Error error_of(const core::net::Response& response) const;

  const Context& context_;
  const core::kubernetes::ApiServer api_;
  const Resource resource_;
  const Listener listener_;
  std::minstd_rand random_;  // spreads retries and the lives of watches

  core::net::TransferId transfer_ = 0;
  core::TimerId timer_ = 0;
  std::vector<Object> pages_;
  int page_ = 0;  // of the list that is being read
  std::string resource_version_;
  std::string line_;  // the beginning of the next event
  std::vector<Event> events_;
  core::SteadyTime watch_started_{};
  bool seen_event_ = false;
  bool gone_ = false;   // the resource version is too old
  core::Error broken_;  // why the stream was ended by us
  int failures_ = 0;    // one after another
};

}  // namespace collector::discovery::kubernetes

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "collector/remote_write/remote.h"

namespace collector::remote_write {

// Tells one remote, every send_interval, what the scraped metrics mean: all families of all targets, each once, in
// requests one after another, beside the samples and under the same rules. What is not told when the next interval
// begins goes on being told first.
//
// Thread safety: confined to its strand, except status(): any thread. Made by std::make_shared, as Remote.
class MetadataFeed : public std::enable_shared_from_this<MetadataFeed> {
 public:
  struct Status {
    std::uint64_t sent = 0;  // families, each attempt counted
    std::uint64_t failed = 0;
    std::uint64_t retried = 0;
    std::uint64_t bytes = 0;
  };

  MetadataFeed(RemoteContext context, std::string name, RemoteWriteConfig config);

  void start();
  void stop();
  Status status() const;

 private:
  struct Pending {
    std::string body;
    std::uint64_t families = 0;
  };

  void tick();
  void send();
  void answered(const core::Result<core::net::Response>& answer);

  const RemoteContext context_;
  const std::string name_;
  const RemoteWriteConfig config_;
  bool stopped_ = false;
  bool failing_ = false;
  core::TimerId tick_ = 0;
  core::TimerId retry_ = 0;
  core::net::TransferId transfer_ = 0;
  std::deque<Pending> pending_;
  std::uint64_t attempt_ = 0;
  Backoff backoff_;

  mutable std::mutex mutex_;
  Status status_;  // guarded by mutex_
};

}  // namespace collector::remote_write

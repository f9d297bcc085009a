// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "collector/remote_write/metadata_feed.h"
#include "collector/remote_write/remote.h"

namespace collector::remote_write {

// Sends what is in the ring to the remotes of the configuration, each from where it stands: a remote that was away, or
// an agent that was down, catches up from the ring (docs/remote-write.md).
//
// Thread safety: any thread, except close(), which comes when the strand has stopped.
class RemoteWriter {
 public:
  // What it works with; all of it outlives the writer.
  struct Parts {
    const core::Clock& clock;
    core::Scheduler& strand;
    core::net::HttpClient& http;
    const core::ring::Reader& reader;
    std::function<void(LogLevel, const std::string&)> log;
    std::function<std::vector<FamilyText>()> metadata;
  };

  // Opens the store of cursors. Nothing is sent before apply().
  static core::Result<std::unique_ptr<RemoteWriter>> open(const std::string& database_path, Parts parts);
  ~RemoteWriter();

  // Takes effect on the strand. A remote whose configuration and external labels are as they were does not notice;
  // another goes on from where it stands. REQUIRES: check_remotes() took them.
  void apply(std::vector<RemoteWriteConfig> remotes, core::ring::Labels external_labels);

  // Begins no more requests; what was sent is still judged.
  void hold();
  // Whether requests are without an answer.
  bool busy() const;
  // Stores the cursors. REQUIRES: the strand runs no task any more, and hold() was called.
  void close();

  std::vector<RemoteStatus> status() const;  // by name

 private:
  struct Running {
    std::shared_ptr<Remote> remote;
    std::shared_ptr<MetadataFeed> metadata;
  };

  RemoteWriter(CursorStore store, Parts parts, std::map<std::string, SavedCursor> saved);
  void apply_now(const std::vector<RemoteWriteConfig>& remotes, const core::ring::Labels& external_labels);
  void forget_others(const std::vector<std::string>& names);

  CursorStore store_;
  RemoteContext context_;
  std::map<std::string, SavedCursor> saved_;  // of remotes that do not run; on the strand
  bool closed_ = false;

  mutable std::mutex mutex_;
  std::map<std::string, Running> running_;  // written on the strand under mutex_, read anywhere under it
};

}  // namespace collector::remote_write

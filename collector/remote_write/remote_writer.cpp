// SPDX-License-Identifier: Apache-2.0
#include "collector/remote_write/remote_writer.h"

#include <algorithm>
#include <utility>

namespace collector::remote_write {

using core::fail;
using core::Result;

Result<std::unique_ptr<RemoteWriter>> RemoteWriter::open(const std::string& database_path, Parts parts) {
  auto store = CursorStore::open(database_path);
  if (!store) return fail(store.error());
  auto saved = store->load();
  if (!saved) return fail(saved.error());
  return std::unique_ptr<RemoteWriter>(new RemoteWriter(std::move(*store), std::move(parts), std::move(*saved)));
}

RemoteWriter::RemoteWriter(CursorStore store, Parts parts, std::map<std::string, SavedCursor> saved)
    : store_(std::move(store)),
      context_{.clock = parts.clock,
               .strand = parts.strand,
               .http = parts.http,
               .reader = parts.reader,
               .store = store_,
               .log = std::move(parts.log),
               .metadata = std::move(parts.metadata)},
      saved_(std::move(saved)) {}

RemoteWriter::~RemoteWriter() { close(); }

void RemoteWriter::apply(std::vector<RemoteWriteConfig> remotes, core::ring::Labels external_labels) {
  context_.strand.post([this, remotes = std::move(remotes), external_labels = std::move(external_labels)] {
    apply_now(remotes, external_labels);
  });
}

void RemoteWriter::apply_now(const std::vector<RemoteWriteConfig>& remotes, const core::ring::Labels& external_labels) {
  const std::vector<std::string> names = names_of(remotes);
  std::map<std::string, Running> before;
  {
    const std::lock_guard lock(mutex_);
    before = running_;
  }
  std::map<std::string, Running> next;
  for (std::size_t i = 0; i < remotes.size(); ++i) {
    if (const auto known = before.find(names[i]); known != before.end()) {
      if (known->second.remote->same(remotes[i], external_labels)) {
        next.insert(before.extract(known));
        continue;
      }
      known->second.metadata->stop();
      saved_[names[i]] = known->second.remote->stop();
      before.erase(known);
    }
    const auto saved = saved_.extract(names[i]);
    const auto cursor = saved ? std::optional(saved.mapped()) : std::nullopt;
    Running& made = next[names[i]];
    made.remote = std::make_shared<Remote>(context_, names[i], remotes[i], external_labels, cursor);
    made.metadata = std::make_shared<MetadataFeed>(context_, names[i], remotes[i]);
    made.remote->start();
    made.metadata->start();
  }
  for (auto& [name, gone] : before) {
    gone.metadata->stop();
    gone.remote->stop();
  }
  {
    const std::lock_guard lock(mutex_);
    running_ = std::move(next);
  }
  forget_others(names);
}

// A remote that is taken out of the configuration and comes back later begins anew.
void RemoteWriter::forget_others(const std::vector<std::string>& names) {
  saved_.clear();
  const auto done = store_.keep_only({names.begin(), names.end()});
  if (!done && context_.log) {
    context_.log(LogLevel::kError, fmt::format("remote write: old cursors stay: {}", done.error().message));
  }
}

void RemoteWriter::hold() {
  context_.strand.post([this] {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, each] : running_) each.remote->hold();
  });
}

bool RemoteWriter::busy() const {
  const std::lock_guard lock(mutex_);
  return std::ranges::any_of(running_, [](const auto& each) { return each.second.remote->in_flight() > 0; });
}

void RemoteWriter::close() {
  if (std::exchange(closed_, true)) return;
  std::map<std::string, Running> ended;
  {
    const std::lock_guard lock(mutex_);
    ended = std::exchange(running_, {});
  }
  for (const auto& [name, each] : ended) {
    each.metadata->stop();
    each.remote->stop();
  }
}

std::vector<RemoteStatus> RemoteWriter::status() const {
  std::vector<RemoteStatus> all;
  const std::lock_guard lock(mutex_);
  for (const auto& [name, each] : running_) {
    RemoteStatus& status = all.emplace_back(each.remote->status());
    const MetadataFeed::Status metadata = each.metadata->status();
    status.metadata_sent = metadata.sent;
    status.metadata_failed = metadata.failed;
    status.metadata_retried = metadata.retried;
    status.metadata_bytes = metadata.bytes;
  }
  return all;
}

}  // namespace collector::remote_write

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>

#include "collector/remote_write/remote.h"
#include "core/config/node.h"
#include "core/ring/mapped_ring.h"
#include "test/unit/collector/remote_write/receiver.h"

namespace collector::remote_write::test {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

inline RemoteWriteConfig parse_remote(const std::string& text) {
  const auto node = core::config::Node::parse(text, "r.yml");
  EXPECT_TRUE(node) << node.error().message;
  auto config = RemoteWriteConfig::fields().read(*node);
  EXPECT_TRUE(config) << config.error().message;
  return config.value_or(RemoteWriteConfig());
}

// A ring in a file, a remote, and time. The remote can be killed: what it had in memory is gone, the ring and the store
// stay.
class RemoteWorld : public testing::Test {
 protected:
  RemoteWorld() {
    folder_ = std::filesystem::temp_directory_path() / ("remote-" + std::to_string(getpid()) + "-" +
                                                        testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    open_ring();
    store_.emplace(*CursorStore::open(folder_ / "remote_write.db"));
  }
  ~RemoteWorld() override {
    remote_.reset();
    appender_.reset();
    ring_.reset();
    std::filesystem::remove_all(folder_);
  }

  void open_ring(std::uint64_t size_bytes = 8ULL << 20, std::uint64_t max_series = 5000) {
    timelines_.clear();
    series_.clear();
    appender_.reset();
    ring_.reset();
    auto opened = core::ring::open_mapped_ring(
        {.path = folder_ / "ring", .size_bytes = size_bytes, .max_series = max_series, .boot_id = "b"});
    ASSERT_TRUE(opened) << opened.error().message;
    ring_ = std::move(*opened);
    appender_ = ring_->make_appender();
  }

  RemoteContext context() {
    return {.clock = clock_,
            .strand = clock_,
            .http = receiver_,
            .reader = ring_->reader(),
            .store = *store_,
            .log = [this](LogLevel, const std::string& text) { logged_.push_back(text); },
            .metadata = [this] { return families_; }};
  }

  void start(const std::string& more = "", core::ring::Labels external = {}) {
    const auto saved = store_->load();
    ASSERT_TRUE(saved);
    const auto found = saved->find("r");
    const auto cursor = found == saved->end() ? std::nullopt : std::optional(found->second);
    remote_ = std::make_shared<Remote>(context(), "r",
                                       parse_remote("url: http://receiver.test/api/v1/write\nname: r\n" + more),
                                       std::move(external), cursor);
    remote_->start();
    clock_.advance(core::Millis(1));
  }
  void kill() { remote_.reset(); }

  // One scrape of a target, at a time that may be earlier than now; a name that ends in "@" has a time of its own.
  using Values = std::vector<std::pair<std::string, double>>;
  void scrape(std::uint64_t target, std::int64_t time_ms, const Values& values, std::int64_t own_ms = 0) {
    auto [timeline, made] = timelines_.try_emplace(target);
    if (made) timeline->second = *appender_->open_timeline(target);
    for (const auto& [name, value] : values) {
      auto [ref, fresh] = series_.try_emplace({target, name});
      if (fresh) {
        ref->second = *appender_->upsert(
            timeline->second,
            {{"__name__", name.substr(0, name.find('@'))}, {"job", "j" + std::to_string(target)}, {"own", own(name)}});
      }
    }
    appender_->begin(timeline->second, time_ms);
    for (const auto& [name, value] : values) {
      const core::ring::SeriesRef ref = series_.at({target, name});
      if (name.ends_with('@')) {
        appender_->append_at(ref, {own_ms, value});
      } else {
        appender_->append(ref, value);
      }
    }
    appender_->publish();
  }
  void scrape_now(std::uint64_t target, const Values& values) { scrape(target, clock_.unix_ms(), values); }

  // What the ring has after `after_ms`, as a receiver should have it.
  std::map<std::string, Receiver::Kept> expected(std::int64_t after_ms) const {
    std::map<std::string, Receiver::Kept> all;
    std::vector<core::ring::Sample> samples;
    for (const auto& each : ring_->reader().select({})) {
      ring_->reader().read(each.ref, after_ms + 1, std::numeric_limits<std::int64_t>::max(), samples);
      test_support::ReceivedRequest::Labels labels;
      for (const auto& label : *each.labels) labels.emplace_back(label.name, label.value);
      for (const auto& sample : samples) {
        all[test_support::text_of(labels)].emplace_back(sample.time_ms, std::bit_cast<std::uint64_t>(sample.value));
      }
    }
    return all;
  }

  static std::string own(const std::string& name) { return name.ends_with('@') ? "yes" : ""; }

  core::SimulatedClock clock_;
  Receiver receiver_{clock_};
  std::filesystem::path folder_;
  std::unique_ptr<core::ring::MappedRing> ring_;
  std::unique_ptr<core::ring::Appender> appender_;
  std::map<std::uint64_t, core::ring::TimelineRef> timelines_;
  std::map<std::pair<std::uint64_t, std::string>, core::ring::SeriesRef> series_;
  std::optional<CursorStore> store_;
  std::shared_ptr<Remote> remote_;
  std::vector<std::string> logged_;
  std::vector<FamilyText> families_;
};

}  // namespace collector::remote_write::test

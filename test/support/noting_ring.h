// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "core/ring/ring.h"

namespace test_support {

// A ring in memory that notes the identities of the timelines which are opened.
//
// Thread safety: confined to one thread.
class NotingRing final : public core::ring::Ring {
 public:
  std::unique_ptr<core::ring::Appender> make_appender() override {
    return std::make_unique<NotingAppender>(ring_->make_appender(), identities);
  }
  const core::ring::Reader& reader() const override { return ring_->reader(); }

  std::vector<std::uint64_t> identities;

 private:
  class NotingAppender final : public core::ring::Appender {
   public:
    NotingAppender(std::unique_ptr<core::ring::Appender> appender, std::vector<std::uint64_t>& identities)
        : appender_(std::move(appender)), identities_(identities) {}

    core::Result<core::ring::TimelineRef> open_timeline(std::uint64_t identity) override {
      identities_.push_back(identity);
      return appender_->open_timeline(identity);
    }
    void close_timeline(core::ring::TimelineRef timeline) override { appender_->close_timeline(timeline); }
    core::Result<core::ring::SeriesRef> upsert(core::ring::TimelineRef timeline,
                                               const core::ring::Labels& labels) override {
      return appender_->upsert(timeline, labels);
    }
    void begin(core::ring::TimelineRef timeline, std::int64_t time_ms) override { appender_->begin(timeline, time_ms); }
    core::ring::AppendOutcome append(core::ring::SeriesRef series, double value) override {
      return appender_->append(series, value);
    }
    core::ring::AppendOutcome append_at(core::ring::SeriesRef series, core::ring::Sample sample) override {
      return appender_->append_at(series, sample);
    }
    void publish() override { appender_->publish(); }

   private:
    std::unique_ptr<core::ring::Appender> appender_;
    std::vector<std::uint64_t>& identities_;
  };

  std::unique_ptr<core::ring::Ring> ring_ = core::ring::make_memory_ring();
};

}  // namespace test_support

// SPDX-License-Identifier: Apache-2.0
#include "collector/remote_write/metadata_feed.h"

#include <algorithm>
#include <utility>

namespace collector::remote_write {

using core::Result;
using core::net::Response;

MetadataFeed::MetadataFeed(RemoteContext context, std::string name, RemoteWriteConfig config)
    : context_(std::move(context)),
      name_(std::move(name)),
      config_(std::move(config)),
      backoff_(config_.queue_config.min_backoff, config_.queue_config.max_backoff) {}

void MetadataFeed::start() {
  if (!config_.metadata_config.send) return;
  tick_ = context_.strand.schedule_at(context_.clock.steady_now() + config_.metadata_config.send_interval,
                                      [self = weak_from_this()] {
                                        if (const auto feed = self.lock()) feed->tick();
                                      });
}

void MetadataFeed::stop() {
  stopped_ = true;
  if (tick_ != 0) context_.strand.cancel(tick_);
  if (retry_ != 0) context_.strand.cancel(retry_);
  if (transfer_ != 0) context_.http.cancel(transfer_);
}

void MetadataFeed::tick() {
  if (stopped_) return;
  start();
  if (!pending_.empty() || !context_.metadata) return;
  std::vector<FamilyText> families = context_.metadata();
  std::ranges::sort(families);
  const auto repeated = std::ranges::unique(families);
  families.erase(repeated.begin(), repeated.end());
  for (std::size_t begin = 0; begin < families.size();) {
    const std::size_t most = config_.metadata_config.max_samples_per_send;
    const std::size_t end = begin + std::min<std::size_t>(most, families.size() - begin);
    WriteRequest request;
    for (std::size_t i = begin; i < end; ++i) request.add(families[i]);
    pending_.push_back({compress(request.bytes()), end - begin});
    begin = end;
  }
  if (!pending_.empty()) send();
}

void MetadataFeed::send() {
  retry_ = 0;
  if (stopped_) return;
  const Pending& front = pending_.front();
  ++attempt_;
  {
    const std::lock_guard lock(mutex_);
    status_.sent += front.families;
    status_.bytes += front.body.size();
  }
  const auto answer = [self = weak_from_this(), strand = &context_.strand](auto result) {
    strand->post([self, given = std::move(result)] {
      if (const auto feed = self.lock()) feed->answered(given);
    });
  };
  auto request = make_request(config_, front.body, attempt_);
  if (!request) {
    answer(Result<Response>(core::fail(core::Errc::kUnavailable, "{}", request.error().message)));
    return;
  }
  transfer_ = context_.http.send(std::move(*request), answer);
}

void MetadataFeed::answered(const Result<Response>& answer) {
  if (stopped_ || pending_.empty()) return;
  transfer_ = 0;
  const Verdict verdict = judge(answer, config_.queue_config.retry_on_http_429, context_.clock.wall_now());
  const std::uint64_t families = pending_.front().families;
  if (verdict.kind != Verdict::Kind::kDone && !std::exchange(failing_, true) && context_.log) {
    context_.log(LogLevel::kWarn, fmt::format("remote write {}: metadata: {}", name_, verdict.why));
  }
  if (verdict.kind == Verdict::Kind::kRetry) {
    {
      const std::lock_guard lock(mutex_);
      status_.retried += families;
    }
    retry_ = context_.strand.schedule_at(context_.clock.steady_now() + backoff_.wait(verdict.wait),
                                         [self = weak_from_this()] {
                                           if (const auto feed = self.lock()) feed->send();
                                         });
    return;
  }
  if (verdict.kind == Verdict::Kind::kDrop) {
    const std::lock_guard lock(mutex_);
    status_.failed += families;
  } else {
    failing_ = false;
  }
  pending_.pop_front();
  attempt_ = 0;
  backoff_.reset();
  if (!pending_.empty()) send();
}

MetadataFeed::Status MetadataFeed::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

}  // namespace collector::remote_write

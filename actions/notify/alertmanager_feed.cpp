// SPDX-License-Identifier: Apache-2.0
#include "actions/notify/alertmanager_feed.h"

#include <algorithm>

#include "actions/receivers/http_post.h"

namespace actions::notify {

using core::Millis;
using receivers::Verdict;

void AlertmanagerFeed::configure(std::vector<AlertmanagerTarget> targets) {
  std::map<std::string, std::unique_ptr<Queue>> queues;
  for (AlertmanagerTarget& target : targets) {
    std::string url = target.url;
    auto old = queues_.extract(url);
    auto queue = old ? std::move(old.mapped()) : std::make_unique<Queue>();
    queue->target = std::move(target);
    queue->status.url = url;
    queues.emplace(std::move(url), std::move(queue));
  }
  queues_ = std::move(queues);
}

void AlertmanagerFeed::add(const AlertNews& news, Instant now) {
  for (auto& [url, queue] : queues_) {
    receivers::PostedAlert posted{news.alert, now.wall + news.valid_for};
    collector::relabel::LabelBuilder labels(news.alert.labels);
    if (!queue->target.relabel_alerts.apply(labels)) continue;
    posted.alert.labels = labels.build();
    const std::uint64_t fingerprint = posted.alert.labels.fingerprint();
    const auto found = queue->waiting.find(fingerprint);
    if (found != queue->waiting.end()) {
      found->second.first = {std::move(posted), false};
      continue;
    }
    if (queue->waiting.size() >= kWaitingMax) {
      queue->waiting.erase(queue->order.front());
      queue->order.pop_front();
      ++queue->status.dropped;
    }
    const auto place = queue->order.insert(queue->order.end(), fingerprint);
    queue->waiting.emplace(fingerprint, std::pair(Waiting{std::move(posted), false}, place));
  }
}

std::optional<AlertmanagerFeed::Batch> AlertmanagerFeed::next(Instant now) {
  for (auto& [url, queue] : queues_) {
    if (queue->in_flight > 0 || queue->waiting.empty() || queue->resume_at > now.steady) continue;
    std::vector<const receivers::PostedAlert*> alerts;
    for (const std::uint64_t fingerprint : queue->order) {
      if (alerts.size() == receivers::kAlertmanagerBatchMax) break;
      Waiting& waiting = queue->waiting.at(fingerprint).first;
      waiting.in_flight = true;
      alerts.push_back(&waiting.alert);
    }
    queue->in_flight = alerts.size();
    auto request =
        receivers::json_post(url, receivers::alertmanager_body(alerts), queue->target.http, queue->target.timeout);
    if (!request) {
      finish(url, {.kind = Verdict::Kind::kRetry, .pause = {}, .why = request.error().message}, now);
      continue;
    }
    request->repeatable = true;  // it knows these alerts then
    return Batch{url, std::move(*request)};
  }
  return std::nullopt;
}

void AlertmanagerFeed::finish(const std::string& url, const Verdict& verdict, Instant now) {
  const auto found = queues_.find(url);
  if (found == queues_.end() || found->second->in_flight == 0) return;
  Queue& queue = *found->second;
  const std::size_t alerts = queue.in_flight;
  queue.in_flight = 0;
  if (verdict.kind == Verdict::Kind::kDelivered) {
    queue.status.sent += alerts;
    queue.status.consecutive_failures = 0;
    give_up_batch(queue);
    return;
  }
  queue.status.errors += alerts;
  queue.status.last_error = verdict.why;
  if (verdict.kind == Verdict::Kind::kReject) {
    // Some were invalid, the others were stored; told again as they are they would be refused again.
    queue.status.dropped += alerts;
    queue.status.consecutive_failures = 0;
    give_up_batch(queue);
    return;
  }
  for (auto& [fingerprint, waiting] : queue.waiting) waiting.first.in_flight = false;
  const std::uint64_t failures = ++queue.status.consecutive_failures;
  Millis delay = kBackoffFirst;
  for (std::uint64_t i = 1; i < failures && delay < kBackoffMax; ++i) delay *= 2;
  queue.resume_at = now.steady + verdict.pause.value_or(std::min(delay, kBackoffMax));
}

std::vector<receivers::Alert> AlertmanagerFeed::in_flight(const std::string& url) const {
  std::vector<receivers::Alert> alerts;
  const auto found = queues_.find(url);
  if (found == queues_.end() || found->second->in_flight == 0) return alerts;
  for (const auto& [fingerprint, waiting] : found->second->waiting) {
    if (waiting.first.in_flight) alerts.push_back(waiting.first.alert.alert);
  }
  return alerts;
}

// Forgets what was in flight and has not changed meanwhile.
void AlertmanagerFeed::give_up_batch(Queue& queue) {
  for (auto it = queue.waiting.begin(); it != queue.waiting.end();) {
    if (!it->second.first.in_flight) {
      ++it;
      continue;
    }
    queue.order.erase(it->second.second);
    it = queue.waiting.erase(it);
  }
}

std::optional<core::SteadyTime> AlertmanagerFeed::next_wakeup() const {
  std::optional<core::SteadyTime> next;
  for (const auto& [url, queue] : queues_) {
    if (queue->in_flight > 0 || queue->waiting.empty()) continue;
    next = next ? std::min(*next, queue->resume_at) : queue->resume_at;
  }
  return next;
}

std::vector<FeedStatus> AlertmanagerFeed::status() const {
  std::vector<FeedStatus> all;
  for (const auto& [url, queue] : queues_) {
    all.push_back(queue->status);
    all.back().waiting = queue->waiting.size();
  }
  return all;
}

}  // namespace actions::notify

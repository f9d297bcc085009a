// SPDX-License-Identifier: Apache-2.0
#include "collector/remote_write/remote.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "core/net/url.h"
#include "core/time/duration.h"

namespace collector::remote_write {
namespace {

using core::Result;
using core::net::Response;

// Refusals for good are said at most this often.
constexpr core::Duration kDropSaidEvery = std::chrono::seconds(10);
// Shorter passes than this over the past take on more time, longer ones than four times this less.
constexpr core::Duration kPassWanted = std::chrono::seconds(1);

BatchReader::Settings settings_of(const RemoteWriteConfig& config, const core::ring::Labels& external_labels) {
  // They were compiled once when the configuration was checked.
  auto rules = relabel::Rules::compile(config.write_relabel_configs, relabel::NameValidation::kUtf8);
  return {.external_labels = external_labels,
          .rules = rules ? std::move(*rules) : relabel::Rules(),
          .samples_max = config.queue_config.max_samples_per_send,
          .ageing = config.queue_config.sample_age_limit > core::Millis(0)};
}

std::string time_text(std::int64_t time_ms) { return core::format_rfc3339(core::from_unix_ms(time_ms)); }

}  // namespace

Result<core::net::Request> make_request(const RemoteWriteConfig& config, std::string body, std::uint64_t attempt) {
  core::net::Request request;
  request.method = "POST";
  request.repeatable = true;  // a sample that is there already is no harm
  request.url = config.url;
  request.timeout = config.remote_timeout;
  request.follow_redirects = config.http.follow_redirects;
  // The status says whether the samples are there; of the rest a part may be quoted. It must not be an error, as the
  // samples would be sent again.
  request.body_limit = kQuotedBodyBytesMax;
  request.cut_body = true;
  request.accept_gzip = false;
  request.headers = {{"Content-Encoding", "snappy"},
                     {"Content-Type", "application/x-protobuf"},
                     {"X-Prometheus-Remote-Write-Version", "0.1.0"}};
  if (attempt > 1) request.headers.emplace_back("Retry-Attempt", std::to_string(attempt - 1));
  for (const auto& [name, value] : config.headers) request.headers.emplace_back(name, value);
  if (auto applied = config.http.apply(request); !applied) return core::fail(applied.error());
  request.body = std::move(body);
  return request;
}

Remote::Remote(RemoteContext context, std::string name, RemoteWriteConfig config, core::ring::Labels external_labels,
               std::optional<SavedCursor> saved)
    : context_(std::move(context)),
      name_(std::move(name)),
      config_(std::move(config)),
      external_labels_(std::move(external_labels)),
      batches_(context_.reader, restore(saved)) {
  batches_.configure(settings_of(config_, external_labels_));
  const auto& queue = config_.queue_config;
  shards_ = repeated_ ? std::clamp(saved->shards, queue.min_shards, queue.max_shards) : queue.min_shards;
  status_.name = name_;
  status_.url = core::net::redact_url(config_.url);
  status_.shards = shards_;
  status_.shards_min = queue.min_shards;
  status_.shards_max = queue.max_shards;
  status_.capacity = queue.capacity;
  status_.samples_per_send_max = queue.max_samples_per_send;
  status_.covered_ms = covered_ms_;
}

SeriesCursors Remote::restore(const std::optional<SavedCursor>& saved) {
  const std::int64_t now_ms = context_.clock.unix_ms();
  covered_ms_ = saved ? saved->covered_ms : now_ms;
  SeriesCursors cursors(context_.reader, saved ? saved->start_ms : now_ms);
  if (!saved) return cursors;
  if (const auto restored = cursors.restore(saved->series); !restored) {
    // A clock that was wrong must not hide what is stored under right times.
    covered_ms_ = std::min(saved->covered_ms, now_ms);
    const std::int64_t from_ms = std::max(saved->start_ms, covered_ms_ - kLateness.count());
    log(LogLevel::kWarn,
        fmt::format("{}; samples since {} are sent again", restored.error().message, time_text(from_ms)));
    return {context_.reader, from_ms};
  }
  repeat_end_ms_ = saved->end_ms;
  repeated_ = repeat_end_ms_ != 0;
  return cursors;
}

void Remote::start() {
  // Even if nothing is ever sent: the next process must know from when on this one would have.
  save(repeat_end_ms_);
  looked_ = context_.clock.steady_now();
  schedule(context_.clock.steady_now());
}

void Remote::schedule(core::SteadyTime when) {
  timer_ = context_.strand.schedule_at(when, [self = weak_from_this()] {
    if (const auto remote = self.lock()) remote->tick();
  });
}

// The moment up to which a pass goes: the present, or a window past what is covered.
std::int64_t Remote::choose_end(std::int64_t now_ms, const core::ring::RingUsage& usage) {
  if (repeat_end_ms_ != 0) return std::exchange(repeat_end_ms_, 0);
  const std::int64_t from_ms = std::max(covered_ms_, std::min(usage.oldest_ms, now_ms));
  if (now_ms - from_ms > window_.count()) return from_ms + window_.count();
  // If the clock was set back, there are samples newer than now.
  return std::max(now_ms, usage.newest_ms);
}

void Remote::tick() {
  timer_ = 0;
  if (stopped_ || held_ || under_way_) return;
  const std::int64_t now_ms = context_.clock.unix_ms();
  const core::ring::RingUsage usage = context_.reader.usage();
  // A clock that was ahead has been set right, since the last look or, if there was none, lately.
  const core::SteadyTime now = context_.clock.steady_now();
  const core::Duration unwatched = std::max<core::Duration>(now - std::exchange(looked_, now), kLateness);
  covered_ms_ = std::min(covered_ms_, now_ms);
  if (now_ms < batches_.cursors().start_ms()) {
    batches_.set_back(now_ms - std::chrono::duration_cast<core::Millis>(unwatched).count());
  }
  if (caught_up_ && usage.samples_appended == appended_) {
    covered_ms_ = now_ms;
    note([&](RemoteStatus& status) { status.covered_ms = covered_ms_; });
    schedule(now + config_.queue_config.batch_send_deadline);
    return;
  }
  begin_pass(now_ms, usage);
}

void Remote::begin_pass(std::int64_t now_ms, const core::ring::RingUsage& usage) {
  ++pass_;
  under_way_ = true;
  retried_ = false;
  begun_ = context_.clock.steady_now();
  begun_ms_ = now_ms;
  appended_ = usage.samples_appended;
  end_ms_ = choose_end(now_ms, usage);
  caught_up_ = end_ms_ >= now_ms;
  const core::Millis age_limit = config_.queue_config.sample_age_limit;
  const std::int64_t cutoff_ms =
      age_limit > core::Millis(0) ? now_ms - age_limit.count() : std::numeric_limits<std::int64_t>::min();
  // Saved before the list is looked at anew, and before anything is read.
  save(end_ms_);
  Loss gone =
      batches_.begin({.end_ms = end_ms_, .oldest_ms = usage.oldest_ms, .cutoff_ms = cutoff_ms, .lanes = shards_});
  // Series that are given up had ended, as a rule; if the ring is past what was sent, they were lost.
  if (usage.oldest_ms > covered_ms_ && gone.series > 0) {
    gone.from_ms = covered_ms_;
    note_losses(gone);
  }
  lanes_.clear();
  for (std::uint64_t i = 0; i < shards_; ++i) lanes_.emplace_back(config_.queue_config);
  note([&](RemoteStatus& status) {
    status.series = batches_.cursors().series().size();
    status.shards = shards_;
  });
  for (std::size_t lane = 0; lane < lanes_.size(); ++lane) advance(lane);
  finish_if_done();
}

// Reads ahead as far as `capacity` goes, and sends if nothing is being sent.
void Remote::advance(std::size_t index) {
  Lane& lane = lanes_[index];
  const auto& queue = config_.queue_config;
  const std::uint64_t waiting = std::max<std::uint64_t>(1, queue.capacity / queue.max_samples_per_send);
  while (!lane.read && !held_ && lane.ready.size() < waiting + 1) {
    auto batch = batches_.next(index);
    if (!batch) {
      lane.read = true;
      break;
    }
    note([&](RemoteStatus& status) { status.samples_pending += batch->samples; });
    lane.ready.push_back(std::move(*batch));
    // The first one goes while the others are read.
    if (lane.attempt == 0) send(index);
  }
  if (lane.attempt == 0 && !lane.ready.empty()) send(index);
}

void Remote::send(std::size_t index) {
  Lane& lane = lanes_[index];
  if (held_) return;
  const Batch& batch = lane.ready.front();
  ++lane.attempt;
  lane.sent_at = context_.clock.steady_now();
  note([&](RemoteStatus& status) {
    status.samples_sent += batch.samples;
    status.bytes += batch.body.size();
    ++status.requests;
  });
  const auto answer = [self = weak_from_this(), strand = &context_.strand, pass = pass_, index](auto result) {
    strand->post([self, pass, index, answered = std::move(result)] {
      if (const auto remote = self.lock()) remote->answered(pass, index, answered);
    });
  };
  auto request = make_request(config_, batch.body, lane.attempt);
  if (!request) {
    // A secret that is being replaced, say: later it may be there.
    answer(Result<Response>(core::fail(core::Errc::kUnavailable, "{}", request.error().message)));
    return;
  }
  ++in_flight_;
  lane.transfer = context_.http.send(std::move(*request), answer);
}

void Remote::answered(std::uint64_t pass, std::size_t index, const Result<Response>& answer) {
  if (stopped_ || pass != pass_ || index >= lanes_.size()) return;
  Lane& lane = lanes_[index];
  if (lane.ready.empty() || lane.attempt == 0) return;
  if (std::exchange(lane.transfer, 0) != 0) --in_flight_;
  const core::SteadyTime now = context_.clock.steady_now();
  const Verdict verdict = judge(answer, config_.queue_config.retry_on_http_429, context_.clock.wall_now());
  note([&](RemoteStatus& status) {
    status.request_seconds += std::chrono::duration<double>(now - lane.sent_at).count();
    status.last_error = verdict.why;
    if (verdict.kind == Verdict::Kind::kDone) status.last_success_ms = context_.clock.unix_ms();
  });
  if (verdict.kind == Verdict::Kind::kRetry) return retry(index, verdict);
  const Batch batch = std::move(lane.ready.front());
  lane.ready.pop_front();
  lane.attempt = 0;
  lane.backoff.reset();
  if (verdict.kind == Verdict::Kind::kDone) {
    took(batch, verdict);
  } else {
    dropped(batch, verdict);
  }
  note([&](RemoteStatus& status) {
    status.samples_pending -= batch.samples;
    status.newest_sent_ms = std::max(status.newest_sent_ms, batch.newest_ms);
  });
  advance(index);
  finish_if_done();
}

void Remote::took(const Batch& batch, const Verdict& verdict) {
  const std::uint64_t written = std::min(verdict.written.value_or(batch.samples), batch.samples);
  note([&](RemoteStatus& status) {
    status.samples_taken += written;
    status.samples_failed += batch.samples - written;
  });
  if (written < batch.samples) {
    log(LogLevel::kError, fmt::format("of {} samples the receiver says it took {}", batch.samples, written));
  }
  if (std::exchange(failing_, false)) log(LogLevel::kInfo, "requests succeed again");
}

void Remote::dropped(const Batch& batch, const Verdict& verdict) {
  // A receiver that refuses samples it has, as Prometheus does out of order, refuses a request that it took before.
  if (repeated_ && (verdict.status == 400 || verdict.status == 409)) {
    note([&](RemoteStatus& status) { status.samples_repeated += batch.samples; });
    return;
  }
  note([&](RemoteStatus& status) { status.samples_failed += batch.samples; });
  const core::SteadyTime now = context_.clock.steady_now();
  if (std::exchange(drop_was_said_, true) && now - drop_said_ < kDropSaidEvery) return;
  drop_said_ = now;
  log(LogLevel::kError, fmt::format("non-recoverable error: {} samples are dropped: {}", batch.samples, verdict.why));
}

void Remote::retry(std::size_t index, const Verdict& verdict) {
  Lane& lane = lanes_[index];
  retried_ = true;
  note([&](RemoteStatus& status) { status.samples_retried += lane.ready.front().samples; });
  if (!std::exchange(failing_, true)) {
    log(LogLevel::kWarn, fmt::format("Failed to send batch, retrying: {}", verdict.why));
  }
  if (held_) return;
  const core::Duration wait = lane.backoff.wait(verdict.wait);
  lane.timer =
      context_.strand.schedule_at(context_.clock.steady_now() + wait, [self = weak_from_this(), pass = pass_, index] {
        const auto remote = self.lock();
        if (!remote || remote->stopped_ || pass != remote->pass_) return;
        remote->lanes_[index].timer = 0;
        remote->drop_aged(index);
      });
}

// Before each further attempt: what waited too long does not go.
void Remote::drop_aged(std::size_t index) {
  Lane& lane = lanes_[index];
  const core::Millis limit = config_.queue_config.sample_age_limit;
  if (limit > core::Millis(0)) {
    Batch& batch = lane.ready.front();
    const std::uint64_t dropped = batch.drop_older(context_.clock.unix_ms() - limit.count());
    note([&](RemoteStatus& status) {
      status.samples_too_old += dropped;
      status.samples_pending -= dropped;
    });
    if (batch.samples == 0) {
      lane.ready.pop_front();
      lane.attempt = 0;
      lane.backoff.reset();
      advance(index);
      return finish_if_done();
    }
  }
  send(index);
}

void Remote::finish_if_done() {
  if (!under_way_ || held_) return;
  for (const Lane& lane : lanes_) {
    if (!lane.read || !lane.ready.empty()) return;
  }
  under_way_ = false;
  repeated_ = false;
  cover();
  // Whoever goes on from here has nothing to repeat.
  save(0);
  note_losses(batches_.take_loss());
  const std::uint64_t too_old = batches_.take_too_old();
  note([&](RemoteStatus& status) {
    status.covered_ms = covered_ms_;
    status.samples_too_old += too_old;
    status.series_dropped = batches_.series_dropped();
  });
  const core::SteadyTime now = context_.clock.steady_now();
  adapt(now - begun_);
  // In the past at once, and in the present when it is time.
  schedule(caught_up_ ? std::max(now, begun_ + config_.queue_config.batch_send_deadline) : now);
}

// What was in the ring when the pass began, up to its end, is sent now.
void Remote::cover() {
  covered_ms_ = std::max(covered_ms_, std::min(end_ms_, begun_ms_));
  batches_.skip_dropped(end_ms_);
}

// More time a pass, and more requests at once, as long as there is a past to catch up with and nothing fails.
void Remote::adapt(core::Duration took) {
  const auto& queue = config_.queue_config;
  if (!caught_up_) {
    if (took < kPassWanted) window_ = std::min(window_ * 2, kWindowMax);
    if (took > kPassWanted * 4) window_ = std::max(window_ / 2, kWindowMin);
  }
  if (retried_) return;
  const core::Duration deadline = queue.batch_send_deadline;
  const bool slow = caught_up_ ? took > deadline * 4 / 5 : took > kPassWanted;
  if (slow) {
    shards_ = std::min(shards_ * 2, queue.max_shards);
  } else if (caught_up_ && took < deadline / 4) {
    shards_ = std::max((shards_ + 1) / 2, queue.min_shards);
  }
}

void Remote::note_losses(Loss loss) {
  if (loss.series == 0) return;
  note([&](RemoteStatus& status) {
    status.overwritten_samples += loss.samples;
    status.overwritten_series += loss.series;
    status.overwritten_from_ms = loss.from_ms;
    status.overwritten_to_ms = loss.to_ms;
  });
  log(LogLevel::kError,
      fmt::format("the ring overwrote samples of {} series (about {}) between {} and {} before they could be sent",
                  loss.series, loss.samples, time_text(loss.from_ms), time_text(loss.to_ms)));
}

SavedCursor Remote::cursor(std::int64_t end_ms) const {
  return {.start_ms = batches_.cursors().start_ms(),
          .covered_ms = covered_ms_,
          .end_ms = end_ms,
          .shards = shards_,
          .series = batches_.cursors().save()};
}

void Remote::save(std::int64_t end_ms) {
  const auto saved = context_.store.save(name_, cursor(end_ms));
  if (saved) return;
  note([](RemoteStatus& status) { ++status.cursor_failures; });
  log(LogLevel::kError, fmt::format("the cursor cannot be stored: {}", saved.error().message));
}

SavedCursor Remote::stop() {
  stopped_ = true;
  if (timer_ != 0) context_.strand.cancel(timer_);
  bool left = false;
  for (Lane& lane : lanes_) {
    if (lane.timer != 0) context_.strand.cancel(lane.timer);
    if (lane.transfer != 0) context_.http.cancel(lane.transfer);
    left = left || !lane.read || !lane.ready.empty();
    for (auto batch = lane.ready.rbegin(); batch != lane.ready.rend(); ++batch) batches_.take_back(*batch);
    lane.ready.clear();
  }
  const std::int64_t end_ms = under_way_ && left ? end_ms_ : repeat_end_ms_;
  if (under_way_ && !left) cover();
  save(end_ms);
  return cursor(end_ms);
}

RemoteStatus Remote::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

void Remote::log(LogLevel level, const std::string& text) {
  if (context_.log) context_.log(level, fmt::format("remote write {}: {}", name_, text));
}

}  // namespace collector::remote_write

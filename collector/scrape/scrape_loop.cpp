// SPDX-License-Identifier: Apache-2.0
#include "collector/scrape/scrape_loop.h"

#include <algorithm>
#include <utility>

#include "collector/scrape/negotiation.h"
#include "core/check.h"

namespace collector::scrape {
namespace {

// A scrape this much behind its ideal instant, or a hundredth of the interval if that is less, is dated to it
// (Prometheus, scrape/scrape.go, ScrapeTimestampTolerance): equal distances compress to nothing.
constexpr core::Duration kToleranceMax = std::chrono::milliseconds(2);
// How long an ending waits for room in the shard's queue.
constexpr core::Duration kRetryAfter = std::chrono::seconds(1);
constexpr std::string_view kOverSize = "body size limit exceeded";
// Of what a target says about itself, in an error that is kept.
constexpr std::size_t kErrorBytesMax = 2048;

std::uint64_t add(std::atomic<std::uint64_t>& counter, std::uint64_t by = 1) {
  return counter.fetch_add(by, std::memory_order_relaxed);
}

// What may be shown to a person and put into JSON: a target's words are part of it.
std::string presentable(std::string text) {
  if (text.size() > kErrorBytesMax) {
    text.resize(kErrorBytesMax);
    // Not half a rune.
    while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xc0) == 0x80) text.pop_back();
    if (!text.empty() && static_cast<unsigned char>(text.back()) >= 0xc0) text.pop_back();
    text += "...";
  }
  return core::ring::is_valid_utf8(text) ? text : core::ring::go_quote(text);
}

// Seconds in the shortest form: 10, 1.5.
std::string format_seconds(core::Millis duration) {
  return fmt::format("{}", std::chrono::duration<double>(duration).count());
}

}  // namespace

std::string_view to_string(Health health) {
  switch (health) {
    case Health::kUnknown:
      return "unknown";
    case Health::kUp:
      return "up";
    case Health::kDown:
      return "down";
  }
  return "unknown";
}

ScrapeLoop::ScrapeLoop(const LoopContext& context, Shard& shard, std::shared_ptr<const Job> job, Target target,
                       std::string limit_error)
    : context_(context),
      shard_(&shard),
      job_(std::move(job)),
      target_(std::move(target)),
      limit_error_(std::move(limit_error)),
      series_(std::make_shared<TargetSeries>(job_, target_, context.memory)) {
  status_.target = target_;
  status_.scrape_pool = job_->config.job_name;
}

void ScrapeLoop::take_over(ScrapeLoop& before) {
  CHECK(before.stopped_ && !started_, "series have one loop at a time");
  TargetStatus status = before.status();
  status.target = target_;
  status_ = std::move(status);
  series_ = before.series_;
  shard_ = before.shard_;
  // Behind whatever the old loop still has in the queue. Without room the series go on as they were until a restart.
  if (!shard_->post([series = series_, job = job_, timeout = target_.timeout](core::ring::Appender&) {
        series->adopt(job, timeout);
      })) {
    add(context_.stats.queue_full);
  }
}

void ScrapeLoop::start(std::uint64_t seed) {
  CHECK(!started_, "a loop starts once");
  started_ = true;
  const auto interval = std::chrono::duration_cast<core::Duration>(target_.interval).count();
  const auto phase = static_cast<std::int64_t>((target_.hash() ^ seed) % static_cast<std::uint64_t>(interval));
  const std::int64_t now = context_.clock.wall_now().time_since_epoch().count();
  const std::int64_t into = ((now % interval) + interval) % interval;
  const std::int64_t delay = (phase - into + interval) % interval;
  next_tick_ = context_.clock.steady_now() + core::Duration(delay);
  schedule_tick();
}

void ScrapeLoop::schedule_tick() {
  timer_ = context_.scheduler.schedule_at(next_tick_, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->tick();
  });
}

void ScrapeLoop::tick() {
  if (stopped_) return;
  // Ticks that were missed are not made up for.
  const core::SteadyTime now = context_.clock.steady_now();
  const auto late = now > next_tick_ ? (now - next_tick_) / target_.interval : 0;
  add(context_.stats.missed_ticks, static_cast<std::uint64_t>(late));
  next_tick_ += (late + 1) * target_.interval;
  schedule_tick();
  for (Flight flight = flight_.load(std::memory_order_acquire); flight != Flight::kNone;) {
    if (flight == Flight::kOneAndTickWaits) {
      add(context_.stats.missed_ticks);
      return;
    }
    if (flight_.compare_exchange_weak(flight, Flight::kOneAndTickWaits, std::memory_order_acq_rel)) return;
  }
  scrape();
}

std::int64_t ScrapeLoop::aligned_time_ms() {
  const core::WallTime now = context_.clock.wall_now();
  const core::Duration tolerance = std::min<core::Duration>(target_.interval / 100, kToleranceMax);
  if (!grid_ || now < *grid_) {
    // The first scrape, or the wall clock was set back: a new grid.
    grid_ = now;
  } else {
    *grid_ += (now - *grid_) / target_.interval * target_.interval;
  }
  return core::to_unix_ms(now - *grid_ <= tolerance ? *grid_ : now);
}

core::net::Request ScrapeLoop::make_request() const {
  const ScrapeConfig& config = job_->config;
  core::net::Request request;
  request.url = target_.url;
  request.timeout = target_.timeout;
  // A body of exactly the limit is too large already.
  request.body_limit = config.body_size_limit.bytes == 0 ? kBodyBytesMax : config.body_size_limit.bytes - 1;
  request.accept_gzip = config.enable_compression;
  request.accept_zstd = config.enable_compression && config.enable_zstd;
  request.unpack = false;  // on the shard: a bomb must not stop the loop
  request.only_ok_body = true;
  request.budget = context_.memory.bodies;
  request.headers.emplace_back("Accept", accept_header(*config.scrape_protocols, *config.metric_name_escaping_scheme));
  if (!config.enable_compression) request.headers.emplace_back("Accept-Encoding", "identity");
  request.headers.emplace_back("X-Prometheus-Scrape-Timeout-Seconds", format_seconds(target_.timeout));
  return request;
}

void ScrapeLoop::scrape() {
  flight_.store(Flight::kOne, std::memory_order_release);
  fetch_ = Fetch{};
  fetch_.started = context_.clock.steady_now();
  fetch_.time_ms = aligned_time_ms();
  if (!request_) request_ = make_request();
  core::net::Request wanted = *request_;
  if (limit_error_.empty()) {
    const auto applied = job_->config.http.apply(wanted);
    if (applied) {
      wanted.buffer = context_.buffers.take();
      transfer_ = context_.http.send(std::move(wanted), [weak = weak_from_this()](core::Result<core::net::Response> r) {
        if (const auto self = weak.lock()) self->fetched(std::move(r));
      });
      return;
    }
    fetch_.error = applied.error().message;
  } else {
    fetch_.error = limit_error_;
  }
  ingest(std::move(fetch_));
}

void ScrapeLoop::fetched(core::Result<core::net::Response> response) {
  transfer_ = 0;
  if (stopped_) return;
  fetch_.body_limit = request_->body_limit;
  if (!response) {
    fetch_.over_size = response.error().message.ends_with(kOverSize);
    fetch_.over_memory = response.error().message.starts_with(core::kNoMemoryLeft);
    fetch_.error = fetch_.over_size ? std::string(kOverSize) : response.error().message;
  } else if (response->status != 200) {
    fetch_.error = fmt::format("server returned HTTP status {}{}{}", response->status,
                               response->reason.empty() ? "" : " ", response->reason);
    context_.buffers.give_back(std::move(response->body));
  } else if (response->body.empty() && job_->config.enable_compression &&
             core::net::find_header(response->headers, "Content-Encoding") == "gzip") {
    fetch_.error = "EOF";  // a gzip stream is never empty, and an empty body would be a good scrape of nothing
  } else {
    fetch_.content_type = core::net::find_header(response->headers, "Content-Type");
    fetch_.body = std::move(response->body);
    fetch_.coding = response->coding;
    fetch_.hold = std::move(response->hold);
  }
  ingest(std::move(fetch_));
}

void ScrapeLoop::ingest(Fetch fetch) {
  const auto shared = std::make_shared<Fetch>(std::move(fetch));
  const bool large = cost_.load(std::memory_order_acquire) == Cost::kMuch || shared->body.size() > kSmallBodyBytesMax;
  if (large && context_.large != nullptr && shard_ != context_.large) return move(shared);
  post(shared);
}

void ScrapeLoop::post(const std::shared_ptr<Fetch>& fetch) {
  const Shard::Task task = [self = shared_from_this(), shard = shard_, fetch](core::ring::Appender& appender) {
    self->take_in(appender, *shard, fetch);
  };
  if (run_here(*fetch, task)) return;
  if (!shard_->post(task)) refuse(fetch->time_ms);
}

bool ScrapeLoop::run_here(const Fetch& fetch, const Shard::Task& task) {
  if (cost_.load(std::memory_order_acquire) != Cost::kLittle || fetch.body.size() > kHereBodyBytesMax) return false;
  const core::SteadyTime begun = context_.clock.steady_now();
  if (!context_.reading_time.has_left(begun) || !shard_->run_here(task)) return false;
  context_.reading_time.spend(context_.clock.steady_now() - begun);
  return true;
}

// Its shard lets go of the series first; then this thread, which alone decides where they are, hands them on. Until the
// scrape ends there is no other.
void ScrapeLoop::move(const std::shared_ptr<Fetch>& fetch) {
  const bool posted = shard_->post([self = shared_from_this(), fetch](core::ring::Appender& appender) {
    self->series_->close(appender);
    self->context_.scheduler.post([self, fetch] { self->moved(fetch); });
  });
  if (!posted) refuse(fetch->time_ms);
}

void ScrapeLoop::moved(const std::shared_ptr<Fetch>& fetch) {
  // Stopped meanwhile, it has no series any more or another loop has.
  if (stopped_) return;
  shard_ = context_.large;
  add(context_.stats.moved);
  post(fetch);
}

// On the shard, or in its place.
void ScrapeLoop::take_in(core::ring::Appender& appender, Shard& shard, const std::shared_ptr<Fetch>& fetch) {
  const bool may_move = context_.large != nullptr && &shard != context_.large;
  const core::Duration before = may_move ? context_.cpu_time() : core::Duration::zero();
  if (!unpack(*fetch, may_move ? kSmallBodyBytesMax : fetch->body_limit)) {
    series_->close(appender);
    context_.scheduler.post([self = shared_from_this(), fetch] { self->moved(fetch); });
    return;
  }
  const ScrapeReport report = series_->ingest(appender, context_.clock, *fetch, shard.scratch());
  context_.buffers.give_back(std::move(fetch->body));
  fetch->hold.reset();
  if (may_move) judge(context_.cpu_time() - before);
  note(*fetch, report);
  end_scrape();
}

void ScrapeLoop::judge(core::Duration spent) {
  // relaxed: only who takes in a scrape stores it, and there is one at a time.
  if (cost_.load(std::memory_order_relaxed) == Cost::kMuch) return;
  const Cost cost = spent > kSmallCpuMax ? Cost::kMuch : spent > kHereCpuMax ? Cost::kUsual : Cost::kLittle;
  cost_.store(cost, std::memory_order_release);
}

// False if the body unpacks to more than `limit` bytes and yet may be within its own; it stays packed then.
bool ScrapeLoop::unpack(Fetch& fetch, std::uint64_t limit) {
  if (fetch.coding == core::net::Coding::kIdentity) return true;
  std::string text = context_.buffers.take();
  const auto done = core::net::decompress(fetch.coding, fetch.body, std::min(limit, fetch.body_limit), text);
  const bool too_large = !done && done.error().code == core::Errc::kLimitExceeded;
  if (too_large && limit < fetch.body_limit) {
    context_.buffers.give_back(std::move(text));
    return false;
  }
  if (!done) {
    fetch.over_size = too_large;
    fetch.error = done.error().message;
    text.clear();
  }
  fetch.coding = core::net::Coding::kIdentity;
  fetch.body.swap(text);
  fetch.hold.reset();
  context_.buffers.give_back(std::move(text));
  return true;
}

void ScrapeLoop::refuse(std::int64_t time_ms) {
  add(context_.stats.queue_full);
  Fetch refused;
  refused.time_ms = time_ms;
  ScrapeReport report;
  report.error = "the collector is overloaded: its queue is full";
  note(refused, report);
  end_scrape();
}

void ScrapeLoop::note(const Fetch& fetch, const ScrapeReport& report) {
  ScrapeStats& stats = context_.stats;
  add(stats.scrapes);
  if (!report.error.empty()) add(stats.failures);
  add(stats.samples, report.scraped);
  add(stats.out_of_order, report.out_of_order);
  add(stats.duplicates, report.duplicates);
  add(stats.out_of_bounds, report.out_of_bounds);
  add(stats.series_refused, report.series_refused);
  add(stats.tolerated, report.tolerated);
  add(stats.families_refused, report.families_refused);
  if (fetch.over_size) add(stats.over_size);
  if (fetch.over_memory || report.over_memory) add(stats.over_memory);
  {
    const std::lock_guard lock(status_mutex_);
    status_.last_error = presentable(report.error);
    status_.last_scrape = core::from_unix_ms(fetch.time_ms);
    status_.last_duration = report.duration;
    status_.health = report.error.empty() ? Health::kUp : Health::kDown;
    status_.last_report = report;
  }
  if (context_.on_arrival) {
    context_.on_arrival(
        {std::string(target_.labels.get("job")), std::string(target_.labels.get("instance")), fetch.time_ms});
  }
}

// Any thread. The loop's own is woken only if it has something to do.
void ScrapeLoop::end_scrape() {
  Flight flight = Flight::kOne;
  if (flight_.compare_exchange_strong(flight, Flight::kNone, std::memory_order_acq_rel)) return;
  context_.scheduler.post([self = shared_from_this()] { self->done(); });
}

void ScrapeLoop::done() {
  flight_.store(Flight::kNone, std::memory_order_release);
  if (!stopped_) scrape();
}

void ScrapeLoop::update(const core::ring::Labels& discovered, const std::string& limit_error) {
  limit_error_ = limit_error;
  const std::lock_guard lock(status_mutex_);
  status_.target.discovered = discovered;
}

TargetStatus ScrapeLoop::status() const {
  const std::lock_guard lock(status_mutex_);
  return status_;
}

void ScrapeLoop::halt() {
  stopped_ = true;
  context_.scheduler.cancel(timer_);
  if (transfer_ != 0) context_.http.cancel(std::exchange(transfer_, 0));
}

void ScrapeLoop::hand_over() { halt(); }

void ScrapeLoop::abandon() {
  halt();
  ended_ = true;
}

void ScrapeLoop::stop(Ending ending) {
  if (stopped_) return;
  halt();
  if (ending == Ending::kSilent) {
    wait_to_end(context_.clock.steady_now(), 0);
    return;
  }
  // The marker's time is that of the tick which does not come; it is written a tick and a tenth later, so that a target
  // which only moved to another loop has newer samples by then.
  timer_ = context_.scheduler.schedule_at(next_tick_, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    const core::Duration interval = self->target_.interval;
    self->wait_to_end(self->next_tick_ + interval + interval / 10, self->context_.clock.unix_ms());
  });
}

void ScrapeLoop::wait_to_end(core::SteadyTime when, std::int64_t marker_ms) {
  timer_ = context_.scheduler.schedule_at(when, [weak = weak_from_this(), marker_ms] {
    const auto self = weak.lock();
    if (!self || self->ended_) return;
    self->ended_ = self->shard_->post([series = self->series_, marker_ms](core::ring::Appender& appender) {
      if (marker_ms != 0) series->end(appender, marker_ms);
      series->close(appender);
    });
    if (!self->ended_) self->wait_to_end(self->context_.clock.steady_now() + kRetryAfter, marker_ms);
  });
}

}  // namespace collector::scrape

// SPDX-License-Identifier: Apache-2.0
#include "agent/wiring/agent.h"

#include <signal.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "agent/api/endpoints.h"
#include "agent/metrics/metric_text.h"
#include "agent/wiring/log.h"
#include "agent/wiring/self_metrics.h"
#include "agent/wiring/service_notify.h"

namespace agent {
namespace {

using core::Errc;
using core::fail;
using core::Result;

// Reloads that wait for their turn; a person presses the button a second time at most.
constexpr std::size_t kReloadsMax = 16;
// Beyond three intervals and this, rules that are not evaluated are stuck: a query's own timeout is two minutes.
constexpr core::Duration kEvaluationPatience = std::chrono::minutes(3);

// The host of a link: an address that means "every address" is none.
std::string external_url_of(const LoadedConfig& config, const ListenAddress& address) {
  if (!config.settings.api.external_url.empty()) return config.settings.api.external_url;
  ListenAddress shown = address;
  if (shown.host == "0.0.0.0" || shown.host == "::") shown.host = "localhost";
  return "http://" + shown.to_string();
}

core::Error one_error(const ConfigErrors& errors) {
  core::Error error = errors.front();
  for (std::size_t i = 1; i < errors.size(); ++i) error.message += "\n" + errors[i].message;
  return error;
}

// What a reload cannot change.
void warn_of_restart(const LoadedConfig& now, const LoadedConfig& before) {
  if (now.settings.ring != before.settings.ring) spdlog::warn("ring: a change takes effect at the next start");
  if (now.settings.api != before.settings.api) spdlog::warn("api: a change takes effect at the next start");
}

}  // namespace

Agent::Agent(const core::Clock& clock, LoadedConfigPtr config, DataDir data, std::unique_ptr<HttpServer> server)
    : clock_(clock),
      started_(clock.wall_now()),
      data_(std::move(data)),
      server_(std::move(server)),
      external_url_(external_url_of(*config, server_->address())),
      query_gate_(config->settings.api.query_max_concurrency,
                  kQueryThreadsMax - config->settings.api.query_max_concurrency),
      last_progress_(clock.steady_now()),
      config_(std::move(config)),
      configured_(started_) {}

Result<std::unique_ptr<Agent>> Agent::start(const AgentOptions& options, LoadedConfigPtr config,
                                            const core::Clock& clock) {
  auto address = parse_listen_address(config->settings.api.listen);
  if (!address) return fail(address.error().with_context("api: listen"));
  auto data = DataDir::open(options.data_dir);
  if (!data) return fail(data.error());
  // The address before any store: an agent that cannot be reached must not act either.
  auto server = HttpServer::bind(options.listen.value_or(*address), clock);
  if (!server) return fail(server.error());

  std::unique_ptr<Agent> agent(new Agent(clock, std::move(config), std::move(*data), std::move(*server)));
  auto components = Components::open(*agent->config_, agent->data_, clock, agent->external_url_);
  if (!components) return fail(components.error());
  agent->components_ = std::move(*components);
  agent->watch_signals();
  if (auto started = agent->components_->start(*agent->config_, agent->external_url_); !started) {
    return fail(started.error());
  }
  agent->router_.emplace(make_router(
      *agent, agent->config_->settings.api.allow_remote_changes ? RemoteChanges::kAllowed : RemoteChanges::kRefused));
  agent->server_->serve(*agent->router_);
  agent->ready_ = true;
  agent->pet_watchdog();
  return agent;
}

Agent::~Agent() {
  ready_ = false;
  stopping_.request_stop();
  server_->stop();
}

void Agent::watch_signals() {
  components_->loop().on_signals({SIGTERM, SIGINT, SIGHUP}, [this](int signal) {
    if (signal != SIGHUP) {
      spdlog::info("signal {}: stopping", signal);
      stop();
      return;
    }
    const std::lock_guard lock(mutex_);
    if (reloads_.size() < kReloadsMax) reloads_.push_back(std::make_shared<ReloadAnswer>());
    ordered_.notify_one();
  });
}

// True while rules are evaluated, or there is nothing to evaluate.
bool Agent::evaluation_progresses() {
  const core::SteadyTime now = clock_.steady_now();
  const std::uint64_t evaluations = components_->rules().counters().evaluations.load(std::memory_order_relaxed);
  core::Millis shortest = core::Millis::max();
  for (const auto& group : components_->rules().groups()) {
    if (!group->rules.empty()) shortest = std::min(shortest, group->interval);
  }
  if (evaluations != last_evaluations_ || shortest == core::Millis::max()) {
    last_evaluations_ = evaluations;
    last_progress_ = now;
  }
  return shortest == core::Millis::max() || now - last_progress_ < 3 * shortest + kEvaluationPatience;
}

void Agent::pet_watchdog() {
  const auto interval = watchdog_interval();
  if (!interval) return;
  components_->loop().post([this, every = *interval / 3] {
    // On the loop's thread: that this runs at all is half of the proof.
    if (evaluation_progresses()) {
      notify_watchdog();
    } else {
      spdlog::error("no rule was evaluated for {} s: the watchdog is left alone",
                    std::chrono::duration_cast<std::chrono::seconds>(clock_.steady_now() - last_progress_).count());
    }
    components_->loop().schedule_after(clock_, every, [this] { pet_watchdog(); });
  });
}

void Agent::stop() {
  const std::lock_guard lock(mutex_);
  stop_ordered_ = true;
  ordered_.notify_one();
}

void Agent::run() {
  notify_ready();
  spdlog::info("ready on http://{}/ with {} jobs and {} rule groups", server_->address().to_string(),
               config()->jobs.size(), config()->rule_groups.size());
  while (true) {
    std::shared_ptr<ReloadAnswer> reload;
    {
      std::unique_lock lock(mutex_);
      ordered_.wait(lock, [this] { return stop_ordered_ || !reloads_.empty(); });
      if (stop_ordered_) break;
      reload = std::move(reloads_.front());
      reloads_.pop_front();
    }
    reload->set_value(carry_out_reload());
  }
  notify_stopping();
  ready_ = false;
  stopping_.request_stop();
  {
    const std::lock_guard lock(mutex_);
    for (const auto& reload : reloads_) reload->set_value(fail(Errc::kUnavailable, "the agent is stopping"));
    reloads_.clear();
  }
  server_->stop();
  components_->stop();
  spdlog::info("stopped");
}

Result<void> Agent::reload() {
  std::future<Result<void>> answer;
  {
    const std::lock_guard lock(mutex_);
    if (stop_ordered_) return fail(Errc::kUnavailable, "the agent is stopping");
    if (reloads_.size() >= kReloadsMax) return fail(Errc::kLimitExceeded, "{} reloads wait already", kReloadsMax);
    reloads_.push_back(std::make_shared<ReloadAnswer>());
    answer = reloads_.back()->get_future();
    ordered_.notify_one();
  }
  return answer.get();
}

Result<void> Agent::carry_out_reload() {
  notify_reloading(clock_);
  const Result<void> done = load_and_swap();
  {
    const std::lock_guard lock(mutex_);
    reload_error_ = done ? std::string() : done.error().message;
  }
  if (done) {
    spdlog::info("configuration reloaded");
  } else {
    spdlog::error("configuration not reloaded, the old one stays: {}", done.error().message);
  }
  notify_ready();
  return done;
}

Result<void> Agent::load_and_swap() {
  const LoadedConfigPtr before = config();
  auto loaded = load_config(before->path);
  if (!loaded) return fail(one_error(loaded.error()));
  for (const std::string& warning : (*loaded)->warnings) spdlog::warn("{}", warning);
  if (auto done = components_->reconfigure(**loaded, *before, external_url_); !done) return done;
  warn_of_restart(**loaded, *before);
  set_up_log((*loaded)->settings.log);
  const std::lock_guard lock(mutex_);
  config_ = *loaded;
  configured_ = clock_.wall_now();
  return {};
}

rules::promql::EngineOptions Agent::engine_options() const {
  rules::promql::EngineOptions options = components_->engine_options();
  options.default_subquery_step = config()->settings.global.scrape.evaluation_interval;
  options.cache = &query_cache_;
  return options;
}

LoadedConfigPtr Agent::config() const {
  const std::lock_guard lock(mutex_);
  return config_;
}

AgentStatus Agent::status() const {
  AgentStatus status;
  status.started = started_;
  status.ready = ready_;
  status.listen = server_->address().to_string();
  if (const auto why = components_->notifier().status().degraded; !why.empty()) {
    status.degraded.push_back("notifications: " + why);
  }
  if (const auto why = components_->remediator().snapshot()->degraded; !why.empty()) {
    status.degraded.push_back("remediations: " + why);
  }
  if (const auto why = components_->drills().snapshot()->degraded; !why.empty()) status.degraded.push_back(why);
  if (const auto why = components_->ring().problem(); !why.empty()) status.degraded.push_back("ring: " + why);
  const std::lock_guard lock(mutex_);
  status.reload_successful = reload_error_.empty();
  status.reload_error = reload_error_;
  status.configured = configured_;
  return status;
}

RingStatus Agent::ring() const {
  const core::ring::MappedRing& ring = components_->ring();
  return {.usage = ring.reader().usage(), .recovery = ring.recovery(), .problem = ring.problem()};
}

std::string Agent::metrics() const {
  MetricText text;
  append_self_metrics(text, *this,
                      {.scrape = components_->pools().stats(),
                       .scrape_memory = components_->pools().memory(),
                       .expected = components_->expected(),
                       .probe_scrape = components_->probe_pools().stats(),
                       .probe = components_->prober().stats(),
                       .rules = components_->rules().counters(),
                       .flaps = components_->flap_damper().counters(),
                       .backup = components_->backups(),
                       .remedy = components_->remediator().stats(),
                       .evidence = components_->evidence().stats(),
                       .drills = components_->drills().stats(),
                       .replace = components_->rollouts().stats(),
                       .requests = server_->counts(),
                       .prepared = query_cache_.counts(),
                       .duty_store_failures = components_->duty_store_failures()});
  return text.str();
}

Result<void> Agent::approve(const std::string& run, const std::string& who, const std::string& plan) {
  return components_->remediator().approve(run, who, plan);
}

Result<void> Agent::reject(const std::string& run, const std::string& who) {
  return components_->remediator().reject(run, who);
}

Result<void> Agent::pause_automation(const std::string& reason, const std::string& who,
                                     const std::string& remediation) {
  return components_->remediator().pause(reason, who, remediation);
}

Result<void> Agent::resume_automation(const std::string& who, const std::string& remediation) {
  return components_->remediator().resume(who, remediation);
}

Result<void> Agent::run_backup(const std::string& name, const std::string& who) {
  return components_->ask_for_backup(name, who);
}

Result<void> Agent::order_rollout(actions::replace::Order order, const std::string& group, const std::string& who,
                                  const std::string& reason) {
  return components_->rollouts().carry_out(order, group, who, reason);
}

Result<void> Agent::verify_backup(const std::string& name, actions::backup::VerificationKind kind,
                                  const std::string& who) {
  return components_->ask_for_verification(name, kind, who);
}

}  // namespace agent

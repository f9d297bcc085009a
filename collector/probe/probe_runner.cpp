// SPDX-License-Identifier: Apache-2.0
#include "collector/probe/probe_runner.h"

#include <deque>
#include <mutex>
#include <unordered_map>

#include "collector/probe/attempt.h"
#include "collector/probe/side_thread.h"
#include "core/check.h"
#include "core/net/http_client.h"

namespace collector::probe {
namespace {

Prober prober_of(ProberKind kind) {
  switch (kind) {
    case ProberKind::kHttp:
      return probe_http;
    case ProberKind::kTcp:
      return probe_tcp;
    case ProberKind::kTls:
      return probe_tls;
    case ProberKind::kDns:
      return probe_dns;
    case ProberKind::kIcmp:
      return probe_icmp;
    case ProberKind::kNtp:
      return probe_ntp;
    case ProberKind::kUnix:
      return probe_unix;
    case ProberKind::kGrpc:
      return probe_grpc;
    case ProberKind::kCertificateFile:
      return probe_certificate_file;
    case ProberKind::kEc2Metadata:
      return probe_ec2_metadata;
    case ProberKind::kDocker:
      return probe_docker;
    case ProberKind::kCri:
      return probe_cri;
    case ProberKind::kKubernetes:
      return probe_kubernetes;
  }
  return probe_http;
}

constexpr int kFilesPendingMax = 64;
// Bodies of up to kRuledBodyMax that wait to be judged: what they take of memory.
constexpr int kBodiesPendingMax = 16;

core::net::HttpClientOptions client_options(const ProbeRunnerOptions& options) {
  core::net::HttpClientOptions client;
  client.user_agent = options.user_agent;
  client.max_in_flight = options.in_flight_max;
  client.max_idle_connections = 1;  // none is ever used again
  return client;
}

}  // namespace

core::Duration effective_timeout(core::Duration asked, core::Duration of_module, core::Duration offset) {
  const core::Duration most = asked - offset;
  if ((of_module > core::Duration::zero() && of_module < most) || most < core::Duration::zero()) return of_module;
  return most;
}

// Shared with what is posted to the loop, which may outlive the runner for a moment.
struct ProbeRunner::State : std::enable_shared_from_this<State> {
  State(core::net::IoLoop& its_loop, const core::Clock& its_clock, ProbeRunnerOptions its_options)
      : loop(its_loop),
        clock(its_clock),
        options(std::move(its_options)),
        http(core::net::make_http_client(loop, clock, client_options(options))),
        resolver(loop, clock, options.resolver),
        files(loop, clock, "probe-files", kFilesPendingMax),
        judges(loop, clock, "probe-rules", kBodiesPendingMax),
        services{loop, clock, *http, resolver, files, judges} {
    stats.in_flight_max = options.in_flight_max;
  }

  // A probe under way. Its task refers to the attempt, and goes first.
  struct Run {
    ProbeQuery query;
    std::function<void(ProbeResultPtr)> done;
    std::shared_ptr<const Modules> modules;
    core::WallTime started;
    core::Duration timeout{};
    std::unique_ptr<Attempt> attempt;
    core::Duration took{};
    core::RootTask task;
  };

  void begin(ProbeId id, ProbeQuery query, std::function<void(ProbeResultPtr)> done);
  core::RootTask carry_out(ProbeId id, Run& run);
  void end(ProbeId id);
  void record(const ProbeResultPtr& result);

  core::net::IoLoop& loop;
  const core::Clock& clock;
  const ProbeRunnerOptions options;
  std::unique_ptr<core::net::HttpClient> http;
  Resolver resolver;
  SideThread files;
  SideThread judges;
  Services services;
  ProbeStats stats;
  std::atomic<ProbeId> next_id{1};
  bool closed = false;                                     // confined to the loop's thread
  std::unordered_map<ProbeId, std::unique_ptr<Run>> runs;  // confined to the loop's thread

  mutable std::mutex mutex;
  std::shared_ptr<const Modules> modules;                                                           // guarded by mutex
  std::unordered_map<ProbeId, std::pair<ProbeQuery, std::function<void(ProbeResultPtr)>>> waiting;  // guarded by mutex
  std::deque<ProbeResultPtr> recent;    // guarded by mutex; newest first
  std::deque<ProbeResultPtr> failures;  // guarded by mutex; newest first
};

ProbeRunner::ProbeRunner(core::net::IoLoop& loop, const core::Clock& clock, ProbeRunnerOptions options)
    : state_(std::make_shared<State>(loop, clock, std::move(options))) {
  configure({});
}

ProbeRunner::~ProbeRunner() {
  state_->closed = true;
  state_->runs.clear();
  state_->http.reset();
}

void ProbeRunner::configure(Modules modules) {
  modules.try_emplace(std::string(kDefaultModule));
  Module certificates;
  certificates.prober = ProberKind::kCertificateFile;
  modules.try_emplace(std::string(kCertificateModule), std::move(certificates));
  auto shared = std::make_shared<const Modules>(std::move(modules));
  const std::lock_guard lock(state_->mutex);
  state_->modules = std::move(shared);
}

std::shared_ptr<const Modules> ProbeRunner::modules() const {
  const std::lock_guard lock(state_->mutex);
  return state_->modules;
}

bool ProbeRunner::has_module(const std::string& name) const { return modules()->contains(name); }

ProbeId ProbeRunner::run(ProbeQuery query, std::function<void(ProbeResultPtr)> done) {
  // relaxed: the ids need only differ.
  const ProbeId id = state_->next_id.fetch_add(1, std::memory_order_relaxed);
  if (state_->loop.on_loop_thread()) {
    // At once: a turn of the loop costs system calls. Its end is told in a later one all the same.
    if (!state_->closed) state_->begin(id, std::move(query), std::move(done));
    return id;
  }
  {
    const std::lock_guard lock(state_->mutex);
    state_->waiting.emplace(id, std::pair(std::move(query), std::move(done)));
  }
  state_->loop.post([weak = std::weak_ptr(state_), id] {
    const auto state = weak.lock();
    if (!state || state->closed) return;
    std::unique_lock lock(state->mutex);
    auto found = state->waiting.extract(id);
    lock.unlock();
    if (!found.empty()) state->begin(id, std::move(found.mapped().first), std::move(found.mapped().second));
  });
  return id;
}

void ProbeRunner::cancel(ProbeId id) {
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->waiting.erase(id) > 0) return;
  }
  const auto drop = [](State& state, ProbeId which) {
    if (state.runs.erase(which) > 0) state.stats.in_flight.fetch_sub(1, std::memory_order_relaxed);
  };
  if (state_->loop.on_loop_thread()) return drop(*state_, id);
  state_->loop.post([weak = std::weak_ptr(state_), id, drop] {
    if (const auto state = weak.lock()) drop(*state, id);
  });
}

void ProbeRunner::State::begin(ProbeId id, ProbeQuery query, std::function<void(ProbeResultPtr)> done) {
  auto run = std::make_unique<Run>();
  {
    const std::lock_guard lock(mutex);
    run->modules = modules;
  }
  run->query = std::move(query);
  run->done = std::move(done);
  run->started = clock.wall_now();
  const auto module = run->modules->find(run->query.module);
  const bool known = module != run->modules->end();
  static const Module none;
  const Module& used = known ? module->second : none;
  run->timeout = effective_timeout(run->query.timeout, used.timeout.value, run->query.timeout_offset);
  const core::SteadyTime now = clock.steady_now();
  run->attempt = std::make_unique<Attempt>(
      Attempt{services, used, run->query.target, run->query.hostname, now, now + run->timeout, run->query.traced, {}});
  if (!known)
    run->attempt->report.fail(Reason::kBadTarget, fmt::format("there is no module \"{}\"", run->query.module));
  if (runs.size() >= options.in_flight_max) {
    run->attempt->report.fail(Reason::kOverloaded, fmt::format("{} probes are under way already", runs.size()));
  }
  Run& own = *run;
  runs.emplace(id, std::move(run));
  stats.in_flight.fetch_add(1, std::memory_order_relaxed);
  own.task = carry_out(id, own);
  own.task.start();
}

core::RootTask ProbeRunner::State::carry_out(ProbeId id, Run& run) {
  Attempt& attempt = *run.attempt;
  if (!attempt.report.failed()) {
    try {
      co_await prober_of(attempt.module.prober)(attempt);
    } catch (const std::exception& exception) {  // out of memory, above all: this probe fails, the agent goes on
      attempt.report.fail(Reason::kInternal, exception.what());
    }
    if (run.timeout <= core::Duration::zero()) attempt.report.fail(Reason::kTimeout, "there is no time for a probe");
  }
  run.took = attempt.since(attempt.started);
  // Later, because the end of a run destroys this very task.
  loop.post([weak = weak_from_this(), id] {
    if (const auto state = weak.lock()) state->end(id);
  });
}

void ProbeRunner::State::end(ProbeId id) {
  auto found = runs.extract(id);
  if (found.empty()) return;
  Run& run = *found.mapped();
  auto result = std::make_shared<ProbeResult>();
  result->id = id;
  result->query = std::move(run.query);
  result->prober = run.attempt->module.prober;
  result->started = run.started;
  result->took = run.took;
  result->timeout = run.timeout;
  result->report = std::move(run.attempt->report);
  stats.in_flight.fetch_sub(1, std::memory_order_relaxed);
  stats.by_reason[static_cast<std::size_t>(result->report.failure().reason)].fetch_add(1, std::memory_order_relaxed);
  record(result);
  const auto done = std::move(run.done);
  found = {};
  done(result);
}

void ProbeRunner::State::record(const ProbeResultPtr& result) {
  const std::lock_guard lock(mutex);
  recent.push_front(result);
  if (recent.size() > kRecentMax) recent.pop_back();
  if (!result->report.failed()) return;
  failures.push_front(result);
  if (failures.size() > kFailuresMax) failures.pop_back();
}

ProbeHistory ProbeRunner::history() const {
  const std::lock_guard lock(state_->mutex);
  return {{state_->recent.begin(), state_->recent.end()}, {state_->failures.begin(), state_->failures.end()}};
}

const ProbeStats& ProbeRunner::stats() const { return state_->stats; }

}  // namespace collector::probe

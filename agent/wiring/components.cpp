// SPDX-License-Identifier: Apache-2.0
#include "agent/wiring/components.h"

#include <malloc.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <future>
#include <random>

#include "agent/api/status_api.h"
#include "agent/wiring/ring_file.h"

namespace agent {
namespace {

using core::Errc;
using core::fail;
using core::Result;

constexpr std::size_t kMaxShards = 4;
constexpr std::size_t kRuleThreads = 2;
constexpr int kBackupsAskedMax = 16;

// How often memory is given back while series come.
constexpr core::Duration kGiveBackEvery = std::chrono::seconds(30);

rules::promql::EngineOptions options_of(const LoadedConfig& config) {
  rules::promql::EngineOptions options;
  options.default_subquery_step = config.settings.global.scrape.evaluation_interval;
  options.lookback = config.settings.api.query_lookback_delta;
  options.timeout = config.settings.api.query_timeout;
  options.max_samples = config.settings.api.query_max_samples;
  return options;
}

actions::notify::NotifierSettings notifier_settings(const LoadedConfig& config, const std::string& external_url) {
  return {.notify = config.settings.notify(),
          .alerting = config.settings.alerting,
          .external_labels = config.external_labels,
          .external_url = external_url};
}

rules::RuleSettings rule_settings(const LoadedConfig& config, const std::string& external_url) {
  return {.evaluation_interval = config.settings.global.scrape.evaluation_interval,
          .query_offset = config.settings.global.scrape.rule_query_offset,
          .external_labels = config.external_labels,
          .external_url = external_url,
          .rules = config.settings.rules.evaluation};
}

void log_remote_write(collector::remote_write::LogLevel level, const std::string& text) {
  using collector::remote_write::LogLevel;
  const auto severity = level == LogLevel::kInfo   ? spdlog::level::info
                        : level == LogLevel::kWarn ? spdlog::level::warn
                                                   : spdlog::level::err;
  spdlog::log(severity, "{}", text);
}

collector::probe::ProbeRunnerOptions prober_options() {
  collector::probe::ProbeRunnerOptions options;
  options.user_agent = "Watchkeeper/" + build_info().version;
  return options;
}

std::string host_name() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? std::string(name.data()) : std::string();
}

// Uniform in [0, 1), for the spread of retries.
std::function<double()> make_jitter() {
  return [engine = std::mt19937_64(std::random_device{}()),
          spread = std::uniform_real_distribution<double>(0, 1)]() mutable { return spread(engine); };
}

}  // namespace

Components::Components(const LoadedConfig& config, const core::Clock& clock,
                       std::unique_ptr<core::ring::MappedRing> ring)
    : clock_(clock),
      loop_(clock),
      http_(core::net::make_http_client(loop_, clock)),
      dns_(core::net::make_dns_client(loop_)),
      folders_(collector::discovery::make_folder_watches(loop_)),
      prober_(std::make_unique<collector::probe::ProbeRunner>(loop_, clock, prober_options())),
      commands_(clock),
      ring_(std::move(ring)),
      engine_(ring_->reader(), clock, options_of(config)),
      strand_(clock, "notify"),
      remote_strand_(clock, "remote-write"),
      backup_requests_(clock, "backup-asked") {}

Components::~Components() {
  stop();
  // Nothing calls back any more; what refers to others goes before them.
  discoveries_.reset();
  remotes_.reset();
  expected_shard_.reset();
  observer_pools_.reset();
  chain_watch_.reset();
  chain_shard_.reset();
  observers_.reset();
  probe_pools_.reset();
  pools_.reset();
  host_shard_.reset();
  rules_.reset();
  rollouts_.reset();
  remediator_.reset();
  flap_damper_.reset();
  notifier_.reset();
}

Result<std::unique_ptr<Components>> Components::open(const LoadedConfig& config, const DataDir& data,
                                                     const core::Clock& clock, const std::string& external_url) {
  const auto path = ring_path(config.settings.ring, data.file("ring"));
  if (!path) return fail(path.error());
  auto ring = open_ring(config.settings.ring, *path);
  if (!ring) return fail(ring.error());
  std::unique_ptr<Components> components(new Components(config, clock, std::move(*ring)));
  if (auto opened = components->open_stores(config, data, external_url); !opened) return fail(opened.error());
  auto duties = components->keep_duties();
  if (!duties) return fail(duties.error());
  components->make_pools(std::move(*duties));
  components->make_discoveries();
  return components;
}

Result<void> Components::open_stores(const LoadedConfig& config, const DataDir& data, const std::string& external_url) {
  auto store = rules::AlertStore::open(data.file("alerts.db"));
  if (!store) return fail(store.error());
  alert_store_ = std::move(*store);

  if (auto opened = open_backups(config, data); !opened) return opened;

  auto notifier = actions::notify::Notifier::open(
      notifier_settings(config, external_url), {.database_path = data.file("notifications.db"), .outbox = {}},
      {.clock = clock_,
       .strand = strand_,
       .http = *http_,
       .jitter = make_jitter(),
       .delivered = [this](const std::string& receiver, auto alerts) { drills_->on_delivered(receiver, alerts); }});
  if (!notifier) return fail(notifier.error());
  notifier_ = std::move(*notifier);
  flap_damper_ = std::make_unique<actions::notify::FlapDamper>(clock_, strand_, *notifier_);
  flap_damper_->configure(config.settings.rules.notification_delay);

  auto remotes = collector::remote_write::RemoteWriter::open(data.file("remote_write.db"),
                                                             {.clock = clock_,
                                                              .strand = remote_strand_,
                                                              .http = *http_,
                                                              .reader = reader(),
                                                              .log = log_remote_write,
                                                              .metadata = [this] { return family_texts(); }});
  if (!remotes) return fail(remotes.error());
  remotes_ = std::move(*remotes);

  auto duties = collector::staking::DutyStore::open(data.file("duties.db"));
  if (!duties) return fail(duties.error());
  duty_store_ = std::make_unique<collector::staking::DutyStore>(std::move(*duties));

  if (auto opened = open_remediator(config, data); !opened) return opened;
  if (auto opened = open_rollouts(config, data); !opened) return opened;
  return open_drills(config, data);
}

// The shard's thread takes the books in before the series that say the same.
Result<collector::staking::DutyLoop::Keeping> Components::keep_duties() {
  auto books = duty_store_->load();
  if (!books) return fail(books.error());
  const auto keep = [this](collector::staking::DutyBooks now) {
    return chain_shard_->post([this, now = std::move(now)](core::ring::Appender&) {
      const auto saved = duty_store_->save(now);
      if (saved) return;
      // relaxed: a count that nothing hangs on.
      duty_store_failures_.fetch_add(1, std::memory_order_relaxed);
      spdlog::error("duties: the books could not be kept: {}", saved.error().message);
    });
  };
  return collector::staking::DutyLoop::Keeping{std::move(*books), keep};
}

void Components::make_pools(collector::staking::DutyLoop::Keeping duties) {
  std::vector<std::unique_ptr<collector::scrape::Shard>> shards;
  const std::size_t count = std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, kMaxShards);
  for (std::size_t i = 0; i < count; ++i) shards.push_back(collector::scrape::make_thread_shard(*ring_));
  host_shard_ = collector::scrape::make_thread_shard(*ring_);
  // Behind everybody else: who waits for a large target is the target itself.
  constexpr int kLargeShardNice = 5;
  pools_ = std::make_unique<collector::scrape::ScrapePools>(
      clock_, loop_, *http_, std::move(shards), arrival_hook(),
      collector::scrape::ScrapePoolsOptions{
          .host_name = host_name(),
          .large = collector::scrape::make_thread_shard(*ring_, {.nice = kLargeShardNice}),
          .memory = collector::scrape::ScrapeMemory::for_series(ring_->reader().usage().series_limit)});
  expected_shard_ = collector::scrape::make_thread_shard(*ring_);
  expected_ = std::make_shared<collector::scrape::ExpectedSeries>(
      clock_, loop_, *expected_shard_, ring_->reader(), [this] { return pools_->status(); }, arrival_hook());
  observers_ = std::make_unique<collector::staking::ObserverClient>(*http_, loop_, clock_);
  // Nodes are few against what is scraped: one shard takes their samples in.
  std::vector<std::unique_ptr<collector::scrape::Shard>> observer_shards;
  observer_shards.push_back(collector::scrape::make_thread_shard(*ring_));
  observer_pools_ = std::make_unique<collector::scrape::ScrapePools>(
      clock_, loop_, *observers_, std::move(observer_shards), arrival_hook(),
      collector::scrape::ScrapePoolsOptions{.host_name = host_name(), .large = {}, .memory = {}});
  chain_shard_ = collector::scrape::make_thread_shard(*ring_);
  chain_watch_ = std::make_unique<collector::staking::ChainWatch>(collector::staking::ChainWatch::Context{
      *http_, loop_, clock_, *chain_shard_, arrival_hook(), make_jitter(), std::move(duties),
      [this](std::string_view topic) { backups_->triggers().on_event(topic); }});
  watched_chain_ = chain_watch_.get();
  probe_pools_ = std::make_unique<collector::probe::ProbePools>(
      clock_, loop_, *prober_, collector::scrape::make_thread_shard(*ring_), arrival_hook(),
      collector::scrape::ScrapePoolsOptions{.host_name = host_name(), .large = {}, .memory = {}});
}

// Scrapes begin after the rules are there, and the shards end before they go.
std::function<void(const collector::scrape::Arrival&)> Components::arrival_hook() {
  return [this](const collector::scrape::Arrival& arrival) {
    rules_->on_arrival({arrival.job, arrival.instance, arrival.time_ms});
  };
}

void Components::make_discoveries() {
  collector::discovery::DiscoverySet::Listener listener;
  listener.changed = [this](const std::string& job, const collector::discovery::TargetGroups& groups) {
    // A name is that of a job of one kind; the other passes it over.
    for (const std::string& error : pools_->set_groups(job, groups)) spdlog::warn("job {}: {}", job, error);
    for (const std::string& error : probe_pools_->set_groups(job, groups)) spdlog::warn("job {}: {}", job, error);
  };
  listener.failed = [](const std::string& name, const std::string& error) {
    spdlog::warn("discovery {}: {}", name, error);
  };
  const auto environment = [](const char* name) {
    const char* const value = std::getenv(name);
    return value == nullptr ? std::string() : std::string(value);
  };
  discoveries_ = std::make_unique<collector::discovery::DiscoverySet>(
      collector::discovery::Context{clock_, loop_, *http_, *dns_, *folders_, environment}, std::move(listener));
}

void Components::on_loop(const std::function<void()>& task) {
  std::promise<void> done;
  loop_.post([&] {
    task();
    done.set_value();
  });
  done.get_future().wait();
}

void Components::apply_jobs(const LoadedConfig& config) {
  on_loop([&] {
    std::map<std::string, collector::discovery::DiscoveryConfigs> wanted;
    for (const auto* const jobs : {&config.jobs, &config.probe_jobs}) {
      for (const auto& job : *jobs) wanted.emplace(job.job_name, job.discovery);
    }
    discoveries_->apply(wanted);
    // What the discoveries that go on know already, so that their targets are not missed for a moment.
    const auto discovered = discovered_of(config.jobs);
    std::vector<collector::scrape::ScrapeConfig> jobs = config.jobs;
    // Without the section somebody else may have a job of this name.
    if (std::ranges::find(jobs, config.staking_metrics.job_name, &collector::scrape::ScrapeConfig::job_name) ==
        jobs.end()) {
      jobs.push_back(config.staking_metrics);
    }
    pools_->apply(jobs, config.external_labels, discovered);
    expected_->apply(config.expectations);
    apply_staking(config);
    prober_->configure(config.settings.modules);
    probe_pools_->apply(config.probe_jobs, config.external_labels, discovered_of(config.probe_jobs));
    apply_host(config);
  });
  for (const auto& pool : pool_status()) {
    for (const std::string& error : pool.errors) spdlog::warn("job {}: {}", pool.job, error);
  }
}

collector::scrape::ScrapePools::Discovered Components::discovered_of(
    const std::vector<collector::scrape::ScrapeConfig>& jobs) const {
  collector::scrape::ScrapePools::Discovered discovered;
  for (const auto& job : jobs) discovered.emplace(job.job_name, discoveries_->groups(job.job_name));
  return discovered;
}

void Components::apply_staking(const LoadedConfig& config) {
  collector::scrape::ScrapeConfig job = config.staking_observation;
  collector::staking::set_observer(job, host_name());
  observers_->configure(config.settings.staking);
  chain_watch_->configure(config.settings.staking, observers_->network(), host_name());
  observer_pools_->apply({job}, config.external_labels);
}

void Components::apply_host(const LoadedConfig& config) {
  const auto& wanted = config.settings.host;
  const auto running = host();
  std::shared_ptr<collector::host::HostLoop> next;
  if (wanted && wanted->enabled) {
    next =
        std::make_shared<collector::host::HostLoop>(clock_, loop_, *host_shard_, *wanted, host_name(), arrival_hook());
    // The loop fills in the instance, so what is compared is what is used.
    if (running && running->config() == next->config()) return;
  }
  if (running) running->stop();
  if (next) next->start();
  const std::lock_guard lock(host_mutex_);
  host_ = std::move(next);
}

std::shared_ptr<collector::host::HostLoop> Components::host() const {
  const std::lock_guard lock(host_mutex_);
  return host_;
}

std::vector<collector::scrape::PoolStatus> Components::pool_status() const {
  auto pools = pools_->status();
  std::ranges::move(observer_pools_->status(), std::back_inserter(pools));
  std::ranges::move(chain_watch_->status(), std::back_inserter(pools));
  // The jobs of `staking` stay while they have no target, so that what leaves them ends with markers.
  std::erase_if(pools, [](const auto& pool) {
    const bool ours = pool.job == collector::staking::kObservationJob || pool.job == collector::staking::kMetricsJob;
    return ours && pool.active.empty() && pool.errors.empty();
  });
  std::ranges::move(probe_pools_->status(), std::back_inserter(pools));
  if (const auto measured = host()) {
    collector::scrape::PoolStatus own;
    own.job = measured->config().job;
    own.active.push_back(measured->status());
    pools.push_back(std::move(own));
  }
  std::ranges::sort(pools, {}, &collector::scrape::PoolStatus::job);
  return pools;
}

std::vector<collector::scrape::TargetMetadata> Components::metadata() const {
  auto targets = pools_->metadata();
  std::ranges::move(observer_pools_->metadata(), std::back_inserter(targets));
  std::ranges::move(chain_watch_->metadata(), std::back_inserter(targets));
  std::ranges::move(probe_pools_->metadata(), std::back_inserter(targets));
  if (const auto measured = host()) {
    targets.push_back({measured->config().job, measured->status().target.labels, measured->metadata()});
  }
  return targets;
}

// For remotes: as they are named in the targets' texts, each target's.
std::vector<collector::remote_write::FamilyText> Components::family_texts() const {
  std::vector<collector::remote_write::FamilyText> texts;
  for (const auto& target : metadata()) {
    for (const auto& family : target.families) texts.push_back({family.family, family.type, family.help, family.unit});
  }
  return texts;
}

Result<void> Components::start(const LoadedConfig& config, const std::string& external_url) {
  loop_thread_ = std::thread([this] { loop_.run(); });
  rules_ =
      std::make_unique<rules::RuleRunner>(engine_, *ring_, clock_, *alert_store_,
                                          std::vector<rules::AlertSink*>{&alert_log_, drills_.get(), &*marked_alerts_,
                                                                         remediator_.get(), &backups_->triggers()},
                                          rules::RuleRunnerOptions{.threads = kRuleThreads});
  if (auto applied = rules_->apply(config.rule_groups, rule_settings(config, external_url)); !applied) return applied;
  apply_jobs(config);
  remotes_->apply(config.settings.remote_write, config.external_labels);
  on_loop([this] { expected_->start(); });
  rules_->start();
  drills_->start();
  rollouts_->run();
  loop_.post([this] { give_memory_back(); });
  backup_loop_ = std::make_unique<actions::backup::BackupLoop>(*backups_);
  return {};
}

// A target's first scrape takes memory that later ones do not need: texts of labels, tables that grew. The C library
// keeps it, scattered over the heaps of the threads that used it (a quarter of all heap memory after 100,000 new
// series), unless it is told to look. So it is, while series still come.
void Components::give_memory_back() {
  const std::uint64_t generation = ring_->reader().index_generation();
  if (std::exchange(series_when_given_back_, generation) != generation) ::malloc_trim(0);
  loop_.schedule_at(clock_.steady_now() + kGiveBackEvery, [this] { give_memory_back(); });
}

Result<void> Components::reconfigure(const LoadedConfig& config, const LoadedConfig& before,
                                     const std::string& external_url) {
  if (auto done = notifier_->reconfigure(notifier_settings(config, external_url)); !done) return done;
  const auto take_back = [&](const core::Error& error) {
    if (auto done = notifier_->reconfigure(notifier_settings(before, external_url)); !done) {
      spdlog::error("taking back the receivers: {}", done.error().message);
    }
    return fail(error);
  };
  if (auto done = remediator_->configure(config.policy); !done) return take_back(done.error());
  // The rules come last: taking them back would end alerts that only the old ones have.
  if (auto done = rules_->apply(config.rule_groups, rule_settings(config, external_url)); !done) {
    if (auto back = remediator_->configure(before.policy); !back) {
      spdlog::error("taking back the remediations: {}", back.error().message);
    }
    return take_back(done.error());
  }
  // From here on nothing can refuse.
  drills_->configure(config.drills);
  protect(config);
  rollouts_->configure(config.settings.replace);
  stop_conditions_->configure(config.policy);
  backups_->configure(config.settings.backups);
  flap_damper_->configure(config.settings.rules.notification_delay);
  apply_jobs(config);
  remotes_->apply(config.settings.remote_write, config.external_labels);
  return {};
}

Result<void> Components::queue_backup_task(const std::string& name, std::function<void()> task) {
  const auto known = backups_->status();
  if (std::ranges::find(known, name, &actions::backup::Status::name) == known.end()) {
    return fail(Errc::kNotFound, "there is no backup \"{}\"", name);
  }
  if (backups_asked_.fetch_add(1) >= kBackupsAskedMax) {
    backups_asked_.fetch_sub(1);
    return fail(Errc::kLimitExceeded, "{} backups were asked for and wait already", kBackupsAskedMax);
  }
  backup_requests_.post([this, task = std::move(task)] {
    task();
    backups_asked_.fetch_sub(1);
  });
  return {};
}

Result<void> Components::ask_for_backup(const std::string& name, const std::string& who) {
  return queue_backup_task(name, [this, name, who] {
    const auto record = backups_->take(name, who, stopping_.get_token());
    if (!record) {
      spdlog::error("backup {}: {}", name, record.error().message);
    } else if (record->held) {
      spdlog::info("backup {} is held: {}", name, record->error);
    } else if (!record->succeeded) {
      spdlog::error("backup {}: {}", name, record->error);
    } else {
      spdlog::info("backup {}: snapshot {}", name, record->snapshot.id);
    }
  });
}

Result<void> Components::ask_for_verification(const std::string& name, actions::backup::VerificationKind kind,
                                              const std::string& who) {
  return queue_backup_task(name, [this, name, kind, who] {
    const auto verification = backups_->verify(name, kind, who, stopping_.get_token());
    const char* const what = kind == actions::backup::VerificationKind::kDrill ? "restore drill" : "check";
    if (!verification) {
      spdlog::error("backup {}: {}: {}", name, what, verification.error().message);
    } else if (!verification->succeeded) {
      spdlog::error("backup {}: {} failed: {}", name, what, verification->error);
    } else {
      spdlog::info("backup {}: {} succeeded", name, what);
    }
  });
}

}  // namespace agent

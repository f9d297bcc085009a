// SPDX-License-Identifier: Apache-2.0
#include "collector/discovery/discovery_set.h"

#include <algorithm>
#include <utility>

namespace collector::discovery {

using core::Errc;

namespace {

// A failure that goes on is told again after so long; of so many different ones it is remembered.
constexpr core::Duration kTellAgainAfter = std::chrono::minutes(10);
constexpr std::size_t kToldMax = 64;

}  // namespace

// One discovery with what it has found.
class DiscoverySet::Provider final : public Sink {
 public:
  Provider(DiscoverySet& set, AnyConfig config, std::string name) : set_(set), config_(std::move(config)) {
    status_.mechanism = mechanism_of(config_);
    status_.name = std::move(name);
  }

  void start() { discovery_ = make_discovery(config_, set_.context_, *this); }

  bool update(std::vector<TargetGroup> groups) override {
    std::size_t targets = status_.targets;
    for (const TargetGroup& group : groups) {
      const auto known = groups_.find(group.source);
      if (known != groups_.end()) targets -= known->second->targets.size();
      targets += group.targets.size();
    }
    if (targets > kTargetsMax) {
      failed(core::error(Errc::kLimitExceeded, "{} targets: at most {}", targets, kTargetsMax));
      return false;
    }
    bool changed = false;
    for (TargetGroup& group : groups) changed = take(std::move(group)) || changed;
    {
      const std::lock_guard lock(set_.mutex_);
      status_.targets = targets;
      status_.groups = groups_.size();
    }
    refreshed();
    if (changed) set_.note_change(jobs);
    return true;
  }

  void refreshed() override {
    const std::lock_guard lock(set_.mutex_);
    ++status_.refreshes;
    status_.last_success = set_.context_.clock.wall_now();
    status_.last_error.clear();
  }

  void failed(const core::Error& error) override {
    {
      const std::lock_guard lock(set_.mutex_);
      ++status_.failures;
      status_.last_error = error.message;
    }
    const core::SteadyTime now = set_.context_.clock.steady_now();
    if (told_.size() > kToldMax) told_.clear();
    const auto [told, is_new] = told_.try_emplace(error.message, now);
    if (!is_new && now - told->second < kTellAgainAfter) return;
    told->second = now;
    if (set_.listener_.failed) set_.listener_.failed(status_.name, error.message);
  }

  const AnyConfig& config() const { return config_; }
  void append_groups(TargetGroups& all) const {
    for (const auto& [source, group] : groups_) all.push_back(group);
  }
  // REQUIRES: the set's mutex, or its thread.
  DiscoveryStatus status() const {
    DiscoveryStatus status = status_;
    status.jobs.assign(jobs.begin(), jobs.end());
    return status;
  }
  void rename(std::string name) { status_.name = std::move(name); }

  std::set<std::string> jobs;

 private:
  // False if nothing is different.
  bool take(TargetGroup group) {
    const auto known = groups_.find(group.source);
    if (group.targets.empty()) {
      if (known == groups_.end()) return false;
      groups_.erase(known);
      return true;
    }
    if (known != groups_.end() && *known->second == group) return false;
    const std::string source = group.source;
    groups_[source] = std::make_shared<const TargetGroup>(std::move(group));
    return true;
  }

  DiscoverySet& set_;
  const AnyConfig config_;
  std::map<std::string, std::shared_ptr<const TargetGroup>> groups_;
  std::map<std::string, core::SteadyTime> told_;  // failures, and when they were told last
  DiscoveryStatus status_;                        // guarded by the set's mutex
  std::unique_ptr<Discovery> discovery_;          // last: it calls back until it goes
};

DiscoverySet::DiscoverySet(const Context& context, Listener listener)
    : context_(context), listener_(std::move(listener)) {}

DiscoverySet::~DiscoverySet() { stop(); }

void DiscoverySet::stop() {
  context_.scheduler.cancel(std::exchange(timer_, 0));
  std::vector<std::unique_ptr<Provider>> ended;
  const std::lock_guard lock(mutex_);
  ended.swap(providers_);
}

void DiscoverySet::apply(const std::map<std::string, DiscoveryConfigs>& jobs) {
  std::vector<std::unique_ptr<Provider>> before;
  std::vector<std::unique_ptr<Provider>> after;
  std::vector<Provider*> fresh;
  const std::unique_lock lock(mutex_);
  before.swap(providers_);
  for (const auto& provider : before) provider->jobs.clear();
  for (const auto& [job, configs] : jobs) {
    std::map<std::string_view, int> index;
    for (const AnyConfig& config : all_of(configs)) {
      const std::string_view mechanism = mechanism_of(config);
      std::string name = fmt::format("{}/{}/{}", job, mechanism, index[mechanism]++);
      const auto same = [&](const auto& provider) { return provider && provider->config() == config; };
      if (const auto shared = std::find_if(after.begin(), after.end(), same); shared != after.end()) {
        (*shared)->jobs.insert(job);
        continue;
      }
      if (const auto kept = std::find_if(before.begin(), before.end(), same); kept != before.end()) {
        (*kept)->rename(std::move(name));
        after.push_back(std::move(*kept));
      } else {
        after.push_back(std::make_unique<Provider>(*this, config, std::move(name)));
        fresh.push_back(after.back().get());
      }
      after.back()->jobs.insert(job);
    }
  }
  providers_ = std::move(after);
  // Discoveries that nobody asks for any more end here, before new ones begin: they may want the same things.
  before.clear();
  for (Provider* provider : fresh) provider->start();
}

TargetGroups DiscoverySet::groups(const std::string& job) const {
  TargetGroups all;
  for (const auto& provider : providers_) {
    if (provider->jobs.contains(job)) provider->append_groups(all);
  }
  return all;
}

void DiscoverySet::note_change(const std::set<std::string>& jobs) {
  changed_.insert(jobs.begin(), jobs.end());
  if (timer_ != 0) return;
  const core::SteadyTime soon = context_.clock.steady_now() + kFirstDelay;
  const core::SteadyTime when = last_delivery_ ? std::max(soon, *last_delivery_ + kDelay) : soon;
  timer_ = context_.scheduler.schedule_at(when, [this] {
    timer_ = 0;
    deliver();
  });
}

void DiscoverySet::deliver() {
  last_delivery_ = context_.clock.steady_now();
  for (const std::string& job : std::exchange(changed_, {})) {
    if (listener_.changed) listener_.changed(job, groups(job));
  }
}

std::vector<DiscoveryStatus> DiscoverySet::status() const {
  const std::lock_guard lock(mutex_);
  std::vector<DiscoveryStatus> all;
  for (const auto& provider : providers_) all.push_back(provider->status());
  return all;
}

}  // namespace collector::discovery

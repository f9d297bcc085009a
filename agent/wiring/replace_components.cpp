// SPDX-License-Identifier: Apache-2.0
// Host replacement and what it stands on.
#include <algorithm>

#include "agent/wiring/components.h"

namespace agent {
namespace {

using actions::replace::Host;
using core::Errc;
using core::fail;
using core::Result;

// More hosts than any operation has; an expression that selects more is a mistake.
constexpr std::size_t kHostsMax = 10'000;
constexpr core::Millis kReplaceQueryTimeout = std::chrono::seconds(10);

// Rolling updates see hosts in the ring, and act through the remediation engine.
class RingAndEngine final : public actions::replace::Surroundings {
 public:
  RingAndEngine(const core::ring::Reader& reader, const core::Clock& clock, rules::promql::EngineOptions options,
                actions::remedy::Remediator& remediator, actions::remedy::Surroundings around)
      : reader_(reader), clock_(clock), options_(options), remediator_(remediator), around_(std::move(around)) {}

  Result<std::vector<Host>> hosts(const std::string& expr, core::Millis fresh_within) override {
    rules::promql::EngineOptions options = options_;
    options.lookback = std::min(std::max(core::Millis(1), fresh_within), options_.lookback);
    options.timeout = std::min(options.timeout, kReplaceQueryTimeout);
    options.cache = nullptr;
    const rules::promql::Engine engine(reader_, clock_, options);
    const auto result = engine.instant(expr, clock_.unix_ms());
    if (!result) return fail(result.error());
    const auto* vector = std::get_if<rules::promql::Vector>(&result->value);
    if (vector == nullptr) return fail(Errc::kInvalid, "\"{}\" is no vector: it names no hosts", expr);
    if (vector->size() > kHostsMax) return fail(Errc::kLimitExceeded, "\"{}\" selects {} hosts", expr, vector->size());
    std::vector<Host> hosts;
    for (const auto& element : *vector) hosts.push_back(element.labels.without_metric_name());
    return hosts;
  }

  Result<actions::replace::DescribedHosts> described(const actions::replace::GroupConfig& group,
                                                     const std::stop_token& stop) override {
    return actions::replace::describe_hosts(around_, group, stop);
  }

  actions::remedy::RunPtr run(const std::string& id) override {
    const auto snapshot = remediator_.snapshot();
    const auto found = std::ranges::find_if(snapshot->runs, [&](const auto& run) { return run->id == id; });
    return found == snapshot->runs.end() ? nullptr : *found;
  }

  Result<void> raise(const core::ring::Labels& alert, core::WallTime since) override {
    return remediator_.raise(alert, since);
  }
  Result<void> withdraw(const core::ring::Labels& alert, core::WallTime since) override {
    return remediator_.resolve(alert, since);
  }

 private:
  const core::ring::Reader& reader_;
  const core::Clock& clock_;
  const rules::promql::EngineOptions options_;
  actions::remedy::Remediator& remediator_;
  const actions::remedy::Surroundings around_;
};

}  // namespace

Result<void> Components::open_rollouts(const LoadedConfig& config, const DataDir& data) {
  auto store = actions::replace::SqliteRolloutStore::open(data.file("replacements.db"));
  if (!store) return fail(store.error());
  rollouts_around_ =
      std::make_unique<RingAndEngine>(reader(), clock_, engine_.options(), *remediator_, service_surroundings());
  auto rollouts = actions::replace::Rollouts::open(
      config.settings.replace, std::make_unique<actions::replace::SqliteRolloutStore>(std::move(*store)),
      {.around = *rollouts_around_, .clock = clock_});
  if (!rollouts) return fail(rollouts.error());
  rollouts_ = std::move(*rollouts);
  return {};
}

}  // namespace agent

// SPDX-License-Identifier: Apache-2.0
#include "actions/notify/flap_damper.h"

#include <algorithm>
#include <utility>

namespace actions::notify {
namespace {

using core::Millis;
using core::SteadyTime;
using core::config::Node;
using rules::AlertState;
using rules::Transition;

void count(std::atomic<std::uint64_t>& counter) { counter.fetch_add(1, std::memory_order_relaxed); }

}  // namespace

const core::config::Table<NotificationDelayConfig>& NotificationDelayConfig::fields() {
  using Self = NotificationDelayConfig;
  static const auto table =
      core::config::Table<Self>("notification_delay",
                                "How long the state of an alert must last before receivers are told of it. The state "
                                "itself, and what remediations hear, is not delayed.")
          .field("up", &Self::up, {.help = "How long an alert fires before that is told."})
          .field("down", &Self::down, {.help = "How long it is resolved before that is told."})
          .field("multiplier", &Self::multiplier,
                 {.help = "By this the delays of an alert grow each time that it changes within them."})
          .field("max", &Self::max,
                 {.help = "The longest delay; an alert that kept still for so long has its plain delays again."})
          .check([](const Self& delay, const Node& node) -> core::Result<void> {
            // Written so that a NaN is refused too.
            if (!(delay.multiplier >= 1 && delay.multiplier <= 100)) {
              return core::fail(node.find("multiplier").error("expected 1 to 100"));
            }
            if (delay.max < std::max(delay.up, delay.down)) {
              return core::fail(node.find("max").error("expected no less than up and down"));
            }
            return {};
          });
  return table;
}

FlapDamper::FlapDamper(const core::Clock& clock, core::Scheduler& strand, rules::AlertSink& next)
    : clock_(clock), strand_(strand), next_(next), self_(std::make_shared<FlapDamper*>(this)) {}

FlapDamper::~FlapDamper() {
  self_.reset();
  if (timer_ != 0) strand_.cancel(timer_);
}

void FlapDamper::configure(NotificationDelayConfig config) {
  // release: pairs with the acquire in on_transitions(), where the strand's queue orders what follows anyhow. Switched
  // on before, and off only after, what is held back is dealt with: nothing overtakes.
  if (config.enabled()) enabled_.store(true, std::memory_order_release);
  strand_.post([weak = std::weak_ptr(self_), config] {
    const auto self = weak.lock();
    if (!self) return;
    FlapDamper& damper = **self;
    damper.config_ = config;
    if (config.enabled()) return;
    std::vector<Transition> out;
    damper.tell_due(out, true);
    damper.known_.clear();
    damper.enabled_.store(false, std::memory_order_release);
    if (!out.empty()) damper.next_.on_transitions(out);
  });
}

void FlapDamper::on_transitions(std::span<const Transition> transitions) {
  if (!enabled_.load(std::memory_order_acquire)) {
    next_.on_transitions(transitions);
    return;
  }
  // relaxed: a bound, nothing is ordered by it.
  if (queued_.fetch_add(transitions.size(), std::memory_order_relaxed) >= kQueueMax) {
    queued_.fetch_sub(transitions.size(), std::memory_order_relaxed);
    counters_.dropped.fetch_add(transitions.size(), std::memory_order_relaxed);
    return;
  }
  strand_.post([weak = std::weak_ptr(self_), copy = std::vector(transitions.begin(), transitions.end())]() mutable {
    if (const auto self = weak.lock()) (*self)->take(std::move(copy));
  });
}

// On the strand from here on.

void FlapDamper::take(std::vector<Transition> transitions) {
  queued_.fetch_sub(transitions.size(), std::memory_order_relaxed);
  std::vector<Transition> out;
  for (Transition& transition : transitions) {
    const bool firing = transition.to == AlertState::kFiring;
    const bool resolved = transition.to == AlertState::kInactive && transition.from != AlertState::kPending;
    auto found = known_.find(transition.labels);
    if (found == known_.end() && firing && config_.enabled()) {
      if (known_.size() < kAlertsMax) {
        found = known_.emplace(transition.labels, Known{}).first;
      } else {
        count(counters_.undelayed);
      }
    }
    if (found == known_.end() || !(firing || resolved)) {
      out.push_back(std::move(transition));
    } else if (firing) {
      on_firing(found->second, std::move(transition), out);
    } else {
      on_resolved(found->second, std::move(transition), out);
    }
  }
  tell_due(out, false);
  plan();
  if (!out.empty()) next_.on_transitions(out);
}

void FlapDamper::on_firing(Known& known, Transition transition, std::vector<Transition>& out) {
  known.last = transition;
  if (known.told) {
    if (std::exchange(known.held, std::nullopt)) {
      count(counters_.suppressed_resolutions);
      flip(known);
    }
    tell_firing(known, std::move(transition), out);
  } else if (known.held) {
    known.held = std::move(transition);
  } else {
    hold(known, transition, config_.up, transition.fired_at.value_or(transition.at));
  }
}

void FlapDamper::on_resolved(Known& known, Transition transition, std::vector<Transition>& out) {
  if (known.told) {
    if (!known.held) hold(known, transition, config_.down, transition.resolved_at.value_or(transition.at));
    // What is held back must not run out in the meantime.
    if (known.due > clock_.steady_now()) tell_firing(known, known.last, out);
  } else if (std::exchange(known.held, std::nullopt)) {
    count(counters_.suppressed_firings);
    flip(known);
  } else {
    out.push_back(std::move(transition));
  }
}

void FlapDamper::hold(Known& known, Transition transition, Millis delay, core::WallTime since) {
  const SteadyTime now = clock_.steady_now();
  if (now - known.changed_at >= config_.max) known.factor = 1;
  const double longest = static_cast<double>(config_.max.count());
  const Millis wait(static_cast<std::int64_t>(std::min(static_cast<double>(delay.count()) * known.factor, longest)));
  // A wall clock that was stepped neither shortens a wait to less than nothing nor makes it longer.
  const core::Duration waited = std::clamp<core::Duration>(clock_.wall_now() - since, core::Duration::zero(), wait);
  known.due = now + wait - waited;
  known.changed_at = now;
  known.held = std::move(transition);
}

void FlapDamper::flip(Known& known) {
  known.factor = std::min(known.factor * config_.multiplier, static_cast<double>(config_.max.count()));
  known.changed_at = clock_.steady_now();
}

void FlapDamper::tell_firing(Known& known, Transition transition, std::vector<Transition>& out) {
  if (known.told_start) transition.fired_at = known.told_start;
  known.told_start = transition.fired_at;
  known.told = true;
  out.push_back(std::move(transition));
}

void FlapDamper::tell_due(std::vector<Transition>& out, bool all) {
  const SteadyTime now = clock_.steady_now();
  for (auto each = known_.begin(); each != known_.end();) {
    Known& known = each->second;
    if (known.held && (all || known.due <= now)) {
      Transition held = *std::exchange(known.held, std::nullopt);
      if (held.to == AlertState::kFiring) {
        tell_firing(known, std::move(held), out);
      } else {
        known.told = false;
        known.told_start.reset();
        out.push_back(std::move(held));
      }
    }
    const bool quiet = !known.told && !known.held && now - known.changed_at >= config_.max;
    each = quiet ? known_.erase(each) : std::next(each);
  }
}

void FlapDamper::wake() {
  timer_ = 0;
  std::vector<Transition> out;
  tell_due(out, false);
  plan();
  if (!out.empty()) next_.on_transitions(out);
}

void FlapDamper::plan() {
  std::optional<SteadyTime> next;
  for (const auto& [labels, known] : known_) {
    if (known.held) next = next ? std::min(*next, known.due) : known.due;
  }
  if (timer_ != 0) strand_.cancel(std::exchange(timer_, 0));
  if (!next) return;
  timer_ = strand_.schedule_at(*next, [weak = std::weak_ptr(self_)] {
    if (const auto self = weak.lock()) (*self)->wake();
  });
}

}  // namespace actions::notify

// SPDX-License-Identifier: Apache-2.0
#include "actions/drill/drill_run.h"

#include <algorithm>
#include <array>
#include <utility>

namespace actions::drill {
namespace {

template <class E, std::size_t kCount>
using Names = std::array<std::pair<E, std::string_view>, kCount>;

constexpr Names<Phase, 5> kPhases = {{{Phase::kInjecting, "injecting"},
                                      {Phase::kWatching, "watching"},
                                      {Phase::kRestoring, "restoring"},
                                      {Phase::kRecovering, "recovering"},
                                      {Phase::kOver, "over"}}};

constexpr Names<Ending, 5> kEndings = {{{Ending::kNone, ""},
                                        {Ending::kPassed, "passed"},
                                        {Ending::kFailed, "failed"},
                                        {Ending::kCancelled, "cancelled"},
                                        {Ending::kInterrupted, "interrupted"}}};

template <class E, std::size_t kCount>
std::string_view name_of(const Names<E, kCount>& names, E value) {
  const auto found = std::ranges::find(names, value, &std::pair<E, std::string_view>::first);
  return found == names.end() ? std::string_view() : found->second;
}

template <class E, std::size_t kCount>
std::optional<E> value_of(const Names<E, kCount>& names, std::string_view name) {
  const auto found = std::ranges::find(names, name, &std::pair<E, std::string_view>::second);
  if (found == names.end()) return std::nullopt;
  return found->first;
}

}  // namespace

std::string_view to_string(Phase phase) { return name_of(kPhases, phase); }
std::optional<Phase> phase_from(std::string_view text) { return value_of(kPhases, text); }
std::string_view to_string(Ending ending) { return name_of(kEndings, ending); }
std::optional<Ending> ending_from(std::string_view text) { return value_of(kEndings, text); }

std::string_view to_string(Expectation::Kind kind) {
  switch (kind) {
    case Expectation::Kind::kAlert:
      return "alert";
    case Expectation::Kind::kNotified:
      return "notified";
    case Expectation::Kind::kRemediation:
      return "remediation";
    case Expectation::Kind::kResolved:
      return "resolved";
  }
  return "alert";
}

std::string_view to_string(Expectation::State state) {
  switch (state) {
    case Expectation::State::kWaiting:
      return "waiting";
    case Expectation::State::kMet:
      return "met";
    case Expectation::State::kMissed:
      return "missed";
  }
  return "waiting";
}

const Expectation* Run::find(Expectation::Kind kind) const {
  const auto found = std::ranges::find(expectations, kind, &Expectation::kind);
  return found == expectations.end() ? nullptr : &*found;
}

std::optional<core::Millis> Run::took(const Expectation& expectation) const {
  const auto& since = expectation.kind == Expectation::Kind::kResolved ? restored : injected;
  if (!expectation.at || !since) return std::nullopt;
  // What happened while the injection was still under way, or before the restore, took no time.
  return std::max(core::Millis(0), std::chrono::duration_cast<core::Millis>(*expectation.at - *since));
}

void Run::add(Moment moment) {
  if (std::ranges::find(timeline, moment) != timeline.end()) return;
  if (timeline.size() >= kMomentsMax) {
    ++moments_left_out;
    return;
  }
  const auto place = std::ranges::upper_bound(timeline, moment.at, {}, &Moment::at);
  timeline.insert(place, std::move(moment));
}

std::vector<Expectation> expectations_of(const DrillConfig& drill) {
  using Kind = Expectation::Kind;
  const ExpectConfig& expect = drill.expect;
  std::string matchers;
  for (const auto& each : expect.alert.match) matchers += (matchers.empty() ? "" : ", ") + each.to_string();
  std::vector<Expectation> all;
  const auto add = [&](Kind kind, std::string what, core::Millis within) {
    Expectation expectation;
    expectation.kind = kind;
    expectation.what = std::move(what);
    expectation.within = within;
    all.push_back(std::move(expectation));
  };
  add(Kind::kAlert, fmt::format("the alert {{{}}} fires", matchers), expect.alert.within);
  if (expect.notified) add(Kind::kNotified, "a receiver has taken a message about it", *expect.notified);
  if (expect.remediation) {
    add(Kind::kRemediation,
        fmt::format("the remediation {} is {}", expect.remediation->name, expect.remediation->state),
        expect.remediation->within);
  }
  add(Kind::kResolved, "the alert is over", expect.resolved);
  return all;
}

}  // namespace actions::drill

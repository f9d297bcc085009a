// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <stop_token>
#include <string>

#include "actions/remedy/decision.h"
#include "actions/remedy/protection.h"
#include "core/net/http_client.h"
#include "core/time/clock.h"
#include "core/time/scheduler.h"

namespace actions::remedy {

// What steps that ask a service stand on. All of it outlives them.
struct Surroundings {
  core::Scheduler& scheduler;  // runs the HTTP client's callbacks
  core::net::HttpClient& http;
  const core::Clock& clock;
  std::function<std::string(const char*)> environment;  // "" if absent
  core::Duration poll = std::chrono::seconds(5);        // between two looks
};

// One step that is carried out, or looked at after a crash.
struct Task {
  std::string name;  // RUN/STEP: the same whenever this step is begun
  int attempt = 1;
  std::optional<core::WallTime> started;
  ProtectionPtr protection;
  std::stop_token stop;
};

StepFinished failed(std::string why);
StepFinished stopped();
StepFinished succeeded(std::string what);

// The end of what a step has to show, at most kOutputTail bytes.
std::string tail(std::string text);

// False if it was ended by the stop request.
bool wait_for(core::Duration time, const std::stop_token& stop);

// What a look showed of what is waited for.
struct Sight {
  enum class Kind { kNotYet, kDone, kNever };
  Kind kind = Kind::kNotYet;
  std::string text;
};

// Looks until it is done `in_a_row` times one after another: services that are eventually consistent may show the past
// after the present. Fails when it can never be done, or is not by the deadline; what could not be seen is not done.
StepFinished look_until(const Surroundings& around, core::SteadyTime deadline, int in_a_row,
                        const std::stop_token& stop, const std::function<Sight()>& look);

}  // namespace actions::remedy

// SPDX-License-Identifier: Apache-2.0
#include "actions/remedy/step_surroundings.h"

#include <condition_variable>
#include <mutex>
#include <utility>

namespace actions::remedy {

StepFinished failed(std::string why) {
  StepFinished finished;
  finished.outcome = Outcome::kFailed;
  finished.result = std::move(why);
  return finished;
}

StepFinished stopped() {
  StepFinished finished;
  finished.outcome = Outcome::kStopped;
  finished.result = "the agent ended";
  return finished;
}

StepFinished succeeded(std::string what) {
  StepFinished finished;
  finished.outcome = Outcome::kSucceeded;
  finished.result = std::move(what);
  return finished;
}

std::string tail(std::string text) {
  if (text.size() > kOutputTail) text.erase(0, text.size() - kOutputTail);
  return text;
}

bool wait_for(core::Duration time, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, stop, time, [] { return false; });
  return !stop.stop_requested();
}

StepFinished look_until(const Surroundings& around, core::SteadyTime deadline, int in_a_row,
                        const std::stop_token& stop, const std::function<Sight()>& look) {
  for (int done = 0;;) {
    const Sight sight = look();
    if (stop.stop_requested()) return stopped();
    if (sight.kind == Sight::Kind::kNever) return failed(sight.text);
    done = sight.kind == Sight::Kind::kDone ? done + 1 : 0;
    if (done >= in_a_row) return succeeded(sight.text);
    if (around.clock.steady_now() >= deadline) return failed("not so by the timeout: " + sight.text);
    if (!wait_for(around.poll, stop)) return stopped();
  }
}

}  // namespace actions::remedy

// SPDX-License-Identifier: Apache-2.0
#include "actions/remedy/run.h"

#include <openssl/evp.h>

#include <array>
#include <utility>

#include "core/check.h"

namespace actions::remedy {
namespace {

constexpr std::array<std::pair<RunState, std::string_view>, 9> kRunStates = {{{RunState::kObserved, "observed"},
                                                                              {RunState::kProposed, "proposed"},
                                                                              {RunState::kWaiting, "waiting"},
                                                                              {RunState::kPaused, "paused"},
                                                                              {RunState::kRefused, "refused"},
                                                                              {RunState::kRunning, "running"},
                                                                              {RunState::kSucceeded, "succeeded"},
                                                                              {RunState::kFailed, "failed"},
                                                                              {RunState::kInterrupted, "interrupted"}}};

constexpr std::array<std::pair<StepState, std::string_view>, 5> kStepStates = {
    {{StepState::kPending, "pending"},
     {StepState::kRunning, "running"},
     {StepState::kSucceeded, "succeeded"},
     {StepState::kFailed, "failed"},
     {StepState::kInterrupted, "interrupted"}}};

constexpr std::array<std::pair<Phase, std::string_view>, 3> kPhases = {
    {{Phase::kSteps, "steps"}, {Phase::kVerifying, "verifying"}, {Phase::kRollingBack, "rolling-back"}}};

template <class State, std::size_t kCount>
std::string_view name_in(const std::array<std::pair<State, std::string_view>, kCount>& names, State state) {
  for (const auto& [value, name] : names) {
    if (value == state) return name;
  }
  return "unknown";
}

template <class State, std::size_t kCount>
std::optional<State> find_in(const std::array<std::pair<State, std::string_view>, kCount>& names,
                             std::string_view text) {
  for (const auto& [value, name] : names) {
    if (name == text) return value;
  }
  return std::nullopt;
}

}  // namespace

std::string_view to_string(RunState state) { return name_in(kRunStates, state); }
std::optional<RunState> run_state_from(std::string_view text) { return find_in(kRunStates, text); }
std::string_view to_string(StepState state) { return name_in(kStepStates, state); }
std::optional<StepState> step_state_from(std::string_view text) { return find_in(kStepStates, text); }

std::string_view to_string(Phase phase) { return name_in(kPhases, phase); }
std::optional<Phase> phase_from(std::string_view text) { return find_in(kPhases, text); }

std::size_t Run::current() const {
  std::size_t index = 0;
  while (index < steps.size() && steps[index].state != StepState::kRunning) ++index;
  return index;
}

std::string run_id(const std::string& remediation, const core::ring::Labels& alert, core::WallTime fired_at) {
  return fmt::format("{}-{:016x}-{}", remediation, alert.fingerprint(), core::to_unix_ms(fired_at));
}

std::string sha256_hex(std::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  const int done = EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr);
  CHECK(done == 1 && size == 32, "SHA-256 of OpenSSL does not work");
  std::string text;
  for (unsigned int i = 0; i < size; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

}  // namespace actions::remedy

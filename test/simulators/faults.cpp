// SPDX-License-Identifier: Apache-2.0
#include "test/simulators/faults.h"

#include <chrono>

namespace simulators {

void FaultBoard::allow(const std::string& node, const std::vector<std::string>& faults) {
  const std::lock_guard lock(mutex_);
  for (const std::string& fault : faults) nodes_[node][fault];
}

const FaultBoard::State* FaultBoard::find(const std::string& node, const std::string& fault) const {
  const auto of_node = nodes_.find(node);
  if (of_node == nodes_.end()) return nullptr;
  const auto state = of_node->second.find(fault);
  return state == of_node->second.end() ? nullptr : &state->second;
}

bool FaultBoard::known(const std::string& node) const {
  const std::lock_guard lock(mutex_);
  return nodes_.count(node) > 0;
}

bool FaultBoard::known(const std::string& node, const std::string& fault) const {
  const std::lock_guard lock(mutex_);
  return find(node, fault) != nullptr;
}

void FaultBoard::set(const std::string& node, const std::string& fault) {
  {
    const std::lock_guard lock(mutex_);
    State& state = nodes_.at(node).at(fault);
    if (!state.on) state.since = now_seconds_();
    state.on = true;
  }
  changed_.notify_all();
  if (listener_) listener_();
}

void FaultBoard::clear(const std::string& node, const std::string& fault) {
  {
    const std::lock_guard lock(mutex_);
    State& state = nodes_.at(node).at(fault);
    if (state.on) state.total += now_seconds_() - state.since;
    state.on = false;
  }
  changed_.notify_all();
  if (listener_) listener_();
}

void FaultBoard::clear_all() {
  for (const auto& [node, faults] : snapshot()) {
    for (const auto& [fault, on] : faults) {
      if (on) clear(node, fault);
    }
  }
}

bool FaultBoard::active(const std::string& node, const std::string& fault) const {
  const std::lock_guard lock(mutex_);
  const State* state = find(node, fault);
  return state != nullptr && state->on;
}

double FaultBoard::since_seconds(const std::string& node, const std::string& fault) const {
  const std::lock_guard lock(mutex_);
  const State* state = find(node, fault);
  return state != nullptr && state->on ? state->since : now_seconds_();
}

double FaultBoard::total_seconds(const std::string& node, const std::string& fault) const {
  const std::lock_guard lock(mutex_);
  const State* state = find(node, fault);
  if (state == nullptr) return 0;
  return state->total + (state->on ? now_seconds_() - state->since : 0);
}

std::map<std::string, std::map<std::string, bool>> FaultBoard::snapshot() const {
  const std::lock_guard lock(mutex_);
  std::map<std::string, std::map<std::string, bool>> all;
  for (const auto& [node, faults] : nodes_) {
    for (const auto& [fault, state] : faults) all[node][fault] = state.on;
  }
  return all;
}

void FaultBoard::wait_while(const std::string& node, const std::string& fault, double seconds) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, std::chrono::duration<double>(seconds), [&] {
    const State* state = find(node, fault);
    return shut_down_ || state == nullptr || !state->on;
  });
}

void FaultBoard::shut_down() {
  {
    const std::lock_guard lock(mutex_);
    shut_down_ = true;
  }
  changed_.notify_all();
}

bool FaultBoard::is_shut_down() const {
  const std::lock_guard lock(mutex_);
  return shut_down_;
}

}  // namespace simulators

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace simulators {

// Which faults are switched on, at which node, and for how long they have been: the counters of the nodes are computed
// from that, so that they never go back.
//
// Thread safety: any thread.
class FaultBoard {
 public:
  // `now_seconds`: the simulated time.
  explicit FaultBoard(std::function<double()> now_seconds) : now_seconds_(std::move(now_seconds)) {}

  // Declares what a node can suffer.
  void allow(const std::string& node, const std::vector<std::string>& faults);
  bool known(const std::string& node) const;
  bool known(const std::string& node, const std::string& fault) const;

  // REQUIRES: known(node, fault).
  void set(const std::string& node, const std::string& fault);
  void clear(const std::string& node, const std::string& fault);
  void clear_all();

  bool active(const std::string& node, const std::string& fault) const;
  // When the fault that is on now was switched on; the present if it is off.
  double since_seconds(const std::string& node, const std::string& fault) const;
  // All the time it has been on so far.
  double total_seconds(const std::string& node, const std::string& fault) const;
  // node -> the faults it can have -> on or off
  std::map<std::string, std::map<std::string, bool>> snapshot() const;

  // Blocks until the fault is off, at most `seconds` of real time, or until shut_down().
  void wait_while(const std::string& node, const std::string& fault, double seconds);
  void shut_down();
  bool is_shut_down() const;
  // Called after every change, without any lock.
  void on_change(std::function<void()> listener) { listener_ = std::move(listener); }

 private:
  struct State {
    bool on = false;
    double since = 0;
    double total = 0;
  };
  const State* find(const std::string& node, const std::string& fault) const;

  std::function<double()> now_seconds_;
  std::function<void()> listener_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool shut_down_ = false;
  std::map<std::string, std::map<std::string, State>> nodes_;
};

}  // namespace simulators

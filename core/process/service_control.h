// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/result.h"
#include "core/time/clock.h"

namespace core::process {

enum class UnitVerb { kStart, kStop, kRestart };

// A unit of the service manager, as it is now.
struct UnitStatus {
  std::string active_state;   // active, inactive, failed, activating, deactivating, ...
  std::string sub_state;      // running, dead, ...
  bool has_job = false;       // something is being done with it
  WallTime active_since;      // of the last time it became active
  std::int64_t main_pid = 0;  // of a service that runs; 0: none, or not a service
};

// The host's service manager.
//
// Errors: kNotFound for a unit that does not exist; kTimeout if it did not answer in time, and what was asked may
// happen yet; kUnavailable if it cannot be reached; kFailed for a refusal, in its own words.
//
// Thread safety: any thread; calls block for at most their timeout.
class ServiceControl {
 public:
  virtual ~ServiceControl() = default;
  virtual Result<UnitStatus> status(const std::string& unit, Duration timeout) = 0;
  // Returns when the manager has taken the job on; status() tells when it is done. Another job for the unit that
  // contradicts this one is replaced, as by systemctl.
  virtual Result<void> ask(UnitVerb verb, const std::string& unit, Duration timeout) = 0;
  // Sends the signal to the unit's main process; kFailed if it has none.
  virtual Result<void> kill(const std::string& unit, int signal, Duration timeout) = 0;
  // The units that stop when this one does: those that require it, are bound to it or are a part of it, whether or not
  // they run now. Not what stops with these in turn.
  virtual Result<std::vector<std::string>> stops_with(const std::string& unit, Duration timeout) = 0;
};

// systemd over D-Bus. `address`: of the bus; empty: the system's. Each call has a connection of its own, so that a bus
// that was restarted is no trouble.
std::unique_ptr<ServiceControl> make_systemd_control(std::string address = "");

}  // namespace core::process

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "core/result.h"
#include "core/time/clock.h"

struct sd_bus;

namespace collector::host {

// Where systemd's manager is on its bus, and its interface.
inline constexpr const char* kManagerPath = "/org/freedesktop/systemd1";
inline constexpr const char* kManager = "org.freedesktop.systemd1.Manager";

// A connection to systemd's manager. No call outlasts the deadline it was given, whatever the other side does.
//
// Thread safety: confined to one thread.
class SystemdBus {
 public:
  struct UnitLine {
    std::string name, load_state, active_state, path;
  };

  // Connects to `address` (D-Bus syntax); empty: systemd's own socket as root, the system bus otherwise. kNotFound if
  // nothing listens there.
  static core::Result<std::unique_ptr<SystemdBus>> open(const core::Clock& clock, const std::string& address,
                                                        core::SteadyTime deadline);
  ~SystemdBus();

  // For the calls that follow.
  void set_deadline(core::SteadyTime deadline) { deadline_ = deadline; }
  // Every unit in memory; kLimitExceeded past `most`.
  core::Result<std::vector<UnitLine>> list_units(std::size_t most);
  core::Result<std::string> text(const std::string& path, const char* interface, const char* property);
  core::Result<double> number(const std::string& path, const char* interface, const char* property);

 private:
  SystemdBus(const core::Clock& clock, sd_bus* bus, bool to_manager, core::SteadyTime deadline)
      : clock_(clock), bus_(bus), to_manager_(to_manager), deadline_(deadline) {}
  core::Result<void> wait_until_ready();
  // Microseconds until the deadline; kTimeout past it.
  core::Result<std::uint64_t> remaining() const;
  const char* destination() const { return to_manager_ ? nullptr : "org.freedesktop.systemd1"; }

  const core::Clock& clock_;
  sd_bus* bus_;
  bool to_manager_;  // without a bus between
  core::SteadyTime deadline_;
};

}  // namespace collector::host

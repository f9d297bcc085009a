// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "collector/host/exposition_writer.h"
#include "collector/host/host_config.h"
#include "collector/host/name_filter.h"
#include "core/result.h"
#include "core/time/clock.h"

namespace collector::host {

class SystemdBus;

inline constexpr std::size_t kUnitsMax = 2'000;
// Of one look at systemd, whatever it does; what is not known by then is not waited for.
inline constexpr auto kSystemdBudget = std::chrono::seconds(2);

// The state of systemd's units, over its own socket (as root) or the system bus. Asked no more often than `systemd:
// interval` says; in between the last answer is repeated, because every question is work for process 1.
//
// Thread safety: confined to one thread.
class SystemdUnits {
 public:
  // REQUIRES: the options have been checked; the clock outlives this.
  SystemdUnits(const core::Clock& clock, SystemdOptions options);
  ~SystemdUnits();

  // kNotFound on a host without systemd; kTimeout if it does not answer within kSystemdBudget.
  core::Result<void> write(ExpositionWriter& out);

 private:
  struct Unit {
    std::string name, state, path, type;
    std::map<std::string, double> numbers;  // by family
  };
  struct Answer {
    std::string version;
    bool running = false;
    std::map<std::string, double> states;  // how many units are in each
    std::vector<Unit> units;               // those wanted
  };

  core::Result<void> ask(core::SteadyTime deadline);
  core::Result<void> ask_about(SystemdBus& bus, Unit& unit);
  std::string text_of_answer() const;
  void write_units(ExpositionWriter& out) const;

  const core::Clock& clock_;
  SystemdOptions options_;
  NameFilter filter_;
  std::unique_ptr<SystemdBus> bus_;  // none until the first question, and after a failure
  Answer answer_;
  std::string text_;  // of the answer
  core::Result<void> outcome_;
  core::SteadyTime next_question_{};
  // A unit's type changes only with its file: kept while the unit is there, and asked anew now and then.
  std::map<std::string, std::string> types_;
  core::SteadyTime types_until_{};
};

}  // namespace collector::host

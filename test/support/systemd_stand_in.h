// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "test/support/background_process.h"

struct sd_bus;

namespace test_support {

// Answers on a message bus in systemd's place, with its names, and runs a real process for each unit. Refuses what
// systemd refuses: unknown units, other modes, a signal to what has no process.
//
// Thread safety: any thread; made and destroyed by one.
class SystemdStandIn {
 public:
  struct Unit {
    std::vector<std::string> argv;
    std::vector<std::string> required_by = {};
  };

  // `address`: of a bus that is there. All units are started.
  SystemdStandIn(const std::string& address, const std::map<std::string, Unit>& units, std::filesystem::path folder);
  SystemdStandIn(const SystemdStandIn&) = delete;
  SystemdStandIn& operator=(const SystemdStandIn&) = delete;
  ~SystemdStandIn();

  bool active(const std::string& unit);
  // "StopUnit geth.service", in order.
  std::vector<std::string> calls();

  struct Served;   // one unit and its process
  struct Methods;  // what sd-bus calls

 private:
  std::recursive_mutex mutex_;
  std::filesystem::path folder_;
  std::map<std::string, std::unique_ptr<Served>> units_;  // guarded by mutex_
  std::vector<std::string> calls_;                        // guarded by mutex_
  sd_bus* bus_ = nullptr;
  std::jthread thread_;
};

}  // namespace test_support

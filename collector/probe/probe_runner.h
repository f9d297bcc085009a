// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "collector/probe/probe_result.h"
#include "collector/probe/resolver.h"
#include "core/net/io_loop.h"

namespace collector::probe {

struct ProbeRunnerOptions {
  std::size_t in_flight_max = 1000;  // more fail at once, as unknown (`overloaded`)
  std::string user_agent = "Watchkeeper";
  ResolverOptions resolver;
};

// Counts since the start.
//
// Thread safety: any thread. Every access is relaxed: each number stands alone.
struct ProbeStats {
  std::array<std::atomic<std::uint64_t>, std::size(kReasons)> by_reason{};
  std::atomic<std::uint64_t> in_flight{0};
  std::size_t in_flight_max = 0;
};

// What is kept of probes that have ended: the last of all, and the last failures for longer.
inline constexpr std::size_t kRecentMax = 100;
inline constexpr std::size_t kFailuresMax = 100;
struct ProbeHistory {
  std::vector<ProbeResultPtr> recent;    // newest first
  std::vector<ProbeResultPtr> failures;  // newest first
};

using ProbeId = std::uint64_t;

// Carries out probes, as many at once as are asked for up to a bound; each waits for its own sockets only.
//
// Thread safety: any thread. `done` runs on the loop's thread, exactly once unless cancelled, never inside run().
// Destroyed on the loop's thread or while the loop does not run; what is under way ends without calling back.
class ProbeRunner {
 public:
  // REQUIRES: `loop` and `clock` outlive this.
  ProbeRunner(core::net::IoLoop& loop, const core::Clock& clock, ProbeRunnerOptions options = {});
  ~ProbeRunner();
  ProbeRunner(const ProbeRunner&) = delete;
  ProbeRunner& operator=(const ProbeRunner&) = delete;

  // The modules of probes that begin from now on; http_2xx is there always.
  void configure(Modules modules);
  bool has_module(const std::string& name) const;
  std::shared_ptr<const Modules> modules() const;

  ProbeId run(ProbeQuery query, std::function<void(ProbeResultPtr)> done);
  // The callback will not run after this returns on the loop's thread.
  void cancel(ProbeId id);

  ProbeHistory history() const;
  const ProbeStats& stats() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// The timeout that counts: blackbox_exporter's rule, with `offset` for the way back to who asked.
core::Duration effective_timeout(core::Duration asked, core::Duration of_module, core::Duration offset);

}  // namespace collector::probe

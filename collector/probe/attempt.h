// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>

#include <fmt/format.h>

#include "collector/probe/module_config.h"
#include "collector/probe/report.h"
#include "core/task.h"
#include "core/time/clock.h"

namespace core::net {
class HttpClient;
class IoLoop;
}  // namespace core::net

namespace collector::probe {

class SideThread;
class Resolver;

// What probers stand on. Everything outlives the probes.
struct Services {
  core::net::IoLoop& loop;
  const core::Clock& clock;
  core::net::HttpClient& http;
  Resolver& resolver;
  SideThread& files;
  SideThread& judges;
};

// One probe under way: one attempt, to one address, until one deadline.
//
// Thread safety: confined to the loop's thread.
struct Attempt {
  Services& services;
  const Module& module;
  std::string target;
  std::string hostname;  // the parameter of that name; "" if there is none
  core::SteadyTime started;
  core::SteadyTime deadline;
  bool traced = false;
  Report report;

  core::SteadyTime now() const { return services.clock.steady_now(); }
  core::Duration since(core::SteadyTime when) const { return now() - when; }
  core::Duration left() const { return deadline - now(); }

  // A line of the trace, if anybody will read it.
  template <class... Args>
  void trace(fmt::format_string<Args...> format, Args&&... args) {
    if (traced) report.trace(since(started), fmt::format(format, std::forward<Args>(args)...));
  }
};

// A prober: fills in the attempt's report. What it awaits ends by the deadline.
using Prober = core::Task<bool> (*)(Attempt& attempt);

core::Task<bool> probe_http(Attempt& attempt);
core::Task<bool> probe_tcp(Attempt& attempt);
core::Task<bool> probe_tls(Attempt& attempt);
core::Task<bool> probe_dns(Attempt& attempt);
core::Task<bool> probe_icmp(Attempt& attempt);
core::Task<bool> probe_ntp(Attempt& attempt);
core::Task<bool> probe_unix(Attempt& attempt);
core::Task<bool> probe_grpc(Attempt& attempt);
core::Task<bool> probe_certificate_file(Attempt& attempt);
core::Task<bool> probe_ec2_metadata(Attempt& attempt);
core::Task<bool> probe_docker(Attempt& attempt);
core::Task<bool> probe_cri(Attempt& attempt);
core::Task<bool> probe_kubernetes(Attempt& attempt);

}  // namespace collector::probe

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <map>
#include <string>

#include "collector/host/cgroups.h"
#include "collector/host/exposition_writer.h"
#include "collector/host/host_config.h"
#include "collector/host/name_filter.h"
#include "collector/host/systemd_units.h"
#include "collector/host/text_files.h"
#include "core/result.h"
#include "core/time/clock.h"

namespace collector::host {

// The expressions of a configuration, compiled.
struct Filters {
  explicit Filters(const HostConfig& config);

  NameFilter arp, disks, mount_points, filesystem_types, interfaces, network, netstat, vmstat, chips, power_supplies;
};

// The last columns of /proc/stat, by processor: what must not go back is kept from going back.
using ProcessorTimes = std::map<std::string, std::array<double, 10>, std::less<>>;

// What a source has at hand.
struct SourceContext {
  const HostConfig& config;
  const HostPaths& paths;
  const Filters& filters;
  core::WallTime now;
  ProcessorTimes& processor_times;
  Cgroups& cgroups;
  SystemdUnits& systemd_units;
  TextFiles& text_files;
  std::vector<std::string>& complaints;  // what is wrong although the source as a whole can be read
};

// One source each. What it wrote before it failed is taken back; kNotFound says that this host has no such thing.
core::Result<void> write_arp(SourceContext& context, ExpositionWriter& out);
core::Result<void> write_bonding(SourceContext& context, ExpositionWriter& out);
core::Result<void> write_cgroups(SourceContext& context, ExpositionWriter& out);
core::Result<void> write_clock_state(SourceContext& context, ExpositionWriter& out);
core::Result<void> write_conntrack(SourceContext& context, ExpositionWriter& out);
core::Result<void> write_cpu(SourceContext& context, ExpositionWriter& out);
core::Result<void> write_cpu_frequency(SourceContext& context, ExpositionWriter& out);
core::Result<void> write_disks(SourceContext& context, ExpositionWriter& out);
core::Result<void> write_dmi(SourceContext& context, ExpositionWriter& out);
core::Result<void> write_edac(SourceContext& context, ExpositionWriter& out);
core::Result<void> write_entropy(SourceContext& context, ExpositionWriter& out);
core::Result<void> write_file_handles(SourceContext& context, ExpositionWriter& out);
core::Result<void> write_filesystems(SourceContext& context, ExpositionWriter& out);
core::Result<void> write_load(SourceContext& context, ExpositionWriter& out);
core::Result<void> write_memory(SourceContext& context, ExpositionWriter& out);
core::Result<void> write_network(SourceContext& context, ExpositionWriter& out);
core::Result<void> write_network_state(SourceContext& context, ExpositionWriter& out);
core::Result<void> write_network_protocols(SourceContext& context, ExpositionWriter& out);
core::Result<void> write_nvme(SourceContext& context, ExpositionWriter& out);
core::Result<void> write_os(SourceContext& context, ExpositionWriter& out);
core::Result<void> write_power_supplies(SourceContext& context, ExpositionWriter& out);
core::Result<void> write_pressure(SourceContext& context, ExpositionWriter& out);
core::Result<void> write_processes(SourceContext& context, ExpositionWriter& out);
core::Result<void> write_raid(SourceContext& context, ExpositionWriter& out);
core::Result<void> write_rapl(SourceContext& context, ExpositionWriter& out);
core::Result<void> write_schedstat(SourceContext& context, ExpositionWriter& out);
core::Result<void> write_selinux(SourceContext& context, ExpositionWriter& out);
core::Result<void> write_sensors(SourceContext& context, ExpositionWriter& out);
core::Result<void> write_sockets(SourceContext& context, ExpositionWriter& out);
core::Result<void> write_softnet(SourceContext& context, ExpositionWriter& out);
core::Result<void> write_stat(SourceContext& context, ExpositionWriter& out);
core::Result<void> write_systemd(SourceContext& context, ExpositionWriter& out);
core::Result<void> write_text_files(SourceContext& context, ExpositionWriter& out);
core::Result<void> write_thermal_zones(SourceContext& context, ExpositionWriter& out);
core::Result<void> write_time(SourceContext& context, ExpositionWriter& out);
core::Result<void> write_udp_queues(SourceContext& context, ExpositionWriter& out);
core::Result<void> write_uname(SourceContext& context, ExpositionWriter& out);
core::Result<void> write_vmstat(SourceContext& context, ExpositionWriter& out);

}  // namespace collector::host

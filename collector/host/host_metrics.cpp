// SPDX-License-Identifier: Apache-2.0
#include "collector/host/host_metrics.h"

#include <fmt/format.h>

#include <array>

#include "collector/host/sources.h"

namespace collector::host {
namespace {

using core::Result;

// About 40,000 samples: a host with more interfaces or cgroups than that leaves some out by configuration.
constexpr std::size_t kSourceBytesMax = 8 << 20;

struct Source {
  CollectorDescription description;
  Result<void> (*write)(SourceContext&, ExpositionWriter&);
};

// textfile comes last: its files must not say what the others have said.
constexpr std::array<Source, 38> kSources = {
    {{{"arp", true, "Neighbours that the host knows."}, write_arp},
     {{"bonding", true, "Bonded interfaces."}, write_bonding},
     {{"conntrack", true, "Connection tracking."}, write_conntrack},
     {{"containers", true, "Cgroups of version 2: containers, services, slices."}, write_cgroups},
     {{"cpu", true, "Time of processors, and how often they were slowed down."}, write_cpu},
     {{"cpufreq", true, "Frequencies of processors."}, write_cpu_frequency},
     {{"diskstats", true, "Reads and writes of disks."}, write_disks},
     {{"dmi", true, "What the firmware says of the machine."}, write_dmi},
     {{"edac", true, "Errors of memory modules."}, write_edac},
     {{"entropy", true, "The kernel's entropy."}, write_entropy},
     {{"filefd", true, "Open files."}, write_file_handles},
     {{"filesystem", true, "Space of filesystems."}, write_filesystems},
     {{"hwmon", true, "Sensors."}, write_sensors},
     {{"loadavg", true, "Load averages."}, write_load},
     {{"mdadm", true, "Software RAID."}, write_raid},
     {{"meminfo", true, "Memory."}, write_memory},
     {{"netclass", true, "State of interfaces."}, write_network_state},
     {{"netdev", true, "Traffic of interfaces."}, write_network},
     {{"netstat", true, "Counters of network protocols."}, write_network_protocols},
     {{"nvme", true, "NVMe controllers."}, write_nvme},
     {{"os", true, "The distribution."}, write_os},
     {{"powersupplyclass", true, "Power supplies."}, write_power_supplies},
     {{"pressure", true, "Stalls for want of processor, memory, disk."}, write_pressure},
     {{"processes", false, "What processes do; looks at every one of them."}, write_processes},
     {{"rapl", true, "Energy that processors take."}, write_rapl},
     {{"schedstat", true, "The scheduler's counters."}, write_schedstat},
     {{"selinux", true, "SELinux's mode."}, write_selinux},
     {{"sockstat", true, "Sockets."}, write_sockets},
     {{"softnet", true, "Packets that processors took from interfaces."}, write_softnet},
     {{"stat", true, "Interrupts, forks, boot time."}, write_stat},
     {{"systemd", true, "States of systemd's units."}, write_systemd},
     {{"thermal_zone", true, "Temperatures and fans."}, write_thermal_zones},
     {{"time", true, "The clock, the time zone, the clock source."}, write_time},
     {{"timex", true, "How the clock is kept right."}, write_clock_state},
     {{"udp_queues", true, "Queues of UDP sockets."}, write_udp_queues},
     {{"uname", true, "The kernel."}, write_uname},
     {{"vmstat", true, "The memory management's counters."}, write_vmstat},
     {{"textfile", true, "Metrics that other programs leave in files."}, write_text_files}}};

}  // namespace

struct HostMetrics::State {
  State(const core::Clock& clock, const HostConfig& config)
      : filters(config), cgroups(clock, config), systemd_units(clock, config.systemd) {}

  Filters filters;
  ProcessorTimes processor_times;
  Cgroups cgroups;
  SystemdUnits systemd_units;
  TextFiles text_files;
};

Filters::Filters(const HostConfig& config)
    : arp(config.arp.device_include, config.arp.device_exclude),
      disks(config.diskstats.device_include, config.diskstats.device_exclude),
      mount_points("", config.filesystem.mount_points_exclude),
      filesystem_types("", config.filesystem.types_exclude),
      interfaces("", config.netclass.ignored_devices),
      network(config.netdev.device_include, config.netdev.device_exclude),
      netstat(config.netstat.fields_include, ""),
      vmstat(config.vmstat.fields_include, ""),
      chips(config.hwmon.chip_include, config.hwmon.chip_exclude),
      power_supplies("", config.powersupplyclass.ignored_supplies) {}

const std::vector<CollectorDescription>& collector_descriptions() {
  static const auto descriptions = [] {
    std::vector<CollectorDescription> result;
    for (const Source& source : kSources) result.push_back(source.description);
    return result;
  }();
  return descriptions;
}

HostMetrics::HostMetrics(const core::Clock& clock, HostConfig config)
    : clock_(clock), config_(std::move(config)), state_(std::make_unique<State>(clock, config_)) {}

HostMetrics::~HostMetrics() = default;

HostMetrics::Reading HostMetrics::read() {
  Reading reading;
  SourceContext context{.config = config_,
                        .paths = config_.path,
                        .filters = state_->filters,
                        .now = clock_.wall_now(),
                        .processor_times = state_->processor_times,
                        .cgroups = state_->cgroups,
                        .systemd_units = state_->systemd_units,
                        .text_files = state_->text_files,
                        .complaints = reading.complaints};
  struct Outcome {
    std::string_view name;
    bool good;
    double seconds;
  };
  std::vector<Outcome> outcomes;
  ExpositionWriter out;
  for (const Source& source : kSources) {
    if (!config_.collectors.is_on(source.description)) continue;
    const core::SteadyTime start = clock_.steady_now();
    const std::size_t before = out.size();
    auto done = source.write(context, out);
    if (done && out.size() - before > kSourceBytesMax) {
      done = core::fail(core::Errc::kLimitExceeded, "more than {} bytes of samples", kSourceBytesMax);
    }
    if (!done) {
      out.take_back(before);
      if (done.error().code != core::Errc::kNotFound) {
        reading.complaints.push_back(fmt::format("{}: {}", source.description.name, done.error().message));
      }
    }
    outcomes.push_back({source.description.name, done.has_value(),
                        std::chrono::duration<double>(clock_.steady_now() - start).count()});
  }
  out.family("node_scrape_collector_duration_seconds", "gauge", "How long reading a source took.");
  for (const Outcome& each : outcomes) out.sample({{"collector", each.name}}, each.seconds);
  out.family("node_scrape_collector_success", "gauge", "Whether a source is there and could be read.");
  for (const Outcome& each : outcomes) out.sample({{"collector", each.name}}, each.good ? 1 : 0);
  reading.text = out.take();
  return reading;
}

}  // namespace collector::host

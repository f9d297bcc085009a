// SPDX-License-Identifier: Apache-2.0
#include "collector/host/host_config.h"

#include <algorithm>

#include "collector/host/name_filter.h"

namespace collector::host {
namespace {

using core::Result;
using core::config::Node;
using core::config::Table;

// A key whose text is a regular expression.
template <class T>
struct Expression {
  std::string_view key;
  std::string T::* member;
  std::string_view help;
};

template <class T>
Table<T> table_of(std::string_view name, std::string_view help, const std::vector<Expression<T>>& expressions) {
  Table<T> table(name, help);
  for (const auto& each : expressions) table.field(each.key, each.member, {.help = each.help});
  table.check([expressions](const T& value, const Node& node) -> Result<void> {
    for (const auto& each : expressions) {
      if (const auto fine = NameFilter::check(value.*each.member); !fine) {
        const Node given = node.find(each.key);
        return core::fail((given.is_null() ? node : given).error("{}: {}", each.key, fine.error().message));
      }
    }
    return {};
  });
  return table;
}

constexpr std::string_view kInclude = "What is taken; empty: everything.";
constexpr std::string_view kExclude = "What is left out of that; empty: nothing.";

const core::config::TableDescription& switches_description() {
  static const auto description = [] {
    core::config::TableDescription result{"collectors", "What is read of the host.", {}, {}};
    for (const CollectorDescription& each : collector_descriptions()) {
      result.fields.push_back({std::string(each.name),
                               core::config::Codec<bool>::describe(),
                               core::config::Codec<bool>::print(each.on),
                               {.help = each.help}});
    }
    return result;
  }();
  return description;
}

}  // namespace

std::string HostPaths::below_root(std::string_view path) const {
  std::string result = root;
  while (result.ends_with('/')) result.pop_back();
  result += path;
  return result;
}

const Table<HostPaths>& HostPaths::fields() {
  static const auto table =
      Table<HostPaths>("host_path", "Where the host shows itself; for an agent in a container that has it mounted.")
          .field("procfs", &HostPaths::proc, {.help = "The host's /proc."})
          .field("sysfs", &HostPaths::sys, {.help = "The host's /sys."})
          .field("rootfs", &HostPaths::root,
                 {.help = "The host's root: filesystems, os-release and pod logs are below it."})
          .field("udev_data", &HostPaths::udev, {.help = "udev's data, for the names of disks."});
  return table;
}

const Table<ArpOptions>& ArpOptions::fields() {
  static const auto table = table_of<ArpOptions>("host_arp", "Interfaces whose neighbours are counted.",
                                                 {{"device_include", &ArpOptions::device_include, kInclude},
                                                  {"device_exclude", &ArpOptions::device_exclude, kExclude}});
  return table;
}

const Table<CgroupOptions>& CgroupOptions::fields() {
  static const auto table = [] {
    auto result = table_of<CgroupOptions>(
        "host_containers", "Cgroups that are read: containers, systemd's services and slices.",
        {{"include", &CgroupOptions::include, "Paths that are taken, as in the label id; empty: all."},
         {"exclude", &CgroupOptions::exclude, kExclude}});
    result.field("depth_max", &CgroupOptions::depth_max, {.help = "How many levels below the root."})
        .field("cgroups_max", &CgroupOptions::cgroups_max, {.help = "How many at most; what is deeper goes first."})
        .field("interval", &CgroupOptions::interval,
               {.help = "How often they are read at most; in between the last reading is repeated."})
        .check([](const CgroupOptions& containers, const Node& node) -> Result<void> {
          if (containers.interval.count() < 0) return core::fail(node.error("interval: expected 0 or more"));
          constexpr std::size_t kMost = 10'000;  // 400,000 samples
          if (containers.cgroups_max == 0 || containers.cgroups_max > kMost) {
            return core::fail(node.error("cgroups_max: expected 1 to {}", kMost));
          }
          return {};
        });
    return result;
  }();
  return table;
}

const Table<DiskOptions>& DiskOptions::fields() {
  static const auto table = table_of<DiskOptions>("host_diskstats", "Block devices that are read.",
                                                  {{"device_include", &DiskOptions::device_include, kInclude},
                                                   {"device_exclude", &DiskOptions::device_exclude, kExclude}});
  return table;
}

const Table<NetworkOptions>& NetworkOptions::fields() {
  static const auto table = table_of<NetworkOptions>("host_netdev", "Interfaces whose traffic is read.",
                                                     {{"device_include", &NetworkOptions::device_include, kInclude},
                                                      {"device_exclude", &NetworkOptions::device_exclude, kExclude}});
  return table;
}

const Table<FilesystemOptions>& FilesystemOptions::fields() {
  static const auto table = table_of<FilesystemOptions>(
      "host_filesystem", "Filesystems that are read; those behind a network or a user process never are.",
      {{"mount_points_exclude", &FilesystemOptions::mount_points_exclude, "Mount points that are left out."},
       {"fs_types_exclude", &FilesystemOptions::types_exclude, "Types that are left out."}});
  return table;
}

const Table<InterfaceOptions>& InterfaceOptions::fields() {
  static const auto table = [] {
    auto result = table_of<InterfaceOptions>(
        "host_netclass", "Interfaces whose state is read.",
        {{"ignored_devices", &InterfaceOptions::ignored_devices, "Interfaces that are left out."}});
    result.field("ignore_invalid_speed", &InterfaceOptions::ignore_invalid_speed,
                 {.help = "Whether a speed of -1, which is what virtual interfaces say, is left out."});
    return result;
  }();
  return table;
}

const Table<NetstatOptions>& NetstatOptions::fields() {
  static const auto table = table_of<NetstatOptions>(
      "host_netstat", "Counters of the network protocols that are read.",
      {{"fields", &NetstatOptions::fields_include, "Counters that are taken, as Protocol_Name."}});
  return table;
}

const Table<VmstatOptions>& VmstatOptions::fields() {
  static const auto table =
      table_of<VmstatOptions>("host_vmstat", "Counters of the memory management that are read.",
                              {{"fields", &VmstatOptions::fields_include, "Counters that are taken."}});
  return table;
}

const Table<ProcessorOptions>& ProcessorOptions::fields() {
  static const auto table =
      Table<ProcessorOptions>("host_cpu", "What is read of the processors.")
          .field("guest", &ProcessorOptions::guest, {.help = "Whether time in guests is read."})
          .field("info", &ProcessorOptions::info, {.help = "Whether node_cpu_info says which processors there are."});
  return table;
}

const Table<SensorOptions>& SensorOptions::fields() {
  static const auto table = table_of<SensorOptions>("host_hwmon", "Sensor chips that are read.",
                                                    {{"chip_include", &SensorOptions::chip_include, kInclude},
                                                     {"chip_exclude", &SensorOptions::chip_exclude, kExclude}});
  return table;
}

const Table<PowerSupplyOptions>& PowerSupplyOptions::fields() {
  static const auto table = table_of<PowerSupplyOptions>(
      "host_powersupplyclass", "Power supplies that are read.",
      {{"ignored_supplies", &PowerSupplyOptions::ignored_supplies, "Power supplies that are left out."}});
  return table;
}

const Table<SystemdOptions>& SystemdOptions::fields() {
  static const auto table = [] {
    auto result = table_of<SystemdOptions>("host_systemd", "What is asked of systemd.",
                                           {{"unit_include", &SystemdOptions::unit_include, "Units that are taken."},
                                            {"unit_exclude", &SystemdOptions::unit_exclude, kExclude}});
    result
        .field("bus", &SystemdOptions::bus,
               {.help = "D-Bus address; empty: systemd's own socket as root, the system bus otherwise."})
        .field("interval", &SystemdOptions::interval,
               {.help = "How often systemd is asked at most; in between its last answer is repeated."})
        .field("enable_restarts_metrics", &SystemdOptions::restarts, {.help = "Whether restarts of services are read."})
        .field("enable_start_time_metrics", &SystemdOptions::start_time,
               {.help = "Whether the time is read at which a unit became active."})
        .field("enable_task_metrics", &SystemdOptions::tasks, {.help = "Whether tasks of services are read."})
        .check([](const SystemdOptions& systemd, const Node& node) -> Result<void> {
          if (systemd.interval.count() < 0) return core::fail(node.error("interval: expected 0 or more"));
          return {};
        });
    return result;
  }();
  return table;
}

const Table<TextfileOptions>& TextfileOptions::fields() {
  static const auto table = Table<TextfileOptions>("host_textfile", "Metrics that other programs leave in files.")
                                .field("directory", &TextfileOptions::directory,
                                       {.help = "The folder whose *.prom files are read; empty: none.",
                                        .example = "/var/lib/prometheus/node-exporter"});
  return table;
}

const Table<HostConfig>& HostConfig::fields() {
  static const auto table =
      Table<HostConfig>("host", "Metrics of the machine that the agent runs on.")
          .field("enabled", &HostConfig::enabled, {.help = "Whether the host is measured."})
          .field("interval", &HostConfig::interval, {.help = "How often."})
          .field("job", &HostConfig::job, {.help = "The job label of its series."})
          .field("instance", &HostConfig::instance, {.help = "The instance label; empty: the host's name."})
          .field("path", &HostConfig::path, {.help = "Where the host shows itself."})
          .field("collectors", &HostConfig::collectors, {.help = "What is read of it."})
          .field("arp", &HostConfig::arp, {.help = "For the collector of this name."})
          .field("containers", &HostConfig::containers, {.help = "For the collector of this name."})
          .field("cpu", &HostConfig::cpu, {.help = "For the collector of this name."})
          .field("diskstats", &HostConfig::diskstats, {.help = "For the collector of this name."})
          .field("filesystem", &HostConfig::filesystem, {.help = "For the collector of this name."})
          .field("hwmon", &HostConfig::hwmon, {.help = "For the collector of this name."})
          .field("netclass", &HostConfig::netclass, {.help = "For the collector of this name."})
          .field("netdev", &HostConfig::netdev, {.help = "For the collector of this name."})
          .field("netstat", &HostConfig::netstat, {.help = "For the collector of this name."})
          .field("powersupplyclass", &HostConfig::powersupplyclass, {.help = "For the collector of this name."})
          .field("systemd", &HostConfig::systemd, {.help = "For the collector of this name."})
          .field("textfile", &HostConfig::textfile, {.help = "For the collector of this name."})
          .field("vmstat", &HostConfig::vmstat, {.help = "For the collector of this name."})
          .check([](const HostConfig& host, const Node& node) -> Result<void> {
            if (host.interval.count() <= 0) return core::fail(node.error("interval: expected more than 0"));
            if (host.job.empty()) return core::fail(node.error("job: expected a name, got an empty text"));
            return {};
          });
  return table;
}

}  // namespace collector::host

namespace core::config {

using collector::host::CollectorSwitches;

Result<CollectorSwitches> Codec<CollectorSwitches>::read(const Node& node) {
  if (!node.is_map() && !node.is_null()) {
    return fail(node.error("expected a map of collectors, got {}", node.describe()));
  }
  if (auto known = check_keys(node, collector::host::switches_description()); !known) return fail(known.error());
  CollectorSwitches switches;
  for (const Entry& entry : node.entries()) {
    if (entry.value.is_null()) continue;
    const auto on = Codec<bool>::read(entry.value);
    if (!on) return fail(on.error());
    switches.named.emplace(entry.key.scalar(), *on);
  }
  return switches;
}

TypeDescription Codec<CollectorSwitches>::describe() {
  return {"object", {}, []() -> const TableDescription* { return &collector::host::switches_description(); }};
}

}  // namespace core::config

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/config/table.h"

namespace collector::host {

// What is read of the host, each under the name of node_exporter's collector where there is one.
struct CollectorDescription {
  std::string_view name;
  bool on;  // by default
  std::string_view help;
};

// All of them, in the order in which they are read.
const std::vector<CollectorDescription>& collector_descriptions();

// `collectors`: which are on; those not named are as collector_descriptions() says.
struct CollectorSwitches {
  std::map<std::string, bool, std::less<>> named;

  bool is_on(const CollectorDescription& collector) const {
    const auto found = named.find(collector.name);
    return found == named.end() ? collector.on : found->second;
  }
  bool operator==(const CollectorSwitches&) const = default;
};

// Where the host shows itself: elsewhere in a container that has them mounted, and in tests.
struct HostPaths {
  std::string proc = "/proc";
  std::string sys = "/sys";
  std::string root = "/";  // mount points, os-release and logs are below it
  std::string udev = "/run/udev/data";

  // An absolute path of the host, below its root.
  std::string below_root(std::string_view path) const;
  bool operator==(const HostPaths&) const = default;
  static const core::config::Table<HostPaths>& fields();
};

// Regular expressions as node_exporter's flags have them: RE2, found anywhere in the name unless anchored. An empty
// include takes everything, an empty exclude nothing.
struct ArpOptions {
  std::string device_include, device_exclude;
  bool operator==(const ArpOptions&) const = default;
  static const core::config::Table<ArpOptions>& fields();
};

struct CgroupOptions {
  std::string include, exclude;
  std::size_t depth_max = 8;
  std::size_t cgroups_max = 500;
  std::chrono::milliseconds interval = std::chrono::seconds(15);
  bool operator==(const CgroupOptions&) const = default;
  static const core::config::Table<CgroupOptions>& fields();
};

struct DiskOptions {
  std::string device_include;
  std::string device_exclude = "^(ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\\d+n\\d+p)\\d+$";
  bool operator==(const DiskOptions&) const = default;
  static const core::config::Table<DiskOptions>& fields();
};

struct NetworkOptions {
  std::string device_include, device_exclude;
  bool operator==(const NetworkOptions&) const = default;
  static const core::config::Table<NetworkOptions>& fields();
};

struct FilesystemOptions {
  std::string mount_points_exclude =
      "^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)";
  std::string types_exclude =
      "^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|mqueue|nsfs|"
      "overlay|"
      "proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|sysfs|tracefs)$";
  bool operator==(const FilesystemOptions&) const = default;
  static const core::config::Table<FilesystemOptions>& fields();
};

struct InterfaceOptions {
  std::string ignored_devices = "^$";
  bool ignore_invalid_speed = false;
  bool operator==(const InterfaceOptions&) const = default;
  static const core::config::Table<InterfaceOptions>& fields();
};

struct NetstatOptions {
  std::string fields_include =
      "^(.*_(InErrors|InErrs)|Ip_Forwarding|Ip(6|Ext)_(InOctets|OutOctets)|Icmp6?_(InMsgs|OutMsgs)|"
      "TcpExt_(Listen.*|Syncookies.*|TCPSynRetrans|TCPTimeouts|TCPOFOQueue|TCPRcvQDrop)|"
      "Tcp_(ActiveOpens|InSegs|OutSegs|OutRsts|PassiveOpens|RetransSegs|CurrEstab)|"
      "Udp6?_(InDatagrams|OutDatagrams|NoPorts|RcvbufErrors|SndbufErrors))$";
  bool operator==(const NetstatOptions&) const = default;
  static const core::config::Table<NetstatOptions>& fields();
};

struct VmstatOptions {
  std::string fields_include = "^(oom_kill|pgpg|pswp|pg.*fault).*";
  bool operator==(const VmstatOptions&) const = default;
  static const core::config::Table<VmstatOptions>& fields();
};

struct ProcessorOptions {
  bool guest = true;
  bool info = false;
  bool operator==(const ProcessorOptions&) const = default;
  static const core::config::Table<ProcessorOptions>& fields();
};

struct SensorOptions {
  std::string chip_include, chip_exclude;
  bool operator==(const SensorOptions&) const = default;
  static const core::config::Table<SensorOptions>& fields();
};

struct PowerSupplyOptions {
  std::string ignored_supplies = "^$";
  bool operator==(const PowerSupplyOptions&) const = default;
  static const core::config::Table<PowerSupplyOptions>& fields();
};

struct SystemdOptions {
  std::string unit_include = ".+";
  std::string unit_exclude = ".+\\.(automount|device|mount|scope|slice)";
  std::string bus;  // D-Bus address; empty: systemd's own socket as root, the system bus otherwise
  std::chrono::milliseconds interval = std::chrono::seconds(15);
  bool restarts = true;
  bool start_time = false;
  bool tasks = false;
  bool operator==(const SystemdOptions&) const = default;
  static const core::config::Table<SystemdOptions>& fields();
};

struct TextfileOptions {
  std::string directory;  // empty: none
  bool operator==(const TextfileOptions&) const = default;
  static const core::config::Table<TextfileOptions>& fields();
};

// `host`: metrics of the machine that the agent runs on.
struct HostConfig {
  bool enabled = true;
  std::chrono::milliseconds interval = std::chrono::seconds(15);
  std::string job = "host";
  std::string instance;
  HostPaths path;
  CollectorSwitches collectors;
  ArpOptions arp;
  CgroupOptions containers;
  ProcessorOptions cpu;
  DiskOptions diskstats;
  FilesystemOptions filesystem;
  SensorOptions hwmon;
  InterfaceOptions netclass;
  NetworkOptions netdev;
  NetstatOptions netstat;
  PowerSupplyOptions powersupplyclass;
  SystemdOptions systemd;
  TextfileOptions textfile;
  VmstatOptions vmstat;

  bool operator==(const HostConfig&) const = default;
  static const core::config::Table<HostConfig>& fields();
};

}  // namespace collector::host

namespace core::config {

template <>
struct Codec<collector::host::CollectorSwitches> {
  static Result<collector::host::CollectorSwitches> read(const Node& node);
  static std::string print(const collector::host::CollectorSwitches&) { return ""; }
  static TypeDescription describe();
};

}  // namespace core::config

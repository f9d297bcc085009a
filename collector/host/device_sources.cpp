// SPDX-License-Identifier: Apache-2.0
// Filesystems, disks, network interfaces: what a host has several of.
#include <algorithm>
#include <array>
#include <filesystem>
#include <set>

#include <re2/re2.h>
#include <sys/statvfs.h>

#include "collector/host/sources.h"

namespace collector::host {
namespace {

using core::Errc;
using core::Result;

// node_exporter's default filters.
constexpr const char* kMountsLeftOut =
    "^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)";
constexpr const char* kTypesLeftOut =
    "autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|mqueue|nsfs|overlay|"
    "proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|sysfs|tracefs";
// statvfs on these waits for a server, in the kernel, without end if it is gone.
constexpr const char* kTypesThatWait =
    "nfs4?|cifs|smb3|smbfs|ceph|afs|ncpfs|9p|virtiofs|glusterfs|lustre|gpfs|beegfs|orangefs|coda|ocfs2|gfs2|fuse.*";
constexpr const char* kDisksLeftOut = "(ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\\d+n\\d+p)\\d+";

struct Filesystem {
  std::string device, mount_point, type;
  bool read_only = false;
  bool failed = false;
  struct statvfs sizes{};
};

// proc(5): blanks and backslashes in /proc/mounts are written as three octal digits.
std::string decode_octal(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto octal = [&](std::size_t k) { return i + k < text.size() && text[i + k] >= '0' && text[i + k] <= '7'; };
    if (text[i] == '\\' && octal(1) && octal(2) && octal(3)) {
      result += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      result += text[i];
    }
  }
  return result;
}

struct NamedField {
  std::string_view name, type, help;
  double scale;
};

std::string family_name(std::string_view prefix, std::string_view name) { return fmt::format("{}{}", prefix, name); }

}  // namespace

Result<void> write_filesystems(const HostPaths& paths, ExpositionWriter& out) {
  auto text = read_file(paths.proc + "/1/mounts");
  if (!text) text = read_file(paths.proc + "/self/mounts");
  if (!text) return core::fail(text.error());
  static const re2::RE2 mounts_left_out(kMountsLeftOut);
  static const re2::RE2 types_left_out(kTypesLeftOut);
  static const re2::RE2 types_that_wait(kTypesThatWait);
  std::vector<Filesystem> found;
  std::set<std::string> seen;
  for (const std::string_view line : split_lines(*text)) {
    const auto fields = split_fields(line);
    if (fields.size() < 4) continue;
    Filesystem each{decode_octal(fields[0]), decode_octal(fields[1]), std::string(fields[2])};
    if (re2::RE2::PartialMatch(each.mount_point, mounts_left_out) || re2::RE2::FullMatch(each.type, types_left_out) ||
        re2::RE2::FullMatch(each.type, types_that_wait)) {
      continue;
    }
    // Mounted over one another: only one of them can be asked.
    if (!seen.insert(each.device + '\0' + each.mount_point + '\0' + each.type).second) continue;
    const std::string options = fmt::format(",{},", fields[3]);
    each.read_only = options.find(",ro,") != std::string::npos;
    const auto place = std::filesystem::path(paths.root) / std::filesystem::path(each.mount_point).relative_path();
    each.failed = ::statvfs(place.c_str(), &each.sizes) != 0;
    found.push_back(std::move(each));
  }
  const auto family = [&](std::string_view name, std::string_view help, auto value) {
    out.family(family_name("node_filesystem_", name), "gauge", help);
    for (const Filesystem& each : found) {
      if (each.failed && name != "device_error") continue;
      out.sample({{"device", each.device}, {"fstype", each.type}, {"mountpoint", each.mount_point}}, value(each));
    }
  };
  const auto bytes = [](const Filesystem& each, fsblkcnt_t blocks) {
    return static_cast<double>(blocks) * static_cast<double>(each.sizes.f_frsize);
  };
  family("size_bytes", "Size.", [&](const auto& each) { return bytes(each, each.sizes.f_blocks); });
  family("free_bytes", "Free space.", [&](const auto& each) { return bytes(each, each.sizes.f_bfree); });
  family("avail_bytes", "Free space for others than root.",
         [&](const auto& each) { return bytes(each, each.sizes.f_bavail); });
  family("files", "Inodes.", [](const auto& each) { return static_cast<double>(each.sizes.f_files); });
  family("files_free", "Free inodes.", [](const auto& each) { return static_cast<double>(each.sizes.f_ffree); });
  family("readonly", "Whether it is mounted read-only.", [](const auto& each) { return each.read_only ? 1.0 : 0.0; });
  family("device_error", "Whether asking for its size failed.",
         [](const auto& each) { return each.failed ? 1.0 : 0.0; });
  return {};
}

Result<void> write_disks(const HostPaths& paths, ExpositionWriter& out) {
  const auto text = read_file(paths.proc + "/diskstats");
  if (!text) return core::fail(text.error());
  static const re2::RE2 left_out(kDisksLeftOut);
  // Documentation/admin-guide/iostats.rst: sectors of 512 bytes, times in ms.
  constexpr std::array<NamedField, 17> kFields = {
      {{"reads_completed_total", "counter", "Reads.", 1},
       {"reads_merged_total", "counter", "Reads merged.", 1},
       {"read_bytes_total", "counter", "Bytes read.", 512},
       {"read_time_seconds_total", "counter", "Seconds of reads.", 1e-3},
       {"writes_completed_total", "counter", "Writes.", 1},
       {"writes_merged_total", "counter", "Writes merged.", 1},
       {"written_bytes_total", "counter", "Bytes written.", 512},
       {"write_time_seconds_total", "counter", "Seconds of writes.", 1e-3},
       {"io_now", "gauge", "Operations under way.", 1},
       {"io_time_seconds_total", "counter", "Seconds with work.", 1e-3},
       {"io_time_weighted_seconds_total", "counter", "Seconds with work, times operations under way.", 1e-3},
       {"discards_completed_total", "counter", "Discards.", 1},
       {"discards_merged_total", "counter", "Discards merged.", 1},
       {"discarded_sectors_total", "counter", "Sectors discarded.", 1},
       {"discard_time_seconds_total", "counter", "Seconds of discards.", 1e-3},
       {"flush_requests_total", "counter", "Flushes.", 1},
       {"flush_requests_time_seconds_total", "counter", "Seconds of flushes.", 1e-3}}};
  std::vector<std::vector<std::string_view>> disks;
  for (const std::string_view line : split_lines(*text)) {
    auto fields = split_fields(line);
    if (fields.size() < 14) continue;
    if (re2::RE2::FullMatch(re2::StringPiece(fields[2].data(), fields[2].size()), left_out)) continue;
    disks.push_back(std::move(fields));
  }
  for (std::size_t i = 0; i < kFields.size(); ++i) {
    out.family(family_name("node_disk_", kFields[i].name), kFields[i].type, kFields[i].help);
    for (const auto& fields : disks) {
      // Older kernels have fewer columns.
      if (i + 3 < fields.size()) out.sample({{"device", fields[2]}}, to_number(fields[i + 3]) * kFields[i].scale);
    }
  }
  return {};
}

Result<void> write_network(const HostPaths& paths, ExpositionWriter& out) {
  const auto text = read_file(paths.proc + "/net/dev");
  if (!text) return core::fail(text.error());
  constexpr std::array<std::string_view, 16> kColumns = {
      "receive_bytes",  "receive_packets",  "receive_errs",       "receive_drop",
      "receive_fifo",   "receive_frame",    "receive_compressed", "receive_multicast",
      "transmit_bytes", "transmit_packets", "transmit_errs",      "transmit_drop",
      "transmit_fifo",  "transmit_colls",   "transmit_carrier",   "transmit_compressed"};
  std::vector<std::pair<std::string_view, std::vector<std::string_view>>> interfaces;
  for (const std::string_view line : split_lines(*text)) {
    const std::size_t colon = line.rfind(':');
    if (colon == std::string_view::npos) continue;
    const auto names = split_fields(line.substr(0, colon));
    auto numbers = split_fields(line.substr(colon + 1));
    if (names.size() == 1 && numbers.size() == kColumns.size()) interfaces.emplace_back(names[0], std::move(numbers));
  }
  for (std::size_t i = 0; i < kColumns.size(); ++i) {
    out.family(fmt::format("node_network_{}_total", kColumns[i]), "counter", "A column of /proc/net/dev.");
    for (const auto& [name, numbers] : interfaces) out.sample({{"device", name}}, to_number(numbers[i]));
  }
  return {};
}

Result<void> write_network_state(const HostPaths& paths, ExpositionWriter& out) {
  std::error_code error;
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(paths.sys + "/class/net", error)) {
    names.push_back(entry.path().filename().string());
  }
  if (error) return core::fail(Errc::kFailed, "{}/class/net: {}", paths.sys, error.message());
  std::sort(names.begin(), names.end());
  out.family("node_network_up", "gauge", "Whether the interface's operstate is up.");
  for (const std::string& name : names) {
    const auto state = read_file(fmt::format("{}/class/net/{}/operstate", paths.sys, name));
    if (state) out.sample({{"device", name}}, state->starts_with("up") ? 1 : 0);
  }
  struct Attribute {
    std::string_view file, name, type, help;
  };
  constexpr std::array<Attribute, 3> kAttributes = {
      {{"carrier", "node_network_carrier", "gauge", "Whether the interface has a link."},
       {"carrier_changes", "node_network_carrier_changes_total", "counter", "Changes of the link."},
       {"mtu", "node_network_mtu_bytes", "gauge", "Most bytes of a packet."}}};
  for (const Attribute& each : kAttributes) {
    out.family(each.name, each.type, each.help);
    for (const std::string& name : names) {
      // An interface that is down has no carrier to read.
      const auto value = read_file(fmt::format("{}/class/net/{}/{}", paths.sys, name, each.file));
      if (value && !value->empty()) out.sample({{"device", name}}, to_number(*value));
    }
  }
  return {};
}

}  // namespace collector::host

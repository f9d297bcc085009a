// SPDX-License-Identifier: Apache-2.0
// Filesystems, disks, software RAID, NVMe controllers.
#include <fmt/format.h>
#include <re2/re2.h>
#include <sys/statvfs.h>

#include <array>
#include <set>

#include "collector/host/kernel_files.h"
#include "collector/host/sources.h"

namespace collector::host {
namespace {

using core::Errc;
using core::Result;

// statvfs on these waits for a server, in the kernel, without end if it is gone.
constexpr const char* kTypesThatWait =
    "nfs4?|cifs|smb3|smbfs|ceph|afs|ncpfs|9p|virtiofs|glusterfs|lustre|gpfs|beegfs|orangefs|coda|ocfs2|gfs2|fuse.*";
constexpr std::size_t kFilesystemsMax = 5000;

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

Result<std::vector<Filesystem>> list_filesystems(const SourceContext& context) {
  auto text = read_file(context.paths.proc + "/1/mounts");
  if (!text) text = read_file(context.paths.proc + "/self/mounts");
  if (!text) return core::fail(text.error());
  static const re2::RE2 types_that_wait(kTypesThatWait);
  std::vector<Filesystem> found;
  std::set<std::string> seen;
  for (const std::string_view line : split_lines(*text)) {
    const auto fields = split_fields(line);
    if (fields.size() < 4) {
      return core::fail(Errc::kInvalid, "{}/1/mounts: expected at least 4 fields, got {}", context.paths.proc,
                        fields.size());
    }
    Filesystem each{decode_octal(fields[0]), decode_octal(fields[1]), std::string(fields[2])};
    if (!context.filters.mount_points.wants(each.mount_point) || !context.filters.filesystem_types.wants(each.type) ||
        re2::RE2::FullMatch(each.type, types_that_wait)) {
      continue;
    }
    // Mounted over one another: only one of them can be asked.
    if (!seen.insert(each.device + '\0' + each.mount_point + '\0' + each.type).second) continue;
    const std::string options = fmt::format(",{},", fields[3]);
    each.read_only = options.find(",ro,") != std::string::npos;
    if (found.size() == kFilesystemsMax) {
      return core::fail(Errc::kLimitExceeded, "more than {} filesystems", kFilesystemsMax);
    }
    found.push_back(std::move(each));
  }
  return found;
}

}  // namespace

Result<void> write_filesystems(SourceContext& context, ExpositionWriter& out) {
  auto found = list_filesystems(context);
  if (!found) return core::fail(found.error());
  for (Filesystem& each : *found) {
    each.failed = ::statvfs(context.paths.below_root(each.mount_point).c_str(), &each.sizes) != 0;
  }
  const auto family = [&](std::string_view name, std::string_view help, auto value) {
    out.family(fmt::format("node_filesystem_{}", name), "gauge", help);
    for (const Filesystem& each : *found) {
      if (each.failed && name != "device_error" && name != "readonly") continue;
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

namespace {

struct Disk {
  std::vector<std::string_view> fields;
  std::map<std::string, std::string, std::less<>> udev;  // properties, as udev found them
};

// What udev knows of a block device: lines E:KEY=VALUE.
std::map<std::string, std::string, std::less<>> udev_properties(const HostPaths& paths, std::string_view major,
                                                                std::string_view minor) {
  std::map<std::string, std::string, std::less<>> properties;
  const auto text = read_file(fmt::format("{}/b{}:{}", paths.udev, major, minor), 64 << 10);
  if (!text) return properties;
  for (const std::string_view line : split_lines(*text)) {
    const std::size_t equals = line.find('=');
    if (!line.starts_with("E:") || equals == std::string_view::npos) continue;
    properties.insert_or_assign(std::string(line.substr(2, equals - 2)), std::string(line.substr(equals + 1)));
  }
  return properties;
}

std::string_view property(const Disk& disk, std::string_view key) {
  const auto found = disk.udev.find(key);
  return found == disk.udev.end() ? std::string_view() : found->second;
}

void write_disk_descriptions(const std::vector<Disk>& disks, ExpositionWriter& out) {
  out.family("node_disk_info", "gauge", "Which disks there are.");
  for (const Disk& disk : disks) {
    const std::string_view scsi = property(disk, "SCSI_IDENT_SERIAL");
    out.sample({{"device", disk.fields[2]},
                {"major", disk.fields[0]},
                {"minor", disk.fields[1]},
                {"path", property(disk, "ID_PATH")},
                {"wwn", property(disk, "ID_WWN")},
                {"model", property(disk, "ID_MODEL")},
                {"serial", scsi.empty() ? property(disk, "ID_SERIAL_SHORT") : scsi},
                {"revision", property(disk, "ID_REVISION")}},
               1);
  }
  out.family("node_disk_filesystem_info", "gauge", "The filesystem on a disk.");
  for (const Disk& disk : disks) {
    if (property(disk, "ID_FS_TYPE").empty()) continue;
    out.sample({{"device", disk.fields[2]},
                {"type", property(disk, "ID_FS_TYPE")},
                {"usage", property(disk, "ID_FS_USAGE")},
                {"uuid", property(disk, "ID_FS_UUID")},
                {"version", property(disk, "ID_FS_VERSION")}},
               1);
  }
  out.family("node_disk_device_mapper_info", "gauge", "What the device mapper calls a disk.");
  for (const Disk& disk : disks) {
    if (property(disk, "DM_NAME").empty()) continue;
    out.sample({{"device", disk.fields[2]},
                {"name", property(disk, "DM_NAME")},
                {"uuid", property(disk, "DM_UUID")},
                {"vg_name", property(disk, "DM_VG_NAME")},
                {"lv_name", property(disk, "DM_LV_NAME")},
                {"lv_layer", property(disk, "DM_LV_LAYER")}},
               1);
  }
  constexpr std::array<std::array<std::string_view, 3>, 3> kAta = {
      {{"node_disk_ata_write_cache", "ID_ATA_WRITE_CACHE", "Whether the disk has a write cache."},
       {"node_disk_ata_write_cache_enabled", "ID_ATA_WRITE_CACHE_ENABLED", "Whether its write cache is on."},
       {"node_disk_ata_rotation_rate_rpm", "ID_ATA_ROTATION_RATE_RPM", "How fast it turns; 0: it does not."}}};
  for (const auto& [name, key, help] : kAta) {
    out.family(name, "gauge", help);
    for (const Disk& disk : disks) {
      const auto value = parse_number(property(disk, key));
      if (value && !property(disk, "ID_ATA").empty()) out.sample({{"device", disk.fields[2]}}, *value);
    }
  }
}

struct NamedField {
  std::string_view name, type, help;
  double scale;
};

// Documentation/admin-guide/iostats.rst: sectors of 512 bytes, times in ms.
constexpr std::array<NamedField, 17> kDiskFields = {
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

}  // namespace

Result<void> write_disks(SourceContext& context, ExpositionWriter& out) {
  const std::string path = context.paths.proc + "/diskstats";
  const auto text = read_file(path);
  if (!text) return core::fail(text.error());
  NumberReader numbers(path);
  std::vector<Disk> disks;
  for (const std::string_view line : split_lines(*text)) {
    auto fields = split_fields(line);
    numbers.expect(fields.size() >= 14, "at least 14 fields", line);
    if (auto fine = numbers.done(); !fine) return fine;
    if (!context.filters.disks.wants(fields[2])) continue;
    numbers.decimal(fields[0]);  // they become part of a path
    numbers.decimal(fields[1]);
    if (auto fine = numbers.done(); !fine) return fine;
    auto properties = udev_properties(context.paths, fields[0], fields[1]);
    disks.push_back({std::move(fields), std::move(properties)});
  }
  write_disk_descriptions(disks, out);
  for (std::size_t i = 0; i < kDiskFields.size(); ++i) {
    out.family(fmt::format("node_disk_{}", kDiskFields[i].name), kDiskFields[i].type, kDiskFields[i].help);
    for (const Disk& disk : disks) {
      // Older kernels have fewer columns.
      if (i + 3 >= disk.fields.size()) continue;
      out.sample({{"device", disk.fields[2]}}, numbers.decimal(disk.fields[i + 3]) * kDiskFields[i].scale);
    }
  }
  return numbers.done();
}

namespace {

struct Raid {
  std::string_view name;
  std::string_view state;  // active, inactive, recovering, resync, check
  double active = 0, failed = 0, spare = 0, down = 0, required = 0, blocks = 0, synced = 0;
};

std::size_t count(std::string_view text, std::string_view part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

// md0 : active raid1 sdb1[1] sda1[0](F) sdc1[2](S)
Raid read_raid_head(std::string_view line, NumberReader& numbers) {
  const auto fields = split_fields(line);
  numbers.expect(fields.size() >= 3 && fields[1] == ":" && (fields[2] == "active" || fields[2] == "inactive"),
                 "name : active or inactive", line);
  if (!numbers.done()) return {};
  Raid raid{.name = fields[0], .state = fields[2]};
  raid.failed = static_cast<double>(count(line, "(F)"));
  raid.spare = static_cast<double>(count(line, "(S)"));
  // Without [n/m] (striped arrays, inactive ones) every member is needed.
  raid.required = static_cast<double>(count(line, "["));
  raid.active = raid.state == "active" ? raid.required - raid.failed - raid.spare : 0;
  return raid;
}

// 1953381376 blocks super 1.2 [2/1] [U_]
void read_raid_size(std::string_view line, Raid& raid, NumberReader& numbers) {
  static const re2::RE2 members(R"(\[(\d+)/(\d+)\] \[([U_]+)\])");
  const auto fields = split_fields(line);
  raid.blocks = raid.synced = numbers.decimal_at(fields, 0);
  re2::StringPiece required, active, up;
  if (!re2::RE2::PartialMatch(re2::StringPiece(line.data(), line.size()), members, &required, &active, &up)) return;
  raid.required = numbers.decimal(std::string_view(required.data(), required.size()));
  raid.active = numbers.decimal(std::string_view(active.data(), active.size()));
  raid.down = static_cast<double>(count(std::string_view(up.data(), up.size()), "_"));
}

// [==>......]  recovery =  8.5% (16775552/195310144) finish=17.0min; resync=DELAYED
void read_raid_progress(std::string_view line, Raid& raid, NumberReader& numbers) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kActivities = {
      {{"recovery", "recovering"}, {"resync", "resync"}, {"check", "check"}, {"reshape", "resync"}}};
  for (const auto& [word, state] : kActivities) {
    const std::size_t at = line.find(word);
    if (at == std::string_view::npos || line.find('=', at) == std::string_view::npos) continue;
    raid.state = state;
    static const re2::RE2 done(R"(\((\d+)/\d+\))");
    re2::StringPiece blocks;
    const bool under_way = re2::RE2::PartialMatch(re2::StringPiece(line.data(), line.size()), done, &blocks);
    raid.synced = under_way ? numbers.decimal(std::string_view(blocks.data(), blocks.size())) : 0;
    return;
  }
}

}  // namespace

Result<void> write_raid(SourceContext& context, ExpositionWriter& out) {
  const std::string path = context.paths.proc + "/mdstat";
  const auto text = read_file(path);
  if (!text) return core::fail(text.error());
  NumberReader numbers(path);
  std::vector<Raid> raids;
  bool sized = true;
  for (const std::string_view line : split_lines(*text)) {
    if (line.empty() || line.starts_with("Personalities") || line.starts_with("unused devices")) continue;
    const bool indented = line[0] == ' ' || line[0] == '\t';
    numbers.expect(!indented || !raids.empty(), "a RAID before what is said of it", line);
    if (!indented) {
      raids.push_back(read_raid_head(line, numbers));
      sized = false;
    } else if (raids.empty()) {
      return numbers.done();
    } else if (!std::exchange(sized, true)) {
      read_raid_size(line, raids.back(), numbers);
    } else {
      read_raid_progress(line, raids.back(), numbers);
    }
    if (auto fine = numbers.done(); !fine) return fine;
  }
  out.family("node_md_state", "gauge", "The state that a RAID is in.");
  for (const Raid& raid : raids) {
    for (const std::string_view state : {"active", "inactive", "recovering", "resync", "check"}) {
      out.sample({{"device", raid.name}, {"state", state}}, raid.state == state ? 1 : 0);
    }
  }
  out.family("node_md_disks", "gauge", "Disks of a RAID, by what they are doing.");
  for (const Raid& raid : raids) {
    out.sample({{"device", raid.name}, {"state", "active"}}, raid.active);
    out.sample({{"device", raid.name}, {"state", "failed"}}, raid.failed);
    out.sample({{"device", raid.name}, {"state", "spare"}}, raid.spare);
    out.sample({{"device", raid.name}, {"state", "down"}}, raid.down);
  }
  const auto family = [&](std::string_view name, std::string_view help, double Raid::* member) {
    out.family(name, "gauge", help);
    for (const Raid& raid : raids) out.sample({{"device", raid.name}}, raid.*member);
  };
  family("node_md_disks_required", "Disks that a RAID has when it is whole.", &Raid::required);
  family("node_md_blocks", "Blocks of a RAID.", &Raid::blocks);
  family("node_md_blocks_synced", "Blocks that are in step.", &Raid::synced);
  return {};
}

Result<void> write_nvme(SourceContext& context, ExpositionWriter& out) {
  const std::string folder = context.paths.sys + "/class/nvme";
  const auto names = list_folder(folder);
  if (!names) return core::fail(names.error());
  out.family("node_nvme_info", "gauge", "Which NVMe controllers there are, and their state.");
  for (const std::string& name : *names) {
    const auto attribute = [&](std::string_view file) {
      return read_attribute(fmt::format("{}/{}/{}", folder, name, file)).value_or("");
    };
    const std::string firmware = attribute("firmware_rev"), model = attribute("model"), serial = attribute("serial");
    const std::string state = attribute("state");
    out.sample(
        {{"device", name}, {"firmware_revision", firmware}, {"model", model}, {"serial", serial}, {"state", state}}, 1);
  }
  return {};
}

}  // namespace collector::host

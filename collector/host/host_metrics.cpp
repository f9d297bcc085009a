// SPDX-License-Identifier: Apache-2.0
#include "collector/host/host_metrics.h"

#include <array>
#include <charconv>
#include <fstream>

#include <sys/utsname.h>

#include "collector/host/sources.h"

namespace collector::host {
namespace {

using core::Errc;
using core::Result;

constexpr std::size_t kFileBytesMax = 4 << 20;

struct Source {
  std::string_view name;  // node_exporter's collector
  Result<void> (*write)(const HostPaths&, ExpositionWriter&);
};

constexpr std::array<Source, 13> kSources = {{{"cpu", write_cpu},
                                              {"stat", write_stat},
                                              {"meminfo", write_memory},
                                              {"vmstat", write_vmstat},
                                              {"loadavg", write_load},
                                              {"pressure", write_pressure},
                                              {"filefd", write_file_handles},
                                              {"filesystem", write_filesystems},
                                              {"diskstats", write_disks},
                                              {"netdev", write_network},
                                              {"netclass", write_network_state},
                                              {"timex", write_clock_state},
                                              {"uname", write_uname}}};

}  // namespace

Result<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return core::fail(Errc::kNotFound, "{}: cannot open it", path);
  std::string text;
  std::array<char, 16384> block{};
  while (file.read(block.data(), block.size()) || file.gcount() > 0) {
    text.append(block.data(), static_cast<std::size_t>(file.gcount()));
    if (text.size() > kFileBytesMax) {
      return core::fail(Errc::kLimitExceeded, "{}: more than {} bytes", path, kFileBytesMax);
    }
  }
  if (file.bad()) return core::fail(Errc::kFailed, "{}: cannot read it", path);
  return text;
}

std::vector<std::string_view> split_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::vector<std::string_view> split_fields(std::string_view line) {
  std::vector<std::string_view> fields;
  for (;;) {
    const std::size_t start = line.find_first_not_of(" \t");
    if (start == std::string_view::npos) return fields;
    const std::size_t end = std::min(line.find_first_of(" \t", start), line.size());
    fields.push_back(line.substr(start, end - start));
    line.remove_prefix(end);
  }
}

double to_number(std::string_view text) {
  double value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

Result<void> write_uname(const HostPaths&, ExpositionWriter& out) {
  utsname names{};
  if (::uname(&names) != 0) return core::fail(Errc::kFailed, "uname failed");
  out.family("node_uname_info", "gauge", "The kernel and the host, as uname tells them.");
  out.sample({{"domainname", names.domainname},
              {"machine", names.machine},
              {"nodename", names.nodename},
              {"release", names.release},
              {"sysname", names.sysname},
              {"version", names.version}},
             1);
  return {};
}

std::string host_exposition(const HostPaths& paths, core::WallTime now) {
  ExpositionWriter out;
  std::array<bool, kSources.size()> good{};
  for (std::size_t i = 0; i < kSources.size(); ++i) good[i] = kSources[i].write(paths, out).has_value();
  out.family("node_time_seconds", "gauge", "The host's clock, in seconds since the Unix epoch.");
  out.sample({}, std::chrono::duration<double>(now.time_since_epoch()).count());
  out.family("node_scrape_collector_success", "gauge", "Whether a source could be read.");
  for (std::size_t i = 0; i < kSources.size(); ++i) out.sample({{"collector", kSources[i].name}}, good[i] ? 1 : 0);
  return out.take();
}

}  // namespace collector::host

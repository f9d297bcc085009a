// SPDX-License-Identifier: Apache-2.0
#include "collector/host/cgroups.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <deque>
#include <filesystem>

#include "collector/host/kernel_files.h"
#include "collector/host/sources.h"

namespace collector::host {
namespace {

using core::Errc;
using core::Result;

// Of one cgroup: a device for each line of io.stat.
constexpr std::size_t kDevicesMax = 256;
constexpr std::size_t kStatBytesMax = 64 << 10;

struct Family {
  std::string_view name, type, help;
  std::string_view label;  // a further label's name, if it has one
};

constexpr Family kFamilies[] = {
    {"container_cpu_usage_seconds_total", "counter", "Processor time.", "cpu"},
    {"container_cpu_user_seconds_total", "counter", "Processor time outside the kernel.", ""},
    {"container_cpu_system_seconds_total", "counter", "Processor time in the kernel.", ""},
    {"container_cpu_cfs_periods_total", "counter", "Periods in which its quota counted.", ""},
    {"container_cpu_cfs_throttled_periods_total", "counter", "Periods in which its quota was used up.", ""},
    {"container_cpu_cfs_throttled_seconds_total", "counter", "Seconds it was stopped for its quota.", ""},
    {"container_spec_cpu_period", "gauge", "The period of its quota, in microseconds.", ""},
    {"container_spec_cpu_quota", "gauge", "Its quota in each period, in microseconds.", ""},
    {"container_spec_cpu_shares", "gauge", "Its share of processors, as version 1 counts it.", ""},
    {"container_memory_usage_bytes", "gauge", "Memory with all caches.", ""},
    {"container_memory_working_set_bytes", "gauge", "Memory without the caches that nobody misses.", ""},
    {"container_memory_rss", "gauge", "Memory that belongs to no file.", ""},
    {"container_memory_cache", "gauge", "Memory of files.", ""},
    {"container_memory_mapped_file", "gauge", "Memory of mapped files.", ""},
    {"container_memory_kernel_usage", "gauge", "The kernel's memory for it.", ""},
    {"container_memory_swap", "gauge", "Memory on the swap device.", ""},
    {"container_memory_max_usage_bytes", "gauge", "The most memory it has had.", ""},
    {"container_memory_failcnt", "counter", "How often its limit was met.", ""},
    {"container_memory_failures_total", "counter", "Page faults.", "failure_type"},
    {"container_oom_events_total", "counter", "Processes killed for want of memory.", ""},
    {"container_spec_memory_limit_bytes", "gauge", "Most memory; 0: no limit.", ""},
    {"container_spec_memory_reservation_limit_bytes", "gauge", "Memory that is kept for it.", ""},
    {"container_spec_memory_swap_limit_bytes", "gauge", "Most memory on the swap device; 0: no limit.", ""},
    {"container_fs_reads_bytes_total", "counter", "Bytes read.", "device"},
    {"container_fs_writes_bytes_total", "counter", "Bytes written.", "device"},
    {"container_fs_reads_total", "counter", "Reads.", "device"},
    {"container_fs_writes_total", "counter", "Writes.", "device"},
    {"container_processes", "gauge", "Processes in it, without those in cgroups below.", ""},
    {"container_threads", "gauge", "Threads.", ""},
    {"container_threads_max", "gauge", "Most threads; 0: no limit.", ""},
    {"container_pressure_cpu_waiting_seconds_total", "counter", "Seconds in which some tasks lacked a processor.", ""},
    {"container_pressure_cpu_stalled_seconds_total", "counter", "Seconds in which all tasks lacked a processor.", ""},
    {"container_pressure_memory_waiting_seconds_total", "counter", "Seconds in which some tasks lacked memory.", ""},
    {"container_pressure_memory_stalled_seconds_total", "counter", "Seconds in which all tasks lacked memory.", ""},
    {"container_pressure_io_waiting_seconds_total", "counter", "Seconds in which some tasks waited for a disk.", ""},
    {"container_pressure_io_stalled_seconds_total", "counter", "Seconds in which all tasks waited for a disk.", ""},
    {"container_last_seen", "gauge", "When it was last read.", ""}};

// "key number" a line, as cpu.stat and memory.stat have it.
std::map<std::string_view, double> read_pairs(std::string_view text) {
  std::map<std::string_view, double> pairs;
  for (const std::string_view line : split_lines(text)) {
    const std::size_t blank = line.find(' ');
    if (blank == std::string_view::npos) continue;
    if (const auto value = parse_number(line.substr(blank + 1))) pairs.emplace(line.substr(0, blank), *value);
  }
  return pairs;
}

// A limit: "max" says that there is none, which cAdvisor writes as 0.
std::optional<double> read_limit(const std::string& path) {
  const auto text = read_attribute(path);
  if (!text) return std::nullopt;
  return *text == "max" ? 0 : parse_number(*text);
}

// A cgroup that ends while it is read has fewer files; so has one without a controller.
std::string read_or_nothing(const std::string& path) { return read_file(path, kStatBytesMax).value_or(""); }

}  // namespace

Cgroups::Cgroups(const core::Clock& clock, const HostConfig& config)
    : clock_(clock),
      paths_(config.path),
      options_(config.containers),
      filter_(config.containers.include, config.containers.exclude),
      names_(config.path) {}

Result<void> Cgroups::write(ExpositionWriter& out) {
  const core::SteadyTime now = clock_.steady_now();
  if (now >= next_walk_) {
    // A tenth less, so that a reading once an interval is never a moment too early.
    next_walk_ = now + options_.interval * 9 / 10;
    std::string root = paths_.sys + "/fs/cgroup";
    if (!read_attribute(root + "/cgroup.controllers")) root += "/unified";  // beside version 1
    outcome_ = read_attribute(root + "/cgroup.controllers")
                   ? walk(root)
                   : core::fail(Errc::kNotFound, "{}: no cgroups of version 2", paths_.sys);
    ExpositionWriter writer;
    if (outcome_) write_families(writer);
    text_ = writer.take();
  }
  if (outcome_) out.lines("", "", "", text_);
  return outcome_;
}

Result<void> Cgroups::walk(const std::string& root) {
  cgroups_.clear();
  dropped_ = 0;
  devices_.clear();
  names_.begin_walk();
  // By levels, so that what a bound leaves out is deep below.
  struct Place {
    std::string id;
    std::size_t depth;
  };
  std::deque<Place> places = {{"", 0}};
  while (!places.empty()) {
    const Place place = std::move(places.front());
    places.pop_front();
    const std::string id = place.id.empty() ? "/" : place.id, folder = root + place.id;
    if (cgroups_.size() == options_.cgroups_max) {
      dropped_ += 1 + places.size();
      break;
    }
    if (filter_.wants(id)) {
      Cgroup cgroup{id, names_.labels(identify_cgroup(id)), {}};
      read(folder, cgroup);
      cgroups_.push_back(std::move(cgroup));
    }
    std::error_code error;
    std::vector<std::string> children;
    std::filesystem::directory_iterator each(folder, error);
    for (; !error && each != std::filesystem::directory_iterator(); each.increment(error)) {
      if (each->is_directory(error) && !each->is_symlink(error)) children.push_back(each->path().filename().string());
    }
    std::sort(children.begin(), children.end());
    for (const std::string& child : children) {
      if (place.depth >= options_.depth_max || places.size() >= kFolderEntriesMax) {
        ++dropped_;
      } else {
        places.push_back({place.id + "/" + child, place.depth + 1});
      }
    }
  }
  names_.end_walk();
  return {};
}

void Cgroups::read(const std::string& folder, Cgroup& cgroup) {
  const auto set = [&](std::string_view family, std::optional<double> value, std::string label = "") {
    if (value) cgroup.values[family].emplace_back(std::move(label), *value);
  };
  const std::string cpu_text = read_or_nothing(folder + "/cpu.stat");
  auto pairs = read_pairs(cpu_text);
  const auto at = [&](std::string_view key, double scale = 1) -> std::optional<double> {
    const auto found = pairs.find(key);
    return found == pairs.end() ? std::nullopt : std::optional(found->second * scale);
  };
  set("container_cpu_usage_seconds_total", at("usage_usec", 1e-6), "total");
  set("container_cpu_user_seconds_total", at("user_usec", 1e-6));
  set("container_cpu_system_seconds_total", at("system_usec", 1e-6));
  const std::string quota_text = read_or_nothing(folder + "/cpu.max");
  const auto quota = split_fields(trim(quota_text));
  if (quota.size() == 2) set("container_spec_cpu_period", parse_number(quota[1]));
  if (quota.size() == 2 && quota[0] != "max") {
    set("container_spec_cpu_quota", parse_number(quota[0]));
    set("container_cpu_cfs_periods_total", at("nr_periods"));
    set("container_cpu_cfs_throttled_periods_total", at("nr_throttled"));
    set("container_cpu_cfs_throttled_seconds_total", at("throttled_usec", 1e-6));
  }
  // Kubernetes makes weights of shares by this, and cAdvisor shares of weights.
  if (const auto weight = read_number(folder + "/cpu.weight")) {
    set("container_spec_cpu_shares", std::floor(2 + (*weight - 1) * 262142 / 9999));
  }
  const std::string memory_text = read_or_nothing(folder + "/memory.stat");
  pairs = read_pairs(memory_text);
  const auto used = read_number(folder + "/memory.current");
  set("container_memory_usage_bytes", used);
  if (used) set("container_memory_working_set_bytes", std::max(0.0, *used - at("inactive_file").value_or(0)));
  set("container_memory_rss", at("anon"));
  set("container_memory_cache", at("file"));
  set("container_memory_mapped_file", at("file_mapped"));
  set("container_memory_kernel_usage", at("kernel"));
  set("container_memory_failures_total", at("pgfault"), "pgfault");
  set("container_memory_failures_total", at("pgmajfault"), "pgmajfault");
  set("container_memory_swap", read_number(folder + "/memory.swap.current"));
  set("container_memory_max_usage_bytes", read_number(folder + "/memory.peak"));
  set("container_spec_memory_limit_bytes", read_limit(folder + "/memory.max"));
  set("container_spec_memory_reservation_limit_bytes", read_limit(folder + "/memory.low"));
  set("container_spec_memory_swap_limit_bytes", read_limit(folder + "/memory.swap.max"));
  const std::string events_text = read_or_nothing(folder + "/memory.events");
  pairs = read_pairs(events_text);
  set("container_memory_failcnt", at("max"));
  set("container_oom_events_total", at("oom_kill"));
  if (const auto pids = read_file(folder + "/cgroup.procs"); pids && cgroup.id != "/") {
    set("container_processes", static_cast<double>(std::count(pids->begin(), pids->end(), '\n')));
  }
  set("container_threads", read_number(folder + "/pids.current"));
  set("container_threads_max", read_limit(folder + "/pids.max"));
  set("container_last_seen", std::chrono::duration<double>(clock_.wall_now().time_since_epoch()).count());
  read_io(folder, cgroup);
}

// io.stat: 254:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6
void Cgroups::read_io(const std::string& folder, Cgroup& cgroup) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kKeys = {
      {{"rbytes=", "container_fs_reads_bytes_total"},
       {"wbytes=", "container_fs_writes_bytes_total"},
       {"rios=", "container_fs_reads_total"},
       {"wios=", "container_fs_writes_total"}}};
  const std::string text = read_or_nothing(folder + "/io.stat");
  std::size_t devices = 0;
  for (const std::string_view line : split_lines(text)) {
    const auto fields = split_fields(line);
    if (fields.size() < 2 || ++devices > kDevicesMax) continue;
    for (const std::string_view field : fields) {
      for (const auto& [key, family] : kKeys) {
        if (!field.starts_with(key)) continue;
        if (const auto value = parse_number(field.substr(key.size()))) {
          cgroup.values[family].emplace_back(device_name(fields[0]), *value);
        }
      }
    }
  }
  constexpr std::array<std::array<std::string_view, 3>, 3> kPressures = {
      {{"cpu", "container_pressure_cpu_waiting_seconds_total", "container_pressure_cpu_stalled_seconds_total"},
       {"memory", "container_pressure_memory_waiting_seconds_total", "container_pressure_memory_stalled_seconds_total"},
       {"io", "container_pressure_io_waiting_seconds_total", "container_pressure_io_stalled_seconds_total"}}};
  for (const auto& [resource, waiting, stalled] : kPressures) {
    const std::string pressure = read_or_nothing(fmt::format("{}/{}.pressure", folder, resource));
    for (const std::string_view line : split_lines(pressure)) {
      const std::size_t total = line.find(" total=");
      if (total == std::string_view::npos) continue;
      const auto value = parse_number(line.substr(total + 7));
      if (value) cgroup.values[line.starts_with("some") ? waiting : stalled].emplace_back("", *value / 1e6);
    }
  }
}

const std::string& Cgroups::device_name(std::string_view number) {
  const auto known = devices_.find(number);
  if (known != devices_.end()) return known->second;
  std::error_code error;
  const auto target = std::filesystem::read_symlink(fmt::format("{}/dev/block/{}", paths_.sys, number), error);
  std::string name = error ? std::string(number) : "/dev/" + target.filename().string();
  return devices_.emplace(number, std::move(name)).first->second;
}

void Cgroups::write_families(ExpositionWriter& out) const {
  for (const Family& family : kFamilies) {
    out.family(family.name, family.type, family.help);
    for (const Cgroup& cgroup : cgroups_) {
      const auto found = cgroup.values.find(family.name);
      if (found == cgroup.values.end()) continue;
      const ContainerLabels& names = cgroup.labels;
      std::vector<ExpositionWriter::Pair> labels = {{"id", cgroup.id}};
      for (const auto& [label, value] :
           {ExpositionWriter::Pair{"container", names.container}, ExpositionWriter::Pair{"image", names.image},
            ExpositionWriter::Pair{"name", names.name}, ExpositionWriter::Pair{"namespace", names.name_space},
            ExpositionWriter::Pair{"pod", names.pod}}) {
        if (!value.empty()) labels.emplace_back(label, value);
      }
      const std::size_t common = labels.size();
      for (const auto& [label, value] : found->second) {
        labels.resize(common);
        if (!family.label.empty()) labels.emplace_back(family.label, label);
        if (family.label == "failure_type") labels.emplace_back("scope", "hierarchy");
        out.sample(labels, value);
      }
    }
  }
  out.single("watchkeeper_host_cgroups", "gauge", "Cgroups that were read.", static_cast<double>(cgroups_.size()));
  out.single("watchkeeper_host_cgroups_dropped", "gauge",
             "Cgroups seen that are too deep or too many, and what is below them besides.",
             static_cast<double>(dropped_));
}

Result<void> write_cgroups(SourceContext& context, ExpositionWriter& out) { return context.cgroups.write(out); }

}  // namespace collector::host

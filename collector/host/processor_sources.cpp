// SPDX-License-Identifier: Apache-2.0
// Processors: their time, frequency, throttling and scheduling; and what /proc/stat counts beside.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "collector/host/kernel_files.h"
#include "collector/host/sources.h"

namespace collector::host {
namespace {

using core::Errc;
using core::Result;

constexpr std::array<std::string_view, 8> kModes = {"user",   "nice", "system",  "idle",
                                                    "iowait", "irq",  "softirq", "steal"};
constexpr std::size_t kIdle = 3;
// An idle time that goes back this far means that the processor was taken away and came back.
constexpr double kIdleResetSeconds = 3;

// The kernel's accounting may take back a little of what it counted (iowait most of all), and every counter that goes
// back looks like a restart to rate(). So each keeps its highest value, as node_exporter has it.
void keep_from_going_back(std::array<double, 10>& kept, const std::array<double, 10>& read) {
  if (kept[kIdle] - read[kIdle] >= kIdleResetSeconds) kept = {};
  for (std::size_t i = 0; i < kept.size(); ++i) kept[i] = std::max(kept[i], read[i]);
}

bool is_number(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// What the kernel calls a cpu: a hardware thread.
struct LogicalCpu {
  std::string number, folder;
};

std::vector<LogicalCpu> processors(const HostPaths& paths) {
  std::vector<LogicalCpu> found;
  const std::string folder = paths.sys + "/devices/system/cpu";
  const auto names = list_folder(folder);
  if (!names) return found;
  for (const std::string& name : *names) {
    if (name.starts_with("cpu") && is_number(std::string_view(name).substr(3))) {
      found.push_back({name.substr(3), fmt::format("{}/{}", folder, name)});
    }
  }
  return found;
}

void write_throttles(const HostPaths& paths, ExpositionWriter& out) {
  // Every processor of a core, and of a package, says the same.
  std::map<std::pair<std::string, std::string>, double> cores;
  std::map<std::string, double> packages;
  for (const LogicalCpu& each : processors(paths)) {
    const auto core_count = read_number(each.folder + "/thermal_throttle/core_throttle_count");
    const auto package_count = read_number(each.folder + "/thermal_throttle/package_throttle_count");
    if (!core_count && !package_count) continue;
    const auto package = read_attribute(each.folder + "/topology/physical_package_id");
    const auto core = read_attribute(each.folder + "/topology/core_id");
    if (core_count && package && core) cores.try_emplace({*package, *core}, *core_count);
    if (package_count && package) packages.try_emplace(*package, *package_count);
  }
  out.family("node_cpu_core_throttles_total", "counter", "How often a core was slowed down for its heat.");
  for (const auto& [place, count] : cores) out.sample({{"package", place.first}, {"core", place.second}}, count);
  out.family("node_cpu_package_throttles_total", "counter", "How often a package was slowed down for its heat.");
  for (const auto& [package, count] : packages) out.sample({{"package", package}}, count);
}

Result<void> write_info(const HostPaths& paths, ExpositionWriter& out) {
  const auto text = read_file(paths.proc + "/cpuinfo");
  if (!text) return core::fail(text.error());
  constexpr std::array<std::pair<std::string_view, std::string_view>, 10> kLabels = {{{"package", "physical id"},
                                                                                      {"core", "core id"},
                                                                                      {"cpu", "processor"},
                                                                                      {"vendor", "vendor_id"},
                                                                                      {"family", "cpu family"},
                                                                                      {"model", "model"},
                                                                                      {"model_name", "model name"},
                                                                                      {"microcode", "microcode"},
                                                                                      {"stepping", "stepping"},
                                                                                      {"cachesize", "cache size"}}};
  out.family("node_cpu_info", "gauge", "Which processors there are, from /proc/cpuinfo.");
  std::map<std::string_view, std::string_view> keys;
  const auto flush = [&] {
    if (!keys.contains("processor")) return;
    std::vector<ExpositionWriter::Pair> labels;
    for (const auto& [label, key] : kLabels) labels.emplace_back(label, keys[key]);
    out.sample(labels, 1);
    keys.clear();
  };
  for (const std::string_view line : split_lines(*text)) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    const std::string_view key = trim(line.substr(0, colon));
    if (key == "processor") flush();
    keys[key] = trim(line.substr(colon + 1));
  }
  flush();
  return {};
}

}  // namespace

Result<void> write_cpu(SourceContext& context, ExpositionWriter& out) {
  const std::string path = context.paths.proc + "/stat";
  const auto text = read_file(path);
  if (!text) return core::fail(text.error());
  // proc(5): ticks, of which the kernel shows USER_HZ a second.
  const auto hz = static_cast<double>(::sysconf(_SC_CLK_TCK));
  NumberReader numbers(path);
  ProcessorTimes read;
  for (const std::string_view line : split_lines(*text)) {
    const auto fields = split_fields(line);
    if (fields.empty() || !fields[0].starts_with("cpu") || !is_number(fields[0].substr(3))) continue;
    auto& times = read[std::string(fields[0].substr(3))];
    for (std::size_t i = 0; i < times.size(); ++i) times[i] = numbers.decimal_at(fields, i + 1) / hz;
  }
  if (auto fine = numbers.done(); !fine) return fine;
  if (read.empty()) return core::fail(Errc::kInvalid, "{}: no line of a processor", path);
  auto& kept = context.processor_times;
  std::erase_if(kept, [&](const auto& each) { return !read.contains(each.first); });
  for (const auto& [number, times] : read) keep_from_going_back(kept[number], times);
  out.family("node_cpu_seconds_total", "counter", "Seconds each processor spent in each mode.");
  for (const auto& [number, times] : kept) {
    for (std::size_t i = 0; i < kModes.size(); ++i) out.sample({{"cpu", number}, {"mode", kModes[i]}}, times[i]);
  }
  if (context.config.cpu.guest) {
    out.family("node_cpu_guest_seconds_total", "counter",
               "Seconds each processor spent in guests, part of user and nice.");
    for (const auto& [number, times] : kept) {
      out.sample({{"cpu", number}, {"mode", "user"}}, times[8]);
      out.sample({{"cpu", number}, {"mode", "nice"}}, times[9]);
    }
  }
  write_throttles(context.paths, out);
  return context.config.cpu.info ? write_info(context.paths, out) : Result<void>{};
}

Result<void> write_cpu_frequency(SourceContext& context, ExpositionWriter& out) {
  struct Known {
    std::string_view file, name, help;
  };
  // Documentation/admin-guide/pm/cpufreq.rst: kHz.
  constexpr std::array<Known, 6> kKnown = {
      {{"cpuinfo_cur_freq", "node_cpu_frequency_hertz", "The frequency that the hardware runs at."},
       {"cpuinfo_min_freq", "node_cpu_frequency_min_hertz", "The lowest frequency that the hardware can run at."},
       {"cpuinfo_max_freq", "node_cpu_frequency_max_hertz", "The highest frequency that the hardware can run at."},
       {"scaling_cur_freq", "node_cpu_scaling_frequency_hertz", "The frequency that the kernel has asked for."},
       {"scaling_min_freq", "node_cpu_scaling_frequency_min_hertz", "The lowest frequency that the kernel asks for."},
       {"scaling_max_freq", "node_cpu_scaling_frequency_max_hertz",
        "The highest frequency that the kernel asks for."}}};
  std::vector<LogicalCpu> scaled;
  for (LogicalCpu& each : processors(context.paths)) {
    each.folder += "/cpufreq/";
    if (read_attribute(each.folder + "scaling_governor")) scaled.push_back(std::move(each));
  }
  for (const Known& known : kKnown) {
    out.family(known.name, "gauge", known.help);
    for (const LogicalCpu& each : scaled) {
      const auto value = read_number(fmt::format("{}{}", each.folder, known.file));
      if (value) out.sample({{"cpu", each.number}}, *value * 1000);
    }
  }
  out.family("node_cpu_scaling_governor", "gauge", "Which governor picks the frequency.");
  for (const LogicalCpu& each : scaled) {
    const auto current = read_attribute(each.folder + "scaling_governor");
    const auto available = read_attribute(each.folder + "scaling_available_governors");
    if (!current || !available) continue;
    for (const std::string_view governor : split_fields(*available)) {
      out.sample({{"cpu", each.number}, {"governor", governor}}, governor == *current ? 1 : 0);
    }
  }
  return {};
}

Result<void> write_schedstat(SourceContext& context, ExpositionWriter& out) {
  const std::string path = context.paths.proc + "/schedstat";
  const auto text = read_file(path);
  if (!text) return core::fail(text.error());
  NumberReader numbers(path);
  std::vector<std::pair<std::string_view, std::array<double, 3>>> read;
  for (const std::string_view line : split_lines(*text)) {
    const auto fields = split_fields(line);
    if (fields.empty() || !fields[0].starts_with("cpu") || !is_number(fields[0].substr(3))) continue;
    // Documentation/scheduler/sched-stats.rst: running and waiting in nanoseconds, time slices.
    read.push_back(
        {fields[0].substr(3),
         {numbers.decimal_at(fields, 7) / 1e9, numbers.decimal_at(fields, 8) / 1e9, numbers.decimal_at(fields, 9)}});
  }
  constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kFamilies = {
      {{"node_schedstat_running_seconds_total", "Seconds a processor ran tasks."},
       {"node_schedstat_waiting_seconds_total", "Seconds tasks waited for a processor."},
       {"node_schedstat_timeslices_total", "Time slices that a processor ran."}}};
  for (std::size_t i = 0; i < kFamilies.size(); ++i) {
    out.family(kFamilies[i].first, "counter", kFamilies[i].second);
    for (const auto& [number, values] : read) out.sample({{"cpu", number}}, values[i]);
  }
  return numbers.done();
}

Result<void> write_stat(SourceContext& context, ExpositionWriter& out) {
  const std::string path = context.paths.proc + "/stat";
  const auto text = read_file(path);
  if (!text) return core::fail(text.error());
  struct Known {
    std::string_view key, name, type, help;
  };
  constexpr std::array<Known, 6> kKnown = {
      {{"intr", "node_intr_total", "counter", "Interrupts served."},
       {"ctxt", "node_context_switches_total", "counter", "Context switches."},
       {"btime", "node_boot_time_seconds", "gauge", "When the host booted, in seconds since the Unix epoch."},
       {"processes", "node_forks_total", "counter", "Processes and threads made."},
       {"procs_running", "node_procs_running", "gauge", "Processes that are ready to run."},
       {"procs_blocked", "node_procs_blocked", "gauge", "Processes that wait for input or output."}}};
  NumberReader numbers(path);
  std::size_t found = 0;
  for (const std::string_view line : split_lines(*text)) {
    const std::size_t key_size = std::min(line.find(' '), line.size());
    for (const Known& known : kKnown) {
      if (known.key != line.substr(0, key_size)) continue;
      const std::string_view rest = line.substr(std::min(key_size + 1, line.size()));
      out.single(known.name, known.type, known.help, numbers.decimal(rest.substr(0, rest.find(' '))));
      ++found;
    }
  }
  numbers.expect(found == kKnown.size(), "intr, ctxt, btime, processes, procs_running and procs_blocked, once each",
                 std::to_string(found));
  return numbers.done();
}

}  // namespace collector::host

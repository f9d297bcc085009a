// SPDX-License-Identifier: Apache-2.0
// Processor, memory, load, pressure, file handles, clock: what a host has once.
#include <array>
#include <map>

#include <sys/timex.h>
#include <unistd.h>

#include "collector/host/sources.h"

namespace collector::host {
namespace {

using core::Errc;
using core::Result;

// A number with a name of its own, in a family of one sample.
void write_one(ExpositionWriter& out, std::string_view name, std::string_view type, std::string_view help,
               double value) {
  out.family(name, type, help);
  out.sample({}, value);
}

}  // namespace

Result<void> write_cpu(const HostPaths& paths, ExpositionWriter& out) {
  const auto text = read_file(paths.proc + "/stat");
  if (!text) return core::fail(text.error());
  constexpr std::array<std::string_view, 8> kModes = {"user",   "nice", "system",  "idle",
                                                      "iowait", "irq",  "softirq", "steal"};
  // proc(5): ticks, of which the kernel shows USER_HZ a second.
  const auto hz = static_cast<double>(::sysconf(_SC_CLK_TCK));
  std::vector<std::vector<std::string_view>> processors;
  for (const std::string_view line : split_lines(*text)) {
    const auto fields = split_fields(line);
    if (fields.size() >= 11 && fields[0].starts_with("cpu") && fields[0].size() > 3) processors.push_back(fields);
  }
  if (processors.empty()) return core::fail(Errc::kInvalid, "{}/stat: no line of a processor", paths.proc);
  out.family("node_cpu_seconds_total", "counter", "Seconds each processor spent in each mode.");
  for (const auto& fields : processors) {
    for (std::size_t mode = 0; mode < kModes.size(); ++mode) {
      out.sample({{"cpu", fields[0].substr(3)}, {"mode", kModes[mode]}}, to_number(fields[mode + 1]) / hz);
    }
  }
  out.family("node_cpu_guest_seconds_total", "counter",
             "Seconds each processor spent in guests, part of user and nice.");
  for (const auto& fields : processors) {
    out.sample({{"cpu", fields[0].substr(3)}, {"mode", "user"}}, to_number(fields[9]) / hz);
    out.sample({{"cpu", fields[0].substr(3)}, {"mode", "nice"}}, to_number(fields[10]) / hz);
  }
  return {};
}

Result<void> write_stat(const HostPaths& paths, ExpositionWriter& out) {
  const auto text = read_file(paths.proc + "/stat");
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
  for (const std::string_view line : split_lines(*text)) {
    const std::size_t key_size = std::min(line.find(' '), line.size());
    for (const Known& known : kKnown) {
      if (known.key != line.substr(0, key_size)) continue;
      const std::string_view rest = line.substr(std::min(key_size + 1, line.size()));
      write_one(out, known.name, known.type, known.help, to_number(rest.substr(0, rest.find(' '))));
    }
  }
  return {};
}

Result<void> write_memory(const HostPaths& paths, ExpositionWriter& out) {
  const auto text = read_file(paths.proc + "/meminfo");
  if (!text) return core::fail(text.error());
  for (const std::string_view line : split_lines(*text)) {
    const auto fields = split_fields(line);
    if (fields.size() < 2 || !fields[0].ends_with(':')) continue;
    // Active(anon): becomes Active_anon.
    std::string name = "node_memory_";
    for (const char c : fields[0].substr(0, fields[0].size() - 1)) {
      if (c != ')') name += c == '(' ? '_' : c;
    }
    const bool kilobytes = fields.size() == 3 && fields[2] == "kB";
    write_one(out, kilobytes ? name + "_bytes" : name, "gauge", "A field of /proc/meminfo.",
              to_number(fields[1]) * (kilobytes ? 1024 : 1));
  }
  return {};
}

Result<void> write_vmstat(const HostPaths& paths, ExpositionWriter& out) {
  const auto text = read_file(paths.proc + "/vmstat");
  if (!text) return core::fail(text.error());
  for (const std::string_view line : split_lines(*text)) {
    const auto fields = split_fields(line);
    if (fields.size() != 2) continue;
    const std::string_view key = fields[0];
    // node_exporter's default: ^(oom_kill|pgpg|pswp|pg.*fault).*
    const bool wanted = key.starts_with("oom_kill") || key.starts_with("pgpg") || key.starts_with("pswp") ||
                        (key.starts_with("pg") && key.find("fault") != std::string_view::npos);
    if (wanted)
      write_one(out, fmt::format("node_vmstat_{}", key), "untyped", "A field of /proc/vmstat.", to_number(fields[1]));
  }
  return {};
}

Result<void> write_load(const HostPaths& paths, ExpositionWriter& out) {
  const auto text = read_file(paths.proc + "/loadavg");
  if (!text) return core::fail(text.error());
  const auto fields = split_fields(*text);
  if (fields.size() < 3) return core::fail(Errc::kInvalid, "{}/loadavg: expected three averages", paths.proc);
  write_one(out, "node_load1", "gauge", "Load average over a minute.", to_number(fields[0]));
  write_one(out, "node_load5", "gauge", "Load average over 5 minutes.", to_number(fields[1]));
  write_one(out, "node_load15", "gauge", "Load average over 15 minutes.", to_number(fields[2]));
  return {};
}

Result<void> write_pressure(const HostPaths& paths, ExpositionWriter& out) {
  std::map<std::string, double> totals;
  for (const std::string_view resource : {"cpu", "io", "memory"}) {
    const auto text = read_file(fmt::format("{}/pressure/{}", paths.proc, resource));
    if (!text) return core::fail(text.error());
    for (const std::string_view line : split_lines(*text)) {
      const std::size_t total = line.find("total=");
      if (total == std::string_view::npos) continue;
      const bool some = line.starts_with("some");
      // "full" of the processor has no meaning for the host as a whole.
      if (!some && resource == "cpu") continue;
      totals[fmt::format("node_pressure_{}_{}_seconds_total", resource, some ? "waiting" : "stalled")] =
          to_number(line.substr(total + 6)) / 1e6;
    }
  }
  for (const auto& [name, seconds] : totals) {
    write_one(out, name, "counter", "Seconds in which some (waiting) or all (stalled) tasks lacked the resource.",
              seconds);
  }
  return {};
}

Result<void> write_file_handles(const HostPaths& paths, ExpositionWriter& out) {
  const auto text = read_file(paths.proc + "/sys/fs/file-nr");
  if (!text) return core::fail(text.error());
  const std::string_view line = std::string_view(*text).substr(0, text->find('\n'));
  const auto fields = split_fields(line);
  if (fields.size() != 3) return core::fail(Errc::kInvalid, "{}/sys/fs/file-nr: expected three numbers", paths.proc);
  write_one(out, "node_filefd_allocated", "gauge", "File handles in use.", to_number(fields[0]));
  write_one(out, "node_filefd_maximum", "gauge", "Most file handles.", to_number(fields[2]));
  return {};
}

Result<void> write_clock_state(const HostPaths&, ExpositionWriter& out) {
  timex state{};
  const int result = ::adjtimex(&state);
  if (result < 0) return core::fail(Errc::kFailed, "adjtimex failed");
  const double fraction = (state.status & STA_NANO) != 0 ? 1e9 : 1e6;
  const auto number = [](auto value) { return static_cast<double>(value); };
  write_one(out, "node_timex_sync_status", "gauge", "Whether the clock is synchronised to a server.",
            result == TIME_ERROR ? 0 : 1);
  write_one(out, "node_timex_offset_seconds", "gauge", "The clock's offset from its reference.",
            number(state.offset) / fraction);
  // adjtimex(2): frequency in parts per million with 16 bits of fraction.
  write_one(out, "node_timex_frequency_adjustment_ratio", "gauge", "The clock's frequency adjustment.",
            1 + number(state.freq) / 65536 / 1e6);
  write_one(out, "node_timex_maxerror_seconds", "gauge", "Most that the clock may be off.",
            number(state.maxerror) / 1e6);
  write_one(out, "node_timex_estimated_error_seconds", "gauge", "How much the clock is thought to be off.",
            number(state.esterror) / 1e6);
  write_one(out, "node_timex_status", "gauge", "The status bits of adjtimex.", number(state.status));
  write_one(out, "node_timex_loop_time_constant", "gauge", "The time constant of the phase-locked loop.",
            number(state.constant));
  write_one(out, "node_timex_tick_seconds", "gauge", "Seconds between clock ticks.", number(state.tick) / 1e6);
  write_one(out, "node_timex_tai_offset_seconds", "gauge", "International atomic time minus UTC.", number(state.tai));
  return {};
}

}  // namespace collector::host

// SPDX-License-Identifier: Apache-2.0
// What processes and threads do, from every /proc/PID/stat: off unless it is asked for, because it is the dearest.
#include <fmt/format.h>

#include <algorithm>

#include "collector/host/kernel_files.h"
#include "collector/host/sources.h"

namespace collector::host {
namespace {

using core::Errc;
using core::Result;

constexpr std::size_t kProcessesMax = 100'000;

struct ProcessCounts {
  std::map<char, double> states;
  double processes = 0, threads = 0;
};

// pid (any name, brackets too) state ppid ... with the number of threads in the 20th field.
void count_process(std::string_view stat, ProcessCounts& counts) {
  const std::size_t name_end = stat.rfind(')');
  if (name_end == std::string_view::npos) return;
  const auto fields = split_fields(stat.substr(name_end + 1));
  const auto threads = fields.size() > 17 ? parse_number(fields[17]) : std::nullopt;
  if (!threads || fields[0].size() != 1) return;
  counts.states[fields[0][0]] += 1;
  counts.processes += 1;
  counts.threads += *threads;
}

}  // namespace

Result<void> write_processes(SourceContext& context, ExpositionWriter& out) {
  const auto threads_max = read_number(context.paths.proc + "/sys/kernel/threads-max");
  const auto pids_max = read_number(context.paths.proc + "/sys/kernel/pid_max");
  if (!threads_max || !pids_max) {
    return core::fail(Errc::kFailed, "{}/sys/kernel: threads-max or pid_max cannot be read", context.paths.proc);
  }
  const auto names = list_folder(context.paths.proc, kProcessesMax);
  if (!names) return core::fail(names.error());
  ProcessCounts counts;
  for (const std::string& name : *names) {
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    // One that has ended meanwhile is none.
    if (const auto stat = read_file(fmt::format("{}/{}/stat", context.paths.proc, name), kAttributeBytesMax)) {
      count_process(*stat, counts);
    }
  }
  out.single("node_processes_threads", "gauge", "Threads.", counts.threads);
  out.single("node_processes_max_threads", "gauge", "Most threads.", *threads_max);
  out.single("node_processes_pids", "gauge", "Processes.", counts.processes);
  out.single("node_processes_max_processes", "gauge", "Most process numbers.", *pids_max);
  out.family("node_processes_state", "gauge", "Processes by what they do.");
  for (const auto& [state, count] : counts.states) out.sample({{"state", std::string_view(&state, 1)}}, count);
  return {};
}

}  // namespace collector::host

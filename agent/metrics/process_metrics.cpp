// SPDX-License-Identifier: Apache-2.0
#include "agent/metrics/process_metrics.h"

#include <unistd.h>

#include <array>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <system_error>
#include <vector>

namespace agent {
namespace {

std::string read_text(const std::string& path) {
  std::ifstream stream(path);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

std::optional<double> number(const std::string& text) {
  double value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// The fields of proc(5) /proc/pid/stat behind the program's name, which is in parentheses and may hold anything; [0] is
// field 3.
std::vector<std::string> stat_fields(const std::string& text) {
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return {};
  std::istringstream rest(text.substr(name_end + 1));
  return {std::istream_iterator<std::string>(rest), std::istream_iterator<std::string>()};
}

std::optional<double> count_entries(const std::string& folder) {
  std::error_code problem;
  double count = 0;
  for (std::filesystem::directory_iterator entry(folder, problem), end; !problem && entry != end;
       entry.increment(problem)) {
    ++count;
  }
  if (problem) return std::nullopt;
  return count;
}

// "Max open files   1024   4096   files": the soft limit.
std::optional<double> descriptor_limit(const std::string& limits) {
  constexpr std::string_view kRow = "Max open files";
  const std::size_t row = limits.find(kRow);
  if (row == std::string::npos) return std::nullopt;
  std::istringstream rest(limits.substr(row + kRow.size()));
  std::string soft;
  rest >> soft;
  return number(soft);
}

struct StatMetric {
  std::size_t field;  // as proc(5) counts
  std::string_view name;
  std::string_view help;
  double unit;
};

}  // namespace

void append_process_metrics(MetricText& text, const std::string& proc) {
  const std::vector<std::string> fields = stat_fields(read_text(proc + "/stat"));
  const auto field = [&fields](std::size_t number_of_field) -> std::optional<double> {
    const std::size_t index = number_of_field - 3;
    return index < fields.size() ? number(fields[index]) : std::nullopt;
  };
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  const std::array<StatMetric, 3> gauges = {{
      {20, "watchkeeper_process_threads", "Threads of the agent.", 1},
      {23, "watchkeeper_process_virtual_memory_bytes", "Address space of the agent.", 1},
      {24, "watchkeeper_process_resident_memory_bytes", "Memory of the agent that is in RAM.",
       static_cast<double>(sysconf(_SC_PAGESIZE))},
  }};
  const auto user = field(14);
  const auto system = field(15);
  if (user && system) {
    text.counter("watchkeeper_process_cpu_seconds_total", "CPU time the agent has used, user and system.",
                 (*user + *system) / ticks);
  }
  for (const StatMetric& gauge : gauges) {
    if (const auto value = field(gauge.field)) text.gauge(gauge.name, gauge.help, *value * gauge.unit);
  }
  if (const auto open = count_entries(proc + "/fd")) {
    text.gauge("watchkeeper_process_open_fds", "Descriptors the agent has open.", *open);
  }
  if (const auto limit = descriptor_limit(read_text(proc + "/limits"))) {
    text.gauge("watchkeeper_process_max_fds", "Descriptors the agent may have open.", *limit);
  }
}

}  // namespace agent

// SPDX-License-Identifier: Apache-2.0
// Memory, load, pressure, file handles, randomness: what the kernel counts once for the whole host.
#include <fmt/format.h>

#include <array>

#include "collector/host/kernel_files.h"
#include "collector/host/sources.h"

namespace collector::host {

using core::Errc;
using core::Result;

Result<void> write_memory(SourceContext& context, ExpositionWriter& out) {
  const std::string path = context.paths.proc + "/meminfo";
  const auto text = read_file(path);
  if (!text) return core::fail(text.error());
  NumberReader numbers(path);
  for (const std::string_view line : split_lines(*text)) {
    const auto fields = split_fields(line);
    if (fields.empty()) continue;
    const bool kilobytes = fields.size() == 3 && fields[2] == "kB";
    numbers.expect(fields[0].ends_with(':') && (fields.size() == 2 || kilobytes), "a name, a number and kB or nothing",
                   line);
    // Active(anon): becomes Active_anon.
    std::string name = "node_memory_";
    for (const char c : fields[0].substr(0, fields[0].size() - 1)) {
      const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
      numbers.expect(plain || c == '(' || c == ')', "a name", line);
      if (c != ')') name += c == '(' ? '_' : c;
    }
    if (kilobytes) name += "_bytes";
    out.single(name, "gauge", "A field of /proc/meminfo.", numbers.decimal_at(fields, 1) * (kilobytes ? 1024 : 1));
    if (auto fine = numbers.done(); !fine) return fine;
  }
  return {};
}

Result<void> write_vmstat(SourceContext& context, ExpositionWriter& out) {
  const std::string path = context.paths.proc + "/vmstat";
  const auto text = read_file(path);
  if (!text) return core::fail(text.error());
  NumberReader numbers(path);
  for (const std::string_view line : split_lines(*text)) {
    const std::size_t blank = std::min(line.find(' '), line.size());
    const std::string_view key = line.substr(0, blank);
    if (!context.filters.vmstat.wants(key)) continue;
    const bool plain = key.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") ==
                       std::string_view::npos;
    numbers.expect(plain && blank < line.size(), "a name and a number", line);
    const double value = numbers.decimal(line.substr(std::min(blank + 1, line.size())));
    if (auto fine = numbers.done(); !fine) return fine;
    out.single(fmt::format("node_vmstat_{}", key), "untyped", "A field of /proc/vmstat.", value);
  }
  return {};
}

Result<void> write_load(SourceContext& context, ExpositionWriter& out) {
  const std::string path = context.paths.proc + "/loadavg";
  const auto text = read_file(path);
  if (!text) return core::fail(text.error());
  const auto fields = split_fields(*text);
  NumberReader numbers(path);
  out.single("node_load1", "gauge", "Load average over a minute.", numbers.decimal_at(fields, 0));
  out.single("node_load5", "gauge", "Load average over 5 minutes.", numbers.decimal_at(fields, 1));
  out.single("node_load15", "gauge", "Load average over 15 minutes.", numbers.decimal_at(fields, 2));
  return numbers.done();
}

Result<void> write_pressure(SourceContext& context, ExpositionWriter& out) {
  for (const std::string_view resource : {"cpu", "io", "memory", "irq"}) {
    const std::string path = fmt::format("{}/pressure/{}", context.paths.proc, resource);
    const auto text = read_file(path);
    // Only newer kernels count what waiting for interrupts costs.
    if (!text && resource == "irq") continue;
    if (!text) return core::fail(text.error());
    NumberReader numbers(path);
    for (const std::string_view line : split_lines(*text)) {
      const bool some = line.starts_with("some ");
      numbers.expect(some || line.starts_with("full "), "some or full", line);
      // Documentation/accounting/psi.rst: "full" of the processor has no meaning for the host as a whole.
      if (!some && resource == "cpu") continue;
      const std::size_t total = line.find(" total=");
      numbers.expect(total != std::string_view::npos, "a total", line);
      if (auto fine = numbers.done(); !fine) return fine;
      const double seconds = numbers.decimal(line.substr(total + 7)) / 1e6;
      out.single(fmt::format("node_pressure_{}_{}_seconds_total", resource, some ? "waiting" : "stalled"), "counter",
                 some ? "Seconds in which some tasks lacked it." : "Seconds in which all tasks lacked it.", seconds);
    }
    if (auto fine = numbers.done(); !fine) return fine;
  }
  return {};
}

Result<void> write_file_handles(SourceContext& context, ExpositionWriter& out) {
  const std::string path = context.paths.proc + "/sys/fs/file-nr";
  const auto text = read_file(path);
  if (!text) return core::fail(text.error());
  const auto fields = split_fields(trim(*text));
  NumberReader numbers(path);
  out.single("node_filefd_allocated", "gauge", "File handles in use.", numbers.decimal_at(fields, 0));
  out.single("node_filefd_maximum", "gauge", "Most file handles.", numbers.decimal_at(fields, 2));
  return numbers.done();
}

Result<void> write_entropy(SourceContext& context, ExpositionWriter& out) {
  const std::string folder = context.paths.proc + "/sys/kernel/random/";
  const auto available = read_file(folder + "entropy_avail");
  if (!available) return core::fail(available.error());
  const auto size = read_file(folder + "poolsize");
  if (!size) return core::fail(size.error());
  NumberReader numbers(folder);
  out.single("node_entropy_available_bits", "gauge", "Bits of entropy that the kernel has.",
             numbers.decimal(trim(*available)));
  out.single("node_entropy_pool_size_bits", "gauge", "Most bits of entropy that it can have.",
             numbers.decimal(trim(*size)));
  return numbers.done();
}

}  // namespace collector::host

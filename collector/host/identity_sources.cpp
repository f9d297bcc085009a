// SPDX-License-Identifier: Apache-2.0
// What the host is, and what its clock says.
#include <fmt/format.h>
#include <sys/timex.h>
#include <sys/utsname.h>

#include <array>
#include <ctime>
#include <map>

#include "collector/host/kernel_files.h"
#include "collector/host/sources.h"

namespace collector::host {
namespace {

using core::Errc;
using core::Result;

// os-release(5): a shell assignment a line, the value in quotes or not.
std::string unquote(std::string_view text) {
  text = trim(text);
  if (text.size() >= 2 && (text[0] == '"' || text[0] == '\'') && text.back() == text[0]) {
    text = text.substr(1, text.size() - 2);
  }
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    result += text[i];
  }
  return result;
}

std::map<std::string, std::string, std::less<>> assignments(std::string_view text) {
  std::map<std::string, std::string, std::less<>> result;
  for (const std::string_view line : split_lines(text)) {
    const std::size_t equals = line.find('=');
    if (line.starts_with('#') || equals == std::string_view::npos) continue;
    result.insert_or_assign(std::string(trim(line.substr(0, equals))), unquote(line.substr(equals + 1)));
  }
  return result;
}

}  // namespace

Result<void> write_uname(SourceContext&, ExpositionWriter& out) {
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

Result<void> write_os(SourceContext& context, ExpositionWriter& out) {
  auto text = read_file(context.paths.below_root("/etc/os-release"), kAttributeBytesMax);
  if (!text) text = read_file(context.paths.below_root("/usr/lib/os-release"), kAttributeBytesMax);
  if (!text) return core::fail(text.error());
  auto values = assignments(*text);
  constexpr std::array<std::pair<std::string_view, std::string_view>, 12> kLabels = {
      {{"build_id", "BUILD_ID"},
       {"id", "ID"},
       {"id_like", "ID_LIKE"},
       {"image_id", "IMAGE_ID"},
       {"image_version", "IMAGE_VERSION"},
       {"name", "NAME"},
       {"pretty_name", "PRETTY_NAME"},
       {"variant", "VARIANT"},
       {"variant_id", "VARIANT_ID"},
       {"version", "VERSION"},
       {"version_codename", "VERSION_CODENAME"},
       {"version_id", "VERSION_ID"}}};
  std::vector<ExpositionWriter::Pair> labels;
  for (const auto& [label, key] : kLabels) labels.emplace_back(label, values[std::string(key)]);
  out.family("node_os_info", "gauge", "The distribution, from os-release.");
  out.sample(labels, 1);
  out.family("node_os_version", "gauge", "The distribution's version as far as it is a number.");
  if (const auto version = leading_number(values["VERSION_ID"])) {
    out.sample({{"id", values["ID"]}, {"id_like", values["ID_LIKE"]}, {"name", values["NAME"]}}, *version);
  }
  return {};
}

Result<void> write_selinux(SourceContext& context, ExpositionWriter& out) {
  const std::string folder = context.paths.sys + "/fs/selinux/";
  const auto enforcing = read_number(folder + "enforce");
  out.single("node_selinux_enabled", "gauge", "Whether SELinux is there.", enforcing ? 1 : 0);
  if (!enforcing) return {};
  const auto text = read_file(context.paths.below_root("/etc/selinux/config"));
  const std::string mode = text ? assignments(*text)["SELINUX"] : "";
  out.single("node_selinux_config_mode", "gauge", "The configured mode: -1 disabled, 0 permissive, 1 enforcing.",
             mode == "enforcing" ? 1 : (mode == "permissive" ? 0 : -1));
  out.single("node_selinux_current_mode", "gauge", "The mode it is in: 0 permissive, 1 enforcing.", *enforcing);
  return {};
}

Result<void> write_dmi(SourceContext& context, ExpositionWriter& out) {
  const std::string folder = context.paths.sys + "/class/dmi/id";
  if (const auto names = list_folder(folder); !names) return core::fail(names.error());
  constexpr std::array<std::string_view, 20> kFiles = {
      "bios_date",      "bios_release",   "bios_vendor",     "bios_version",    "board_asset_tag",
      "board_name",     "board_serial",   "board_vendor",    "board_version",   "chassis_asset_tag",
      "chassis_serial", "chassis_vendor", "chassis_version", "product_family",  "product_name",
      "product_serial", "product_sku",    "product_uuid",    "product_version", "sys_vendor"};
  // Serial numbers can be read by root only; what cannot be read is no label.
  std::vector<std::pair<std::string_view, std::string>> values;
  for (const std::string_view file : kFiles) {
    auto value = read_attribute(fmt::format("{}/{}", folder, file));
    if (value) values.emplace_back(file == "sys_vendor" ? "system_vendor" : file, std::move(*value));
  }
  const std::vector<ExpositionWriter::Pair> labels(values.begin(), values.end());
  out.family("node_dmi_info", "gauge", "The machine, as its firmware describes it.");
  out.sample(labels, 1);
  return {};
}

Result<void> write_time(SourceContext& context, ExpositionWriter& out) {
  out.single("node_time_seconds", "gauge", "The host's clock, in seconds since the Unix epoch.",
             std::chrono::duration<double>(context.now.time_since_epoch()).count());
  const std::time_t seconds = std::chrono::system_clock::to_time_t(context.now);
  std::tm local{};
  if (::localtime_r(&seconds, &local) != nullptr) {
    out.family("node_time_zone_offset_seconds", "gauge", "The host's time zone, in seconds east of UTC.");
    out.sample({{"time_zone", local.tm_zone}}, static_cast<double>(local.tm_gmtoff));
  }
  const std::string folder = context.paths.sys + "/devices/system/clocksource";
  const auto names = list_folder(folder);
  if (!names) return {};
  const auto write = [&](std::string_view file, std::string_view name, std::string_view help) {
    out.family(name, "gauge", help);
    for (const std::string& device : *names) {
      if (!device.starts_with("clocksource")) continue;
      const auto text = read_attribute(fmt::format("{}/{}/{}", folder, device, file));
      if (!text) continue;
      for (const std::string_view source : split_fields(*text)) {
        out.sample({{"clocksource", source}, {"device", std::string_view(device).substr(11)}}, 1);
      }
    }
  };
  write("available_clocksource", "node_time_clocksource_available_info", "The clocks that the kernel may use.");
  write("current_clocksource", "node_time_clocksource_current_info", "The clock that it uses.");
  return {};
}

Result<void> write_clock_state(SourceContext&, ExpositionWriter& out) {
  timex state{};
  const int result = ::adjtimex(&state);
  if (result < 0) return core::fail(Errc::kFailed, "adjtimex failed");
  const double fraction = (state.status & STA_NANO) != 0 ? 1e9 : 1e6;
  // adjtimex(2): frequencies in parts per million with 16 bits of fraction.
  constexpr double kPpmFraction = 65536 * 1e6;
  struct Row {
    std::string_view name, type, help;
    double value;
  };
  const auto number = [](auto value) { return static_cast<double>(value); };
  const std::array<Row, 17> rows = {
      {{"sync_status", "gauge", "Whether the clock is synchronised to a server.", result == TIME_ERROR ? 0.0 : 1.0},
       {"offset_seconds", "gauge", "The clock's offset from its reference.", number(state.offset) / fraction},
       {"frequency_adjustment_ratio", "gauge", "The clock's frequency adjustment.",
        1 + number(state.freq) / kPpmFraction},
       {"maxerror_seconds", "gauge", "Most that the clock may be off.", number(state.maxerror) / 1e6},
       {"estimated_error_seconds", "gauge", "How much the clock is thought to be off.", number(state.esterror) / 1e6},
       {"status", "gauge", "The status bits of adjtimex.", number(state.status)},
       {"loop_time_constant", "gauge", "The time constant of the phase-locked loop.", number(state.constant)},
       {"tick_seconds", "gauge", "Seconds between clock ticks.", number(state.tick) / 1e6},
       {"tai_offset_seconds", "gauge", "International atomic time minus UTC.", number(state.tai)},
       {"pps_frequency_hertz", "gauge", "The frequency of the pulse per second.", number(state.ppsfreq) / kPpmFraction},
       {"pps_jitter_seconds", "gauge", "Its jitter.", number(state.jitter) / fraction},
       {"pps_shift_seconds", "gauge", "The length of its interval.", number(state.shift)},
       {"pps_stability_hertz", "gauge", "Its stability.", number(state.stabil) / kPpmFraction},
       {"pps_jitter_total", "counter", "How often its jitter was too large.", number(state.jitcnt)},
       {"pps_calibration_total", "counter", "Its calibration intervals.", number(state.calcnt)},
       {"pps_error_total", "counter", "Its calibration errors.", number(state.errcnt)},
       {"pps_stability_exceeded_total", "counter", "How often it was not stable enough.", number(state.stbcnt)}}};
  for (const Row& row : rows) out.single(fmt::format("node_timex_{}", row.name), row.type, row.help, row.value);
  return {};
}

}  // namespace collector::host

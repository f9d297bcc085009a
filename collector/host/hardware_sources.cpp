// SPDX-License-Identifier: Apache-2.0
// Sensors, thermal zones, memory errors, power.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>

#include "collector/host/kernel_files.h"
#include "collector/host/sources.h"

namespace collector::host {
namespace {

using core::Errc;
using core::Result;

// What may stand in a metric's name or a chip's: lower case, and an underscore for everything else.
std::string clean_name(std::string_view text) {
  std::string result;
  for (char c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == ':' || c == '_';
    result += plain ? c : '_';
  }
  const std::size_t start = std::min(result.find_first_not_of('_'), result.size());
  return result.substr(start, result.find_last_not_of('_') + 1 - start);
}

// What a chip is called, alike after every boot: hwmon3 may be another one tomorrow, the device it belongs to is not.
std::string chip_name(const std::string& folder, const std::string& entry) {
  std::error_code error;
  const auto device = std::filesystem::canonical(folder + "/device", error);
  if (!error) {
    const std::string name = clean_name(device.filename().string());
    const std::string type = clean_name(device.parent_path().filename().string());
    if (!name.empty()) return type.empty() ? name : type + "_" + name;
  }
  const auto name = read_attribute(folder + "/name");
  const std::string cleaned = name ? clean_name(*name) : "";
  return cleaned.empty() ? clean_name(entry) : cleaned;
}

// temp1_crit: sensor temp1 of type temp, property crit; a file may have no number and no property.
struct SensorFile {
  std::string sensor, type, property;
};

std::optional<SensorFile> parse_sensor_file(std::string_view name) {
  constexpr std::array<std::string_view, 12> kTypes = {
      "vrm",  "beep_enable", "update_interval", "in",     "cpu",      "fan", "pwm",
      "temp", "curr",        "power",           "energy", "intrusion"};
  for (const std::string_view plain : {"vrm", "beep_enable", "update_interval"}) {
    if (name == plain) return SensorFile{std::string(name), std::string(name), ""};
  }
  const std::size_t number = name.find_first_of("0123456789");
  if (number == std::string_view::npos || number == 0) return std::nullopt;
  const std::size_t end = std::min(name.find_first_not_of("0123456789", number), name.size());
  SensorFile file{std::string(name.substr(0, end)), std::string(name.substr(0, number)), ""};
  if (std::find(kTypes.begin(), kTypes.end(), file.type) == kTypes.end()) return std::nullopt;
  if (end == name.size()) return file;
  if (name[end] != '_') return std::nullopt;
  file.property = name.substr(end + 1);
  return file;
}

struct Measure {
  std::string name;
  std::string_view type = "gauge";
  double scale = 1;
};

// Documentation/hwmon/sysfs-interface.rst says in which units a sensor speaks; the names are node_exporter's.
Measure measure_of(const SensorFile& file, bool has_plain) {
  if (file.type == "beep_enable") return {"node_hwmon_beep_enabled"};
  if (file.type == "vrm") return {"node_hwmon_voltage_regulator_version"};
  if (file.type == "update_interval") return {"node_hwmon_update_interval_seconds", "gauge", 1e-3};
  const std::string& property = file.property;
  std::string name = "node_hwmon_" + file.type;
  if (property == "input") {
    if (has_plain) name += "_input";
  } else if (!property.empty()) {
    name += "_" + clean_name(property);
  }
  if (property == "fault" || property == "alarm") return {name};
  if (property == "beep") return {name + "_enabled"};
  if (file.type == "in" || file.type == "cpu") return {name + "_volts", "gauge", 1e-3};
  if (file.type == "temp" && property != "type") return {name + "_celsius", "gauge", 1e-3};
  if (file.type == "curr") return {name + "_amps", "gauge", 1e-3};
  if (file.type == "energy") return {name + "_joule_total", "counter", 1e-6};
  if (file.type == "power" && property == "accuracy") return {name, "gauge", 1e-6};
  if (file.type == "power" && property.starts_with("average_interval")) return {name + "_seconds", "gauge", 1e-3};
  if (file.type == "power") return {name + "_watt", "gauge", 1e-6};
  const bool turns = property == "input" || property == "min" || property == "max" || property == "target";
  if (file.type == "fan" && turns) return {name + "_rpm"};
  return {name};
}

struct SensorValue {
  std::string chip, sensor;
  double value;
};

// By family, because the samples of one stand together.
struct SensorReadings {
  std::map<std::string, std::pair<std::string_view, std::vector<SensorValue>>> values;
  std::vector<std::array<std::string, 3>> labels;  // chip, sensor, label
  std::vector<std::pair<std::string, std::string>> chips;
};

void read_chip(const std::string& folder, const std::string& chip, SensorReadings& readings) {
  // Older drivers have their files in the device's folder.
  std::map<std::string, std::pair<SensorFile, std::string>> files;  // by name, with their paths
  std::set<std::string> plain;
  for (const std::string& place : {folder + "/device", folder}) {
    const auto names = list_folder(place);
    if (!names) continue;
    for (const std::string& name : *names) {
      auto file = parse_sensor_file(name);
      if (!file) continue;
      if (file->property.empty()) plain.insert(file->sensor);
      files.insert_or_assign(name, std::pair(std::move(*file), fmt::format("{}/{}", place, name)));
    }
  }
  for (const auto& [name, each] : files) {
    const auto& [file, path] = each;
    const auto text = read_attribute(path);
    if (!text) continue;
    if (file.property == "label") {
      readings.labels.push_back({chip, file.sensor, *text});
      continue;
    }
    const auto value = parse_number(*text);
    if (!value) continue;
    const Measure measure = measure_of(file, plain.contains(file.sensor));
    auto& [type, family] = readings.values[measure.name];
    type = measure.type;
    family.push_back({chip, file.sensor, *value * measure.scale});
  }
  if (const auto name = read_attribute(folder + "/name")) readings.chips.emplace_back(chip, *name);
}

}  // namespace

Result<void> write_sensors(SourceContext& context, ExpositionWriter& out) {
  const std::string folder = context.paths.sys + "/class/hwmon";
  const auto entries = list_folder(folder);
  if (!entries) return core::fail(entries.error());
  SensorReadings readings;
  std::set<std::string> seen;
  for (const std::string& entry : *entries) {
    const std::string place = fmt::format("{}/{}", folder, entry);
    const std::string chip = chip_name(place, entry);
    // Two of one name would make every series of theirs twice.
    if (!context.filters.chips.wants(chip) || !seen.insert(chip).second) continue;
    read_chip(place, chip, readings);
  }
  out.family("node_hwmon_chip_names", "gauge", "What the driver of a chip is called.");
  for (const auto& [chip, name] : readings.chips) out.sample({{"chip", chip}, {"chip_name", name}}, 1);
  out.family("node_hwmon_sensor_label", "gauge", "What a sensor is called.");
  for (const auto& [chip, sensor, label] : readings.labels) {
    out.sample({{"chip", chip}, {"label", label}, {"sensor", sensor}}, 1);
  }
  for (const auto& [name, family] : readings.values) {
    out.family(name, family.first, "A property of sensors.");
    for (const SensorValue& each : family.second)
      out.sample({{"chip", each.chip}, {"sensor", each.sensor}}, each.value);
  }
  return {};
}

Result<void> write_thermal_zones(SourceContext& context, ExpositionWriter& out) {
  const std::string folder = context.paths.sys + "/class/thermal";
  const auto names = list_folder(folder);
  if (!names) return names.error().code == Errc::kNotFound ? Result<void>{} : core::fail(names.error());
  const auto type_of = [&](const std::string& name) {
    return read_attribute(fmt::format("{}/{}/type", folder, name)).value_or("");
  };
  out.family("node_thermal_zone_temp", "gauge", "Degrees of a zone.");
  for (const std::string& name : *names) {
    if (!name.starts_with("thermal_zone")) continue;
    // A sensor that sleeps cannot be read.
    const auto value = read_number(fmt::format("{}/{}/temp", folder, name));
    const std::string type = type_of(name);
    if (value) out.sample({{"type", type}, {"zone", std::string_view(name).substr(12)}}, *value / 1000);
  }
  for (const auto& [file, help] :
       {std::pair("cur_state", "How hard a device cools."), std::pair("max_state", "How hard it could.")}) {
    out.family(fmt::format("node_cooling_device_{}", file), "gauge", help);
    for (const std::string& name : *names) {
      if (!name.starts_with("cooling_device")) continue;
      const auto value = read_number(fmt::format("{}/{}/{}", folder, name, file));
      const std::string type = type_of(name);
      if (value) out.sample({{"name", std::string_view(name).substr(14)}, {"type", type}}, *value);
    }
  }
  return {};
}

Result<void> write_edac(SourceContext& context, ExpositionWriter& out) {
  const std::string folder = context.paths.sys + "/devices/system/edac/mc";
  const auto names = list_folder(folder);
  if (!names) return names.error().code == Errc::kNotFound ? Result<void>{} : core::fail(names.error());
  struct Row {
    std::string controller, row;
    std::optional<double> corrected, uncorrected;
  };
  std::vector<Row> controllers, rows;
  for (const std::string& name : *names) {
    if (!name.starts_with("mc") || name.find_first_of("0123456789") != 2) continue;
    const std::string place = fmt::format("{}/{}/", folder, name), controller = name.substr(2);
    controllers.push_back({controller, "", read_number(place + "ce_count"), read_number(place + "ue_count")});
    rows.push_back(
        {controller, "unknown", read_number(place + "ce_noinfo_count"), read_number(place + "ue_noinfo_count")});
    const auto entries = list_folder(place);
    for (const std::string& entry : entries ? *entries : std::vector<std::string>()) {
      if (!entry.starts_with("csrow")) continue;
      rows.push_back({controller, entry.substr(5), read_number(place + entry + "/ce_count"),
                      read_number(place + entry + "/ue_count")});
    }
  }
  const auto family = [&](std::string_view name, std::string_view help, std::optional<double> Row::* member) {
    out.family(fmt::format("node_edac_{}_errors_total", name), "counter", help);
    for (const Row& each : controllers) {
      if (each.*member) out.sample({{"controller", each.controller}}, *(each.*member));
    }
    out.family(fmt::format("node_edac_csrow_{}_errors_total", name), "counter", help);
    for (const Row& each : rows) {
      if (each.*member) out.sample({{"controller", each.controller}, {"csrow", each.row}}, *(each.*member));
    }
  };
  family("correctable", "Memory errors that were corrected.", &Row::corrected);
  family("uncorrectable", "Memory errors that could not be corrected.", &Row::uncorrected);
  return {};
}

Result<void> write_power_supplies(SourceContext& context, ExpositionWriter& out) {
  const std::string folder = context.paths.sys + "/class/power_supply";
  auto names = list_folder(folder);
  if (!names) return names.error().code == Errc::kNotFound ? Result<void>{} : core::fail(names.error());
  std::erase_if(*names, [&](const std::string& name) { return !context.filters.power_supplies.wants(name); });
  struct Known {
    std::string_view file, name;
    double scale;
  };
  // Documentation/ABI/testing/sysfs-class-power: micro-units, temperatures in tenths of a degree.
  constexpr std::array<Known, 17> kKnown = {{{"present", "present", 1},
                                             {"online", "online", 1},
                                             {"capacity", "capacity", 1},
                                             {"cycle_count", "cyclecount", 1},
                                             {"charge_full", "charge_full", 1e-6},
                                             {"charge_full_design", "charge_full_design", 1e-6},
                                             {"charge_now", "charge_ampere", 1e-6},
                                             {"current_max", "current_max", 1e-6},
                                             {"current_now", "current_ampere", 1e-6},
                                             {"energy_full", "energy_full", 1e-6},
                                             {"energy_full_design", "energy_full_design", 1e-6},
                                             {"energy_now", "energy_watthour", 1e-6},
                                             {"power_now", "power_watt", 1e-6},
                                             {"temp", "temp_celsius", 0.1},
                                             {"voltage_max", "voltage_max", 1e-6},
                                             {"voltage_min_design", "voltage_min_design", 1e-6},
                                             {"voltage_now", "voltage_volt", 1e-6}}};
  for (const Known& known : kKnown) {
    out.family(fmt::format("node_power_supply_{}", known.name), "gauge", "An attribute of power supplies.");
    for (const std::string& name : *names) {
      const auto value = read_number(fmt::format("{}/{}/{}", folder, name, known.file));
      if (value) out.sample({{"power_supply", name}}, *value * known.scale);
    }
  }
  out.family("node_power_supply_info", "gauge", "Which power supplies there are.");
  constexpr std::array<std::string_view, 8> kTexts = {"capacity_level", "health", "manufacturer", "model_name",
                                                      "serial_number",  "status", "technology",   "type"};
  for (const std::string& name : *names) {
    std::array<std::string, kTexts.size()> values;
    std::vector<ExpositionWriter::Pair> labels = {{"power_supply", name}};
    for (std::size_t i = 0; i < kTexts.size(); ++i) {
      values[i] = read_attribute(fmt::format("{}/{}/{}", folder, name, kTexts[i])).value_or("");
      if (!values[i].empty()) labels.emplace_back(kTexts[i], values[i]);
    }
    out.sample(labels, 1);
  }
  return {};
}

Result<void> write_rapl(SourceContext& context, ExpositionWriter& out) {
  const std::string folder = context.paths.sys + "/class/powercap";
  const auto names = list_folder(folder);
  if (!names) return core::fail(names.error());
  struct Zone {
    std::string index, path;
    double joules;
  };
  std::map<std::string, std::vector<Zone>> zones;  // by name
  for (const std::string& entry : *names) {
    if (!entry.starts_with("intel-rapl:") && !entry.starts_with("amd-rapl:")) continue;
    const std::string path = fmt::format("{}/{}", folder, entry);
    auto name = read_attribute(path + "/name");
    // Since CVE-2020-8694 only root may read it.
    const auto microjoules = read_number(path + "/energy_uj");
    if (!name || !microjoules) continue;
    // package-0 says its number; others are counted.
    std::string index;
    const std::size_t dash = name->rfind('-');
    if (dash != std::string::npos && dash + 1 < name->size() &&
        name->find_first_not_of("0123456789", dash + 1) == std::string::npos) {
      index = name->substr(dash + 1);
      name->resize(dash);
    }
    auto& alike = zones[clean_name(*name)];
    if (index.empty()) index = std::to_string(alike.size());
    alike.push_back({index, path, *microjoules / 1e6});
  }
  if (zones.empty()) return core::fail(Errc::kNotFound, "{}: no zone whose energy can be read", folder);
  for (const auto& [name, alike] : zones) {
    out.family(fmt::format("node_rapl_{}_joules_total", name), "counter", "Energy that the zone has taken.");
    for (const Zone& zone : alike) out.sample({{"index", zone.index}, {"path", zone.path}}, zone.joules);
  }
  return {};
}

}  // namespace collector::host

// SPDX-License-Identifier: Apache-2.0
// Interfaces, protocols, sockets, neighbours, connection tracking.
#include <fmt/format.h>
#include <unistd.h>

#include <array>

#include "collector/host/kernel_files.h"
#include "collector/host/sources.h"

namespace collector::host {
namespace {

using core::Errc;
using core::Result;

// Names of the kernel's protocols and counters become part of a metric's name.
bool is_name(std::string_view text) {
  return !text.empty() && text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") ==
                              std::string_view::npos;
}

}  // namespace

Result<void> write_network(SourceContext& context, ExpositionWriter& out) {
  const std::string path = context.paths.proc + "/net/dev";
  const auto text = read_file(path);
  if (!text) return core::fail(text.error());
  constexpr std::array<std::string_view, 16> kColumns = {
      "receive_bytes",  "receive_packets",  "receive_errs",       "receive_drop",
      "receive_fifo",   "receive_frame",    "receive_compressed", "receive_multicast",
      "transmit_bytes", "transmit_packets", "transmit_errs",      "transmit_drop",
      "transmit_fifo",  "transmit_colls",   "transmit_carrier",   "transmit_compressed"};
  NumberReader numbers(path);
  struct Interface {
    std::string_view name;
    std::array<double, kColumns.size()> values;
  };
  std::vector<Interface> interfaces;
  const auto lines = split_lines(*text);
  const auto heads = [&](std::size_t i) { return i < lines.size() && lines[i].find('|') != std::string_view::npos; };
  numbers.expect(heads(0) && heads(1), "two lines of headings", lines.empty() ? "" : lines[0]);
  for (std::size_t i = 2; i < lines.size(); ++i) {
    const std::string_view line = lines[i];
    const std::size_t colon = line.rfind(':');
    numbers.expect(colon != std::string_view::npos, "name: numbers", line);
    if (auto fine = numbers.done(); !fine) return fine;
    Interface each{trim(line.substr(0, colon)), {}};
    if (!context.filters.network.wants(each.name)) continue;
    const auto fields = split_fields(line.substr(colon + 1));
    for (std::size_t k = 0; k < kColumns.size(); ++k) each.values[k] = numbers.decimal_at(fields, k);
    interfaces.push_back(each);
  }
  for (std::size_t i = 0; i < kColumns.size(); ++i) {
    out.family(fmt::format("node_network_{}_total", kColumns[i]), "counter", "A column of /proc/net/dev.");
    for (const Interface& each : interfaces) out.sample({{"device", each.name}}, each.values[i]);
  }
  out.family("node_network_receive_nohandler_total", "counter", "Packets of a protocol that nobody takes.");
  for (const Interface& each : interfaces) {
    if (each.name.find('/') != std::string_view::npos) continue;
    const auto count =
        read_number(fmt::format("{}/class/net/{}/statistics/rx_nohandler", context.paths.sys, each.name));
    if (count) out.sample({{"device", each.name}}, *count);
  }
  return numbers.done();
}

namespace {

struct InterfaceAttribute {
  std::string_view file, name, type, help;
};

constexpr std::array<InterfaceAttribute, 17> kInterfaceAttributes = {
    {{"addr_assign_type", "address_assign_type", "gauge", "How the address came about."},
     {"carrier", "carrier", "gauge", "Whether the interface has a link."},
     {"carrier_changes", "carrier_changes_total", "counter", "Changes of the link."},
     {"carrier_up_count", "carrier_up_changes_total", "counter", "How often the link came."},
     {"carrier_down_count", "carrier_down_changes_total", "counter", "How often the link went."},
     {"dev_id", "device_id", "gauge", "Tells interfaces apart that share an address."},
     {"dormant", "dormant", "gauge", "Whether the interface waits for something from outside."},
     {"flags", "flags", "gauge", "The interface's flags."},
     {"ifindex", "iface_id", "gauge", "The interface's number."},
     {"iflink", "iface_link", "gauge", "The number of the interface below it."},
     {"link_mode", "iface_link_mode", "gauge", "Its link mode."},
     {"mtu", "mtu_bytes", "gauge", "Most bytes of a packet."},
     {"name_assign_type", "name_assign_type", "gauge", "How the name came about."},
     {"netdev_group", "net_dev_group", "gauge", "Its group."},
     {"speed", "speed_bytes", "gauge", "Bytes a second; negative: not known."},
     {"tx_queue_len", "transmit_queue_length", "gauge", "Packets that may wait to be sent."},
     {"type", "protocol_type", "gauge", "The number of its link protocol."}}};

}  // namespace

Result<void> write_network_state(SourceContext& context, ExpositionWriter& out) {
  const std::string folder = context.paths.sys + "/class/net";
  auto names = list_folder(folder);
  if (!names) return core::fail(names.error());
  std::erase_if(*names, [&](const std::string& name) {
    // bonding_masters is a file among the interfaces.
    return name == "bonding_masters" || !context.filters.interfaces.wants(name);
  });
  const auto attribute = [&](const std::string& name, std::string_view file) {
    return read_attribute(fmt::format("{}/{}/{}", folder, name, file));
  };
  std::vector<std::string> states;
  for (const std::string& name : *names) states.push_back(attribute(name, "operstate").value_or(""));
  out.family("node_network_up", "gauge", "Whether the interface's operstate is up.");
  for (std::size_t i = 0; i < names->size(); ++i) out.sample({{"device", (*names)[i]}}, states[i] == "up" ? 1 : 0);
  out.family("node_network_info", "gauge", "Which interfaces there are.");
  for (std::size_t i = 0; i < names->size(); ++i) {
    const std::string& name = (*names)[i];
    const auto text = [&](std::string_view file) { return attribute(name, file).value_or(""); };
    const std::string address = text("address"), broadcast = text("broadcast"), duplex = text("duplex");
    const std::string alias = text("ifalias");
    out.sample({{"address", address},
                {"broadcast", broadcast},
                {"device", name},
                {"duplex", duplex},
                {"ifalias", alias},
                {"operstate", states[i]}},
               1);
  }
  for (const InterfaceAttribute& each : kInterfaceAttributes) {
    out.family(fmt::format("node_network_{}", each.name), each.type, each.help);
    for (const std::string& name : *names) {
      // An interface that is down has no carrier to read, and a virtual one no speed.
      const auto value = attribute(name, each.file);
      if (!value) continue;
      auto number = value->starts_with("0x") ? parse_hex(*value) : parse_number(*value);
      if (!number) continue;
      if (each.file == "speed") {
        if (*number < 0 && context.config.netclass.ignore_invalid_speed) continue;
        *number *= 1e6 / 8;
      }
      out.sample({{"device", name}}, *number);
    }
  }
  return {};
}

namespace {

// Pairs of lines: "Tcp: RtoAlgorithm RtoMin ..." and "Tcp: 1 200 ...".
void write_protocol_pairs(std::string_view text, const NameFilter& wanted, NumberReader& numbers,
                          ExpositionWriter& out) {
  const auto lines = split_lines(text);
  numbers.expect(lines.size() % 2 == 0, "pairs of lines", lines.empty() ? "" : lines.back());
  for (std::size_t i = 0; i + 1 < lines.size(); i += 2) {
    const auto names = split_fields(lines[i]);
    const auto values = split_fields(lines[i + 1]);
    const bool alike = !names.empty() && names.size() == values.size() && names[0] == values[0];
    numbers.expect(alike && names[0].ends_with(':'), "a line of names and one of their values", lines[i]);
    if (!numbers.done()) return;
    const std::string_view protocol = names[0].substr(0, names[0].size() - 1);
    for (std::size_t k = 1; k < names.size(); ++k) {
      const std::string name = fmt::format("{}_{}", protocol, names[k]);
      if (!wanted.wants(name)) continue;
      numbers.expect(is_name(name), "a name", name);
      const double value = numbers.decimal(values[k]);
      if (!numbers.done()) return;
      out.single(fmt::format("node_netstat_{}", name), "untyped", "A counter of a network protocol.", value);
    }
  }
}

}  // namespace

Result<void> write_network_protocols(SourceContext& context, ExpositionWriter& out) {
  for (const std::string_view file : {"netstat", "snmp"}) {
    const std::string path = fmt::format("{}/net/{}", context.paths.proc, file);
    const auto text = read_file(path);
    if (!text) return core::fail(text.error());
    NumberReader numbers(path);
    write_protocol_pairs(*text, context.filters.netstat, numbers, out);
    if (auto fine = numbers.done(); !fine) return fine;
  }
  // Ip6InReceives 5: absent without IPv6.
  const std::string path = context.paths.proc + "/net/snmp6";
  const auto text = read_file(path);
  if (!text && text.error().code == Errc::kNotFound) return {};
  if (!text) return core::fail(text.error());
  NumberReader numbers(path);
  for (const std::string_view line : split_lines(*text)) {
    const auto fields = split_fields(line);
    numbers.expect(fields.size() == 2, "a name and a number", line);
    if (auto fine = numbers.done(); !fine) return fine;
    const std::size_t six = fields[0].find('6');
    if (six == std::string_view::npos) continue;
    const std::string name = fmt::format("{}_{}", fields[0].substr(0, six + 1), fields[0].substr(six + 1));
    if (!context.filters.netstat.wants(name)) continue;
    numbers.expect(is_name(name), "a name", name);
    const double value = numbers.decimal(fields[1]);
    if (auto fine = numbers.done(); !fine) return fine;
    out.single(fmt::format("node_netstat_{}", name), "untyped", "A counter of a network protocol.", value);
  }
  return {};
}

Result<void> write_sockets(SourceContext& context, ExpositionWriter& out) {
  const auto page = static_cast<double>(::sysconf(_SC_PAGESIZE));
  for (const std::string_view file : {"sockstat", "sockstat6"}) {
    const std::string path = fmt::format("{}/net/{}", context.paths.proc, file);
    const auto text = read_file(path);
    if (!text && file == "sockstat6" && text.error().code == Errc::kNotFound) continue;
    if (!text) return core::fail(text.error());
    NumberReader numbers(path);
    for (const std::string_view line : split_lines(*text)) {
      const auto fields = split_fields(line);
      numbers.expect(fields.size() >= 3 && fields.size() % 2 == 1 && fields[0].ends_with(':'),
                     "a protocol and pairs of name and number", line);
      if (auto fine = numbers.done(); !fine) return fine;
      const std::string_view protocol = fields[0].substr(0, fields[0].size() - 1);
      for (std::size_t i = 1; i + 1 < fields.size(); i += 2) {
        const double value = numbers.decimal(fields[i + 1]);
        numbers.expect(is_name(protocol) && is_name(fields[i]), "a name", line);
        if (auto fine = numbers.done(); !fine) return fine;
        const std::string name = fmt::format("node_sockstat_{}_{}", protocol, fields[i]);
        out.single(name, "gauge", "Sockets, or what they take, from /proc/net/sockstat.", value);
        if (fields[i] == "mem") out.single(name + "_bytes", "gauge", "Memory of sockets.", value * page);
      }
    }
  }
  return {};
}

Result<void> write_softnet(SourceContext& context, ExpositionWriter& out) {
  const std::string path = context.paths.proc + "/net/softnet_stat";
  const auto text = read_file(path);
  if (!text) return core::fail(text.error());
  struct Column {
    std::size_t index;
    std::string_view name, type, help;
  };
  constexpr std::array<Column, 7> kColumns = {
      {{0, "node_softnet_processed_total", "counter", "Packets that a processor took from interfaces."},
       {1, "node_softnet_dropped_total", "counter", "Packets dropped: the queue was full."},
       {2, "node_softnet_times_squeezed_total", "counter", "How often work was left when the time was over."},
       {8, "node_softnet_cpu_collision_total", "counter", "How often two processors wanted to send at once."},
       {9, "node_softnet_received_rps_total", "counter", "How often another processor had work for this one."},
       {10, "node_softnet_flow_limit_count_total", "counter", "How often a flow's limit was reached."},
       {11, "node_softnet_backlog_len", "gauge", "Packets that wait."}}};
  NumberReader numbers(path);
  std::vector<std::pair<std::string, std::vector<std::string_view>>> processors;
  for (const std::string_view line : split_lines(*text)) {
    auto fields = split_fields(line);
    // Newer kernels say which processor a line is about; lines of others are in order.
    const double number = fields.size() > 12 ? numbers.hex(fields[12]) : static_cast<double>(processors.size());
    processors.emplace_back(fmt::format("{}", number), std::move(fields));
  }
  for (const Column& column : kColumns) {
    out.family(column.name, column.type, column.help);
    for (const auto& [number, fields] : processors) {
      if (column.index > 2 && column.index >= fields.size()) continue;
      out.sample({{"cpu", number}}, numbers.hex_at(fields, column.index));
    }
  }
  return numbers.done();
}

Result<void> write_udp_queues(SourceContext& context, ExpositionWriter& out) {
  out.family("node_udp_queues", "gauge", "Bytes that wait in the queues of UDP sockets.");
  bool any = false;
  for (const auto& [file, family] : {std::pair("udp", "v4"), std::pair("udp6", "v6")}) {
    const std::string path = fmt::format("{}/net/{}", context.paths.proc, file);
    const auto text = read_file(path);
    if (!text && text.error().code == Errc::kNotFound) continue;
    if (!text) return core::fail(text.error());
    any = true;
    NumberReader numbers(path);
    double sending = 0, receiving = 0;
    const auto lines = split_lines(*text);
    for (std::size_t i = 1; i < lines.size(); ++i) {
      // sl local_address rem_address st tx_queue:rx_queue
      const auto fields = split_fields(lines[i]);
      const std::string_view queues = fields.size() > 4 ? fields[4] : std::string_view();
      const std::size_t colon = queues.find(':');
      numbers.expect(colon != std::string_view::npos, "tx_queue:rx_queue", lines[i]);
      if (auto fine = numbers.done(); !fine) return fine;
      sending += numbers.hex(queues.substr(0, colon));
      receiving += numbers.hex(queues.substr(colon + 1));
    }
    if (auto fine = numbers.done(); !fine) return fine;
    out.sample({{"ip", family}, {"queue", "rx"}}, receiving);
    out.sample({{"ip", family}, {"queue", "tx"}}, sending);
  }
  if (!any) return core::fail(Errc::kNotFound, "{}/net: neither udp nor udp6", context.paths.proc);
  return {};
}

Result<void> write_arp(SourceContext& context, ExpositionWriter& out) {
  const std::string path = context.paths.proc + "/net/arp";
  const auto text = read_file(path);
  if (!text) return core::fail(text.error());
  NumberReader numbers(path);
  std::map<std::string_view, double> entries;
  const auto lines = split_lines(*text);
  for (std::size_t i = 1; i < lines.size(); ++i) {
    // IP address, HW type, Flags, HW address, Mask, Device
    const auto fields = split_fields(lines[i]);
    numbers.expect(fields.size() == 6, "six columns", lines[i]);
    if (auto fine = numbers.done(); !fine) return fine;
    if (context.filters.arp.wants(fields[5])) entries[fields[5]] += 1;
  }
  out.family("node_arp_entries", "gauge", "Neighbours that an interface knows.");
  for (const auto& [device, count] : entries) out.sample({{"device", device}}, count);
  return {};
}

Result<void> write_conntrack(SourceContext& context, ExpositionWriter& out) {
  const std::string folder = context.paths.proc + "/sys/net/netfilter/";
  const auto entries = read_file(folder + "nf_conntrack_count");
  if (!entries) return core::fail(entries.error());
  const auto limit = read_file(folder + "nf_conntrack_max");
  if (!limit) return core::fail(limit.error());
  NumberReader settings(folder);
  out.single("node_nf_conntrack_entries", "gauge", "Connections that are tracked.", settings.decimal(trim(*entries)));
  out.single("node_nf_conntrack_entries_limit", "gauge", "Most connections that are.", settings.decimal(trim(*limit)));
  if (auto fine = settings.done(); !fine) return fine;
  const std::string path = context.paths.proc + "/net/stat/nf_conntrack";
  const auto text = read_file(path);
  if (!text) return text.error().code == Errc::kNotFound ? Result<void>{} : core::fail(text.error());
  NumberReader numbers(path);
  const auto lines = split_lines(*text);
  const auto names = split_fields(lines.empty() ? "" : lines[0]);
  for (const std::string_view wanted :
       {"found", "invalid", "ignore", "insert", "insert_failed", "drop", "early_drop", "search_restart"}) {
    const auto column = static_cast<std::size_t>(std::find(names.begin(), names.end(), wanted) - names.begin());
    if (column == names.size()) continue;
    double sum = 0;  // a line for each processor
    for (std::size_t i = 1; i < lines.size(); ++i) sum += numbers.hex_at(split_fields(lines[i]), column);
    out.single(fmt::format("node_nf_conntrack_stat_{}", wanted), "gauge", "A count of connection tracking.", sum);
  }
  return numbers.done();
}

Result<void> write_bonding(SourceContext& context, ExpositionWriter& out) {
  const std::string folder = context.paths.sys + "/class/net/";
  const auto masters = read_file(folder + "bonding_masters");
  if (!masters) return core::fail(masters.error());
  struct Bond {
    std::string_view name;
    double slaves = 0, active = 0;
  };
  std::vector<Bond> bonds;
  for (const std::string_view name : split_fields(trim(*masters))) {
    Bond bond{name};
    const std::string slaves = read_attribute(fmt::format("{}{}/bonding/slaves", folder, name)).value_or("");
    for (const std::string_view slave : split_fields(slaves)) {
      bond.slaves += 1;
      const auto link = read_attribute(fmt::format("{}{}/lower_{}/bonding_slave/mii_status", folder, name, slave));
      if (link && *link == "up") bond.active += 1;
    }
    bonds.push_back(bond);
  }
  out.family("node_bonding_slaves", "gauge", "Interfaces of a bond.");
  for (const Bond& bond : bonds) out.sample({{"master", bond.name}}, bond.slaves);
  out.family("node_bonding_active", "gauge", "Interfaces of a bond that have a link.");
  for (const Bond& bond : bonds) out.sample({{"master", bond.name}}, bond.active);
  return {};
}

}  // namespace collector::host

// SPDX-License-Identifier: Apache-2.0
#include "actions/drill/fault.h"

#include <algorithm>
#include <filesystem>
#include <optional>

#include "core/ring/labels.h"

namespace actions::drill {

using core::fail;
using core::Result;
using core::config::Node;
using core::config::Table;
using core::kubernetes::is_object_name;

namespace {

// More than this no disk that is only scratch has; and a typing mistake in the unit is found out.
constexpr std::uint64_t kFillMax = std::uint64_t{4} << 40;
// A drill's restore is not allowed to wait for longer.
constexpr core::Millis kTimeoutMax = std::chrono::minutes(10);

Result<void> check_timeout(core::Millis timeout, const Node& node) {
  if (timeout > core::Millis(0) && timeout <= kTimeoutMax) return {};
  return fail(node.error("timeout must be more than zero and at most {}", core::format_duration(kTimeoutMax)));
}

// As `ip netns` takes it: the name of a file, so nothing that leads elsewhere.
bool is_namespace_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.size() <= 255 &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
                  c == '.';
         });
}

Result<void> check_argv(const std::vector<std::string>& argv, std::string_view what, const Node& node) {
  if (argv.empty() || argv.front().empty()) return fail(node.error("exec: {} is empty", what));
  return {};
}

std::string command_line(const std::vector<std::string>& argv) {
  std::string text;
  for (const std::string& argument : argv) {
    const bool plain = !argument.empty() && argument.find_first_of(" \t\n\"'\\") == std::string::npos;
    text += (text.empty() ? "" : " ") + (plain ? argument : core::ring::go_quote(argument));
  }
  return text;
}

}  // namespace

const Table<UnitFault>& UnitFault::fields() {
  static const auto table =
      Table<UnitFault>("drill_systemd", "Stops or kills a unit; restored by starting what ran before.")
          .field("unit", &UnitFault::unit, {.help = "Its name, with .service.", .required = true})
          .field("action", &UnitFault::action, {.help = "stop, as systemctl does, or kill (SIGKILL)."})
          .field("timeout", &UnitFault::timeout,
                 {.help = "Until the unit must have stopped, or must run again when it is restored."})
          .check([](const UnitFault& fault, const Node& node) -> Result<void> {
            if (fault.unit.find('.') == std::string::npos || fault.unit.find("{{") != std::string::npos) {
              return fail(node.error("systemd: expected a unit such as geth.service, got \"{}\"", fault.unit));
            }
            return check_timeout(fault.timeout, node);
          });
  return table;
}

const Table<ExecFault>& ExecFault::fields() {
  static const auto table =
      Table<ExecFault>("drill_exec", "Runs a program without a shell, and another to restore.")
          .field("argv", &ExecFault::argv,
                 {.help = "The program that does the damage, and its arguments.", .required = true})
          .field("restore", &ExecFault::restore,
                 {.help = "The program that mends it. It is run again until it ends with 0, also after a crash that "
                          "hid whether argv ever ran: it must do no harm then.",
                  .required = true})
          .field("timeout", &ExecFault::timeout, {.help = "Of each of them; then it is ended, and has failed."})
          .check([](const ExecFault& fault, const Node& node) -> Result<void> {
            if (auto checked = check_argv(fault.argv, "argv", node); !checked) return checked;
            if (auto checked = check_argv(fault.restore, "restore", node); !checked) return checked;
            return check_timeout(fault.timeout, node);
          });
  return table;
}

const Table<PortFault>& PortFault::fields() {
  static const auto table =
      Table<PortFault>("drill_port", "Blocks a TCP port with nftables, in a network namespace of its own.")
          .field("namespace", &PortFault::network_namespace,
                 {.help = "As `ip netns` names it; never the host's.", .required = true})
          .field("port", &PortFault::port, {.help = "The destination port.", .required = true})
          .field("direction", &PortFault::direction, {.help = "What comes in, or what goes out."})
          .field("answer", &PortFault::answer, {.help = "drop: silence; reset: as if nobody listened."})
          .check([](const PortFault& fault, const Node& node) -> Result<void> {
            if (!is_namespace_name(fault.network_namespace)) {
              return fail(node.error("port: \"{}\" is not the name of a network namespace", fault.network_namespace));
            }
            if (fault.port == 0) return fail(node.error("port: expected a port from 1 to 65535"));
            return {};
          });
  return table;
}

const Table<FillFault>& FillFault::fields() {
  static const auto table =
      Table<FillFault>("drill_fill", "Takes the room of a scratch disk.")
          .field("folder", &FillFault::folder,
                 {.help = "Where: a scratch folder of the component, or below it, on a file system that is neither "
                          "the root's nor that of the agent's data.",
                  .required = true})
          .field("size", &FillFault::size, {.help = "So much, or all there is if that is less.", .required = true})
          .check([](const FillFault& fault, const Node& node) -> Result<void> {
            if (fault.size.bytes == 0 || fault.size.bytes > kFillMax) {
              return fail(node.error("fill: size must be more than zero and at most 4TiB"));
            }
            const std::filesystem::path folder(fault.folder.path);
            if (folder.lexically_normal() == folder.root_path()) return fail(node.error("fill: folder is the root"));
            return {};
          });
  return table;
}

const Table<PodFault>& PodFault::fields() {
  static const auto table =
      Table<PodFault>("drill_pod", "Deletes a pod; restored when its controller has made another one that is ready.")
          .field("namespace", &PodFault::name_space, {.help = "Its namespace.", .required = true})
          .field("name", &PodFault::name, {.help = "The name of a pod of a StatefulSet: it comes back under it."})
          .field("selector", &PodFault::selector,
                 {.help = "Or labels, as kubectl -l takes them: of the pods that have them the first one by name that "
                          "is ready.",
                  .example = "app=geth"})
          .field("grace_period", &PodFault::grace_period,
                 {.help = "How long it has to end before it is killed; default: what it asks for itself."})
          .field("delete_emptydir_data", &PodFault::delete_emptydir_data,
                 {.help = "Whether it may be a pod whose emptyDir volumes go with it."})
          .field("timeout", &PodFault::timeout,
                 {.help = "Until it must be gone, or until another one must be ready when it is restored."})
          .embed(&PodFault::cluster, remedy::KubernetesCluster::fields())
          .check([](const PodFault& fault, const Node& node) -> Result<void> {
            if (fault.name.empty() == fault.selector.empty()) {
              return fail(node.error("pod: expected either name or selector"));
            }
            for (const std::string* name : {&fault.name_space, &fault.name}) {
              if (name == &fault.name && name->empty()) continue;
              if (!is_object_name(*name)) return fail(node.error("pod: \"{}\" is no name of an object", *name));
            }
            // Without any grace the API server forgets the pod at once, while it may go on on its node.
            if (fault.grace_period && *fault.grace_period < std::chrono::seconds(1)) {
              return fail(node.find("grace_period").error("pod: grace_period must be at least 1s"));
            }
            return check_timeout(fault.timeout, node);
          });
  return table;
}

std::string_view Fault::kind() const {
  static constexpr std::string_view kKinds[] = {"systemd", "exec", "port", "fill", "pod"};
  static_assert(std::size(kKinds) == std::variant_size_v<decltype(Fault::action)>);
  return kKinds[action.index()];
}

std::string Fault::to_string() const {
  if (const auto* unit = std::get_if<UnitFault>(&action)) {
    return fmt::format("systemd {} {}", core::config::Codec<UnitFaultAction>::print(unit->action), unit->unit);
  }
  if (const auto* exec = std::get_if<ExecFault>(&action)) return "exec " + command_line(exec->argv);
  if (const auto* port = std::get_if<PortFault>(&action)) {
    return fmt::format("block TCP port {} ({}, {}) in network namespace {}", port->port,
                       core::config::Codec<Direction>::print(port->direction),
                       core::config::Codec<BlockedAnswer>::print(port->answer), port->network_namespace);
  }
  if (const auto* pod = std::get_if<PodFault>(&action)) {
    const std::string grace =
        pod->grace_period ? " within " + core::format_duration(*pod->grace_period) : std::string();
    return pod->name.empty() ? fmt::format("delete a pod of {} with {}{}", pod->name_space, pod->selector, grace)
                             : fmt::format("delete the pod {}/{}{}", pod->name_space, pod->name, grace);
  }
  const auto& fill = std::get<FillFault>(action);
  return fmt::format("fill {} with up to {}", fill.folder.path,
                     core::config::Codec<core::config::ByteSize>::print(fill.size));
}

std::string Fault::restoring() const {
  if (const auto* unit = std::get_if<UnitFault>(&action)) return "systemd start " + unit->unit;
  if (const auto* exec = std::get_if<ExecFault>(&action)) return "exec " + command_line(exec->restore);
  if (const auto* port = std::get_if<PortFault>(&action)) {
    return "remove the block in network namespace " + port->network_namespace;
  }
  if (std::holds_alternative<PodFault>(action)) return "wait for another pod that is ready";
  return "remove the file in " + std::get<FillFault>(action).folder.path;
}

std::vector<std::string> Fault::texts() const {
  if (const auto* unit = std::get_if<UnitFault>(&action)) return {unit->unit};
  if (const auto* exec = std::get_if<ExecFault>(&action)) {
    std::vector<std::string> all = exec->argv;
    all.insert(all.end(), exec->restore.begin(), exec->restore.end());
    return all;
  }
  if (const auto* port = std::get_if<PortFault>(&action)) return {port->network_namespace};
  if (const auto* pod = std::get_if<PodFault>(&action)) return {pod->name_space, pod->name, pod->selector};
  return {std::get<FillFault>(action).folder.path};
}

}  // namespace actions::drill

namespace core::config {

using actions::drill::ExecFault;
using actions::drill::Fault;
using actions::drill::FillFault;
using actions::drill::PodFault;
using actions::drill::PortFault;
using actions::drill::UnitFault;

namespace {

template <class Kind>
Result<Fault> read_kind(const Node& value) {
  return Codec<Kind>::read(value).map([](Kind kind) { return Fault{std::move(kind)}; });
}

}  // namespace

Result<Fault> Codec<Fault>::read(const Node& node) {
  const std::vector<Entry> entries = node.entries();
  if (entries.size() != 1 || !entries.front().key.is_scalar()) {
    return fail(node.error("expected a map with one key (systemd, exec, port, fill or pod), got {}", node.describe()));
  }
  const Entry& entry = entries.front();
  const std::string& kind = entry.key.scalar();
  if (kind == "systemd") return read_kind<UnitFault>(entry.value);
  if (kind == "exec") return read_kind<ExecFault>(entry.value);
  if (kind == "port") return read_kind<PortFault>(entry.value);
  if (kind == "fill") return read_kind<FillFault>(entry.value);
  if (kind == "pod") return read_kind<PodFault>(entry.value);
  return fail(entry.key.error("unknown fault \"{}\": expected systemd, exec, port, fill or pod", kind));
}

TypeDescription Codec<Fault>::describe() {
  return {
      "fault (one of systemd: {unit, action, timeout}, exec: {argv, restore, timeout}, port: {namespace, port, "
      "direction, answer}, fill: {folder, size}, pod: {namespace, name, selector, ...})",
      {}};
}

}  // namespace core::config

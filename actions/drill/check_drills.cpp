// SPDX-License-Identifier: Apache-2.0
// What the sections about drills say together, and with the others.
#include <algorithm>
#include <filesystem>

#include "actions/drill/drill_config.h"
#include "actions/protection/validator_words.h"
#include "actions/remedy/condition.h"

namespace actions::drill {

using core::fail;
using core::Result;
using core::config::Node;

namespace {

Node item_of(const Node& root, std::string_view section, std::size_t index) {
  const std::vector<Node> items = root.find(section).items();
  return index < items.size() ? items[index] : root;
}

template <class T>
const T* named(const std::vector<T>& all, const std::string& name) {
  const auto found = std::find_if(all.begin(), all.end(), [&](const T& each) { return each.name == name; });
  return found == all.end() ? nullptr : &*found;
}

template <class T>
Result<void> check_unique(const std::vector<T>& all, std::string_view section, const Node& root) {
  std::set<std::string> names;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (names.insert(all[i].name).second) continue;
    return fail(item_of(root, section, i).error("{}: the name \"{}\" is not unique", section, all[i].name));
  }
  return {};
}

bool is_below(const std::string& folder, const std::string& top) {
  const auto inner = std::filesystem::path(folder).lexically_normal();
  const auto outer = std::filesystem::path(top).lexically_normal();
  const auto relative = inner.lexically_relative(outer);
  return !relative.empty() && *relative.begin() != "..";
}

// What is injected must be listed for the component; what an exec does is its program's affair.
Result<void> check_listed(const DrillConfig& drill, const DrillableConfig& component, const Node& place) {
  const auto refuse = [&](std::string_view what, const std::string& name) -> Result<void> {
    return fail(place.find("inject").error("drill \"{}\": {} \"{}\" is not listed for the component \"{}\"", drill.name,
                                           what, name, component.name));
  };
  if (const auto* unit = std::get_if<UnitFault>(&drill.inject.action)) {
    if (std::ranges::find(component.units, unit->unit) == component.units.end()) return refuse("unit", unit->unit);
  }
  if (const auto* port = std::get_if<PortFault>(&drill.inject.action)) {
    const auto& listed = component.network_namespaces;
    if (std::ranges::find(listed, port->network_namespace) == listed.end()) {
      return refuse("namespace", port->network_namespace);
    }
  }
  if (const auto* fill = std::get_if<FillFault>(&drill.inject.action)) {
    const bool below = std::ranges::any_of(
        component.scratch, [&](const core::config::FilePath& top) { return is_below(fill->folder.path, top.path); });
    if (!below) return refuse("scratch folder", fill->folder.path);
  }
  // Which pods a selector means only the cluster knows: they are looked at before a drill begins.
  if (const auto* pod = std::get_if<PodFault>(&drill.inject.action); pod != nullptr && !pod->name.empty()) {
    const std::string name = pod->name_space + "/" + pod->name;
    if (!component.lists_pod(name)) return refuse("pod", name);
  }
  return {};
}

Result<void> check_expressions(const std::vector<std::string>& all, const Node& place) {
  for (const std::string& expr : all) {
    if (auto checked = remedy::check_condition(expr); !checked) {
      return fail(place.error("\"{}\": {}", expr, checked.error().message));
    }
  }
  return {};
}

Result<void> check_one(const DrillPlan& plan, const DrillConfig& drill, const Node& place) {
  const DrillableConfig* component = plan.component(drill.component);
  if (component == nullptr) {
    return fail(place.error("drill \"{}\": the component \"{}\" is not one of drillable", drill.name, drill.component));
  }
  if (auto checked = check_listed(drill, *component, place); !checked) return checked;
  const auto touched = touches_validators(drill, *component, plan);
  if (touched && !drill.allow_validators) {
    return fail(place.error("drill \"{}\": {}: validators are not drilled, unless allow_validators: true says so",
                            drill.name, *touched));
  }
  for (const std::string& gate : drill.gates) {
    if (plan.policy->gate(gate) == nullptr) {
      return fail(place.error("drill \"{}\": no gate is named \"{}\"", drill.name, gate));
    }
  }
  if (drill.expect.remediation && plan.policy->find(drill.expect.remediation->name) == nullptr) {
    return fail(
        place.error("drill \"{}\": no remediation is named \"{}\"", drill.name, drill.expect.remediation->name));
  }
  if (auto checked = check_expressions(drill.require, place.find("require")); !checked) return checked;
  return check_expressions(drill.stop_if, place.find("stop_if"));
}

}  // namespace

const DrillConfig* DrillPlan::find(const std::string& name) const { return named(drills, name); }
const DrillableConfig* DrillPlan::component(const std::string& name) const { return named(drillable, name); }

std::optional<std::string> touches_validators(const DrillConfig& drill, const DrillableConfig& component,
                                              const DrillPlan& plan) {
  const auto told = [](std::string_view what, const std::string& name) {
    return fmt::format("{} \"{}\" names something that signs for validators", what, name);
  };
  if (protection::names_a_validator(component.name)) return told("the component", component.name);
  for (const auto& [name, value] : component.labels) {
    if (protection::names_a_validator(value) || plan.signers.contains(value)) return told("the label " + name, value);
  }
  // Listed, or recognised by a label's name.
  if (const auto why = plan.protection.node({component.name, component.labels, {}})) {
    return fmt::format("the component \"{}\" is protected: {}", component.name, *why);
  }
  for (const std::string& unit : component.units) {
    if (protection::names_a_validator(unit)) return told("the unit", unit);
  }
  for (const std::string& pod : component.pods) {
    if (protection::names_a_validator(pod)) return told("the pod", pod);
  }
  for (const std::string& text : drill.inject.texts()) {
    if (protection::names_a_validator(text) || plan.signers.contains(text)) return told(drill.inject.kind(), text);
  }
  return std::nullopt;
}

Result<void> check_drills(const DrillPlan& plan, const Node& root) {
  if (auto checked = check_unique(plan.drillable, "drillable", root); !checked) return checked;
  if (auto checked = check_unique(plan.drills, "drills", root); !checked) return checked;
  for (std::size_t i = 0; i < plan.drills.size(); ++i) {
    if (auto checked = check_one(plan, plan.drills[i], item_of(root, "drills", i)); !checked) return checked;
  }
  return {};
}

}  // namespace actions::drill

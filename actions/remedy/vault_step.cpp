// SPDX-License-Identifier: Apache-2.0
// What a vault step is, and what of it makes no sense.
#include "actions/remedy/vault_step.h"

#include "actions/remedy/step.h"

namespace actions::remedy {

using core::Errc;
using core::fail;
using core::Result;
using core::config::Node;
using core::config::Table;

Result<void> VaultStep::check_words() const {
  if (action != VaultAction::kRaftSnapshot) return {};
  const bool leads_back = ("/" + file + "/").find("/../") != std::string::npos;
  if (!file.starts_with('/') || file.ends_with('/') || leads_back) {
    return fail(Errc::kInvalid, "vault: file: expected the absolute path of a file, got \"{}\"", file);
  }
  return {};
}

// A snapshot more does no harm. A second step-down is a second change of leaders: the active node says since when it
// is that.
Repeat VaultStep::repeat() const {
  return action == VaultAction::kRaftSnapshot ? Repeat::kIdempotent : Repeat::kVerifiable;
}

std::string VaultStep::to_string() const {
  std::string text = core::config::Codec<VaultAction>::print(action);
  for (const std::string& url : cluster.urls) text += " " + url;
  if (!file.empty()) text += " to " + file;
  return text;
}

const Table<VaultStep>& VaultStep::fields() {
  static const auto table = [] {
    Table<VaultStep> built("vault", "Asks the active node of a Vault for something, and looks until it is so.");
    built.field("action", &VaultStep::action, {.help = "What is asked for.", .required = true})
        .field("namespace", &VaultStep::name_space,
               {.help = "With step-down: the administrative namespace of an enterprise Vault; default: root."})
        .field("file", &VaultStep::file,
               {.help = "With raft-snapshot: where to; what is there is replaced once the new one is whole. May be a "
                        "template."})
        .field("timeout", &VaultStep::timeout, {.help = "Then the step has failed."})
        .embed(&VaultStep::cluster, backup::VaultRaftConfig::fields())
        .check([](const VaultStep& vault, const Node& node) -> Result<void> {
          if ((vault.action == VaultAction::kRaftSnapshot) == vault.file.empty()) {
            return fail(node.error("vault: raft-snapshot, and nothing else, needs file"));
          }
          if (vault.timeout <= core::Millis(0) || vault.timeout > kWaitMax) {
            return fail(
                node.error("vault: timeout must be more than zero and at most {}", core::format_duration(kWaitMax)));
          }
          if (vault.file.find("{{") != std::string::npos) return {};
          if (auto right = vault.check_words(); !right)
            return fail(node.find("file").error("{}", right.error().message));
          return {};
        });
    return built;
  }();
  return table;
}

}  // namespace actions::remedy

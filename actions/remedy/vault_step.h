// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "actions/backup/vault_raft.h"
#include "core/config/codec.h"
#include "core/config/table.h"
#include "core/result.h"
#include "core/time/clock.h"

namespace actions::remedy {

enum class Repeat;

enum class VaultAction {
  kStepDown,      // the active node hands over to a standby
  kRaftSnapshot,  // a snapshot of its storage into a file
};

inline constexpr core::config::EnumName<VaultAction> kVaultActionNames[] = {
    {VaultAction::kStepDown, "step-down"}, {VaultAction::kRaftSnapshot, "raft-snapshot"}};

// Asks the active node of a Vault for something, and looks until it is so.
//
// Thread safety: a value.
struct VaultStep {
  VaultAction action = VaultAction::kStepDown;
  std::string name_space = {};  // X-Vault-Namespace of step-down
  std::string file = {};        // of raft-snapshot
  core::Millis timeout = std::chrono::minutes(2);
  backup::VaultRaftConfig cluster = {};

  // The texts that may be templates.
  std::vector<std::string*> words() { return {&file}; }
  std::vector<const std::string*> words() const { return {&file}; }
  core::Result<void> check_words() const;
  Repeat repeat() const;
  std::string to_string() const;  // step-down https://10.0.0.7:8200

  static const core::config::Table<VaultStep>& fields();
  bool operator==(const VaultStep&) const = default;
};

}  // namespace actions::remedy

namespace core::config {
template <>
struct Codec<actions::remedy::VaultAction>
    : EnumCodec<actions::remedy::VaultAction, actions::remedy::kVaultActionNames> {};
}  // namespace core::config

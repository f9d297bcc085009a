// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "collector/staking/duty_books.h"
#include "core/result.h"
#include "core/store/database.h"

namespace collector::staking {

// The books of duties in SQLite (docs/formats/duties.md): what was counted, and up to where, in one transaction, so
// that nothing is counted twice or never whenever the agent is killed. After a power failure they may be a little
// older; what was judged since is judged again.
//
// Thread safety: confined to one thread at a time.
class DutyStore {
 public:
  static core::Result<DutyStore> open(const std::string& path);

  // None: there are none yet.
  core::Result<std::optional<DutyBooks>> load();
  // Validators that `books` do not have stay as they were. What could not be written is part of the next save.
  core::Result<void> save(DutyBooks books);

 private:
  explicit DutyStore(core::store::Database database) : database_(std::move(database)) {}
  core::Result<void> load_counts(DutyBooks& books);
  core::Result<void> load_validators(DutyBooks& books);
  core::Result<void> save_head(const DutyBooks& books);
  core::Result<void> save_counts(const DutyBooks& books);
  core::Result<void> save_validators(const std::vector<DutyBooks::Validator>& validators);

  core::store::Database database_;
  std::optional<DutyBooks> saved_;                                     // what the file has, without its validators
  std::optional<std::vector<DutyBooks::Validator>> saved_validators_;  // what it has of these
  std::optional<std::vector<DutyBooks::Validator>> unsaved_;           // what a save that failed left
};

}  // namespace collector::staking

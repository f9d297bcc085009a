// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "actions/replace/rollout.h"
#include "core/result.h"
#include "core/store/database.h"

namespace actions::replace {

// Where rolling updates stand: the last one of each group. Of one agent it is a file; a store that several agents share
// would be another implementation.
//
// Thread safety: confined to one thread at a time.
class RolloutStore {
 public:
  virtual ~RolloutStore() = default;
  virtual core::Result<std::vector<Rollout>> load() = 0;
  // On the disk when it returns.
  virtual core::Result<void> save(const Rollout& rollout) = 0;
};

class SqliteRolloutStore final : public RolloutStore {
 public:
  // ":memory:" for tests.
  static core::Result<SqliteRolloutStore> open(const std::string& path);
  core::Result<std::vector<Rollout>> load() override;
  core::Result<void> save(const Rollout& rollout) override;

 private:
  explicit SqliteRolloutStore(core::store::Database database) : database_(std::move(database)) {}

  core::store::Database database_;
};

}  // namespace actions::replace

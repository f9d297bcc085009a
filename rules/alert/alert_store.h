// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "core/result.h"
#include "core/store/database.h"
#include "rules/alert/alert_state.h"

namespace rules {

// Whose alerts they are, as it stays the same across restarts: file, group, name, labels, and the how-many-th of
// equals.
struct RuleKey {
  std::string file;
  std::string group;
  std::string name;
  std::string labels;  // unexpanded, as printed
  int ordinal = 0;
  auto operator<=>(const RuleKey&) const = default;
};

struct StoredRule {
  AlertTable alerts;
  std::string generator_url;
};

// The alerts of every rule in a SQLite file, so that a killed agent goes on where it was.
//
// Commits survive a killed process; after a power failure the newest may be missing, which costs at most a repeated
// announcement: evaluation finds the alerts' conditions again. That is why no commit waits for the disk here.
//
// Thread safety: any thread.
class AlertStore {
 public:
  // Opens or creates `path` (":memory:" for tests).
  static core::Result<std::unique_ptr<AlertStore>> open(const std::string& path);

  core::Result<std::map<RuleKey, StoredRule>> load();

  // Makes the store hold `now` for this rule, given that it holds `stored`. Writes what is worth storing, in one
  // transaction, and none at all if nothing is. Returns the table that is in the store afterwards.
  core::Result<AlertTable> save(const RuleKey& rule, const std::string& generator_url, const AlertTable& stored,
                                const AlertTable& now);

 private:
  explicit AlertStore(core::store::Database database) : database_(std::move(database)) {}
  core::Result<void> put(const RuleKey& rule, const std::string& generator_url, const Alert& alert);
  core::Result<void> erase(const RuleKey& rule, const core::ring::Labels& labels);

  std::mutex mutex_;
  core::store::Database database_;
};

}  // namespace rules

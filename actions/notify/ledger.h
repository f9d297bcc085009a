// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/result.h"
#include "core/store/database.h"

namespace actions::notify {

// A message that waits for its receiver, as stored.
struct OutboxRow {
  std::int64_t id = 0;  // messages of one integration and key are sent in this order
  std::string integration;
  std::string key;
  std::string document;  // receivers::to_json
  std::int64_t created_ms = 0;
  std::int64_t expires_ms = 0;
  std::int64_t attempts = 0;
  std::int64_t next_attempt_ms = 0;
  bool operator==(const OutboxRow&) const = default;
};

// A message that was given up, and why.
struct DeadLetter {
  std::string integration;
  std::string key;
  std::string document;
  std::int64_t at_ms = 0;
  std::string why;
  bool operator==(const DeadLetter&) const = default;
};

// What is to be written in one transaction: a later change of the same group or row replaces an earlier one.
struct Changes {
  std::map<std::string, std::string> groups_saved;  // id -> document
  std::set<std::string> groups_removed;
  std::map<std::int64_t, OutboxRow> rows_saved;
  std::set<std::int64_t> rows_removed;
  std::vector<DeadLetter> dead_letters;

  bool empty() const;
  void save_group(const std::string& id, std::string document);
  void remove_group(const std::string& id);
  void save_row(OutboxRow row);
  void remove_row(std::int64_t id);
  void merge(Changes later);
};

// What a former life left.
struct LedgerContent {
  std::vector<std::string> groups;  // documents
  std::vector<OutboxRow> rows;      // by id
};

// The memory of the notifications that outlives the process: groups, the outbox, dead letters
// (docs/formats/notifications.md). What cannot be written, as on a full disk, is kept and written with the next
// changes.
//
// Thread safety: confined to its strand.
class Ledger {
 public:
  // The newest dead letters that are kept.
  static constexpr std::int64_t kDeadLettersMax = 1000;

  // Pages of 4 KiB that the file may have; more is as if the disk were full. 256 MiB is what sixteen receivers that are
  // all down can make wait.
  static constexpr std::int64_t kPagesMax = 65'536;

  static core::Result<Ledger> open(const std::string& path, std::int64_t pages_max = kPagesMax);

  core::Result<LedgerContent> load();
  // Writes these and all changes that are still due. An error leaves all of them due.
  core::Result<void> write(Changes changes);
  bool behind() const { return !due_.empty(); }

  // Newest first, at most `count`.
  core::Result<std::vector<DeadLetter>> dead_letters(std::size_t count);

 private:
  explicit Ledger(core::store::Database database) : database_(std::move(database)) {}
  core::Result<void> write_groups();
  core::Result<void> write_rows();
  core::Result<void> write_dead_letters();

  core::store::Database database_;
  Changes due_;
};

}  // namespace actions::notify

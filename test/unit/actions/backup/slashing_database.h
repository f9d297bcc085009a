// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <string>

namespace actions::backup {

// A slashing-protection database with Lighthouse's tables, opened as Lighthouse does it if `exclusive`.
class SlashingDatabase {
 public:
  explicit SlashingDatabase(const std::string& path, bool exclusive = false) {
    EXPECT_EQ(sqlite3_open(path.c_str(), &handle_), SQLITE_OK);
    sqlite3_busy_timeout(handle_, 5000);  // as Lighthouse has it
    if (exclusive) run("PRAGMA locking_mode=EXCLUSIVE");
    run("PRAGMA foreign_keys=1; PRAGMA synchronous=0;"
        "CREATE TABLE IF NOT EXISTS validators (id INTEGER PRIMARY KEY, public_key BLOB NOT NULL UNIQUE);"
        "CREATE TABLE IF NOT EXISTS signed_blocks (validator_id INTEGER NOT NULL, slot INTEGER NOT NULL,"
        " signing_root BLOB NOT NULL, FOREIGN KEY(validator_id) REFERENCES validators(id),"
        " UNIQUE (validator_id, slot));"
        "CREATE TABLE IF NOT EXISTS signed_attestations (validator_id INTEGER, source_epoch INTEGER NOT NULL,"
        " target_epoch INTEGER NOT NULL, signing_root BLOB NOT NULL,"
        " FOREIGN KEY(validator_id) REFERENCES validators(id), UNIQUE (validator_id, target_epoch));");
  }
  SlashingDatabase(const SlashingDatabase&) = delete;
  SlashingDatabase& operator=(const SlashingDatabase&) = delete;
  ~SlashingDatabase() { sqlite3_close(handle_); }

  static std::string key(char digit) { return "0x" + std::string(96, digit); }
  static std::string root(char digit) { return std::string(64, digit); }

  void register_key(int id, char digit) {
    run("INSERT INTO validators VALUES(" + std::to_string(id) + ", '" + key(digit) + "')");
  }
  void sign_block(int id, int slot, char root_digit) {
    run("INSERT INTO signed_blocks VALUES(" + std::to_string(id) + "," + std::to_string(slot) + ",x'" +
        root(root_digit) + "')");
  }
  void attest(int id, int source, int target, char root_digit) {
    run("INSERT INTO signed_attestations VALUES(" + std::to_string(id) + "," + std::to_string(source) + "," +
        std::to_string(target) + ",x'" + root(root_digit) + "')");
  }
  void run(const std::string& sql) {
    char* error = nullptr;
    ASSERT_EQ(sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, &error), SQLITE_OK) << error << " in " << sql;
  }

 private:
  sqlite3* handle_ = nullptr;
};

}  // namespace actions::backup

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace core::store {

// One step of a schema's history: run once, in order, inside a transaction. Never edited after a release.
struct Migration {
  std::string_view name;
  std::string_view sql;
};

enum class Durability {
  kFull,    // synchronous=FULL: a committed transaction survives power loss (journal, outbox)
  kNormal,  // survives a killed process, not always power loss
};

// One row's columns, valid until the next step of its statement.
class Row {
 public:
  explicit Row(sqlite3_stmt* statement) : statement_(statement) {}
  std::int64_t integer(int column) const;
  double real(int column) const;
  std::string text(int column) const;
  std::string blob(int column) const;  // bytes as they were bound
  bool is_null(int column) const;

 private:
  sqlite3_stmt* statement_;
};

// A prepared statement. Parameters are numbered from 1.
//
// Thread safety: confined to the database's thread.
class Statement {
 public:
  Statement(Statement&&) noexcept;
  Statement& operator=(Statement&&) noexcept;
  ~Statement();

  Statement& bind(int parameter, std::int64_t value);
  Statement& bind(int parameter, double value);
  Statement& bind(int parameter, std::string_view value);
  Statement& bind_null(int parameter);
  Statement& bind_blob(int parameter, std::string_view bytes);

  // For statements that return nothing. Resets, so that it can be bound and run again.
  Result<void> run();
  // Calls `each` for every row, then resets.
  Result<void> rows(const std::function<void(const Row&)>& each);

 private:
  friend class Database;
  Statement(sqlite3* database, sqlite3_stmt* statement) : database_(database), statement_(statement) {}

  sqlite3* database_;
  sqlite3_stmt* statement_;
  int bind_error_ = 0;
};

// A SQLite file in WAL mode with its schema up to date.
//
// Errors: kUnavailable for a full disk or a busy file (trying later may help), kInvalid for a file that is not ours or
// is newer than this program, else kFailed; messages name the file.
//
// Thread safety: confined to one thread at a time; open one Database a thread.
class Database {
 public:
  // Opens or creates `path` (":memory:" for tests) and applies the migrations it has not had, each once, in order.
  static Result<Database> open(const std::string& path, std::span<const Migration> migrations, Durability durability);
  // Opens a database of any program, which nothing is written to; kNotFound if it is not there.
  static Result<Database> open_read_only(const std::string& path);
  Database(Database&&) noexcept;
  Database& operator=(Database&&) noexcept;
  ~Database();

  Result<Statement> prepare(std::string_view sql);
  // One or more statements without parameters or rows.
  Result<void> execute(std::string_view sql);
  // Runs `body` in an immediate transaction: committed if it succeeds, rolled back if not.
  Result<void> transaction(const std::function<Result<void>()>& body);
  std::int64_t last_insert_id() const;
  // Rows changed by the last INSERT, UPDATE or DELETE.
  std::int64_t changes() const;

 private:
  Database(sqlite3* handle, std::string path) : handle_(handle), path_(std::move(path)) {}
  Result<void> migrate(std::span<const Migration> migrations);

  sqlite3* handle_;
  std::string path_;
};

}  // namespace core::store

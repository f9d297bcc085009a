// SPDX-License-Identifier: Apache-2.0
#include "core/store/database.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "core/check.h"

namespace core::store {
namespace {

// PRAGMA application_id of every file of ours: "WKPR". A database of another program is never written to.
constexpr std::int64_t kApplicationId = 0x574b5052;

// How long a statement waits for another connection's lock before it fails as busy.
constexpr int kBusyTimeoutMs = 5000;

Errc code_of(int sqlite_code) {
  switch (sqlite_code & 0xff) {
    case SQLITE_FULL:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_NOMEM:
      return Errc::kUnavailable;
    case SQLITE_NOTADB:
      return Errc::kInvalid;
    default:
      // A full disk shows here when the shared-memory file of the WAL cannot grow.
      return sqlite_code == SQLITE_IOERR_SHMSIZE ? Errc::kUnavailable : Errc::kFailed;
  }
}

// The last error of the connection, with the file's name.
Error last_error(sqlite3* handle) {
  const int code = sqlite3_extended_errcode(handle);
  const char* file = sqlite3_db_filename(handle, "main");
  const std::string_view name = file == nullptr || *file == '\0' ? ":memory:" : file;
  std::string message = fmt::format("{}: {}", name, sqlite3_errmsg(handle));
  if (const int os_error = sqlite3_system_errno(handle); os_error != 0 && (code & 0xff) != SQLITE_BUSY) {
    message += fmt::format(" ({})", std::strerror(os_error));
  }
  return {code_of(code), std::move(message)};
}

// SQLite's own "unable to open database file" does not say why, and it would create the file readable by everyone.
Result<void> create_private_file(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) return fail(Errc::kFailed, "{}: cannot open: {}", path, std::strerror(errno));
  ::close(file);
  return {};
}

class StatementReset {
 public:
  explicit StatementReset(sqlite3_stmt* statement) : statement_(statement) {}
  StatementReset(const StatementReset&) = delete;
  StatementReset& operator=(const StatementReset&) = delete;
  ~StatementReset() {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
  }

 private:
  sqlite3_stmt* statement_;
};

Result<std::int64_t> read_integer(Database& database, std::string_view sql) {
  Result<Statement> statement = database.prepare(sql);
  if (!statement) return fail(statement.error());
  std::int64_t value = 0;
  if (auto read = statement->rows([&](const Row& row) { value = row.integer(0); }); !read) return fail(read.error());
  return value;
}

// kInvalid unless the file is empty or one of ours.
Result<void> check_ours(Database& database, const std::string& path) {
  const Result<std::int64_t> id = read_integer(database, "PRAGMA application_id");
  if (!id) return fail(id.error());
  if (*id == kApplicationId) return {};
  const Result<std::int64_t> tables = read_integer(database, "SELECT count(*) FROM sqlite_schema");
  if (!tables) return fail(tables.error());
  if (*id != 0 || *tables != 0) {
    return fail(Errc::kInvalid, "{}: a database of another program (application id {:#x}, expected {:#x})", path, *id,
                kApplicationId);
  }
  return {};
}

}  // namespace

std::int64_t Row::integer(int column) const { return sqlite3_column_int64(statement_, column); }
double Row::real(int column) const { return sqlite3_column_double(statement_, column); }
bool Row::is_null(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }

std::string Row::text(int column) const {
  const unsigned char* bytes = sqlite3_column_text(statement_, column);
  if (bytes == nullptr) return {};
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
  return std::string(reinterpret_cast<const char*>(bytes), size);
}

std::string Row::blob(int column) const {
  const void* bytes = sqlite3_column_blob(statement_, column);
  if (bytes == nullptr) return {};
  return std::string(static_cast<const char*>(bytes),
                     static_cast<std::size_t>(sqlite3_column_bytes(statement_, column)));
}

Statement::Statement(Statement&& other) noexcept
    : database_(other.database_),
      statement_(std::exchange(other.statement_, nullptr)),
      bind_error_(other.bind_error_) {}

Statement& Statement::operator=(Statement&& other) noexcept {
  if (this != &other) {
    sqlite3_finalize(statement_);
    database_ = other.database_;
    statement_ = std::exchange(other.statement_, nullptr);
    bind_error_ = other.bind_error_;
  }
  return *this;
}

Statement::~Statement() { sqlite3_finalize(statement_); }

Statement& Statement::bind(int parameter, std::int64_t value) {
  if (const int code = sqlite3_bind_int64(statement_, parameter, value); code != SQLITE_OK) bind_error_ = code;
  return *this;
}

Statement& Statement::bind(int parameter, double value) {
  if (const int code = sqlite3_bind_double(statement_, parameter, value); code != SQLITE_OK) bind_error_ = code;
  return *this;
}

Statement& Statement::bind(int parameter, std::string_view value) {
  // A null pointer would bind NULL; an empty text is not NULL.
  const char* bytes = value.data() == nullptr ? "" : value.data();
  const int code = sqlite3_bind_text64(statement_, parameter, bytes, value.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  if (code != SQLITE_OK) bind_error_ = code;
  return *this;
}

Statement& Statement::bind_blob(int parameter, std::string_view bytes) {
  // An empty view may have no address, which SQLite would take for NULL.
  const char* data = bytes.empty() ? "" : bytes.data();
  const int code = sqlite3_bind_blob64(statement_, parameter, data, bytes.size(), SQLITE_TRANSIENT);
  if (code != SQLITE_OK) bind_error_ = code;
  return *this;
}

Statement& Statement::bind_null(int parameter) {
  if (const int code = sqlite3_bind_null(statement_, parameter); code != SQLITE_OK) bind_error_ = code;
  return *this;
}

Result<void> Statement::run() {
  return rows([](const Row&) {});
}

Result<void> Statement::rows(const std::function<void(const Row&)>& each) {
  const StatementReset reset(statement_);
  if (const int code = std::exchange(bind_error_, 0); code != 0) {
    return fail(code_of(code), "cannot bind a parameter of \"{}\": {}", sqlite3_sql(statement_), sqlite3_errstr(code));
  }
  for (;;) {
    const int code = sqlite3_step(statement_);
    if (code == SQLITE_DONE) return {};
    if (code != SQLITE_ROW) return fail(last_error(database_));
    each(Row(statement_));
  }
}

Result<Database> Database::open(const std::string& path, std::span<const Migration> migrations, Durability durability) {
  const bool in_memory = path == ":memory:";
  if (!in_memory) {
    if (auto created = create_private_file(path); !created) return fail(created.error());
  }
  sqlite3* handle = nullptr;
  const int code =
      sqlite3_open_v2(path.c_str(), &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  if (handle == nullptr) return fail(Errc::kUnavailable, "{}: out of memory", path);
  Database database(handle, path);
  if (code != SQLITE_OK) return fail(last_error(handle));
  sqlite3_extended_result_codes(handle, 1);
  sqlite3_busy_timeout(handle, kBusyTimeoutMs);
  if (auto ours = check_ours(database, path); !ours) return fail(ours.error());
  const std::string_view synchronous = durability == Durability::kFull ? "FULL" : "NORMAL";
  const std::string settings =
      fmt::format("PRAGMA journal_mode=WAL; PRAGMA synchronous={}; PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF;",
                  synchronous);
  if (auto set = database.execute(settings); !set) return fail(set.error());
  if (auto migrated = database.migrate(migrations); !migrated) return fail(migrated.error());
  return database;
}

Result<Database> Database::open_read_only(const std::string& path) {
  if (::access(path.c_str(), F_OK) != 0) return fail(Errc::kNotFound, "{}: {}", path, std::strerror(errno));
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &handle, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, nullptr);
  if (handle == nullptr) return fail(Errc::kUnavailable, "{}: out of memory", path);
  Database database(handle, path);
  if (code != SQLITE_OK) return fail(last_error(handle));
  sqlite3_extended_result_codes(handle, 1);
  sqlite3_busy_timeout(handle, kBusyTimeoutMs);
  // A view or trigger of a foreign file must not call functions with effects.
  if (auto set = database.execute("PRAGMA trusted_schema=OFF"); !set) return fail(set.error());
  return database;
}

Database::Database(Database&& other) noexcept
    : handle_(std::exchange(other.handle_, nullptr)), path_(std::move(other.path_)) {}

Database& Database::operator=(Database&& other) noexcept {
  if (this != &other) {
    sqlite3_close_v2(handle_);
    handle_ = std::exchange(other.handle_, nullptr);
    path_ = std::move(other.path_);
  }
  return *this;
}

// close_v2: a statement that outlives its database keeps the connection alive instead of dangling.
Database::~Database() { sqlite3_close_v2(handle_); }

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                                      &statement, nullptr);
  if (code != SQLITE_OK) return fail(last_error(handle_));
  CHECK(statement != nullptr, "an empty SQL statement was prepared");
  return Statement(handle_, statement);
}

Result<void> Database::execute(std::string_view sql) {
  const std::string text(sql);
  if (sqlite3_exec(handle_, text.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) return fail(last_error(handle_));
  return {};
}

Result<void> Database::transaction(const std::function<Result<void>()>& body) {
  CHECK(sqlite3_get_autocommit(handle_) != 0, "transactions do not nest");
  if (auto begun = execute("BEGIN IMMEDIATE"); !begun) return begun;
  // Also when `body` throws. SQLite may have rolled back by itself (a full disk): then there is nothing left to do.
  struct Rollback {
    sqlite3* handle;
    ~Rollback() {
      if (sqlite3_get_autocommit(handle) == 0) sqlite3_exec(handle, "ROLLBACK", nullptr, nullptr, nullptr);
    }
  };
  const Rollback rollback{handle_};
  if (auto done = body(); !done) return done;
  if (sqlite3_get_autocommit(handle_) != 0) {
    return fail(Errc::kUnavailable, "{}: the transaction was rolled back by SQLite", path_);
  }
  return execute("COMMIT");
}

std::int64_t Database::last_insert_id() const { return sqlite3_last_insert_rowid(handle_); }
std::int64_t Database::changes() const { return sqlite3_changes64(handle_); }

Result<void> Database::migrate(std::span<const Migration> migrations) {
  // One transaction for all: two programs that open a new file at once do not both build the schema, and a migration
  // that fails leaves the file as it was.
  return transaction([&]() -> Result<void> {
    const std::string prepare_file = fmt::format(
        "PRAGMA application_id={};"
        "CREATE TABLE IF NOT EXISTS schema_migrations(number INTEGER PRIMARY KEY, name TEXT NOT NULL)",
        kApplicationId);
    if (auto prepared = execute(prepare_file); !prepared) return prepared;
    std::vector<std::string> applied;
    Result<Statement> select = prepare("SELECT name FROM schema_migrations ORDER BY number");
    if (!select) return fail(select.error());
    if (auto read = select->rows([&](const Row& row) { applied.push_back(row.text(0)); }); !read) return read;
    for (std::size_t i = 0; i < applied.size(); ++i) {
      if (i >= migrations.size() || applied[i] != migrations[i].name) {
        return fail(Errc::kInvalid, "{}: has schema step {} \"{}\", which this version does not know: is it newer?",
                    path_, i + 1, applied[i]);
      }
    }
    Result<Statement> insert = prepare("INSERT INTO schema_migrations(number, name) VALUES(?1, ?2)");
    if (!insert) return fail(insert.error());
    for (std::size_t i = applied.size(); i < migrations.size(); ++i) {
      if (auto done = execute(migrations[i].sql); !done) {
        return fail(done.error().with_context("schema step {} \"{}\"", i + 1, migrations[i].name));
      }
      insert->bind(1, static_cast<std::int64_t>(i + 1)).bind(2, migrations[i].name);
      if (auto done = insert->run(); !done) return done;
    }
    return {};
  });
}

}  // namespace core::store

// SPDX-License-Identifier: Apache-2.0
#include "core/store/live_copy.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include "core/store/database.h"
#include "core/store/open_file.h"

namespace core::store {
namespace {

// Pages of one step: 4 MB of the usual 4 KiB pages, between which the other program may write.
constexpr int kPagesPerStep = 1024;
constexpr int kRetryMs = 20;
// Longer than the kernel's clock tick, which is how exact a file's time of change is: a write after this pause cannot
// leave the time as it was before.
constexpr int kPauseMs = 50;
constexpr std::size_t kBlock = 1 << 20;
constexpr std::size_t kFindingsMax = 3;

using Connection = std::unique_ptr<sqlite3, decltype(&sqlite3_close_v2)>;

Result<Connection> connect(const std::string& path, int flags) {
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &handle, flags | SQLITE_OPEN_NOMUTEX, nullptr);
  Connection connection(handle, &sqlite3_close_v2);
  if (code != SQLITE_OK) return fail(Errc::kFailed, "{}: {}", path, sqlite3_errstr(code));
  return connection;
}

bool is_busy(int code) { return (code & 0xff) == SQLITE_BUSY || (code & 0xff) == SQLITE_LOCKED; }

tl::unexpected<Error> failure(const std::string& path, int code) {
  const int kind = code & 0xff;
  const Errc errc = is_busy(code) || kind == SQLITE_FULL              ? Errc::kUnavailable
                    : kind == SQLITE_NOTADB || kind == SQLITE_CORRUPT ? Errc::kInvalid
                                                                      : Errc::kFailed;
  return fail(errc, "{}: {}", path, sqlite3_errstr(code));
}

// SQLite's online backup. nullopt: the file was locked all the time that half of the patience lasts.
Result<std::optional<LiveCopy>> copy_online(const std::string& from, const std::string& to, const Clock& clock,
                                            const LiveCopyOptions& options, const std::stop_token& stop) {
  const Result<Connection> source = connect(from, SQLITE_OPEN_READONLY);
  if (!source) return fail(source.error());
  const Result<Connection> target = connect(to, SQLITE_OPEN_READWRITE);
  if (!target) return fail(target.error());
  sqlite3_backup* const backup = sqlite3_backup_init(target->get(), "main", source->get(), "main");
  if (backup == nullptr) return failure(from, sqlite3_extended_errcode(target->get()));
  const SteadyTime start = clock.steady_now();
  SteadyTime progressed = start;
  int code = SQLITE_OK;
  while (!stop.stop_requested()) {
    // Every write of another connection makes it begin anew; after a while it is read in one go, which holds that
    // connection up instead.
    const bool in_one_go = clock.steady_now() - start > options.patience / 2;
    code = sqlite3_backup_step(backup, in_one_go ? -1 : kPagesPerStep);
    if (code == SQLITE_OK) {
      progressed = clock.steady_now();
      continue;
    }
    if (!is_busy(code) || clock.steady_now() - progressed > options.patience / 2) break;
    sqlite3_sleep(kRetryMs);
  }
  sqlite3_backup_finish(backup);
  if (stop.stop_requested()) return fail(Errc::kCancelled, "{}: stopped while it was copied", from);
  if (is_busy(code)) return std::nullopt;
  if (code != SQLITE_DONE) return failure(from, code);
  // A database in WAL mode is copied as one: a file that needs two more.
  sqlite3_exec(target->get(), "PRAGMA journal_mode=DELETE", nullptr, nullptr, nullptr);
  return LiveCopy{};
}

// What changes whenever a file is written; nullopt: it is not there.
struct Fingerprint {
  ino_t inode = 0;
  off_t size = 0;
  std::int64_t seconds = 0;
  std::int64_t nanoseconds = 0;
  bool operator==(const Fingerprint&) const = default;
};

std::optional<Fingerprint> fingerprint(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) return std::nullopt;
  return Fingerprint{status.st_ino, status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec};
}

struct State {
  std::optional<Fingerprint> database;
  std::optional<Fingerprint> journal;
  std::optional<Fingerprint> wal;
  bool operator==(const State&) const = default;
};

State state_of(const std::string& path) {
  return {fingerprint(path), fingerprint(path + "-journal"), fingerprint(path + "-wal")};
}

// A rollback journal with a header means that a transaction is being written, or was cut off. Between transactions of
// a connection in exclusive mode its header is zeroed (sqlite.org/atomiccommit.html, 7.5).
bool within_transaction(const std::string& path) {
  const OpenFile journal(path + "-journal", O_RDONLY);
  std::array<char, 8> header{};
  if (!journal.open() || ::read(journal.get(), header.data(), header.size()) <= 0) return false;
  return std::any_of(header.begin(), header.end(), [](char byte) { return byte != 0; });
}

Result<std::uint64_t> copy_bytes(const std::string& from, const std::string& to, std::uint64_t most) {
  const OpenFile source(from, O_RDONLY);
  if (!source.open()) return fail(Errc::kFailed, "{}: {}", from, std::strerror(errno));
  const OpenFile target(to, O_WRONLY | O_CREAT | O_TRUNC);
  if (!target.open()) return fail(Errc::kFailed, "{}: {}", to, std::strerror(errno));
  std::vector<char> block(kBlock);
  std::uint64_t copied = 0;
  for (;;) {
    const ssize_t got = ::read(source.get(), block.data(), block.size());
    if (got < 0) return fail(Errc::kFailed, "{}: {}", from, std::strerror(errno));
    if (got == 0) return copied;
    copied += static_cast<std::uint64_t>(got);
    if (copied > most) return fail(Errc::kLimitExceeded, "{}: larger than {} bytes", from, most);
    for (ssize_t put = 0; put < got;) {
      const ssize_t written = ::write(target.get(), block.data() + put, static_cast<std::size_t>(got - put));
      if (written < 0) return fail(Errc::kUnavailable, "{}: {}", to, std::strerror(errno));
      put += written;
    }
  }
}

// One copy of the bytes; false: the file was written meanwhile.
Result<bool> try_between_writes(const std::string& from, const std::string& to, const LiveCopyOptions& options) {
  const State before = state_of(from);
  sqlite3_sleep(kPauseMs);
  if (within_transaction(from) || state_of(from) != before) return false;
  auto copied = copy_bytes(from, to, options.bytes_max);
  if (!copied) return fail(copied.error());
  ::unlink((to + "-wal").c_str());
  if (before.wal && before.wal->size > 0) {
    copied = copy_bytes(from + "-wal", to + "-wal", options.bytes_max);
    if (!copied) return fail(copied.error());
  }
  return !within_transaction(from) && state_of(from) == before;
}

Result<LiveCopy> copy_between_writes(const std::string& from, const std::string& to, const Clock& clock,
                                     const LiveCopyOptions& options, const std::stop_token& stop) {
  const SteadyTime until = clock.steady_now() + options.patience / 2;
  do {
    if (stop.stop_requested()) return fail(Errc::kCancelled, "{}: stopped while it was copied", from);
    const Result<bool> whole = try_between_writes(from, to, options);
    if (!whole) return fail(whole.error());
    if (!*whole) continue;
    // Takes over what stands in a WAL.
    const Result<Connection> target = connect(to, SQLITE_OPEN_READWRITE);
    if (!target) return fail(target.error());
    const int code = sqlite3_exec(target->get(), "PRAGMA journal_mode=DELETE", nullptr, nullptr, nullptr);
    if (code != SQLITE_OK) return failure(to, code);
    return LiveCopy{.between_writes = true};
  } while (clock.steady_now() < until);
  return fail(Errc::kUnavailable, "{}: locked by another program, which also did not pause between two writes", from);
}

}  // namespace

Result<LiveCopy> copy_live(const std::string& from, const std::string& to, const Clock& clock,
                           const LiveCopyOptions& options, std::stop_token stop) {
  struct stat status{};
  if (::stat(from.c_str(), &status) != 0) return fail(Errc::kNotFound, "{}: {}", from, std::strerror(errno));
  if (!S_ISREG(status.st_mode)) return fail(Errc::kInvalid, "{}: not a file", from);
  if (static_cast<std::uint64_t>(status.st_size) > options.bytes_max) {
    return fail(Errc::kLimitExceeded, "{}: larger than {} bytes", from, options.bytes_max);
  }
  if (const OpenFile target(to, O_WRONLY | O_CREAT | O_EXCL); !target.open()) {
    return fail(Errc::kFailed, "{}: {}", to, std::strerror(errno));
  }
  const Result<std::optional<LiveCopy>> online = copy_online(from, to, clock, options, stop);
  if (!online) return fail(online.error());
  Result<LiveCopy> copy = LiveCopy{};
  if (!*online) copy = copy_between_writes(from, to, clock, options, stop);
  if (!copy) return copy;
  if (::stat(to.c_str(), &status) != 0) return fail(Errc::kFailed, "{}: {}", to, std::strerror(errno));
  copy->bytes = static_cast<std::uint64_t>(status.st_size);
  return copy;
}

Result<void> check_integrity(const std::string& path) {
  Result<Database> database = Database::open_read_only(path);
  if (!database) return fail(database.error());
  const auto as_invalid = [&](const Error& error) { return fail(Errc::kInvalid, "{}", error.message); };
  Result<Statement> check = database->prepare("PRAGMA integrity_check(3)");
  if (!check) return as_invalid(check.error());
  std::string findings;
  std::size_t count = 0;
  const auto read = check->rows([&](const Row& row) {
    if (row.text(0) != "ok" && count++ < kFindingsMax) findings += (findings.empty() ? "" : "; ") + row.text(0);
  });
  if (!read) return as_invalid(read.error());
  if (!findings.empty()) return fail(Errc::kInvalid, "{}: damaged: {}", path, findings);
  return {};
}

}  // namespace core::store

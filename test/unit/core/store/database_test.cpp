// SPDX-License-Identifier: Apache-2.0
#include "core/store/database.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace core::store {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::array<Migration, 2> kSchema = {{
    {"notes", "CREATE TABLE notes(id INTEGER PRIMARY KEY, text TEXT, weight REAL)"},
    {"notes by weight", "CREATE INDEX notes_by_weight ON notes(weight)"},
}};

class DatabaseTest : public ::testing::Test {
 protected:
  DatabaseTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "wk-store-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
  }
  ~DatabaseTest() override { std::filesystem::remove_all(folder_); }

  std::string path() const { return (folder_ / "test.db").string(); }
  Database open() const {
    Result<Database> database = Database::open(path(), kSchema, Durability::kFull);
    if (!database) throw std::runtime_error(database.error().message);
    return std::move(*database);
  }
  static std::vector<std::string> texts(Database& database) {
    std::vector<std::string> found;
    Result<Statement> select = database.prepare("SELECT text FROM notes ORDER BY id");
    EXPECT_TRUE(select && select->rows([&](const Row& row) { found.push_back(row.text(0)); }));
    return found;
  }
  static Result<void> add(Database& database, std::string_view text) {
    Result<Statement> insert = database.prepare("INSERT INTO notes(text) VALUES(?1)");
    if (!insert) return fail(insert.error());
    return insert->bind(1, text).run();
  }

  std::filesystem::path folder_;
};

TEST_F(DatabaseTest, KeepsValuesOfEveryTypeOverAReopen) {
  {
    Database database = open();
    Result<Statement> insert = database.prepare("INSERT INTO notes(id, text, weight) VALUES(?1, ?2, ?3)");
    ASSERT_TRUE(insert);
    ASSERT_TRUE(insert->bind(1, std::int64_t{1} << 40).bind(2, std::string_view("a\0b", 3)).bind(3, 0.25).run());
    // Bindings do not leak from one run into the next.
    ASSERT_TRUE(insert->bind(1, std::int64_t{7}).run());
    ASSERT_TRUE(insert->bind(2, std::string_view()).bind_null(3).run());
    EXPECT_EQ(database.changes(), 1);
  }
  Database database = open();
  std::vector<std::string> seen;
  Result<Statement> select = database.prepare("SELECT id, text, weight FROM notes ORDER BY text");
  ASSERT_TRUE(select);
  ASSERT_TRUE(select->rows([&](const Row& row) {
    seen.push_back(
        fmt::format("{} {} {} {} {}", row.integer(0), row.is_null(1), row.text(1).size(), row.is_null(2), row.real(2)));
  }));
  EXPECT_THAT(seen, ElementsAre("7 true 0 true 0", "1099511627777 false 0 true 0", "1099511627776 false 3 false 0.25"));
}

TEST_F(DatabaseTest, BytesComeBackAsTheyWere) {
  Database database = open();
  const std::string bytes("\0\xff\x80 a\0", 6);
  Result<Statement> insert = database.prepare("INSERT INTO notes(text) VALUES(?1)");
  ASSERT_TRUE(insert && insert->bind_blob(1, bytes).run() && insert->bind_blob(1, {}).run());
  std::vector<std::string> found;
  Result<Statement> select = database.prepare("SELECT text, text IS NULL FROM notes ORDER BY id");
  ASSERT_TRUE(select && select->rows([&](const Row& row) {
    EXPECT_EQ(row.integer(1), 0);
    found.push_back(row.blob(0));
  }));
  EXPECT_THAT(found, ElementsAre(bytes, ""));
}

TEST_F(DatabaseTest, ATransactionThatFailsOrThrowsLeavesNothing) {
  Database database = open();
  const Result<void> failed = database.transaction([&]() -> Result<void> {
    if (auto added = add(database, "lost"); !added) return added;
    return fail(Errc::kCancelled, "changed my mind");
  });
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Errc::kCancelled);
  EXPECT_THROW((void)database.transaction([&]() -> Result<void> {
    (void)add(database, "lost too");
    throw std::runtime_error("crash");
  }),
               std::runtime_error);
  ASSERT_TRUE(database.transaction([&] { return add(database, "kept"); }));
  EXPECT_THAT(texts(database), ElementsAre("kept"));
}

TEST_F(DatabaseTest, WhatIsCommittedIsThereWhenTheProgramNeverClosed) {
  Database writer = open();
  ASSERT_TRUE(add(writer, "first"));
  Database reader = open();  // as after kill -9: the first connection was never closed
  EXPECT_THAT(texts(reader), ElementsAre("first"));
}

TEST_F(DatabaseTest, AppliesOnlyTheMigrationsItHasNotHad) {
  {
    Result<Database> old = Database::open(path(), std::span(kSchema).first(1), Durability::kNormal);
    ASSERT_TRUE(old);
    ASSERT_TRUE(add(*old, "old"));
  }
  Database database = open();
  EXPECT_THAT(texts(database), ElementsAre("old"));
  ASSERT_TRUE(database.execute("DROP INDEX notes_by_weight"));  // fails unless step 2 ran
}

TEST_F(DatabaseTest, AMigrationThatFailsLeavesTheFileAsItWas) {
  constexpr std::array<Migration, 2> kBroken = {{kSchema[0], {"broken", "CREATE TABLE more(id); CREATE NONSENSE"}}};
  Result<Database> broken = Database::open(path(), kBroken, Durability::kFull);
  ASSERT_FALSE(broken);
  EXPECT_THAT(broken.error().message, HasSubstr("schema step 2 \"broken\""));
  Database database = open();
  EXPECT_FALSE(database.prepare("SELECT * FROM more"));
}

TEST_F(DatabaseTest, RefusesFilesThatAreNotOursOrNewer) {
  (void)open();
  const Result<Database> newer = Database::open(path(), std::span(kSchema).first(1), Durability::kFull);
  ASSERT_FALSE(newer);
  EXPECT_EQ(newer.error().code, Errc::kInvalid);
  EXPECT_THAT(newer.error().message, HasSubstr("schema step 2 \"notes by weight\""));

  const std::string text_file = (folder_ / "text").string();
  std::ofstream(text_file) << std::string(4096, 'x');
  const Result<Database> not_sqlite = Database::open(text_file, kSchema, Durability::kFull);
  ASSERT_FALSE(not_sqlite);
  EXPECT_EQ(not_sqlite.error().code, Errc::kInvalid);
  EXPECT_THAT(not_sqlite.error().message, HasSubstr(text_file));

  const std::string foreign = (folder_ / "foreign.db").string();
  {
    Result<Database> made = Database::open(foreign, kSchema, Durability::kNormal);
    ASSERT_TRUE(made && made->execute("PRAGMA application_id=0"));
  }
  const Result<Database> refused = Database::open(foreign, kSchema, Durability::kFull);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("another program"));
}

TEST_F(DatabaseTest, SaysWhyAFileCannotBeOpenedAndKeepsItPrivate) {
  const Result<Database> nowhere = Database::open((folder_ / "no" / "x.db").string(), kSchema, Durability::kFull);
  ASSERT_FALSE(nowhere);
  EXPECT_THAT(nowhere.error().message, HasSubstr("No such file or directory"));
  (void)open();
  struct stat status{};
  ASSERT_EQ(::stat(path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
}

TEST_F(DatabaseTest, AFullDiskIsUnavailableAndTheDatabaseGoesOn) {
  Database database = open();
  ASSERT_TRUE(add(database, "before"));
  ASSERT_TRUE(database.execute("PRAGMA max_page_count=8"));
  const Result<void> full = database.transaction([&] { return add(database, std::string(1 << 20, 'x')); });
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code, Errc::kUnavailable);
  EXPECT_THAT(full.error().message, HasSubstr(path()));
  ASSERT_TRUE(database.execute("PRAGMA max_page_count=100000"));
  ASSERT_TRUE(database.transaction([&] { return add(database, "after"); }));
  EXPECT_THAT(texts(database), ElementsAre("before", "after"));
}

TEST_F(DatabaseTest, ReportsWrongSqlAndWrongParameters) {
  Database database = open();
  const Result<Statement> wrong = database.prepare("SELECT nonsense FROM notes");
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().message, HasSubstr("no such column: nonsense"));
  Result<Statement> insert = database.prepare("INSERT INTO notes(text) VALUES(?1)");
  ASSERT_TRUE(insert);
  EXPECT_FALSE(insert->bind(5, "x").run());
  EXPECT_TRUE(insert->bind(1, "x").run());
}

}  // namespace
}  // namespace core::store

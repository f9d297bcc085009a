// SPDX-License-Identifier: Apache-2.0
#include "actions/remedy/journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "sample_remediations.h"

namespace actions::remedy {
namespace {

using core::from_unix_ms;
using ::testing::HasSubstr;

class JournalTest : public ::testing::Test {
 protected:
  JournalTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "wk-journal-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
  }
  ~JournalTest() override { std::filesystem::remove_all(folder_); }

  std::string path() const { return (folder_ / "remedy.db").string(); }
  SqliteJournal open() {
    auto journal = SqliteJournal::open(path());
    EXPECT_TRUE(journal) << journal.error().message;
    return std::move(*journal);
  }
  static remedy::Run sample(const std::string& name, std::int64_t time_ms) {
    remedy::Run run;
    run.remediation = name;
    run.alert = core::ring::Labels({{"alertname", "Stuck"}, {"path", "a\"b\n\xc3\xa4"}});
    run.fired_at = from_unix_ms(time_ms);
    run.id = run_id(name, run.alert, run.fired_at);
    run.level = Level::kAuto;
    run.state = RunState::kRunning;
    run.reason = "why";
    run.decided_by = "ann";
    run.created = from_unix_ms(time_ms + 1);
    run.started = from_unix_ms(time_ms + 2);
    run.steps.resize(2);
    run.steps[0].step = Step{BackupStep{"keys"}, {}};
    run.steps[0].state = StepState::kSucceeded;
    run.steps[0].attempts = 1;
    run.steps[0].started = run.started;
    run.steps[0].finished = from_unix_ms(time_ms + 3);
    run.steps[0].result = "snapshot 1";
    run.steps[1].step = exec_step({"/bin/x", "", "a b"}, true);
    run.steps[1].state = StepState::kRunning;
    run.steps[1].attempts = 2;
    run.steps[1].output = "line\n";
    return run;
  }
  static std::vector<Effect> record(remedy::Run run) {
    return {RecordRun{std::make_shared<const remedy::Run>(std::move(run))}};
  }

  std::filesystem::path folder_;
};

TEST_F(JournalTest, RemembersARunExactly) {
  const remedy::Run run = sample("restart", 1'700'000'000'123);
  {
    SqliteJournal journal = open();
    ASSERT_TRUE(journal.commit(record(run), from_unix_ms(5)));
  }
  SqliteJournal journal = open();
  const auto found = journal.find(run.id);
  ASSERT_TRUE(found && *found);
  EXPECT_EQ(to_json_text(**found), to_json_text(run));
  EXPECT_EQ((*found)->steps[1].step, run.steps[1].step);
  EXPECT_EQ((*found)->alert, run.alert);
  EXPECT_FALSE(*journal.find("other"));
}

TEST_F(JournalTest, OutputThatIsNotTextDoesNotStopIt) {
  remedy::Run run = sample("restart", 1);
  run.steps[0].output = "\xff\xfe\0x";
  SqliteJournal journal = open();
  ASSERT_TRUE(journal.commit(record(run), from_unix_ms(5)));
  EXPECT_TRUE(*journal.find(run.id));
}

TEST_F(JournalTest, RecallsEveryUnfinishedRunTheNewestHistoryTheStartsAndThePause) {
  {
    SqliteJournal journal = open();
    for (int i = 0; i < 5; ++i) {
      remedy::Run finished = sample(fmt::format("done{}", i), 1000 * i);
      finished.final = true;
      finished.state = RunState::kFailed;
      ASSERT_TRUE(journal.commit(record(finished), from_unix_ms(5)));
      ASSERT_TRUE(journal.commit(record(sample(fmt::format("open{}", i), 1000 * i)), from_unix_ms(5)));
    }
    std::vector<Effect> pause = {RecordPause{"", Pause{"upgrade", "ann", from_unix_ms(7)}, "ann"}};
    ASSERT_TRUE(journal.commit(pause, from_unix_ms(7)));
  }
  SqliteJournal journal = open();
  auto recollection = journal.recall(2, from_unix_ms(3000));
  ASSERT_TRUE(recollection);
  std::string names;
  for (const RunPtr& run : recollection->runs) names += run->remediation + " ";
  EXPECT_EQ(names, "open4 open3 open2 open1 open0 done4 done3 ");
  ASSERT_EQ(recollection->starts.size(), 4U);  // those of 3 and 4, oldest first
  EXPECT_EQ(recollection->starts.front().wall, from_unix_ms(3002));
  ASSERT_TRUE(recollection->pauses.contains(""));
  EXPECT_EQ(recollection->pauses[""].reason, "upgrade");
  std::vector<Effect> one = {RecordPause{"restart", Pause{"broken", "bob", from_unix_ms(7)}, "bob"}};
  ASSERT_TRUE(journal.commit(one, from_unix_ms(7)));
  std::vector<Effect> resume = {RecordPause{"", std::nullopt, "ann"}};
  ASSERT_TRUE(journal.commit(resume, from_unix_ms(8)));
  recollection = journal.recall(0, {});
  ASSERT_EQ(recollection->pauses.size(), 1U);
  EXPECT_EQ(recollection->pauses["restart"].reason, "broken");
}

TEST(Sha256, IsTheOneOfFips180) {
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST_F(JournalTest, TheAuditLogShowsEveryManipulation) {
  const char* kManipulations[] = {
      "UPDATE audit SET entry=replace(entry, 'why', 'because') WHERE sequence=2",
      "UPDATE audit SET time_ms=time_ms+1 WHERE sequence=2",
      "UPDATE audit SET hash=previous WHERE sequence=4",
      "DELETE FROM audit WHERE sequence=2",
      "DELETE FROM audit WHERE sequence=1",
      "UPDATE audit SET sequence=9 WHERE sequence=4",
      "INSERT INTO audit SELECT 5, time_ms, previous, hash, entry FROM audit WHERE sequence=4",
  };
  for (const char* manipulation : kManipulations) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directory(folder_);
    {
      SqliteJournal journal = open();
      for (int i = 0; i < 4; ++i) {
        ASSERT_TRUE(journal.commit(record(sample(fmt::format("r{}", i), i)), from_unix_ms(i)));
      }
      const auto verified = journal.audit().verify();
      ASSERT_TRUE(verified) << verified.error().message;
      EXPECT_EQ(verified->entries, 4);
    }
    constexpr core::store::Migration kSame[] = {{"runs and audit", ""},
                                                {"pauses, boots and the front of the audit log", ""}};
    auto intruder = core::store::Database::open(path(), kSame, core::store::Durability::kNormal);
    ASSERT_TRUE(intruder) << intruder.error().message;
    EXPECT_EQ(intruder->execute(manipulation).has_value(), std::string_view(manipulation).starts_with("INSERT"));
    ASSERT_TRUE(intruder->execute("DROP TRIGGER audit_is_not_changed; DROP TRIGGER audit_is_not_cut"));
    if (!std::string_view(manipulation).starts_with("INSERT")) {
      ASSERT_TRUE(intruder->execute(manipulation));
    }
    SqliteJournal journal = open();
    const auto broken = journal.audit().verify();
    ASSERT_FALSE(broken) << manipulation;
    EXPECT_THAT(broken.error().message, HasSubstr("the audit log is broken at entry")) << manipulation;
  }
}

TEST_F(JournalTest, ExportsTheAuditLogAsLines) {
  SqliteJournal journal = open();
  ASSERT_TRUE(journal.commit(record(sample("r", 1)), from_unix_ms(1)));
  std::vector<Effect> pause = {RecordPause{"", Pause{"say \"no\"", "ann", from_unix_ms(7)}, "ann"}};
  ASSERT_TRUE(journal.commit(pause, from_unix_ms(7)));
  std::vector<std::string> lines;
  ASSERT_TRUE(journal.audit().export_lines("", [&](std::string_view line) { lines.emplace_back(line); }));
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_THAT(lines[0], HasSubstr(R"({"sequence":1,"time_ms":1,"previous":"000000)"));
  EXPECT_THAT(lines[1], HasSubstr(R"("entry":{"reason":"say \"no\"","type":"pause","who":"ann"}})"));
}

TEST_F(JournalTest, TheAuditLogIsPrunedFromTheFrontAndStaysVerifiable) {
  auto opened = SqliteJournal::open(path(), {.boot = "", .audit_entries_max = 20});
  ASSERT_TRUE(opened);
  SqliteJournal journal = std::move(*opened);
  ASSERT_TRUE(journal.commit(record(sample("first", 0)), from_unix_ms(0)));
  const std::string early = journal.audit().verify()->head;
  EXPECT_TRUE(journal.audit().verify(early)->holds);
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(journal.commit(record(sample(fmt::format("r{}", i), i)), from_unix_ms(i)));
    const auto verified = journal.audit().verify();
    ASSERT_TRUE(verified) << verified.error().message;
    EXPECT_LE(verified->entries, 21);
  }
  const auto verified = journal.audit().verify(early);
  EXPECT_GT(verified->first, 80);
  EXPECT_FALSE(verified->holds);  // it went with the entries that were removed
  EXPECT_TRUE(journal.audit().verify(verified->head)->holds);

  // Whoever moves the front without a word in the chain is found out.
  constexpr core::store::Migration kSame[] = {{"runs and audit", ""},
                                              {"pauses, boots and the front of the audit log", ""}};
  auto intruder = core::store::Database::open(path(), kSame, core::store::Durability::kNormal);
  ASSERT_TRUE(intruder->execute(
      fmt::format("UPDATE audit_front SET sequence={0}, hash=(SELECT hash FROM audit WHERE sequence={0});"
                  "DELETE FROM audit WHERE sequence <= {0}",
                  verified->first + 3)));
  const auto broken = journal.audit().verify();
  ASSERT_FALSE(broken);
  EXPECT_THAT(broken.error().message, HasSubstr("gone without a word"));
}

TEST_F(JournalTest, StartsOfThisBootAreCountedOnTheSteadyClock) {
  remedy::Run run = sample("restart", 1000);
  run.started_steady = core::SteadyTime(std::chrono::seconds(77));
  {
    auto journal = SqliteJournal::open(path(), {.boot = "monday"});
    ASSERT_TRUE(journal->commit(record(run), from_unix_ms(5)));
    run.started_steady.reset();  // as it is after it was read from the journal
    ASSERT_TRUE(journal->commit(record(run), from_unix_ms(6)));
  }
  // The wall clock says that it was long ago; within the boot it is found all the same.
  auto same = SqliteJournal::open(path(), {.boot = "monday"});
  auto recollection = same->recall(1, from_unix_ms(1'000'000));
  ASSERT_EQ(recollection->starts.size(), 1U);
  EXPECT_EQ(recollection->starts[0].steady, core::SteadyTime(std::chrono::seconds(77)));
  auto other = SqliteJournal::open(path(), {.boot = "tuesday"});
  EXPECT_TRUE(other->recall(1, from_unix_ms(1'000'000))->starts.empty());
  recollection = other->recall(1, from_unix_ms(0));
  ASSERT_EQ(recollection->starts.size(), 1U);
  EXPECT_FALSE(recollection->starts[0].steady);
}

}  // namespace
}  // namespace actions::remedy

// SPDX-License-Identifier: Apache-2.0
#include "rules/alert/alert_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>

namespace rules {
namespace {

using core::ring::Labels;
using std::chrono::seconds;

constexpr core::WallTime kNow = core::from_unix_ms(1'700'000'000'123);
const RuleKey kRule{"a.yml", "g", "Down", "severity=\"page\"", 0};

class AlertStoring : public testing::Test {
 protected:
  void SetUp() override {
    path_ = (std::filesystem::path(testing::TempDir()) / "alert_store_test.db").string();
    TearDown();
    open();
  }
  void TearDown() override {
    store_.reset();
    for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path_ + suffix);
  }
  // As after a kill: no farewell of any kind is needed.
  void open() {
    store_.reset();
    auto store = AlertStore::open(path_);
    ASSERT_TRUE(store) << store.error().message;
    store_ = std::move(*store);
  }

  std::string path_;
  std::unique_ptr<AlertStore> store_;
};

Alert full_alert() {
  Alert alert;
  alert.labels = Labels{{"alertname", "Down"}, {"instance", "größe \"a\"\n"}};
  alert.annotations = {{"summary", "50% of <b>it</b>"}, {"empty", ""}};
  alert.state = AlertState::kFiring;
  alert.announced = AlertState::kPending;
  alert.value = 0.1;
  alert.active_at = kNow;
  alert.fired_at = kNow + seconds(1);
  alert.keep_firing_since = kNow + seconds(2);
  alert.last_sent_at = kNow + seconds(3);
  alert.seen_at = kNow + seconds(4);
  return alert;
}

TEST_F(AlertStoring, EverythingComesBack) {
  Alert firing = full_alert();
  Alert resolved = full_alert();
  resolved.labels = resolved.labels.with("instance", "b");
  resolved.state = AlertState::kInactive;
  resolved.resolved_at = kNow + seconds(9);
  const AlertTable table = {{firing.labels, firing}, {resolved.labels, resolved}};
  const auto saved = store_->save(kRule, "http://here/graph", {}, table);
  ASSERT_TRUE(saved) << saved.error().message;
  EXPECT_EQ(*saved, table);
  open();
  const auto loaded = store_->load();
  ASSERT_TRUE(loaded) << loaded.error().message;
  ASSERT_EQ(loaded->size(), 1U);
  EXPECT_EQ(loaded->begin()->first, kRule);
  EXPECT_EQ(loaded->begin()->second.generator_url, "http://here/graph");
  EXPECT_EQ(loaded->begin()->second.alerts, table);
}

TEST_F(AlertStoring, ValuesOfAllKindsComeBack) {
  for (const double value : {1e-300, -0.0, std::numeric_limits<double>::infinity(), std::nan("")}) {
    Alert alert = full_alert();
    alert.value = value;
    ASSERT_TRUE(store_->save(kRule, "", {}, {{alert.labels, alert}}));
    const double read = store_->load()->at(kRule).alerts.begin()->second.value;
    EXPECT_TRUE(std::isnan(value) ? std::isnan(read) : read == value) << value << " " << read;
  }
}

TEST_F(AlertStoring, OnlyDifferencesAreWritten) {
  const Alert alert = full_alert();
  const AlertTable first = {{alert.labels, alert}};
  AlertTable stored = *store_->save(kRule, "", {}, first);
  AlertTable same = first;
  same.begin()->second.value = 99;
  stored = *store_->save(kRule, "", stored, same);
  EXPECT_EQ(stored, first) << "a new value alone is not worth a write";
  stored = *store_->save(kRule, "", stored, {});
  EXPECT_TRUE(stored.empty());
  EXPECT_TRUE(store_->load()->empty());
}

TEST_F(AlertStoring, RulesAreKeptApart) {
  const Alert alert = full_alert();
  RuleKey second = kRule;
  second.ordinal = 1;
  ASSERT_TRUE(store_->save(kRule, "", {}, {{alert.labels, alert}}));
  ASSERT_TRUE(store_->save(second, "", {}, {{alert.labels, alert}}));
  EXPECT_EQ(store_->load()->size(), 2U);
  ASSERT_TRUE(store_->save(kRule, "", {{alert.labels, alert}}, {}));
  EXPECT_THAT(*store_->load(), testing::ElementsAre(testing::Key(second)));
}

TEST(AlertStore, AFileThatIsNoDatabaseIsRefusedByName) {
  const std::string path = (std::filesystem::path(testing::TempDir()) / "alert_store_garbage.db").string();
  std::ofstream(path)
      << "this is not a database, and long enough to be taken for a header of one............................";
  const auto store = AlertStore::open(path);
  ASSERT_FALSE(store);
  EXPECT_THAT(store.error().message, testing::HasSubstr("alert_store_garbage.db"));
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace rules

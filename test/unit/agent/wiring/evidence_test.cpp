// SPDX-License-Identifier: Apache-2.0
#include "agent/wiring/evidence.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "core/ring/ring.h"
#include "core/time/simulated_clock.h"
#include "test/support/background_process.h"

namespace agent {
namespace {

namespace fs = std::filesystem;

class EvidenceTest : public ::testing::Test {
 protected:
  EvidenceStore open() {
    return EvidenceStore({.folder = (folder_ / "evidence").string(),
                          .journal_path = (folder_ / "journal").string(),
                          .reader = ring_->reader(),
                          .clock = clock_,
                          .options = {},
                          .probes = [] { return collector::probe::ProbeHistory(); }});
  }
  // A file of so many bytes, written an hour ago and so many seconds after another.
  void keep(EvidenceStore& store, const std::string& id, int seconds, std::size_t bytes = 0) {
    actions::remedy::Run run;
    run.id = id;
    run.reason = std::string(bytes, 'r');
    store.keep(run, policy_);
    const fs::path file = folder_ / "evidence" / (id + ".json");
    fs::last_write_time(file, fs::last_write_time(file) - std::chrono::hours(1) + std::chrono::seconds(seconds));
  }

  const fs::path folder_ = test_support::fresh_folder("evidence-test");
  const std::unique_ptr<core::ring::Ring> ring_ = core::ring::make_memory_ring();
  core::SimulatedClock clock_;
  actions::remedy::Policy policy_;
};

TEST_F(EvidenceTest, TheNewestRunsStay) {
  policy_.evidence.runs = 2;
  EvidenceStore store = open();
  keep(store, "a", 1);
  keep(store, "b", 2);
  EXPECT_EQ(store.stats().removed, 0U);
  keep(store, "c", 3);
  EXPECT_EQ(store.stats().files, 2U);
  EXPECT_EQ(store.stats().removed, 1U);
  EXPECT_FALSE(store.read("a"));
  EXPECT_TRUE(store.read("b"));
  EXPECT_TRUE(store.read("c"));
  EXPECT_EQ(open().stats().files, 2U);
}

TEST_F(EvidenceTest, TheirBytesAreBounded) {
  policy_.evidence.size.bytes = 250'000;
  EvidenceStore store = open();
  keep(store, "a", 1, 100'000);
  keep(store, "b", 2, 100'000);
  EXPECT_TRUE(store.read("a"));
  keep(store, "c", 3, 100'000);
  EXPECT_FALSE(store.read("a"));
  EXPECT_TRUE(store.read("b"));
  EXPECT_LE(store.stats().bytes, 250'000U);
  EXPECT_GT(store.stats().bytes, 200'000U);
  // The newest is kept even where it is too large.
  keep(store, "d", 4, 400'000);
  EXPECT_FALSE(store.read("c"));
  EXPECT_TRUE(store.read("d"));
  EXPECT_EQ(store.stats().files, 1U);
}

}  // namespace
}  // namespace agent

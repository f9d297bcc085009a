// SPDX-License-Identifier: Apache-2.0
#include "agent/wiring/ring_file.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "agent/api/agent_view.h"
#include "test/support/background_process.h"

namespace agent {
namespace {

TEST(RingOptions, AreTheConfigured) {
  const auto plain = ring_options(RingConfig{}, "/data/ring");
  EXPECT_EQ(plain.path, "/data/ring");
  EXPECT_EQ(plain.size_bytes, 512ULL << 20);
  EXPECT_EQ(plain.max_series, 0U) << "the ring's own rule";
  EXPECT_FALSE(plain.lock_memory);
  EXPECT_FALSE(plain.huge_pages);

  const auto given = ring_options(
      {.size = {.bytes = 8ULL << 20}, .max_series = 1000, .lock_memory = true, .huge_pages = true}, "/data/ring");
  EXPECT_EQ(given.size_bytes, 8ULL << 20);
  EXPECT_EQ(given.max_series, 1000U);
  EXPECT_TRUE(given.lock_memory);
  EXPECT_TRUE(given.huge_pages);
}

TEST(RingPath, IsInTheConfiguredFolder) {
  const auto folder = test_support::fresh_folder("ring-path");
  EXPECT_EQ(ring_path(RingConfig{}, "/data/ring"), core::Result<std::string>("/data/ring"));
  RingConfig config;
  config.folder.path = (folder / "run" / "watch").string();
  EXPECT_EQ(ring_path(config, "/data/ring"), core::Result<std::string>(config.folder.path + "/ring"));
  EXPECT_TRUE(std::filesystem::is_directory(config.folder.path)) << "tmpfs is empty after a start of the machine";
  test_support::write_file(folder / "file", "");
  config.folder.path = (folder / "file" / "below").string();
  const auto refused = ring_path(config, "/data/ring");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "ring: folder " + config.folder.path + ": Not a directory");
}

TEST(RingRetention, IsWhatIsHeld) {
  const auto retention = [](std::int64_t oldest_ms, std::int64_t newest_ms) {
    RingStatus ring;
    ring.usage.oldest_ms = oldest_ms;
    ring.usage.newest_ms = newest_ms;
    return ring.retention();
  };
  EXPECT_EQ(retention(0, 0), core::Millis(0));
  EXPECT_EQ(retention(0, 1'700'000'000'000), core::Millis(0)) << "nothing is readable any more";
  EXPECT_EQ(retention(1'700'000'000'000, 1'700'000'090'000), core::Millis(90'000));
}

}  // namespace
}  // namespace agent

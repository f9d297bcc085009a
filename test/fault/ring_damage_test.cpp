// SPDX-License-Identifier: Apache-2.0
// Bad bytes, a file that shrinks, a disk without room, a file that is something else. RING_SEED=<seed> repeats a run,
// RING_FLIPS=<n> sets how many files are damaged.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "core/ring/mapped_ring.h"
#include "test/fault/child.h"
#include "test/fault/known_ring.h"

namespace fault_test {
namespace {

using core::Errc;
using core::ring::open_mapped_ring;
using ring_test::file_bytes;
using ring_test::Random;
using ring_test::write_bytes;

constexpr std::int64_t kStartMs = 1'700'000'000'000;
constexpr std::int64_t kStepMs = 15'000;
constexpr int kScrapes = 16'000;  // more than the file holds

MappedRingOptions small_ring(const std::string& path) {
  return {.path = path, .size_bytes = core::ring::kLeastMappedRingBytes, .max_series = 1000, .boot_id = "built"};
}

// A file with content, closed in order.
Known build(const MappedRingOptions& options, std::uint64_t seed) {
  Known known;
  const auto ring = ring_test::open_or_abort(options);
  KnownWriter writer(*ring, known, seed);
  for (int i = 0; i < kScrapes; ++i) writer.scrape(kStartMs + i * kStepMs);
  EXPECT_EQ(writer.refused(), 0U);
  const Shown shown = look(ring->reader(), known);
  EXPECT_EQ(shown.wrong, "");
  EXPECT_GT(shown.samples, 50'000U);
  EXPECT_EQ(ring->problem(), "");
  return known;
}

struct Damage {
  std::size_t offset = 0;
  std::size_t length = 1;
  int kind = 0;

  std::string text() const {
    constexpr std::array<const char*, 4> kKinds = {"one bit", "eight bits", "zeroes", "noise"};
    return std::string(kKinds[static_cast<std::size_t>(kind)]) + " at " + std::to_string(offset);
  }
};

// One to three places of the file, near its begin as often as anywhere: tables are denser than samples.
std::vector<Damage> damage(std::string& bytes, Random& random) {
  std::vector<Damage> places;
  for (std::uint64_t i = 0; i < 1 + random.below(3); ++i) {
    Damage place;
    place.kind = static_cast<int>(random.below(4));
    const std::size_t reach = random.one_in(2) ? bytes.size() : bytes.size() / 16;
    place.offset = random.below(reach);
    if (place.kind == 0) {
      bytes[place.offset] = static_cast<char>(bytes[place.offset] ^ (1 << random.below(8)));
    } else if (place.kind == 1) {
      bytes[place.offset] = static_cast<char>(bytes[place.offset] ^ static_cast<char>(1 + random.below(255)));
    } else {
      place.offset = place.offset / 512 * 512;
      for (std::size_t at = 0; at < 512; ++at) {
        bytes[place.offset + at] = place.kind == 2 ? '\0' : static_cast<char>(random.bits());
      }
    }
    places.push_back(place);
  }
  return places;
}

struct Tally {
  int opened = 0;
  int refused = 0;
  std::uint64_t series_dropped = 0;
  std::uint64_t chunks_dropped = 0;
  std::uint64_t times_dropped = 0;
  std::uint64_t damaged = 0;
  double kept = 0;  // samples shown, as parts of those there were
};

// Opens a damaged file, reads everything, goes on writing, and opens it once more. What is wrong, if anything.
std::string live_with(const MappedRingOptions& options, const Known& known, std::size_t samples, std::uint64_t seed,
                      Tally& tally) {
  Known all = known;
  auto ring = open_mapped_ring(options);
  if (!ring) {
    ++tally.refused;
    return ring.error().message.empty() ? "refused without a word" : "";
  }
  ++tally.opened;
  const Shown shown = look((*ring)->reader(), known);
  if (!shown.wrong.empty()) return shown.wrong;
  tally.kept += static_cast<double>(shown.samples) / static_cast<double>(samples);
  const core::ring::RingRecovery& recovery = (*ring)->recovery();
  tally.series_dropped += recovery.series_dropped;
  tally.chunks_dropped += recovery.chunks_dropped;
  tally.times_dropped += recovery.times_dropped;
  {
    KnownWriter writer(**ring, all, seed);
    for (int i = 100; i < 140; ++i) writer.scrape(kStartMs + (kScrapes + i) * kStepMs);
  }
  tally.damaged += (*ring)->reader().usage().damaged;
  if (const Shown after = look((*ring)->reader(), all); !after.wrong.empty()) return "after writing: " + after.wrong;
  ring->reset();
  auto again = open_mapped_ring(options);
  if (!again) return "not opened again: " + again.error().message;
  if (const Shown after = look((*again)->reader(), all); !after.wrong.empty()) return "after closing: " + after.wrong;
  return {};
}

TEST(RingDamage, BadBytesAreDroppedAndNeverShown) {
  const std::uint64_t seed = ring_test::test_seed();
  const ring_test::RingFolder folder;
  MappedRingOptions options = small_ring(folder.file());
  Known known = build(options, seed);
  // As it is when closed in order, and as a process leaves it that ends in the middle.
  std::array<std::string, 2> good = {file_bytes(options.path), ""};
  {
    const auto ring = ring_test::open_or_abort(options);
    KnownWriter writer(*ring, known, seed + 1);
    for (int i = 0; i < 20; ++i) writer.scrape(kStartMs + (kScrapes + i) * kStepMs);
    good[1] = file_bytes(options.path);
  }
  std::size_t samples = 0;
  {
    options.boot_id = "another";
    const auto ring = ring_test::open_or_abort(options);
    const Shown shown = look(ring->reader(), known);
    ASSERT_EQ(shown.wrong, "");
    samples = shown.samples;
    ASSERT_EQ(ring->recovery().series_dropped + ring->recovery().chunks_dropped + ring->recovery().times_dropped, 0U);
  }
  const char* const asked = std::getenv("RING_FLIPS");
  const int files = asked != nullptr ? static_cast<int>(std::strtol(asked, nullptr, 10)) : 120;
  // In a child, so that a crash is a failure that names its damage.
  const ring_test::RingFolder notes;
  const Ended ended = in_child([&]() -> std::string {
    Tally tally;
    for (int i = 0; i < files; ++i) {
      Random random(seed + static_cast<std::uint64_t>(i) * 1000);
      std::string bytes = good[static_cast<std::size_t>(i) % good.size()];
      std::string what;
      for (const Damage& place : damage(bytes, random)) what += place.text() + "; ";
      write_bytes(notes.file("damage"), std::to_string(i) + ": " + what);
      write_bytes(options.path, bytes);
      const std::string wrong = live_with(options, known, samples, random.bits(), tally);
      if (!wrong.empty()) return "file " + std::to_string(i) + ", " + what + wrong;
    }
    std::printf(
        "[   damage ] %d opened, %d refused; dropped %llu series, %llu chunks, %llu pages of times; %.4f kept\n",
        tally.opened, tally.refused, static_cast<unsigned long long>(tally.series_dropped),
        static_cast<unsigned long long>(tally.chunks_dropped), static_cast<unsigned long long>(tally.times_dropped),
        tally.kept / tally.opened);
    std::fflush(stdout);
    if (tally.opened < files / 2) return "too few files were opened to mean anything";
    if (tally.series_dropped == 0 || tally.chunks_dropped == 0 || tally.times_dropped == 0)
      return "a kind of damage uncounted";
    if (tally.damaged < tally.chunks_dropped) return "usage().damaged is behind recovery()";
    if (tally.kept / tally.opened < 0.8) return "a few bad bytes cost most of the ring";
    return {};
  });
  EXPECT_EQ(ended.said, "");
  EXPECT_EQ(ended.exit_code, 0) << "signal " << ended.signal << " at file " << file_bytes(notes.file("damage"));
}

// Truncates the file under a ring that is written and read, and wants it to live on and say so.
std::string truncate_under(const MappedRingOptions& options, std::uintmax_t left, std::uint64_t seed) {
  Known known;
  const auto ring = ring_test::open_or_abort(options);
  KnownWriter writer(*ring, known, seed);
  for (int i = 0; i < kScrapes; ++i) writer.scrape(kStartMs + i * kStepMs);
  if (!ring->problem().empty()) return "a problem before there is one: " + ring->problem();
  std::atomic<bool> done{false};
  std::atomic<std::uint64_t> looks{0};
  // Of what is read in between nothing is asked but that it can be.
  std::jthread other([&] {
    while (!done) {
      for (const SelectedSeries& series : ring->reader().select({})) (void)ring_test::read(ring->reader(), series.ref);
      ++looks;
    }
  });
  while (looks < 2) ::sched_yield();
  std::filesystem::resize_file(options.path, left);
  for (int i = 0; i < 300; ++i) writer.scrape(kStartMs + (kScrapes + i) * kStepMs);
  for (const std::uint64_t now = looks; looks < now + 3;) ::sched_yield();
  done = true;
  other.join();
  const std::string problem = ring->problem();
  if (problem.empty()) return "no word of the lost file";
  const Shown shown = look(ring->reader(), known);
  if (!shown.wrong.empty()) return "shown after the file was lost: " + shown.wrong;
  return {};
}

TEST(RingDamage, AFileThatShrinksKillsNobody) {
  const std::uint64_t seed = ring_test::test_seed();
  const std::uint64_t size = core::ring::kLeastMappedRingBytes;
  for (const std::uintmax_t left : {size / 2, size / 2 + 100, std::uint64_t{4096}, std::uint64_t{0}}) {
    const ring_test::RingFolder folder;
    const Ended ended = in_child([&] { return truncate_under(small_ring(folder.file()), left, seed); });
    EXPECT_EQ(ended.said, "") << left << " bytes left";
    EXPECT_EQ(ended.exit_code, 0) << "signal " << ended.signal << ", " << left << " bytes left";
  }
}

// A fault that is none of the ring's must end the process as ever, not hang it or be taken for a lost file.
TEST(RingDamage, OtherFaultsStayFaults) {
  const ring_test::RingFolder folder;
  const Ended ended = in_child([&] {
    const auto ring = ring_test::open_or_abort(small_ring(folder.file()));
    // Somebody else's mapping of a file that is not there any more.
    write_bytes(folder.file("other"), std::string(4096, 'x'));
    const int other = ::open(folder.file("other").c_str(), O_RDWR | O_CLOEXEC);
    volatile char* const bytes = static_cast<char*>(::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, other, 0));
    std::filesystem::resize_file(folder.file("other"), 0);
    return std::string("lived, and read ") + std::to_string(bytes[100]);
  });
  EXPECT_EQ(ended.said, "");
  // A sanitizer has a handler of its own, which ends the process otherwise.
  EXPECT_NE(ended.exit_code, 0);
}

// A file system of its own, that nobody else sees and that goes with the process. Empty: it is there.
std::string mount_small_disk(const std::string& folder, const char* size) {
  if (::unshare(CLONE_NEWNS) != 0) return "no private mounts here";
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return "mounts cannot be made private here";
  if (::mount("tmpfs", folder.c_str(), "tmpfs", 0, size) != 0) return "no tmpfs can be mounted here";
  return {};
}

TEST(RingDamage, ADiskWithoutRoomIsSaidAtOnce) {
  const ring_test::RingFolder folder;
  std::filesystem::create_directory(folder.path() / "disk");
  const std::string disk = folder.path() / "disk";
  const Ended ended = in_child([&]() -> std::string {
    if (const std::string why = mount_small_disk(disk, "size=1m"); !why.empty()) return "skip: " + why;
    const auto ring = open_mapped_ring(small_ring(disk + "/ring"));
    if (ring) return "opened where there is no room";
    if (ring.error().code != Errc::kLimitExceeded) return "another error: " + ring.error().message;
    if (ring.error().message.empty()) return "no message";
    for (const auto& entry : std::filesystem::directory_iterator(disk)) return "left behind: " + entry.path().string();
    // Where there is just enough it opens.
    if (::mount("tmpfs", disk.c_str(), "tmpfs", MS_REMOUNT, "size=5m") != 0) return "skip: no remount";
    const auto fits = open_mapped_ring(small_ring(disk + "/ring"));
    return fits ? "" : "refused where there is room: " + fits.error().message;
  });
  if (ended.said.starts_with("skip: ")) GTEST_SKIP() << ended.said;
  EXPECT_EQ(ended.said, "");
  EXPECT_EQ(ended.exit_code, 0) << "signal " << ended.signal;
}

// Migrating to a larger file needs room for it; where there is none, what there was stays.
TEST(RingDamage, AMigrationWithoutRoomLosesNothing) {
  const ring_test::RingFolder folder;
  std::filesystem::create_directory(folder.path() / "disk");
  const std::string disk = folder.path() / "disk";
  const Ended ended = in_child([&]() -> std::string {
    if (const std::string why = mount_small_disk(disk, "size=6m"); !why.empty()) return "skip: " + why;
    MappedRingOptions options = small_ring(disk + "/ring");
    Known known;
    {
      const auto ring = ring_test::open_or_abort(options);
      KnownWriter writer(*ring, known, 1);
      for (int i = 0; i < 100; ++i) writer.scrape(kStartMs + i * kStepMs);
    }
    const std::string before = file_bytes(options.path);
    options.size_bytes *= 4;
    const auto larger = open_mapped_ring(options);
    if (larger) return "opened where there is no room";
    if (larger.error().code != Errc::kLimitExceeded) return "another error: " + larger.error().message;
    if (file_bytes(options.path) != before) return "the old file was changed";
    const auto files = std::distance(std::filesystem::directory_iterator(disk), {});
    return files == 1 ? "" : std::to_string(files) + " files are left";
  });
  if (ended.said.starts_with("skip: ")) GTEST_SKIP() << ended.said;
  EXPECT_EQ(ended.said, "");
  EXPECT_EQ(ended.exit_code, 0) << "signal " << ended.signal;
}

void expect_refused(const MappedRingOptions& options, Errc code, const std::string& what) {
  const std::string before = file_bytes(options.path);
  const auto ring = open_mapped_ring(options);
  ASSERT_FALSE(ring) << what << " was opened";
  EXPECT_EQ(ring.error().code, code) << what << ": " << ring.error().message;
  EXPECT_NE(ring.error().message.find(options.path), std::string::npos) << what << ": " << ring.error().message;
  EXPECT_TRUE(file_bytes(options.path) == before) << what << " was changed";
}

TEST(RingDamage, AFileThatIsNoRingIsRefusedAndLeftAlone) {
  const ring_test::RingFolder folder;
  const MappedRingOptions options = small_ring(folder.file());
  write_bytes(options.path, "a text that somebody still needs\n");
  expect_refused(options, Errc::kInvalid, "a text");
  write_bytes(options.path, std::string(core::ring::kLeastMappedRingBytes, 'x'));
  expect_refused(options, Errc::kInvalid, "a file of the right size");
  Random random(ring_test::test_seed());
  std::string noise(core::ring::kLeastMappedRingBytes, '\0');
  for (char& byte : noise) byte = static_cast<char>(random.bits());
  write_bytes(options.path, noise);
  expect_refused(options, Errc::kInvalid, "noise");
}

// A file of a later program: bytes 8 to 11 are the version (docs/formats/ring.md).
TEST(RingDamage, AnUnknownVersionIsRefusedAndLeftAlone) {
  const ring_test::RingFolder folder;
  const MappedRingOptions options = small_ring(folder.file());
  ring_test::open_or_abort(options).reset();
  std::string bytes = file_bytes(options.path);
  ++bytes[8];
  write_bytes(options.path, bytes);
  expect_refused(options, Errc::kInvalid, "another version");
  EXPECT_NE(open_mapped_ring(options).error().message.find("version"), std::string::npos);
  MappedRingOptions larger = options;
  larger.size_bytes *= 2;
  expect_refused(larger, Errc::kInvalid, "another version, for another size");
}

TEST(RingDamage, WhatIsNoFileIsRefused) {
  const ring_test::RingFolder folder;
  MappedRingOptions options = small_ring(folder.path() / "folder");
  std::filesystem::create_directory(options.path);
  EXPECT_FALSE(open_mapped_ring(options));
  options.path = folder.path() / "missing" / "ring";
  EXPECT_FALSE(open_mapped_ring(options)) << "folders are not made on the way";
  options.path.clear();
  EXPECT_FALSE(open_mapped_ring(options));
}

TEST(RingDamage, ASecondOpeningIsRefused) {
  const ring_test::RingFolder folder;
  const MappedRingOptions options = small_ring(folder.file());
  Known known;
  auto ring = open_mapped_ring(options);
  ASSERT_TRUE(ring) << ring.error().message;
  KnownWriter(**ring, known, 1).scrape(kStartMs);
  expect_refused(options, Errc::kUnavailable, "a ring that is open here");
  MappedRingOptions larger = options;
  larger.size_bytes *= 2;
  expect_refused(larger, Errc::kUnavailable, "a ring that is open here, for another size");
  const Ended ended = in_child([&]() -> std::string {
    const auto again = open_mapped_ring(options);
    if (again) return "opened in another process";
    return again.error().code == Errc::kUnavailable ? "" : again.error().message;
  });
  EXPECT_EQ(ended.said, "");
  EXPECT_EQ(look((*ring)->reader(), known).wrong, "");
  ring->reset();
  EXPECT_TRUE(open_mapped_ring(options)) << "and once it is closed it opens";
}

}  // namespace
}  // namespace fault_test

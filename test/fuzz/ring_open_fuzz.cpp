// SPDX-License-Identifier: Apache-2.0
// A ring's file with any bytes in it: opened, read, written to and closed, it may be refused or show less, and nothing
// worse. The input is patches on a good file, so that most of what is tried gets past the superblock: the first byte
// says whether the machine was started anew since, then come place (3 bytes), length (1 byte), bytes. A place is one
// where the good file has something, or, with its top bit set, any.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "core/check.h"
#include "core/ring/mapped_ring.h"

namespace {

using core::ring::Appender;
using core::ring::Labels;
using core::ring::MappedRing;
using core::ring::MappedRingOptions;
using core::ring::Sample;

constexpr int kSeries = 24;

Labels labels(int i) { return {{"__name__", "m" + std::to_string(i % 3)}, {"i", std::to_string(i)}}; }

// Scrapes of two targets; refusals are as good as anything here.
void write_some(MappedRing& ring, std::int64_t from, std::int64_t to) {
  const auto appender = ring.make_appender();
  for (std::uint64_t target = 1; target <= 2; ++target) {
    const auto timeline = appender->open_timeline(target);
    if (!timeline) continue;
    for (std::int64_t n = from; n < to; ++n) {
      appender->begin(*timeline, n * 1000);
      for (int i = static_cast<int>(target); i < kSeries; i += 2) {
        if ((n + i) % 11 == 0) continue;
        const auto series = appender->upsert(*timeline, labels(i));
        if (!series) continue;
        const auto bits = static_cast<std::uint64_t>(n * i) * 0x9e3779b97f4a7c15ULL;
        const double value = i % 4 == 0 ? std::bit_cast<double>(bits) : static_cast<double>(n * i / 8);
        if (i % 5 == 0) {
          appender->append_at(*series, {n * 1000 - 5, value});
        } else {
          appender->append(*series, value);
        }
      }
      appender->publish();
    }
    if (target == 1) appender->close_timeline(*timeline);
  }
}

void read_all(const core::ring::Reader& reader) {
  std::vector<Sample> samples;
  for (const auto& series : reader.select({})) {
    (void)series.labels->to_string();
    reader.read(series.ref, INT64_MIN, INT64_MAX, samples);
    reader.read(series.ref, 20'000, 90'000, samples);
    (void)reader.last(series.ref);
    (void)reader.counter_window(series.ref, INT64_MIN, INT64_MAX);
    (void)reader.counter_window(series.ref, 50'000, 70'000);
  }
  (void)reader.select(std::vector{core::ring::Matcher::equal("__name__", "m1")});
  (void)reader.usage();
}

// The good file, and the path where its damaged copies lie.
class Image {
 public:
  Image() {
    std::string pattern = "/dev/shm/ring_open_fuzz.XXXXXX";
    CHECK(::mkdtemp(pattern.data()) != nullptr, "a folder in memory");
    folder_ = pattern;
    options_ = {.path = folder_ + "/ring",
                .size_bytes = core::ring::kLeastMappedRingBytes,
                .max_series = 100,
                .boot_id = "built"};
    {
      auto ring = core::ring::open_mapped_ring(options_);
      CHECK(ring.has_value(), "a new ring opens");
      write_some(**ring, 1, 120);
    }
    const int file = ::open(options_.path.c_str(), O_RDONLY | O_CLOEXEC);
    good_.resize(options_.size_bytes);
    CHECK(::pread(file, good_.data(), good_.size(), 0) == static_cast<ssize_t>(good_.size()), "the good file is read");
    ::close(file);
    for (std::size_t word = 0; word < good_.size() / 8; ++word) {
      const auto* const begin = good_.data() + word * 8;
      if (std::any_of(begin, begin + 8, [](char byte) { return byte != 0; })) used_.push_back(word);
    }
  }
  ~Image() {
    ::unlink(options_.path.c_str());
    ::rmdir(folder_.c_str());
  }

  MappedRingOptions patched(const std::uint8_t* bytes, std::size_t size) const {
    std::vector<char> image = good_;
    for (std::size_t at = 0; at + 4 < size;) {
      const std::size_t low = bytes[at];
      const std::size_t middle = bytes[at + 1];
      const std::size_t place = low | middle << 8 | static_cast<std::size_t>(bytes[at + 2] & 0x7f) << 16;
      const bool anywhere = (bytes[at + 2] & 0x80) != 0;
      const std::size_t offset = anywhere ? place : used_[place / 8 % used_.size()] * 8 + place % 8;
      const std::size_t length = std::min<std::size_t>(bytes[at + 3], size - at - 4);
      for (std::size_t i = 0; i < length; ++i)
        image[(offset + i) % image.size()] = static_cast<char>(bytes[at + 4 + i]);
      at += 4 + length;
    }
    // Anew each time: the run before may have moved the ring to another file.
    const int file = ::open(options_.path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(::write(file, image.data(), image.size()) == static_cast<ssize_t>(image.size()),
          "the patched file is written");
    ::close(file);
    return options_;
  }

 private:
  std::string folder_;
  MappedRingOptions options_;
  std::vector<char> good_;
  std::vector<std::size_t> used_;  // words of it that are not zero
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size == 0 || size > 4096) return 0;
  static const Image image;
  MappedRingOptions options = image.patched(bytes + 1, size - 1);
  if (bytes[0] % 2 == 0) options.boot_id = "another";
  if (bytes[0] % 8 == 7) options.max_series = 150;  // moves to another file
  auto ring = core::ring::open_mapped_ring(options);
  if (!ring) {
    CHECK(!ring.error().message.empty(), "a refusal says why");
    return 0;
  }
  read_all((*ring)->reader());
  write_some(**ring, 121, 125);
  read_all((*ring)->reader());
  ring->reset();
  return 0;
}

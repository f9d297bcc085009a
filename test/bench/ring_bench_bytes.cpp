// SPDX-License-Identifier: Apache-2.0
// What a sample takes: in the ring, with the times at which a scraper really asks, and in Prometheus's chunks.
#include <algorithm>

#include <fmt/format.h>

#include "ring_bench.h"
#include "ring_feed.h"
#include "xor_chunks.h"

namespace ring_bench {
namespace {

// Room for every sample of the data: nothing is overwritten.
constexpr std::uint64_t kBytesPerSeries = 8192;

// Whole slots with their heads, and the pages of scrape times. A ring that does not say what these take is asked what
// it takes more than before the first sample: tables and labels were in it by then.
double ring_bytes_per_sample(Report& report, const std::vector<RecordedTarget>& recording, DataSet set) {
  std::size_t series = 0;
  std::size_t scrapes = 0;
  for (const RecordedTarget& target : recording) {
    series += target.series();
    scrapes = std::max(scrapes, target.scrapes());
  }
  Replay source(recording, series);
  const TemporaryRing ring(report.options(), series, kBytesPerSeries);
  RingFeed feed(*ring, source);
  const core::ring::RingUsage before = ring->reader().usage();
  for (std::size_t k = 0; k < scrapes; ++k) feed.round();
  const core::ring::RingUsage after = ring->reader().usage();
  const std::int64_t first_ms = std::min_element(recording.begin(), recording.end(), [](const auto& a, const auto& b) {
                                  return a.scraped_ms.front() < b.scraped_ms.front();
                                })->scraped_ms.front();
  if (after.oldest_ms > first_ms) give_up("samples were overwritten: what is left says nothing");
  const std::uint64_t samples = after.samples_appended - before.samples_appended;
  report.note(fmt::format("bytes-{}: {} series, {} samples; all of the ring {:.3f} B/sample{}", to_string(set), series,
                          samples, static_cast<double>(after.bytes) / static_cast<double>(samples),
                          after.chunk_bytes == 0 ? "; it does not say what its chunks take" : ""));
  const std::uint64_t bytes = after.chunk_bytes != 0 ? after.chunk_bytes : after.bytes - before.bytes;
  return static_cast<double>(bytes) / static_cast<double>(samples);
}

double prometheus_bytes_per_sample(const std::vector<RecordedTarget>& recording, Times times) {
  const XorChunksSize size = xor_chunks_size(recording, times);
  return static_cast<double>(size.bytes) / static_cast<double>(size.samples);
}

}  // namespace

void bench_bytes(Report& report) {
  for (const DataSet set : {DataSet::kRecorded, DataSet::kRecorded1s, DataSet::kLoad}) {
    const std::string group = fmt::format("bytes-{}", to_string(set));
    if (!report.wants_any(group)) continue;
    const std::string files = files_option(report.options(), set);
    const std::vector<RecordedTarget> recording = load(report.options(), set);
    const double aligned = prometheus_bytes_per_sample(recording, Times::kAligned);
    const double ours = ring_bytes_per_sample(report, recording, set);
    report.line(group + "-ring", {ours}, "B/sample", kNoBar, files);
    report.line(group + "-prometheus-aligned", {aligned}, "B/sample", kNoBar, files);
    report.line(group + "-prometheus-scraped", {prometheus_bytes_per_sample(recording, Times::kScraped)}, "B/sample",
                kNoBar, files);
    // The bar is for what real targets expose; the load is there to see what a hard case does.
    report.line(group + "-ratio", {ours / aligned}, "of aligned", set == DataSet::kLoad ? kNoBar : at_most(0.62),
                files);
  }
}

}  // namespace ring_bench

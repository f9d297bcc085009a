// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "collector/exposition/parser.h"
#include "collector/scrape/ingest_scratch.h"
#include "collector/scrape/layout_reader.h"
#include "collector/scrape/line_hash.h"
#include "collector/scrape/line_table.h"
#include "collector/scrape/sample_labels.h"
#include "collector/scrape/scrape_memory.h"
#include "collector/scrape/target.h"
#include "core/net/decompressor.h"
#include "core/ring/ring.h"
#include "core/time/clock.h"

namespace collector::scrape {

// What fetching a target's metrics came to.
struct Fetch {
  std::int64_t time_ms = 0;    // of the scrape: the time of its samples
  core::SteadyTime started{};  // the same instant, for its duration
  std::string error;           // why there is no body; empty if there is one
  bool over_size = false;      // the error is that the body was too large
  bool over_memory = false;    // or that there was no memory left for it
  std::string content_type;
  std::string body;
  core::net::Coding coding = core::net::Coding::kIdentity;  // of the body; it is unpacked before it is read
  std::uint64_t body_limit = kBodyBytesMax;                 // unpacked
  std::shared_ptr<const core::ByteHold> hold;               // what the body takes of all bodies' memory
};

// What a scrape came to: the report series' values, and what was dropped on the way.
struct ScrapeReport {
  std::string error;  // empty: the scrape was good
  core::Duration duration{};
  std::uint64_t scraped = 0;          // sample lines read
  std::uint64_t post_relabeling = 0;  // of these, not dropped by metric relabelling
  std::uint64_t series_added = 0;     // of these, not seen before
  std::int64_t body_bytes = 0;        // -1: too large
  std::uint64_t out_of_order = 0;
  std::uint64_t duplicates = 0;
  std::uint64_t out_of_bounds = 0;     // too far in the future
  std::uint64_t tolerated = 0;         // lines that are new and that Prometheus would have failed the scrape for
  std::uint64_t series_refused = 0;    // samples whose series the ring had no room for
  std::uint64_t families_refused = 0;  // HELP, TYPE and UNIT lines that were not noted: there are too many
  bool over_memory = false;            // the error is that there are more samples or lines than there is memory for
};

// One metric family of a target.
struct FamilyMetadata {
  std::string family;
  exposition::MetricType type = exposition::MetricType::kUnknown;
  std::string help;
  std::string unit;
};

// A sample further in the future than this is dropped.
inline constexpr std::int64_t kAheadMsMax = 600'000;
// Families of one target whose metadata is kept; those past it are not noted.
inline constexpr std::size_t kFamiliesMax = 10'000;
// Bytes of a HELP text that are kept.
inline constexpr std::size_t kHelpBytesMax = 4096;
// Bytes of all that is noted of a target's families; what does not fit is not noted.
inline constexpr std::size_t kMetadataBytesMax = 1 << 20;
// Lines that a failed scrape may leave behind, so that it need not make them again when it succeeds.
inline constexpr std::size_t kFailedLinesKept = 4096;
// Good scrapes for which a family that is gone is remembered.
inline constexpr std::uint64_t kFamilyScrapesKept = 10;
// Lines that are gone and yet remembered, beside as many as are living: those of a histogram or two that come and go.
inline constexpr std::size_t kIdleLinesMin = 64;

// The series that a target's scrapes have beside its own.
enum class ReportSeries : std::uint8_t {
  kUp,
  kDuration,
  kSamplesScraped,
  kSamplesPostRelabeling,
  kSeriesAdded,
  kTimeout,
  kSampleLimit,
  kBodyBytes,
};
inline constexpr std::size_t kReportSeriesCount = 8;

// The series of one target: which line of its text is which series, what it showed last time, and so what went stale.
// A body is read, by its difference to the one before, and judged whole before any of its samples is written. Of a line
// a hash is kept, not the text: that is in the body when its labels are needed, which is when its series is made. What
// is kept takes 32 bytes a line.
//
// Thread safety: confined to the target's shard, except metadata(): any thread.
// Invariants: of a failed scrape nothing is in the ring but stale markers and the report series.
class TargetSeries {
 public:
  TargetSeries(std::shared_ptr<const Job> job, const Target& target, const ScrapeMemory& memory = {});

  // Reads a body (or a failure) and appends what it means. `scratch` is left empty.
  ScrapeReport ingest(core::ring::Appender& appender, const core::Clock& clock, const Fetch& fetch,
                      IngestScratch& scratch);

  // The target is gone: markers at `time_ms` for every series and report series that has nothing newer.
  void end(core::ring::Appender& appender, std::int64_t time_ms);
  // Gives the timeline back. The last call, or the last one on this shard: ingest() of another goes on from there.
  void close(core::ring::Appender& appender);

  // Goes on under a changed job, keeping what it knows. REQUIRES: reusable(old job, new job).
  void adopt(std::shared_ptr<const Job> job, core::Millis timeout);
  // Whether series resolved under one job hold under the other: they differ in timing, sample limit and HTTP at most.
  static bool reusable(const ScrapeConfig& a, const ScrapeConfig& b);

  // Lines that are remembered, those that come and go among them.
  std::size_t lines() const { return lines_.size(); }
  std::vector<FamilyMetadata> metadata() const;

 private:
  struct Family {
    exposition::MetricType type = exposition::MetricType::kUnknown;
    std::string help;
    std::string unit;
    std::uint64_t seen = 0;
    std::size_t bytes() const { return help.size() + unit.size(); }
  };
  // A scrape while it is taken in.
  struct Intake {
    core::ring::Appender& appender;
    const Fetch& fetch;
    IngestScratch& scratch;
    ScrapeReport report;
    LayoutReader::Counts counts;
    bool noted_metadata = false;
  };

  core::Result<void> read(Intake& intake);
  core::Result<void> read_entries(LayoutReader& reader, exposition::Format format, Intake& intake);
  core::Result<void> take_sample(LayoutReader& reader, Intake& intake);
  core::Result<LineNumber> add_line(LayoutReader& reader, Intake& intake);
  bool note_metadata(exposition::Entry entry, const exposition::Parser& parser, exposition::Format format);

  void write_all(Intake& intake);
  void write(const PendingSample& pending, std::int64_t time_ms, Intake& intake);
  bool ensure_series(const PendingSample& pending, Intake& intake);
  void write_markers(core::ring::Appender& appender, std::int64_t time_ms, std::uint32_t last_seen);
  void write_reports(Intake& intake);
  void write_report(ReportSeries which, double value, Intake& intake);
  void forget_unseen(bool good, std::size_t lines_before);
  bool hold_lines(std::size_t lines);
  bool open(core::ring::Appender& appender);

  std::shared_ptr<const Job> job_;
  core::ring::Labels labels_;
  std::uint64_t timeline_identity_;
  core::Millis timeout_;
  std::optional<core::ring::TimelineRef> timeline_;
  std::uint32_t scrape_ = 0;  // counts attempts, & kScrapeCountMask
  std::uint64_t good_scrapes_ = 0;

  const std::uint64_t samples_max_;
  LineHash hash_;
  LineTable lines_;
  std::optional<core::ByteHold> line_hold_;   // none: nobody counts
  std::optional<exposition::Format> format_;  // of the last body
  bool reads_blocks_ = false;                 // the next body's
  std::size_t body_lines_ = 0;                // lines and blocks of the last body
  std::size_t good_lines_ = 0;                // of the last good body
  std::array<core::ring::SeriesRef, kReportSeriesCount> reports_{};

  mutable std::mutex metadata_mutex_;
  std::map<std::string, Family, std::less<>> families_;  // guarded by metadata_mutex_
  std::size_t metadata_bytes_ = 0;                       // of them; guarded by metadata_mutex_
};

}  // namespace collector::scrape

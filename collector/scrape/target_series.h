// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "collector/exposition/parser.h"
#include "collector/scrape/sample_labels.h"
#include "collector/scrape/target.h"
#include "core/ring/ring.h"
#include "core/time/clock.h"

namespace collector::scrape {

// What fetching a target's metrics came to.
struct Fetch {
  std::int64_t time_ms = 0;    // of the scrape: the time of its samples
  core::SteadyTime started{};  // the same instant, for its duration
  std::string error;           // why there is no body; empty if there is one
  bool over_size = false;      // the error is that the body was too large
  std::string content_type;
  std::string body;
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
  std::uint64_t out_of_bounds = 0;   // too far in the future
  std::uint64_t series_refused = 0;  // samples whose series the ring had no room for
};

// One metric family of a target.
struct FamilyMetadata {
  std::string family;
  exposition::MetricType type = exposition::MetricType::kUnknown;
  std::string help;
  std::string unit;
};

// A sample further in the future than this is dropped.
inline constexpr std::int64_t kAheadMsMax = 10 * 60 * 1000;
// Families of one target whose metadata is kept; those past it are not noted.
inline constexpr std::size_t kFamiliesMax = 10'000;
// Bytes of a HELP text that are kept.
inline constexpr std::size_t kHelpBytesMax = 4096;
// Good scrapes for which a family that is gone is remembered.
inline constexpr std::uint64_t kFamilyScrapesKept = 10;

// The series of one target: which line of its text is which series, what it showed last time, and so what went stale.
// A body is read and judged whole before any of its samples is written.
//
// Thread safety: confined to the target's shard, except metadata(): any thread.
// Invariants: of a failed scrape nothing is in the ring but stale markers and the report series.
class TargetSeries {
 public:
  TargetSeries(std::shared_ptr<const Job> job, const Target& target);

  // Reads a body (or a failure) and appends what it means.
  ScrapeReport ingest(core::ring::Appender& appender, const core::Clock& clock, const Fetch& fetch);

  // The target is gone: markers at `time_ms` for every series and report series that has nothing newer.
  void end(core::ring::Appender& appender, std::int64_t time_ms);
  // Gives the timeline back. The last call.
  void close(core::ring::Appender& appender);

  // Goes on under a changed job, keeping what it knows. REQUIRES: reusable(old job, new job).
  void adopt(std::shared_ptr<const Job> job, core::Millis timeout);
  // Whether series resolved under one job hold under the other: they differ in timing, sample limit and HTTP at most.
  static bool reusable(const ScrapeConfig& a, const ScrapeConfig& b);

  std::vector<FamilyMetadata> metadata() const;

 private:
  // What a line's series text stands for.
  struct Line {
    std::string text;
    core::ring::SeriesRef series = core::ring::SeriesRef::kNone;
    std::unique_ptr<core::ring::Labels> labels;  // until the ring has the series
    exposition::MetricType type = exposition::MetricType::kUnknown;
    bool dropped = false;  // by metric relabelling
    bool has_samples = false;
    std::uint64_t seen = 0;  // the last scrape that showed it
  };
  struct PendingSample {
    Line* line;
    core::ring::Sample sample;
    bool own_time;
  };
  struct ReportSeries {
    core::ring::SeriesRef series = core::ring::SeriesRef::kNone;
  };
  struct Family {
    FamilyMetadata metadata;
    std::uint64_t seen = 0;
  };

  core::Result<void> read(const Fetch& fetch, ScrapeReport& report);
  core::Result<void> take_sample(const exposition::Parser& parser, std::int64_t time_ms, ScrapeReport& report);
  Line* find_line(std::string_view text);
  core::Result<Line*> add_line(const exposition::Parser& parser, ScrapeReport& report);
  void note_metadata(exposition::Entry entry, const exposition::Parser& parser, exposition::Format format);

  void write(core::ring::Appender& appender, const PendingSample& pending, std::int64_t now_ms, ScrapeReport& report);
  bool ensure_series(core::ring::Appender& appender, Line& line, ScrapeReport& report);
  void write_markers(core::ring::Appender& appender, std::int64_t time_ms);
  void write_reports(core::ring::Appender& appender, const Fetch& fetch, ScrapeReport& report);
  void write_report(core::ring::Appender& appender, std::string_view name, core::ring::Sample sample,
                    ScrapeReport& report);
  void forget_unseen(bool good);
  bool open(core::ring::Appender& appender);

  std::shared_ptr<const Job> job_;
  core::ring::Labels labels_;
  core::Millis timeout_;
  std::optional<core::ring::TimelineRef> timeline_;
  std::uint64_t scrape_ = 0;  // counts attempts
  std::uint64_t good_scrapes_ = 0;

  std::unordered_map<std::string_view, std::unique_ptr<Line>> lines_;  // keys view into the lines
  // The lines in the order of the last body: the next body's order is mostly the same.
  std::vector<Line*> order_;
  std::vector<Line*> next_order_;
  std::vector<Line*> tracked_;  // shown by the last scrape: stale when missing from the next
  std::vector<Line*> next_tracked_;
  std::vector<PendingSample> pending_;
  std::vector<core::ring::Label> decoded_;
  std::map<std::string, ReportSeries, std::less<>> reports_;

  mutable std::mutex metadata_mutex_;
  std::map<std::string, Family, std::less<>> families_;  // guarded by metadata_mutex_
};

}  // namespace collector::scrape

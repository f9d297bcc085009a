// SPDX-License-Identifier: Apache-2.0
#include "collector/scrape/target_series.h"

#include <algorithm>

#include "collector/scrape/negotiation.h"
#include "core/check.h"

namespace collector::scrape {
namespace {

using core::Errc;
using core::Result;
using core::ring::Appender;
using core::ring::AppendOutcome;
using core::ring::Labels;
using core::ring::Sample;
using core::ring::SeriesRef;
using exposition::Entry;
using exposition::Format;
using exposition::Parser;

double to_seconds(core::Duration duration) { return std::chrono::duration<double>(duration).count(); }

// A failure that a certain line caused, with the line's number as the parser's own errors have it.
core::Error at_line(const core::Error& error, const Parser& parser) {
  return {error.code, fmt::format("{} (line {})", error.message, parser.line())};
}

// Indexed by ReportSeries.
constexpr std::array<std::string_view, kReportSeriesCount> kReportNames = {
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
    "scrape_timeout_seconds",
    "scrape_sample_limit",
    "scrape_body_size_bytes",
};

// The type in whose light the line at `at` was read.
exposition::MetricType type_at(std::size_t at, const std::vector<TypeChange>& changes) {
  const auto after = std::upper_bound(changes.begin(), changes.end(), at,
                                      [](std::size_t place, const TypeChange& change) { return place < change.at; });
  return after == changes.begin() ? exposition::MetricType::kUnknown : std::prev(after)->type;
}

}  // namespace

TargetSeries::TargetSeries(std::shared_ptr<const Job> job, const Target& target, const ScrapeMemory& memory)
    : job_(std::move(job)),
      labels_(target.labels),
      timeline_identity_(target.timeline_identity()),
      timeout_(target.timeout),
      samples_max_(memory.samples_max) {
  if (memory.lines != nullptr) line_hold_.emplace(memory.lines);
}

// Whether there is memory for so many lines. In steps, so that the budget is not asked for each of them.
bool TargetSeries::hold_lines(std::size_t lines) {
  constexpr std::size_t kStep = 1024;
  return !line_hold_ || line_hold_->grow_to((lines + kStep - 1) / kStep * kStep * sizeof(Line));
}

bool TargetSeries::reusable(const ScrapeConfig& a, const ScrapeConfig& b) {
  ScrapeConfig same = a;
  same.scrape_interval = b.scrape_interval;
  same.scrape_timeout = b.scrape_timeout;
  same.sample_limit = b.sample_limit;
  same.expect = b.expect;
  same.http = b.http;
  return same == b;
}

void TargetSeries::adopt(std::shared_ptr<const Job> job, core::Millis timeout) {
  job_ = std::move(job);
  timeout_ = timeout;
}

ScrapeReport TargetSeries::ingest(Appender& appender, const core::Clock& clock, const Fetch& fetch,
                                  IngestScratch& scratch) {
  Intake intake{appender, fetch, scratch, {}, {}, false};
  ScrapeReport& report = intake.report;
  scrape_ = (scrape_ + 1) & kScrapeCountMask;
  const std::size_t lines_before = lines_.size();
  lines_.begin_body(scratch.index);
  report.error = fetch.error;
  report.body_bytes = fetch.over_size ? -1 : static_cast<std::int64_t>(fetch.body.size());
  if (report.error.empty()) {
    if (const auto whole = read(intake); !whole) report.error = whole.error().message;
  }
  if (open(appender)) {
    appender.begin(*timeline_, fetch.time_ms);
    // First, so that a target which shows an `up` of its own cannot speak for its health: the second value of a time is
    // dropped.
    write_report(ReportSeries::kUp, report.error.empty() ? 1.0 : 0.0, intake);
    if (report.error.empty()) write_all(intake);
    // Mostly everything is there again, and nothing is to be looked for.
    if (intake.counts.lines_again != body_lines_) {
      write_markers(appender, fetch.time_ms, (scrape_ - 1) & kScrapeCountMask);
    }
    report.duration = clock.steady_now() - fetch.started;
    write_reports(intake);
    appender.publish();
  } else {
    if (report.error.empty()) report.error = "the ring has no room for another target";
    report.duration = clock.steady_now() - fetch.started;
  }
  scratch.clear();
  lines_.end_body();
  body_lines_ = intake.counts.lines;
  forget_unseen(report.error.empty(), lines_before);
  return report;
}

bool TargetSeries::open(Appender& appender) {
  if (!timeline_) {
    const auto opened = appender.open_timeline(timeline_identity_);
    if (opened) timeline_ = *opened;
  }
  return timeline_.has_value();
}

Result<void> TargetSeries::read(Intake& intake) {
  const Fetch& fetch = intake.fetch;
  if (fetch.body.empty()) return {};  // a good scrape of nothing, whatever its type
  if (fetch.body.size() > kBodyOffsetMax) {
    return core::fail(Errc::kLimitExceeded, "more than {} bytes in one body", kBodyOffsetMax);
  }
  const Result<Format> format = choose_format(fetch.content_type, job_->config.fallback_scrape_protocol);
  if (!format) return core::fail(format.error());
  const LayoutReader::Options options = {.format = *format,
                                         .tolerance = job_->config.strict_exposition
                                                          ? exposition::Tolerance::kAsPrometheus
                                                          : exposition::Tolerance::kSloppy,
                                         .trusts_lines = format_ == *format,
                                         .reads_blocks = std::exchange(reads_blocks_, false),
                                         .honors_timestamps = job_->config.honor_timestamps,
                                         .tracks_own_times = job_->config.track_timestamps_staleness,
                                         .scrape = scrape_};
  format_ = *format;
  LayoutReader reader(fetch.body, options, hash_, lines_, intake.scratch);
  const Result<void> whole = read_entries(reader, *format, intake);
  intake.counts = reader.counts();
  intake.report.scraped = intake.counts.scraped;
  intake.report.post_relabeling = intake.counts.post_relabeling;
  intake.report.duplicates += intake.counts.duplicates;
  intake.report.tolerated = reader.parser().tolerated();
  // What is said of a family in two places holds as the last of them has it, which may not have been read just now.
  if (intake.noted_metadata && options.trusts_lines && !options.reads_blocks) reads_blocks_ = true;
  return whole;
}

Result<void> TargetSeries::read_entries(LayoutReader& reader, Format format, Intake& intake) {
  const std::uint64_t limit = job_->config.sample_limit;
  for (;;) {
    // Past the limits lines are only counted: none of the body will be written.
    const std::uint64_t most = limit > 0 ? std::min(limit, samples_max_) : samples_max_;
    const std::uint64_t have = reader.counts().post_relabeling;
    if (have < most) reader.take_known(most - have);
    switch (const Entry entry = reader.next()) {
      case Entry::kInvalid:
        return core::fail(reader.parser().error());
      case Entry::kHelp:
      case Entry::kType:
      case Entry::kUnit:
        if (!note_metadata(entry, reader.parser(), format)) ++intake.report.families_refused;
        intake.noted_metadata = true;
        break;
      case Entry::kSample:
        if (auto taken = take_sample(reader, intake); !taken)
          return core::fail(at_line(taken.error(), reader.parser()));
        break;
      case Entry::kEnd:
        if (limit > 0 && reader.counts().post_relabeling > limit) {
          return core::fail(Errc::kLimitExceeded, "sample limit exceeded");
        }
        return {};
      default:
        break;
    }
  }
}

Result<void> TargetSeries::take_sample(LayoutReader& reader, Intake& intake) {
  reader.count_scraped();
  if (reader.counts().scraped > samples_max_) {
    intake.report.over_memory = true;
    return core::fail(Errc::kLimitExceeded, "more than {} samples in one body: ring.max_series is too small for it",
                      samples_max_);
  }
  LineNumber number = reader.line();
  if (number == kNoLine) {
    const Result<LineNumber> added = add_line(reader, intake);
    if (!added) return core::fail(added.error());
    number = *added;
  }
  if (lines_[number].marks.dropped) {
    reader.pass(number);
    return {};
  }
  reader.count_kept();
  const std::uint64_t limit = job_->config.sample_limit;
  if (limit == 0 || reader.counts().post_relabeling <= limit) reader.take(number);
  return {};
}

// The labels are only looked at here, and decoded again where the series is made: they are large, and a body of new
// lines would have to hold them all.
Result<LineNumber> TargetSeries::add_line(LayoutReader& reader, Intake& intake) {
  reader.parser().labels(intake.scratch.labels);
  const Result<std::optional<Labels>> labels = sample_labels(*job_, labels_, intake.scratch.labels);
  if (!labels) return core::fail(labels.error());
  // A block of comments may come before each.
  if (lines_.size() + 2 > LineTable::kLinesMax || !hold_lines(lines_.size() + 2)) {
    intake.report.over_memory = true;
    return core::fail(Errc::kLimitExceeded,
                      "no memory left for another line: this target has {}, and ring.max_series bounds those of all",
                      lines_.size());
  }
  const LineNumber number = reader.add_line();
  lines_[number].marks.dropped = !labels->has_value();
  const std::uint64_t limit = job_->config.sample_limit;
  const bool counts = limit == 0 || reader.counts().post_relabeling < limit;
  if (labels->has_value() && counts) ++intake.report.series_added;
  return number;
}

// A series that is new, was reclaimed or was refused before is asked for under the labels its text stands for.
bool TargetSeries::ensure_series(const PendingSample& pending, Intake& intake) {
  Line& line = lines_[pending.line];
  if (line.series != SeriesRef::kNone) return true;
  const std::string_view text = std::string_view(intake.fetch.body).substr(pending.at, line.key.length);
  exposition::decode_series(text, type_at(pending.at, intake.scratch.types), intake.scratch.labels);
  const Result<std::optional<Labels>> labels = sample_labels(*job_, labels_, intake.scratch.labels);
  if (!labels || !labels->has_value()) return false;
  const auto series = intake.appender.upsert(*timeline_, **labels);
  if (!series) {
    ++intake.report.series_refused;
    return false;
  }
  line.series = *series;
  return true;
}

void TargetSeries::write_all(Intake& intake) {
  std::size_t own_times = 0;
  for (const PendingSample& pending : intake.scratch.pending) {
    if (pending.settled) [[likely]] {
      const AppendOutcome outcome = intake.appender.append(pending.series, pending.value);
      if (outcome == AppendOutcome::kAppended || outcome == AppendOutcome::kUnchanged) [[likely]]
        continue;
    }
    write(pending, pending.own_time ? intake.scratch.own_times_ms[own_times++] : intake.fetch.time_ms, intake);
  }
}

// A sample that needs a closer look, or had it wrong.
void TargetSeries::write(const PendingSample& pending, std::int64_t time_ms, Intake& intake) {
  Line& line = lines_[pending.line];
  ScrapeReport& report = intake.report;
  if (time_ms > intake.fetch.time_ms + kAheadMsMax) {
    ++report.out_of_bounds;
    return;
  }
  const auto append = [&] {
    return pending.own_time ? intake.appender.append_at(line.series, {time_ms, pending.value})
                            : intake.appender.append(line.series, pending.value);
  };
  if (!ensure_series(pending, intake)) return;
  AppendOutcome outcome = append();
  if (outcome == AppendOutcome::kGone) {
    line.series = SeriesRef::kNone;
    line.marks.has_samples = false;
    if (!ensure_series(pending, intake)) return;
    outcome = append();
  }
  switch (outcome) {
    case AppendOutcome::kAppended:
    case AppendOutcome::kUnchanged:
      line.marks.has_samples = true;
      break;
    case AppendOutcome::kOutOfOrder:
      ++report.out_of_order;
      break;
    case AppendOutcome::kDuplicate:
      ++report.duplicates;
      break;
    case AppendOutcome::kGone:
      break;
  }
}

// For the series that scrape `last_seen` showed and none after it. One series under two texts gets no marker beside its
// sample: the ring drops the second value of one time.
void TargetSeries::write_markers(Appender& appender, std::int64_t time_ms, std::uint32_t last_seen) {
  for (const Line& line : lines_) {
    if (line.marks.seen != last_seen || !line.marks.tracked || !line.marks.has_samples) continue;
    appender.append_at(line.series, {time_ms, core::ring::stale_marker()});
  }
}

void TargetSeries::write_report(ReportSeries which, double value, Intake& intake) {
  const auto index = static_cast<std::size_t>(which);
  SeriesRef& series = reports_[index];
  // Twice at most: a reclaimed series is made again once.
  for (int attempt = 0; attempt < 2; ++attempt) {
    if (series == SeriesRef::kNone) {
      const Labels labels = labels_.with(core::ring::kMetricName, kReportNames[index]);
      const auto made = intake.appender.upsert(*timeline_, labels);
      if (!made) {
        ++intake.report.series_refused;
        return;
      }
      series = *made;
    }
    if (intake.appender.append_at(series, {intake.fetch.time_ms, value}) != AppendOutcome::kGone) return;
    series = SeriesRef::kNone;
  }
}

void TargetSeries::write_reports(Intake& intake) {
  const ScrapeReport& report = intake.report;
  const auto put = [&](ReportSeries which, double value) { write_report(which, value, intake); };
  put(ReportSeries::kDuration, to_seconds(report.duration));
  put(ReportSeries::kSamplesScraped, static_cast<double>(report.scraped));
  put(ReportSeries::kSamplesPostRelabeling, static_cast<double>(report.post_relabeling));
  put(ReportSeries::kSeriesAdded, static_cast<double>(report.series_added));
  if (job_->config.extra_scrape_metrics.value_or(false)) {
    put(ReportSeries::kTimeout, to_seconds(timeout_));
    put(ReportSeries::kSampleLimit, static_cast<double>(job_->config.sample_limit));
    put(ReportSeries::kBodyBytes, static_cast<double>(report.body_bytes));
  }
}

void TargetSeries::end(Appender& appender, std::int64_t time_ms) {
  if (!timeline_) return;
  appender.begin(*timeline_, time_ms);
  write_markers(appender, time_ms, scrape_);
  for (const SeriesRef series : reports_) {
    if (series != SeriesRef::kNone) appender.append_at(series, {time_ms, core::ring::stale_marker()});
  }
  appender.publish();
  // Shown by no scrape any more: a marker is written once.
  scrape_ = (scrape_ + 1) & kScrapeCountMask;
}

void TargetSeries::close(Appender& appender) {
  if (timeline_) appender.close_timeline(*timeline_);
  timeline_.reset();
}

// Lines and families that come and go would fill the memory. Lines go when they are more than twice the living and two
// scrapes did not show them; and the new ones of a failed scrape, if they are many.
void TargetSeries::forget_unseen(bool good, std::size_t lines_before) {
  if (!good && lines_.size() > lines_before + kFailedLinesKept) lines_.cut(lines_before);
  if (lines_.size() > 2 * std::max(good_lines_, body_lines_) + kIdleLinesMin) {
    lines_.forget_if([this](const Line& line) { return ((scrape_ - line.marks.seen) & kScrapeCountMask) > 2; });
  }
  if (line_hold_) line_hold_->shrink_to((lines_.size() / 1024 + 1) * 1024 * sizeof(Line));
  if (good) {
    good_lines_ = body_lines_;
    ++good_scrapes_;
  }
  // What families there are shows when their lines are read, which the difference to the body before does not call for.
  if ((good_scrapes_ + 1) % kFamilyScrapesKept == 0) reads_blocks_ = true;
  if (!good) return;
  if (good_scrapes_ % kFamilyScrapesKept != 0) return;
  const std::lock_guard lock(metadata_mutex_);
  std::erase_if(families_, [this](const auto& each) { return each.second.seen + kFamilyScrapesKept < good_scrapes_; });
  metadata_bytes_ = 0;
  for (const auto& [name, family] : families_) metadata_bytes_ += name.size() + family.bytes();
}

// False if there is no room for it: whatever a target calls its families, and however many, it has its share and no
// more.
bool TargetSeries::note_metadata(Entry entry, const Parser& parser, Format format) {
  const std::lock_guard lock(metadata_mutex_);
  const std::string_view text = parser.text().substr(0, kHelpBytesMax);
  auto found = families_.find(parser.family());
  const bool known = found != families_.end();
  std::size_t more = known ? 0 : parser.family().size();
  if (entry != Entry::kType) {
    const std::size_t before = !known ? 0 : (entry == Entry::kHelp ? found->second.help : found->second.unit).size();
    more += text.size() - std::min(text.size(), before);
  }
  if (metadata_bytes_ + more > kMetadataBytesMax) return false;
  const std::size_t name_bytes = known ? 0 : parser.family().size();
  if (!known) {
    if (families_.size() >= kFamiliesMax) return false;
    found = families_.emplace(std::string(parser.family()), Family{}).first;
  }
  Family& family = found->second;
  family.seen = good_scrapes_;
  metadata_bytes_ += name_bytes - family.bytes();
  switch (entry) {
    case Entry::kHelp:
      // Mostly the same text as last time.
      if (family.help != text || text.find('\\') != std::string_view::npos) {
        family.help = exposition::decode_help(text, format);
      }
      break;
    case Entry::kType:
      family.type = parser.type();
      break;
    case Entry::kUnit:
      family.unit = text;
      break;
    default:
      break;
  }
  metadata_bytes_ += family.bytes();
  return true;
}

std::vector<FamilyMetadata> TargetSeries::metadata() const {
  const std::lock_guard lock(metadata_mutex_);
  std::vector<FamilyMetadata> result;
  result.reserve(families_.size());
  for (const auto& [name, family] : families_) result.push_back({name, family.type, family.help, family.unit});
  return result;
}

}  // namespace collector::scrape

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

}  // namespace

TargetSeries::TargetSeries(std::shared_ptr<const Job> job, const Target& target)
    : job_(std::move(job)), labels_(target.labels), timeout_(target.timeout) {}

bool TargetSeries::reusable(const ScrapeConfig& a, const ScrapeConfig& b) {
  ScrapeConfig same = a;
  same.scrape_interval = b.scrape_interval;
  same.scrape_timeout = b.scrape_timeout;
  same.sample_limit = b.sample_limit;
  same.http = b.http;
  return same == b;
}

void TargetSeries::adopt(std::shared_ptr<const Job> job, core::Millis timeout) {
  job_ = std::move(job);
  timeout_ = timeout;
}

ScrapeReport TargetSeries::ingest(Appender& appender, const core::Clock& clock, const Fetch& fetch) {
  ScrapeReport report;
  ++scrape_;
  pending_.clear();
  next_order_.clear();
  next_tracked_.clear();
  report.error = fetch.error;
  report.body_bytes = fetch.over_size ? -1 : static_cast<std::int64_t>(fetch.body.size());
  if (report.error.empty()) {
    if (const auto whole = read(fetch, report); !whole) report.error = whole.error().message;
  }
  if (!open(appender)) {
    report.error = report.error.empty() ? "the ring has no room for another target" : report.error;
    report.duration = clock.steady_now() - fetch.started;
    return report;
  }
  appender.begin(*timeline_, fetch.time_ms);
  // First, so that a target which shows an `up` of its own cannot speak for its health: the second value of a time is
  // dropped.
  write_report(appender, "up", {fetch.time_ms, report.error.empty() ? 1.0 : 0.0}, report);
  if (report.error.empty()) {
    for (const PendingSample& pending : pending_) write(appender, pending, fetch.time_ms, report);
  }
  write_markers(appender, fetch.time_ms);
  report.duration = clock.steady_now() - fetch.started;
  write_reports(appender, fetch, report);
  appender.publish();
  tracked_.swap(next_tracked_);
  const bool good = report.error.empty();
  if (good) order_.swap(next_order_);
  forget_unseen(good);
  return report;
}

bool TargetSeries::open(Appender& appender) {
  if (!timeline_) {
    const auto opened = appender.open_timeline();
    if (opened) timeline_ = *opened;
  }
  return timeline_.has_value();
}

Result<void> TargetSeries::read(const Fetch& fetch, ScrapeReport& report) {
  if (fetch.body.empty()) return {};  // a good scrape of nothing, whatever its type
  const Result<Format> format = choose_format(fetch.content_type, job_->config.fallback_scrape_protocol);
  if (!format) return core::fail(format.error());
  Parser parser(fetch.body, *format);
  const std::lock_guard lock(metadata_mutex_);
  for (Entry entry = parser.next(); entry != Entry::kEnd; entry = parser.next()) {
    switch (entry) {
      case Entry::kInvalid:
        return core::fail(parser.error());
      case Entry::kHelp:
      case Entry::kType:
      case Entry::kUnit:
        note_metadata(entry, parser, *format);
        break;
      case Entry::kSample:
        if (auto taken = take_sample(parser, fetch.time_ms, report); !taken) {
          return core::fail(at_line(taken.error(), parser));
        }
        break;
      default:
        break;
    }
  }
  const std::uint64_t limit = job_->config.sample_limit;
  if (limit > 0 && report.post_relabeling > limit) return core::fail(Errc::kLimitExceeded, "sample limit exceeded");
  return {};
}

Result<void> TargetSeries::take_sample(const Parser& parser, std::int64_t time_ms, ScrapeReport& report) {
  ++report.scraped;
  const std::uint64_t limit = job_->config.sample_limit;
  Line* line = find_line(parser.series());
  if (line == nullptr) {
    Result<Line*> added = add_line(parser, report);
    if (!added) return core::fail(added.error());
    line = *added;
  }
  next_order_.push_back(line);
  if (line->dropped) {
    line->seen = scrape_;
    return {};
  }
  ++report.post_relabeling;
  // Past the limit lines are only counted: none of the body will be written.
  if (limit > 0 && report.post_relabeling > limit) return {};
  const bool own_time = job_->config.honor_timestamps && parser.timestamp_ms().has_value();
  if (line->seen == scrape_ && !own_time) {
    ++report.duplicates;
    return {};
  }
  if (line->seen != scrape_ && (!own_time || job_->config.track_timestamps_staleness)) next_tracked_.push_back(line);
  line->seen = scrape_;
  pending_.push_back({line, {own_time ? *parser.timestamp_ms() : time_ms, parser.value()}, own_time});
  return {};
}

TargetSeries::Line* TargetSeries::find_line(std::string_view text) {
  const std::size_t position = next_order_.size();
  if (position < order_.size() && order_[position]->text == text) return order_[position];
  const auto found = lines_.find(text);
  return found == lines_.end() ? nullptr : found->second.get();
}

Result<TargetSeries::Line*> TargetSeries::add_line(const Parser& parser, ScrapeReport& report) {
  parser.labels(decoded_);
  Result<std::optional<Labels>> labels = sample_labels(*job_, labels_, decoded_);
  if (!labels) return core::fail(labels.error());
  auto line = std::make_unique<Line>();
  line->text = parser.series();
  line->type = parser.type();
  line->dropped = !labels->has_value();
  if (!line->dropped) line->labels = std::make_unique<Labels>(std::move(**labels));
  const std::uint64_t limit = job_->config.sample_limit;
  if (!line->dropped && (limit == 0 || report.post_relabeling < limit)) ++report.series_added;
  Line* added = line.get();
  lines_.emplace(std::string_view(added->text), std::move(line));
  return added;
}

// A series that was reclaimed, or refused before, is asked for again under the labels its text stands for.
bool TargetSeries::ensure_series(Appender& appender, Line& line, ScrapeReport& report) {
  if (line.series != SeriesRef::kNone) return true;
  if (!line.labels) {
    exposition::decode_series(line.text, line.type, decoded_);
    Result<std::optional<Labels>> labels = sample_labels(*job_, labels_, decoded_);
    if (!labels || !labels->has_value()) return false;
    line.labels = std::make_unique<Labels>(std::move(**labels));
  }
  const auto series = appender.upsert(*timeline_, *line.labels);
  if (!series) {
    ++report.series_refused;
    return false;
  }
  line.series = *series;
  line.labels.reset();
  return true;
}

void TargetSeries::write(Appender& appender, const PendingSample& pending, std::int64_t now_ms, ScrapeReport& report) {
  Line& line = *pending.line;
  if (pending.sample.time_ms > now_ms + kAheadMsMax) {
    ++report.out_of_bounds;
    return;
  }
  const auto append = [&] {
    return pending.own_time ? appender.append_at(line.series, pending.sample)
                            : appender.append(line.series, pending.sample.value);
  };
  if (!ensure_series(appender, line, report)) return;
  AppendOutcome outcome = append();
  if (outcome == AppendOutcome::kGone) {
    line.series = SeriesRef::kNone;
    if (!ensure_series(appender, line, report)) return;
    outcome = append();
  }
  switch (outcome) {
    case AppendOutcome::kAppended:
    case AppendOutcome::kUnchanged:
      line.has_samples = true;
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

// The series that the last scrape showed and this one did not. One series under two texts gets no marker beside its
// sample: the ring drops the second value of one time.
void TargetSeries::write_markers(Appender& appender, std::int64_t time_ms) {
  for (const Line* line : tracked_) {
    if (line->seen == scrape_ || !line->has_samples || line->series == SeriesRef::kNone) continue;
    appender.append_at(line->series, {time_ms, core::ring::stale_marker()});
  }
}

void TargetSeries::write_report(Appender& appender, std::string_view name, Sample sample, ScrapeReport& report) {
  auto found = reports_.find(name);
  if (found == reports_.end()) found = reports_.emplace(std::string(name), ReportSeries{}).first;
  // Twice at most: a reclaimed series is made again once.
  for (int attempt = 0; attempt < 2; ++attempt) {
    SeriesRef& series = found->second.series;
    if (series == SeriesRef::kNone) {
      const auto made = appender.upsert(*timeline_, labels_.with(core::ring::kMetricName, name));
      if (!made) {
        ++report.series_refused;
        return;
      }
      series = *made;
    }
    if (appender.append_at(series, sample) != AppendOutcome::kGone) return;
    series = SeriesRef::kNone;
  }
}

void TargetSeries::write_reports(Appender& appender, const Fetch& fetch, ScrapeReport& report) {
  const auto put = [&](std::string_view name, double value) {
    write_report(appender, name, {fetch.time_ms, value}, report);
  };
  put("scrape_duration_seconds", to_seconds(report.duration));
  put("scrape_samples_scraped", static_cast<double>(report.scraped));
  put("scrape_samples_post_metric_relabeling", static_cast<double>(report.post_relabeling));
  put("scrape_series_added", static_cast<double>(report.series_added));
  if (job_->config.extra_scrape_metrics.value_or(false)) {
    put("scrape_timeout_seconds", to_seconds(timeout_));
    put("scrape_sample_limit", static_cast<double>(job_->config.sample_limit));
    put("scrape_body_size_bytes", static_cast<double>(report.body_bytes));
  }
}

void TargetSeries::end(Appender& appender, std::int64_t time_ms) {
  if (!timeline_) return;
  appender.begin(*timeline_, time_ms);
  for (const Line* line : tracked_) {
    if (line->has_samples && line->series != SeriesRef::kNone) {
      appender.append_at(line->series, {time_ms, core::ring::stale_marker()});
    }
  }
  for (const auto& [name, report] : reports_) {
    if (report.series != SeriesRef::kNone) appender.append_at(report.series, {time_ms, core::ring::stale_marker()});
  }
  appender.publish();
  tracked_.clear();
}

void TargetSeries::close(Appender& appender) {
  if (timeline_) appender.close_timeline(*timeline_);
  timeline_.reset();
}

// Lines and families that come and go would fill the memory. Lines go when they are more than twice the living and two
// scrapes did not show them; a target whose scrapes fail keeps no order to guess from then.
void TargetSeries::forget_unseen(bool good) {
  if (lines_.size() > 2 * std::max(order_.size(), next_order_.size()) + 64) {
    if (!good) order_.clear();
    std::erase_if(lines_, [this](const auto& line) { return line.second->seen + 2 < scrape_; });
  }
  if (!good || ++good_scrapes_ % kFamilyScrapesKept != 0) return;
  const std::lock_guard lock(metadata_mutex_);
  std::erase_if(families_, [this](const auto& each) { return each.second.seen + kFamilyScrapesKept < good_scrapes_; });
}

void TargetSeries::note_metadata(Entry entry, const Parser& parser, Format format) {
  auto found = families_.find(parser.family());
  if (found == families_.end()) {
    if (families_.size() >= kFamiliesMax) return;
    found = families_.emplace(std::string(parser.family()), Family{}).first;
    found->second.metadata.family = found->first;
  }
  Family& family = found->second;
  family.seen = good_scrapes_;
  switch (entry) {
    case Entry::kHelp:
      family.metadata.help = exposition::decode_help(parser.text().substr(0, kHelpBytesMax), format);
      break;
    case Entry::kType:
      family.metadata.type = parser.type();
      break;
    case Entry::kUnit:
      family.metadata.unit = parser.text().substr(0, kHelpBytesMax);
      break;
    default:
      break;
  }
}

std::vector<FamilyMetadata> TargetSeries::metadata() const {
  const std::lock_guard lock(metadata_mutex_);
  std::vector<FamilyMetadata> result;
  result.reserve(families_.size());
  for (const auto& [name, family] : families_) result.push_back(family.metadata);
  return result;
}

}  // namespace collector::scrape

// SPDX-License-Identifier: Apache-2.0
#include "agent/wiring/evidence.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>

#include "actions/remedy/audit_log.h"
#include "actions/remedy/decision.h"
#include "core/store/database.h"

namespace agent {
namespace {

namespace fs = std::filesystem;
using core::Errc;
using core::fail;
using core::Result;
using nlohmann::json;

// Of a window of half an hour and its run: enough to see what moved when.
constexpr std::int64_t kPointsMax = 240;
constexpr std::uint64_t kSamplesMax = 2'000'000;
// Of one query: conditions wait for this thread, and so does the agent's end.
constexpr core::Millis kQueryTimeout = std::chrono::seconds(5);
constexpr std::size_t kAuditLinesMax = 200;

json number(double value) { return std::isfinite(value) ? json(value) : json(fmt::format("{}", value)); }

json labels_json(const core::ring::Labels& labels) {
  json object = json::object();
  for (const core::ring::Label& label : labels) object[label.name] = label.value;
  return object;
}

json series_json(const rules::promql::MatrixSeries& series) {
  json samples = json::array();
  for (const auto& sample : series.samples) samples.push_back({sample.time_ms, number(sample.value)});
  return {{"labels", labels_json(series.labels)}, {"samples", std::move(samples)}};
}

// One expression over the window; samples as [ms, value].
json range_json(const rules::promql::Engine& engine, const std::string& expr, rules::promql::RangeParameters range,
                std::size_t series_max) {
  json value = {{"expr", expr}, {"step_ms", range.step_ms}};
  const auto result = engine.range(expr, range);
  if (!result) {
    value["error"] = result.error().message;
    return value;
  }
  value["series"] = json::array();
  std::size_t left_out = 0;
  if (const auto* matrix = std::get_if<rules::promql::Matrix>(&result->value)) {
    for (const auto& series : *matrix) {
      if (value["series"].size() < series_max) {
        value["series"].push_back(series_json(series));
      } else {
        ++left_out;
      }
    }
  }
  value["series_left_out"] = left_out;
  return value;
}

json audit_json(const std::string& journal_path, const std::string& run) {
  auto database = core::store::Database::open_read_only(journal_path);
  if (!database) return {{"error", database.error().message}};
  json lines = json::array();
  std::size_t left_out = 0;
  const auto read = actions::remedy::AuditLog(*database).export_lines(run, [&](std::string_view line) {
    json entry = json::parse(line, nullptr, false);
    if (lines.size() >= kAuditLinesMax) {
      ++left_out;
    } else {
      lines.push_back(entry.is_discarded() ? json(std::string(line)) : std::move(entry));
    }
  });
  if (!read) return {{"error", read.error().message}};
  return {{"entries", std::move(lines)}, {"entries_left_out", left_out}};
}

// Probes of the alert's target, as they were told with debug=true.
json probes_json(const collector::probe::ProbeHistory& history, std::string_view instance) {
  json probes = json::array();
  if (instance.empty()) return probes;
  std::vector<std::uint64_t> known;
  for (const auto* list : {&history.failures, &history.recent}) {
    for (const auto& each : *list) {
      const bool same = each->query.target.find(instance) != std::string::npos;
      if (!same || std::ranges::find(known, each->id) != known.end()) continue;
      known.push_back(each->id);
      probes.push_back({{"module", each->query.module},
                        {"target", each->query.target},
                        {"started", core::format_rfc3339(each->started)},
                        {"verdict", collector::probe::to_string(each->verdict())},
                        {"transcript", collector::probe::debug_text(*each)}});
    }
  }
  return probes;
}

std::vector<std::string> expressions_of(const actions::remedy::Run& run, const actions::remedy::Policy& policy) {
  std::vector<std::string> expressions;
  if (const auto* remediation = policy.find(run.remediation)) {
    for (const auto& question : actions::remedy::questions_of(policy, *remediation)) {
      if (question.kind != actions::remedy::Question::Kind::kBackupAge) expressions.push_back(question.text);
    }
    if (remediation->verify) expressions.push_back(remediation->verify->expr);
  }
  return expressions;
}

}  // namespace

// Names of remediations may hold anything; those of files may not.
std::string EvidenceStore::path_of(const std::string& run) const {
  std::string name;
  for (const char c : run) {
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    name += plain ? c : '_';
  }
  return with_.folder + "/" + name.substr(0, 200) + ".json";
}

std::string EvidenceStore::document(const actions::remedy::Run& run, const actions::remedy::Policy& policy) const {
  rules::promql::EngineOptions options = with_.options;
  options.max_samples = std::min(options.max_samples, kSamplesMax);
  options.timeout = std::min(options.timeout, kQueryTimeout);
  options.cache = nullptr;
  const rules::promql::Engine engine(with_.reader, with_.clock, options);
  const std::int64_t end_ms = with_.clock.unix_ms();
  const std::int64_t from_ms =
      std::min(core::to_unix_ms(run.started.value_or(run.created)), end_ms) - std::int64_t{kBefore.count()};
  const std::int64_t step_ms = std::max<std::int64_t>(1000, (end_ms - from_ms) / kPointsMax);
  const rules::promql::RangeParameters range{from_ms, end_ms, step_ms};
  json value = {{"format", "watchkeeper-evidence-1"},
                {"written", core::format_rfc3339(with_.clock.wall_now())},
                {"run", json::parse(actions::remedy::to_json_text(run), nullptr, false)},
                {"audit", audit_json(with_.journal_path, run.id)},
                {"expressions", json::array()}};
  for (const std::string& expr : expressions_of(run, policy)) {
    value["expressions"].push_back(range_json(engine, expr, range, kSeriesMax));
  }
  const std::string instance(run.alert.get("instance"));
  if (!instance.empty()) {
    // Coarser than the expressions: these are many.
    const rules::promql::RangeParameters coarse{from_ms, end_ms, std::max<std::int64_t>(30'000, step_ms)};
    value["target"] = range_json(engine, "{instance=" + core::ring::go_quote(instance) + "}", coarse, kSeriesMax);
  }
  value["probes"] = probes_json(with_.probes(), instance);
  std::string text = value.dump(1, ' ', false, json::error_handler_t::replace);
  if (text.size() <= kFileBytesMax) return text;
  for (const char* const large : {"target", "probes"}) value[large] = "left out: the file would be too large";
  text = value.dump(1, ' ', false, json::error_handler_t::replace);
  if (text.size() <= kFileBytesMax) return text;
  value["expressions"] = "left out: the file would be too large";
  return value.dump(1, ' ', false, json::error_handler_t::replace);
}

EvidenceStore::EvidenceStore(Dependencies dependencies) : with_(std::move(dependencies)) {
  tidy_up({.runs = std::numeric_limits<std::uint32_t>::max(),
           .size = core::config::ByteSize{std::numeric_limits<std::uint64_t>::max()}});
}

void EvidenceStore::keep(const actions::remedy::Run& run, const actions::remedy::Policy& policy) {
  std::error_code problem;
  fs::create_directories(with_.folder, problem);
  const std::string path = path_of(run.id);
  {
    std::ofstream file(path + ".new", std::ios::binary | std::ios::trunc);
    file << document(run, policy) << '\n';
    file.close();
    if (!file) {
      ++stats_.failures;
      spdlog::error("evidence of {}: {} cannot be written", run.id, path);
      fs::remove(path + ".new", problem);
      return;
    }
  }
  fs::rename(path + ".new", path, problem);
  if (problem) {
    ++stats_.failures;
    spdlog::error("evidence of {}: {}: {}", run.id, path, problem.message());
  }
  tidy_up(policy.evidence);
}

void EvidenceStore::tidy_up(const actions::remedy::EvidenceLimits& limits) {
  struct File {
    fs::file_time_type written;
    fs::path path;
    std::uint64_t bytes = 0;
  };
  std::error_code problem;
  std::vector<File> files;
  for (const auto& entry : fs::directory_iterator(with_.folder, problem)) {
    if (entry.path().extension() != ".json") continue;
    files.push_back({entry.last_write_time(problem), entry.path(), entry.file_size(problem)});
  }
  std::ranges::sort(files, std::ranges::greater(), &File::written);
  std::uint64_t kept = 0;
  std::uint64_t bytes = 0;
  for (const File& file : files) {
    const bool fits = kept < limits.runs && bytes + file.bytes <= limits.size.bytes;
    if (kept == 0 || fits) {
      ++kept;
      bytes += file.bytes;
    } else if (fs::remove(file.path, problem)) {
      ++stats_.removed;
    }
  }
  stats_.files = kept;
  stats_.bytes = bytes;
}

Result<std::string> EvidenceStore::read(const std::string& run) const {
  std::ifstream file(path_of(run), std::ios::binary);
  if (!file) return fail(Errc::kNotFound, "there is no evidence of {}", run);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

}  // namespace agent

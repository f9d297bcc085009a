// SPDX-License-Identifier: Apache-2.0
// What the time-series ring costs: append, bytes, memory, reading, selecting, starting; and PromQL over it. Every
// figure is taken through the public interface and printed beside what it must reach and the command that takes it
// again, alone.
//
//   ring_bench [--only FIGURE] [--series FILE] [--series-1s FILE] [--series-load FILE] [--dir FOLDER] [--quick]
//
// FIGURE is the name of one, or the beginning of several up to a dash (append-load, read-hour). Without files the data
// is made: like a recording of a beacon node and its neighbours (made_series.h), and like a load test (made_load.h).
// FOLDER is where the rings lie while they are measured: best on the disk that the agent's will be on.
#include "ring_bench.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>

#include <fmt/format.h>

#include "made_load.h"
#include "made_series.h"
#include "test/support/background_process.h"

namespace ring_bench {
namespace {

std::int64_t thread_cpu_ns() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

// Every file this process made, or was about to.
std::vector<std::filesystem::path>& own_files() {
  static std::vector<std::filesystem::path> files;
  return files;
}

// "append" begins "append-made"; it does not begin "appending".
bool begins(std::string_view whole, std::string_view beginning) {
  return whole.starts_with(beginning) && (whole.size() == beginning.size() || whole[beginning.size()] == '-');
}

std::string in_words(const Bar& bar, double value) {
  if (bar.sense == Bar::Sense::kNone) return "-";
  const bool at_most = bar.sense == Bar::Sense::kAtMost;
  const auto reached = [&](double limit) { return at_most ? value <= limit : value >= limit; };
  std::string text = fmt::format("{} {}", at_most ? "<=" : ">=", bar.bar);
  if (bar.goal != 0) text += fmt::format(" (goal {})", bar.goal);
  return text + (!reached(bar.bar) ? " MISSED" : bar.goal != 0 && reached(bar.goal) ? " goal" : " met");
}

}  // namespace

bool Report::wants(std::string_view figure) const { return options_.only.empty() || begins(figure, options_.only); }

bool Report::wants_any(std::string_view beginning) const {
  return wants(beginning) || begins(options_.only, beginning);
}

void Report::head() const {
  fmt::print("{:<34} {:>10} {:>10} {:<13} {:<26} {}\n", "figure", "median", "best", "unit", "bar", "command");
}

void Report::line(const std::string& figure, std::vector<double> measured, std::string_view unit, Bar bar,
                  const std::string& files) {
  if (!wants(figure) || measured.empty()) return;
  printed_ = true;
  std::sort(measured.begin(), measured.end());
  const double median = measured[measured.size() / 2];
  const double best = bar.sense == Bar::Sense::kAtLeast ? measured.back() : measured.front();
  fmt::print("{:<34} {:>10.4g} {:>10.4g} {:<13} {:<26} {} --only {}{}{}\n", figure, median, best, unit,
             in_words(bar, median), options_.program, figure, files, options_.quick ? " --quick" : "");
  std::fflush(stdout);
}

void Report::note(const std::string& text) const {
  fmt::print("  # {}\n", text);
  std::fflush(stdout);
}

void give_up(const std::string& why) {
  // No destructor will run.
  for (const std::filesystem::path& file : own_files()) {
    std::error_code ignored;
    std::filesystem::remove(file, ignored);
  }
  std::fflush(stdout);
  fmt::print(stderr, "ring_bench: {}\n", why);
  std::exit(1);
}

Stopwatch::Stopwatch() : wall_start_(clock_.steady_now()), cpu_start_ns_(thread_cpu_ns()) {}

double Stopwatch::cpu_ns() const { return static_cast<double>(thread_cpu_ns() - cpu_start_ns_); }

double Stopwatch::wall_ns() const {
  return std::chrono::duration<double, std::nano>(clock_.steady_now() - wall_start_).count();
}

std::filesystem::path new_ring_file(const Options& options) {
  std::vector<std::filesystem::path>& files = own_files();
  return files.emplace_back(options.folder / fmt::format("ring_bench-{}-{}.ring", ::getpid(), files.size()));
}

core::ring::MappedRingOptions ring_options(const std::filesystem::path& file, std::uint64_t series,
                                           std::uint64_t bytes_per_series) {
  core::ring::MappedRingOptions options;
  options.path = file.string();
  // A little over: room for what does not grow with the series.
  options.max_series = series + series / 64 + 64;
  options.size_bytes = std::max(core::ring::kLeastMappedRingBytes, options.max_series * bytes_per_series);
  return options;
}

TemporaryRing::TemporaryRing(const Options& options, std::uint64_t series, std::uint64_t bytes_per_series)
    : file_(new_ring_file(options)) {
  auto opened = core::ring::open_mapped_ring(ring_options(file_, series, bytes_per_series));
  if (!opened) give_up(opened.error().message);
  ring_ = std::move(*opened);
}

TemporaryRing::~TemporaryRing() {
  ring_.reset();
  std::error_code ignored;
  std::filesystem::remove(file_, ignored);
}

std::string_view to_string(DataSet set) {
  switch (set) {
    case DataSet::kRecorded:
      return "recorded";
    case DataSet::kRecorded1s:
      return "recorded1s";
    case DataSet::kLoad:
      return "load";
  }
  return "";
}

namespace {

const std::filesystem::path& file_of(const Options& options, DataSet set) {
  return set == DataSet::kRecorded     ? options.series
         : set == DataSet::kRecorded1s ? options.series_1s
                                       : options.series_load;
}

}  // namespace

std::string files_option(const Options& options, DataSet set) {
  const std::filesystem::path& file = file_of(options, set);
  if (file.empty()) return "";
  const char* option = set == DataSet::kRecorded     ? "--series"
                       : set == DataSet::kRecorded1s ? "--series-1s"
                                                     : "--series-load";
  return fmt::format(" {} {}", option, file.string());
}

std::vector<RecordedTarget> load(const Options& options, DataSet set) {
  if (const std::filesystem::path& file = file_of(options, set); !file.empty()) {
    auto recording = load_recorded_series(file);
    if (!recording) give_up(recording.error().message);
    return std::move(*recording);
  }
  if (set == DataSet::kLoad) {
    MadeLoad source(2, 2000, 5000);
    return record(source, 200, 5000);
  }
  // As many targets, series and scrapes as the recordings have that the made data resembles.
  return make_recording(8, 975, 330, set == DataSet::kRecorded1s ? 1000 : 5000);
}

std::optional<double> run_child(const Options& options, const std::vector<std::string>& arguments) {
  const std::filesystem::path log = new_ring_file(options);
  std::vector<std::string> argv = {std::filesystem::read_symlink("/proc/self/exe").string()};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  if (options.quick) argv.push_back("--quick");
  std::optional<double> number;
  {
    test_support::BackgroundProcess child(argv, log);
    const std::optional<int> code = child.wait(std::chrono::seconds(120));
    const std::string text = child.log_text();
    if (code != 0) give_up(fmt::format("{} ended with {}: {}", arguments.at(1), code.value_or(-1), text));
    if (const std::size_t at = text.rfind("= "); at != std::string::npos) {
      double value = 0;
      const auto parsed = std::from_chars(text.data() + at + 2, text.data() + text.size(), value);
      if (parsed.ec == std::errc()) number = value;
    }
  }
  std::error_code ignored;
  std::filesystem::remove(log, ignored);
  return number;
}

namespace {

Options read_options(int argc, char** argv) {
  Options options;
  options.program = argv[0];
  options.folder = std::filesystem::temp_directory_path();
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--quick") {
      options.quick = true;
      continue;
    }
    if (name == "--filled") {
      options.filled = true;
      continue;
    }
    if (i + 1 == argc)
      give_up(fmt::format("unknown, or without its value: {}; the head of ring_bench.cpp says more", name));
    const std::string value = argv[++i];
    if (name == "--only") {
      options.only = value;
    } else if (name == "--dir") {
      options.folder = value;
    } else if (name == "--series") {
      options.series = value;
    } else if (name == "--series-1s") {
      options.series_1s = value;
    } else if (name == "--series-load") {
      options.series_load = value;
    } else if (name == "--ring") {
      options.ring_file = value;
    } else if (name == "--ring-series") {
      std::from_chars(value.data(), value.data() + value.size(), options.ring_series);
    } else {
      give_up(fmt::format("no such option: {}; the head of ring_bench.cpp says more", name));
    }
  }
  return options;
}

}  // namespace
}  // namespace ring_bench

int main(int argc, char** argv) {
  using namespace ring_bench;
  const Options options = read_options(argc, argv);
  if (options.only == "memory-child") return memory_child(options);
  if (options.only == "fill-child") return fill_child(options);
  if (options.only == "open-child") return open_child(options);
  Report report(options);
  report.head();
  bench_append(report);
  bench_bytes(report);
  bench_memory(report);
  bench_read(report);
  bench_gather_and_select(report);
  bench_query(report);
  bench_start(report);
  if (!report.printed_any()) give_up(fmt::format("no figure, or none that could be taken: {}", options.only));
  return 0;
}

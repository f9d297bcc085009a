// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/ring/mapped_ring.h"
#include "core/time/clock.h"
#include "recorded_series.h"

namespace ring_bench {

struct Options {
  std::string program;           // as it was called
  std::string only;              // a figure, or the beginning of the names of several up to a dash; empty: all
  std::filesystem::path folder;  // where the ring files are made, and removed
  std::filesystem::path series;  // recordings (recorded_series.h); empty: made data of the same kind
  std::filesystem::path series_1s;
  std::filesystem::path series_load;
  bool quick = false;  // a tenth of the data: does it run at all
  // For the programs that some figures start.
  bool filled = false;
  std::filesystem::path ring_file;
  std::uint64_t ring_series = 0;
};

// What a figure must reach.
struct Bar {
  enum class Sense { kNone, kAtMost, kAtLeast };
  Sense sense = Sense::kNone;
  double bar = 0;
  double goal = 0;  // 0: none
};

inline constexpr Bar kNoBar = {};
constexpr Bar at_most(double bar, double goal = 0) { return {Bar::Sense::kAtMost, bar, goal}; }
constexpr Bar at_least(double bar, double goal = 0) { return {Bar::Sense::kAtLeast, bar, goal}; }

// Prints figures, one a line, those that were asked for.
//
// Thread safety: confined to one thread.
class Report {
 public:
  explicit Report(const Options& options) : options_(options) {}

  const Options& options() const { return options_; }
  // Whether the figure is to be printed.
  bool wants(std::string_view figure) const;
  // Whether any figure whose name begins like this, up to a dash, is.
  bool wants_any(std::string_view beginning) const;

  void head() const;
  // The median and the best of what was measured. `files` are the options that name the data, for the command.
  void line(const std::string& figure, std::vector<double> measured, std::string_view unit, Bar bar,
            const std::string& files = "");
  bool printed_any() const { return printed_; }
  // In the middle of the lines: what they stand on.
  void note(const std::string& text) const;

 private:
  Options options_;
  bool printed_ = false;
};

// Ends the program: what was measured would mean nothing.
[[noreturn]] void give_up(const std::string& why);

// Time of the machine and of the calling thread since it was made.
//
// Thread safety: confined to one thread.
class Stopwatch {
 public:
  Stopwatch();
  double cpu_ns() const;
  double wall_ns() const;

 private:
  core::SystemClock clock_;
  core::SteadyTime wall_start_;
  std::int64_t cpu_start_ns_;
};

// A mapped ring in a file of its own, which goes with it.
//
// Thread safety: confined to one thread; the ring itself: any.
class TemporaryRing {
 public:
  // Of `series` series, with so many bytes of file for each.
  TemporaryRing(const Options& options, std::uint64_t series, std::uint64_t bytes_per_series);
  TemporaryRing(const TemporaryRing&) = delete;
  TemporaryRing& operator=(const TemporaryRing&) = delete;
  ~TemporaryRing();

  core::ring::MappedRing& operator*() const { return *ring_; }
  core::ring::MappedRing* operator->() const { return ring_.get(); }

 private:
  std::filesystem::path file_;
  std::unique_ptr<core::ring::MappedRing> ring_;
};

// A name in the folder for ring files that no other process takes.
std::filesystem::path new_ring_file(const Options& options);

// Options for a ring of `series` series in that file.
core::ring::MappedRingOptions ring_options(const std::filesystem::path& file, std::uint64_t series,
                                           std::uint64_t bytes_per_series);

// The data sets: a recording where one is named, made data otherwise.
enum class DataSet { kRecorded, kRecorded1s, kLoad };
std::string_view to_string(DataSet set);
std::vector<RecordedTarget> load(const Options& options, DataSet set);
// The part of a command line that names the file; empty for made data.
std::string files_option(const Options& options, DataSet set);

// Runs this program again with other arguments, to its end; the number it printed after "= ", none if there was none.
std::optional<double> run_child(const Options& options, const std::vector<std::string>& arguments);

// The figures. Each function prints those of its kind that the report wants.
void bench_append(Report& report);
void bench_bytes(Report& report);
void bench_memory(Report& report);
void bench_read(Report& report);
void bench_gather_and_select(Report& report);
void bench_query(Report& report);
void bench_start(Report& report);

// What the children do; the exit code.
int memory_child(const Options& options);
int fill_child(const Options& options);
int open_child(const Options& options);

}  // namespace ring_bench

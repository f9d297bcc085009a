// SPDX-License-Identifier: Apache-2.0
// What reading metrics bodies costs, on one core, beside what this machine could do at best: a copy of the same bytes,
// and their lines cut and their names compared, numbers read and stored with nothing else done. Every figure is printed
// with what it must reach and the command that takes it again, alone.
//
//   collection_bench [--only FIGURE] [--body FILE] [--quick]
//
// FILE is a metrics body (text format); without it, bodies are made like those of a load test: 20 targets of 2,000
// series, whose values change from scrape to scrape.
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "body_maker.h"
#include "collector/exposition/parser.h"
#include "collector/exposition/plain_number.h"
#include "collector/scrape/target_series.h"
#include "core/ring/mapped_ring.h"
#include "core/time/simulated_clock.h"

namespace collection_bench {
namespace {

using collector::exposition::Entry;
using collector::exposition::Format;
using collector::exposition::Parser;
namespace ring = core::ring;
namespace scrape = collector::scrape;

struct Options {
  std::string program;
  std::string only;
  std::filesystem::path body;
  bool quick = false;
};

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// Keeps the compiler from leaving out what nobody looks at.
template <class T>
void use(const T& value) {
  asm volatile("" : : "r"(&value) : "memory");
}

// The least that a store can be: one value a series, as the roof has it.
class ValueSink final : public ring::Appender {
 public:
  core::Result<ring::TimelineRef> open_timeline(std::uint64_t) override { return ring::TimelineRef{1}; }
  void close_timeline(ring::TimelineRef) override {}
  core::Result<ring::SeriesRef> upsert(ring::TimelineRef, const ring::Labels&) override {
    values_.resize(values_.size() + kApart);
    return ring::SeriesRef{values_.size() / kApart};
  }
  void begin(ring::TimelineRef, std::int64_t) override {}
  ring::AppendOutcome append(ring::SeriesRef series, double value) override {
    values_[(static_cast<std::uint64_t>(series) - 1) * kApart] = value;
    return ring::AppendOutcome::kAppended;
  }
  ring::AppendOutcome append_at(ring::SeriesRef series, ring::Sample sample) override {
    return append(series, sample.value);
  }
  void publish() override {}

 private:
  static constexpr std::size_t kApart = 16;
  std::vector<double> values_;
};

// One target, and what its scrapes bring, over and over.
struct Source {
  std::vector<std::string> bodies;
};

std::vector<Source> load(const Options& options) {
  if (!options.body.empty()) {
    std::ifstream file(options.body);
    return {{{std::string((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>())}}};
  }
  std::vector<Source> sources(options.quick ? 4 : 20);
  for (std::size_t i = 0; i < sources.size(); ++i) {
    BodyMaker maker(2000, i);
    for (int scrape = 0; scrape < 6; ++scrape) sources[i].bodies.push_back(maker.next());
  }
  return sources;
}

std::size_t samples_in(std::string_view body) {
  std::size_t samples = 0;
  Parser parser(body, Format::kPrometheusText);
  for (Entry entry = parser.next(); entry != Entry::kEnd && entry != Entry::kInvalid; entry = parser.next()) {
    samples += entry == Entry::kSample ? 1 : 0;
  }
  return samples;
}

class Bench {
 public:
  explicit Bench(Options options) : options_(std::move(options)), sources_(load(options_)) {
    for (const Source& source : sources_) {
      for (const std::string& body : source.bodies) {
        bytes_ += body.size();
        samples_ += samples_in(body);
      }
    }
  }

  bool run();

 private:
  using Pass = std::function<void(const std::string& body)>;

  bool wants(std::string_view figure) const { return options_.only.empty() || options_.only == figure; }
  void head() const;
  void print(std::string_view figure, std::vector<double> seconds, double bar, double goal);
  void measure(std::string_view figure, double bar, double goal, const Pass& pass);
  void roofs();
  void compare_and_store();
  void ingest(std::string_view figure, double bar, double goal, ring::Appender& appender, bool changes_layout);

  const Options options_;
  std::vector<Source> sources_;
  std::size_t bytes_ = 0;    // of one pass over all bodies
  std::size_t samples_ = 0;  // likewise
  bool printed_ = false;
};

void Bench::head() const {
  fmt::print("{} targets, {} bodies, {} samples of {:.1f} bytes\n", sources_.size(),
             sources_.size() * sources_.front().bodies.size(), samples_,
             static_cast<double>(bytes_) / static_cast<double>(samples_));
  fmt::print("{:<22} {:>8} {:>8} {:>10}  {:<24} {}\n", "figure", "GB/s", "best", "ns/sample", "bar (GB/s)", "command");
}

void Bench::print(std::string_view figure, std::vector<double> seconds, double bar, double goal) {
  printed_ = true;
  std::sort(seconds.begin(), seconds.end());
  const double median = seconds[seconds.size() / 2];
  const auto rate = [this](double time) { return static_cast<double>(bytes_) / time / 1e9; };
  std::string judged = "-";
  if (bar > 0) {
    judged = fmt::format(">= {}{} {}", bar, goal > 0 ? fmt::format(" (goal {})", goal) : "",
                         rate(median) < bar                 ? "MISSED"
                         : goal > 0 && rate(median) >= goal ? "goal"
                                                            : "met");
  }
  fmt::print("{:<22} {:>8.3f} {:>8.3f} {:>10.1f}  {:<24} {} --only {}{}{}\n", figure, rate(median),
             rate(seconds.front()), median / static_cast<double>(samples_) * 1e9, judged, options_.program, figure,
             options_.body.empty() ? "" : " --body " + options_.body.string(), options_.quick ? " --quick" : "");
  std::fflush(stdout);
}

// Runs over all bodies of all targets, scrape by scrape, as often as it takes for a median.
void Bench::measure(std::string_view figure, double bar, double goal, const Pass& pass) {
  if (!wants(figure)) return;
  std::vector<double> seconds;
  for (int round = 0; round < (options_.quick ? 3 : 9); ++round) {
    const double start = cpu_seconds();
    for (std::size_t scrape = 0; scrape < sources_.front().bodies.size(); ++scrape) {
      for (const Source& source : sources_) pass(source.bodies[scrape]);
    }
    seconds.push_back(cpu_seconds() - start);
  }
  print(figure, std::move(seconds), bar, goal);
}

const char* line_end(const char* at, const char* end) {
  return static_cast<const char*>(std::memchr(at, '\n', static_cast<std::size_t>(end - at)));
}

void Bench::roofs() {
  std::string copy;
  for (const Source& source : sources_) copy.resize(std::max(copy.size(), source.bodies.front().size() * 2));
  measure("copy", 0, 0, [&](const std::string& body) {
    std::memcpy(copy.data(), body.data(), body.size());
    use(copy);
  });
  measure("split", 0, 0, [&](const std::string& body) {
    std::size_t found = 0;
    const char* const end = body.data() + body.size();
    for (const char* at = body.data(); at < end;) {
      const char* const next = line_end(at, end);
      if (next == nullptr) break;
      const char* value = next;
      while (value > at && value[-1] != ' ') --value;
      found += static_cast<std::size_t>(value - at);
      at = next + 1;
    }
    use(found);
  });
}

// Lines known by comparison with a copy of all names and labels; numbers read and stored, one a series.
void Bench::compare_and_store() {
  struct Known {
    std::string texts;
    std::vector<std::uint32_t> lengths;
    std::vector<double> values;
  };
  std::vector<Known> known(sources_.size());
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    const std::string& body = sources_[i].bodies.front();
    Parser parser(body, Format::kPrometheusText);
    for (Entry entry = parser.next(); entry != Entry::kEnd; entry = parser.next()) {
      if (entry != Entry::kSample) continue;
      known[i].texts += parser.series();
      known[i].lengths.push_back(static_cast<std::uint32_t>(parser.series().size()));
    }
    known[i].values.resize(known[i].lengths.size() * 16);
  }
  std::size_t turn = 0;
  measure("compare-and-store", 0, 0, [&](const std::string& body) {
    Known& target = known[turn++ % known.size()];
    const char* text = target.texts.data();
    std::size_t line = 0;
    const char* const end = body.data() + body.size();
    for (const char* at = body.data(); at < end;) {
      if (*at == '#' || *at == '\n') {
        at = line_end(at, end) + 1;
        continue;
      }
      const std::size_t length = target.lengths[line];
      double value = 0;
      if (std::memcmp(at, text, length) != 0) break;
      const char* after = collector::exposition::read_plain_number(at + length + 1, value);
      if (after == nullptr) after = line_end(at, end);
      target.values[line++ * 16] = value;
      text += length;
      at = after + 1;
    }
    use(target.values);
  });
}

// Whole bodies, from text to the appender. With changes of layout, a line comes into the middle of every second body.
void Bench::ingest(std::string_view figure, double bar, double goal, ring::Appender& appender, bool changes_layout) {
  if (!wants(figure)) return;
  const core::SimulatedClock clock;
  scrape::IngestScratch scratch;
  std::vector<std::unique_ptr<scrape::TargetSeries>> targets;
  scrape::ScrapeConfig config;
  config.job_name = "bench";
  const auto job = scrape::Job::make(config);
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    scrape::Target target;
    target.labels = {{"job", "bench"}, {"instance", fmt::format("t{}", i)}};
    target.url = fmt::format("http://t{}/metrics", i);
    targets.push_back(std::make_unique<scrape::TargetSeries>(job, target));
  }
  scrape::Fetch fetch;
  fetch.content_type = "text/plain";
  fetch.time_ms = 1'700'000'000'000;
  std::vector<double> seconds;
  for (int round = -1; round < (options_.quick ? 3 : 9); ++round) {
    double spent = 0;
    for (std::size_t scrape = 0; scrape < sources_.front().bodies.size(); ++scrape) {
      fetch.time_ms += 5000;
      for (std::size_t i = 0; i < sources_.size(); ++i) {
        fetch.body = sources_[i].bodies[scrape];
        if (changes_layout && scrape % 2 == 1) {
          fetch.body.insert(fetch.body.find('\n', fetch.body.size() / 2) + 1, "comes_and_goes{now=\"here\"} 1\n");
        }
        const double start = cpu_seconds();
        const scrape::ScrapeReport report = targets[i]->ingest(appender, clock, fetch, scratch);
        spent += cpu_seconds() - start;
        if (!report.error.empty() || report.series_refused > 0) {
          fmt::print(stderr, "collection_bench: {}, {} series refused\n", report.error, report.series_refused);
          std::exit(1);
        }
      }
    }
    if (round >= 0) seconds.push_back(spent);  // the first round makes the series
  }
  print(figure, std::move(seconds), bar, goal);
  for (const auto& target : targets) target->close(appender);
}

bool Bench::run() {
  head();
  roofs();
  compare_and_store();
  measure("parse-full", 0.5, 0, [](const std::string& body) {
    Parser parser(body, Format::kPrometheusText);
    double sum = 0;
    for (Entry entry = parser.next(); entry != Entry::kEnd && entry != Entry::kInvalid; entry = parser.next()) {
      if (entry == Entry::kSample) sum += parser.value();
    }
    use(sum);
  });
  ValueSink sink;
  ingest("ingest-unchanged", 1.5, 2.2, sink, false);
  ValueSink second_sink;
  ingest("ingest-line-more-less", 0, 0, second_sink, true);
  if (!wants("ingest-ring")) return printed_;
  const auto file = std::filesystem::temp_directory_path() / fmt::format("collection_bench-{}.ring", ::getpid());
  core::ring::MappedRingOptions ring_options;
  ring_options.path = file.string();
  ring_options.max_series = samples_ / sources_.front().bodies.size() + 1000;
  ring_options.size_bytes = std::max(core::ring::kLeastMappedRingBytes, ring_options.max_series * 400);
  {
    const auto opened = core::ring::open_mapped_ring(ring_options);
    if (!opened) {
      fmt::print(stderr, "collection_bench: {}\n", opened.error().message);
      std::exit(1);
    }
    ingest("ingest-ring", 0, 0, *(*opened)->make_appender(), false);
  }
  std::error_code ignored;
  std::filesystem::remove(file, ignored);
  return printed_;
}

}  // namespace
}  // namespace collection_bench

int main(int argc, char** argv) {
  collection_bench::Options options;
  options.program = argv[0];
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--quick") {
      options.quick = true;
    } else if (i + 1 < argc && name == "--only") {
      options.only = argv[++i];
    } else if (i + 1 < argc && name == "--body") {
      options.body = argv[++i];
    } else {
      fmt::print(stderr, "collection_bench: unknown, or without its value: {}\n", name);
      return 2;
    }
  }
  if (collection_bench::Bench(options).run()) return 0;
  fmt::print(stderr, "collection_bench: no such figure: {}\n", options.only);
  return 1;
}

// SPDX-License-Identifier: Apache-2.0
// A writer that is looked at between its instructions: whenever it might be killed, its file shows whole scrapes only,
// and whoever goes on with it finds what was published and nothing else. RING_SEED=<seed> repeats a run.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <map>

#include "core/ring/mapped_ring.h"
#include "test/fault/child.h"
#include "test/unit/core/ring/ring_model.h"

namespace fault_test {
namespace {

using core::ring::Appender;
using core::ring::AppendOutcome;
using core::ring::Labels;
using core::ring::MappedRing;
using core::ring::MappedRingOptions;
using core::ring::Ring;
using core::ring::Sample;
using core::ring::SeriesRef;
using core::ring::TimelineRef;
using ring_test::Random;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::int64_t kStride = 2000;  // a sanitizer's instructions are most of them, and its checks are slow
#else
constexpr std::int64_t kStride = 60;
#endif

// Everything that a ring shows; a series without samples is not in it.
using Content = std::map<Labels, std::vector<Sample>>;

Content content_of(const Ring& ring) {
  Content content;
  for (const auto& series : ring.reader().select({})) {
    std::vector<Sample> samples = ring_test::read(ring.reader(), series.ref);
    if (samples.empty()) continue;
    auto& there = content[*series.labels];
    // Twice under the same labels is as wrong as a wrong sample.
    there.insert(there.end(), samples.begin(), samples.end());
  }
  return content;
}

bool same(const Content& a, const Content& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.first == y.first && ring_test::same_samples(x.second, y.second);
  });
}

std::string difference(const Content& got, const Content& wanted) {
  std::string text;
  for (const auto& [labels, samples] : wanted) {
    const auto found = got.find(labels);
    if (found == got.end()) {
      text += labels.to_string() + " is missing; ";
    } else if (!ring_test::same_samples(found->second, samples)) {
      text += labels.to_string() + ": " + ring_test::difference(found->second, samples) + "; ";
    }
  }
  for (const auto& [labels, samples] : got) {
    if (!wanted.contains(labels)) text += labels.to_string() + " was never published; ";
  }
  return text.substr(0, 600);
}

// Two targets with a thread each, and what is done with them. The same on any ring, so that a memory ring tells what a
// mapped one has to show.
class Stage {
 public:
  explicit Stage(Ring& ring) {
    for (auto& appender : appenders_) appender = ring.make_appender();
    for (std::size_t i = 0; i < 2; ++i) open(i);
  }

  void open(std::size_t target) { timelines_[target] = *appenders_[target]->open_timeline(target + 1); }
  void close(std::size_t target) { appenders_[target]->close_timeline(timelines_[target]); }
  SeriesRef upsert(std::size_t target, const std::string& name) {
    return refs_[{target, name}] = *appenders_[target]->upsert(timelines_[target], {{"__name__", name}});
  }

  // A scrape of series by name: made where they are not there yet.
  void scrape(std::size_t target, std::int64_t time_ms, const std::map<std::string, double>& values,
              const std::map<std::string, Sample>& own_times = {}) {
    Appender& by = *appenders_[target];
    by.begin(timelines_[target], time_ms);
    for (const auto& [name, value] : values) {
      if (by.append(ref(target, name), value) == AppendOutcome::kGone) by.append(upsert(target, name), value);
    }
    for (const auto& [name, sample] : own_times) {
      if (by.append_at(ref(target, name), sample) == AppendOutcome::kGone) by.append_at(upsert(target, name), sample);
    }
    by.publish();
  }

 private:
  SeriesRef ref(std::size_t target, const std::string& name) {
    const auto found = refs_.find({target, name});
    return found != refs_.end() ? found->second : upsert(target, name);
  }

  std::array<std::unique_ptr<Appender>, 2> appenders_;
  std::array<TimelineRef, 2> timelines_{};
  std::map<std::pair<std::size_t, std::string>, SeriesRef> refs_;
};

struct Scenario {
  std::string name;
  std::function<void(Stage&)> before;
  std::vector<std::function<void(Stage&)>> watched;  // after each of these a memory ring is asked
};

double dice(int a, int b) { return std::bit_cast<double>(Random::mix(static_cast<std::uint64_t>(a * 1000 + b))); }

// Series of every kind of history, on either target.
void usual_scrape(Stage& stage, std::size_t target, int n) {
  std::map<std::string, double> values = {{"counter", n * 7}, {"constant", 4}, {"decimal", n / 8.0 + 0.1}};
  for (int i = 0; i < 4; ++i) values["bits" + std::to_string(i)] = dice(i, n);
  if (n % 3 != 0) values["gaps"] = n / 4;
  if (n % 4 < 2) values["constant_gaps"] = 6;
  std::map<std::string, double> named;
  for (const auto& [name, value] : values) named[name + "_" + std::to_string(target)] = value;
  const std::string own = "own_time_" + std::to_string(target);
  stage.scrape(target, n * 1000, named, {{own, {n * 1000 - 300, static_cast<double>(n / 2)}}});
}

std::vector<Scenario> scenarios() {
  const auto history = [](Stage& stage) {
    for (int n = 1; n <= 30; ++n) {
      usual_scrape(stage, 0, n);
      usual_scrape(stage, 1, n);
    }
  };
  std::vector<Scenario> all;
  all.push_back({"the first scrapes of all", [](Stage&) {}, {}});
  for (int n = 1; n <= 3; ++n) all.back().watched.push_back([n](Stage& stage) { usual_scrape(stage, 0, n); });
  all.push_back({"scrapes that fill chunks", history, {}});
  for (int n = 31; n <= 38; ++n) {
    all.back().watched.push_back([n](Stage& stage) { usual_scrape(stage, static_cast<std::size_t>(n % 2), n); });
  }
  all.push_back({"series that come, go and come back", history, {}});
  for (int n = 31; n <= 34; ++n) {
    all.back().watched.push_back([n](Stage& stage) {
      stage.scrape(0, n * 1000, {{"new_" + std::to_string(n), n}, {n % 2 == 0 ? "constant_0" : "counter_0", 4}});
    });
  }
  all.push_back({"a page of times that fills",
                 [](Stage& stage) {
                   for (int n = 1; n <= 1021; ++n) stage.scrape(0, n * 1000, {{"a", n}, {"b", 1}});
                 },
                 {}});
  for (int n = 1022; n <= 1027; ++n) {
    all.back().watched.push_back([n](Stage& stage) { stage.scrape(0, n * 1000, {{"a", n}, {"b", 1}}); });
  }
  all.push_back({"series that change hands", history, {}});
  for (int n = 31; n <= 34; ++n) {
    all.back().watched.push_back([n](Stage& stage) {
      const auto target = static_cast<std::size_t>(n % 2);
      for (const char* name : {"counter_0", "constant_0", "own_time_0", "gaps_0", "bits0_0"})
        stage.upsert(target, name);
      stage.scrape(target, n * 1000, {{"counter_0", n}, {"constant_0", 4}, {"gaps_0", 1}, {"bits0_0", dice(0, n)}},
                   {{"own_time_0", {n * 1000 - 1, 5}}});
    });
  }
  all.push_back({"a timeline that is closed and opened again", history, {}});
  for (int n = 31; n <= 33; ++n) {
    all.back().watched.push_back([n](Stage& stage) {
      stage.close(0);
      stage.open(0);
      for (const char* name : {"counter_0", "constant_0", "own_time_0"}) stage.upsert(0, name);
      stage.scrape(0, n * 1000, {{"counter_0", n}, {"constant_0", 4}}, {{"own_time_0", {n * 1000 - 1, 5}}});
    });
  }
  all.push_back({"own times that begin and end", history, {}});
  for (int n = 31; n <= 34; ++n) {
    all.back().watched.push_back([n](Stage& stage) {
      const bool own = n % 2 == 1;
      std::map<std::string, double> at_scrape = {{"counter_0", n}, {"constant_0", 4}, {"bits1_0", dice(1, n)}};
      std::map<std::string, Sample> timed;
      if (own) {
        for (const auto& [name, value] : at_scrape) timed[name] = {n * 1000 - 7, value};
        at_scrape.clear();
      }
      stage.scrape(0, n * 1000, at_scrape, timed);
    });
  }
  return all;
}

// What a ring shows after each watched step, by the memory ring.
std::vector<Content> wanted_of(const Scenario& scenario) {
  const auto ring = core::ring::make_memory_ring();
  Stage stage(*ring);
  scenario.before(stage);
  std::vector<Content> contents = {content_of(*ring)};
  for (const auto& step : scenario.watched) {
    step(stage);
    contents.push_back(content_of(*ring));
  }
  return contents;
}

// A file, seen as the page cache has it: with whatever its writer stored so far.
class FileView {
 public:
  explicit FileView(const std::string& path) {
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    CHECK(descriptor >= 0, "the watched file is there");
    bytes_ = static_cast<std::size_t>(std::filesystem::file_size(path));
    data_ = ::mmap(nullptr, bytes_, PROT_READ, MAP_SHARED, descriptor, 0);
    ::close(descriptor);
    CHECK(data_ != MAP_FAILED, "the watched file can be mapped");
    seen_.assign(static_cast<const char*>(data_), bytes_);
  }
  FileView(const FileView&) = delete;
  FileView& operator=(const FileView&) = delete;
  ~FileView() { ::munmap(data_, bytes_); }

  // Whether it changed since the last call.
  bool changed() {
    if (std::memcmp(seen_.data(), data_, bytes_) == 0) return false;
    seen_.assign(static_cast<const char*>(data_), bytes_);
    return true;
  }
  const std::string& bytes() const { return seen_; }

 private:
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
  std::string seen_;
};

class RingStep : public testing::TestWithParam<std::size_t> {
 protected:
  // The child's life: everything before, a stop, what is watched, another stop.
  void act(const Scenario& scenario) {
    const auto ring = ring_test::open_or_abort(options_);
    Stage stage(*ring);
    scenario.before(stage);
    if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) ::_exit(3);
    ::raise(SIGSTOP);
    for (const auto& step : scenario.watched) step(stage);
    ::raise(SIGSTOP);
    ::_exit(0);
  }

  // Some instructions further. False at the second stop, or at the end.
  static bool step(pid_t writer, std::uint64_t instructions) {
    for (std::uint64_t i = 0; i < instructions; ++i) {
      int status = 0;
      if (::ptrace(PTRACE_SINGLESTEP, writer, nullptr, nullptr) != 0) return false;
      if (::waitpid(writer, &status, 0) != writer || !WIFSTOPPED(status)) return false;
      if (WSTOPSIG(status) == SIGSTOP) return false;
    }
    return true;
  }

  // Opens what a kill at this moment leaves, and goes on with it. `at` is the first of the contents that it may show,
  // and becomes the one that it shows.
  std::string check(const std::string& bytes, const std::vector<Content>& contents, std::size_t& at) {
    MappedRingOptions killed = options_;
    killed.path = folder_.file("killed");
    ring_test::write_bytes(killed.path, bytes);
    Content shown;
    {
      const auto ring = core::ring::open_mapped_ring(killed);
      if (!ring) return "not opened: " + ring.error().message;
      const auto& recovery = (*ring)->recovery();
      if (recovery.series_dropped + recovery.chunks_dropped + recovery.times_dropped != 0)
        return "something was dropped";
      shown = content_of(**ring);
      const std::size_t before = at;
      while (at < contents.size() && !same(shown, contents[at])) ++at;
      if (at == contents.size()) return "no whole scrapes: " + difference(shown, contents[before]);
      // Once more as it is, once more with another process in between that did nothing.
      if (random_.one_in(2)) {
        const std::string wrong = go_on(**ring, shown);
        if (!wrong.empty()) return "going on: " + wrong;
        return {};
      }
    }
    const auto again = core::ring::open_mapped_ring(killed);
    if (!again) return "not opened again: " + again.error().message;
    const std::string wrong = go_on(**again, shown);
    return wrong.empty() ? wrong : "going on after another start: " + wrong;
  }

  // Scrapes in which half of the series are there again, with other values or the same ones.
  std::string go_on(Ring& ring, Content wanted) {
    Stage stage(ring);
    for (int n = 0; n < 3; ++n) {
      const std::int64_t time_ms = 2'000'000 + n * 1000;
      std::map<std::string, double> values;
      for (auto& [labels, samples] : wanted) {
        if (random_.one_in(2)) continue;
        const double value = random_.one_in(2) ? samples.back().value : static_cast<double>(random_.below(100));
        values[std::string(labels.metric_name())] = value;
        samples.push_back({time_ms, value});
      }
      stage.scrape(random_.below(2), time_ms, values);
      if (const Content shown = content_of(ring); !same(shown, wanted)) return difference(shown, wanted);
    }
    return {};
  }

  Random random_{ring_test::test_seed()};
  ring_test::RingFolder folder_;
  MappedRingOptions options_{
      .path = folder_.file(), .size_bytes = core::ring::kLeastMappedRingBytes, .max_series = 200, .boot_id = "b"};
  std::size_t first_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Scenarios, RingStep, testing::Range<std::size_t>(0, scenarios().size()), [](const auto& each) {
  std::string name = scenarios()[each.param].name;
  std::erase(name, ',');
  std::replace(name.begin(), name.end(), ' ', '_');
  return name;
});

TEST_P(RingStep, EveryMomentLeavesWholeScrapes) {
  const Scenario scenario = scenarios()[GetParam()];
  const std::vector<Content> contents = wanted_of(scenario);
  const pid_t writer = fork_child([&] { act(scenario); });
  int status = 0;
  ASSERT_EQ(::waitpid(writer, &status, WUNTRACED), writer);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 3) GTEST_SKIP() << "no tracing here";
  ASSERT_TRUE(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP) << "status " << status;
  FileView file(options_.path);
  std::string wrong = check(file.bytes(), contents, first_);
  int looks = 1;
  while (wrong.empty() && step(writer, static_cast<std::uint64_t>(random_.between(1, kStride)))) {
    if (!file.changed()) continue;
    ++looks;
    wrong = check(file.bytes(), contents, first_);
  }
  if (wrong.empty()) {
    wrong = check(file.bytes(), contents, first_);
    EXPECT_EQ(first_ + 1, contents.size()) << "the end was not reached";
  }
  ::kill(writer, SIGKILL);
  (void)wait_for(writer);
  std::printf("[    looks ] %d\n", looks);
  EXPECT_EQ(wrong, "") << "look " << looks;
}

}  // namespace
}  // namespace fault_test

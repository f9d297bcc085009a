// SPDX-License-Identifier: Apache-2.0
// Runs Prometheus's PromQL test scripts: promqltest FILE...
// Lists every failure and skip as file:line: reason and ends with `N passed, N failed, N skipped`. An eval is one case.
// Exit status: 0 all passed or skipped, 1 a failure, 2 wrong usage.
#include <cstddef>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

#include <fmt/format.h>

#include "core/time/clock.h"
#include "eval_case.h"
#include "script.h"
#include "storage.h"

namespace {

struct Tally {
  std::size_t passed = 0;
  std::size_t failed = 0;
  std::size_t skipped = 0;
};

void report(const std::string& file, std::size_t line, const char* what, const std::string& reason) {
  fmt::print("{}:{}: {}: {}\n", file, line, what, reason);
}

void run_script(const std::string& file, const std::string& text, const core::Clock& clock, Tally& tally) {
  promqltest::Storage storage;
  for (const promqltest::Command& command : promqltest::parse_script(text)) {
    if (const auto* broken = std::get_if<promqltest::BrokenCommand>(&command.action)) {
      report(file, command.line, "failed", broken->reason);
      ++tally.failed;
    } else if (const auto* load = std::get_if<promqltest::LoadCommand>(&command.action)) {
      for (const promqltest::LoadedSeries& series : load->series) storage.load(series.labels, series.samples);
    } else if (const auto* eval = std::get_if<promqltest::EvalCommand>(&command.action)) {
      const promqltest::Outcome outcome = promqltest::run_eval(*eval, storage, clock);
      if (outcome.verdict == promqltest::Verdict::kPassed) {
        ++tally.passed;
      } else if (outcome.verdict == promqltest::Verdict::kSkipped) {
        report(file, command.line, "skipped", outcome.reason);
        ++tally.skipped;
      } else {
        report(file, command.line, "failed", outcome.reason);
        ++tally.failed;
      }
    } else {
      storage.clear();
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  constexpr int kUsage = 2;
  if (argc < 2 || argv[1][0] == '-') {
    fmt::print(stderr, "usage: promqltest FILE...\n");
    return kUsage;
  }
  const core::SystemClock clock;
  Tally tally;
  for (int i = 1; i < argc; ++i) {
    std::ifstream input(argv[i]);
    const std::string text{std::istreambuf_iterator<char>(input), std::istreambuf_iterator<char>()};
    if (!input.is_open() || input.bad()) {
      fmt::print(stderr, "promqltest: cannot read {}\n", argv[i]);
      return kUsage;
    }
    run_script(argv[i], text, clock, tally);
  }
  fmt::print("{} passed, {} failed, {} skipped\n", tally.passed, tally.failed, tally.skipped);
  return tally.failed == 0 ? 0 : 1;
}

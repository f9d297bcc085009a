// SPDX-License-Identifier: Apache-2.0
// How long it takes to parse a rule's expression: lexing, building the tree, checking types. The bound of a typical
// expression is five microseconds; exits 1 past it. Also printing, which a reload does once a rule.
#include <algorithm>
#include <array>
#include <cstdio>
#include <limits>
#include <string_view>

#include "core/time/clock.h"
#include "rules/promql/parser.h"
#include "rules/promql/printer.h"

namespace {

constexpr double kMostMicroseconds = 5;
constexpr int kMeasurements = 400;
constexpr int kRounds = 50;

struct Subject {
  const char* name;
  std::string_view query;
  bool typical;  // the bound holds
};

// What the shipped rules and those of the field look like.
constexpr std::array<Subject, 7> kSubjects = {{
    {"threshold", "up == 0", true},
    {"difference", "slotclock_present_epoch - beacon_finalized_epoch > 4", true},
    {"matchers", R"(node_filesystem_avail_bytes{fstype!~"tmpfs|ramfs",mountpoint="/var/lib/geth"} < 10e9)", true},
    {"aggregated rate", "sum without (method, status) (rate(execution_layer_payload_status[5m])) == 0", true},
    {"ratio", R"(increase(rpc_failure{job="geth"}[10m]) / (increase(rpc_requests[10m]) > 50) > 0.2)", true},
    {"join", "increase(a_total[5m]) * on (instance, job) group_left (version) build_info unless on (job) absent(b)",
     true},
    {"long",
     R"(histogram_quantile(0.99, sum by (le, job) (rate(request_seconds_bucket{job=~"api|web",code!="500"}[5m])))
        > 2 and on (job) (avg_over_time(up{job=~"api|web"}[1h:1m] offset 5m) > bool 0.9) or label_replace(
        max by (job) (last_over_time(started[10m])), "from", "$1", "job", "(.*)-.*") < time() - 3600)",
     false},
}};

// The least of many short measurements, in microseconds a call: whatever else the machine does only adds to it.
template <class Call>
double time_of(const core::Clock& clock, Call call) {
  double least = std::numeric_limits<double>::max();
  for (int measurement = 0; measurement < kMeasurements; ++measurement) {
    const core::SteadyTime start = clock.steady_now();
    for (int round = 0; round < kRounds; ++round) call();
    least = std::min(least, std::chrono::duration<double, std::micro>(clock.steady_now() - start).count() / kRounds);
  }
  return least;
}

}  // namespace

int main() {
  const core::SystemClock clock;
  bool good = true;
  std::size_t bytes = 0;
  std::printf("%-16s %6s %10s %10s\n", "expression", "bytes", "parse us", "print us");
  for (const Subject& subject : kSubjects) {
    const auto parsed = rules::promql::parse(subject.query);
    if (!parsed) {
      std::printf("%s: %s\n", subject.name, parsed.error().message.c_str());
      return 1;
    }
    const double parse = time_of(clock, [&] { bytes += rules::promql::parse(subject.query).has_value() ? 1U : 0U; });
    const double print = time_of(clock, [&] { bytes += rules::promql::print(**parsed).size(); });
    std::printf("%-16s %6zu %10.2f %10.2f\n", subject.name, subject.query.size(), parse, print);
    good = good && (!subject.typical || parse <= kMostMicroseconds);
  }
  if (bytes == 0) return 1;  // nothing above may be left out by the compiler
  if (!good) std::printf("parsing a typical expression takes more than %.0f us\n", kMostMicroseconds);
  return good ? 0 : 1;
}

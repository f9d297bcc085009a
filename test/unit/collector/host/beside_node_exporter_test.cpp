// SPDX-License-Identifier: Apache-2.0
// Debian's node_exporter on this host beside our own reading, series by series: what it has we have, with the same
// type and value, or docs/host-metrics.md says that it is left out.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <re2/re2.h>

#include <algorithm>
#include <fstream>
#include <set>

#include "collector/host/host_metrics.h"
#include "core/ring/labels.h"
#include "test/support/background_process.h"
#include "test/unit/collector/host/host_tree.h"

namespace collector::host {
namespace {

using test_support::BackgroundProcess;
using test_support::eventually;

// What /metrics says: types by family, and samples.
struct Said {
  std::map<std::string, std::string> types;
  std::map<std::string, double> samples;
};

Said parse(const std::string& text) {
  Said said;
  exposition::Parser parser(text, exposition::Format::kPrometheusText);
  for (auto entry = parser.next(); entry != exposition::Entry::kEnd; entry = parser.next()) {
    if (entry == exposition::Entry::kInvalid) break;  // samples_of() reports it
    if (entry == exposition::Entry::kType) {
      said.types.emplace(parser.family(), exposition::to_string(parser.type()));
    }
  }
  said.samples = samples_of(text);
  return said;
}

// The table under "Left out" in docs/host-metrics.md: collectors in its first column, series in its second.
struct LeftOut {
  std::set<std::string> collectors;
  std::vector<std::string> series;  // with * for anything

  bool has(const std::string& name, const std::string& collector) const {
    if (name.starts_with("node_scrape_collector_")) return collectors.contains(collector);
    return std::any_of(series.begin(), series.end(), [&](const std::string& pattern) {
      const std::size_t star = pattern.find('*');
      return star == std::string::npos ? name == pattern : name.starts_with(pattern.substr(0, star));
    });
  }
};

LeftOut read_left_out() {
  std::ifstream in(std::string(WATCHKEEPER_SOURCE_DIR) + "/docs/host-metrics.md");
  LeftOut left_out;
  bool inside = false;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("## ")) inside = line == "## Left out";
    if (!inside || !line.starts_with("| ")) continue;
    const std::size_t bar = line.find(" | ", 2), end = line.find(" | ", bar + 3);
    if (bar == std::string::npos || end == std::string::npos) continue;
    const auto quoted = [&](std::size_t from, std::size_t to, auto&& take) {
      re2::StringPiece text(line.data() + from, to - from);
      for (std::string word; re2::RE2::FindAndConsume(&text, "`([^`]+)`", &word);) take(word);
    };
    quoted(2, bar, [&](const std::string& word) { left_out.collectors.insert(word); });
    quoted(bar, end, [&](const std::string& word) { left_out.series.push_back(word); });
  }
  return left_out;
}

std::string label(const std::string& series, const std::string& name) {
  std::string value;
  re2::RE2::PartialMatch(series, name + "=\"([^\"]*)\"", &value);
  return value;
}

std::string name_of(const std::string& series) { return series.substr(0, series.find('{')); }

// Values that the comparison itself moves (its own connection, files and processes), or that are times of reading.
bool moves(const std::string& name) {
  return re2::RE2::FullMatch(name,
                             "node_sockstat_(TCP|sockets)_.*|node_filefd_allocated|node_procs_.*|"
                             "node_netstat_Tcp_CurrEstab|node_scrape_collector_duration_seconds|node_time_seconds|"
                             "node_timex_(offset|maxerror|estimated_error)_seconds");
}

class BesideNodeExporter : public testing::Test {
 protected:
  BesideNodeExporter()
      : folder(test_support::fresh_folder("beside_node_exporter")),
        port(test_support::free_port()),
        theirs({"prometheus-node-exporter", "--web.listen-address=127.0.0.1:" + std::to_string(port),
                "--collector.cpu.info", "--collector.processes",
                "--collector.textfile.directory=" + (folder / "text").string()},
               folder / "log"),
        metrics(clock, config(folder)) {
    std::filesystem::create_directory(folder / "text");
    test_support::write_file(folder / "text/x.prom", "# TYPE from_a_file gauge\nfrom_a_file{a=\"b\"} 5\n");
    const bool up =
        eventually(std::chrono::seconds(10), [&] { return test_support::http_get(port, "/metrics").status == 200; });
    EXPECT_TRUE(up) << theirs.log_text();
  }

  static HostConfig config(const std::filesystem::path& folder) {
    HostConfig config;
    config.cpu.info = true;
    config.collectors.named["processes"] = true;
    config.textfile.directory = folder / "text";
    return config;
  }

  Said read_theirs() const { return parse(test_support::http_get(port, "/metrics").body); }

  std::filesystem::path folder;
  int port;
  BackgroundProcess theirs;
  core::SystemClock clock;
  HostMetrics metrics;
  LeftOut left_out = read_left_out();
};

TEST_F(BesideNodeExporter, HasEverySeriesAndTypeThatIsNotLeftOut) {
  ASSERT_FALSE(left_out.series.empty());
  const Said ours = parse(metrics.read().text);
  const Said other = read_theirs();
  ASSERT_GT(other.samples.size(), 200U);
  std::vector<std::string> missing, types;
  for (const auto& [series, value] : other.samples) {
    const std::string name = name_of(series);
    if (!ours.samples.contains(series) && !left_out.has(name, label(series, "collector"))) missing.push_back(series);
  }
  for (const auto& [name, type] : other.types) {
    const auto found = ours.types.find(name);
    if (found != ours.types.end() && found->second != type) types.push_back(name + " is " + type);
  }
  EXPECT_THAT(missing, testing::IsEmpty());
  EXPECT_THAT(types, testing::IsEmpty());
}

// A counter of theirs lies between ours before and after; so does, in one of a few rounds, everything else.
TEST_F(BesideNodeExporter, HasTheSameValues) {
  constexpr int kRounds = 8;
  std::map<std::string, std::string> apart;  // series that no round has found in step, and how
  std::set<std::string> in_step;
  for (int round = 0; round < kRounds; ++round) {
    const Said before = parse(metrics.read().text);
    const Said other = read_theirs();
    const Said after = parse(metrics.read().text);
    for (const auto& [series, value] : other.samples) {
      const auto low = before.samples.find(series), high = after.samples.find(series);
      if (low == before.samples.end() || high == after.samples.end() || moves(name_of(series))) continue;
      const auto [least, most] = std::minmax(low->second, high->second);
      const double slack = 1e-9 * std::max(std::abs(least), std::abs(most));  // of a unit's conversion
      if (value >= least - slack && value <= most + slack) {
        in_step.insert(series);
      } else {
        apart.insert_or_assign(series, fmt::format("{} is {}, ours {} and {}", series, value, least, most));
        const auto type = other.types.find(name_of(series));
        const bool counts = type != other.types.end() && type->second == "counter";
        EXPECT_FALSE(counts) << apart[series];
      }
    }
  }
  for (const std::string& series : in_step) apart.erase(series);
  for (const auto& [series, how] : apart) ADD_FAILURE() << how;
  EXPECT_GT(in_step.size(), 200U);
}

}  // namespace
}  // namespace collector::host

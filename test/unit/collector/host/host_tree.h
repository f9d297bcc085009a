// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "collector/exposition/parser.h"
#include "collector/host/host_metrics.h"
#include "core/ring/labels.h"
#include "core/time/simulated_clock.h"

namespace collector::host {

// Every sample by its series. Text that cannot be parsed, or has a series twice, is a failure.
inline std::map<std::string, double> samples_of(const std::string& text) {
  std::map<std::string, double> samples;
  exposition::Parser parser(text, exposition::Format::kPrometheusText);
  std::vector<core::ring::Label> labels;
  for (auto entry = parser.next(); entry != exposition::Entry::kEnd; entry = parser.next()) {
    if (entry == exposition::Entry::kInvalid) {
      ADD_FAILURE() << parser.error().message;
      break;
    }
    if (entry != exposition::Entry::kSample) continue;
    parser.labels(labels);
    const std::string series = core::ring::Labels(labels).to_string();
    EXPECT_TRUE(samples.emplace(series, parser.value()).second) << "twice: " << series;
  }
  return samples;
}

// A folder with a small /proc, /sys and root, as a test writes them.
class HostTree : public testing::Test {
 protected:
  HostTree() {
    std::string name = (std::filesystem::temp_directory_path() / "host_tree_XXXXXX").string();
    folder = ::mkdtemp(name.data());
    config.path = {folder + "/proc", folder + "/sys", folder + "/root", folder + "/udev"};
  }
  ~HostTree() override { std::filesystem::remove_all(folder); }

  void file(const std::string& path, std::string_view text) const {
    const std::filesystem::path full = folder + "/" + path;
    std::filesystem::create_directories(full.parent_path());
    std::ofstream(full, std::ios::binary) << text;
  }
  void link(const std::string& path, const std::string& to) const {
    const std::filesystem::path full = folder + "/" + path;
    std::filesystem::create_directories(full.parent_path());
    std::filesystem::create_directory_symlink(folder + "/" + to, full);
  }

  // A reading by itself: nothing is remembered from one before.
  std::map<std::string, double> read() {
    HostMetrics metrics(clock, config);
    auto reading = metrics.read();
    complaints = std::move(reading.complaints);
    return samples_of(reading.text);
  }

  void expect(const std::map<std::string, double>& expected) {
    const auto got = read();
    for (const auto& [series, value] : expected) {
      const auto found = got.find(series);
      if (found == got.end()) {
        ADD_FAILURE() << "missing: " << series;
        continue;
      }
      EXPECT_DOUBLE_EQ(found->second, value) << series;
    }
  }

  static std::string success(const std::string& collector) {
    return "node_scrape_collector_success{collector=\"" + collector + "\"}";
  }

  std::string folder;
  HostConfig config;
  core::SimulatedClock clock{core::from_unix_ms(1'700'000'000'500)};
  std::vector<std::string> complaints;  // of the last read()
};

}  // namespace collector::host

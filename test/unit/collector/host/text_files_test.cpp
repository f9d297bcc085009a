// SPDX-License-Identifier: Apache-2.0
#include "collector/host/text_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cmath>

#include "test/unit/collector/host/host_tree.h"

namespace collector::host {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class TextFilesTest : public HostTree {
 protected:
  TextFilesTest() {
    file("text/.keep", "");
    config.textfile.directory = folder + "/text";
  }
  std::string mtime(const std::string& name) const {
    return "node_textfile_mtime_seconds{file=\"" + folder + "/text/" + name + "\"}";
  }
};

TEST_F(TextFilesTest, FilesAreMerged) {
  file("text/a.prom",
       "# HELP backup_age_seconds Age.\n# TYPE backup_age_seconds gauge\nbackup_age_seconds{of=\"x\"} 5\n");
  file("text/b.prom",
       "# TYPE backup_age_seconds gauge\nbackup_age_seconds{of=\"y\"} 6\nplain 1.5\nnone NaN\nmuch +Inf\n"
       "odd {a=\"q\\\"\\\\\\n\"} -Inf\n");
  file("text/c.prom",
       "# TYPE took_seconds histogram\ntook_seconds_bucket{le=\"1\"} 1\ntook_seconds_bucket{le=\"+Inf\"} 2\n"
       "took_seconds_sum 3\ntook_seconds_count 2\n");
  file("text/d.txt", "not read {{{\n");
  const auto got = read();
  EXPECT_EQ(got.at(R"(backup_age_seconds{of="x"})"), 5);
  EXPECT_EQ(got.at(R"(backup_age_seconds{of="y"})"), 6);
  EXPECT_EQ(got.at("plain"), 1.5);
  EXPECT_TRUE(std::isnan(got.at("none")));
  EXPECT_EQ(got.at("much"), INFINITY);
  EXPECT_EQ(got.at(R"(odd{a="q\"\\\n"})"), -INFINITY);
  EXPECT_EQ(got.at(R"(took_seconds_bucket{le="+Inf"})"), 2);
  EXPECT_EQ(got.at("node_textfile_scrape_error"), 0);
  EXPECT_EQ(got.at(success("textfile")), 1);
  EXPECT_GT(got.at(mtime("a.prom")), 1e9);
  EXPECT_FALSE(got.contains(mtime("d.txt")));
  HostMetrics metrics(clock, config);
  const std::string text = metrics.read().text;
  EXPECT_EQ(text.find("# TYPE backup_age_seconds gauge"), text.rfind("# TYPE backup_age_seconds "));
}

// Each is refused whole, said, and does not stop the good one.
TEST_F(TextFilesTest, ABadFileIsRefusedWhole) {
  const std::pair<std::string, std::string> cases[] = {
      {"fine 1\nbroken {\n", "bad.prom"},
      {"fine 1 1700000000000\n", "bad.prom:1: a timestamp is not supported"},
      {"fine 1\nfine 2\n", "bad.prom:2: fine twice"},
      {"good 2\n", "in a file before"},
      {"# TYPE good counter\ngood{a=\"1\"} 2\n", "of another type"},
      {"node_load1 2\n", "bad.prom: node_load1 is the agent's own"},
      {"node_textfile_scrape_error 0\n", "is the agent's own"},
      {"fine 1\n# TYPE fine gauge\n", "said again after its samples"},
      {"# TYPE \"my.metric\" gauge\n{\"my.metric\"} 1\n", "needs quotes"},
      {"{\"my.metric\"} 1\n", "needs quotes"},
      {std::string("\0\xff\xfe binary", 10), "bad.prom"},
      {"fine 1", "bad.prom: the last line does not end"},
  };
  file("proc/loadavg", "1 1 1 1/1 1\n");
  for (const auto& [text, complaint] : cases) {
    file("text/a_good.prom", "good 1\n");
    file("text/bad.prom", text);
    const auto got = read();
    EXPECT_EQ(got.at("node_textfile_scrape_error"), 1) << text;
    EXPECT_EQ(got.at(success("textfile")), 1);
    EXPECT_EQ(got.at("good"), 1);
    EXPECT_EQ(got.at("node_load1"), 1);
    EXPECT_FALSE(got.contains("fine")) << text;
    EXPECT_FALSE(got.contains(mtime("bad.prom")));
    EXPECT_TRUE(got.contains(mtime("a_good.prom")));
    EXPECT_THAT(complaints, ElementsAre(HasSubstr(complaint))) << text;
  }
}

TEST_F(TextFilesTest, WhatIsNoFileIsSaid) {
  ASSERT_EQ(::mkfifo((folder + "/text/pipe.prom").c_str(), 0600), 0);
  std::filesystem::create_directory(folder + "/text/folder.prom");
  EXPECT_EQ(read().at("node_textfile_scrape_error"), 1);
  EXPECT_THAT(complaints, ElementsAre(HasSubstr("folder.prom: expected a regular file"),
                                      HasSubstr("pipe.prom: expected a regular file")));
  config.textfile.directory = folder + "/none";
  EXPECT_EQ(read().at("node_textfile_scrape_error"), 1);
  EXPECT_THAT(complaints, ElementsAre(HasSubstr("/none: ")));
  config.textfile.directory = "";
  EXPECT_EQ(read().at("node_textfile_scrape_error"), 0);
}

TEST_F(TextFilesTest, AChangedFileIsReadAgain) {
  HostMetrics metrics(clock, config);
  const auto value = [&]() -> std::optional<double> {
    const auto got = samples_of(metrics.read().text);
    const auto found = got.find("x");
    return found == got.end() ? std::nullopt : std::optional(found->second);
  };
  const std::filesystem::path path = folder + "/text/x.prom";
  file("text/x.prom", "x 1\n");
  const auto mtime = std::filesystem::last_write_time(path);
  std::filesystem::last_write_time(path, mtime - std::chrono::hours(1));
  EXPECT_EQ(value(), 1);
  file("text/x.prom", "x 2\n");
  EXPECT_EQ(value(), 2);
  // Written within the grain of the filesystem's clock: the same size and the same time.
  file("text/x.prom", "x 3\n");
  std::filesystem::last_write_time(path, mtime);
  EXPECT_EQ(value(), 3);
  std::filesystem::remove(path);
  EXPECT_EQ(value(), std::nullopt);
}

TEST_F(TextFilesTest, ThereIsABound) {
  std::string many;
  for (std::size_t i = 0; i <= kTextSamplesMax; ++i) many += "x{i=\"" + std::to_string(i) + "\"} 1\n";
  file("text/many.prom", many);
  EXPECT_EQ(read().at("node_textfile_scrape_error"), 1);
  EXPECT_THAT(complaints, ElementsAre(HasSubstr("many.prom:20001: more than 20000 samples")));
}

}  // namespace
}  // namespace collector::host

// SPDX-License-Identifier: Apache-2.0
#include "agent/config/load.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/support/background_process.h"

namespace agent {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string error_of(const std::string& text) {
  const auto config = load_config_text(text, "w.yml");
  return config ? "" : config.error().front().message;
}

struct BadCase {
  const char* text;
  const char* message;
};

class LoadBad : public testing::TestWithParam<BadCase> {};

TEST_P(LoadBad, NamesThePlace) { EXPECT_THAT(error_of(GetParam().text), HasSubstr(GetParam().message)); }

INSTANTIATE_TEST_SUITE_P(
    Table, LoadBad,
    testing::Values(
        BadCase{"scrape_config: []\n",
                "w.yml:1:1: configuration: unknown key \"scrape_config\" (did you mean \"scrape_configs\"?)"},
        BadCase{"remote_read: []\n", "w.yml:1:1: configuration: key \"remote_read\" is not supported: not yet"},
        BadCase{"scrape_configs:\n- job_name: a\n- job_name: b\n- job_name: a\n", "w.yml:4:3: "},
        BadCase{"scrape_configs:\n- job_name: a\n- {job_name: b, scrape_interval: 1s, scrape_timeout: 2s}\n",
                "w.yml:3:3: "},
        BadCase{"route: {receiver: nobody}\nreceivers: [{name: somebody}]\n", "w.yml:1:"},
        BadCase{"remediations:\n- {name: r, match: ['alertname=\"X\"'], steps: [{backup: none}]}\n", "none"},
        BadCase{"ring: {size: 1MB}\n", "w.yml:1:14: a ring has at least 4MiB"},
        BadCase{"ring: {max_series: 0}\n", "w.yml:1:20: a ring holds at least one series"},
        BadCase{"ring:\n  size: 4MiB\n  max_series: 16385\n",
                "w.yml:3:15: a ring of 4MiB holds at most 16384 series, one for each 256 bytes"},
        BadCase{"ring: {lock_memory: 1}\n", "w.yml:1:21: expected true or false"},
        BadCase{"api: {external_url: 'https://w.example/'}\n", "w.yml:1:21: expected a URL without a trailing slash"},
        BadCase{"api: {external_url: w}\n", "w.yml:1:21: "}, BadCase{"api: {auth: {}}\n", "w.yml:1:7: "},
        BadCase{"log: {level: loud}\n", "w.yml:1:14: expected one of debug, info, warn, error, got \"loud\""},
        BadCase{"rule_files: [a/*/b.yml]\n", "w.yml:1:"},
        BadCase{"staking:\n  network: main\n", "w.yml:2:12: expected one of mainnet"},
        BadCase{"staking:\n  validators: {keys_file: /nonexistent/keys.yml}\n", "w.yml:2:27: "},
        BadCase{"staking: {interval: 1s, timeout: 2s}\n", "w.yml:1:10: scrape timeout greater than scrape interval"},
        BadCase{"scrape_configs: [{job_name: staking}]\nstaking: {network: mainnet}\n",
                "the job \"staking\" is that of the section staking"}));

TEST(LoadTest, AnEmptyFileIsAConfiguration) {
  const auto config = load_config_text("", "w.yml");
  ASSERT_TRUE(config) << config.error().front().message;
  EXPECT_TRUE((*config)->jobs.empty());
}

TEST(LoadTest, ARingHasABoundOfItsOwnUnlessOneIsGiven) {
  const auto plain = load_config_text("", "w.yml");
  ASSERT_TRUE(plain);
  EXPECT_EQ((*plain)->settings.ring.size.bytes, 512ULL << 20);
  EXPECT_FALSE((*plain)->settings.ring.max_series.has_value());
  const auto given =
      load_config_text("ring: {size: 4MiB, max_series: 16384, lock_memory: true, huge_pages: true}\n", "w");
  ASSERT_TRUE(given) << given.error().front().message;
  EXPECT_EQ((*given)->settings.ring,
            (RingConfig{.size = {4ULL << 20}, .max_series = 16384, .lock_memory = true, .huge_pages = true}));
}

TEST(LoadTest, WhatARemediationCannotMendAGroupReplaces) {
  const auto text = [](const std::string& then) {
    return "remediations:\n- {name: restart, match: ['alertname=\"X\"'], steps: [{exec: {argv: [/bin/true]}}], "
           "on_failure: {then: " +
           then +
           "}}\n"
           "replace:\n- name: hosts\n  driver: exec\n  exec: {argv: [/bin/true, '{{ .Labels.instance }}']}\n"
           "  healthy: 'count(up == 1)'\n  min_healthy: 2\n  ready: {expr: 'count(up == 1) == 3', within: 15m}\n";
  };
  const auto config = load_config_text(text("hosts"), "w.yml");
  ASSERT_TRUE(config) << config.error().front().message;
  const actions::remedy::Policy& policy = *(*config)->policy;
  EXPECT_EQ(policy.find("restart")->on_failure.then, "hosts");
  ASSERT_NE(policy.find("hosts"), nullptr);
  EXPECT_TRUE(policy.find("hosts")->spares_validators);
  EXPECT_TRUE(policy.find("hosts")->match.empty()) << "only as what follows";
  EXPECT_THAT(error_of(text("host")), HasSubstr("w.yml:2:"));
  EXPECT_THAT(error_of(text("host")), HasSubstr("no remediation is named \"host\""));
}

TEST(LoadTest, JobsInheritWhatIsGlobal) {
  const auto config = load_config_text(
      "global: {scrape_interval: 7s, resolve_timeout: 3m}\nscrape_configs: [{job_name: a}]\n", "w.yml");
  ASSERT_TRUE(config) << config.error().front().message;
  EXPECT_EQ((*config)->jobs.at(0).scrape_interval, std::chrono::seconds(7));
  EXPECT_EQ((*config)->settings.global.notify.resolve_timeout, std::chrono::minutes(3));
}

TEST(LoadTest, APatternWithoutAFileIsAWarningWithItsPlace) {
  const auto config = load_config_text("rule_files:\n- /nowhere/*.yml\n", "w.yml");
  ASSERT_TRUE(config);
  EXPECT_THAT((*config)->warnings, testing::ElementsAre(HasSubstr("w.yml:2:1: no file matches /nowhere/*.yml")));
}

TEST(LoadTest, ThePrintedConfigurationHasNoSecrets) {
  const auto config = load_config_text(
      "scrape_configs:\n- job_name: a\n  basic_auth: {username: u, password: hunter2}\n  static_configs:\n"
      "  - targets: ['h:1']\n",
      "w.yml");
  ASSERT_TRUE(config) << config.error().front().message;
  EXPECT_THAT((*config)->text, Not(HasSubstr("hunter2")));
  EXPECT_THAT((*config)->text, HasSubstr("      username: u\n      password: <secret>\n"));
  EXPECT_TRUE(load_config_text((*config)->text, "again.yml")) << (*config)->text;
}

TEST(LoadConfig, JobsComeFromFilesOfTheirOwnToo) {
  const auto folder = test_support::fresh_folder("scrape_config_files");
  test_support::write_file(folder / "a.yml", "scrape_configs:\n- job_name: a\n");
  test_support::write_file(folder / "b.yml", "scrape_configs:\n- {job_name: b, scrape_interval: 7s}\n");
  const std::string text =
      "global: {scrape_interval: 9s}\nscrape_config_files: ['*.yml', 'none*.yml']\nscrape_configs: [{job_name: m}]\n";
  const std::string path = (folder / "w.yaml").string();
  const auto config = load_config_text(text, path);
  ASSERT_TRUE(config) << config.error().front().message;
  ASSERT_EQ((*config)->jobs.size(), 3U);
  EXPECT_EQ((*config)->jobs[1].job_name, "a");
  EXPECT_EQ((*config)->jobs[1].scrape_interval, std::chrono::seconds(9));
  EXPECT_EQ((*config)->jobs[2].scrape_interval, std::chrono::seconds(7));
  EXPECT_THAT((*config)->warnings.at(0), HasSubstr("none*.yml"));

  const auto message = [&] { return load_config_text(text, path).error().front().message; };
  test_support::write_file(folder / "b.yml", "scrape_configs:\n- {job_name: m}\n");
  EXPECT_THAT(message(), HasSubstr((folder / "b.yml").string() + ":2:3: found multiple scrape configs with job name"));
  test_support::write_file(folder / "b.yml", "scrape_configs: []\nglobal: {}\n");
  EXPECT_THAT(message(), HasSubstr((folder / "b.yml").string() + ":2:1: "));
  EXPECT_THAT(load_config_text("scrape_config_files: ['/a*/b.yml']", path).error().front().message,
              HasSubstr("invalid scrape config file path"));
}

}  // namespace
}  // namespace agent

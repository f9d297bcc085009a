// SPDX-License-Identifier: Apache-2.0
// What a person meets who gets something wrong: the agent's exit status and words.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "test/e2e/agent_process.h"

namespace e2e {
namespace {

namespace fs = std::filesystem;
using test_support::BackgroundProcess;
using testing::HasSubstr;

struct Ended {
  std::optional<int> status;
  std::string output;
};

Ended run(const std::vector<std::string>& arguments) {
  const fs::path log = test_support::fresh_folder("bad-input-log") / "log";
  std::vector<std::string> argv = {AgentProcess::binary()};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  BackgroundProcess agent(argv, log);
  Ended ended;
  ended.status = agent.wait(seconds(20));
  ended.output = agent.log_text();
  return ended;
}

TEST(CheckConfig, NamesThePlaceAndWhatWasExpected) {
  struct Case {
    std::string text;
    std::string place;
    std::string words;
  };
  const std::vector<Case> cases = {
      {"scrape_configs:\n- job_name: [\n", ":", "bad.yml"},
      {"scrape_configs:\n- job_name: a\n  scrape_intervall: 5s\n", ":3:3: ", "scrape_intervall"},
      {"global:\n  scrape_interval: 5 parsecs\n", ":2:20: ", "duration"},
      {"scrape_configs:\n- scrape_interval: 5s\n", ":2:", "job_name"},
      {"scrape_configs:\n- job_name: a\n- job_name: a\n", ":3:", "a"},
      {"scrape_configs:\n- job_name: a\n  scrape_interval: 1s\n  scrape_timeout: 2s\n", ":", "timeout"},
      {"route: {receiver: nobody}\nreceivers:\n- name: somebody\n", ":1:", "nobody"},
      {"remediations:\n- name: r\n  match: ['alertname=\"X\"']\n  steps: [{backup: none}]\n", ":", "none"},
      {"remediations:\n- name: r\n  match: ['alertname=\"X\"']\n  level: reckless\n  steps: [{exec: {argv: [a]}}]\n",
       ":4:10: ", "reckless"},
      {"scrape_configs:\n- job_name: a\n  azure_sd_configs: []\n", ":3:3: ", "azure_sd_configs"},
      {"global: 5\n", ":1:9: ", "map"},
      {"a: 1\na: 2\n", ":2:1: ", "a"},
  };
  for (const Case& c : cases) {
    const fs::path file = test_support::fresh_folder("bad-config") / "bad.yml";
    test_support::write_file(file, c.text);
    const Ended ended = run({"check", "config", file.string()});
    EXPECT_EQ(ended.status, 1) << c.text;
    EXPECT_THAT(ended.output, HasSubstr(file.string() + c.place)) << c.text;
    EXPECT_THAT(ended.output, HasSubstr(c.words)) << c.text;
    const Ended started =
        run({"run", "--config", file.string(), "--data-dir", file.string() + ".data", "--listen", "127.0.0.1:0"});
    EXPECT_EQ(started.status, 1) << c.text;
    EXPECT_THAT(started.output, HasSubstr(c.words)) << c.text;
  }
}

TEST(CheckRules, NamesThePlaceInTheExpression) {
  const fs::path file = test_support::fresh_folder("bad-rules") / "rules.yml";
  test_support::write_file(file,
                           "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: sum(up) by (\n"
                           "  - record: a\n    expr: rate(up)\n  - alert: B\n    expr: up\n    for: 5 parsecs\n");
  const Ended ended = run({"check", "rules", file.string()});
  EXPECT_EQ(ended.status, 1);
  EXPECT_THAT(ended.output, HasSubstr(file.string() + ":5:"));
  EXPECT_THAT(ended.output, HasSubstr("parse error"));
}

TEST(TestRules, PassesTheShippedPacksAndFailsAWrongExpectation) {
  const std::string tests = std::string(WATCHKEEPER_SOURCE_DIR) + "/rules/packs/tests/host_test.yml";
  const Ended passed = run({"test", "rules", tests});
  EXPECT_EQ(passed.status, 0) << passed.output;
  EXPECT_THAT(passed.output, HasSubstr("SUCCESS"));

  const fs::path folder = test_support::fresh_folder("rule-tests");
  test_support::write_file(folder / "rules.yml", "groups:\n- name: g\n  rules:\n  - {record: a:b, expr: up * 2}\n");
  test_support::write_file(
      folder / "test.yml",
      "rule_files: [rules.yml]\ntests:\n- interval: 1m\n  input_series: [{series: up, values: '1 1'}]\n"
      "  promql_expr_test: [{expr: 'a:b', eval_time: 1m, exp_samples: [{labels: 'a:b', value: 3}]}]\n");
  const Ended failed = run({"test", "rules", (folder / "test.yml").string()});
  EXPECT_EQ(failed.status, 1);
  EXPECT_THAT(failed.output, HasSubstr("FAILED"));
}

TEST(CommandLine, UsageErrorsExitWithTwo) {
  EXPECT_EQ(run({"fly"}).status, 2);
  EXPECT_EQ(run({"run"}).status, 2);
  EXPECT_EQ(run({"check", "config"}).status, 2);
  EXPECT_EQ(run({"version"}).status, 0);
}

TEST(Run, RefusesWhatItCannotHaveAndSaysWhat) {
  const fs::path work = test_support::fresh_folder("bad-run");
  test_support::write_file(work / "empty.yml", "scrape_configs: []\nring: {size: 4MiB}\n");
  const std::string config = (work / "empty.yml").string();

  const Ended absent = run({"run", "--config", "/nowhere/x.yml", "--data-dir", (work / "d").string()});
  EXPECT_EQ(absent.status, 1);
  EXPECT_THAT(absent.output, HasSubstr("/nowhere/x.yml"));

  const Ended unwritable =
      run({"run", "--config", config, "--data-dir", "/proc/watchkeeper", "--listen", "127.0.0.1:0"});
  EXPECT_EQ(unwritable.status, 1);
  EXPECT_THAT(unwritable.output, HasSubstr("/proc/watchkeeper"));

  AgentProcess first(config, work / "data");
  ASSERT_TRUE(first.ready()) << first.process().log_text();
  const std::string listen = "127.0.0.1:" + std::to_string(first.port());
  const Ended same_port = run({"run", "--config", config, "--data-dir", (work / "other").string(), "--listen", listen});
  EXPECT_EQ(same_port.status, 1);
  EXPECT_THAT(same_port.output, HasSubstr(listen));

  const Ended same_data =
      run({"run", "--config", config, "--data-dir", (work / "data").string(), "--listen", "127.0.0.1:0"});
  EXPECT_EQ(same_data.status, 1);
  EXPECT_THAT(same_data.output, HasSubstr((work / "data").string()));
}

TEST(Run, RefusesAFileThatIsNoRingAndLeavesItAlone) {
  const fs::path work = test_support::fresh_folder("bad-ring");
  test_support::write_file(work / "w.yml", "ring: {size: 4MiB}\n");
  const std::string notes(8192, 'n');
  fs::create_directories(work / "data");
  test_support::write_file(work / "data" / "ring", notes);
  const Ended refused = run({"run", "--config", (work / "w.yml").string(), "--data-dir", (work / "data").string(),
                             "--listen", "127.0.0.1:0"});
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.output, HasSubstr((work / "data" / "ring").string() + ": not a ring"));
  EXPECT_EQ(test_support::read_file(work / "data" / "ring"), notes);
}

TEST(Run, ABadReloadKeepsWhatRanAndSaysSo) {
  const fs::path work = test_support::fresh_folder("bad-reload");
  const fs::path config = work / "watchkeeper.yml";
  const auto with_job = [](const std::string& name) {
    return "scrape_configs:\n- job_name: " + name +
           "\n  static_configs: [{targets: ['127.0.0.1:1']}]\nring: {size: 4MiB}\n";
  };
  test_support::write_file(config, with_job("one"));
  AgentProcess agent(config, work / "data");
  ASSERT_TRUE(agent.ready()) << agent.process().log_text();
  const auto job = [&] {
    const json targets = api_get(agent.port(), "/api/v1/targets");
    return targets.is_object() && !targets["activeTargets"].empty()
               ? targets["activeTargets"][0]["labels"]["job"].get<std::string>()
               : "";
  };
  EXPECT_EQ(job(), "one");

  test_support::write_file(config, "scrape_configs: 7\n");
  const auto refused = test_support::http_post(agent.port(), "/-/reload");
  EXPECT_EQ(refused.status, 500);
  EXPECT_THAT(refused.body, HasSubstr(config.string() + ":1:17"));
  EXPECT_EQ(job(), "one");
  EXPECT_THAT(test_support::http_get(agent.port(), "/metrics").body,
              HasSubstr("watchkeeper_config_last_reload_successful 0"));

  test_support::write_file(config, with_job("two"));
  EXPECT_EQ(test_support::http_post(agent.port(), "/-/reload").status, 200);
  EXPECT_TRUE(test_support::eventually(seconds(10), [&] { return job() == "two"; }));
  test_support::write_file(config, with_job("three"));
  agent.process().signal(SIGHUP);
  EXPECT_TRUE(test_support::eventually(seconds(10), [&] { return job() == "three"; }));
  agent.process().signal(SIGTERM);
  EXPECT_EQ(agent.process().wait(seconds(15)), 0) << agent.process().log_text();
}

}  // namespace
}  // namespace e2e

// SPDX-License-Identifier: Apache-2.0
#include "actions/backup/client_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "actions/backup/backup_config.h"

namespace actions::backup {
namespace {

using ::testing::HasSubstr;

core::Result<SourceConfig> read(const std::string& yaml) {
  const auto root = core::config::Node::parse(yaml, "w.yml");
  if (!root) return core::fail(root.error());
  return SourceConfig::fields().read(*root);
}

TEST(ClientConfigTest, ReadsBothWaysToStop) {
  const auto by_unit = read("geth: {data_dir: /var/lib/geth, service: geth.service, gates: [finality]}");
  ASSERT_TRUE(by_unit) << by_unit.error().message;
  EXPECT_TRUE(by_unit->client()->is_stopped());
  EXPECT_FALSE(by_unit->staged());
  const auto by_programs = read(
      "lighthouse_beacon: {data_dir: /d, hot_db: false, stop: [/s/stop], start: [/s/start], require: ['up == 1']}");
  ASSERT_TRUE(by_programs) << by_programs.error().message;
  EXPECT_FALSE(by_programs->lighthouse_beacon->hot_db);
  const auto by_snapshot =
      read("geth: {data_dir: /d, snapshot: {create: [/s/c], release: [/s/r], root: /mnt/snapshot}}");
  ASSERT_TRUE(by_snapshot) << by_snapshot.error().message;
  EXPECT_FALSE(by_snapshot->client()->is_stopped());
}

struct Bad {
  const char* yaml;
  const char* message;
};

class BadClientTest : public ::testing::TestWithParam<Bad> {};

TEST_P(BadClientTest, IsRefusedWithItsPlace) {
  const auto source = read(GetParam().yaml);
  ASSERT_FALSE(source) << GetParam().yaml;
  EXPECT_THAT(source.error().message, HasSubstr(GetParam().message));
  EXPECT_THAT(source.error().message, HasSubstr("w.yml:1:"));
}

INSTANTIATE_TEST_SUITE_P(
    All, BadClientTest,
    ::testing::Values(
        Bad{"geth: {data_dir: /d, service: geth.service}", "at least one condition"},
        Bad{"geth: {data_dir: /d, gates: [g]}", "the data is written all the time"},
        Bad{"geth: {data_dir: /d, service: geth, gates: [g]}", "expected a unit such as geth.service"},
        Bad{"geth: {data_dir: /d, stop: [x], gates: [g]}", "what is stopped must be started again"},
        Bad{"geth: {data_dir: /d, service: a.service, stop: [x], start: [y], gates: [g]}", "expected one of service"},
        Bad{"geth: {data_dir: d, service: a.service, gates: [g]}", "data_dir: expected an absolute path"},
        Bad{"geth: {data_dir: '/d*', service: a.service, gates: [g]}", "one of the characters"},
        Bad{"geth: {data_dir: /d, service: a.service, gates: [g], stopped_max: 0s}", "expected more than zero"},
        Bad{"geth: {data_dir: /d, service: lighthouse-vc.service, gates: [g]}", "a validator client is not stopped"},
        Bad{"lighthouse_beacon: {data_dir: /d, service: validator@1.service, gates: [g]}", "a validator client"},
        Bad{"geth: {data_dir: /d, stop: [systemctl, stop, lighthouse_validator], start: [x], gates: [g]}",
            "a validator client"},
        Bad{"geth: {data_dir: /d, snapshot: {create: [c], root: /m}}", "release"},
        Bad{"geth: {data_dir: /d, snapshot: {create: [c], release: [r], root: m}}", "root: expected an absolute path"},
        Bad{"{geth: {data_dir: /d, service: a.service, gates: [g]}, paths: [/etc]}", "expected one of paths"}));

TEST(ClientConfigTest, KnowsValidatorClientsByTheirArguments) {
  const std::vector<std::vector<std::string>> validators = {{"/usr/bin/lighthouse", "--network", "mainnet", "vc"},
                                                            {"lighthouse", "validator_client"},
                                                            {"/opt/prysm/validator", "--beacon-rpc-provider", "x"},
                                                            {"nimbus_validator_client"},
                                                            {"teku", "validator-client"},
                                                            {"node", "/lodestar", "validator"},
                                                            {"docker", "run", "sigp/lighthouse", "lighthouse", "vc"}};
  for (const auto& argv : validators) EXPECT_TRUE(runs_validator_client(argv)) << argv.front();
  const std::vector<std::vector<std::string>> others = {
      {},
      {"geth", "--datadir", "/var/lib/geth"},
      {"lighthouse", "bn", "--validator-monitor-auto", "--validator-monitor-file", "/etc/validators.txt"}};
  for (const auto& argv : others) EXPECT_FALSE(runs_validator_client(argv));
}

}  // namespace
}  // namespace actions::backup

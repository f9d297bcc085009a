// SPDX-License-Identifier: Apache-2.0
#include "actions/backup/backup_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "temporary_folder.h"

namespace actions::backup {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

BackupConfig config_of(const std::string& source) {
  const auto root = core::config::Node::parse(source, "w.yml");
  EXPECT_TRUE(root);
  BackupConfig config;
  config.name = "b";
  config.repository = "/srv/backup";
  auto read = SourceConfig::fields().read(*root);
  EXPECT_TRUE(read) << read.error().message;
  if (read) config.source = std::move(*read);
  return config;
}

TEST(BackupPlan, OfPathsSaysWhatIsLeftOutAndWhatStays) {
  BackupConfig config = config_of("paths: [/etc, /srv/keys]");
  EXPECT_THAT(plan_of(config), ElementsAre("copy     /etc, /srv/keys into /srv/backup"));
  config.exclude = {"*.log"};
  config.keep = {.last = 3, .daily = 7};
  EXPECT_THAT(plan_of(config),
              ElementsAre("copy     /etc, /srv/keys into /srv/backup, without *.log",
                          "forget   all snapshots of it from this host but 3 last, 7 daily, and prune"));
}

TEST(BackupPlan, OfADatabaseAndOfAVault) {
  EXPECT_THAT(
      plan_of(config_of("{sqlite: /v/slashing_protection.sqlite, network: mainnet}")),
      ElementsAre(HasSubstr("copy     /v/slashing_protection.sqlite by SQLite's online backup"),
                  HasSubstr("EIP-3076 interchange of 0x4b363db9"), HasSubstr("copy     the copy, the interchange")));
  EXPECT_THAT(
      plan_of(config_of("vault_raft: {urls: ['https://a:8200', 'https://b:8200'], token_file: /t}")),
      ElementsAre(HasSubstr("ask      https://a:8200, https://b:8200: the active one"), HasSubstr("copy     ")));
}

TEST(BackupPlan, AClientIsAskedForTwiceAndStartedWhateverHappens) {
  const TemporaryFolder geth;
  geth.write("geth/chaindata/CURRENT", "MANIFEST-000001\n");
  geth.write("geth/chaindata/MANIFEST-000001", "");
  geth.write("geth/chaindata/ancient/chain/headers.cidx", "");
  const std::string source =
      "geth: {data_dir: " + geth.at("") + ", service: geth.service, gates: [finality], stopped_max: 30m";
  const std::string asked =
      "ask      whether geth.service may be stopped: the gate finality; no pause, remediation or drill; otherwise the "
      "run is "
      "held";
  EXPECT_THAT(plan_of(config_of(source + "}")),
              ElementsAre(asked, HasSubstr(", while it runs; that is no backup yet"), asked,
                          "stop     geth.service, which has 5m to end", HasSubstr(", within 30m of the stop"),
                          "start    geth.service, whatever came of it"));
  EXPECT_THAT(
      plan_of(config_of(source + ", snapshot: {create: [/s/c, x], mount: [/s/m], release: [/s/r], root: /mnt}}")),
      ElementsAre(asked, HasSubstr("stop     "), "run      /s/c x", HasSubstr("start    "), "run      /s/m",
                  HasSubstr("copy     /mnt/"), "run      /s/r"));
}

TEST(BackupPlan, FoldersThatAreNotThereAreTold) {
  const std::vector<std::string> plan =
      plan_of(config_of("geth: {data_dir: /nonexistent, service: geth.service, gates: [finality]}"));
  ASSERT_FALSE(plan.empty());
  EXPECT_THAT(plan.front(), HasSubstr("REFUSED  "));
  EXPECT_THAT(plan.front(), HasSubstr("/nonexistent"));
}

}  // namespace
}  // namespace actions::backup

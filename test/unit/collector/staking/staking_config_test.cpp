// SPDX-License-Identifier: Apache-2.0
#include "collector/staking/staking_config.h"

#include <gmock/gmock.h>

#include "staking_world.h"

namespace collector::staking {
namespace {

using testing::HasSubstr;

class StakingConfigTest : public StakingWorld {};

TEST_F(StakingConfigTest, WrongOnesAreToldWithTheirPlace) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"{network: mainnet}", "fine"},
      {"network: foo", "s.yml:1:10: expected one of mainnet, sepolia, holesky, hoodi, gnosis, chiado, or a map"},
      {"network: {from_beacon_node: false}", "expected either genesis_validators_root or from_beacon_node: true"},
      {"network: {genesis_validators_root: 0x12}", "s.yml:1:36: expected 0x and 64 hex digits"},
      {"network: {root: 0x12}", "unknown key \"root\""},
      {"beacon_nodes: [{name: a, url: 'http://a'}]", "missing key \"network\""},
      {"{network: mainnet, beacon_nodes: [{url: 'http://a'}]}", "missing key \"name\""},
      {"{network: mainnet, beacon_nodes: [{name: 'a b'}]}", "expected letters, digits"},
      {"{network: mainnet, beacon_nodes: [{name: a, url: ftp://a}]}", "s.yml:1:50"},
      {"{network: mainnet, beacon_nodes: [{name: a, url: 'http://a?x=1'}]}", "without a query"},
      {"{network: mainnet, beacon_nodes: [{name: a, url: 'http://u:p@a'}]}", "without a user"},
      {"{network: mainnet, beacon_nodes: [{name: a}, {name: a}]}", "beacon_nodes has two nodes \"a\""},
      {"execution_nodes: [{name: a, engine_url: 'http://a'}]", "engine_url needs url"},
      {"execution_nodes: [{name: a, reference: true}]", "reference needs url"},
      {"execution_nodes: [{name: a, url: 'http://a', reference: true, metrics: 'http://a'}]",
       "would count as one of ours"},
      {"execution_nodes: [{name: a, url: 'http://a', reference: true, engine_url: 'http://a'}]",
       "neither engine_url nor"},
      {"reference_interval: 2m", "s.yml:1:21: expected a duration of 1s to 1m"},
      {"reference_interval: 0s", "expected a duration of 1s to 1m"},
      {"validator_clients: [{name: a, keymanager: {token_file: x}}]", "missing key \"url\""},
      {"vaults: [{name: a}]", "missing key \"url\""},
      {"vaults: {}", "expected a list"},
      {"vault: []", "unknown key \"vault\""},
  };
  for (const auto& [yaml, wanted] : cases) EXPECT_THAT(problem(yaml), HasSubstr(wanted)) << yaml;
}

TEST_F(StakingConfigTest, EveryReasonIsDocumentedWithItsVerdict) {
  const std::string text = page();
  for (const ReasonRow& row : kReasons) {
    if (row.grade == Grade::kUp) continue;
    const std::string line =
        fmt::format("| `{}` | {} | {} |", row.name, row.grade == Grade::kDown ? "down" : "unknown", row.help);
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST_F(StakingConfigTest, KeysAreReadWithTheirGroups) {
  const std::string one(96, 'a');
  const std::string two(96, '1');
  const auto keys =
      WatchedKeys::parse(fmt::format("0x{}: home\n\"{}\": {{group: b, validator_client: vc}}\n", one, two), "k.yml");
  ASSERT_TRUE(keys) << keys.error().message;
  const WatchedKey* found = (*keys)->find(*parse_public_key(one));
  ASSERT_NE(found, nullptr);
  EXPECT_EQ((*keys)->label_sets.at(found->label_set), (LabelSet{{"group", "home"}}));
  EXPECT_EQ((*keys)->find(*parse_public_key("0x" + two))->validator_client, "vc");
  EXPECT_EQ((*keys)->find(*parse_public_key(std::string(96, '2'))), nullptr);
  const auto wrong = [](const std::string& text) {
    const auto read = WatchedKeys::parse(text, "k.yml");
    return read ? "fine" : read.error().message;
  };
  EXPECT_THAT(wrong("0x12: a"), HasSubstr("k.yml:1:1: expected a public key of 96 hex digits"));
  EXPECT_THAT(wrong("0x" + one + ": {grp: a}"), HasSubstr("unknown key \"grp\""));
  EXPECT_THAT(wrong("- 0x" + one), HasSubstr("k.yml:1:3: expected a map (validator)"));
  EXPECT_THAT(wrong("0x" + one), HasSubstr("expected a map or a list of public keys"));
  EXPECT_THAT(wrong("0x" + one + ": a\n'" + one + "': b"), HasSubstr("is given twice"));
}

TEST_F(StakingConfigTest, KeysMayBeAListWithLabels) {
  const std::string one(96, 'a');
  const std::string two(96, 'b');
  const std::string three(96, 'c');
  const auto keys = WatchedKeys::parse(
      fmt::format("- {{pubkey: 0x{}, labels: {{group: a, site: x}}}}\n- pubkey: 0x{}\n  labels: {{group: b}}\n"
                  "- {{pubkey: 0x{}, group: b, validator_client: vc}}\n",
                  one, two, three),
      "k.yml");
  ASSERT_TRUE(keys) << keys.error().message;
  EXPECT_EQ((*keys)->label_sets, (std::vector<LabelSet>{{{"group", "a"}, {"site", "x"}}, {{"group", "b"}}}));
  EXPECT_EQ((*keys)->find(*parse_public_key(two))->label_set, 1U);
  EXPECT_EQ((*keys)->find(*parse_public_key(three))->label_set, 1U);
  EXPECT_EQ((*keys)->find(*parse_public_key(three))->validator_client, "vc");
  const auto wrong = [&](const std::string& rest) {
    const auto read = WatchedKeys::parse("- {pubkey: 0x" + one + rest, "k.yml");
    return read ? "fine" : read.error().message;
  };
  EXPECT_EQ(wrong("}"), "fine");
  EXPECT_THAT(wrong(", labels: {scope: a}}"), HasSubstr("\"scope\" cannot be a label of validators"));
  EXPECT_THAT(wrong(", labels: {a-b: a}}"), HasSubstr("\"a-b\" cannot be a label"));
  EXPECT_THAT(wrong(", group: x, labels: {group: a}}"), HasSubstr("group is given twice"));
  EXPECT_THAT(wrong("}\n- {pubkey: 0x" + one + "}"), HasSubstr("is given twice"));
  EXPECT_THAT(wrong("}\n- {group: a}"), HasSubstr("k.yml:2:3: validator: missing key \"pubkey\""));
  std::string many;
  for (std::size_t i = 0; i <= kLabelSetsMax; ++i) many += fmt::format("0x{:096x}: g{}\n", i, i);
  const auto read = WatchedKeys::parse(many, "k.yml");
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error().message, HasSubstr("more than 1000 sets of labels"));
}

// The whole way: configuration, pools, rounds, ring.
class StakingJobsTest : public StakingWorld {
 protected:
  StakingJobsTest() {
    std::vector<std::unique_ptr<scrape::Shard>> shards;
    shards.push_back(std::make_unique<scrape::InlineShard>(*ring));
    pools = std::make_unique<scrape::ScrapePools>(clock, clock, client, std::move(shards));
  }
  ~StakingJobsTest() override { pools.reset(); }
  void apply(const std::string& yaml) {
    const StakingConfig config = read(yaml);
    scrape::GlobalConfig global;
    global.scrape_interval = std::chrono::seconds(12);
    auto jobs = scrape::resolve_jobs({observation_job(config)}, global);
    ASSERT_TRUE(jobs) << jobs.error().message;
    set_observer(jobs->front(), "here");
    client.configure(config);
    pools->apply(*jobs, {});
  }
  // The last value of a series with these labels; "stale", or "none" without one.
  std::string last(const core::ring::Labels& labels) const {
    std::vector<core::ring::Matcher> matchers;
    for (const auto& [name, value] : labels) matchers.push_back(core::ring::Matcher::equal(name, value));
    const auto selected = ring->reader().select(matchers);
    if (selected.size() != 1) return selected.empty() ? "none" : "several";
    std::vector<core::ring::Sample> read;
    ring->reader().read(selected[0].ref, INT64_MIN, INT64_MAX, read);
    if (read.empty()) return "none";
    return core::ring::is_stale(read.back().value) ? "stale" : fmt::format("{}", read.back().value);
  }

  std::unique_ptr<core::ring::Ring> ring = core::ring::make_memory_ring();
  std::unique_ptr<scrape::ScrapePools> pools;
};

TEST_F(StakingJobsTest, ANodeIsATargetAndEndsWithMarkers) {
  nodes.on("GET https://v:8200/v1/sys/health", R"({"initialized":true,"sealed":false,"standby":false})");
  nodes.on("GET https://v:8200/v1/sys/leader", R"({"ha_enabled":false})");
  nodes.on("GET https://v:8200/v1/sys/seal-status", "{}");
  nodes.on("GET https://w:8200/v1/sys/health", broken("dial tcp w: connect: connection refused"));
  nodes.on("GET https://w:8200/v1/sys/leader", broken("dial tcp w: connect: connection refused"));
  nodes.on("GET https://w:8200/v1/sys/seal-status", broken("dial tcp w: connect: connection refused"));
  const std::string v = R"({name: v, url: "https://v:8200", zone: z1})";
  apply("vaults: [" + v + R"(, {name: w, url: "https://w:8200"}])");
  clock.advance(std::chrono::seconds(30));
  EXPECT_EQ(last({{"__name__", "watchkeeper_vault_up"},
                  {"job", "staking"},
                  {"instance", "v:8200"},
                  {"node", "v"},
                  {"target", "v"},
                  {"zone", "z1"},
                  {"observer", "here"}}),
            "1");
  EXPECT_EQ(last({{"__name__", "watchkeeper_vault_up"}, {"node", "w"}}), "0");
  EXPECT_EQ(last({{"__name__", "up"}, {"node", "w"}}), "1");
  apply("vaults: [" + v + "]");
  clock.advance(std::chrono::seconds(60));
  EXPECT_EQ(last({{"__name__", "watchkeeper_vault_up"}, {"node", "w"}}), "stale");
  EXPECT_EQ(last({{"__name__", "watchkeeper_vault_up"}, {"node", "v"}}), "1");
  apply("{}");
  clock.advance(std::chrono::seconds(60));
  EXPECT_EQ(last({{"__name__", "watchkeeper_vault_up"}, {"node", "v"}}), "stale");
}

TEST_F(StakingJobsTest, ARoundThatIsCutShortAsksNoMore) {
  for (const char* const path : {"health", "leader", "seal-status"}) {
    nodes.on(fmt::format("GET https://v:8200/v1/sys/{}", path), late(std::chrono::seconds(3)));
  }
  client.configure(read(R"({vaults: [{name: v, url: "https://v:8200"}]})"));
  core::net::Request request;
  request.url = "http://any/vault/v";
  const auto id = client.send(request, [](const auto&) { FAIL() << "a cancelled round answers"; });
  clock.advance(std::chrono::seconds(1));
  client.cancel(id);
  EXPECT_EQ(nodes.cancelled, 3);
  clock.advance(std::chrono::seconds(10));
}

TEST_F(StakingJobsTest, AReferenceIsAskedAtItsOwnPace) {
  const auto pace = [](const std::string& rest) {
    const StakingConfig config = read(
        "{execution_nodes: [{name: g, url: 'http://g'}, "
        "{name: r, url: 'http://r', reference: true}]" +
        rest + "}");
    scrape::GlobalConfig global;
    global.scrape_interval = std::chrono::seconds(12);
    const auto jobs = scrape::resolve_jobs({observation_job(config)}, global);
    EXPECT_TRUE(jobs) << jobs.error().message;
    const auto targets = scrape::build_targets(jobs->front());
    EXPECT_EQ(targets.active.size(), 2U) << rest;
    EXPECT_EQ(targets.active[0].interval, std::chrono::seconds(12));
    return std::pair(targets.active[1].interval, targets.active[1].timeout);
  };
  using std::chrono::seconds;
  EXPECT_EQ(pace(""), std::pair(core::Millis(seconds(60)), core::Millis(seconds(10))));
  EXPECT_EQ(pace(", reference_interval: 2s"), std::pair(core::Millis(seconds(2)), core::Millis(seconds(2))));
  EXPECT_EQ(pace(", timeout: 3s"), std::pair(core::Millis(seconds(60)), core::Millis(seconds(3))));
}

TEST_F(StakingJobsTest, MetricsAreTargetsOfAJobOfTheirOwn) {
  const StakingConfig config = read(R"({network: mainnet,
      beacon_nodes: [{name: bn-a, metrics: "http://10.0.0.5:5054/metrics", zone: z}],
      execution_nodes: [{name: g, metrics: "https://10.0.0.5:6060/debug/metrics/prometheus"}],
      validator_clients: [{name: vc}]})");
  const auto jobs = scrape::resolve_jobs({metrics_job(config)}, {});
  ASSERT_TRUE(jobs) << jobs.error().message;
  const auto targets = scrape::build_targets(jobs->front());
  ASSERT_EQ(targets.active.size(), 2U);
  EXPECT_EQ(targets.active[0].url, "http://10.0.0.5:5054/metrics");
  EXPECT_EQ(targets.active[0].labels.to_string(), R"({instance="10.0.0.5:5054", job="beacon", node="bn-a", zone="z"})");
  EXPECT_EQ(targets.active[1].url, "https://10.0.0.5:6060/debug/metrics/prometheus");
  EXPECT_EQ(targets.active[1].labels.get("job"), "execution");
}

}  // namespace
}  // namespace collector::staking

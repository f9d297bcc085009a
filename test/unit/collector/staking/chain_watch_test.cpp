// SPDX-License-Identifier: Apache-2.0
#include "collector/staking/chain_watch.h"

#include "duty_world.h"

namespace collector::staking {
namespace {

// The whole way into the ring.
class ChainWatchTest : public DutyWorld {
 protected:
  void apply(const std::string& node_options, bool with_keys) {
    StakingConfig config = read(fmt::format(
        R"({{network: {{from_beacon_node: true}}, beacon_nodes: [{{name: bn, url: "http://a", zone: z{}}}]}})",
        node_options));
    if (network == nullptr) network = std::make_shared<Network>(config.network);
    if (with_keys) config.keys = keys_of({{1, "g"}});
    chain_watch.configure(config, network, "here");
  }
  std::string last(const std::map<std::string, std::string>& labels) const {
    std::vector<core::ring::Matcher> matchers;
    for (const auto& [name, value] : labels) matchers.push_back(core::ring::Matcher::equal(name, value));
    const auto selected = ring->reader().select(matchers);
    if (selected.size() != 1) return selected.empty() ? "none" : "several";
    const auto sample = ring->reader().last(selected[0].ref);
    if (!sample) return "none";
    return core::ring::is_stale(sample->value) ? "stale" : fmt::format("{}", sample->value);
  }
  std::string last(const std::string& name) const { return last({{"__name__", name}}); }

  std::shared_ptr<Network> network;
  std::unique_ptr<core::ring::Ring> ring = core::ring::make_memory_ring();
  scrape::InlineShard shard{*ring};
  std::set<std::string> arrivals;
  ChainWatch chain_watch{
      {nodes, clock, clock, shard,
       [this](const scrape::Arrival& arrival) { arrivals.insert(arrival.job + " " + arrival.instance); },
       [] { return 0.5; }}};
};

TEST_F(ChainWatchTest, DutiesAndEventsAreTargetsOfTheirOwn) {
  apply("", true);
  run_through(104);
  EXPECT_EQ(last({{"__name__", "watchkeeper_duties_attestations_total"},
                  {"job", "staking_duties"},
                  {"instance", "here"},
                  {"observer", "here"},
                  {"scope", "watched"},
                  {"group", "g"}}),
            "1");
  EXPECT_EQ(last({{"__name__", "up"}, {"job", "staking_duties"}}), "1");
  // This node has no events.
  EXPECT_EQ(last({{"__name__", "watchkeeper_events_connected"},
                  {"job", "staking_events"},
                  {"instance", "a:80"},
                  {"node", "bn"},
                  {"target", "bn"},
                  {"zone", "z"},
                  {"observer", "here"}}),
            "0");
  EXPECT_EQ(last({{"__name__", "watchkeeper_events_failure_reason"}, {"reason", "not_offered"}}), "1");
  EXPECT_EQ(arrivals, (std::set<std::string>{"staking_duties here", "staking_events a:80"}));
  ASSERT_EQ(chain_watch.status().size(), 2U);
  EXPECT_EQ(chain_watch.status()[0].job, "staking_duties");
  EXPECT_EQ(chain_watch.status()[0].active[0].health, scrape::Health::kUp);
  EXPECT_EQ(chain_watch.metadata().size(), 2U);
  EXPECT_EQ(chain_watch.duties()->keys_known, 1U);
  EXPECT_FALSE(chain_watch.duties()->unknown);

  // The same again is no change; what leaves the configuration ends.
  apply("", true);
  run_through(112);
  EXPECT_EQ(last({{"__name__", "watchkeeper_duties_attestations_total"}, {"group", "g"}}), "2");
  apply(", events: false", false);
  EXPECT_EQ(last("watchkeeper_events_connected"), "stale");
  EXPECT_EQ(last({{"__name__", "watchkeeper_duties_attestations_total"}, {"group", "g"}}), "stale");
  EXPECT_EQ(chain_watch.status().size(), 0U);
  EXPECT_FALSE(chain_watch.duties()->watching);
  const int asked = chain.asked["GET /eth/v1/beacon/headers"];
  run_through(114);
  EXPECT_EQ(chain.asked["GET /eth/v1/beacon/headers"], asked) << "nobody is asked any more";
}

TEST_F(ChainWatchTest, ItsEndIsNoEndOfSeries) {
  apply("", true);
  run_through(104);
  chain_watch.stop();
  run_through(106);
  EXPECT_EQ(last({{"__name__", "watchkeeper_duties_attestations_total"}, {"group", "g"}}), "1");
}

}  // namespace
}  // namespace collector::staking

// SPDX-License-Identifier: Apache-2.0
#include "collector/staking/event_stream.h"

#include <gmock/gmock.h>

#include "collector/staking/text_target.h"
#include "core/ring/ring.h"
#include "made_chain.h"

namespace collector::staking {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(EventParserTest, ReadsEventsWhateverThePieces) {
  const std::string stream =
      ": keep-alive\n\nevent: head\ndata: {\"a\":1}\n\nevent:block\r\ndata:x\r\ndata: y\r\n\r\n"
      "data\n\nid: 7\nretry: 10\n\nevent: lost\n\rdata: z\r\rdata: cut";
  for (std::size_t size = 1; size <= stream.size(); ++size) {
    std::vector<std::string> seen;
    EventParser parser(
        {[&](std::string_view name, std::string_view data) { seen.push_back(fmt::format("{}={}", name, data)); },
         [&](std::string_view text) { seen.push_back(fmt::format("#{}", text)); }});
    for (std::size_t at = 0; at < stream.size(); at += size)
      ASSERT_TRUE(parser.feed(std::string_view(stream).substr(at, size)));
    EXPECT_THAT(seen, ElementsAre("# keep-alive", "head={\"a\":1}", "block=x\ny", "=", "=z")) << size;
  }
}

TEST(EventParserTest, AnEventWithoutEndEndsTheStream) {
  EventParser parser({[](auto, auto) { FAIL(); }, [](auto) { FAIL(); }});
  const std::string part(1 << 16, 'x');
  int taken = 0;
  while (parser.feed(part)) ASSERT_LT(++taken, 20);
  EXPECT_EQ(taken, 16);
}

// A node whose stream the test writes.
class StreamingNode final : public core::net::HttpClient {
 public:
  StreamingNode(core::SimulatedClock& clock, MadeChain& chain) : clock_(clock), chain_(chain) {}
  core::net::TransferId send(core::net::Request request,
                             std::function<void(core::Result<core::net::Response>)> done) override {
    const core::net::TransferId id = ++last_id_;
    if (request.url.find("/eth/v1/events") != std::string::npos) {
      asked.push_back(request.url.substr(request.url.find('?')));
      id_ = id;
      on_body_ = request.on_body;
      done_ = done;
      if (refuse_with != 0) {
        clock_.schedule_after(clock_, std::chrono::milliseconds(1), [this, id] {
          if (id_ != id) return;
          core::net::Response response;
          response.status = refuse_with;
          refuse_with = 0;
          close(std::move(response));
        });
      }
      return id;
    }
    const Told told = chain_.answer_to(request);
    clock_.schedule_after(clock_, std::chrono::milliseconds(1), [told, done] {
      if (!told.error.empty()) return done(core::fail(told.code, "\"GET x\": {}", told.error));
      core::net::Response response;
      response.status = told.status;
      response.body = told.body;
      done(std::move(response));
    });
    return id;
  }
  void cancel(core::net::TransferId transfer) override {
    if (transfer != id_) return;
    id_ = 0;
    ++cancelled;
  }
  bool open() const { return id_ != 0; }
  void say(const std::string& text) {
    ASSERT_NE(id_, 0U);
    if (!on_body_(text)) close(core::fail(core::Errc::kCancelled, "ended by its receiver"));
  }
  void close(core::Result<core::net::Response> response) {
    id_ = 0;
    std::exchange(done_, nullptr)(std::move(response));
  }

  std::vector<std::string> asked;
  int refuse_with = 0;
  int cancelled = 0;

 private:
  core::SimulatedClock& clock_;
  MadeChain& chain_;
  core::net::TransferId last_id_ = 0;
  core::net::TransferId id_ = 0;
  std::function<bool(std::string_view)> on_body_;
  std::function<void(core::Result<core::net::Response>)> done_;
};

class EventStreamTest : public StakingWorld {
 protected:
  EventStreamTest() {
    NetworkConfig any;
    any.from_beacon_node = true;
    network = std::make_shared<Network>(any);
    target = std::make_shared<TextTarget>(clock, shard, core::ring::Labels{{"job", "e"}, {"instance", "a"}}, "u",
                                          std::chrono::seconds(15), [](const scrape::Arrival&) {});
    begin();
  }
  void begin() {
    EventStream::Listener listener;
    listener.publish = [this](std::string series) {
      text = series;
      target->publish(std::move(series));
    };
    listener.block = [this](std::uint64_t slot, core::WallTime at) {
      blocks.push_back(fmt::format("{}@{}", slot, core::to_unix_ms(at) - chain.slot_ms(slot)));
    };
    listener.event = [this](std::string_view topic) { topics.emplace_back(topic); };
    listener.slashing = [this](const std::vector<std::uint64_t>& validators, std::string_view how) {
      slashings.push_back(fmt::format("{} {}", how, fmt::join(validators, ",")));
    };
    BeaconNodeConfig config;
    config.name = "a";
    config.url = "http://a";
    stream = std::make_unique<EventStream>(node, clock, clock, config, network, [] { return 0.0; }, listener);
    stream->start();
    clock.advance(std::chrono::milliseconds(10));
  }
  std::string value(const std::string& name) const { return Seen(text)["watchkeeper_events_" + name]; }
  static std::string event(const std::string& name, const std::string& data) {
    return "event: " + name + "\ndata: " + data + "\n\n";
  }

  MadeChain chain{clock};
  StreamingNode node{clock, chain};
  std::shared_ptr<Network> network;
  std::unique_ptr<core::ring::Ring> ring = core::ring::make_memory_ring();
  scrape::InlineShard shard{*ring};
  std::shared_ptr<TextTarget> target;
  std::string text;
  std::vector<std::string> blocks;
  std::vector<std::string> slashings;
  std::vector<std::string> topics;
  std::unique_ptr<EventStream> stream;
};

TEST_F(EventStreamTest, EachEventIsASampleOfItsArrival) {
  ASSERT_THAT(node.asked, ElementsAre("?topics=head&topics=block&topics=chain_reorg&topics=finalized_checkpoint"
                                      "&topics=attester_slashing&topics=proposer_slashing"));
  EXPECT_EQ(value("connected"), "0") << "nothing was told yet";
  clock.advance(std::chrono::milliseconds(1990));
  node.say(event("block", R"({"slot":"100","block":"0x01","execution_optimistic":false})"));
  const std::int64_t arrived = core::to_unix_ms(clock.wall_now());
  EXPECT_EQ(value("connected"), "1");
  EXPECT_EQ(value("block_delay_seconds"), "2");
  clock.advance(std::chrono::milliseconds(100));
  node.say(event("head", R"({"slot":"100","block":"0x01"})") + event("finalized_checkpoint", R"({"epoch":"10"})"));
  EXPECT_EQ(value("head_delay_seconds"), "2.1");
  EXPECT_EQ(value("finalized_epoch"), "10");
  EXPECT_THAT(blocks, ElementsAre("100@2000"));
  EXPECT_EQ(value("late_blocks_total"), "0");
  clock.advance(std::chrono::milliseconds(12'000 + 4000));
  node.say(event("head", R"({"slot":"101"})"));
  EXPECT_EQ(value("late_blocks_total"), "1");
  node.say(event("chain_reorg", R"({"slot":"101","depth":"2","epoch":"12"})"));
  EXPECT_EQ(value("reorg_depth"), "2");
  EXPECT_EQ(value("received_total{topic=\"head\"}"), "2");
  EXPECT_EQ(value("received_total{topic=\"chain_reorg\"}"), "1");
  expect_documented(Seen(text));
  // In the ring, at the time of arrival; and two events in one millisecond are two samples.
  const auto series = ring->reader().select(std::vector<core::ring::Matcher>{
      core::ring::Matcher::equal("__name__", "watchkeeper_events_block_delay_seconds")});
  ASSERT_EQ(series.size(), 1U);
  std::vector<core::ring::Sample> samples;
  ring->reader().read(series[0].ref, arrived, arrived, samples);
  ASSERT_EQ(samples.size(), 1U);
  EXPECT_EQ(samples[0].value, 2);
  ring->reader().read(series[0].ref, arrived + 16'100, arrived + 16'101, samples);
  EXPECT_EQ(samples.size(), 2U);
}

TEST_F(EventStreamTest, SlashingsNameWhoIsInBoth) {
  node.say(event("attester_slashing", R"({"attestation_1":{"attesting_indices":["1","5","9"]},
"attestation_2":{"attesting_indices":["9","2","5"]}})"));
  EXPECT_EQ(value("bad_total"), "1") << "an event is one line";
  node.say(event("attester_slashing", R"({"attestation_1":{"attesting_indices":["1","5","9"]},)"
                                      R"("attestation_2":{"attesting_indices":["9","2","5"]}})"));
  node.say(event("proposer_slashing", R"({"signed_header_1":{"message":{"slot":"9","proposer_index":"7"}}})"));
  EXPECT_THAT(slashings, ElementsAre("attester_slashing event 5,9", "proposer_slashing event 7"));
  EXPECT_EQ(topics.back(), "proposer_slashing");
}

TEST_F(EventStreamTest, WhatIsNoEventOfOursIsCountedAndPassedOver) {
  for (const std::string& wrong :
       {event("head", "{"), event("head", "[]"), event("head", "{}"), event("head", R"({"slot":"-1"})"),
        event("other", "{}"), event("chain_reorg", "{}"), event("finalized_checkpoint", R"({"epoch":null})")}) {
    node.say(wrong);
  }
  EXPECT_EQ(value("bad_total"), "7");
  EXPECT_TRUE(blocks.empty());
  node.say(event("head", R"({"slot":"100"})"));
  EXPECT_EQ(value("head_slot"), "100");
  node.say(": error - dropped 12 messages\n");
  EXPECT_EQ(value("gaps_total"), "1");
}

TEST_F(EventStreamTest, AStreamThatBreaksIsMadeAnewLaterAndLater) {
  node.say(event("head", R"({"slot":"100"})"));
  node.close(core::fail(core::Errc::kUnavailable, "\"GET x\": EOF"));
  EXPECT_EQ(value("connected"), "0");
  EXPECT_EQ(value("failure_reason{reason=\"closed\"}"), "1");
  EXPECT_EQ(value("gaps_total"), "1");
  EXPECT_EQ(value("head_slot"), "none") << "nobody knows what it is now";
  for (const int wait : {1, 2, 4, 8, 16, 30, 30}) {
    EXPECT_FALSE(node.open());
    clock.advance(std::chrono::milliseconds(wait * 1000 - 20));
    EXPECT_FALSE(node.open()) << wait;
    clock.advance(std::chrono::milliseconds(40));
    ASSERT_TRUE(node.open()) << wait;
    node.close(core::fail(core::Errc::kUnavailable, "\"GET x\": EOF"));
  }
  EXPECT_EQ(value("gaps_total"), "1") << "it was one gap";
  clock.advance(std::chrono::seconds(31));
  node.say(event("head", R"({"slot":"110"})"));
  EXPECT_EQ(value("connected"), "1");
  EXPECT_EQ(value("connects_total"), "2");
}

TEST_F(EventStreamTest, ASilentStreamIsGivenUp) {
  node.say(event("head", R"({"slot":"100"})"));
  clock.advance(std::chrono::seconds(30));
  node.say(": still here\n");
  clock.advance(std::chrono::seconds(30));
  EXPECT_EQ(node.cancelled, 0);
  clock.advance(std::chrono::seconds(16));
  EXPECT_EQ(node.cancelled, 1);
  EXPECT_EQ(value("failure_reason{reason=\"timeout\"}"), "1");
  clock.advance(std::chrono::seconds(2));
  EXPECT_TRUE(node.open());
}

TEST_F(EventStreamTest, ANodeThatKnowsFewerTopicsIsAskedForThose) {
  node.close(core::fail(core::Errc::kUnavailable, "\"GET x\": EOF"));
  node.refuse_with = 400;
  clock.advance(std::chrono::milliseconds(1010));
  EXPECT_EQ(value("failure_reason{reason=\"http_status\"}"), "1");
  clock.advance(std::chrono::milliseconds(1010));
  EXPECT_EQ(node.asked.back(), "?topics=head&topics=block&topics=chain_reorg&topics=finalized_checkpoint");
  EXPECT_EQ(value("topics"), "4");
}

TEST_F(EventStreamTest, ANodeOfAnotherNetworkIsNotListenedTo) {
  NetworkConfig other;
  other.genesis_validators_root = "0x" + std::string(64, '3');
  network = std::make_shared<Network>(other);
  node.asked.clear();
  begin();
  EXPECT_TRUE(node.asked.empty());
  EXPECT_EQ(value("failure_reason{reason=\"wrong_network\"}"), "1");
}

}  // namespace
}  // namespace collector::staking

// SPDX-License-Identifier: Apache-2.0
#include "collector/staking/event_stream.h"

#include <algorithm>

#include <fmt/format.h>

#include "collector/staking/beacon_answers.h"
#include "collector/staking/json.h"
#include "collector/staking/node_observer.h"

namespace collector::staking {
namespace {

constexpr core::Duration kShort = std::chrono::seconds(5);
// A stream has no end of its own; the request wants one.
constexpr core::Duration kStreamFor = std::chrono::hours(24);
constexpr core::Duration kShowEvery = std::chrono::seconds(15);
constexpr core::Duration kWaitMax = std::chrono::seconds(30);
// No byte for so many slots: the connection is there, and nobody behind it.
constexpr std::int64_t kSilentSlotsMax = 3;

constexpr std::array<std::string_view, kTopics> kTopicNames = {
    "head", "block", "chain_reorg", "finalized_checkpoint", "attester_slashing", "proposer_slashing"};
// One topic that a node does not know refuses the request: what all have, and what few lack.
constexpr std::array<std::size_t, 3> kTopicSets = {kTopics, 4, 1};

std::optional<Topic> topic_of(std::string_view name) {
  const auto found = std::ranges::find(kTopicNames, name);
  if (found == kTopicNames.end()) return std::nullopt;
  return static_cast<Topic>(found - kTopicNames.begin());
}

std::string failure_of(const core::Result<core::net::Response>& response) {
  if (!response) return std::string(row_of(reason_of(response.error())).name);
  return std::string(row_of(reason_of_status(response->status)).name);
}

class Samples {
 public:
  void family(std::string_view name, std::string_view type, std::string_view help) {
    name_ = name;
    text_ += fmt::format("# HELP watchkeeper_events_{0} {1}\n# TYPE watchkeeper_events_{0} {2}\n", name, help, type);
  }
  void sample(double value, std::string_view labels = {}) {
    text_ += fmt::format("watchkeeper_events_{}{} {}\n", name_, labels, value);
  }
  template <class T>
  void gauge(std::string_view name, std::string_view help, const std::optional<T>& value, double unit = 1) {
    if (!value) return;
    family(name, "gauge", help);
    sample(static_cast<double>(*value) / unit);
  }
  void counter(std::string_view name, std::string_view help, std::uint64_t value) {
    family(name, "counter", help);
    sample(static_cast<double>(value));
  }
  std::string take() { return std::move(text_); }

 private:
  std::string_view name_;
  std::string text_;
};

}  // namespace

EventStream::EventStream(core::net::HttpClient& http, core::Scheduler& scheduler, const core::Clock& clock,
                         BeaconNodeConfig config, std::shared_ptr<Network> network, std::function<double()> jitter,
                         Listener listener)
    : http_(http),
      scheduler_(scheduler),
      clock_(clock),
      config_(std::move(config)),
      network_(std::move(network)),
      jitter_(std::move(jitter)),
      listener_(std::move(listener)) {}

EventStream::~EventStream() { scheduler_.cancel(watch_timer_); }

void EventStream::start() {
  run_ = run();
  run_.start();
  watch();
}

core::net::Request EventStream::request(const std::string& path, core::Duration timeout) const {
  Question question;
  question.request.url = join_url(config_.url, path);
  question.request.timeout = timeout;
  question.request.body_limit = 1 << 20;
  if (config_.http_config) authorise(question, *config_.http_config);
  return std::move(question.request);
}

core::RootTask EventStream::run() {
  while (true) {
    std::string problem;
    if (!spec_) problem = co_await learn();
    if (problem.empty()) problem = co_await listen();
    lose(std::move(problem));
    // 1, 2, 4 .. 30 s, and up to half of that more, so that the watch of many hosts does not come at once.
    const core::Duration wait =
        std::min<core::Duration>(std::chrono::seconds(1) * (1U << std::min(attempts_, 5U)), kWaitMax);
    ++attempts_;
    Pause pause(scheduler_, clock_, wait + std::chrono::duration_cast<core::Duration>(wait * jitter_() / 2));
    co_await pause;
  }
}

core::Task<std::string> EventStream::learn() {
  HttpExchange genesis_exchange(http_, request("/eth/v1/beacon/genesis", kShort));
  const auto genesis_answer = co_await genesis_exchange;
  if (!genesis_answer || genesis_answer->status != 200) co_return failure_of(genesis_answer);
  HttpExchange spec_exchange(http_, request("/eth/v1/config/spec", kShort));
  const auto spec_answer = co_await spec_exchange;
  if (!spec_answer || spec_answer->status != 200) co_return failure_of(spec_answer);
  const auto genesis = Json::parse(genesis_answer->body);
  const auto spec = Json::parse(spec_answer->body);
  if (!genesis || !spec) co_return std::string(row_of(Reason::kNotJson).name);
  const auto root = genesis->text("data/genesis_validators_root");
  if (!root || normal_root(*root).empty()) co_return std::string(row_of(Reason::kNetworkUnverified).name);
  if (network_->check(*root) == Network::Match::kOther) co_return std::string(row_of(Reason::kWrongNetwork).name);
  const auto made = DutySpec::make(*spec, *genesis);
  if (!made) co_return std::string("bad_spec");
  spec_ = *made;
  co_return std::string();
}

core::Task<std::string> EventStream::listen() {
  // The parameter is given again for each topic: of a list with commas one client says nothing at all.
  std::string path = "/eth/v1/events";
  for (std::size_t i = 0; i < kTopicSets[topic_set_]; ++i)
    path += fmt::format("{}topics={}", i == 0 ? '?' : '&', kTopicNames[i]);
  core::net::Request asked = request(path, kStreamFor);
  asked.headers.emplace_back("Accept", "text/event-stream");
  parser_.emplace(EventParser::Listener{[this](std::string_view name, std::string_view data) { take(name, data); },
                                        [this](std::string_view text) {
                                          // Lighthouse tells so that it threw events away (": error - dropped N
                                          // messages").
                                          if (text.find("dropped") != std::string_view::npos) ++gaps_;
                                        }});
  last_byte_ = clock_.steady_now();
  bool began = false;
  asked.on_body = [this, &began](std::string_view piece) {
    last_byte_ = clock_.steady_now();
    if (!began) {
      began = connected_ = true;
      ++connects_;
      reason_.clear();
    }
    const bool good = parser_->feed(piece);
    show();
    return good;
  };
  HttpExchange exchange(http_, std::move(asked));
  exchange_ = &exchange;
  const auto response = co_await exchange;
  exchange_ = nullptr;
  if (response && response->status == 400 && topic_set_ + 1 < kTopicSets.size()) {
    ++topic_set_;
    attempts_ = 0;
  }
  if (!response && response.error().code == core::Errc::kCancelled)
    co_return std::string(row_of(Reason::kBodyTooLarge).name);
  if (response && response->status == 200) co_return std::string(row_of(Reason::kClosed).name);
  co_return failure_of(response);
}

// Ends a stream that is silent, and shows the series of one that has nothing to tell.
void EventStream::watch() {
  watch_timer_ = scheduler_.schedule_after(clock_, kShowEvery, [this] { watch(); });
  const auto silent_max = spec_ ? core::Millis(kSilentSlotsMax * spec_->clock.slot_ms()) : core::Millis::max();
  if (exchange_ != nullptr && clock_.steady_now() - last_byte_ >= silent_max) {
    exchange_->abandon(core::Error{core::Errc::kTimeout, "context deadline exceeded"});
    return;
  }
  show();
}

void EventStream::lose(std::string reason) {
  if (connected_) ++gaps_;
  connected_ = false;
  reason_ = std::move(reason);
  // Who answers next time may be somebody else.
  spec_.reset();
  head_slot_.reset();
  block_slot_.reset();
  head_delay_ms_.reset();
  block_delay_ms_.reset();
  finalized_epoch_.reset();
  reorg_depth_.reset();
  show();
}

void EventStream::take(std::string_view name, std::string_view data) {
  const auto topic = topic_of(name);
  const auto event = topic ? Json::parse(data) : core::Result<Json>(core::fail(core::Errc::kInvalid, "another topic"));
  if (!event || !event->is_object()) {
    ++bad_events_;
    return;
  }
  attempts_ = 0;
  ++events_[static_cast<std::size_t>(*topic)];
  if (listener_.event) listener_.event(kTopicNames[static_cast<std::size_t>(*topic)]);
  const auto slot = event->number("slot");
  switch (*topic) {
    case Topic::kHead:
      if (!slot) break;
      head_slot_ = slot;
      head_delay_ms_ = clock_.unix_ms() - spec_->clock.start_ms({*slot});
      return take_block(*slot);
    case Topic::kBlock:
      if (!slot) break;
      return take_block(*slot);
    case Topic::kFinalizedCheckpoint:
      finalized_epoch_ = event->number("epoch");
      if (finalized_epoch_) return;
      break;
    case Topic::kChainReorg:
      reorg_depth_ = event->number("depth");
      if (reorg_depth_) return;
      break;
    case Topic::kAttesterSlashing:
    case Topic::kProposerSlashing:
      return take_slashing(*topic, data);
  }
  ++bad_events_;
}

// The first event of a block says when it was there.
void EventStream::take_block(std::uint64_t slot) {
  if (block_slot_ && slot <= *block_slot_) return;
  block_slot_ = slot;
  const std::int64_t delay = clock_.unix_ms() - spec_->clock.start_ms({slot});
  block_delay_ms_ = delay;
  // A node that catches up tells of old blocks.
  if (delay > 2 * spec_->clock.slot_ms()) return;
  if (delay * 10'000 > static_cast<std::int64_t>(spec_->attestation_due_bps) * spec_->clock.slot_ms()) ++late_blocks_;
  if (listener_.block) listener_.block(slot, clock_.wall_now());
}

void EventStream::take_slashing(Topic topic, std::string_view data) {
  const auto event = Json::parse(data);
  std::vector<std::uint64_t> named;
  if (topic == Topic::kProposerSlashing) {
    if (const auto validator = event->number("signed_header_1/message/proposer_index")) named.push_back(*validator);
  } else {
    std::array<std::vector<std::uint64_t>, 2> sides;
    for (std::size_t i = 0; i < 2; ++i) {
      for (const Json& item : event->items(fmt::format("attestation_{}/attesting_indices", i + 1))) {
        if (const auto validator = item.number({})) sides[i].push_back(*validator);
      }
    }
    named = named_by_both(sides[0], sides[1]);
  }
  if (named.empty()) ++bad_events_;
  if (listener_.slashing)
    listener_.slashing(named, fmt::format("{} event", kTopicNames[static_cast<std::size_t>(topic)]));
}

void EventStream::show() {
  Samples text;
  text.family("connected", "gauge", "1 while the stream of events is open and has said something.");
  text.sample(connected_ ? 1 : 0);
  if (!reason_.empty()) {
    text.family("failure_reason", "gauge", "1, with why there is no stream.");
    text.sample(1, fmt::format("{{reason=\"{}\"}}", reason_));
  }
  text.family("topics", "gauge", "Topics that the node takes, of those that are wanted.");
  text.sample(static_cast<double>(kTopicSets[topic_set_]));
  text.family("received_total", "counter", "Events, by topic.");
  for (std::size_t i = 0; i < kTopics; ++i) {
    text.sample(static_cast<double>(events_[i]), fmt::format("{{topic=\"{}\"}}", kTopicNames[i]));
  }
  text.counter("bad_total", "Events that are not what they should be.", bad_events_);
  text.counter("gaps_total", "Times that events were lost, or may have been: the stream broke, or the node said so.",
               gaps_);
  text.counter("connects_total", "Streams that said something.", connects_);
  text.counter("late_blocks_total", "Blocks that came after attesters had to vote.", late_blocks_);
  text.gauge("head_slot", "The slot of the last head.", head_slot_);
  text.gauge("head_delay_seconds", "When in its slot it became the head.", head_delay_ms_, 1000);
  text.gauge("block_slot", "The slot of the last block.", block_slot_);
  text.gauge("block_delay_seconds", "When in its slot it came.", block_delay_ms_, 1000);
  text.gauge("finalized_epoch", "The epoch that was finalized last.", finalized_epoch_);
  text.gauge("reorg_depth", "How many slots the last reorganisation went back.", reorg_depth_);
  if (listener_.publish) listener_.publish(text.take());
}

}  // namespace collector::staking

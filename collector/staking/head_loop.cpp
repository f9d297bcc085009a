// SPDX-License-Identifier: Apache-2.0
#include "collector/staking/head_loop.h"

#include <algorithm>

#include <fmt/format.h>

#include "collector/staking/duty_requests.h"
#include "collector/staking/verdict.h"

namespace collector::staking {
namespace {

// Until a node told its clock.
constexpr core::Duration kRetryEvery = std::chrono::seconds(5);
// When in a slot the nodes are asked, in hundredths: its block is there by then, and its votes are not yet wanted.
constexpr std::int64_t kPhase = 75;
// Headers that are asked for at once, back from a head: a chain whose thread was lost begins anew with these.
constexpr std::size_t kWalkMax = 8;
constexpr std::uint64_t kHeadEpochsKept = 2;
constexpr std::size_t kCheckpointsKept = 8;
// Where honest nodes may differ for a moment: a block that comes late is replaced by the next proposer.
constexpr std::uint64_t kTipSlotsMax = 2;

std::string name_of(Reason reason) { return std::string(row_of(reason).name); }

std::optional<Root> root_at(const Json& body, const char* path) {
  const auto text = body.text(path);
  return text ? parse_root(*text) : std::nullopt;
}

std::optional<Block> header_of(const Json& body) {
  const auto root = root_at(body, "data/root");
  const auto slot = body.number("data/header/message/slot");
  const auto parent = root_at(body, "data/header/message/parent_root");
  if (!root || !slot || !parent) return std::nullopt;
  Block block;
  block.root = *root;
  block.slot = *slot;
  block.parent = *parent;
  return block;
}

}  // namespace

HeadLoop::HeadLoop(core::net::HttpClient& http, core::Scheduler& scheduler, const core::Clock& clock, Listener listener)
    : http_(http), scheduler_(scheduler), clock_(clock), listener_(std::move(listener)) {}

HeadLoop::~HeadLoop() { stop(); }

void HeadLoop::stop() {
  scheduler_.cancel(timer_);
  scheduler_.cancel(end_timer_);
  nodes_.clear();
  configured_.clear();
}

void HeadLoop::configure(std::vector<BeaconNodeConfig> nodes, std::shared_ptr<Network> network) {
  std::erase_if(nodes, [](const BeaconNodeConfig& node) { return node.url.empty(); });
  if (network_ == network && configured_ == nodes) return;
  stop();
  network_ = std::move(network);
  configured_ = std::move(nodes);
  spec_.reset();
  looks_open_ = 0;
  differed_ = false;
  for (const BeaconNodeConfig& node : configured_) {
    nodes_.push_back(std::make_unique<Node>());
    nodes_.back()->config = node;
  }
  if (nodes_.empty()) return;
  timer_ = scheduler_.schedule_after(clock_, core::Duration::zero(), [this] { tick(); });
}

void HeadLoop::schedule_next() {
  core::Duration wait = kRetryEvery;
  if (spec_) {
    const SlotClock& slots = spec_->clock;
    const std::int64_t phase = slots.slot_ms() * kPhase / 100;
    const std::int64_t since = clock_.unix_ms() - slots.genesis_ms() - phase;
    // Of a clock that is before genesis the next look is the first slot's.
    const std::int64_t left = since < 0 ? -since : slots.slot_ms() - since % slots.slot_ms();
    constexpr std::int64_t kWaitMsMax = 3'600'000;
    wait = core::Millis(std::min(left, kWaitMsMax));
  }
  timer_ = scheduler_.schedule_after(clock_, wait, [this] { tick(); });
}

void HeadLoop::tick() {
  schedule_next();
  // What takes longer than a slot is waited for, not added to.
  if (looks_open_ > 0) return;
  looks_open_ = nodes_.size();
  for (const auto& node : nodes_) {
    node->look = look(*node);
    node->look.start();
  }
}

core::RootTask HeadLoop::look(Node& node) {
  node.reason = co_await look_at(node);
  looked();
}

void HeadLoop::looked() {
  if (--looks_open_ > 0) return;
  // A turn of its own: this one belongs to the last node's look.
  end_timer_ = scheduler_.schedule_after(clock_, core::Duration::zero(), [this] { end_round(); });
}

void HeadLoop::end_round() {
  const ChainComparison comparison = compare();
  HeadRound round;
  round.spec = spec_;
  round.confirmed_slot = comparison.confirmed_slot;
  round.split = std::ranges::find(comparison.standings, Standing::kTied) != comparison.standings.end();
  if (comparison.differs() && !differed_) {
    ++disagreements_;
    round.disagreement = comparison.disagreement;
  }
  differed_ = comparison.differs();
  std::vector<const Node*> witnesses;
  for (const auto& node : nodes_) {
    HeadRound::Node& told = round.nodes.emplace_back();
    told.name = node->config.name;
    told.reason = node->reason;
    if (node->reason.empty()) {
      const Standing standing = comparison.standings[witnesses.size()];
      witnesses.push_back(node.get());
      told.head = node->chain.head().root;
      told.head_slot = node->chain.head().slot;
      if (standing == Standing::kOutvoted) told.reason = "outvoted";
      if (standing == Standing::kTied) told.reason = "split_view";
    }
  }
  if (listener_.publish) listener_.publish(series(comparison, witnesses));
  if (listener_.round) listener_.round(round);
}

ChainComparison HeadLoop::compare() {
  std::vector<ChainWitness> witnesses;
  for (const auto& node : nodes_) {
    if (node->reason.empty()) witnesses.push_back({node->config.name, &node->chain, &node->finalized});
  }
  if (!spec_) return compare_chains({}, 0);
  // Nothing is judged that was not compared.
  return compare_chains(witnesses, std::min(kTipSlotsMax, spec_->settle_slots()));
}

core::Task<std::string> HeadLoop::look_at(Node& node) {
  if (!node.spec) {
    std::string problem = co_await learn(node);
    if (!problem.empty()) co_return problem;
  }
  HttpExchange syncing_exchange(http_, get_request(node.config, "/eth/v1/node/syncing", kShortAnswer));
  const auto syncing_answer = co_await syncing_exchange;
  const auto syncing = json_of(syncing_answer);
  if (!syncing) {
    // Who answers next time may be somebody else.
    node.spec.reset();
    node.chain.clear();
    node.finalized.clear();
    co_return syncing.error();
  }
  HttpExchange head_exchange(http_, get_request(node.config, "/eth/v1/beacon/headers/head", kShortAnswer));
  const auto head_answer = co_await head_exchange;
  const auto json = json_of(head_answer);
  if (!json) co_return json.error();
  const auto head = header_of(*json);
  if (!head) co_return name_of(Reason::kBadAnswer);
  std::string problem = grade_head(node, *syncing, *head);
  if (!problem.empty()) co_return problem;
  (void)co_await follow(node, *head);
  if (nodes_.size() > 1) (void)co_await note_finalized(node);
  co_return std::string();
}

core::Task<std::string> HeadLoop::learn(Node& node) {
  HttpExchange genesis_exchange(http_, get_request(node.config, "/eth/v1/beacon/genesis", kShortAnswer));
  const auto genesis_answer = co_await genesis_exchange;
  const auto genesis = json_of(genesis_answer);
  if (!genesis) co_return genesis.error();
  const auto root = genesis->text("data/genesis_validators_root");
  if (!root || normal_root(*root).empty()) co_return name_of(Reason::kNetworkUnverified);
  if (network_->check(*root) == Network::Match::kOther) co_return name_of(Reason::kWrongNetwork);
  HttpExchange spec_exchange(http_, get_request(node.config, "/eth/v1/config/spec", kShortAnswer));
  const auto spec_answer = co_await spec_exchange;
  const auto text = json_of(spec_answer);
  if (!text) co_return text.error();
  const auto spec = DutySpec::make(*text, *genesis);
  // Two nodes of one chain with different clocks: one of them is wrong, and the first was believed.
  if (!spec || (spec_ && spec->clock != spec_->clock)) co_return std::string("bad_spec");
  node.spec = *spec;
  if (!spec_) {
    spec_ = *spec;
    scheduler_.cancel(timer_);
    schedule_next();
  }
  co_return std::string();
}

std::string HeadLoop::grade_head(const Node& node, const Json& syncing, const Block& head) const {
  const auto is_syncing = syncing.flag("data/is_syncing");
  if (!is_syncing) return name_of(Reason::kBadAnswer);
  if (*is_syncing) return "syncing";
  if (syncing.flag("data/is_optimistic").value_or(false)) return "optimistic";
  const auto now = node.spec->clock.slot_at(clock_.wall_now());
  if (!now) return "before_genesis";
  // Its clock, or this host's, is wrong: then no slot can be judged.
  if (head.slot > now->value + 1) return "clock_suspect";
  if (head.slot + node.spec->clock.slots_per_epoch() < now->value) return "behind";
  return {};
}

// The headers from the head back to one that is known. False if the node does not tell them: then its chain is the head
// alone, until it grows.
core::Task<bool> HeadLoop::follow(Node& node, const Block& head) {
  std::vector<Block> branch = {head};
  bool told = true;
  // A node alone is compared with nobody.
  while (nodes_.size() > 1 && branch.back().slot > 0 && !node.chain.has(branch.back().parent) &&
         branch.size() < kWalkMax) {
    const Root wanted = branch.back().parent;
    HttpExchange exchange(http_, get_request(node.config, "/eth/v1/beacon/headers/" + to_string(wanted), kShortAnswer));
    const auto answer = co_await exchange;
    const auto json = json_of(answer);
    auto header = json ? header_of(*json) : std::nullopt;
    told = header && header->root == wanted && header->slot < branch.back().slot;
    if (!told) break;
    branch.push_back(std::move(*header));
  }
  const std::uint64_t kept = kHeadEpochsKept * node.spec->clock.slots_per_epoch();
  const std::uint64_t newest = branch.front().slot;
  node.chain.adopt(std::move(branch));
  if (newest > kept) node.chain.forget_before(newest - kept);
  co_return told;
}

core::Task<bool> HeadLoop::note_finalized(Node& node) {
  HttpExchange exchange(http_,
                        get_request(node.config, "/eth/v1/beacon/states/head/finality_checkpoints", kShortAnswer));
  const auto answer = co_await exchange;
  const auto json = json_of(answer);
  if (!json) co_return false;
  const auto epoch = json->number("data/finalized/epoch");
  const auto root = root_at(*json, "data/finalized/root");
  // Before the first finalized epoch there is no root.
  if (!epoch || *epoch == 0 || !root) co_return false;
  node.finalized[*epoch] = *root;
  if (node.finalized.size() > kCheckpointsKept) node.finalized.erase(node.finalized.begin());
  co_return true;
}

std::string HeadLoop::series(const ChainComparison& comparison, const std::vector<const Node*>& compared) const {
  std::string text;
  const auto family = [&](std::string_view name, std::string_view type, std::string_view help) {
    text += fmt::format("# HELP watchkeeper_beacon_roots_{0} {1}\n# TYPE watchkeeper_beacon_roots_{0} {2}\n", name,
                        help, type);
  };
  family("compared_nodes", "gauge", "Beacon nodes whose roots could be compared with another's.");
  text += fmt::format("watchkeeper_beacon_roots_compared_nodes {}\n", comparison.compared);
  if (comparison.slot) {
    family("compared_slot", "gauge", "The newest slot at which roots were compared.");
    text += fmt::format("watchkeeper_beacon_roots_compared_slot {}\n", *comparison.slot);
  }
  // Whom nobody was compared with agrees with nobody: absent is not 0.
  if (comparison.compared > 0) {
    family("differ", "gauge", "1 while beacon nodes have different roots at one slot, or in one finalized epoch.");
    text += fmt::format("watchkeeper_beacon_roots_differ {}\n", comparison.differs() ? 1 : 0);
  }
  family("standing", "gauge", "1, with how the beacon node stands among the others.");
  for (std::size_t i = 0; i < compared.size(); ++i) {
    text += fmt::format("watchkeeper_beacon_roots_standing{{target=\"{}\",standing=\"{}\"}} 1\n",
                        compared[i]->config.name, to_string(comparison.standings[i]));
  }
  family("disagreements_total", "counter", "Times that beacon nodes began to have different roots.");
  text += fmt::format("watchkeeper_beacon_roots_disagreements_total {}\n", disagreements_);
  return text;
}

}  // namespace collector::staking

// SPDX-License-Identifier: Apache-2.0
#include "collector/staking/beacon_observer.h"

namespace collector::staking {
namespace {

// The specification changes when a node is updated; it is read again after every failure too.
constexpr core::Duration kSpecEvery = std::chrono::hours(1);
constexpr std::uint64_t kBeaconBytesMax = 1 << 20;

// How far ahead of `then` the slot or epoch `now` is; none if it is behind.
std::optional<std::uint64_t> distance(std::uint64_t now, std::uint64_t then) {
  if (then > now) return std::nullopt;
  return now - then;
}

}  // namespace

std::vector<Question> BeaconObserver::questions(core::SteadyTime now) {
  std::vector<Question> result;
  const auto add = [&](const char* name, const char* path) {
    Question question;
    question.name = name;
    question.request.url = join_url(config_.url, path);
    question.request.headers.emplace_back("Accept", "application/json");
    question.request.body_limit = kBeaconBytesMax;
    result.push_back(std::move(question));
  };
  add("syncing", "/eth/v1/node/syncing");
  add("genesis", "/eth/v1/beacon/genesis");
  add("health", "/eth/v1/node/health");
  add("peers", "/eth/v1/node/peer_count");
  add("finality", "/eth/v1/beacon/states/head/finality_checkpoints");
  add("version", "/eth/v1/node/version");
  add("fork", "/eth/v1/beacon/states/head/fork");
  if (!spec_read_ || now - *spec_read_ >= kSpecEvery) {
    add("spec", "/eth/v1/config/spec");
    add("forks", "/eth/v1/config/fork_schedule");
  }
  if (config_.http_config) {
    for (Question& question : result) authorise(question, *config_.http_config);
  }
  return result;
}

BeaconObserver::Verdict BeaconObserver::assess(const tl::expected<Json, Reason>& syncing,
                                               const tl::expected<Json, Reason>& genesis) {
  if (!syncing) return {syncing.error(), {}};
  if (!syncing->number("data/head_slot") || !syncing->flag("data/is_syncing")) return {Reason::kBadAnswer, {}};
  if (!genesis) return {Reason::kNetworkUnverified, {}};
  const auto root = genesis->text("data/genesis_validators_root");
  if (!root || normal_root(*root).empty()) return {Reason::kNetworkUnverified, {}};
  if (network_->check(*root) == Network::Match::kOther) return {Reason::kWrongNetwork, true};
  return {Reason::kNone, false};
}

void BeaconObserver::learn_clock(const Answers& answers, const Json& genesis, core::SteadyTime now) {
  if (find(answers, "spec") == nullptr) return;
  const auto spec = json_of(answers, "spec");
  if (!spec) return;
  const auto clock = SlotClock::make(*spec, genesis);
  if (!clock) {
    clock_.reset();
    return;
  }
  clock_ = *clock;
  spec_read_ = now;
  forks_.reset();
  if (const auto forks = json_of(answers, "forks")) {
    if (auto schedule = ForkSchedule::read(*forks)) forks_ = std::move(*schedule);
  }
  network_->learn(*clock, spec->number("data/DEPOSIT_CHAIN_ID"));
}

std::string BeaconObserver::judge(const Answers& answers, core::SteadyTime now) {
  GaugeText text("watchkeeper_beacon_");
  const auto syncing = json_of(answers, "syncing");
  const auto genesis = json_of(answers, "genesis");
  const Verdict verdict = assess(syncing, genesis);
  text.verdict(verdict.reason);
  text.flag("network_mismatch", "1 if the node is on another network than the configured one.", verdict.other_network);
  if (const Answer* health = find(answers, "health"); health != nullptr && health->response) {
    text.gauge("health_code", "The HTTP status of /eth/v1/node/health; clients differ in what they mean by it.",
               health->response->status);
  }
  if (verdict.reason != Reason::kNone) {
    // Who answers next time may be somebody else.
    spec_read_.reset();
    clock_.reset();
    forks_.reset();
    return text.take();
  }
  learn_clock(answers, *genesis, now);
  text.flag("clock_known", "1 if the node's specification and genesis give a slot clock.", clock_.has_value());
  write_head(text, *syncing, find(answers, "syncing")->at);
  write_finality(text, answers);
  write_fork(text, answers, *syncing->number("data/head_slot"));
  if (const auto peers = json_of(answers, "peers")) {
    text.count("peers", "Peers that are connected.", peers->number("data/connected"));
  }
  if (const auto version = json_of(answers, "version")) {
    if (const auto name = version->text("data/version")) {
      text.info("info", "The node's own name of itself.", "version", label_text(*name));
    }
  }
  return text.take();
}

void BeaconObserver::write_head(GaugeText& text, const Json& syncing, core::WallTime at) const {
  const std::uint64_t head = *syncing.number("data/head_slot");
  text.count("head_slot", "The slot of the node's head.", head);
  text.count("sync_distance", "Slots that the node says it is behind.", syncing.number("data/sync_distance"));
  text.flag("syncing", "1 if the node says that it is syncing.", syncing.flag("data/is_syncing"));
  // Absent with older clients: not known, which is not false.
  text.flag("optimistic", "1 if the execution node has not verified the head.", syncing.flag("data/is_optimistic"));
  text.flag("el_offline", "1 if the node has lost its execution node.", syncing.flag("data/el_offline"));
  if (!clock_) return;
  const auto slot = clock_->slot_at(at);
  const auto latest = clock_->slot_at(at + std::chrono::milliseconds(kClockDisparityMs));
  if (!slot || !latest) return;  // before genesis
  text.count("wall_slot", "The slot of this host's clock.", slot->value);
  const bool ahead = head > latest->value;
  text.flag("clock_suspect", "1 if the node's head is in the future: its clock or this host's is wrong.", ahead);
  if (ahead) return;
  text.count("head_age_slots", "Slots between the head and this host's clock; 0 and 1 are usual.",
             distance(slot->value, head).value_or(0));
}

void BeaconObserver::write_finality(GaugeText& text, const Answers& answers) const {
  const auto finality = json_of(answers, "finality");
  if (!finality) return;
  const auto finalized = finality->number("data/finalized/epoch");
  text.count("finalized_epoch", "The epoch that the node has as finalized.", finalized);
  text.count("justified_epoch", "The epoch that the node has as justified.",
             finality->number("data/current_justified/epoch"));
  if (finalized) {
    const std::string root = normal_root(finality->text("data/finalized/root").value_or(""));
    // Twelve digits are 48 bits, which a sample holds exactly: enough to tell two roots apart, without a series a root.
    constexpr std::size_t kDigits = 12;
    text.count("finalized_root", "The first 48 bits of the root of the finalized checkpoint.",
               parse_quantity(root.substr(0, 2 + kDigits)));
  }
  const auto slot = clock_ ? clock_->slot_at(find(answers, "finality")->at) : std::nullopt;
  if (!finalized || !slot) return;
  text.count("finality_distance_epochs", "Epochs between this host's clock and the finalized one; 2 and 3 are usual.",
             distance(clock_->epoch_of(*slot).value, *finalized));
}

void BeaconObserver::write_fork(GaugeText& text, const Answers& answers, std::uint64_t head) const {
  const auto fork = json_of(answers, "fork");
  const auto version = fork ? parse_fork_version(fork->text("data/current_version").value_or("")) : std::nullopt;
  text.count("fork_version", "The fork of the head, its four bytes as a number.", version);
  if (!clock_ || !forks_) return;
  text.flag("fork_schedule_known", "1 if the node tells its schedule of forks.", true);
  if (version) {
    text.flag("fork_scheduled", "1 if the fork of the head is the one that the node's schedule has for it.",
              *version == forks_->version_at(clock_->epoch_of(Slot{head}).value));
  }
  const auto slot = clock_->slot_at(find(answers, "syncing")->at);
  if (!slot) return;
  text.count("next_fork_epoch", "The epoch of the next fork that the node is prepared for; absent if it knows of none.",
             forks_->next_after(clock_->epoch_of(*slot).value));
}

}  // namespace collector::staking

// SPDX-License-Identifier: Apache-2.0
#include "collector/staking/duty_loop.h"

#include <algorithm>

#include <fmt/format.h>

#include "collector/staking/duty_requests.h"
#include "collector/staking/node_observer.h"

namespace collector::staking {
namespace {

constexpr std::size_t kControlSize = 48;
// Validators that are asked about one by one are those that seem to have missed.
constexpr std::size_t kLivenessMax = 2'000;

}  // namespace

DutyLoop::DutyLoop(core::net::HttpClient& http, core::Scheduler& scheduler, const core::Clock& clock,
                   std::function<void(std::string)> publish, Keeping keeping)
    : http_(http), scheduler_(scheduler), clock_(clock), publish_(std::move(publish)), keeping_(std::move(keeping)) {}

DutyLoop::~DutyLoop() { stop(); }

void DutyLoop::stop() {
  stopped_ = true;
  scheduler_.cancel(work_timer_);
  work_ = {};
  asked_ = nullptr;
}

void DutyLoop::configure(const StakingConfig& config, std::shared_ptr<Network> network) {
  if (!stopped_ && keys_ != nullptr && network_ == network && config_.beacon_nodes == config.beacon_nodes &&
      config.keys != nullptr && *keys_ == *config.keys) {
    return;
  }
  stop();
  config_ = config;
  keys_ = config.keys != nullptr && !config.keys->keys.empty() ? config.keys : nullptr;
  network_ = std::move(network);
  nodes_.clear();
  usable_.clear();
  if (ledger_ != nullptr) keeping_.books = ledger_->books();
  ledger_.reset();
  fetched_.clear();
  proposers_asked_in_.reset();
  working_ = false;
  for (const BeaconNodeConfig& node : config.beacon_nodes) {
    if (node.url.empty()) continue;
    nodes_.push_back(std::make_unique<Node>());
    nodes_.back()->config = node;
  }
  {
    const std::lock_guard lock(mutex_);
    snapshot_.reset();
  }
  if (!watching()) return;
  stopped_ = false;
  show();
}

std::optional<std::uint64_t> DutyLoop::wall_slot() const {
  if (ledger_ == nullptr) return std::nullopt;
  const auto slot = ledger_->spec().clock.slot_at(clock_.wall_now());
  return slot ? std::optional(slot->value) : std::nullopt;
}

void DutyLoop::take(const HeadRound& round) {
  if (stopped_ || !watching()) return;
  if (ledger_ == nullptr && round.spec) begin_books(*round.spec);
  if (ledger_ != nullptr && !round.disagreement.empty()) {
    ledger_->note_disagreement(round.disagreement, wall_slot().value_or(0), clock_.unix_ms());
  }
  bool any = false;
  for (const auto& node : nodes_) {
    const auto told = std::ranges::find(round.nodes, node->config.name, &HeadRound::Node::name);
    if (told == round.nodes.end()) continue;
    node->reason = told->reason;
    any = any || told->reason.empty();
  }
  reach_ = any ? Blindness::kNone : round.split ? Blindness::kSplitView : Blindness::kNoNode;
  if (working_ && any && asked_ != nullptr && !asked_->reason.empty()) give_up();
  if (working_) {
    // What takes longer than a slot is waited for, not added to. It may be waited for in vain.
    if (ledger_ != nullptr && reach_ != Blindness::kNone) ledger_->set_reach(reach_);
    return show();
  }
  usable_.clear();
  for (const auto& node : nodes_) {
    const auto told = std::ranges::find(round.nodes, node->config.name, &HeadRound::Node::name);
    if (told == round.nodes.end()) continue;
    node->head = told->head;
    node->head_slot = told->head_slot;
    if (node->reason.empty()) usable_.push_back(node.get());
  }
  std::ranges::stable_sort(usable_, std::ranges::greater(), &Node::head_slot);
  if (ledger_ != nullptr) ledger_->set_confirmed(judged_until(round));
  working_ = true;
  // A turn of its own: what began this may go on.
  work_timer_ = scheduler_.schedule_after(clock_, core::Duration::zero(), [this] {
    work_ = work();
    work_.start();
  });
}

// A node that is gone has what it was asked hang until its deadline; others can be asked.
void DutyLoop::give_up() {
  work_ = {};
  asked_ = nullptr;
  working_ = false;
  ++failed_requests_;
}

// What only one node has seen is judged later, unless the others stay behind; of nodes that contradict each other
// nothing is.
std::optional<std::uint64_t> DutyLoop::judged_until(const HeadRound& round) const {
  if (usable_.empty()) return round.split ? std::optional<std::uint64_t>(0) : std::nullopt;
  const bool others_stay_behind =
      round.confirmed_slot && *round.confirmed_slot + 3 * ledger_->settle_slots() < usable_.front()->head_slot;
  return others_stay_behind ? std::nullopt : round.confirmed_slot;
}

core::RootTask DutyLoop::work() {
  bool told = false;
  const auto slot = wall_slot();
  if (slot && !usable_.empty()) {
    told = co_await carry_out(*slot);
  }
  if (ledger_ != nullptr) {
    ledger_->set_reach(reach_ != Blindness::kNone ? reach_ : told ? Blindness::kNone : Blindness::kNoNode);
  }
  if (slot) {
    while (ledger_->settle(*slot, clock_.unix_ms())) {
      Pause turn(scheduler_, clock_);
      co_await turn;
    }
  }
  working_ = false;
  keep_books();
  show();
}

// Before the series say so: what was shown once is not shown smaller after a restart.
void DutyLoop::keep_books() {
  if (ledger_ == nullptr || !keeping_.keep) return;
  if (!keeping_.keep(ledger_->take_books())) ledger_->put_back_books();
}

core::Task<bool> DutyLoop::try_nodes(Job job, std::uint64_t argument) {
  for (Node* const node : usable_) {
    asked_ = node;
    const bool told = co_await (this->*job)(*node, argument);
    asked_ = nullptr;
    if (told) co_return true;
    ++failed_requests_;
  }
  co_return false;
}

// Whom one node does not know, another may: a node that has lost its state, or never had it, answers with an empty
// list.
core::Task<bool> DutyLoop::learn_records(std::uint64_t epoch) {
  bool told = false;
  for (Node* const node : usable_) {
    asked_ = node;
    const bool answered = co_await ask_records(*node, epoch);
    asked_ = nullptr;
    if (!answered) ++failed_requests_;
    told = told || answered;
    if (ledger_->untold(epoch).empty()) break;
  }
  co_return told;
}

// Everything that is wanted and not there yet; what fails is asked again a slot later.
core::Task<bool> DutyLoop::carry_out(std::uint64_t slot) {
  const DutySpec& spec = ledger_->spec();
  const std::uint64_t epoch = spec.epoch_of(slot);
  const std::uint64_t in_epoch = slot - spec.first_slot(epoch);
  const std::uint64_t half = spec.clock.slots_per_epoch() / 2;
  const bool followed = co_await try_nodes(&DutyLoop::follow, slot);
  const auto records = ledger_->records_epoch();
  const bool in_new_state = !records || in_epoch >= 1;
  if ((in_new_state && records != epoch) || ledger_->denied_any()) {
    (void)co_await learn_records(in_new_state ? epoch : *records);
  }
  if (!ledger_->records_epoch()) co_return false;

  if (proposers_asked_in_ != epoch || !ledger_->has_proposers(epoch) || !ledger_->has_proposers(epoch + 1)) {
    const bool both = co_await try_nodes(&DutyLoop::ask_proposers, epoch);
    (void)co_await try_nodes(&DutyLoop::ask_proposers, epoch + 1);
    if (both) proposers_asked_in_ = epoch;
  }
  if (epoch > 0 && in_epoch <= ledger_->settle_slots() && !ledger_->has_proposers(epoch - 1)) {
    (void)co_await try_nodes(&DutyLoop::ask_proposers, epoch - 1);
  }
  // A key that became active in this epoch has a seat in it: first who is there, then where they sit.
  const bool records_are_new = ledger_->records_epoch() == epoch || in_epoch >= half;
  if (records_are_new && !ledger_->has_committees(epoch)) (void)co_await try_nodes(&DutyLoop::ask_committees, epoch);
  // After a restart perhaps of an epoch more, which few nodes tell.
  for (const std::uint64_t back : {1, 2}) {
    if (epoch < back || ledger_->has_committees(epoch - back) || !ledger_->wants_committees(epoch - back)) continue;
    (void)co_await try_nodes(&DutyLoop::ask_committees, epoch - back);
  }
  if (spec.epochs_per_sync_period > 0) {
    const std::uint64_t period = epoch / spec.epochs_per_sync_period;
    if (!ledger_->has_sync_seats(period)) (void)co_await try_nodes(&DutyLoop::ask_sync_seats, epoch);
    if (!ledger_->has_sync_seats(period + 1)) {
      (void)co_await try_nodes(&DutyLoop::ask_sync_seats, (period + 1) * spec.epochs_per_sync_period);
    }
  }
  // Nodes tell of this epoch and the one before only; half an epoch in, who voted is mostly included.
  if (epoch > 0 && in_epoch >= half && ledger_->has_committees(epoch - 1) && !ledger_->has_liveness(epoch - 1)) {
    not_included_.clear();
    for (std::uint64_t each = spec.first_slot(epoch - 1); each <= spec.last_slot(epoch - 1); ++each) {
      const auto missing = ledger_->not_included(each);
      not_included_.insert(not_included_.end(), missing.begin(), missing.end());
      Pause turn(scheduler_, clock_);
      co_await turn;
    }
    not_included_.resize(std::min(not_included_.size(), kLivenessMax));
    (void)co_await try_nodes(&DutyLoop::ask_liveness, epoch - 1);
  }
  if (epoch >= 2 && in_epoch > half && ledger_->wants_rewards(epoch - 2)) {
    (void)co_await try_nodes(&DutyLoop::ask_rewards, epoch - 2);
  }
  co_return followed && !ledger_->denied_any();
}

core::Task<bool> DutyLoop::ask_liveness(Node& node, std::uint64_t epoch) {
  const std::vector<std::uint64_t> control = ledger_->control(kControlSize);
  std::vector<std::string> ids;
  for (const std::uint32_t watched : not_included_) {
    if (const auto index = ledger_->index_of(watched)) ids.push_back(std::to_string(*index));
  }
  LivenessReader reader;
  if (!ids.empty()) {
    for (const std::uint64_t each : control) ids.push_back(std::to_string(each));
    auto request = post_of(node, fmt::format("/eth/v1/validator/liveness/{}", epoch), json_list(ids));
    if (co_await read(node, std::move(request), reader) != 200) co_return false;
  }
  ledger_->set_liveness(epoch, not_included_, control, reader.list);
  co_return true;
}

// The branch from the node's head down to a block that is known, or as far back as blocks are needed.
core::Task<bool> DutyLoop::follow(Node& node, std::uint64_t slot) {
  const CanonicalChain& chain = ledger_->chain();
  const std::uint64_t needed = ledger_->oldest_needed(slot);
  const std::size_t most = 4 * ledger_->spec().clock.slots_per_epoch();
  std::vector<Block> branch;
  Root wanted = node.head;
  while (!chain.has(wanted) && branch.size() < most) {
    Block block;
    if (const auto before = fetched_.find(wanted); before != fetched_.end()) {
      block = before->second;
    } else {
      if (!co_await fetch(node, wanted, block)) co_return false;
      block.root = wanted;
      if (fetched_.size() < most) fetched_.emplace(wanted, block);
    }
    const std::uint64_t above = branch.empty() ? node.head_slot + 1 : branch.back().slot;
    if (block.slot >= above || (branch.empty() && block.slot != node.head_slot)) co_return false;
    wanted = block.parent;
    const bool last = block.slot <= needed;
    branch.push_back(std::move(block));
    if (last) break;
  }
  fetched_.clear();
  ledger_->adopt(std::move(branch));
  co_return true;
}

void DutyLoop::begin_books(const DutySpec& spec) {
  ledger_ = std::make_unique<DutyLedger>(spec, keys_);
  const auto slot = wall_slot();
  if (!slot) return;
  ledger_->begin_at(*slot);
  if (keeping_.books) ledger_->restore(*std::exchange(keeping_.books, std::nullopt), *slot);
}

void DutyLoop::note_block(std::uint64_t slot, core::WallTime arrived) {
  if (ledger_ == nullptr) return;
  const std::int64_t into = core::to_unix_ms(arrived) - ledger_->spec().clock.start_ms({slot});
  const auto now = wall_slot();
  // Of a block that is not of about now, the time says nothing.
  if (!now || slot + 2 * ledger_->spec().clock.slots_per_epoch() < *now || slot > *now + 1 || into < 0) return;
  ledger_->note_arrival(slot, into);
}

void DutyLoop::note_slashing(const std::vector<std::uint64_t>& validators, std::string_view how) {
  if (ledger_ == nullptr) return;
  for (const std::uint64_t validator : validators) ledger_->note_slashing(validator, how, clock_.unix_ms());
  show();
}

void DutyLoop::show() {
  publish_((ledger_ != nullptr ? ledger_->series(clock_.unix_ms()) : blind_text()) + node_text());
  auto snapshot = std::make_shared<DutySnapshot>();
  if (ledger_ != nullptr) *snapshot = ledger_->snapshot();
  snapshot->watching = true;
  if (ledger_ == nullptr) snapshot->cause = to_string(Blindness::kNoNode);
  snapshot->keys = keys_->keys.size();
  const std::lock_guard lock(mutex_);
  snapshot_ = std::move(snapshot);
}

std::shared_ptr<const DutySnapshot> DutyLoop::snapshot() const {
  const std::lock_guard lock(mutex_);
  return snapshot_ != nullptr ? snapshot_ : std::make_shared<const DutySnapshot>();
}

std::string DutyLoop::blind_text() const {
  return fmt::format(
      "# TYPE watchkeeper_duties_unknown gauge\nwatchkeeper_duties_unknown 1\n"
      "# TYPE watchkeeper_duties_unknown_reason gauge\nwatchkeeper_duties_unknown_reason{{reason=\"{}\"}} 1\n",
      to_string(Blindness::kNoNode));
}

std::string DutyLoop::node_text() const {
  std::string text =
      "# HELP watchkeeper_duties_node_usable 1 if the beacon node can be asked about duties.\n"
      "# TYPE watchkeeper_duties_node_usable gauge\n";
  for (const auto& node : nodes_) {
    text += fmt::format("watchkeeper_duties_node_usable{{target=\"{}\"}} {}\n", node->config.name,
                        node->reason.empty() ? 1 : 0);
  }
  text +=
      "# HELP watchkeeper_duties_node_reason 1, with why it cannot.\n"
      "# TYPE watchkeeper_duties_node_reason gauge\n";
  for (const auto& node : nodes_) {
    if (node->reason.empty()) continue;
    text += fmt::format("watchkeeper_duties_node_reason{{target=\"{}\",reason=\"{}\"}} 1\n", node->config.name,
                        node->reason);
  }
  return text +
         fmt::format(
             "# HELP watchkeeper_duties_failed_requests_total Questions that a node did not answer as it should.\n"
             "# TYPE watchkeeper_duties_failed_requests_total counter\n"
             "watchkeeper_duties_failed_requests_total {}\n",
             failed_requests_);
}

}  // namespace collector::staking

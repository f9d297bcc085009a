// SPDX-License-Identifier: Apache-2.0
#include "collector/staking/observer_client.h"

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "collector/staking/beacon_observer.h"
#include "collector/staking/builder_observer.h"
#include "collector/staking/execution_observer.h"
#include "collector/staking/signer_observer.h"
#include "collector/staking/vault_observer.h"
#include "core/net/url.h"

namespace collector::staking {
namespace {

// What is left of a scrape's time for the judgement: a tenth, and no more than this.
constexpr core::Duration kMarginMax = std::chrono::milliseconds(200);

core::net::Response text_response(std::string body) {
  core::net::Response response;
  response.status = 200;
  response.headers = {{"Content-Type", "text/plain; version=0.0.4"}};
  response.body = std::move(body);
  return response;
}

}  // namespace

struct ObserverClient::Round {
  core::net::TransferId id = 0;
  std::shared_ptr<NodeObserver> observer;  // none: the node is not there (any more)
  core::Duration timeout{};
  std::function<void(core::Result<core::net::Response>)> done;
  Answers answers;
  std::size_t open = 0;  // questions without an answer
  std::vector<core::net::TransferId> transfers;
};

ObserverClient::ObserverClient(core::net::HttpClient& http, core::Scheduler& scheduler, const core::Clock& clock)
    : http_(http), scheduler_(scheduler), clock_(clock) {}

ObserverClient::~ObserverClient() {
  while (!rounds_.empty()) cancel(rounds_.begin()->first);
}

void ObserverClient::configure(const StakingConfig& config) {
  const bool same_network = network_ != nullptr && network_->config() == config.network;
  if (!same_network) network_ = std::make_shared<Network>(config.network);
  std::map<std::string, Node> before = std::exchange(nodes_, {});
  const auto add = [&](std::string path, StakingConfig entry, const auto& make) {
    entry.network = config.network;
    const auto old = before.find(path);
    if (old != before.end() && old->second.made_of == entry) {
      nodes_.emplace(std::move(path), std::move(old->second));
    } else {
      nodes_.emplace(std::move(path), Node{make(), std::move(entry)});
    }
  };
  for (const auto& each : config.beacon_nodes) {
    StakingConfig entry;
    entry.beacon_nodes = {each};
    add(std::string(kBeaconPath) + each.name, std::move(entry),
        [&] { return std::make_shared<BeaconObserver>(each, network_); });
  }
  std::set<std::string> compared;
  for (const auto& each : config.execution_nodes) {
    StakingConfig entry;
    entry.execution_nodes = {each};
    compared.insert(each.name);
    add(std::string(kExecutionPath) + each.name, std::move(entry), [&] {
      comparison_->forget(each.name);
      return std::make_shared<ExecutionObserver>(each, network_, comparison_);
    });
  }
  comparison_->keep(compared);
  for (const auto& each : config.vaults) {
    StakingConfig entry;
    entry.vaults = {each};
    add(std::string(kVaultPath) + each.name, std::move(entry), [&] { return std::make_shared<VaultObserver>(each); });
  }
  for (const auto& each : config.mev_boosts) {
    StakingConfig entry;
    entry.mev_boosts = {each};
    add(std::string(kMevBoostPath) + each.name, std::move(entry),
        [&] { return std::make_shared<BuilderObserver>(each); });
  }
  for (const auto& each : config.relays) {
    StakingConfig entry;
    entry.relays = {each};
    add(std::string(kRelayPath) + each.name, std::move(entry), [&] { return std::make_shared<BuilderObserver>(each); });
  }
  configure_keys(config);
}

// What compares keys is made anew each time, for what is expected of one hangs on the others; what they list stays.
void ObserverClient::configure_keys(const StakingConfig& config) {
  std::set<std::string> clients;
  for (const auto& each : config.validator_clients) {
    if (each.keymanager) clients.insert(each.name);
  }
  expected_ = std::make_shared<ExpectedKeys>(ExpectedKeys{config.keys, clients.size() == 1});
  listed_->set_clients(std::move(clients));
  for (const auto& each : config.validator_clients) {
    if (!each.keymanager) continue;
    StakingConfig entry;
    entry.validator_clients = {each};
    nodes_.insert_or_assign(std::string(kKeymanagerPath) + each.name,
                            Node{std::make_shared<KeymanagerObserver>(each, listed_, expected_), std::move(entry)});
  }
  for (const auto& each : config.signers) {
    StakingConfig entry;
    entry.signers = {each};
    nodes_.insert_or_assign(std::string(kSignerPath) + each.name,
                            Node{std::make_shared<SignerObserver>(each, expected_), std::move(entry)});
  }
}

core::net::TransferId ObserverClient::send(core::net::Request request,
                                           std::function<void(core::Result<core::net::Response>)> done) {
  auto round = std::make_unique<Round>();
  round->id = ++last_id_;
  round->timeout = request.timeout - std::min<core::Duration>(request.timeout / 10, kMarginMax);
  round->done = std::move(done);
  const auto url = core::net::parse_url(request.url);
  const auto node = url ? nodes_.find(url->path) : nodes_.end();
  Round& asked = *rounds_.emplace(round->id, std::move(round)).first->second;
  if (node == nodes_.end()) {
    scheduler_.post([this, id = asked.id] { finish(id); });
    return asked.id;
  }
  asked.observer = node->second.observer;
  std::vector<Question> questions = asked.observer->questions(clock_.steady_now());
  asked.open = questions.size();
  for (Question& question : questions) ask(asked, std::move(question));
  return asked.id;
}

void ObserverClient::ask(Round& round, Question question) {
  const auto take = [this, id = round.id, name = question.name](core::Result<core::net::Response> response) {
    answered(id, name, std::move(response));
  };
  if (question.problem) {
    scheduler_.post([take, problem = *question.problem] { take(core::fail(problem)); });
    return;
  }
  question.request.timeout = round.timeout;
  round.transfers.push_back(http_.send(std::move(question.request), take));
}

void ObserverClient::answered(core::net::TransferId id, const std::string& name,
                              core::Result<core::net::Response> response) {
  const auto found = rounds_.find(id);
  if (found == rounds_.end()) return;
  found->second->answers.insert_or_assign(name, Answer{std::move(response), clock_.wall_now()});
  if (--found->second->open == 0) finish(id);
}

void ObserverClient::finish(core::net::TransferId id) {
  const auto found = rounds_.find(id);
  if (found == rounds_.end()) return;
  const auto round = std::move(found->second);
  rounds_.erase(found);
  if (round->observer == nullptr) {
    round->done(core::fail(core::Errc::kNotFound, "the configuration has no such node any more"));
    return;
  }
  round->done(text_response(round->observer->judge(round->answers, clock_.steady_now())));
}

void ObserverClient::cancel(core::net::TransferId transfer) {
  const auto found = rounds_.find(transfer);
  if (found == rounds_.end()) return;
  const auto round = std::move(found->second);
  rounds_.erase(found);
  for (const core::net::TransferId each : round->transfers) http_.cancel(each);
}

}  // namespace collector::staking

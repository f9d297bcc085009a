// SPDX-License-Identifier: Apache-2.0
#include "collector/staking/chain_watch.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "core/net/url.h"

namespace collector::staking {
namespace {

// What the API shows as the interval: samples come with slots and events.
constexpr core::Millis kInterval = std::chrono::seconds(15);

core::ring::Labels labels_of(std::string_view job, const std::string& instance, const StakingConfig& config,
                             const std::string& observer) {
  core::ring::Labels labels = {{"job", std::string(job)}, {"instance", instance}, {"observer", observer}};
  return config.network.configured() ? labels.with("network", config.network.label()) : labels;
}

core::ring::Labels labels_of(const BeaconNodeConfig& node, const StakingConfig& config, const std::string& observer) {
  core::ring::Labels labels = labels_of(kEventsJob, address_of(node.url), config, observer);
  labels = labels.with("node", node.name).with("target", node.name);
  return node.zone.empty() ? labels : labels.with("zone", node.zone);
}

}  // namespace

ChainWatch::ChainWatch(Context context)
    : context_(std::move(context)),
      duties_(
          context_.http, context_.scheduler, context_.clock,
          [this](std::string text) { duty_book_.publish(std::move(text)); }, std::move(context_.keeping)),
      heads_(context_.http, context_.scheduler, context_.clock,
             {.round = [this](const HeadRound& round) { duties_.take(round); },
              .publish = [this](std::string text) { head_book_.publish(std::move(text)); }}) {}

void ChainWatch::configure(const StakingConfig& config, std::shared_ptr<Network> network, const std::string& observer) {
  const std::string& who = config.observer.empty() ? observer : config.observer;
  const auto asked = std::ranges::count_if(config.beacon_nodes, [](const auto& node) { return !node.url.empty(); });
  const bool has_duties = asked > 0 && config.keys != nullptr && !config.keys->keys.empty();
  configure_book(duty_book_, has_duties, kDutiesJob, config, who);
  configure_book(head_book_, asked > 1, kHeadsJob, config, who);
  duties_.configure(config, network);
  heads_.configure(has_duties || asked > 1 ? config.beacon_nodes : std::vector<BeaconNodeConfig>(), network);
  std::map<std::string, Stream> before = std::exchange(streams_, {});
  for (const BeaconNodeConfig& node : config.beacon_nodes) {
    if (node.url.empty() || !node.events) continue;
    const core::ring::Labels labels = labels_of(node, config, who);
    const auto old = before.find(node.name);
    if (old != before.end() && old->second.made_of == node && old->second.network == network &&
        old->second.labels == labels) {
      streams_.insert(before.extract(old));
    } else {
      streams_.emplace(node.name, make_stream(node, labels, network));
    }
  }
  for (auto& [name, stream] : before) {
    stream.stream.reset();
    stream.target->end();
  }
  const std::lock_guard lock(mutex_);
  event_targets_.clear();
  for (const auto& [name, stream] : streams_) event_targets_.push_back(stream.target);
}

void ChainWatch::configure_book(Book& book, bool wanted, std::string_view job, const StakingConfig& config,
                                const std::string& observer) {
  const core::ring::Labels labels = labels_of(job, observer, config, observer);
  std::shared_ptr<TextTarget> target = book.target;
  if (target != nullptr && (!wanted || labels != book.labels)) {
    target->end();
    target = nullptr;
  }
  if (wanted && target == nullptr) {
    // duties://, heads://
    const std::string url = fmt::format("{}://{}", job.substr(job.find('_') + 1), observer);
    target = std::make_shared<TextTarget>(context_.clock, context_.shard, labels, url, kInterval, context_.on_arrival);
    book.labels = labels;
  }
  const std::lock_guard lock(mutex_);
  book.target = std::move(target);
}

ChainWatch::Stream ChainWatch::make_stream(const BeaconNodeConfig& node, const core::ring::Labels& labels,
                                           const std::shared_ptr<Network>& network) {
  Stream stream{node, labels, network, nullptr, nullptr};
  stream.target = std::make_shared<TextTarget>(context_.clock, context_.shard, labels, node.url + "/eth/v1/events",
                                               kInterval, context_.on_arrival);
  EventStream::Listener listener;
  listener.publish = [target = stream.target](std::string text) { target->publish(std::move(text)); };
  listener.block = [this](std::uint64_t slot, core::WallTime arrived) { duties_.note_block(slot, arrived); };
  listener.event = context_.on_event;
  listener.slashing = [this](const std::vector<std::uint64_t>& validators, std::string_view how) {
    duties_.note_slashing(validators, how);
  };
  stream.stream = std::make_unique<EventStream>(context_.http, context_.scheduler, context_.clock, node, network,
                                                context_.jitter, std::move(listener));
  stream.stream->start();
  return stream;
}

void ChainWatch::stop() {
  heads_.stop();
  duties_.stop();
  for (auto& [name, stream] : streams_) stream.stream.reset();
}

std::vector<std::shared_ptr<TextTarget>> ChainWatch::targets() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<TextTarget>> targets = event_targets_;
  for (const Book* const book : {&duty_book_, &head_book_}) {
    if (book->target != nullptr) targets.push_back(book->target);
  }
  return targets;
}

std::vector<scrape::PoolStatus> ChainWatch::status() const {
  std::map<std::string, scrape::PoolStatus> pools;
  for (const auto& target : targets()) {
    scrape::TargetStatus status = target->status();
    scrape::PoolStatus& pool = pools[status.scrape_pool];
    pool.job = status.scrape_pool;
    pool.active.push_back(std::move(status));
  }
  std::vector<scrape::PoolStatus> list;
  for (auto& [job, pool] : pools) list.push_back(std::move(pool));
  return list;
}

std::vector<scrape::TargetMetadata> ChainWatch::metadata() const {
  std::vector<scrape::TargetMetadata> list;
  for (const auto& target : targets()) {
    const scrape::TargetStatus status = target->status();
    list.push_back({status.scrape_pool, status.target.labels, target->metadata()});
  }
  return list;
}

}  // namespace collector::staking

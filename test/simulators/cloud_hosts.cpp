// SPDX-License-Identifier: Apache-2.0
#include "test/simulators/cloud_hosts.h"

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <stdexcept>

#include <fmt/format.h>

namespace simulators {
namespace {

using nlohmann::json;
using test_support::AwsCloud;

// What AWS is asked for is so a slot later.
constexpr double kDelaySeconds = kSecondsPerSlot;
// So far behind is a Geth that has just started, and so long does it take to catch up.
constexpr double kBlocksBehind = 64;
constexpr double kCatchUpSeconds = 2 * kSecondsPerSlot;
// How often states are looked at.
constexpr auto kLook = std::chrono::milliseconds(20);
// Of the hosts that are there at the start: long synced.
constexpr double kLongAgo = -1e6;

constexpr const char* kChanges[] = {
    "StopInstances",          "StartInstances",    "RebootInstances", "TerminateInstances",
    "RunInstances",           "SetInstanceHealth", "CreateSnapshot",  "TerminateInstanceInAutoScalingGroup",
    "CompleteLifecycleAction"};

}  // namespace

CloudHosts::CloudHosts(const core::Clock& clock, Chain& chain, int members)
    : chain_(chain), cloud_(clock, [&chain] { return chain.seconds(); }, kDelaySeconds) {
  chain_.faults().allow("aws", {"does-nothing"});
  cloud_.network = "127.0.1.";
  cloud_.groups[kGroup] = {.desired = members, .template_image = kNewImage, .tags = {{"role", "geth"}}};
  cloud_.templates[kTemplate] = {.image = kNewImage, .tags = {{"role", "beacon"}}};
  for (int i = 1; i <= members; ++i) add("geth", fmt::format("geth-{}", i), kGroup);
  add("beacon", "beacon-1", "");
  add("validator", "validator-1", "");
  follow_states();
  if (hosts_.size() != cloud_.instances.size()) throw std::runtime_error("the hosts of AWS cannot listen");
  following_ = std::jthread([this](const std::stop_token& stop) {
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    while (!stop.stop_requested()) {
      follow_states();
      never.wait_for(lock, stop, kLook, [] { return false; });
    }
  });
}

CloudHosts::~CloudHosts() {
  following_.request_stop();
  following_.join();
}

void CloudHosts::add(const std::string& role, const std::string& name, const std::string& group) {
  const std::size_t number = cloud_.instances.size() + 1;
  cloud_.instances[fmt::format("i-{:017x}", number)] = {.tags = {{"role", role}, {"Name", name}},
                                                        .group = group,
                                                        .image = kOldImage,
                                                        .address = cloud_.network + std::to_string(number),
                                                        .since = kLongAgo};
}

void CloudHosts::add_service(httplib::Server& server, const std::string& service) {
  server.Post("/", [this, service](const httplib::Request& request, httplib::Response& response) {
    const std::size_t query = std::min(request.target.find('?'), request.target.size());
    test_support::SignedRequest seen{request.method,
                                     request.target.substr(0, query),
                                     request.target.substr(std::min(query + 1, request.target.size())),
                                     {},
                                     request.body};
    seen.headers.insert(request.headers.begin(), request.headers.end());
    {
      const std::lock_guard lock(cloud_.mutex);
      cloud_.lies.clear();
      if (chain_.faults().active("aws", "does-nothing")) cloud_.lies.insert(std::begin(kChanges), std::end(kChanges));
    }
    const test_support::AwsReply reply = cloud_.answer(service, seen);
    response.status = reply.status;
    response.set_content(reply.body, "text/xml;charset=UTF-8");
  });
}

void CloudHosts::follow_faults() {
  const std::lock_guard lock(mutex_);
  for (const auto& [id, host] : hosts_) host->follow_faults();
}

void CloudHosts::follow_states() {
  cloud_.settle();
  std::map<std::string, std::string> running;
  {
    const std::lock_guard lock(cloud_.mutex);
    for (const auto& [id, instance] : cloud_.instances) {
      if (instance.state == "running") running[id] = instance.address;
    }
  }
  const std::lock_guard lock(mutex_);
  std::erase_if(hosts_, [&](const auto& host) { return !running.contains(host.first); });
  for (const auto& [id, address] : running) {
    if (hosts_.contains(id)) continue;
    try {
      auto host = std::make_unique<NodePort>(chain_.faults(), id, address, port_,
                                             [this, id = id](httplib::Server& server) { serve(server, id); });
      port_ = host->port();
      hosts_.emplace(id, std::move(host));
    } catch (const std::runtime_error& problem) {
      std::fprintf(stderr, "simulators: %s\n", problem.what());  // tried again at the next look
    }
  }
}

void CloudHosts::serve(httplib::Server& server, const std::string& id) {
  server.Get("/metrics", [this, id](const httplib::Request&, httplib::Response& response) {
    response.set_content(metrics_of(id), "text/plain; version=0.0.4; charset=utf-8");
  });
}

std::string CloudHosts::metrics_of(const std::string& id) {
  double age = 0;
  {
    const std::lock_guard lock(cloud_.mutex);
    age = chain_.seconds() - cloud_.instances.at(id).since;
  }
  const double header = static_cast<double>(chain_.execution_head_block());
  const double behind = kBlocksBehind * std::max(0.0, 1 - age / kCatchUpSeconds);
  return fmt::format(
      "# TYPE chain_head_header gauge\nchain_head_header {:.0f}\n"
      "# TYPE chain_head_block gauge\nchain_head_block {:.0f}\n",
      header, header - behind);
}

json CloudHosts::to_json() {
  cloud_.settle();
  const std::lock_guard lock(cloud_.mutex);
  json instances = json::object();
  for (const auto& [id, each] : cloud_.instances) {
    instances[id] = {{"state", each.state}, {"image", each.image}, {"address", each.address},
                     {"group", each.group}, {"tags", each.tags},   {"lifecycle", each.lifecycle}};
  }
  return {{"instances", instances}, {"calls", cloud_.done}, {"violations", cloud_.violations}};
}

}  // namespace simulators

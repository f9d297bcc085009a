// SPDX-License-Identifier: Apache-2.0
#include "test/simulators/simulation.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "test/simulators/beacon_node.h"
#include "test/simulators/signing.h"

namespace simulators {

namespace {

using httplib::Request;
using httplib::Response;
using nlohmann::json;

void answer(Response& response, const json& body, int status = 200) {
  response.status = status;
  response.set_content(body.dump() + "\n", "application/json");
}

}  // namespace

Simulation::Simulation(const core::Clock& clock, const Options& options)
    : options_(options), chain_(clock, options.seed, options.speed), inbox_(clock) {
  FaultBoard& faults = chain_.faults();
  faults.allow("beacon", {"head-stalls", "peers-lost", "execution-layer-offline", "disk-filling"});
  faults.allow("validator", {"missed-attestations"});
  faults.allow("geth", {"head-stalls", "peers-lost", "disk-filling"});
  faults.allow("vault", {"sealed", "standby", "performance-standby", "dr-secondary", "standby-without-active",
                         "uninitialized", "removed"});
  faults.allow("web3signer", {"db-down", "keys-down", "unprotected", "fenced", "old"});
  faults.allow("mevboost", {"no-relay"});
  for (const char* receiver : {"webhook", "discord", "pagerduty"}) faults.allow(receiver, {"down", "ratelimit"});

  add("beacon_metrics", "beacon", 5054, [this](auto& server) { add_beacon_metrics(server, chain_); });
  add("beacon_api", "beacon", 5052, [this](auto& server) { add_beacon_api(server, chain_); });
  add("validator_metrics", "validator", 5064, [this](auto& server) { add_validator_metrics(server, chain_); });
  add("geth_metrics", "geth", 6060, [this](auto& server) { add_geth_metrics(server, chain_); });
  add("geth_rpc", "geth", 8545, [this](auto& server) { add_geth_rpc(server, chain_); });
  add("vault", "vault", 8200, [this](auto& server) { add_vault(server, chain_, options_.vault); });
  add("web3signer", "web3signer", 9000, [this](auto& server) { add_web3signer(server, chain_); });
  add("mevboost", "mevboost", 18550, [this](auto& server) { add_mev_boost(server, chain_); });
  add("webhook", "webhook", 9791, [this](auto& server) { add_webhook(server, inbox_, chain_.faults()); });
  add("discord", "discord", 9792, [this](auto& server) { add_discord(server, inbox_, chain_.faults()); });
  add("pagerduty", "pagerduty", 9793, [this](auto& server) { add_pagerduty(server, inbox_, chain_.faults()); });
  if (options_.aws_hosts > 0) {
    cloud_ = std::make_unique<CloudHosts>(clock, chain_, options_.aws_hosts);
    add("aws_ec2", "aws", 9794, [this](auto& server) { cloud_->add_service(server, "ec2"); });
    add("aws_autoscaling", "aws", 9795, [this](auto& server) { cloud_->add_service(server, "autoscaling"); });
    ports_["aws_hosts"] = cloud_->port();
  }
  faults.on_change([this] {
    for (const auto& server : servers_) server->follow_faults();
    if (cloud_) cloud_->follow_faults();
  });
  control_ = std::make_unique<NodePort>(faults, "control", options.listen_host, options.usual_ports ? 9790 : 0,
                                        [this](httplib::Server& server) { add_control(server); });
  ports_["control"] = control_->port();
}

Simulation::~Simulation() {
  chain_.faults().shut_down();
  control_.reset();
}

void Simulation::add(const std::string& name, const std::string& node, int usual_port,
                     std::function<void(httplib::Server&)> routes) {
  const int port = options_.usual_ports ? usual_port : 0;
  servers_.push_back(std::make_unique<NodePort>(chain_.faults(), node, options_.listen_host, port, std::move(routes)));
  ports_[name] = servers_.back()->port();
}

void Simulation::change_fault(const Request& request, Response& response,
                              void (FaultBoard::*change)(const std::string&, const std::string&)) {
  const std::string node = request.matches[1].str();
  std::string fault = request.matches[2].str();
  std::replace(fault.begin(), fault.end(), '_', '-');
  if (node == "control") return answer(response, {{"error", "the control port has no faults"}}, 400);
  if (!chain_.faults().known(node, fault)) {
    const auto all = chain_.faults().snapshot();
    json known = json::array();
    if (const auto found = all.find(node); found != all.end()) {
      for (const auto& [name, on] : found->second) known.push_back(name);
    }
    return answer(response, {{"error", "no fault " + fault + " of " + node}, {"known", known}}, 404);
  }
  (chain_.faults().*change)(node, fault);
  answer(response, {{"node", node}, {"fault", fault}, {"on", chain_.faults().active(node, fault)}});
}

void Simulation::add_control(httplib::Server& server) {
  server.Get("/ports", [this](const Request&, Response& response) { answer(response, ports_); });
  server.Get("/faults", [this](const Request&, Response& response) {
    auto all = chain_.faults().snapshot();
    all.erase("control");
    answer(response, all);
  });
  server.Delete("/faults", [this](const Request&, Response& response) {
    chain_.faults().clear_all();
    answer(response, json::object());
  });
  server.Post(R"(/fault/([^/]+)/([^/]+))", [this](const Request& request, Response& response) {
    change_fault(request, response, &FaultBoard::set);
  });
  server.Delete(R"(/fault/([^/]+)/([^/]+))", [this](const Request& request, Response& response) {
    change_fault(request, response, &FaultBoard::clear);
  });
  server.Get("/received", [this](const Request& request, Response& response) {
    answer(response, inbox_.to_json(request.get_param_value("receiver")));
  });
  server.Delete("/received", [this](const Request&, Response& response) {
    inbox_.clear();
    answer(response, json::object());
  });
  if (cloud_) {
    server.Get("/aws", [this](const Request&, Response& response) { answer(response, cloud_->to_json()); });
  }
  server.Get("/chain", [this](const Request&, Response& response) {
    answer(response, {{"slot", chain_.slot()},
                      {"epoch", chain_.epoch()},
                      {"beacon_head_slot", chain_.beacon_head_slot()},
                      {"finalized_epoch", chain_.finalized_epoch()},
                      {"execution_head_block", chain_.execution_head_block()}});
  });
}

}  // namespace simulators

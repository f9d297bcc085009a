// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/time/clock.h"
#include "test/simulators/chain.h"
#include "test/simulators/cloud_hosts.h"
#include "test/simulators/execution_node.h"
#include "test/simulators/node_port.h"
#include "test/simulators/receivers.h"

namespace simulators {

// Every simulated node and receiver, each on a port of its own, and the control port that switches their faults:
//   GET /ports, GET /faults, POST and DELETE /fault/<node>/<fault>, DELETE /faults,
//   GET /received[?receiver=<name>], DELETE /received, GET /chain, GET /aws.
//
// Thread safety: confined to one thread; its servers have their own.
class Simulation {
 public:
  struct Options {
    std::string listen_host = "127.0.0.1";
    bool usual_ports = false;  // those of the real programs; else any free ones
    double speed = 1;
    std::uint64_t seed = 1;
    VaultOptions vault;
    int aws_hosts = 0;  // of its Auto Scaling group; 0: there is no AWS
  };

  // Throws std::runtime_error if a port cannot be bound.
  Simulation(const core::Clock& clock, const Options& options);
  ~Simulation();

  // control, beacon_metrics, beacon_api, validator_metrics, geth_metrics, geth_rpc, vault, web3signer,
  // mevboost, webhook, discord, pagerduty; with AWS: aws_ec2, aws_autoscaling, aws_hosts
  const std::map<std::string, int>& ports() const { return ports_; }
  Chain& chain() { return chain_; }
  Inbox& inbox() { return inbox_; }

 private:
  void add(const std::string& name, const std::string& node, int usual_port,
           std::function<void(httplib::Server&)> routes);
  void add_control(httplib::Server& server);
  void change_fault(const httplib::Request& request, httplib::Response& response,
                    void (FaultBoard::*change)(const std::string&, const std::string&));

  const Options options_;
  Chain chain_;
  Inbox inbox_;
  std::map<std::string, int> ports_;
  std::unique_ptr<CloudHosts> cloud_;  // null: there is no AWS
  std::vector<std::unique_ptr<NodePort>> servers_;
  std::unique_ptr<NodePort> control_;  // goes first: its requests reach the others
};

}  // namespace simulators

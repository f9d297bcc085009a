// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include <nlohmann/json.hpp>

#include "core/time/clock.h"
#include "test/simulators/chain.h"
#include "test/simulators/node_port.h"
#include "test/support/aws_cloud.h"

namespace simulators {

// The hosts of a simulated AWS account. Each running instance is a node named by its id that listens on a loopback
// address of its own (127.0.1.N, its private address), all on one port, and shows Geth's head at /metrics: one that was
// just launched is behind, and catches up. What AWS ends stops listening, what it launches begins to.
//
// At the start: the Auto Scaling group geth-nodes with some instances of an image that its launch template does not
// have any more, one instance of the launch template beacon-node in no group, and one that holds validators.
//
// Thread safety: any thread.
class CloudHosts {
 public:
  static constexpr const char* kGroup = "geth-nodes";
  static constexpr const char* kTemplate = "beacon-node";
  static constexpr const char* kOldImage = "ami-00000000000000001";
  static constexpr const char* kNewImage = "ami-00000000000000002";

  // Throws std::runtime_error if a host cannot listen.
  CloudHosts(const core::Clock& clock, Chain& chain, int members);
  ~CloudHosts();
  CloudHosts(const CloudHosts&) = delete;
  CloudHosts& operator=(const CloudHosts&) = delete;

  // The routes of one service's endpoint: ec2 or autoscaling.
  void add_service(httplib::Server& server, const std::string& service);
  // The port of every host.
  int port() const { return port_; }
  void follow_faults();
  // {"instances": {ID: {state, image, address, group, tags}}, "calls": [ACTION], "violations": [TEXT]}
  nlohmann::json to_json();

 private:
  void add(const std::string& role, const std::string& name, const std::string& group);
  // Opens and closes ports as the instances' states say.
  void follow_states();
  void serve(httplib::Server& server, const std::string& id);
  std::string metrics_of(const std::string& id);

  Chain& chain_;
  test_support::AwsCloud cloud_;
  int port_ = 0;
  std::mutex mutex_;  // guards hosts_
  std::map<std::string, std::unique_ptr<NodePort>> hosts_;
  std::jthread following_;  // the last member: it uses all others
};

}  // namespace simulators

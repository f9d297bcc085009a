// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "collector/discovery/discovery.h"
#include "core/config/table.h"
#include "core/net/http_client_config.h"

namespace core::aws {
struct XmlElement;
}

namespace collector::discovery {

struct Ec2Filter {
  std::string name;
  std::vector<std::string> values;

  bool operator==(const Ec2Filter&) const = default;
  static const core::config::Table<Ec2Filter>& fields();
};

// <ec2_sd_config>: targets from instances in AWS EC2.
struct Ec2Config {
  std::string region;
  std::string endpoint;
  std::string profile;
  std::string role_arn;
  std::string external_id;
  std::string access_key;
  core::config::Secret secret_key;
  std::chrono::milliseconds refresh_interval = std::chrono::minutes(1);
  std::uint16_t port = 80;
  std::vector<Ec2Filter> filters;
  core::net::HttpClientConfig http;

  bool operator==(const Ec2Config&) const = default;
  static const core::config::Table<Ec2Config>& fields();
};

// Asks for the instances once an interval. If any page of the answer fails, what was known stays.
std::unique_ptr<Discovery> make_ec2_discovery(const Ec2Config& config, const Context& context, Sink& sink);

// What a page of DescribeInstances adds to a region's group.
struct Ec2Surroundings {
  std::string region;
  std::uint16_t port = 0;
  std::map<std::string, std::string> zone_ids;  // by the name of the zone
};
void add_instances(const core::aws::XmlElement& page, const Ec2Surroundings& around, TargetGroup& group);

}  // namespace collector::discovery

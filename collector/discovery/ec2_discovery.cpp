// SPDX-License-Identifier: Apache-2.0
#include "collector/discovery/ec2_discovery.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "core/aws/aws_client.h"
#include "core/net/url.h"

namespace collector::discovery {
namespace {

using core::Result;
using core::aws::XmlElement;
using core::config::Node;
using core::config::Table;

constexpr std::string_view kApiVersion = "2016-11-15";
// Pages of one answer; EC2 puts up to a thousand instances on one.
constexpr int kPagesMax = 1000;
// Network interfaces by device index; the largest instances have a few dozen.
constexpr std::size_t kInterfacesMax = 256;

void set(LabelMap& labels, std::string_view name, std::string_view value) {
  if (!value.empty()) labels["__meta_ec2_" + std::string(name)] = std::string(value);
}

// ",a,b,": with commas round it, so that a regular expression can look for ",a,".
std::string list(const std::vector<std::string>& values) {
  if (values.empty()) return {};
  std::string text = ",";
  for (const std::string& value : values) text += value + ",";
  return text;
}

// What an instance's network interfaces say.
struct Interfaces {
  std::vector<std::string> subnets;  // each once
  std::vector<std::string> ipv6;
  std::vector<std::string> primary_ipv6;  // by device index, with gaps

  explicit Interfaces(const XmlElement& instance) {
    for (const XmlElement& each : instance.items_of("networkInterfaceSet")) {
      const std::string subnet(each.text_of("subnetId"));
      if (subnet.empty()) continue;
      if (std::find(subnets.begin(), subnets.end(), subnet) == subnets.end()) subnets.push_back(subnet);
      std::size_t index = 0;
      const std::string_view text = each.text_of("attachment/deviceIndex");
      std::from_chars(text.data(), text.data() + text.size(), index);
      for (const XmlElement& address : each.items_of("ipv6AddressesSet")) {
        ipv6.emplace_back(address.text_of("ipv6Address"));
        if (address.text_of("isPrimaryIpv6") != "true" || index >= kInterfacesMax) continue;
        if (primary_ipv6.size() <= index) primary_ipv6.resize(index + 1);
        primary_ipv6[index] = ipv6.back();
      }
    }
  }

  // The address that is used where there is no IPv4: the first primary one, else the first.
  std::string default_ipv6() const {
    const auto primary =
        std::find_if(primary_ipv6.begin(), primary_ipv6.end(), [](const std::string& each) { return !each.empty(); });
    if (primary != primary_ipv6.end()) return *primary;
    return ipv6.empty() ? std::string() : ipv6.front();
  }
};

std::optional<LabelMap> target_of(const XmlElement& instance, const Ec2Surroundings& around) {
  const Interfaces interfaces(instance);
  const std::string ipv4(instance.text_of("privateIpAddress"));
  std::string ipv6(instance.text_of("ipv6Address"));
  if (ipv6.empty()) ipv6 = interfaces.default_ipv6();
  if (ipv4.empty() && ipv6.empty()) return std::nullopt;
  LabelMap labels;
  labels[std::string(kAddressLabel)] =
      ipv4.empty() ? fmt::format("[{}]:{}", ipv6, around.port) : fmt::format("{}:{}", ipv4, around.port);
  constexpr std::pair<std::string_view, std::string_view> kFields[] = {
      {"instance_id", "instanceId"},
      {"ami", "imageId"},
      {"architecture", "architecture"},
      {"instance_type", "instanceType"},
      {"instance_state", "instanceState/name"},
      {"instance_lifecycle", "instanceLifecycle"},
      {"platform", "platform"},
      {"availability_zone", "placement/availabilityZone"},
      {"private_ip", "privateIpAddress"},
      {"private_dns_name", "privateDnsName"}};
  for (const auto& [label, path] : kFields) set(labels, label, instance.text_of(path));
  set(labels, "region", around.region);
  set(labels, "default_ipv6_address", ipv6);
  const auto zone = around.zone_ids.find(std::string(instance.text_of("placement/availabilityZone")));
  if (zone != around.zone_ids.end()) set(labels, "availability_zone_id", zone->second);
  if (const auto ip = instance.text_of("ipAddress"); !ip.empty()) {
    set(labels, "public_ip", ip);
    set(labels, "public_dns_name", instance.text_of("dnsName"));
  }
  if (const auto vpc = instance.text_of("vpcId"); !vpc.empty()) {
    set(labels, "vpc_id", vpc);
    set(labels, "primary_subnet_id", instance.text_of("subnetId"));
    set(labels, "subnet_id", list(interfaces.subnets));
    set(labels, "ipv6_addresses", list(interfaces.ipv6));
    set(labels, "primary_ipv6_addresses", list(interfaces.primary_ipv6));
  }
  for (const XmlElement& tag : instance.items_of("tagSet")) {
    labels["__meta_ec2_tag_" + sanitize_label_name(tag.text_of("key"))] = std::string(tag.text_of("value"));
  }
  return labels;
}

core::aws::AwsOptions options_of(const Ec2Config& config) {
  core::aws::AwsOptions options;
  options.region = config.region;
  options.endpoint = config.endpoint;
  if (!options.endpoint.empty() && options.endpoint.find("://") == std::string::npos) {
    options.endpoint = "https://" + options.endpoint;
  }
  options.profile = config.profile;
  options.access_key = config.access_key;
  options.secret_key = config.secret_key.value;
  options.role_arn = config.role_arn;
  options.external_id = config.external_id;
  options.http = config.http;
  return options;
}

class Ec2Discovery final : public Discovery {
 public:
  Ec2Discovery(const Ec2Config& config, const Context& context, Sink& sink)
      : config_(config),
        sink_(sink),
        client_({context.clock, context.http, context.environment}, options_of(config), "ec2"),
        timer_(context, config.refresh_interval, [this] { refresh(); }) {}

 private:
  void refresh() {
    // A round that still goes on is finished first; its timeouts bound it.
    if (std::exchange(busy_, true)) return;
    client_.identity().region([this](Result<std::string> region) {
      if (!region) return fail(region.error().with_context("EC2 SD configuration requires a region"));
      group_ = {.source = *region, .targets = {}, .labels = {}};
      around_.region = *region;
      around_.port = config_.port;
      if (around_.zone_ids.empty()) return ask_zones();
      ask_instances("", 0);
    });
  }

  void fail(const core::Error& error) {
    busy_ = false;
    sink_.failed(error.with_context("could not describe instances"));
  }

  void ask_zones() {
    client_.call({{"Action", "DescribeAvailabilityZones"}, {"Version", std::string(kApiVersion)}},
                 [this](Result<XmlElement> answer) {
                   // Without the right to it the targets lack a label, no more.
                   if (answer) {
                     for (const XmlElement& zone : answer->items_of("availabilityZoneInfo")) {
                       around_.zone_ids[std::string(zone.text_of("zoneName"))] = std::string(zone.text_of("zoneId"));
                     }
                   }
                   ask_instances("", 0);
                 });
  }

  void ask_instances(const std::string& next, int pages) {
    core::aws::AwsParameters parameters{{"Action", "DescribeInstances"}, {"Version", std::string(kApiVersion)}};
    for (std::size_t i = 0; i < config_.filters.size(); ++i) {
      const Ec2Filter& filter = config_.filters[i];
      parameters.emplace_back(fmt::format("Filter.{}.Name", i + 1), filter.name);
      for (std::size_t k = 0; k < filter.values.size(); ++k) {
        parameters.emplace_back(fmt::format("Filter.{}.Value.{}", i + 1, k + 1), filter.values[k]);
      }
    }
    if (!next.empty()) parameters.emplace_back("NextToken", next);
    client_.call(std::move(parameters), [this, pages](Result<XmlElement> answer) {
      if (!answer) return fail(answer.error());
      add_instances(*answer, around_, group_);
      const std::string following(answer->text_of("nextToken"));
      if (!following.empty() && pages < kPagesMax) return ask_instances(following, pages + 1);
      if (!following.empty()) {
        return fail(core::error(core::Errc::kLimitExceeded, "more than {} pages of instances", kPagesMax));
      }
      busy_ = false;
      // The one group is told whole each time.
      static_cast<void>(sink_.update({group_}));
    });
  }

  const Ec2Config config_;
  Sink& sink_;
  core::aws::AwsClient client_;
  Ec2Surroundings around_;
  TargetGroup group_;
  bool busy_ = false;
  RefreshTimer timer_;
};

Result<void> check_ec2(const Ec2Config& config, const Node& node) {
  for (const Ec2Filter& filter : config.filters) {
    if (filter.values.empty()) {
      return core::fail(node.find("filters").error("EC2 SD configuration filter values cannot be empty"));
    }
  }
  if (config.access_key.empty() != config.secret_key.value.empty()) {
    return core::fail(node.error("expected access_key and secret_key together, or neither"));
  }
  if (config.refresh_interval.count() <= 0) return core::fail(node.error("refresh_interval: expected more than 0"));
  if (config.http.basic_auth || config.http.authorization || !config.http.bearer_token.value.empty() ||
      !config.http.bearer_token_file.empty()) {
    return core::fail(
        node.error("requests to EC2 are signed with access_key and secret_key; they have no other "
                   "credentials"));
  }
  return {};
}

}  // namespace

void add_instances(const XmlElement& page, const Ec2Surroundings& around, TargetGroup& group) {
  for (const XmlElement& reservation : page.items_of("reservationSet")) {
    for (const XmlElement& instance : reservation.items_of("instancesSet")) {
      auto target = target_of(instance, around);
      if (!target) continue;
      set(*target, "owner_id", reservation.text_of("ownerId"));
      group.targets.push_back(std::move(*target));
    }
  }
}

const Table<Ec2Filter>& Ec2Filter::fields() {
  static const auto table =
      Table<Ec2Filter>("ec2_filter", "What of all instances EC2 is asked for.")
          .field("name", &Ec2Filter::name,
                 {.help = "A filter of DescribeInstances: tag:role, instance-state-name.", .required = true})
          .field("values", &Ec2Filter::values, {.help = "Values, one of which must match."});
  return table;
}

const Table<Ec2Config>& Ec2Config::fields() {
  static const auto table = [] {
    Table<Ec2Config> built("ec2_sd_config", "Targets from instances in AWS EC2.");
    built
        .field("region", &Ec2Config::region,
               {.help = "The region; without it that of the environment, the shared files or the instance itself."})
        .field("endpoint", &Ec2Config::endpoint, {.help = "Another endpoint of EC2's API."})
        .field("profile", &Ec2Config::profile, {.help = "A profile of the shared credentials file."})
        .field("role_arn", &Ec2Config::role_arn, {.help = "A role to take on through STS."})
        .field("external_id", &Ec2Config::external_id, {.help = "The external id that the role asks for."})
        .field("access_key", &Ec2Config::access_key,
               {.help = "An access key; without it that of the environment, the shared files, the container or the "
                        "instance's role (IMDSv2)."})
        .field("secret_key", &Ec2Config::secret_key, {.help = "Its secret."})
        .field("refresh_interval", &Ec2Config::refresh_interval, {.help = "How often the instances are asked for."})
        .field("port", &Ec2Config::port, {.help = "The port of the targets."})
        .field("filters", &Ec2Config::filters, {.help = "Filters of DescribeInstances; all of them must match."})
        .embed(&Ec2Config::http, core::net::HttpClientConfig::fields())
        .check(check_ec2);
    return built;
  }();
  return table;
}

std::unique_ptr<Discovery> make_ec2_discovery(const Ec2Config& config, const Context& context, Sink& sink) {
  return std::make_unique<Ec2Discovery>(config, context, sink);
}

}  // namespace collector::discovery

// SPDX-License-Identifier: Apache-2.0
#include "actions/replace/kubernetes_hosts.h"

#include <string>
#include <utility>

#include "actions/remedy/kubernetes_step_run.h"
#include "core/net/send_and_wait.h"
#include "core/net/url.h"

namespace actions::replace {
namespace {

using core::Errc;
using core::fail;
using core::Result;
using core::kubernetes::Node;
using core::kubernetes::NodePage;

// Of a hundred nodes each: more than any group has.
constexpr int kPagesMax = 50;
constexpr const char* kPerPage = "100";
constexpr const char* kZoneLabel = "topology.kubernetes.io/zone";

std::string label_of(const Node& node, const std::string& name) {
  const auto found = node.meta.labels.find(name);
  return found == node.meta.labels.end() ? "" : found->second;
}

class NodeList {
 public:
  NodeList(const remedy::Surroundings& around, const GroupConfig& config, const std::stop_token& stop)
      : around_(around), config_(config), stop_(stop) {}

  Result<DescribedHosts> describe() {
    DescribedHosts hosts;
    std::string next;
    for (int i = 0; i < kPagesMax; ++i) {
      Result<NodePage> page = ask(next);
      if (!page) return fail(page.error());
      for (const Node& node : page->nodes) {
        if (!node.meta.deleting) add(node, hosts);
      }
      if (page->next.empty()) {
        if (!hosts.members.empty()) return hosts;
        return fail(Errc::kUnavailable, "no node has the labels {}", config_.rollout->node_selector);
      }
      next = page->next;
    }
    return fail(Errc::kLimitExceeded, "more than {} pages of nodes have the labels {}", kPagesMax,
                config_.rollout->node_selector);
  }

 private:
  Result<NodePage> ask(const std::string& next) {
    const auto server = remedy::api_server_of(config_.kubernetes, around_);
    if (!server) return fail(server.error());
    std::vector<std::pair<std::string, std::string>> query{{"labelSelector", config_.rollout->node_selector},
                                                           {"limit", kPerPage}};
    if (!next.empty()) query.emplace_back("continue", next);
    const std::string path = "/api/v1/nodes?" + core::net::build_query(std::move(query));
    auto request = server->request("GET", path);
    if (!request) return fail(request.error());
    const Result<core::net::Response> response = core::net::send_and_wait(around_.http, std::move(*request), stop_);
    if (!response) return fail(response.error().with_context("GET {}", path));
    if (response->status != 200) {
      return fail(Errc::kUnavailable, "GET {}: {}", path, core::kubernetes::answer_text(*response));
    }
    Result<NodePage> page = core::kubernetes::read_node_page(response->body);
    if (!page) return fail(page.error().with_context("GET {}", path));
    return page;
  }

  void add(const Node& node, DescribedHosts& hosts) const {
    const RolloutConfig& rollout = *config_.rollout;
    const std::string image = rollout.image_label.empty() ? node.operating_system : label_of(node, rollout.image_label);
    hosts.members.push_back(Host({{"node", node.meta.name},
                                  {"instance", node.address},
                                  {"image", image},
                                  {"availability_zone", label_of(node, kZoneLabel)}}));
    if (image != rollout.wanted_image) hosts.outdated.push_back(hosts.members.back());
  }

  const remedy::Surroundings& around_;
  const GroupConfig& config_;
  const std::stop_token& stop_;
};

}  // namespace

Result<DescribedHosts> describe_kubernetes_nodes(const remedy::Surroundings& around, const GroupConfig& group,
                                                 const std::stop_token& stop) {
  return NodeList(around, group, stop).describe();
}

}  // namespace actions::replace

// SPDX-License-Identifier: Apache-2.0
#include "actions/replace/kubernetes_hosts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "test/support/background_process.h"
#include "test/unit/actions/remedy/step_world.h"
#include "test/unit/core/net/client_fixture.h"

namespace actions::replace {
namespace {

using ::testing::HasSubstr;

std::string node(const std::string& name, const std::string& image, const std::string& labels = "",
                 const std::string& more = "") {
  return R"({"metadata": {"name": ")" + name + R"(", "uid": "u-)" + name + R"(", "labels": {"role": "geth")" + labels +
         "}" + more + R"(}, "status": {"nodeInfo": {"osImage": ")" + image +
         R"("}, "addresses": [{"type": "Hostname", "address": "x"}, {"type": "InternalIP", "address": "10.1.0.1"}]}})";
}

// The list of nodes of an API server, in two pages. It refuses what is not the group's service account's or selector's.
class KubernetesHostsTest : public ::testing::Test {
 protected:
  KubernetesHostsTest() {
    server->Get("/api/v1/nodes", [this](const auto& request, auto& response) { answer(request, response); });
    server.start();
    const auto token = test_support::fresh_folder("kubernetes-hosts") / "token";
    test_support::write_file(token, "token-1");
    group.driver = Driver::kKubernetes;
    group.kubernetes.api_server = server.url("");
    group.kubernetes.token_file.path = token.string();
    group.rollout = RolloutConfig{};
    group.rollout->wanted_image = "Linux 2";
    group.rollout->node_selector = "role=geth,network!=test";
  }

  void answer(const httplib::Request& request, httplib::Response& response) {
    const auto say = [&](int code, const std::string& body) {
      response.status = code;
      response.set_content(body, "application/json");
    };
    if (status != 200) return say(status, R"({"kind": "Status", "message": "etcdserver: leader changed"})");
    if (request.get_header_value("Authorization") != "Bearer token-1") return say(401, "{}");
    if (request.get_param_value("labelSelector") != "role=geth,network!=test") return say(200, R"({"items": []})");
    if (request.get_param_value("continue") == "more") return say(200, R"({"items": [)" + second_page + "]}");
    say(200, R"({"metadata": {"continue": "more"}, "items": [)" + first_page + "]}");
  }

  core::Result<DescribedHosts> describe() { return describe_hosts(world.around, group, {}); }

  std::string first_page = node("a", "Linux 1") + "," + node("b", "Linux 2", R"(, "made-of": "golden-3")");
  std::string second_page = node("c", "Linux 1", "", R"(, "deletionTimestamp": "2024-01-01T00:00:00Z")") + "," +
                            node("d", "Linux 2", R"(, "topology.kubernetes.io/zone": "eu-1")");
  std::atomic<int> status{200};
  core::net::LocalServer<httplib::Server> server;
  remedy::StepWorld world{[](const char*) { return std::string(); }};
  GroupConfig group;
};

TEST_F(KubernetesHostsTest, ThoseWithAnotherImageAreOutdated) {
  auto hosts = describe();
  ASSERT_TRUE(hosts) << hosts.error().message;
  EXPECT_EQ(hosts->members.size(), 3U) << "on two pages, without the one that goes";
  ASSERT_EQ(hosts->outdated.size(), 1U);
  EXPECT_EQ(hosts->outdated[0], Host({{"node", "a"}, {"instance", "10.1.0.1"}, {"image", "Linux 1"}}));
  EXPECT_EQ(hosts->members[2].get("availability_zone"), "eu-1");

  group.rollout->image_label = "made-of";
  group.rollout->wanted_image = "golden-3";
  hosts = describe();
  ASSERT_TRUE(hosts) << hosts.error().message;
  EXPECT_EQ(hosts->outdated.size(), 2U) << "without the label it is not known to be the wanted one";
}

TEST_F(KubernetesHostsTest, WhatIsNotKnownWholeIsNotKnown) {
  second_page = "7";
  EXPECT_FALSE(describe()) << "a node that is none";
  first_page = second_page = "";
  EXPECT_THAT(describe().error().message, HasSubstr("no node has the labels role=geth"));
  status = 503;
  EXPECT_THAT(describe().error().message, HasSubstr("HTTP status 503: etcdserver: leader changed"));
  status = 200;
  test_support::write_file(group.kubernetes.token_file.path, "another");
  EXPECT_THAT(describe().error().message, HasSubstr("HTTP status 401"));
  group.driver = Driver::kExec;
  EXPECT_FALSE(describe());
}

}  // namespace
}  // namespace actions::replace

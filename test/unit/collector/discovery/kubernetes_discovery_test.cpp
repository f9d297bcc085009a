// SPDX-License-Identifier: Apache-2.0
#include "collector/discovery/kubernetes_discovery.h"

#include <filesystem>
#include <optional>

#include "test/support/background_process.h"
#include "test/unit/collector/discovery/discovery_world.h"
#include "test/unit/collector/discovery/kubernetes_api.h"
#include "test/unit/core/net/client_fixture.h"

namespace collector::discovery {
namespace {

using Json = nlohmann::json;
using test_support::write_file;

constexpr const char* kPods = "/api/v1/pods";
constexpr const char* kNodes = "/api/v1/nodes";
constexpr const char* kServices = "/api/v1/services";
constexpr const char* kSlices = "/apis/discovery.k8s.io/v1/endpointslices";

Json pod(const std::string& name, const std::string& ip, const std::string& node = "n1",
         const std::string& name_space = "eth") {
  Json object = Json::parse(R"({
    "metadata": {"uid": "u-1", "labels": {"app.kubernetes.io/name": "geth"}, "annotations": {"a/b": "c"},
      "ownerReferences": [{"kind": "X", "name": "no"}, {"kind": "StatefulSet", "name": "geth", "controller": true}]},
    "spec": {"containers": [{"name": "geth", "image": "geth:1", "ports": [
        {"name": "metrics", "containerPort": 6060, "protocol": "TCP"}, {"containerPort": 30303, "protocol": "UDP"}]},
      {"name": "side", "image": "side:2"}],
      "initContainers": [{"name": "init", "image": "init:3", "ports": [{"containerPort": 1}]}]},
    "status": {"hostIP": "10.0.0.1", "phase": "Running",
      "conditions": [{"type": "Initialized", "status": "True"}, {"type": "Ready", "status": "True"}],
      "containerStatuses": [{"name": "geth", "containerID": "containerd://abc"}]}})");
  object["metadata"]["name"] = name;
  object["metadata"]["namespace"] = name_space;
  object["spec"]["nodeName"] = node;
  object["status"]["podIP"] = ip;
  return object;
}

Json small_pod(const std::string& name, const std::string& ip, const std::string& node = "n1",
               const std::string& name_space = "eth") {
  Json object = pod(name, ip, node, name_space);
  object["spec"]["containers"] = Json::parse(R"([{"name": "c", "image": "i", "ports": [{"containerPort": 9}]}])");
  object["spec"].erase("initContainers");
  return object;
}

Json node(const std::string& name) {
  Json object = Json::parse(R"({
    "metadata": {"labels": {"topology.kubernetes.io/zone": "eu-1a"}, "annotations": {"x": "y"}},
    "spec": {"providerID": "aws:///eu-1a/i-1"},
    "status": {"daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
      "addresses": [{"type": "Hostname", "address": "host-1"}, {"type": "InternalIP", "address": "10.0.0.1"},
        {"type": "InternalIP", "address": "10.0.0.2"}],
      "conditions": [{"type": "Ready", "status": "Unknown"}]}})");
  object["metadata"]["name"] = name;
  return object;
}

class KubernetesDiscoveryTest : public DiscoveryTest {
 protected:
  KubernetesDiscoveryTest() {
    api.install(*server.operator->());
    server.start();
    write_file(folder / "token", "token-1\n");
  }
  ~KubernetesDiscoveryTest() override {
    discovery.reset();
    http.reset();
    api.shut_down();
    EXPECT_THAT(api.violations(), testing::IsEmpty());
  }

  void start(const std::string& yaml) {
    discovery = make_kubernetes_discovery(
        must_read<KubernetesConfig>("{api_server: '" + server.url("") + "', authorization: {credentials_file: '" +
                                    (folder / "token").string() + "'}, " + yaml + "}"),
        context, sink, folder.string());
  }
  // Until every watch stands, so that what happens next is told by it.
  void until_watching(int watches) {
    run_until([&, watches] { return api.watching() == watches; });
  }

  std::filesystem::path folder = test_support::fresh_folder(
      std::string("kubernetes_sd_") + testing::UnitTest::GetInstance()->current_test_info()->name());
  KubernetesApi api;
  core::net::LocalServer<httplib::Server> server;
  std::unique_ptr<Discovery> discovery;
};

TEST_F(KubernetesDiscoveryTest, ANodeIsATargetAtItsKubelet) {
  api.put(kNodes, node("n1"));
  Json nameless = node("n2");
  nameless["status"].erase("addresses");
  api.put(kNodes, nameless);
  start("role: node");
  run_until([&] { return !sink.groups.empty(); });
  EXPECT_EQ(sink.groups.size(), 1U);
  EXPECT_EQ(sink.groups.begin()->first, "node/n1");
  EXPECT_EQ(sink.groups.at("node/n1").targets,
            (std::vector<LabelMap>{{{"__address__", "10.0.0.1:10250"},
                                    {"instance", "n1"},
                                    {"__meta_kubernetes_node_address_Hostname", "host-1"},
                                    {"__meta_kubernetes_node_address_InternalIP", "10.0.0.1"}}}));
  EXPECT_EQ(sink.groups.at("node/n1").labels,
            (LabelMap{{"__meta_kubernetes_node_name", "n1"},
                      {"__meta_kubernetes_node_provider_id", "aws:///eu-1a/i-1"},
                      {"__meta_kubernetes_node_condition_ready", "unknown"},
                      {"__meta_kubernetes_node_label_topology_kubernetes_io_zone", "eu-1a"},
                      {"__meta_kubernetes_node_labelpresent_topology_kubernetes_io_zone", "true"},
                      {"__meta_kubernetes_node_annotation_x", "y"},
                      {"__meta_kubernetes_node_annotationpresent_x", "true"}}));
}

TEST_F(KubernetesDiscoveryTest, EveryPortOfAPodIsATarget) {
  api.put(kPods, pod("geth-0", "10.1.0.1"));
  api.put(kPods, pod("starts", ""));
  start("role: pod");
  run_until([&] { return !sink.groups.empty(); });
  ASSERT_EQ(sink.groups.size(), 1U);
  const TargetGroup& group = sink.groups.at("pod/eth/geth-0");
  EXPECT_EQ(group.labels, (LabelMap{{"__meta_kubernetes_namespace", "eth"},
                                    {"__meta_kubernetes_pod_name", "geth-0"},
                                    {"__meta_kubernetes_pod_ip", "10.1.0.1"},
                                    {"__meta_kubernetes_pod_host_ip", "10.0.0.1"},
                                    {"__meta_kubernetes_pod_node_name", "n1"},
                                    {"__meta_kubernetes_pod_uid", "u-1"},
                                    {"__meta_kubernetes_pod_phase", "Running"},
                                    {"__meta_kubernetes_pod_ready", "true"},
                                    {"__meta_kubernetes_pod_controller_kind", "StatefulSet"},
                                    {"__meta_kubernetes_pod_controller_name", "geth"},
                                    {"__meta_kubernetes_pod_label_app_kubernetes_io_name", "geth"},
                                    {"__meta_kubernetes_pod_labelpresent_app_kubernetes_io_name", "true"},
                                    {"__meta_kubernetes_pod_annotation_a_b", "c"},
                                    {"__meta_kubernetes_pod_annotationpresent_a_b", "true"}}));
  ASSERT_EQ(group.targets.size(), 4U);
  EXPECT_EQ(group.targets[0], (LabelMap{{"__address__", "10.1.0.1:6060"},
                                        {"__meta_kubernetes_pod_container_name", "geth"},
                                        {"__meta_kubernetes_pod_container_image", "geth:1"},
                                        {"__meta_kubernetes_pod_container_id", "containerd://abc"},
                                        {"__meta_kubernetes_pod_container_init", "false"},
                                        {"__meta_kubernetes_pod_container_port_name", "metrics"},
                                        {"__meta_kubernetes_pod_container_port_number", "6060"},
                                        {"__meta_kubernetes_pod_container_port_protocol", "TCP"}}));
  EXPECT_EQ(sink.addresses(), "10.1.0.1:6060 10.1.0.1:30303 10.1.0.1 10.1.0.1:1");
  EXPECT_EQ(sink.label("__meta_kubernetes_pod_container_init", 3), "true");
  EXPECT_EQ(sink.label("__meta_kubernetes_pod_container_port_protocol", 1), "UDP");
}

TEST_F(KubernetesDiscoveryTest, ListsInPagesAndThenFollowsEvents) {
  api.set_page_max(2);
  for (const char* const name : {"a", "b", "c", "d", "e"})
    api.put(kPods, small_pod(name, std::string("10.1.0.") + name));
  start("role: pod");
  until_watching(1);
  EXPECT_EQ(sink.groups.size(), 5U);
  EXPECT_EQ(sink.updates, 1) << "nothing is told before the list is complete";
  EXPECT_EQ(api.log()[0], "LIST /api/v1/pods");
  EXPECT_EQ(api.log()[2], "LIST /api/v1/pods continued");
  EXPECT_EQ(api.log()[3], "WATCH /api/v1/pods from 105");

  api.put(kPods, small_pod("f", "10.1.0.f"));
  api.put(kPods, small_pod("a", "10.1.0.z"));
  api.remove(kPods, "eth/b");
  run_until([&] { return sink.addresses() == "10.1.0.z:9 10.1.0.c:9 10.1.0.d:9 10.1.0.e:9 10.1.0.f:9"; });
  EXPECT_EQ(api.count("LIST"), 3U);
}

TEST_F(KubernetesDiscoveryTest, AWatchThatIsCutGoesOnWhereItWas) {
  api.put(kPods, small_pod("a", "1"));
  start("role: pod");
  until_watching(1);
  api.put(kPods, small_pod("b", "2"));
  run_until([&] { return sink.groups.size() == 2; });
  const int seen = api.version();
  api.end_watches(KubernetesApi::End::kCut);
  api.put(kPods, small_pod("c", "3"));
  run_until([&] { return sink.groups.size() == 3; });
  api.end_watches(KubernetesApi::End::kOrderly);
  run_until([&] { return api.count("WATCH") >= 3; });
  EXPECT_EQ(api.count("LIST"), 1U);
  EXPECT_EQ(api.log()[2], "WATCH /api/v1/pods from " + std::to_string(seen));
}

TEST_F(KubernetesDiscoveryTest, ABookmarkMovesTheVersion) {
  api.put(kPods, small_pod("a", "1"));
  start("role: pod");
  until_watching(1);
  api.pass_versions(50);
  const int before = sink.updates;
  api.bookmark();
  run_until([&] { return sink.updates > before; });  // all is well, and nothing is new
  EXPECT_TRUE(sink.told.size() == 1);
  api.end_watches(KubernetesApi::End::kOrderly);
  run_until([&] { return api.count("WATCH") >= 2; });
  EXPECT_EQ(api.log().back(), "WATCH /api/v1/pods from 151");
}

TEST_F(KubernetesDiscoveryTest, AVersionThatIsGoneBringsANewList) {
  api.put(kPods, small_pod("a", "1"));
  api.put(kPods, small_pod("b", "2"));
  start("role: pod");
  until_watching(1);
  api.end_watches(KubernetesApi::End::kCut);
  api.remove(kPods, "eth/a");
  api.put(kPods, small_pod("b", "5"));
  api.compact();
  run_until([&] { return sink.addresses() == "5:9"; });
  EXPECT_EQ(api.count("LIST"), 2U);
  until_watching(1);
}

TEST_F(KubernetesDiscoveryTest, WhatWasRefusedIsToldLater) {
  api.put(kPods, small_pod("a", "1"));
  start("role: pod");
  until_watching(1);
  sink.refuses = true;
  const int before = sink.updates;
  api.put(kPods, small_pod("b", "2"));
  api.remove(kPods, "eth/a");
  run_until([&] { return sink.updates > before; });
  sink.refuses = false;
  run_until([&] {
    api.bookmark();
    return sink.addresses() == "2:9";
  });
}

TEST_F(KubernetesDiscoveryTest, AnEventThatIsNoneBringsANewList) {
  api.put(kPods, small_pod("a", "1"));
  start("role: pod");
  until_watching(1);
  api.end_watches(KubernetesApi::End::kGarbage);
  run_until([&] { return api.count("LIST") == 2 && api.watching() == 1; });
  EXPECT_NE(sink.errors.at(0).find("expected an event of a watch"), std::string::npos) << sink.errors[0];
  EXPECT_EQ(sink.addresses(), "1:9");
}

TEST_F(KubernetesDiscoveryTest, ATokenIsReadAgainAndAFailureKeepsTheTargets) {
  api.put(kPods, small_pod("a", "1"));
  start("role: pod");
  until_watching(1);
  api.set_token("token-2");
  api.end_watches(KubernetesApi::End::kOrderly);
  // A watch that ended at once is asked for again first.
  run_until([&] {
    return !sink.errors.empty() &&
           sink.errors.back().find("/api/v1/pods: server returned HTTP status 401 Unauthorized: Unauthorized") !=
               std::string::npos;
  });
  EXPECT_EQ(sink.addresses(), "1:9");
  write_file(folder / "token", "token-2");
  api.put(kPods, small_pod("b", "2"));
  run_until([&] { return sink.addresses() == "1:9 2:9"; });
}

TEST_F(KubernetesDiscoveryTest, AServerThatIsNotWellIsAskedAgain) {
  api.put(kPods, small_pod("a", "1"));
  api.fail_with(500);
  start("role: pod");
  run_until([&] { return sink.errors.size() >= 2; });
  EXPECT_EQ(sink.updates, 0);
  api.fail_with(0);
  run_until([&] { return sink.addresses() == "1:9"; });
}

TEST_F(KubernetesDiscoveryTest, NamespacesAreListedEachAndTheOwnOneIsOfTheServiceAccount) {
  api.put(kPods, small_pod("a", "1", "n1", "eth"));
  api.put(kPods, small_pod("b", "2", "n1", "vault"));
  api.put(kPods, small_pod("c", "3", "n1", "other"));
  start("role: pod, namespaces: {names: [eth, vault]}");
  run_until([&] { return sink.addresses() == "1:9 2:9"; });
  EXPECT_EQ(sink.updates, 1) << "nothing is told before every list is complete";
  until_watching(2);
  api.remove(kPods, "eth/a");
  run_until([&] { return sink.addresses() == "2:9"; });
}

TEST_F(KubernetesDiscoveryTest, SelectorsTakeTheNodeFromTheEnvironment) {
  api.put(kPods, small_pod("a", "1", "n1"));
  api.put(kPods, small_pod("b", "2", "n2"));
  environment["NODE_NAME"] = "n2";
  start(
      "role: pod, selectors: [{role: pod, field: 'spec.nodeName=${NODE_NAME}', "
      "label: 'app.kubernetes.io/name=geth'}]");
  run_until([&] { return sink.addresses() == "2:9"; });
  until_watching(1);
  api.put(kPods, small_pod("c", "3", "n1"));
  api.put(kPods, small_pod("d", "4", "n2"));
  run_until([&] { return sink.addresses() == "2:9 4:9"; });

  sink.errors.clear();
  start("role: pod, selectors: [{role: pod, field: 'spec.nodeName=$NOBODY'}]");
  run_until([&] { return !sink.errors.empty(); });
  EXPECT_EQ(sink.errors[0], "selector \"spec.nodeName=$NOBODY\": NOBODY is not set in the environment");
}

TEST_F(KubernetesDiscoveryTest, ANodesLabelsAreAttachedAndFollowIt) {
  api.put(kNodes, node("n1"));
  api.put(kPods, small_pod("a", "1", "n1"));
  api.put(kPods, small_pod("b", "2", "n2"));  // of a node that is not known
  start("role: pod, attach_metadata: {node: true}");
  run_until([&] { return sink.addresses() == "1:9"; });
  EXPECT_EQ(sink.label("__meta_kubernetes_node_name"), "n1");
  EXPECT_EQ(sink.label("__meta_kubernetes_node_label_topology_kubernetes_io_zone"), "eu-1a");
  EXPECT_EQ(sink.label("__meta_kubernetes_node_condition_ready"), "-");
  until_watching(2);
  Json moved = node("n1");
  moved["metadata"]["labels"]["topology.kubernetes.io/zone"] = "eu-1b";
  api.put(kNodes, moved);
  run_until([&] { return sink.label("__meta_kubernetes_node_label_topology_kubernetes_io_zone") == "eu-1b"; });
  api.put(kNodes, node("n2"));
  run_until([&] { return sink.addresses() == "1:9 2:9"; });
}

Json slice(const std::string& type = "IPv4") {
  Json object = Json::parse(R"({
    "metadata": {"name": "geth-x1", "namespace": "eth", "labels": {"kubernetes.io/service-name": "geth"}},
    "endpoints": [
      {"addresses": ["10.1.0.1"], "conditions": {"ready": true, "serving": true, "terminating": false},
       "nodeName": "n1", "zone": "eu-1a", "targetRef": {"kind": "Pod", "namespace": "eth", "name": "geth-0"}},
      {"addresses": ["10.1.0.9"], "conditions": {"ready": false}, "hostname": "geth-9",
       "deprecatedTopology": {"kubernetes.io/hostname": "h"}}],
    "ports": [{"name": "metrics", "port": 6060, "protocol": "TCP", "appProtocol": "http"}]})");
  object["addressType"] = type;
  return object;
}

Json service() {
  return Json::parse(R"({"metadata": {"name": "geth", "namespace": "eth", "labels": {"team": "infra"}},
    "spec": {"type": "ClusterIP", "clusterIP": "10.96.0.1", "ipFamilies": ["IPv4"],
      "ports": [{"name": "metrics", "port": 80, "protocol": "TCP"}]}})");
}

TEST_F(KubernetesDiscoveryTest, AnEndpointSliceHasItsServicesAndItsPodsLabels) {
  api.put(kServices, service());
  api.put(kPods, pod("geth-0", "10.1.0.1"));
  api.put(kSlices, slice());
  start("role: endpointslice");
  run_until([&] { return !sink.groups.empty(); });
  const TargetGroup& group = sink.groups.at("endpointslice/eth/geth-x1");
  EXPECT_EQ(group.labels, (LabelMap{{"__meta_kubernetes_namespace", "eth"},
                                    {"__meta_kubernetes_endpointslice_name", "geth-x1"},
                                    {"__meta_kubernetes_endpointslice_address_type", "IPv4"},
                                    {"__meta_kubernetes_endpointslice_label_kubernetes_io_service_name", "geth"},
                                    {"__meta_kubernetes_endpointslice_labelpresent_kubernetes_io_service_name", "true"},
                                    {"__meta_kubernetes_service_name", "geth"},
                                    {"__meta_kubernetes_service_label_team", "infra"},
                                    {"__meta_kubernetes_service_labelpresent_team", "true"}}));
  // The two endpoints, then the pod's ports that the slice does not lead to.
  EXPECT_EQ(sink.addresses(), "10.1.0.1:6060 10.1.0.9:6060 10.1.0.1:30303 10.1.0.1:1");
  const LabelMap& first = group.targets[0];
  for (const auto& [name, value] : LabelMap{{"endpointslice_port", "6060"},
                                            {"endpointslice_port_name", "metrics"},
                                            {"endpointslice_port_protocol", "TCP"},
                                            {"endpointslice_port_app_protocol", "http"},
                                            {"endpointslice_endpoint_conditions_ready", "true"},
                                            {"endpointslice_endpoint_conditions_serving", "true"},
                                            {"endpointslice_endpoint_conditions_terminating", "false"},
                                            {"endpointslice_endpoint_node_name", "n1"},
                                            {"endpointslice_endpoint_zone", "eu-1a"},
                                            {"endpointslice_address_target_kind", "Pod"},
                                            {"endpointslice_address_target_name", "geth-0"},
                                            {"pod_name", "geth-0"},
                                            {"pod_container_name", "geth"},
                                            {"pod_container_port_number", "6060"}}) {
    const auto found = first.find("__meta_kubernetes_" + name);
    EXPECT_TRUE(found != first.end() && found->second == value) << name;
  }
  EXPECT_FALSE(first.contains("__meta_kubernetes_pod_container_id"));
  const LabelMap& second = group.targets[1];
  EXPECT_FALSE(second.contains("__meta_kubernetes_pod_name"));
  EXPECT_EQ(second.at("__meta_kubernetes_endpointslice_endpoint_conditions_ready"), "false");
  EXPECT_EQ(second.at("__meta_kubernetes_endpointslice_endpoint_hostname"), "geth-9");
  EXPECT_EQ(second.at("__meta_kubernetes_endpointslice_endpoint_topology_kubernetes_io_hostname"), "h");
  EXPECT_FALSE(group.targets[2].contains("__meta_kubernetes_endpointslice_port"));

  // A change of the service is a change of its slices.
  until_watching(3);
  Json renamed = service();
  renamed["metadata"]["labels"]["team"] = "other";
  api.put(kServices, renamed);
  run_until([&] { return sink.label("__meta_kubernetes_service_label_team") == "other"; });
  api.remove(kPods, "eth/geth-0");
  run_until([&] { return sink.addresses() == "10.1.0.1:6060 10.1.0.9:6060"; });
}

TEST_F(KubernetesDiscoveryTest, OfAServiceWithTwoFamiliesThePrimaryOneCounts) {
  Json dual = service();
  dual["spec"]["ipFamilies"] = {"IPv6", "IPv4"};
  api.put(kServices, dual);
  api.put(kSlices, slice("IPv4"));
  start("role: endpointslice");
  run_until([&] { return sink.updates > 0; });
  EXPECT_EQ(sink.addresses(), "");
}

TEST_F(KubernetesDiscoveryTest, AServiceIsATargetByName) {
  api.put(kServices, service());
  start("role: service");
  run_until([&] { return !sink.groups.empty(); });
  EXPECT_EQ(sink.groups.begin()->first, "svc/eth/geth");
  EXPECT_EQ(sink.addresses(), "geth.eth.svc:80");
  EXPECT_EQ(sink.label("__meta_kubernetes_service_cluster_ip"), "10.96.0.1");
  EXPECT_EQ(sink.label("__meta_kubernetes_service_port_number"), "80");
  EXPECT_EQ(sink.label("__meta_kubernetes_service_type"), "ClusterIP");
}

TEST_F(KubernetesDiscoveryTest, InsideAClusterTheServiceAccountIsUsed) {
  const auto file = [this](const char* name) { return (folder / name).string(); };
  test_support::BackgroundProcess openssl(
      {"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
       "-subj", "/CN=api", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", file("key.pem"), "-out",
       file("ca.crt")},
      folder / "openssl.log");
  ASSERT_EQ(openssl.wait(std::chrono::seconds(20)), 0) << openssl.log_text();
  write_file(folder / "namespace", "eth\n");
  KubernetesApi inside;
  core::net::LocalServer<httplib::SSLServer> secure(file("ca.crt").c_str(), file("key.pem").c_str());
  inside.install(*secure.operator->());
  secure.start();
  inside.put(kPods, small_pod("a", "1", "n1", "eth"));
  inside.put(kPods, small_pod("b", "2", "n1", "other"));
  environment["KUBERNETES_SERVICE_HOST"] = "127.0.0.1";
  environment["KUBERNETES_SERVICE_PORT"] = std::to_string(secure.port());
  discovery = make_kubernetes_discovery(must_read<KubernetesConfig>("{role: pod, namespaces: {own_namespace: true}}"),
                                        context, sink, folder.string());
  run_until([&] { return sink.addresses() == "1:9"; });
  EXPECT_EQ(inside.log().at(0), "LIST /api/v1/namespaces/eth/pods");
  EXPECT_THAT(inside.violations(), testing::IsEmpty());
  discovery.reset();
  http.reset();
  inside.shut_down();
}

TEST_F(KubernetesDiscoveryTest, OutsideAClusterItSaysSo) {
  discovery = make_kubernetes_discovery(must_read<KubernetesConfig>("{role: pod}"), context, sink, folder.string());
  run_until([&] { return !sink.errors.empty(); });
  EXPECT_NE(sink.errors[0].find("unable to load in-cluster configuration"), std::string::npos);
}

TEST(KubernetesConfig, MistakesAreNamed) {
  const std::pair<const char*, const char*> cases[] = {
      {"{}", "role missing (one of: pod, service, endpoints, endpointslice, node, ingress)"},
      {"{role: x}", "unknown Kubernetes SD role \"x\""},
      {"{role: endpoints}", "role endpoints is not supported; use endpointslice"},
      {"{role: ingress}", "role ingress is not supported"},
      {"{role: pod, kubeconfig_file: x}", "kubeconfig files are not supported"},
      {"{role: pod, attach_metadata: {namespace: true}}", "these labels are not supported"},
      {"{role: pod, bearer_token: x}", "please provide the 'api_server' URL explicitly"},
      {"{role: pod, api_server: 'http://x', namespaces: {own_namespace: true}}",
       "cannot use 'api_server' and 'namespaces.own_namespace' simultaneously"},
      {"{role: pod, selectors: [{role: pod}, {role: pod}]}", "duplicated selector role: pod"},
      {"{role: node, selectors: [{role: pod}]}", "node role supports only node selectors"},
      {"{role: pod, selectors: [{role: service}]}", "pod role supports only pod, node selectors"},
      {"{role: pod, selectors: [{label: x}]}", "missing key \"role\""},
  };
  for (const auto& [yaml, error] : cases) {
    const auto node = core::config::Node::parse(yaml, "p.yml");
    const auto config = KubernetesConfig::fields().read(*node);
    ASSERT_FALSE(config) << yaml;
    EXPECT_NE(config.error().message.find(error), std::string::npos) << config.error().message;
  }
}

}  // namespace
}  // namespace collector::discovery

// SPDX-License-Identifier: Apache-2.0
// Steps of kind kubernetes against a stand-in for the API server.
#include "actions/remedy/kubernetes_step_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "actions/remedy/step.h"
#include "fake_kubernetes.h"
#include "step_world.h"
#include "test/support/background_process.h"

namespace actions::remedy {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

class KubernetesStepTest : public ::testing::Test {
 protected:
  KubernetesStepTest() {
    test_support::write_file(folder / "token", "token-1\n");
    cluster.add_node("node1");
  }
  ~KubernetesStepTest() override { EXPECT_THAT(cluster.violations, IsEmpty()); }

  KubernetesStep step(KubernetesAction action, milliseconds timeout = milliseconds(5000)) {
    KubernetesStep made;
    made.action = action;
    made.node = "node1";
    made.name_space = "eth";
    made.timeout = timeout;
    made.cluster.api_server = cluster.url();
    made.cluster.token_file.path = (folder / "token").string();
    return made;
  }
  StepFinished run(const KubernetesStep& made, int attempt = 1) {
    StepFinished finished = KubernetesStepRun(world.around, made, world.task(attempt)).carry_out();
    EXPECT_THAT(finished.output, Not(HasSubstr("token-1")));
    return finished;
  }
  StepFinished run(KubernetesAction action) { return run(step(action)); }
  StepSeen look(const KubernetesStep& made) { return KubernetesStepRun(world.around, made, world.task()).look(); }
  KubernetesStep of_pod(KubernetesAction action, milliseconds timeout = milliseconds(5000)) {
    KubernetesStep made = step(action, timeout);
    made.pod = "geth-0";
    return made;
  }

  std::filesystem::path folder = test_support::fresh_folder(
      std::string("kubernetes_step_") + testing::UnitTest::GetInstance()->current_test_info()->name());
  FakeKubernetes cluster;
  StepWorld world{[](const char*) { return std::string(); }};
};

TEST_F(KubernetesStepTest, CordonsAndUncordons) {
  const StepFinished cordoned = run(KubernetesAction::kCordon);
  EXPECT_EQ(cordoned.outcome, Outcome::kSucceeded) << cordoned.result;
  EXPECT_EQ(cordoned.result, "node1 is cordoned");
  EXPECT_EQ(cluster.nodes["node1"]["spec"]["unschedulable"], true);
  EXPECT_EQ(run(KubernetesAction::kUncordon).result, "node1 is schedulable");
  cluster.lies = {"PATCH"};
  const StepFinished lied = run(step(KubernetesAction::kCordon, milliseconds(60)));
  EXPECT_EQ(lied.outcome, Outcome::kFailed);
  EXPECT_THAT(lied.result, HasSubstr("not so by the timeout: node1 is schedulable"));
}

TEST_F(KubernetesStepTest, ATaintLeavesThoseOfOthers) {
  cluster.conflicts = 2;
  KubernetesStep taint = step(KubernetesAction::kTaint);
  taint.taint = "maintenance=disk:NoSchedule";
  const StepFinished finished = run(taint);
  EXPECT_EQ(finished.outcome, Outcome::kSucceeded) << finished.result;
  EXPECT_EQ(cluster.nodes["node1"]["spec"]["taints"].size(), 3U) << cluster.nodes["node1"].dump();
  taint.action = KubernetesAction::kUntaint;
  EXPECT_EQ(run(taint).outcome, Outcome::kSucceeded);
  EXPECT_EQ(cluster.nodes["node1"]["spec"]["taints"].size(), 2U);
  cluster.conflicts = 100;
  taint.action = KubernetesAction::kTaint;
  EXPECT_THAT(run(taint).result, HasSubstr("was changed by others 5 times meanwhile"));
}

TEST_F(KubernetesStepTest, EvictsWithinTheBudgetAndWaitsUntilItIsGone) {
  cluster.add_pod("geth-0", "node1").refusals = 3;
  const StepFinished finished = run(of_pod(KubernetesAction::kEvict));
  EXPECT_EQ(finished.outcome, Outcome::kSucceeded) << finished.result;
  EXPECT_EQ(finished.result, "eth/geth-0 is gone");
  EXPECT_EQ(cluster.count("evict geth-0"), 1);
  EXPECT_THAT(finished.output, HasSubstr("HTTP status 429: Cannot evict pod"));

  cluster.add_pod("geth-0", "node1").refusals = 1'000'000;
  const StepFinished never = run(of_pod(KubernetesAction::kEvict, milliseconds(60)));
  EXPECT_EQ(never.outcome, Outcome::kFailed);
  EXPECT_THAT(never.result, HasSubstr("disruption budget"));
  cluster.add_pod("geth-0", "node1").misbudgeted = true;
  EXPECT_THAT(run(of_pod(KubernetesAction::kEvict)).result, HasSubstr("more than one PodDisruptionBudget"));
}

TEST_F(KubernetesStepTest, CreatedIsNotGone) {
  cluster.add_pod("geth-0", "node1");
  cluster.lies = {"POST"};
  const StepFinished lied = run(of_pod(KubernetesAction::kEvict, milliseconds(60)));
  EXPECT_EQ(lied.outcome, Outcome::kFailed);
  EXPECT_THAT(lied.result, HasSubstr("eth/geth-0 is still there"));
  cluster.lies = {};
  cluster.pods["geth-0"].object["metadata"]["finalizers"] = {"example.org/hold"};
  const StepFinished held = run(of_pod(KubernetesAction::kDeletePod, milliseconds(60)));
  EXPECT_EQ(held.outcome, Outcome::kFailed);
  EXPECT_THAT(held.result, HasSubstr("eth/geth-0 is still ending, held by example.org/hold"));
}

TEST_F(KubernetesStepTest, APodThatComesBackUnderItsNameIsAnotherOne) {
  cluster.add_pod("geth-0", "node1").comes_back = "uid-new";
  EXPECT_EQ(look(of_pod(KubernetesAction::kDeletePod)).happened, Verdict::kNo);
  const StepFinished finished = run(of_pod(KubernetesAction::kDeletePod));
  EXPECT_EQ(finished.outcome, Outcome::kSucceeded) << finished.result;
  EXPECT_EQ(finished.result, "eth/geth-0 is another one by now");
  EXPECT_EQ(look(of_pod(KubernetesAction::kDeletePod)).happened, Verdict::kYes);
  EXPECT_EQ(cluster.count("delete geth-0"), 1);
  cluster.pods.clear();
  EXPECT_EQ(look(of_pod(KubernetesAction::kDeletePod)).happened, Verdict::kYes);
  EXPECT_THAT(run(of_pod(KubernetesAction::kDeletePod)).result, HasSubstr("there is no pod eth/geth-0"));
  EXPECT_EQ(run(of_pod(KubernetesAction::kDeletePod), 2).outcome, Outcome::kSucceeded);
}

TEST_F(KubernetesStepTest, DrainsWhatCanGo) {
  for (const char* const name : {"geth-0", "geth-1", "lighthouse-0"}) cluster.add_pod(name, "node1");
  cluster.pods["geth-1"].refusals = 5;
  cluster.add_pod("exporter", "node1", "DaemonSet");
  cluster.add_pod("elsewhere", "node2");
  cluster.add_pod("static", "node1", "Node").object["metadata"]["annotations"]["kubernetes.io/config.mirror"] = "x";
  cluster.add_pod("finished", "node1", "").object["status"]["phase"] = "Succeeded";
  cluster.unavailable = 2;
  const StepFinished finished = run(KubernetesAction::kDrain);
  EXPECT_EQ(finished.outcome, Outcome::kSucceeded) << finished.result;
  EXPECT_EQ(finished.result, "node1 is cordoned and empty");
  std::vector<std::string> left;
  for (const auto& [name, each] : cluster.pods) left.push_back(name);
  EXPECT_THAT(left, UnorderedElementsAre("exporter", "elsewhere", "static"));
  for (const char* const name : {"geth-0", "geth-1", "lighthouse-0"}) {
    EXPECT_EQ(cluster.count(std::string("evict ") + name), 1) << name;
  }
}

TEST_F(KubernetesStepTest, WhatNobodyMakesAnewStaysUnlessItIsSaid) {
  cluster.add_pod("by-hand", "node1", "");
  EXPECT_THAT(run(KubernetesAction::kDrain).result, HasSubstr("no controller would make it anew"));
  cluster.pods["by-hand"].object["spec"]["volumes"] = {{{"name", "cache"}, {"emptyDir", json::object()}}};
  KubernetesStep drain = step(KubernetesAction::kDrain);
  drain.force = true;
  EXPECT_THAT(run(drain).result, HasSubstr("has an emptyDir volume"));
  EXPECT_EQ(cluster.count("evict by-hand"), 0);
  drain.delete_emptydir_data = true;
  EXPECT_EQ(run(drain).outcome, Outcome::kSucceeded);
}

TEST_F(KubernetesStepTest, WhatHoldsValidatorsIsNotTouched) {
  cluster.add_pod("geth-0", "node1");
  FakeKubernetes::Pod& signer = cluster.add_pod("keys-0", "node1", "DaemonSet");
  signer.object["spec"]["containers"][0]["args"] = {"vc", "--network", "mainnet"};
  for (const KubernetesAction action : {KubernetesAction::kDrain, KubernetesAction::kDeleteNode}) {
    const StepFinished finished = run(action);
    EXPECT_EQ(finished.outcome, Outcome::kFailed);
    EXPECT_THAT(finished.result, HasSubstr("eth/keys-0 is not touched: \"vc\" says that it holds validators"));
  }
  KubernetesStep taint = step(KubernetesAction::kTaint);
  taint.taint = "x:NoExecute";
  EXPECT_THAT(run(taint).result, HasSubstr("eth/keys-0 is not touched"));
  KubernetesStep evict = of_pod(KubernetesAction::kEvict);
  evict.pod = "keys-0";
  EXPECT_THAT(run(evict).result, HasSubstr("eth/keys-0 is not touched"));
  cluster.add_workload("statefulset", "validators", 1);
  KubernetesStep scale = step(KubernetesAction::kScale);
  scale.workload = "statefulset/validators";
  scale.replicas = 2;
  EXPECT_THAT(run(scale).result, HasSubstr("eth/validators is not touched"));
  EXPECT_THAT(cluster.done, IsEmpty());
  cluster.pods.erase("keys-0");
  world.protection.labels = {{"pool", "keys"}};
  cluster.nodes["node1"]["metadata"]["labels"]["pool"] = "keys";
  EXPECT_THAT(run(KubernetesAction::kDrain).result, HasSubstr("protected: labels: pool=keys"));
  KubernetesStep allowed = step(KubernetesAction::kDrain);
  allowed.allow_validators = true;
  EXPECT_EQ(run(allowed).outcome, Outcome::kSucceeded);
}

TEST_F(KubernetesStepTest, DeletesANode) {
  EXPECT_EQ(look(step(KubernetesAction::kDeleteNode)).happened, Verdict::kNo);
  cluster.lies = {"DELETE"};
  EXPECT_THAT(run(step(KubernetesAction::kDeleteNode, milliseconds(60))).result, HasSubstr("node1 is still there"));
  cluster.lies = {};
  EXPECT_EQ(run(KubernetesAction::kDeleteNode).result, "node1 is gone");
  EXPECT_EQ(look(step(KubernetesAction::kDeleteNode)).happened, Verdict::kYes);
}

TEST_F(KubernetesStepTest, RestartsAWorkloadOnce) {
  cluster.add_workload("statefulset", "geth", 3);
  KubernetesStep restart = step(KubernetesAction::kRolloutRestart);
  restart.workload = "statefulset/geth";
  const StepFinished finished = run(restart);
  EXPECT_EQ(finished.outcome, Outcome::kSucceeded) << finished.result;
  EXPECT_EQ(finished.result, "statefulset/geth: 3 wanted, 3 there, 3 updated, 3 available");
  EXPECT_EQ(cluster.workloads["statefulsets/geth"]["metadata"]["generation"], 2);
  // The same step again, as after a crash, makes no pod anew.
  EXPECT_EQ(run(restart, 2).outcome, Outcome::kSucceeded);
  EXPECT_EQ(cluster.workloads["statefulsets/geth"]["metadata"]["generation"], 2);
  cluster.workloads["statefulsets/geth"]["spec"]["updateStrategy"]["type"] = "OnDelete";
  EXPECT_THAT(run(restart).result, HasSubstr("its pods would stay as they are"));
  cluster.workloads["statefulsets/geth"]["spec"].erase("updateStrategy");
  cluster.workloads["statefulsets/geth"]["spec"]["template"]["metadata"].erase("annotations");
  cluster.lies = {"PATCH"};
  restart.timeout = milliseconds(60);
  EXPECT_THAT(run(restart).result, HasSubstr("the pods' template is as it was"));
}

TEST_F(KubernetesStepTest, ScalesAndWaits) {
  cluster.add_workload("deployment", "geth", 1);
  KubernetesStep scale = step(KubernetesAction::kScale);
  scale.workload = "deployment/geth";
  scale.replicas = 3;
  const StepFinished finished = run(scale);
  EXPECT_EQ(finished.outcome, Outcome::kSucceeded) << finished.result;
  EXPECT_EQ(finished.result, "deployment/geth: 3 wanted, 3 there, 3 updated, 3 available");
  scale.workload = "deployment/other";
  EXPECT_THAT(run(scale).result, HasSubstr("there is no deployment/other in eth"));
}

TEST_F(KubernetesStepTest, RefusalsOfTheServerAndOfTheEnvironment) {
  test_support::write_file(folder / "token", "token-old");
  const StepFinished unauthorised = run(KubernetesAction::kDeleteNode);
  EXPECT_THAT(unauthorised.result, HasSubstr("HTTP status 401: Unauthorized"));
  // A token that was rotated is read anew.
  test_support::write_file(folder / "token", "token-1");
  EXPECT_EQ(run(KubernetesAction::kCordon).outcome, Outcome::kSucceeded);
  KubernetesStep in_cluster = step(KubernetesAction::kDeleteNode, milliseconds(20));
  in_cluster.cluster = {};
  EXPECT_THAT(run(in_cluster).result, HasSubstr("unable to load in-cluster configuration"));
  KubernetesStep odd = step(KubernetesAction::kDeleteNode);
  odd.node = "node1/../../secrets";
  EXPECT_THAT(run(odd).result, HasSubstr("is no name of an object"));
}

TEST(KubernetesStep, RefusesWhatMakesNoSense) {
  const std::pair<const char*, const char*> cases[] = {
      {"{action: cordon}", "kubernetes: cordon needs node"},
      {"{action: evict, pod: x}", "kubernetes: evict needs namespace"},
      {"{action: scale, namespace: eth, workload: deployment/x}", "kubernetes: scale needs replicas"},
      {"{action: scale, namespace: eth, workload: daemonset/x, replicas: 1}", "a daemonset has no replicas"},
      {"{action: rollout-restart, namespace: eth, workload: job/x}", "expected deployment/NAME"},
      {"{action: taint, node: a, taint: 'x=y'}", "expected KEY[=VALUE]:EFFECT"},
      {"{action: taint, node: a, taint: 'x=y:Never'}", "NoSchedule, PreferNoSchedule or NoExecute"},
      {"{action: delete-pod, namespace: eth, pod: x, grace_period: 0s}", "grace_period must be at least 1s"},
      {"{action: cordon, node: 'a/../b'}", "is no name of an object"},
      {"{action: cordon, node: a, token_file: t}", "need api_server"},
      {"{action: explode, node: a}", "expected one of cordon, uncordon"},
  };
  for (const auto& [yaml, expected] : cases) {
    const auto root = core::config::Node::parse(std::string("kubernetes: ") + yaml, "w.yml");
    ASSERT_TRUE(root) << yaml;
    const auto step = core::config::Codec<Step>::read(*root);
    ASSERT_FALSE(step) << yaml;
    EXPECT_THAT(step.error().message, HasSubstr(expected)) << yaml;
  }
}

TEST(KubernetesStep, SaysWhatMayBeRepeated) {
  KubernetesStep step;
  for (const auto& each : kKubernetesActionNames) {
    step.action = each.value;
    const bool verifiable = each.name == "evict" || each.name == "delete-pod" || each.name == "delete-node";
    EXPECT_EQ(Step({step, {}}).repeat(), verifiable ? Repeat::kVerifiable : Repeat::kIdempotent) << each.name;
  }
}

}  // namespace
}  // namespace actions::remedy

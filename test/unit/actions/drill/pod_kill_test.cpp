// SPDX-License-Identifier: Apache-2.0
// Pods that drills kill, in a stand-in for a cluster.
#include "actions/drill/pod_kill.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/support/background_process.h"
#include "test/unit/actions/remedy/fake_kubernetes.h"
#include "test/unit/actions/remedy/step_world.h"

namespace actions::drill {
namespace {

using core::Errc;
using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class PodKillTest : public testing::Test {
 protected:
  PodKillTest() {
    test_support::write_file(folder_ / "token", "token-1\n");
    fault_.name_space = "eth";
    fault_.name = "geth-0";
    fault_.timeout = milliseconds(5000);
    fault_.cluster.api_server = cluster_.url();
    fault_.cluster.token_file.path = (folder_ / "token").string();
    component_.pods = {"eth/geth-*"};
    for (const char* const name : {"geth-0", "geth-1"}) {
      cluster_.add_pod(name, "node1").object["metadata"]["labels"] = {{"app", "geth"}};
    }
    cluster_.pods["geth-0"].comes_back = "uid-new";
  }
  ~PodKillTest() override { EXPECT_THAT(cluster_.violations, IsEmpty()); }

  PodSurvey survey(bool validators_allowed = false) {
    return survey_pods(world_.around, fault_, component_, validators_allowed ? nullptr : &world_.protection);
  }
  core::Result<std::string> kill(const std::vector<PodBefore>& pods) {
    return kill_pod(world_.around, fault_, pods, world_.stop.get_token());
  }
  core::Result<std::string> await(const std::vector<PodBefore>& pods) {
    return await_another_pod(world_.around, fault_, pods, world_.stop.get_token());
  }
  void select() {
    fault_.name.clear();
    fault_.selector = "app=geth";
  }
  json& metadata(const std::string& pod) { return cluster_.pods[pod].object["metadata"]; }

  std::filesystem::path folder_ = test_support::fresh_folder(
      std::string("pod_kill_") + testing::UnitTest::GetInstance()->current_test_info()->name());
  remedy::FakeKubernetes cluster_;
  remedy::StepWorld world_{[](const char*) { return std::string(); }};
  PodFault fault_;
  DrillableConfig component_;
};

TEST_F(PodKillTest, IsGoneThenAnotherOneIsReady) {
  cluster_.pods["geth-0"].unready = 3;
  const PodSurvey before = survey();
  EXPECT_THAT(before.objections, IsEmpty());
  EXPECT_THAT(before.pods, ElementsAre(PodBefore{"geth-0", "uid-geth-0"}));
  fault_.grace_period = seconds(1);
  EXPECT_EQ(kill(before.pods), core::Result<std::string>("eth/geth-0 is gone"));
  EXPECT_EQ(cluster_.pods["geth-0"].object["status"]["conditions"][0]["status"], "False");
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(await(before.pods), core::Result<std::string>("eth/geth-0 is ready in its place"));
  }
  EXPECT_EQ(cluster_.count("delete geth-0"), 1);
  EXPECT_EQ(kill(before.pods), core::Result<std::string>("eth/geth-0 is gone")) << "the new one is left alone";
  EXPECT_EQ(cluster_.count("delete geth-0"), 1);
}

TEST_F(PodKillTest, OfASelectorTheFirstThatIsReady) {
  select();
  cluster_.pods["geth-0"].object["status"]["conditions"][0]["status"] = "False";
  cluster_.pods["geth-0"].unready = 1 << 20;
  metadata("geth-1")["ownerReferences"][0]["kind"] = "ReplicaSet";
  const PodSurvey before = survey();
  EXPECT_THAT(before.objections, IsEmpty());
  EXPECT_THAT(before.pods, ElementsAre(PodBefore{"geth-1", "uid-geth-1"}, PodBefore{"geth-0", "uid-geth-0"}));
  ASSERT_TRUE(kill(before.pods));
  EXPECT_FALSE(cluster_.pods.contains("geth-1"));

  // The others are none in its place, ready or not.
  cluster_.pods["geth-0"].object["status"]["conditions"][0]["status"] = "True";
  fault_.timeout = milliseconds(30);
  const auto waited = await(before.pods);
  ASSERT_FALSE(waited);
  EXPECT_THAT(waited.error().message, HasSubstr("no pod is ready yet in place of eth/geth-1"));
  {
    const std::lock_guard lock(cluster_.mutex);
    cluster_.add_pod("geth-x7", "node2", "ReplicaSet").object["metadata"]["labels"] = {{"app", "geth"}};
  }
  EXPECT_EQ(await(before.pods), core::Result<std::string>("eth/geth-x7 is ready in its place"));
}

TEST_F(PodKillTest, WhatIsNotMadeAnewIsAnObjection) {
  const auto objects = [&](const std::string& why) { EXPECT_THAT(survey().objections, ElementsAre(HasSubstr(why))); };
  metadata("geth-0")["ownerReferences"][0]["kind"] = "ReplicaSet";
  objects("a ReplicaSet makes eth/geth-0 anew under another name");
  metadata("geth-0")["ownerReferences"][0]["kind"] = "Job";
  objects("eth/geth-0 is a Job's");
  metadata("geth-0")["ownerReferences"][0]["controller"] = false;
  objects("nothing makes eth/geth-0 anew");
  metadata("geth-0")["annotations"]["kubernetes.io/config.mirror"] = "x";
  objects("is a static pod");
  fault_.name = "geth-1";
  cluster_.pods["geth-1"].object["spec"]["volumes"] = {{{"name", "data"}, {"emptyDir", json::object()}}};
  objects("has emptyDir volumes");
  fault_.delete_emptydir_data = true;
  EXPECT_THAT(survey().objections, IsEmpty());
  cluster_.pods["geth-1"].object["status"]["conditions"][0]["status"] = "False";
  cluster_.pods["geth-1"].unready = 1 << 20;
  objects("no pod eth/geth-1 is ready");
  fault_.name = "geth-2";
  objects("there is no pod eth/geth-2");
}

TEST_F(PodKillTest, ValidatorsAndWhatIsNotListedAreObjections) {
  select();
  cluster_.add_pod("vc-0", "node1").object["metadata"]["labels"] = {{"app", "geth"}};
  cluster_.pods["vc-0"].object["spec"]["containers"][0]["args"] = {"validator_client"};
  EXPECT_THAT(survey().objections,
              ElementsAre("eth/vc-0 is not listed for the component", HasSubstr("eth/vc-0 is not touched: ")));
  component_.pods = {"eth/*"};
  EXPECT_EQ(survey().objections.size(), 1U) << "being listed is not enough";
  EXPECT_THAT(survey(/*validators_allowed=*/true).objections, IsEmpty());
  cluster_.pods.erase("vc-0");
  world_.protection.pods = {"eth/geth-1"};
  EXPECT_THAT(survey().objections, ElementsAre("eth/geth-1 is not touched: protected: pods: eth/geth-1"));
  for (int i = 0; i < 100; ++i)
    cluster_.add_pod("many-" + std::to_string(i), "n").object["metadata"]["labels"] = {{"app", "geth"}};
  EXPECT_THAT(survey().objections, ElementsAre("more than 100 pods of eth have app=geth"));
  fault_.selector = "app in (geth)";
  EXPECT_THAT(survey().objections, ElementsAre(HasSubstr("unable to parse requirement")));
}

TEST_F(PodKillTest, WhatTheServerSaysIsNotTakenForDone) {
  const std::vector<PodBefore> pods = survey().pods;
  cluster_.unavailable = 2;
  fault_.timeout = milliseconds(30);
  cluster_.lies = {"DELETE"};
  const auto lied = kill(pods);
  ASSERT_FALSE(lied);
  EXPECT_THAT(lied.error().message, HasSubstr("eth/geth-0 is still there"));
  EXPECT_EQ(await(pods), core::Result<std::string>("eth/geth-0 was not killed"));
  cluster_.token = "another";
  EXPECT_EQ(kill(pods).error().message, "HTTP status 401: Unauthorized");
  EXPECT_THAT(await(pods).error().message, HasSubstr("Unauthorized"));
  EXPECT_THAT(survey().objections, ElementsAre(HasSubstr("Unauthorized")));
  world_.stop.request_stop();
  EXPECT_EQ(await(pods).error().code, Errc::kCancelled);
}

}  // namespace
}  // namespace actions::drill

// SPDX-License-Identifier: Apache-2.0
#include "actions/drill/drill_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/config/codec.h"

namespace actions::drill {
namespace {

using core::Result;
using core::config::Codec;
using core::config::Node;
using testing::HasSubstr;

std::string drill_text(const std::string& inject, const std::string& more = "",
                       const std::string& component = "geth-a") {
  return "- name: geth-stops\n  component: " + component + "\n  inject: " + inject +
         "\n  expect: {alert: {match: ['alertname=\"GethDown\"'], within: 1m}}\n" + more;
}

// The error of the two sections, or "".
std::string error_of(const std::string& drills, const std::string& drillable, std::set<std::string> signers = {}) {
  const Result<Node> root = Node::parse("drills:\n" + drills + "drillable:\n" + drillable, "f.yml");
  if (!root) return root.error().message;
  DrillPlan plan;
  auto read = Codec<std::vector<DrillConfig>>::read(root->find("drills"));
  if (!read) return read.error().message;
  auto components = Codec<std::vector<DrillableConfig>>::read(root->find("drillable"));
  if (!components) return components.error().message;
  plan.drills = std::move(*read);
  plan.drillable = std::move(*components);
  plan.signers = std::move(signers);
  plan.protection.labels = {{"role", "validating"}};
  remedy::Policy policy;
  policy.gates = {{"finality", "1 == 1"}};
  plan.policy = std::make_shared<const remedy::Policy>(policy);
  const Result<void> checked = check_drills(plan, *root);
  return checked ? "" : checked.error().message;
}

constexpr const char* kGeth =
    "- {name: geth-a, labels: {instance: geth-a}, units: [geth.service], namespaces: [geth-a], scratch: "
    "[/mnt/scratch], pods: [eth/geth-*]}\n";
constexpr const char* kStop = "{systemd: {unit: geth.service, action: stop}}";

TEST(DrillConfig, TakesWhatIsListed) {
  EXPECT_EQ(error_of(drill_text(kStop, "  gates: [finality]\n  require: ['up == 1']\n  stop_if: ['up == 0']\n"), kGeth),
            "");
  EXPECT_EQ(error_of(drill_text("{exec: {argv: [/bin/a], restore: [/bin/b]}}"), kGeth), "");
  EXPECT_EQ(error_of(drill_text("{port: {namespace: geth-a, port: 8545, answer: reset}}"), kGeth), "");
  EXPECT_EQ(error_of(drill_text("{fill: {folder: /mnt/scratch/geth, size: 1GiB}}"), kGeth), "");
  EXPECT_EQ(error_of(drill_text("{fill: {folder: /mnt/scratch, size: 1GiB}}"), kGeth), "");
  EXPECT_EQ(error_of(drill_text("{pod: {namespace: eth, name: geth-0, grace_period: 1s}}"), kGeth), "");
  EXPECT_EQ(error_of(drill_text("{pod: {namespace: eth, selector: 'app in (geth)', api_server: 'https://k:6443', "
                                "token_file: /t}}"),
                     kGeth),
            "");
}

TEST(DrillConfig, RefusesWhatIsNot) {
  const auto refused = [](const std::string& inject, const char* why) {
    EXPECT_THAT(error_of(drill_text(inject), kGeth), testing::AllOf(HasSubstr("f.yml:"), HasSubstr(why)));
  };
  refused("{systemd: {unit: beacon.service}}", "unit \"beacon.service\" is not listed for the component \"geth-a\"");
  refused("{port: {namespace: other, port: 1}}", "namespace \"other\" is not listed");
  refused("{port: {namespace: ../x, port: 1}}", "is not the name of a network namespace");
  refused("{port: {namespace: geth-a, port: 0}}", "expected a port from 1");
  refused("{fill: {folder: /mnt/scratch/../data, size: 1GiB}}", "is not listed");
  refused("{fill: {folder: /mnt/scratchy, size: 1GiB}}", "is not listed");
  refused("{fill: {folder: /mnt/scratch}}", "missing key \"size\"");
  refused("{fill: {folder: /, size: 1MiB}}", "folder is the root");
  refused("{pod: {namespace: eth, name: beacon-0}}", "pod \"eth/beacon-0\" is not listed");
  refused("{pod: {namespace: eth}}", "expected either name or selector");
  refused("{pod: {namespace: eth, name: geth-0, selector: app=geth}}", "expected either name or selector");
  refused("{pod: {namespace: eth/x, selector: app=geth}}", "\"eth/x\" is no name of an object");
  refused("{pod: {namespace: eth, name: ''}}", "expected either name or selector");
  refused("{pod: {namespace: eth, name: geth-0, grace_period: 0s}}", "grace_period must be at least 1s");
  refused("{pod: {namespace: eth, name: geth-0, timeout: 11m}}", "timeout must be more than zero and at most 10m");
  refused("{pod: {namespace: eth, name: geth-0, token_file: /t}}", "need api_server");
  refused("{exec: {argv: [/bin/a]}}", "missing key \"restore\"");
  refused("{reboot: {}}", "unknown fault \"reboot\"");
  refused("{systemd: {unit: geth.service}, fill: {}}", "expected a map with one key");
  EXPECT_THAT(error_of(drill_text(kStop, "", "geth-b"), kGeth), HasSubstr("\"geth-b\" is not one of drillable"));
  EXPECT_THAT(error_of(drill_text(kStop) + drill_text(kStop), kGeth), HasSubstr("is not unique"));
  EXPECT_THAT(error_of(drill_text(kStop, "  gates: [other]\n"), kGeth), HasSubstr("no gate is named \"other\""));
  EXPECT_THAT(error_of(drill_text(kStop, "  require: ['up =']\n"), kGeth), HasSubstr("f.yml:6:12"));
  EXPECT_THAT(error_of(drill_text(kStop, "  max_duration: 30s\n"), kGeth), HasSubstr("the deadline of alert"));
  EXPECT_THAT(error_of(drill_text(kStop, "  max_duration: 7h\n"), kGeth), HasSubstr("at most 6h"));
  EXPECT_THAT(error_of(drill_text(kStop), "- {name: geth-a, labels: {}}\n"), HasSubstr("labels is empty"));
}

TEST(DrillConfig, ValidatorsAreLeftAloneUnlessItIsSaid) {
  const char* const allowed = "  allow_validators: true\n";
  const std::string unit = "{systemd: {unit: lighthouse-vc.service}}";
  const char* const validator = "- {name: a, labels: {instance: x}, units: [lighthouse-vc.service]}\n";
  EXPECT_THAT(error_of(drill_text(unit, "", "a"), validator), HasSubstr("validators are not drilled"));
  EXPECT_EQ(error_of(drill_text(unit, allowed, "a"), validator), "");
  EXPECT_THAT(error_of(drill_text(unit, std::string(allowed) + "  schedule: 30d\n", "a"), validator),
              HasSubstr("has no schedule"));
  EXPECT_THAT(
      error_of(drill_text(kStop, "", "a"), "- {name: a, labels: {job: lighthouse_validator}, units: [geth.service]}\n"),
      HasSubstr("the label job \"lighthouse_validator\""));
  EXPECT_THAT(error_of(drill_text(kStop), kGeth, {"geth-a"}), HasSubstr("the label instance \"geth-a\""))
      << "a name of the section staking";
  EXPECT_THAT(error_of(drill_text(kStop, "", "a"), "- {name: a, labels: {role: validating}, units: [geth.service]}\n"),
              HasSubstr("the component \"a\" is protected"));
  EXPECT_THAT(error_of(drill_text(kStop, "", "a"),
                       "- {name: a, labels: {job: geth}, units: [geth.service], pods: [eth/vc-*]}\n"),
              HasSubstr("the pod \"eth/vc-*\""));
  EXPECT_THAT(error_of(drill_text("{pod: {namespace: eth, selector: app=validator}}"), kGeth),
              HasSubstr("pod \"app=validator\""));
  EXPECT_THAT(error_of(drill_text("{exec: {argv: [/bin/kill-vc], restore: [/bin/b]}}"), kGeth),
              HasSubstr("/bin/kill-vc"));
}

}  // namespace
}  // namespace actions::drill

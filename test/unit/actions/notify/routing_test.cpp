// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "actions/notify/delivery.h"
#include "actions/notify/matchers.h"
#include "actions/notify/route.h"
#include "test/unit/actions/notify/fakes.h"

namespace actions::notify {
namespace {

using core::ring::Labels;
using test::parse_config;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(MatchersTest, Table) {
  struct Case {
    std::string text;
    std::string printed;  // empty: an error
  };
  for (const Case& each : std::vector<Case>{{"foo=bar", R"({foo="bar"})"},
                                            {"{b!=\"c\", a=~\"x|y\",}", R"({a=~"x|y",b!="c"})"},
                                            {"a!~z.*", R"({a!~"z.*"})"},
                                            {"foo=", R"({foo=""})"},
                                            {"foo=\"\\d+\"", R"({foo="\\d+"})"},
                                            {"gr\xc3\xb6\xc3\x9f"
                                             "e=XL",
                                             "{\"gr\xc3\xb6\xc3\x9f"
                                             "e\"=\"XL\"}"},
                                            {"\"a b\"=c", R"({"a b"="c"})"},
                                            {"", "{}"},
                                            {"{}", "{}"},
                                            {"foo", ""},
                                            {"foo=\"a", ""},
                                            {"foo=~\"(\"", ""},
                                            {",", ""}}) {
    const auto matchers = parse_label_matchers(each.text);
    EXPECT_EQ(matchers ? to_string(*matchers) : "", each.printed) << each.text;
  }
}

TEST(MatchersTest, AbsentIsEmptyAnchoredAndWithoutNewline) {
  const auto matches_one = [](const std::string& text, const Labels& labels) {
    return matches(*parse_label_matchers(text), labels);
  };
  EXPECT_TRUE(matches_one("a=\"\"", {}));
  EXPECT_TRUE(matches_one("a!=x", {}));
  EXPECT_FALSE(matches_one("a=~b", {{"a", "abc"}}));
  EXPECT_TRUE(matches_one("a=~\"x.y\"", {{"a", "x-y"}}));
  EXPECT_FALSE(matches_one("a=~\"x.y\"", {{"a", "x\ny"}}));
  EXPECT_TRUE(matches_one("a=~\"(?i)XY|z\"", {{"a", "xy"}}));
}

constexpr const char* kTree = R"(
route:
  receiver: default
  group_by: [alertname]
  routes:
    - receiver: storage
      matchers: ['team="storage"']
      group_by: [cluster]
      group_wait: 5s
      continue: true
      routes:
        - match_re: {severity: page|ticket}
          receiver: pager
        - match: {severity: none}
    - matchers: [team=storage, 'zone!=""']
      receiver: zone
      group_by: ['...']
    - matchers: [team=storage]
      receiver: never
receivers: [{name: default}, {name: storage}, {name: pager}, {name: zone}, {name: never}]
)";

Route tree() {
  const auto config = parse_config(kTree);
  EXPECT_TRUE(config) << config.error().message;
  auto route = build_route(*config->route);
  EXPECT_TRUE(route);
  return *route;
}

TEST(RouteTest, MatchTable) {
  const Route root = tree();
  const auto receivers = [&](const Labels& labels) {
    std::vector<std::string> names;
    for (const Route* route : match_routes(root, labels)) names.push_back(route->receiver);
    return names;
  };
  EXPECT_THAT(receivers({{"team", "web"}}), ElementsAre("default"));
  EXPECT_THAT(receivers({{"team", "storage"}}), ElementsAre("storage", "never"));
  EXPECT_THAT(receivers({{"team", "storage"}, {"severity", "page"}}), ElementsAre("pager", "never"));
  EXPECT_THAT(receivers({{"team", "storage"}, {"severity", "none"}}), ElementsAre("storage", "never"));
  EXPECT_THAT(receivers({{"team", "storage"}, {"severity", "pages"}}), ElementsAre("storage", "never"));
  EXPECT_THAT(receivers({{"team", "storage"}, {"zone", "a"}}), ElementsAre("storage", "zone"));
}

TEST(RouteTest, InheritanceAndGroupKeys) {
  const Route root = tree();
  const Route& storage = root.children[0];
  const Route& pager = storage.children[0];
  EXPECT_EQ(root.group_wait, std::chrono::seconds(30));
  EXPECT_EQ(pager.group_wait, std::chrono::seconds(5));
  EXPECT_EQ(pager.repeat_interval, std::chrono::hours(4));
  const Labels alert = {{"alertname", "DiskFull"}, {"cluster", "eu\"1"}, {"severity", "page"}};
  EXPECT_EQ(pager.group_key(pager.group_labels(alert)),
            R"({}/{team="storage"}/{severity=~"^(?:page|ticket)$"}:{cluster="eu\"1"})");
  EXPECT_EQ(root.group_key(root.group_labels({{"cluster", "x"}})), "{}:{}");
  const Route& zone = root.children[1];
  EXPECT_EQ(zone.group_key(zone.group_labels(alert)),
            R"({}/{team="storage",zone!=""}:{alertname="DiskFull", cluster="eu\"1", severity="page"})");
}

TEST(RouteTest, SiblingsWithEqualMatchersAreToldApart) {
  const auto config = parse_config(R"(
route:
  receiver: a
  routes: [{matchers: [x=y], receiver: a, continue: true}, {matchers: [x=y], receiver: a}]
receivers: [{name: a}]
)");
  ASSERT_TRUE(config) << config.error().message;
  const auto root = build_route(*config->route);
  ASSERT_TRUE(root);
  EXPECT_EQ(root->children[0].key, root->children[1].key);
  EXPECT_NE(root->children[0].id, root->children[1].id);
}

TEST(ConfigTest, BadFiles) {
  struct Case {
    std::string yaml;
    std::string error;
  };
  const std::string ops = "receivers: [{name: ops}]\n";
  for (const Case& each : std::vector<Case>{
           {"route: {group_by: [a]}\n" + ops, "1:8: root route must specify a default receiver"},
           {"route: {receiver: ops, matchers: [a=b]}\n" + ops, "root route must not have any matchers"},
           {"route: {receiver: ops, continue: true}\n" + ops, "cannot have continue in root route"},
           {"route: {receiver: ops, mute_time_intervals: [x]}\n" + ops, "must not have any mute time intervals"},
           {"route:\n  receiver: nobody\n" + ops, "2:13: undefined receiver \"nobody\" used in route"},
           {"route:\n  receiver: ops\n  routes:\n    - receiver: deep\n" + ops,
            "4:17: undefined receiver \"deep\" used in route"},
           {"route: {receiver: ops, routes: [{mute_time_intervals: [x]}]}\n" + ops,
            "undefined time interval \"x\" used in route"},
           {"route: {receiver: ops, group_by: [a, a]}\n" + ops, "duplicated label \"a\" in group_by"},
           {"route: {receiver: ops, group_by: ['...', a]}\n" + ops, "cannot have wildcard group_by"},
           {"route: {receiver: ops, group_interval: 0s}\n" + ops, "group_interval cannot be zero"},
           {"route: {receiver: ops, repeat_interval: 0}\n" + ops, "repeat_interval cannot be zero"},
           {"route: {receiver: ops, routes: [{match: {'a-b': c}}]}\n" + ops, "invalid label name \"a-b\""},
           {"route: {receiver: ops, routes: [{matchers: [foo]}]}\n" + ops, "bad matcher format: foo"},
           {"route: {receiver: ops, labels: {a: b}}\n" + ops, "not supported yet"},
           {"route: {receiver: ops, recieve: x}\n" + ops, "recieve"},
           {"route: {receiver: ops}\nreceivers: [{name: ops}, {name: ops}]\n", "name \"ops\" is not unique"},
           {"route: {receiver: ops}\nreceivers: [{webhook_configs: []}]\n", "missing name in receiver"},
           {"route: {receiver: ops}\nreceivers: [{name: ops, slack_configs: [{}]}]\n", "not supported yet"},
           {"route: {receiver: ops}\nreceivers: [{name: ops, opsgenie_configs: [{}]}]\n", "not supported"},
           {ops, "no routes provided"},
           {"route: {receiver: ops}\ninhibit_rules: [{source_matchers: [x]}]\n" + ops, "bad matcher format: x"},
           {"global: {pagerduty_url: 'ftp://x'}\nroute: {receiver: ops}\n" + ops, "unsupported scheme"},
       }) {
    const auto config = parse_config(each.yaml);
    ASSERT_FALSE(config) << each.yaml;
    EXPECT_THAT(config.error().message, HasSubstr(each.error)) << each.yaml;
    EXPECT_THAT(config.error().message, HasSubstr("watchkeeper.yml:")) << each.yaml;
  }
}

TEST(DeliveryTest, IntegrationsAreNamedByTheirTargets) {
  const auto build = [](const std::string& hooks) {
    const auto config =
        parse_config("route: {receiver: ops}\nreceivers: [{name: ops, webhook_configs: [" + hooks + "]}]\n");
    EXPECT_TRUE(config) << config.error().message;
    return build_delivery(*config, "http://me/")->ids();
  };
  const auto two = build("{url: 'http://a/'}, {url: 'http://b/'}");
  EXPECT_EQ(two, build("{url: 'http://b/'}, {url: 'http://a/'}"));
  EXPECT_EQ(two.size(), 2u);
  EXPECT_THAT(*two.begin(), testing::StartsWith("ops/webhook/"));
  EXPECT_EQ(build("{url: 'http://a/'}, {url: 'http://a/'}").size(), 2u);
  for (const std::string& id : two) EXPECT_THAT(id, testing::Not(HasSubstr("http")));
}

TEST(DeliveryTest, ACorrectedTargetInheritsFromTheWrongOne) {
  EXPECT_THAT(match_ids({"ops/webhook/1", "ops/webhook/2", "ops/discord/3", "dev/webhook/4"},
                        {"ops/webhook/2", "ops/webhook/9", "dev/discord/5"}),
              ElementsAre(testing::Pair("ops/webhook/1", "ops/webhook/9")));
}

}  // namespace
}  // namespace actions::notify

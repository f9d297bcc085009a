// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "actions/receivers/alertmanager/alertmanager.h"
#include "actions/receivers/discord/discord.h"
#include "actions/receivers/go_duration.h"
#include "actions/receivers/http_post.h"
#include "actions/receivers/pagerduty/pagerduty.h"
#include "actions/receivers/sha256.h"
#include "actions/receivers/text_template.h"
#include "actions/receivers/webhook/webhook.h"

namespace actions::receivers {
namespace {

using core::Millis;
using core::net::Response;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;

core::WallTime wall(std::int64_t ms) { return core::from_unix_ms(ms); }

// 2026-11-22T09:58:00.123Z
constexpr std::int64_t kStart = 1795341480123;

Notification sample() {
  Notification notification;
  notification.receiver = "ops.page";
  notification.group_key = "{}/{team=\"storage\"}:{alertname=\"DiskFull\", cluster=\"eu1\"}";
  notification.group_labels = {{"alertname", "DiskFull"}, {"cluster", "eu1"}};
  notification.reason = Reason::kFirst;
  notification.external_url = "http://watch.example:9780";
  notification.delivery_id = "0123456789abcdef";
  notification.alerts = {
      {.labels = {{"alertname", "DiskFull"}, {"cluster", "eu1"}, {"instance", "db-3:9100"}, {"severity", "page"}},
       .annotations = {{"summary", "97 % used & <growing>"}, {"runbook", "http://wiki/disk"}},
       .starts_at = wall(kStart),
       .ends_at = {},
       .generator_url = "http://prom/graph?g0.expr=x&g0.tab=1"},
      {.labels = {{"alertname", "DiskFull"}, {"cluster", "eu1"}, {"instance", "db-4:9100"}, {"severity", "page"}},
       .annotations = {{"summary", "91 % used"}, {"runbook", "http://wiki/disk"}},
       .starts_at = wall(kStart - 60'000),
       .ends_at = wall(kStart + 1'000),
       .generator_url = ""}};
  return notification;
}

Notification resolved_sample() {
  Notification notification = sample();
  for (Alert& alert : notification.alerts) alert.ends_at = wall(kStart + 90'000);
  notification.reason = Reason::kAllResolved;
  return notification;
}

// Compares with test/golden/notify/NAME; UPDATE_GOLDEN=1 writes it instead.
void expect_golden(const std::string& name, const std::string& text) {
  const std::string path = std::string(WATCHKEEPER_SOURCE_DIR) + "/test/golden/notify/" + name;
  if (std::getenv("UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path, std::ios::binary) << text;
    return;
  }
  std::ifstream file(path, std::ios::binary);
  ASSERT_TRUE(file) << path << " is missing; UPDATE_GOLDEN=1 writes it";
  std::ostringstream content;
  content << file.rdbuf();
  EXPECT_EQ(text, content.str()) << "differs from " << path;
}

template <class Config>
core::Result<Config> read(const std::string& yaml) {
  auto node = core::config::Node::parse(yaml, "am.yml");
  if (!node) return core::fail(node.error());
  return Config::fields().read(*node);
}

template <class Kind, class Config>
Kind make(const std::string& yaml) {
  auto config = read<Config>(yaml);
  EXPECT_TRUE(config) << config.error().message;
  return Kind(config.value_or(Config{}));
}

Webhook webhook(const std::string& yaml) { return make<Webhook, WebhookConfig>(yaml); }
Discord discord(const std::string& yaml) { return make<Discord, DiscordConfig>(yaml); }
PagerDuty pagerduty(const std::string& yaml) { return make<PagerDuty, PagerDutyConfig>(yaml); }

std::string body_of(const Receiver& receiver, const Notification& notification) {
  auto request = receiver.build(notification);
  EXPECT_TRUE(request) << request.error().message;
  return request ? request->body : "";
}

nlohmann::json json_of(const Receiver& receiver, const Notification& notification) {
  return nlohmann::json::parse(body_of(receiver, notification));
}

// --- Payloads

TEST(WebhookTest, PayloadIsVersion4ToTheByte) {
  const Webhook receiver = webhook("{url: 'http://127.0.0.1:1/hook'}");
  expect_golden("webhook_firing.json", body_of(receiver, sample()));
  expect_golden("webhook_resolved.json", body_of(receiver, resolved_sample()));
}

TEST(WebhookTest, RequestIsAPostOfJsonThatNamesItsDelivery) {
  const auto request = webhook("{url: 'http://127.0.0.1:1/hook', timeout: 7s}").build(sample());
  ASSERT_TRUE(request);
  EXPECT_EQ(request->method, "POST");
  EXPECT_EQ(request->url, "http://127.0.0.1:1/hook");
  EXPECT_EQ(request->timeout, seconds(7));
  EXPECT_EQ(core::net::find_header(request->headers, "content-type"), "application/json");
  EXPECT_EQ(core::net::find_header(request->headers, "idempotency-key"), "0123456789abcdef");
}

TEST(WebhookTest, MaxAlertsCutsTheListButNotTheTruth) {
  Notification notification = sample();
  std::swap(notification.alerts[0], notification.alerts[1]);  // the one that is kept is resolved
  const auto document = json_of(webhook("{url: 'http://h/', max_alerts: 1}"), notification);
  EXPECT_EQ(document["alerts"].size(), 1u);
  EXPECT_EQ(document["truncatedAlerts"], 1);
  EXPECT_EQ(document["status"], "firing");
  EXPECT_FALSE(document["commonLabels"].contains("instance"));
}

TEST(WebhookTest, UrlFileIsReadAtEveryMessage) {
  const std::string path = testing::TempDir() + "/watchkeeper_url_file";
  const Webhook receiver = webhook("{url_file: '" + path + "'}");
  std::filesystem::remove(path);
  const auto missing = receiver.build(sample());
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, core::Errc::kFailed);
  std::ofstream(path) << " http://first/ \n";
  EXPECT_EQ(receiver.build(sample())->url, "http://first/");
  std::ofstream(path) << "http://second/";
  EXPECT_EQ(receiver.build(sample())->url, "http://second/");
}

TEST(DiscordTest, PayloadIsToTheByte) {
  const Discord receiver = discord("{webhook_url: 'https://discord.example/api/webhooks/1/t', username: Watch}");
  expect_golden("discord_firing.json", body_of(receiver, sample()));
  expect_golden("discord_resolved.json", body_of(receiver, resolved_sample()));
}

TEST(DiscordTest, AlwaysWaitsForTheMessageToBeStored) {
  const auto url_of = [](const std::string& url) {
    return discord("{webhook_url: '" + url + "'}").build(sample())->url;
  };
  EXPECT_EQ(url_of("https://d/w"), "https://d/w?wait=true");
  EXPECT_EQ(url_of("https://d/w?thread_id=7"), "https://d/w?wait=true&thread_id=7");
  EXPECT_EQ(url_of("https://d/w?wait=false&thread_id=7"), "https://d/w?wait=true&thread_id=7");
}

TEST(DiscordTest, LimitsCountCodePoints) {
  std::string emoji;
  for (int i = 0; i < 5000; ++i) emoji += "\xf0\x9f\x94\xa5";
  const Discord receiver = discord("{webhook_url: 'https://d/w', title: \"" + emoji + "\", message: \"" + emoji +
                                   "\", content: \"" + emoji + "\", username: \"" + emoji + "\"}");
  const auto document = json_of(receiver, sample());
  const auto count = [](const nlohmann::json& text) { return count_code_points(text.get<std::string>()); };
  const auto& embed = document["embeds"][0];
  EXPECT_LE(count(embed["title"]), kDiscordTitleMax);
  EXPECT_GE(count(embed["title"]), kDiscordTitleMax - 8);
  EXPECT_LE(count(embed["description"]), kDiscordDescriptionMax);
  EXPECT_LE(count(document["content"]), kDiscordContentMax);
  EXPECT_LE(count(document["username"]), kDiscordUsernameMax);
  EXPECT_LE(count(embed["title"]) + count(embed["description"]), 6000u);
  EXPECT_THAT(embed["title"].get<std::string>(), testing::EndsWith("\xe2\x80\xa6"));
}

TEST(DiscordTest, TextThatFitsExactlyIsNotCut) {
  const std::string exact(kDiscordTitleMax, 'x');
  EXPECT_EQ(cut_for_discord(exact, kDiscordTitleMax), exact);
  EXPECT_NE(cut_for_discord(exact + "y", kDiscordTitleMax), exact + "y");
}

TEST(DiscordTest, CutLeavesNoHalfMentionAndNoOpenFence) {
  const std::string mention = std::string(20, 'a') + "<@123456789012345678>" + std::string(50, 'b');
  for (std::size_t limit = 26; limit < 45; ++limit) {
    const std::string cut = cut_for_discord(mention, limit);
    EXPECT_LE(count_code_points(cut), limit);
    EXPECT_TRUE(cut.find("<@") == std::string::npos || cut.find('>') != std::string::npos) << cut;
  }
  const std::string fenced = "```" + std::string(100, 'c') + "```";
  const std::string cut = cut_for_discord(fenced, 40);
  EXPECT_LE(count_code_points(cut), 40u);
  EXPECT_THAT(cut, testing::EndsWith("\n```"));
}

TEST(PagerDutyTest, PayloadIsToTheByte) {
  const PagerDuty receiver = pagerduty(
      "{routing_key: R0UT1NG, severity: critical, class: disk, component: db, group: storage, "
      "details: {runbook: 'http://wiki/disk', priority: '2', nested: {a: [1, yes, '']}}, "
      "images: [{src: 'https://i/1.png', alt: one}, {alt: none}], "
      "links: [{href: 'https://l/1', text: first}, {text: none}]}");
  expect_golden("pagerduty_trigger.json", body_of(receiver, sample()));
  expect_golden("pagerduty_resolve.json", body_of(receiver, resolved_sample()));
}

TEST(PagerDutyTest, DedupKeyIsTheDigestOfTheGroupKey) {
  const auto document = json_of(pagerduty("{routing_key: k}"), sample());
  // Computed by Alertmanager for the same group key.
  EXPECT_EQ(document["dedup_key"], "dfbb7a3cad803074cce4b296a5252ff759ecde8b65b9e8c62b1e8aaba8d12675");
  EXPECT_EQ(json_of(pagerduty("{routing_key: k}"), resolved_sample())["dedup_key"], document["dedup_key"]);
}

TEST(PagerDutyTest, TriggersWhileAnythingFires) {
  EXPECT_EQ(json_of(pagerduty("{routing_key: k}"), sample())["event_action"], "trigger");
  EXPECT_EQ(json_of(pagerduty("{routing_key: k}"), resolved_sample())["event_action"], "resolve");
}

TEST(PagerDutyTest, SeverityThatPagerDutyWouldRefuseBecomesError) {
  for (const auto& [given, sent] : std::map<std::string, std::string>{
           {"critical", "critical"}, {"error", "error"}, {"warning", "warning"}, {"info", "info"}, {"page", "error"}}) {
    EXPECT_EQ(json_of(pagerduty("{routing_key: k, severity: " + given + "}"), sample())["payload"]["severity"], sent);
  }
  EXPECT_EQ(json_of(pagerduty("{routing_key: k}"), sample())["payload"]["severity"], "error");
}

TEST(PagerDutyTest, EventOverTheBoundListsFewerAlertsAndKeepsTheCounts) {
  Notification notification = sample();
  const Alert one = notification.alerts[0];
  notification.alerts.clear();
  for (int i = 0; i < 2000; ++i) {
    notification.alerts.push_back(one);
    notification.alerts.back().labels =
        one.labels.with("instance", "host-" + std::to_string(i) + std::string(400, 'x'));
  }
  const std::string body = body_of(pagerduty("{routing_key: k}"), notification);
  EXPECT_LE(body.size(), kPagerDutyBodyBytesMax);
  const auto details = nlohmann::json::parse(body)["payload"]["custom_details"];
  EXPECT_EQ(details["num_firing"], 2000);
  EXPECT_GT(details["firing"].size(), 300u);
}

TEST(PagerDutyTest, SummaryIsCutAtItsBound) {
  const std::string text(2000, 's');
  const auto document = json_of(pagerduty("{routing_key: k, description: " + text + "}"), sample());
  EXPECT_EQ(count_code_points(document["payload"]["summary"].get<std::string>()), kPagerDutySummaryMax);
}

TEST(AlertmanagerTest, BodyIsToTheByte) {
  std::vector<PostedAlert> posted;
  for (const Alert& alert : sample().alerts) posted.push_back({alert, wall(kStart + 240'000)});
  const std::vector<const PostedAlert*> pointers = {&posted[0], &posted[1]};
  expect_golden("alertmanager.json", alertmanager_body(pointers));
}

// --- Verdicts

Response response(int status, core::net::Headers headers = {}, std::string body = "") {
  Response answer;
  answer.status = status;
  answer.headers = std::move(headers);
  answer.body = std::move(body);
  return answer;
}

TEST(VerdictTest, StatusTable) {
  using Kind = Verdict::Kind;
  const Webhook hook = webhook("{url: 'http://h/'}");
  for (const auto& [status, kind] : std::map<int, Kind>{{200, Kind::kDelivered},
                                                        {202, Kind::kDelivered},
                                                        {204, Kind::kDelivered},
                                                        {301, Kind::kReject},
                                                        {400, Kind::kReject},
                                                        {401, Kind::kStop},
                                                        {403, Kind::kStop},
                                                        {404, Kind::kStop},
                                                        {408, Kind::kRetry},
                                                        {413, Kind::kReject},
                                                        {429, Kind::kRetry},
                                                        {500, Kind::kRetry},
                                                        {503, Kind::kRetry}}) {
    EXPECT_EQ(hook.judge(response(status), wall(0)).kind, kind) << status;
  }
}

TEST(VerdictTest, RetryAfterInEveryForm) {
  const auto wait = [](const std::string& value) {
    return retry_after({{"retry-after", value}}, wall(784111777'000));  // Sun, 06 Nov 1994 08:49:37 GMT
  };
  EXPECT_EQ(wait("7"), Millis(7000));
  EXPECT_EQ(wait("0.25"), Millis(250));
  EXPECT_EQ(wait("Sun, 06 Nov 1994 08:49:47 GMT"), Millis(10'000));
  EXPECT_EQ(wait("Sun, 06 Nov 1994 08:49:30 GMT"), Millis(0));
  EXPECT_EQ(wait("999999999"), kRetryAfterMax);
  for (const std::string bad : {"", "soon", "-5", "nan", "7 s", "Sun, 06 Abc 1994 08:49:47 GMT"}) {
    EXPECT_EQ(wait(bad), std::nullopt) << bad;
  }
}

TEST(VerdictTest, DiscordWaitsExactlyAsTheBodySays) {
  const Discord receiver = discord("{webhook_url: 'https://d/w'}");
  const auto verdict = receiver.judge(
      response(429, {{"Retry-After", "2"}}, R"({"message":"slow down","retry_after":1.337,"global":false})"), wall(0));
  EXPECT_EQ(verdict.kind, Verdict::Kind::kRetry);
  EXPECT_EQ(verdict.pause, Millis(1337));
  EXPECT_EQ(receiver.judge(response(429, {{"Retry-After", "2"}}, "<html>"), wall(0)).pause, Millis(2000));
}

TEST(VerdictTest, DiscordPausesWhenTheBucketIsEmpty) {
  const Discord receiver = discord("{webhook_url: 'https://d/w'}");
  const auto spent =
      receiver.judge(response(200, {{"X-RateLimit-Remaining", "0"}, {"X-RateLimit-Reset-After", "0.5"}}), wall(0));
  EXPECT_EQ(spent.kind, Verdict::Kind::kDelivered);
  EXPECT_EQ(spent.pause, Millis(500));
  const auto left =
      receiver.judge(response(200, {{"X-RateLimit-Remaining", "3"}, {"X-RateLimit-Reset-After", "0.5"}}), wall(0));
  EXPECT_EQ(left.pause, std::nullopt);
}

TEST(VerdictTest, PagerDutyBacksOffForMinutesWhereNoTimeIsNamed) {
  const PagerDuty receiver = pagerduty("{routing_key: k}");
  EXPECT_EQ(receiver.judge(response(429), wall(0)).pause, kPagerDutyPause);
  EXPECT_EQ(receiver.judge(response(429, {{"Retry-After", "3"}}), wall(0)).pause, Millis(3000));
}

TEST(VerdictTest, AlertmanagerRefusesOnlyWith400) {
  EXPECT_EQ(judge_alertmanager(response(200), wall(0)).kind, Verdict::Kind::kDelivered);
  EXPECT_EQ(judge_alertmanager(response(400), wall(0)).kind, Verdict::Kind::kReject);
  for (const int status : {404, 415, 500, 503}) {
    EXPECT_EQ(judge_alertmanager(response(status), wall(0)).kind, Verdict::Kind::kRetry);
  }
}

// --- Texts and configuration

TEST(TextTemplateTest, DefaultsAsAlertmanagerRendersThem) {
  const auto render = [](const std::string& name, const Notification& notification) {
    return TextTemplate{"{{ template \"" + name + "\" . }}"}.render(notification);
  };
  EXPECT_EQ(render("__subject", sample()), "[FIRING:1] DiskFull eu1 (page)");
  EXPECT_EQ(render("discord.default.title", resolved_sample()), "[RESOLVED] DiskFull eu1 (page)");
  Notification bare = sample();
  for (Alert& alert : bare.alerts) alert.labels = {{"alertname", "DiskFull"}, {"cluster", "eu1"}};
  EXPECT_EQ(render("__subject", bare), "[FIRING:1] DiskFull eu1 ");
  EXPECT_EQ(render("pagerduty.default.clientURL", sample()), "http://watch.example:9780/#/alerts?receiver=ops%5C.page");
  EXPECT_EQ(TextTemplate{"plain { text }"}.render(sample()), "plain { text }");
}

TEST(TextTemplateTest, OtherActionsAreRefusedByName) {
  EXPECT_EQ(unsupported_in_template("{{template \"discord.default.title\" .}}"), "");
  for (const std::string text :
       {"{{ .Status }}", "x {{ template \"discord.default.title\" . }}", "{{ template \"mine\" . }}", "{{", "{{ }}"}) {
    EXPECT_THAT(unsupported_in_template(text), HasSubstr("not supported")) << text;
  }
  const auto config = read<DiscordConfig>("webhook_url: https://d/w\ntitle: '{{ .Status }}'\n");
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().code, core::Errc::kNotSupported);
  EXPECT_THAT(config.error().message, HasSubstr("am.yml:2:8"));
}

TEST(TruncateTest, Table) {
  struct Case {
    std::string text;
    std::size_t limit;
    std::string cut;
  };
  for (const Case& each :
       std::vector<Case>{{"abc", 3, "abc"},
                         {"abcd", 3, "abc"},
                         {"abcde", 4, "abc\xe2\x80\xa6"},
                         {"\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f!", 4, "\xc3\xa4\xc3\xb6\xc3\xbc\xe2\x80\xa6"},
                         {"", 0, ""},
                         {"\xff\xfe\xfd\xfc\xfb", 4, "\xff\xfe\xfd\xe2\x80\xa6"}}) {
    EXPECT_EQ(truncate_code_points(each.text, each.limit), each.cut);
  }
}

TEST(ConfigTest, BadReceiversSayWhatIsWrong) {
  const auto webhook_error = [](const std::string& yaml) {
    const auto config = read<WebhookConfig>(yaml);
    return config ? std::string("accepted") : config.error().message;
  };
  EXPECT_THAT(webhook_error("{send_resolved: true}"), HasSubstr("one of url or url_file must be configured"));
  EXPECT_THAT(webhook_error("{url: 'http://h', url_file: f}"), HasSubstr("at most one of url & url_file"));
  EXPECT_THAT(webhook_error("{url: 'ftp://h'}"), HasSubstr("unsupported scheme \"ftp\" for URL"));
  EXPECT_THAT(webhook_error("{url: 'http://'}"), HasSubstr("missing host for URL"));
  EXPECT_THAT(webhook_error("{url: 'http://h', payload: {}}"), HasSubstr("not supported yet"));
  EXPECT_THAT(webhook_error("{url: 'http://h', timeout: 1d}"), HasSubstr("expected a duration"));
  EXPECT_THAT(webhook_error("{url: 'http://h', urll: x}"), HasSubstr("urll"));
  const auto discord_bad = read<DiscordConfig>("{title: x}");
  ASSERT_FALSE(discord_bad);
  EXPECT_THAT(discord_bad.error().message, HasSubstr("one of webhook_url or webhook_url_file must be configured"));
  const auto pagerduty_bad = read<PagerDutyConfig>("{service_key: x}");
  ASSERT_FALSE(pagerduty_bad);
  EXPECT_EQ(pagerduty_bad.error().code, core::Errc::kNotSupported);
  EXPECT_THAT(read<PagerDutyConfig>("{severity: error}").error().message,
              HasSubstr("missing service or routing key in PagerDuty config"));
}

TEST(ConfigTest, GoDurations) {
  const auto read_one = [](const std::string& text) -> std::optional<Millis> {
    const auto node = core::config::Node::parse(text, "f");
    if (!node) return std::nullopt;
    const auto value = core::config::Codec<GoDuration>::read(*node);
    if (!value) return std::nullopt;
    return value->value;
  };
  EXPECT_EQ(read_one("1m30s"), Millis(90'000));
  EXPECT_EQ(read_one("1.5h"), Millis(5'400'000));
  EXPECT_EQ(read_one("250ms"), Millis(250));
  EXPECT_EQ(read_one("1000000000"), Millis(1000));
  for (const std::string bad : {"1d", "-5s", "s", "5 s", "inf", "1h-5m", "''"}) EXPECT_EQ(read_one(bad), std::nullopt);
}

TEST(NotificationTest, OutboxDocumentRoundTrips) {
  const auto back = from_json(to_json(sample()));
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(*back, sample());
  for (const std::string bad : {"", "{", "[]", "{}", R"({"receiver":1})"}) {
    EXPECT_EQ(from_json(bad).error().code, core::Errc::kInvalid);
  }
}

TEST(NotificationTest, HostileTextsStayValidJson) {
  Notification notification = sample();
  notification.alerts[0].annotations["summary"] = std::string("\xff\xfe \"quoted\" \\ \n\t\x01", 18);
  const std::vector<std::string> bodies = {body_of(webhook("{url: 'http://h/'}"), notification),
                                           body_of(discord("{webhook_url: 'https://d/w'}"), notification),
                                           body_of(pagerduty("{routing_key: k}"), notification), to_json(notification)};
  for (const std::string& body : bodies) EXPECT_TRUE(nlohmann::json::accept(body));
}

TEST(Sha256Test, KnownDigest) {
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

}  // namespace
}  // namespace actions::receivers

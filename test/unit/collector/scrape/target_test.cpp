// SPDX-License-Identifier: Apache-2.0
#include "collector/scrape/target.h"

#include <cstdlib>
#include <string>

#include <gtest/gtest.h>

#include "collector/scrape/negotiation.h"
#include "collector/scrape/sample_labels.h"
#include "core/config/node.h"

namespace collector::scrape {
namespace {

core::Result<std::vector<ScrapeConfig>> read(std::string_view jobs_yaml, std::string_view global_yaml = "{}") {
  const auto node = core::config::Node::parse(jobs_yaml, "p.yml");
  if (!node) return core::fail(node.error());
  auto jobs = core::config::Codec<std::vector<ScrapeConfig>>::read(*node);
  if (!jobs) return jobs;
  const auto global_node = core::config::Node::parse(global_yaml, "p.yml");
  const auto global = core::config::Codec<GlobalConfig>::read(*global_node);
  if (!global) return core::fail(global.error());
  return resolve_jobs(std::move(*jobs), *global);
}

TargetList targets(std::string_view yaml) {
  const auto jobs = read(yaml);
  EXPECT_TRUE(jobs) << jobs.error().message;
  return jobs ? build_targets(jobs->front()) : TargetList{};
}

TEST(Target, LabelsAreLayered) {
  const TargetList list = targets(
      "[{job_name: j, scrape_interval: 90s, params: {module: [a, b]}, static_configs: "
      "[{targets: ['h:9'], labels: {zone: z, __scheme__: https, __metrics_path__: /m, __param_x: 'y z', "
      "__scrape_timeout__: 3s, __meta_gone: g, __address__: no}}]}]");
  ASSERT_EQ(list.active.size(), 1U) << list.errors.size();
  const Target& target = list.active[0];
  EXPECT_EQ(target.discovered.get("__address__"), "h:9");
  EXPECT_EQ(target.discovered.get("__scrape_interval__"), "1m30s");
  EXPECT_EQ(target.discovered.get("__meta_gone"), "g");
  EXPECT_EQ(target.discovered.get("__param_module"), "a");
  EXPECT_EQ(target.labels.to_string(), R"({instance="h:9", job="j", zone="z"})");
  EXPECT_EQ(target.url, "https://h:9/m?module=a&module=b&x=y+z");
  EXPECT_EQ(target.interval, std::chrono::seconds(90));
  EXPECT_EQ(target.timeout, std::chrono::seconds(3));
  EXPECT_FALSE(target.identity.has("__meta_gone"));
}

TEST(Target, Urls) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"{}", "http://h/metrics"},
      {"{metrics_path: no_slash}", "http://h/no_slash"},
      {"{metrics_path: '/m?x=1'}", "http://h/m%3Fx=1"},
      {"{params: {b: ['x y'], a: ['1', '2'], 'm[]': ['']}}", "http://h/metrics?a=1&a=2&b=x+y&m%5B%5D="},
      {"{params: {t: ['~a/b&c=d']}}", "http://h/metrics?t=~a%2Fb%26c%3Dd"},
      {"{scheme: https}", "https://h/metrics"},
  };
  for (const auto& [settings, url] : cases) {
    const std::string inside(settings.substr(1, settings.size() - 2));
    const TargetList list = targets(
        fmt::format("[{{job_name: j, static_configs: [{{targets: [h]}}]{}{}}}]", inside.empty() ? "" : ", ", inside));
    ASSERT_EQ(list.active.size(), 1U);
    EXPECT_EQ(list.active[0].url, url);
  }
}

TEST(Target, EqualTargetsAreOne) {
  const TargetList list =
      targets("[{job_name: j, static_configs: [{targets: [h, h]}, {targets: [h]}, {targets: [h], labels: {a: b}}]}]");
  EXPECT_EQ(list.active.size(), 2U);
}

TEST(Target, WrongTargetsSayWhatPrometheusSays) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"__scrape_interval__: x", "error parsing scrape interval: not a valid duration string: \"x\""},
      {"__scrape_timeout__: 1x", "error parsing scrape timeout: not a valid duration string: \"1x\""},
      {"__scrape_interval__: 0s", "scrape interval cannot be 0"},
      {"__scrape_timeout__: '0'", "scrape timeout cannot be 0"},
      {"__scrape_interval__: 5s", "scrape timeout cannot be greater than scrape interval (\"10s\" > \"5s\")"},
      {"__unix_socket__: /run/x", "__unix_socket__: scraping over a Unix socket is not part of this version"},
      {"__convert_classic_histograms_to_nhcb__: maybe",
       "error parsing convert classic histograms to nhcb: strconv.ParseBool: parsing \"maybe\": invalid syntax"},
      {"__scheme__: gopher", "unsupported scheme \"gopher\": expected http or https"},
  };
  for (const auto& [label, error] : cases) {
    const TargetList list =
        targets(fmt::format("[{{job_name: j, static_configs: [{{targets: [h], labels: {{{}}}}}]}}]", label));
    ASSERT_EQ(list.errors.size(), 1U) << label;
    EXPECT_EQ(list.errors[0], fmt::format("instance 0 in group 0: {}", error));
    EXPECT_TRUE(list.active.empty());
  }
  const TargetList nowhere = targets(
      "[{job_name: j, static_configs: [{targets: [h]}], relabel_configs: [{regex: __address__, action: "
      "labeldrop}]}]");
  ASSERT_EQ(nowhere.errors.size(), 1U);
  EXPECT_EQ(nowhere.errors[0], "instance 0 in group 0: no address");
}

TEST(ScrapeConfig, InheritsFromGlobal) {
  const auto jobs = read(
      "[{job_name: a}, {job_name: b, scrape_interval: 5s}, {job_name: c, scrape_timeout: 7s, sample_limit: 5}, "
      "{job_name: d, metric_name_validation_scheme: legacy}]",
      "{scrape_interval: 30s, scrape_timeout: 8s, sample_limit: 9, extra_scrape_metrics: true, body_size_limit: 1MB}");
  ASSERT_TRUE(jobs) << jobs.error().message;
  EXPECT_EQ((*jobs)[0].scrape_interval, std::chrono::seconds(30));
  EXPECT_EQ((*jobs)[0].scrape_timeout, std::chrono::seconds(8));
  EXPECT_EQ((*jobs)[0].sample_limit, 9U);
  EXPECT_EQ((*jobs)[0].body_size_limit.bytes, 1U << 20);
  EXPECT_EQ((*jobs)[0].extra_scrape_metrics, true);
  EXPECT_EQ((*jobs)[1].scrape_timeout, std::chrono::seconds(5));
  EXPECT_EQ((*jobs)[2].scrape_timeout, std::chrono::seconds(7));
  EXPECT_EQ((*jobs)[2].sample_limit, 5U);
  EXPECT_EQ((*jobs)[3].metric_name_escaping_scheme, Escaping::kUnderscores);
}

TEST(ScrapeConfig, MistakesAreNamed) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"[{job_name: ''}]", "job_name is empty"},
      {"[{job_name: a}, {job_name: a}]", "found multiple scrape configs with job name \"a\""},
      {"[{job_name: a, scrape_interval: 5s, scrape_timeout: 6s}]",
       "scrape timeout greater than scrape interval for scrape config with job name \"a\""},
      {"[{job_name: a, scrape_interval: 15}]", "expected a duration such as 30s or 1h30m, got \"15\""},
      {"[{job_name: a, static_configs: [{targets: ['http://bad']}]}]", "\"http://bad\" is not a valid hostname"},
      {"[{job_name: a, static_configs: [null]}]", "empty or null section in static_configs"},
      {"[{job_name: a, scrape_protocols: []}]", "scrape_protocols cannot be empty"},
      {"[{job_name: a, scrape_protocols: [PrometheusText0.0.4, PrometheusText0.0.4]}]",
       "duplicated protocol in scrape_protocols, got [PrometheusText0.0.4 PrometheusText0.0.4]"},
      {"[{job_name: a, scrape_protocols: [X]}]", "expected one of"},
      {"[{job_name: a, consul_sd_configs: [{server: x}]}]", "this discovery is not supported"},
      {"[{job_name: a, file_sd_configs: [{files: [x.txt]}]}]", "is not valid for file discovery"},
      {"[{job_name: a, oauth2: {}}]", "oauth2"},
      {"[{job_name: a, no_proxy: 'h'}]", "if no_proxy is configured, proxy_url must also be configured"},
      {"[{job_name: a, proxy_from_environment: true, proxy_url: 'http://p'}]", "proxy_url must not be configured"},
      {"[{job_name: a, scrape_native_histograms: true}]", "scrape_native_histograms: true is not supported"},
      {"[{job_name: a, scrape_intervall: 5s}]", "scrape_intervall"},
      {"[{job_name: a, bearer_token: x, bearer_token_file: y}]",
       "at most one of bearer_token & bearer_token_file must be configured"},
      {"[{job_name: a, basic_auth: {username: x}, authorization: {credentials: y}}]",
       "at most one of basic_auth, oauth2 & authorization must be configured"},
      {"[{job_name: a, authorization: {type: Basic}}]",
       "authorization type cannot be set to \"basic\", use \"basic_auth\" instead"},
      {"[{job_name: a, http_headers: {User-Agent: {values: [x]}}}]", "setting header \"User-Agent\" is not allowed"},
      {"[{job_name: a, http_headers: {X-A: {values: [\"a\\nb\"]}}}]", "holds a line break"},
      {"[{job_name: a, tls_config: {cert_file: c}}]", "exactly one of key or key_file must be configured"},
      {"[{job_name: a, metric_name_validation_scheme: legacy, relabel_configs: [{target_label: a-b, replacement: x}]}]",
       "\"a-b\" is invalid 'target_label' for replace action"},
      {"[{job_name: a, metric_relabel_configs: [{action: keep, regex: '('}]}]", "error parsing regexp"},
  };
  for (const auto& [yaml, expected] : cases) {
    const auto jobs = read(yaml);
    ASSERT_FALSE(jobs) << yaml;
    EXPECT_NE(jobs.error().message.find(expected), std::string::npos) << yaml << ": " << jobs.error().message;
  }
  EXPECT_EQ(read("[{job_name: a}]", "{scrape_interval: 5s, scrape_timeout: 6s}").error().message.find("p.yml:1:1: "),
            0U);
}

TEST(ScrapeConfig, FilesAreRelativeToTheirConfiguration) {
  const auto node = core::config::Node::parse(
      "{job_name: a, tls_config: {ca_file: ca.pem}, bearer_token_file: /abs/token}", "/etc/wk/p.yml");
  const auto job = ScrapeConfig::fields().read(*node);
  ASSERT_TRUE(job) << job.error().message;
  core::net::Request request;
  ASSERT_TRUE(job->http.apply(request));
  EXPECT_EQ(request.tls.ca_file, "/etc/wk/ca.pem");
  EXPECT_EQ(request.credentials.token_file, "/abs/token");
}

TEST(GlobalConfig, ExternalLabelsExpandTheEnvironment) {
  ::setenv("WATCHKEEPER_TEST_ZONE", "eu-1", 1);
  const auto node = core::config::Node::parse(
      "{external_labels: {a: '$WATCHKEEPER_TEST_ZONE-x', b: '${WATCHKEEPER_TEST_ZONE}y', c: '$$z', d: '$NOT_SET_HERE', "
      "e: 'f$'}}",
      "p.yml");
  const auto global = GlobalConfig::fields().read(*node);
  ASSERT_TRUE(global) << global.error().message;
  EXPECT_EQ(global->expanded_external_labels().to_string(), R"({a="eu-1-x", b="eu-1y", c="$z", e="f$"})");
}

TEST(Negotiation, ContentTypes) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"text/plain", "text"},
      {"text/plain;", "text"},
      {"TEXT/PLAIN; version=\"0.0.4\"", "text"},
      {" text/plain ; charset=utf-8", "text"},
      {"application/openmetrics-text; version=1.0.0", "open"},
      {"text/plain; charset", "mime: invalid media parameter"},
      {"text / plain", "mime: expected slash after first token"},
      {"text", "mime: expected slash after first token"},
      {"/plain", "mime: no media type"},
      {"text/plain x", "mime: unexpected content after media subtype"},
      {"application/json", "received unsupported Content-Type \"application/json\""},
      {"", "non-compliant scrape target"},
  };
  for (const auto& [header, expected] : cases) {
    const auto format = choose_format(header, std::nullopt);
    const std::string got = !format                                       ? format.error().message
                            : *format == exposition::Format::kOpenMetrics ? "open"
                                                                          : "text";
    EXPECT_NE(got.find(expected), std::string::npos) << header << ": " << got;
    if (!format) {
      EXPECT_EQ(choose_format(header, Protocol::kOpenMetricsText001), exposition::Format::kOpenMetrics);
    }
  }
  const Protocol one[] = {Protocol::kPrometheusText004};
  EXPECT_EQ(accept_header(one, Escaping::kAllowUtf8), "text/plain;version=0.0.4;q=0.6,*/*;q=0.5");
  const Protocol with_proto[] = {Protocol::kPrometheusProto, Protocol::kPrometheusText100};
  EXPECT_EQ(accept_header(with_proto, Escaping::kDots), "text/plain;version=1.0.0;escaping=dots;q=0.6,*/*;q=0.5");
}

TEST(SampleLabels, ConflictsAreMovedAside) {
  const core::ring::Labels target = {{"job", "j"}, {"instance", "h"}, {"exported_job", "x"}};
  ScrapeConfig config;
  const auto labels = [&](std::vector<core::ring::Label> exposed) {
    const auto result = sample_labels(*Job::make(config), target, exposed);
    if (!result) return result.error().message;
    return *result ? (*result)->to_string() : std::string("dropped");
  };
  EXPECT_EQ(labels({{"__name__", "m"}, {"job", "theirs"}}),
            R"(m{exported_exported_job="theirs", exported_job="x", instance="h", job="j"})");
  EXPECT_EQ(
      labels({{"__name__", "m"}, {"job", "a"}, {"exported_job", "b"}}),
      R"(m{exported_exported_exported_job="b", exported_exported_job="a", exported_job="x", instance="h", job="j"})");
  EXPECT_EQ(labels({{"__name__", "m"}, {"a", "1"}, {"a", "2"}}), "label name \"a\" is not unique: invalid sample");
  config.honor_labels = true;
  EXPECT_EQ(labels({{"__name__", "m"}, {"job", "theirs"}, {"instance", ""}}), R"(m{exported_job="x", job="theirs"})");
  relabel::RelabelConfig drop_name;
  drop_name.action = relabel::Action::kLabelDrop;
  drop_name.regex = "__name__";
  config.metric_relabel_configs = {drop_name};
  EXPECT_EQ(labels({{"__name__", "m"}}), "missing metric name (__name__ label)");
  config.metric_relabel_configs[0].regex = ".*";
  EXPECT_EQ(labels({{"__name__", "m"}}), "dropped");
  config.metric_relabel_configs.clear();
  config.metric_name_validation_scheme = relabel::NameValidation::kLegacy;
  EXPECT_EQ(labels({{"__name__", "m.x"}}),
            "invalid metric name or label names: {__name__=\"m.x\", exported_job=\"x\", instance=\"h\", job=\"j\"}");
}

}  // namespace
}  // namespace collector::scrape

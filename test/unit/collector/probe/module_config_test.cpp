// SPDX-License-Identifier: Apache-2.0
// Modules as blackbox_exporter takes them, and what is refused, with its place.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "collector/probe/module_config.h"
#include "collector/probe/probe_client.h"
#include "collector/scrape/target.h"

namespace collector::probe {
namespace {

using testing::HasSubstr;

core::Result<Modules> parse(const std::string& text) {
  const auto node = core::config::Node::parse(text, "m.yml");
  if (!node) return core::fail(node.error());
  return core::config::Codec<Modules>::read(*node);
}

TEST(ModuleConfigTest, TakesTheExampleOfBlackboxExporter) {
  // From blackbox_exporter's own example.yml, by its keys.
  const auto modules = parse(R"yaml(
http_2xx_example:
  prober: http
  timeout: 5s
  http:
    valid_http_versions: ["HTTP/1.1", "HTTP/2.0"]
    valid_status_codes: []
    method: GET
    headers: {Host: vhost.example.com, Accept-Language: en-US}
    follow_redirects: true
    fail_if_ssl: false
    fail_if_body_matches_regexp: ["Could not connect to database"]
    fail_if_header_matches: [{header: Set-Cookie, allow_missing: true, regexp: '.*'}]
    tls_config: {insecure_skip_verify: false, min_version: TLS12}
    preferred_ip_protocol: "ip4"
    ip_protocol_fallback: false
tls_connect: {prober: tcp, timeout: 5s, tcp: {tls: true}}
irc:
  prober: tcp
  tcp:
    query_response:
    - send: "NICK prober"
    - expect: "PING :([^ ]+)"
      send: "PONG ${1}"
starttls:
  prober: tcp
  tcp:
    query_response:
    - {expect: "^220.*ESMTP (.+)$", labels: [{name: banner, value: "$1"}]}
    - {send: "STARTTLS\r"}
    - {expect: "^220"}
    - {starttls: true}
icmp: {prober: icmp, icmp: {preferred_ip_protocol: ip4, ttl: 5, payload_size: 1000}}
dns:
  prober: dns
  dns:
    query_name: "www.prometheus.io"
    query_type: "MX"
    valid_rcodes: [NOERROR]
    validate_answer_rrs: {fail_if_matches_regexp: [".*127.0.0.1"]}
grpc: {prober: grpc, grpc: {service: "s", preferred_ip_protocol: ip6}}
)yaml");
  ASSERT_TRUE(modules) << modules.error().message;
  EXPECT_EQ(modules->size(), 7U);
  EXPECT_EQ(modules->at("http_2xx_example").timeout.value, std::chrono::seconds(5));
  EXPECT_TRUE(modules->at("grpc").grpc.ip.ip_protocol_fallback);
  EXPECT_THAT(module_warnings(*modules), testing::IsEmpty());
}

TEST(ModuleConfigTest, WhatIsWrongIsRefusedWithItsPlace) {
  const std::pair<const char*, const char*> cases[] = {
      {"m: {}", "m.yml:1:4: module: missing key \"prober\""},
      {"m: {prober: ftp}",
       "m.yml:1:13: expected one of http, tcp, tls, dns, icmp, ntp, unix, grpc, certificate_file, ec2_metadata, "
       "docker, cri, kubernetes, got \"ftp\""},
      {"m: {prober: http, timeout: 5}", "m.yml:1:28: expected a duration such as 300ms"},
      {"m: {prober: http, timeout: 1d}", "expected a duration"},
      {"m: {prober: http, http: {valid_status_codes: 200}}", "expected a list"},
      {"m: {prober: http, http: {verb: GET}}", "m.yml:1:26: http_probe: unknown key \"verb\""},
      {"m: {prober: http, http: {fail_if_body_matches_regexp: ['(']}}", "m.yml:1:56: invalid regular expression"},
      {"m: {prober: http, http: {fail_if_body_json_matches_cel: 'body.a(1)'}}",
       "m.yml:1:57: CEL: function \"a\" is not supported (column 6)"},
      {"m: {prober: docker, docker: {pinned: {geth: ['sha256:12']}}}",
       "m.yml:1:45: expected sha256: and 64 hex digits"},
      {"m: {prober: docker, docker: {pinned: {geth: []}}}", "expected at least one digest"},
      {"m: {prober: cri, cri: {pinned: {a/b/c: []}}}", "expected CONTAINER or NAMESPACE/CONTAINER"},
      {"m: {prober: cri, cri: {pinned: {a/b: [x]}}}", "expected sha256: and 64 hex digits"},
      {"m: {prober: kubernetes, kubernetes: {namespace: ../x}}", "is not the name of a namespace"},
      {"m: {prober: kubernetes, kubernetes: {proxy_url: 'http://p'}}", "\"proxy_url\" is not supported"},
      {"m: {prober: http, http: {enable_http3: true}}", "enable_http3: true is not supported"},
      {"m: {prober: http, http: {valid_http_versions: [HTTP/3.0]}}", "HTTP/3.0"},
      {"m: {prober: http, http: {proxy_url: 'http://p'}}", "\"proxy_url\" is not supported"},
      {"m: {prober: http, http: {proxy_from_environment: true}}", "\"proxy_from_environment\" is not supported"},
      {"m: {prober: unix, unix: {http: {proxy_url: 'http://p'}}}", "\"proxy_url\" is not supported"},
      {"m: {prober: http, http: {oauth2: {}}}", "\"oauth2\" is not supported"},
      {"m: {prober: http, http: {body: a, body_file: b}}", "body and body_file both"},
      {"m: {prober: http, http: {body_size_limit: 10}}", "expected a size"},
      {"m: {prober: http, http: {compression: gzip, headers: {Accept-Encoding: 'br, gzip;q=0'}}}",
       "invalid configuration"},
      {"m: {prober: http, http: {fail_if_header_matches: [{regexp: a}]}}", "missing key \"header\""},
      {"m: {prober: http, http: {tls_config: {ca_ref: x}}}", "\"ca_ref\" is not supported"},
      {"m: {prober: http, http: {tls_config: {min_version: TLS13, max_version: TLS12}}}",
       "min_version that is not above"},
      {"m: {prober: websocket}", "expected one of"},
      {"m: {prober: http, websocket: {}}", "\"websocket\" is not supported"},
      {"m: {prober: tcp, tcp: {query_response: [{expect: a, expect_bytes: b}]}}", "exclude each other"},
      {"m: {prober: tcp, tcp: {query_response: [{expect: a, labels: [{name: a}]}, {expect: a, labels: [{name: b}]}]}}",
       "only one entry may have labels"},
      {"m: {prober: tcp, tcp: {tls: true, query_response: [{starttls: true}]}}", "secured already"},
      {"m: {prober: tcp, tcp: {query_response: [{expect: a, labels: [{name: 'a-b'}]}]}}", "not a valid label name"},
      {"m: {prober: dns}", "query name must be set"},
      {"m: {prober: dns, dns: {query_name: a..b}}", "query_name: a part of the name is empty"},
      {"m: {prober: dns, dns: {query_name: a, query_type: NOPE}}", "query type 'NOPE' is not valid"},
      {"m: {prober: icmp, icmp: {ttl: 256}}", "from 0 to 255"},
      {"m: {prober: icmp, icmp: {payload_size: 65508}}", "at most 65507"},
      {"m: {prober: unix, unix: {tls: true}}", "no name to verify"},
      {"m: {prober: grpc, grpc: {metadata: {grpc-x: [a]}}}", "cannot be metadata"},
      {"m: {prober: http}\nm: {prober: tcp}", "m.yml:2"},
  };
  for (const auto& [text, message] : cases) {
    const auto modules = parse(text);
    ASSERT_FALSE(modules) << text;
    EXPECT_THAT(modules.error().message, HasSubstr(message)) << text;
    EXPECT_THAT(modules.error().message, testing::StartsWith("m.yml:")) << text;
  }
}

TEST(ModuleConfigTest, AnUnknownProtocolMeansIp4AndIsWarnedAbout) {
  const auto modules = parse("m: {prober: icmp, icmp: {preferred_ip_protocol: ipv6}}");
  ASSERT_TRUE(modules);
  EXPECT_FALSE(modules->at("m").icmp.ip.prefers_v6());
  EXPECT_THAT(module_warnings(*modules), testing::ElementsAre(HasSubstr("means ip4")));
}

TEST(ProbeJobTest, BecomesAScrapeOfTheProbe) {
  const auto node = core::config::Node::parse(R"(
job_name: outside
module: http_2xx
interval: 5s
timeout: 2s
static_configs: [{targets: ["https://a.test/x?y=1", "b.test:80"], labels: {site: home}}]
relabel_configs: [{source_labels: [__address__], regex: 'b.*', target_label: instance, replacement: bee}]
)",
                                              "p.yml");
  const auto job = core::config::Codec<ProbeJobConfig>::read(*node);
  ASSERT_TRUE(job) << job.error().message;
  const auto resolved = scrape::resolve_jobs({to_scrape_config(*job)}, {});
  ASSERT_TRUE(resolved) << resolved.error().message;
  const auto targets = scrape::build_targets(resolved->front());
  EXPECT_THAT(targets.errors, testing::IsEmpty());
  ASSERT_EQ(targets.active.size(), 2U);
  EXPECT_EQ(targets.active[0].labels.to_string(),
            R"({instance="https://a.test/x?y=1", job="outside", module="http_2xx", site="home"})");
  EXPECT_EQ(targets.active[0].url,
            "http://localhost/probe?job=outside&module=http_2xx&target=https%3A%2F%2Fa.test%2Fx%3Fy%3D1");
  EXPECT_EQ(targets.active[0].timeout, std::chrono::seconds(2));
  EXPECT_EQ(targets.active[1].labels.get("instance"), "bee");
}

core::Result<scrape::TargetList> targets_of(const std::string& text, const discovery::TargetGroups& groups = {}) {
  const auto node = core::config::Node::parse(text, "p.yml");
  const auto job = core::config::Codec<ProbeJobConfig>::read(*node);
  if (!job) return core::fail(job.error());
  const auto resolved = scrape::resolve_jobs({to_scrape_config(*job)}, {});
  if (!resolved) return core::fail(resolved.error());
  return scrape::build_targets(resolved->front(), groups);
}

TEST(ProbeJobTest, RelabellingForBlackboxExporterMeansTheSame) {
  const auto targets = targets_of(R"(
job_name: outside
module: http_2xx
static_configs: [{targets: ["https://a.test/"], labels: {how: special, address: "10.0.0.1:8080"}}]
relabel_configs:
  - {source_labels: [__address__], target_label: __param_target}
  - {source_labels: [__param_target], target_label: instance}
  - {source_labels: [how], target_label: __param_module}
  - {source_labels: [address], target_label: __param_hostname, regex: '(.*):.*'}
  - {target_label: __address__, replacement: "blackbox-exporter:9115"}
)");
  ASSERT_TRUE(targets) << targets.error().message;
  EXPECT_THAT(targets->errors, testing::IsEmpty());
  ASSERT_EQ(targets->active.size(), 1U);
  EXPECT_EQ(targets->active[0].labels.get("instance"), "https://a.test/");
  EXPECT_EQ(targets->active[0].labels.get("module"), "special");
  EXPECT_EQ(targets->active[0].url,
            "http://localhost/probe?hostname=10.0.0.1&job=outside&module=special&target=https%3A%2F%2Fa.test%2F");
}

TEST(ProbeJobTest, WhatIsDiscoveredIsProbed) {
  const auto group = std::make_shared<discovery::TargetGroup>();
  group->source = "ingress";
  group->targets = {{{"__address__", "shop.test"}, {"__meta_path", "/cart"}},
                    {{"__address__", "old.test"}, {"__meta_off", "1"}},
                    {{"__address__", "empty.test"}, {"__meta_none", "1"}}};
  const auto targets = targets_of(R"(
job_name: outside
module: http_2xx
file_sd_configs: [{files: [x.json]}]
relabel_configs:
  - {source_labels: [__meta_off], regex: "1", action: drop}
  - {source_labels: [__address__, __meta_path], separator: "", target_label: __param_target}
  - {source_labels: [__meta_none], regex: "1", target_label: __address__, replacement: ""}
  - {source_labels: [__meta_none], regex: "1", target_label: __param_target, replacement: ""}
)",
                                  {group});
  ASSERT_TRUE(targets) << targets.error().message;
  ASSERT_EQ(targets->active.size(), 1U);
  EXPECT_EQ(targets->active[0].labels.get("instance"), "shop.test/cart");
  EXPECT_THAT(targets->active[0].url, testing::EndsWith("target=shop.test%2Fcart"));
  EXPECT_EQ(targets->dropped_count, 1U);
  EXPECT_THAT(targets->errors, testing::ElementsAre(HasSubstr("no address")));
}

}  // namespace
}  // namespace collector::probe

// SPDX-License-Identifier: Apache-2.0
#include "collector/remote_write/remote_write_config.h"

#include <gmock/gmock.h>

namespace collector::remote_write {
namespace {

using core::config::Node;
using testing::HasSubstr;

core::Result<std::vector<RemoteWriteConfig>> read(const std::string& text) {
  auto node = Node::parse(text, "r.yml");
  if (!node) return core::fail(node.error());
  auto configs = core::config::Codec<std::vector<RemoteWriteConfig>>::read(*node);
  if (!configs) return configs;
  if (auto checked = check_remotes(*configs, *node); !checked) return core::fail(checked.error());
  return configs;
}

TEST(RemoteWriteConfigTest, PrometheussKeysAndDefaults) {
  const auto configs = read(R"(
- url: http://user:secret@a.test/write
- url: https://b.test/api/v1/push
  name: second
  remote_timeout: 5s
  headers: {X-Scope-OrgID: tenant}
  basic_auth: {username: u, password: p}
  tls_config: {insecure_skip_verify: true}
  follow_redirects: false
  write_relabel_configs: [{regex: x, action: labeldrop}]
  send_exemplars: false
  protobuf_message: prometheus.WriteRequest
  queue_config: {capacity: 5, max_shards: 3, min_shards: 2, max_samples_per_send: 4, batch_send_deadline: 1s,
                 min_backoff: 1s, max_backoff: 1m, retry_on_http_429: true, sample_age_limit: 1h}
  metadata_config: {send: false, send_interval: 5m, max_samples_per_send: 7}
)");
  ASSERT_TRUE(configs) << configs.error().message;
  const RemoteWriteConfig& first = configs->at(0);
  EXPECT_EQ(first.remote_timeout, std::chrono::seconds(30));
  EXPECT_EQ(first.queue_config, QueueConfig());
  EXPECT_EQ(first.queue_config.max_shards, 50U);
  EXPECT_EQ(configs->at(1).queue_config.sample_age_limit, std::chrono::hours(1));
  EXPECT_FALSE(configs->at(1).metadata_config.send);
  EXPECT_EQ(configs->at(1).headers.at("X-Scope-OrgID"), "tenant");
}

TEST(RemoteWriteConfigTest, NamesAreDistinctAndFollowFromTheUrl) {
  const auto configs = read(R"(
- {url: 'http://a.test/'}
- {url: 'http://a.test/', remote_timeout: 5s}
- {url: 'http://b.test/'}
- {url: 'http://b.test/', name: own}
)");
  ASSERT_TRUE(configs);
  const auto names = names_of(*configs);
  EXPECT_EQ(names[0].size(), 6U);
  EXPECT_EQ(names[1], names[0] + "-2");
  EXPECT_NE(names[2], names[0]);
  EXPECT_EQ(names[3], "own");
}

struct Bad {
  const char* text;
  const char* message;
};
class RemoteWriteConfigBad : public testing::TestWithParam<Bad> {};

TEST_P(RemoteWriteConfigBad, NamesThePlace) {
  const auto configs = read(GetParam().text);
  ASSERT_FALSE(configs);
  EXPECT_THAT(configs.error().message, HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    Table, RemoteWriteConfigBad,
    testing::Values(
        Bad{"- {name: a}", "r.yml:1:3: url for remote_write is empty"},
        Bad{"-\n", "empty or null remote write config section"}, Bad{"- {url: 'ftp://a'}", "r.yml:1:9: "},
        Bad{"- {url: 'http://a', write_relabel_configs: [null]}", "r.yml:1:45: "},
        Bad{"- {url: 'http://a', write_relabel_configs: [{regex: '('}]}", "r.yml:1:"},
        Bad{"- {url: 'http://a', send_exemplars: true}", "r.yml:1:37: true is not supported: exemplars are not stored"},
        Bad{"- {url: 'http://a', send_native_histograms: true}", "native histograms are not stored"},
        Bad{"- {url: 'http://a', round_robin_dns: true}", "true is not supported"},
        Bad{"- {url: 'http://a', failed_request_logging: true}", "true is not supported"},
        Bad{"- {url: 'http://a', protobuf_message: io.prometheus.write.v2.Request}",
            "remote write 2.0 is not supported"},
        Bad{"- {url: 'http://a', protobuf_message: x}",
            "invalid protobuf_message value: unknown type for remote write protobuf message x, supported: "
            "prometheus.WriteRequest, io.prometheus.write.v2.Request"},
        Bad{"- {url: 'http://a', sigv4: {}}", "key \"sigv4\" is not supported"},
        Bad{"- {url: 'http://a', azuread: {}}", "key \"azuread\" is not supported"},
        Bad{"- {url: 'http://a', google_iam: {}}", "key \"google_iam\" is not supported"},
        Bad{"- {url: 'http://a', headers: {X-Prometheus-Remote-Write-Version: '1'}}",
            "X-Prometheus-Remote-Write-Version is a reserved header. It must not be changed"},
        Bad{"- {url: 'http://a', headers: {Authorization: x}}",
            "authorization header must be changed via the basic_auth"},
        Bad{"- {url: 'http://a', headers: {'X:': x}}", "not a header"},
        Bad{"- {url: 'http://a', headers: {X: \"a\\nb\"}}", "a header is one line"},
        Bad{"- {url: 'http://a', queue_config: {max_shards: 0}}", "remote write queue max_shards must be positive"},
        Bad{"- {url: 'http://a', queue_config: {capacity: 0}}", "remote write queue capacity must be positive"},
        Bad{"- {url: 'http://a', queue_config: {min_shards: 60}}", "min_shards must not be greater than max_shards"},
        Bad{"- {url: 'http://a', queue_config: {min_backoff: 10s}}", "max_backoff must not be less than min_backoff"},
        Bad{"- {url: 'http://a', queue_config: {max_shard: 1}}", "did you mean \"max_shards\"?"},
        Bad{"- {url: 'http://a', name: q}\n- {url: 'http://b', name: q}",
            "r.yml:2:27: found multiple remote write configs with job name \"q\""},
        Bad{"- {url: 'http://u:p@a'}\n- {url: 'http://u:p@a'}",
            "duplicate remote write configs are not allowed, found duplicate for URL: http://u:***@a"}));

}  // namespace
}  // namespace collector::remote_write

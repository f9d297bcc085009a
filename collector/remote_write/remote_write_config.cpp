// SPDX-License-Identifier: Apache-2.0
#include "collector/remote_write/remote_write_config.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <set>

#include "core/net/url.h"

namespace collector::remote_write {
namespace {

using core::Errc;
using core::fail;
using core::Result;
using core::config::Node;
using core::config::Table;

constexpr std::string_view kMessageV1 = "prometheus.WriteRequest";
constexpr std::string_view kMessageV2 = "io.prometheus.write.v2.Request";

// Headers that a remote's own `headers` may not set (prometheus/prometheus config/config.go, reservedHeaders).
constexpr std::array<std::string_view, 16> kReservedHeaders = {"host",
                                                               "content-encoding",
                                                               "content-length",
                                                               "content-type",
                                                               "user-agent",
                                                               "connection",
                                                               "keep-alive",
                                                               "proxy-authenticate",
                                                               "proxy-authorization",
                                                               "www-authenticate",
                                                               "accept-encoding",
                                                               "x-prometheus-remote-write-version",
                                                               "x-prometheus-remote-read-version",
                                                               "x-amz-date",
                                                               "x-amz-security-token",
                                                               "x-amz-content-sha256"};

std::string lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

core::Error not_supported(const Node& node, std::string_view what) {
  core::Error error = node.error("{}", what);
  error.code = Errc::kNotSupported;
  return error;
}

Result<void> check_queue(const QueueConfig& queue, const Node& node) {
  const std::array<std::pair<std::string_view, std::uint64_t>, 4> positive = {
      {{"max_shards", queue.max_shards},
       {"min_shards", queue.min_shards},
       {"max_samples_per_send", queue.max_samples_per_send},
       {"capacity", queue.capacity}}};
  for (const auto& [key, value] : positive) {
    if (value == 0) return fail(node.find(key).error("remote write queue {} must be positive", key));
  }
  if (queue.min_shards > queue.max_shards) {
    return fail(node.find("min_shards").error("remote write queue min_shards must not be greater than max_shards"));
  }
  if (queue.max_backoff < queue.min_backoff) {
    return fail(node.find("max_backoff").error("remote write queue max_backoff must not be less than min_backoff"));
  }
  if (queue.min_backoff <= core::Millis(0)) {
    return fail(node.find("min_backoff").error("remote write queue min_backoff must be positive"));
  }
  if (queue.batch_send_deadline <= core::Millis(0)) {
    return fail(node.find("batch_send_deadline").error("remote write queue batch_send_deadline must be positive"));
  }
  return {};
}

Result<void> check_metadata(const MetadataConfig& metadata, const Node& node) {
  if (metadata.max_samples_per_send == 0) {
    return fail(node.find("max_samples_per_send").error("metadata max_samples_per_send must be positive"));
  }
  if (metadata.send && metadata.send_interval <= core::Millis(0)) {
    return fail(node.find("send_interval").error("metadata send_interval must be positive"));
  }
  return {};
}

Result<void> check_headers(const RemoteWriteConfig& remote, const Node& node) {
  for (const auto& [name, value] : remote.headers) {
    const std::string plain = lower(name);
    const Node at = node.find("headers").find(name);
    if (plain == "authorization") {
      return fail(
          at.error("authorization header must be changed via the basic_auth, authorization, oauth2, sigv4, "
                   "azuread or google_iam parameter"));
    }
    if (std::ranges::find(kReservedHeaders, plain) != kReservedHeaders.end()) {
      return fail(at.error("{} is a reserved header. It must not be changed", name));
    }
    const auto is_token = [](unsigned char c) { return c > ' ' && c < 0x7f && c != ':'; };
    if (name.empty() || !std::ranges::all_of(name, is_token)) return fail(at.error("not a header: \"{}\"", name));
    if (value.find_first_of("\r\n") != std::string::npos) return fail(at.error("a header is one line"));
  }
  return {};
}

// What Prometheus has and this agent has not: false, the default, is all that can be asked for.
Result<void> check_supported(const RemoteWriteConfig& remote, const Node& node) {
  if (remote.send_exemplars) {
    return fail(not_supported(node.find("send_exemplars"), "true is not supported: exemplars are not stored"));
  }
  if (remote.send_native_histograms) {
    return fail(
        not_supported(node.find("send_native_histograms"), "true is not supported: native histograms are not stored"));
  }
  if (remote.round_robin_dns) {
    return fail(not_supported(node.find("round_robin_dns"), "true is not supported: addresses are taken as they come"));
  }
  if (remote.failed_request_logging) {
    return fail(not_supported(node.find("failed_request_logging"),
                              "true is not supported: the log has the receiver's answer, not the request"));
  }
  if (remote.protobuf_message == kMessageV1) return {};
  const Node message = node.find("protobuf_message");
  if (remote.protobuf_message == kMessageV2) {
    return fail(not_supported(message, "remote write 2.0 is not supported; use prometheus.WriteRequest"));
  }
  return fail(
      message.error("invalid protobuf_message value: unknown type for remote write protobuf message {}, "
                    "supported: prometheus.WriteRequest, io.prometheus.write.v2.Request",
                    remote.protobuf_message));
}

Result<void> check_remote(const RemoteWriteConfig& remote, const Node& node) {
  if (node.is_null()) return fail(node.error("empty or null remote write config section"));
  if (remote.url.empty()) return fail(node.error("url for remote_write is empty"));
  if (auto url = core::net::parse_url(remote.url); !url) {
    return fail(node.find("url").error("{}", url.error().message));
  }
  if (remote.remote_timeout <= core::Millis(0)) {
    return fail(node.find("remote_timeout").error("remote_timeout must be positive"));
  }
  if (auto checked = check_headers(remote, node); !checked) return checked;
  if (auto checked = check_supported(remote, node); !checked) return checked;
  auto rules = relabel::Rules::compile(remote.write_relabel_configs, relabel::NameValidation::kUtf8);
  if (!rules) return fail(node.find("write_relabel_configs").error("{}", rules.error().message));
  return {};
}

}  // namespace

const Table<QueueConfig>& QueueConfig::fields() {
  using Self = QueueConfig;
  static const auto table =
      Table<Self>("queue_config", "How samples are packed into requests, and when a failed one is sent again.")
          .field("capacity", &Self::capacity, {.help = "Samples that a shard holds ready to be sent, at most."})
          .field("max_shards", &Self::max_shards, {.help = "Requests at once, at most."})
          .field("min_shards", &Self::min_shards, {.help = "Requests at once, to begin with and at least."})
          .field("max_samples_per_send", &Self::max_samples_per_send, {.help = "Samples of one request, at most."})
          .field("batch_send_deadline", &Self::batch_send_deadline,
                 {.help = "How often the ring is looked at for new samples, which are then sent, however few."})
          .field("min_backoff", &Self::min_backoff,
                 {.help = "The first wait before a failed request is sent again; it doubles."})
          .field("max_backoff", &Self::max_backoff, {.help = "The longest such wait; Retry-After goes beyond it."})
          .field("retry_on_http_429", &Self::retry_on_http_429,
                 {.help = "Whether a request answered with 429 is sent again, rather than dropped."})
          .field("sample_age_limit", &Self::sample_age_limit,
                 {.help = "Samples older than this are dropped and counted; 0: none are."})
          .check(check_queue);
  return table;
}

const Table<MetadataConfig>& MetadataConfig::fields() {
  using Self = MetadataConfig;
  static const auto table =
      Table<Self>("metadata_config", "Type, help and unit of the scraped metrics, sent from time to time.")
          .field("send", &Self::send, {.help = "Whether they are sent."})
          .field("send_interval", &Self::send_interval, {.help = "How often."})
          .field("max_samples_per_send", &Self::max_samples_per_send, {.help = "Metrics of one request, at most."})
          .check(check_metadata);
  return table;
}

const Table<RemoteWriteConfig>& RemoteWriteConfig::fields() {
  using Self = RemoteWriteConfig;
  static const auto table =
      Table<Self>("remote_write", "A receiver of every sample, as Prometheus remote write 1.0.")
          .field("url", &Self::url,
                 {.help = "Where to; required.", .example = "https://metrics.example.org/api/v1/write"})
          .field("remote_timeout", &Self::remote_timeout, {.help = "How long one request may take."})
          .field("name", &Self::name,
                 {.help = "Its name in metrics and logs, and of its place in the ring; default: follows from the URL."})
          .field("headers", &Self::headers, {.help = "Headers sent with every request."})
          .field("write_relabel_configs", &Self::write_relabel_configs,
                 {.help = "Changes the labels of series, external ones included, or drops series, for this receiver."})
          .field("send_exemplars", &Self::send_exemplars, {.help = "Only false is supported."})
          .field("send_native_histograms", &Self::send_native_histograms, {.help = "Only false is supported."})
          .field("round_robin_dns", &Self::round_robin_dns, {.help = "Only false is supported."})
          .field("failed_request_logging", &Self::failed_request_logging, {.help = "Only false is supported."})
          .field("protobuf_message", &Self::protobuf_message, {.help = "Only prometheus.WriteRequest is supported."})
          .field("queue_config", &Self::queue_config, {.help = "Packing, shards and retries."})
          .field("metadata_config", &Self::metadata_config, {.help = "What metrics mean."})
          .embed(&Self::http, core::net::HttpClientConfig::fields())
          .refuse("sigv4", "requests signed for AWS are not supported")
          .refuse("azuread", "Azure AD is not supported")
          .refuse("google_iam", "Google IAM is not supported")
          .check(check_remote);
  return table;
}

std::vector<std::string> names_of(const std::vector<RemoteWriteConfig>& remotes) {
  std::set<std::string> taken;
  for (const RemoteWriteConfig& remote : remotes) {
    if (!remote.name.empty()) taken.insert(remote.name);
  }
  std::vector<std::string> names;
  for (const RemoteWriteConfig& remote : remotes) {
    if (!remote.name.empty()) {
      names.push_back(remote.name);
      continue;
    }
    const std::string base = fmt::format("{:06x}", core::ring::Labels{{"url", remote.url}}.fingerprint() & 0xffffff);
    std::string name = base;
    for (int repeat = 2; !taken.insert(name).second; ++repeat) name = fmt::format("{}-{}", base, repeat);
    names.push_back(std::move(name));
  }
  return names;
}

Result<void> check_remotes(const std::vector<RemoteWriteConfig>& remotes, const Node& node) {
  const std::vector<Node> items = node.items();
  for (std::size_t i = 0; i < remotes.size(); ++i) {
    const Node& at = i < items.size() ? items[i] : node;
    for (std::size_t before = 0; before < i; ++before) {
      if (!remotes[i].name.empty() && remotes[i].name == remotes[before].name) {
        return fail(at.find("name").error("found multiple remote write configs with job name \"{}\"", remotes[i].name));
      }
      if (remotes[i] == remotes[before]) {
        return fail(at.error("duplicate remote write configs are not allowed, found duplicate for URL: {}",
                             core::net::redact_url(remotes[i].url)));
      }
    }
  }
  return {};
}

}  // namespace collector::remote_write

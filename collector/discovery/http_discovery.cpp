// SPDX-License-Identifier: Apache-2.0
#include "collector/discovery/http_discovery.h"

#include <algorithm>
#include <cctype>

#include "collector/discovery/target_group_text.h"
#include "core/net/http_client.h"
#include "core/net/url.h"

namespace collector::discovery {
namespace {

using core::Errc;
using core::Result;
using core::config::Node;

// application/json, alone or with charset=utf-8, quoted or not, in any case (Prometheus, discovery/http).
bool is_json(std::string_view content_type) {
  std::string text;
  for (const char c : content_type) {
    if (c != ' ' && c != '\t' && c != '"') text += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return text == "application/json" || text == "application/json;charset=utf-8";
}

class HttpDiscovery final : public Discovery {
 public:
  HttpDiscovery(const HttpConfig& config, const Context& context, Sink& sink)
      : config_(config),
        context_(context),
        sink_(sink),
        timer_(context, config.refresh_interval, [this] { refresh(); }) {}
  ~HttpDiscovery() override {
    if (transfer_ != 0) context_.http.cancel(transfer_);
  }

 private:
  void refresh() {
    // The one before is about to run into its deadline, and says so itself.
    if (transfer_ != 0) return;
    core::net::Request request;
    request.url = config_.url;
    request.timeout = config_.refresh_interval;
    request.body_limit = kListBytesMax;
    request.headers.emplace_back("Accept", "application/json");
    request.headers.emplace_back("X-Prometheus-Refresh-Interval-Seconds",
                                 fmt::format("{}", std::chrono::duration<double>(config_.refresh_interval).count()));
    if (const auto applied = config_.http.apply(request); !applied) return sink_.failed(applied.error());
    transfer_ = context_.http.send(std::move(request), [this](Result<core::net::Response> response) {
      transfer_ = 0;
      take(std::move(response));
    });
  }

  Result<std::vector<TargetGroup>> groups_of(const Result<core::net::Response>& response) const {
    if (!response) return core::fail(response.error());
    const std::string shown = core::net::redact_url(config_.url);
    if (response->status != 200) {
      return core::fail(Errc::kFailed, "{}: server returned HTTP status {}{}{}", shown, response->status,
                        response->reason.empty() ? "" : " ", response->reason);
    }
    const std::string_view type = core::net::find_header(response->headers, "Content-Type");
    if (!is_json(type)) return core::fail(Errc::kFailed, "{}: unsupported content type \"{}\"", shown, type);
    auto groups = parse_json_groups(response->body, shown);
    if (!groups) return groups;
    for (TargetGroup& group : *groups) group.labels["__meta_url"] = config_.url;
    return groups;
  }

  void take(const Result<core::net::Response>& response) {
    auto groups = groups_of(response);
    if (!groups) return sink_.failed(groups.error());
    const std::size_t count = groups->size();
    for (std::size_t i = count; i < count_; ++i) {
      groups->push_back(
          {.source = fmt::format("{}:{}", core::net::redact_url(config_.url), i), .targets = {}, .labels = {}});
    }
    if (sink_.update(std::move(*groups))) count_ = count;
  }

  const HttpConfig config_;
  const Context& context_;
  Sink& sink_;
  std::size_t count_ = 0;  // groups, as last told
  core::net::TransferId transfer_ = 0;
  RefreshTimer timer_;
};

}  // namespace

const core::config::Table<HttpConfig>& HttpConfig::fields() {
  static const auto table = [] {
    core::config::Table<HttpConfig> built("http_sd_config", "Targets from an HTTP endpoint that answers with a list.");
    built.field("url", &HttpConfig::url, {.help = "The URL of the list."})
        .field("refresh_interval", &HttpConfig::refresh_interval, {.help = "How often it is asked for."})
        .embed(&HttpConfig::http, core::net::HttpClientConfig::fields())
        .check([](const HttpConfig& config, const Node& node) -> Result<void> {
          if (config.url.empty()) return core::fail(node.error("URL is missing"));
          const Node at = node.find("url");
          const std::size_t scheme = config.url.find("://");
          if (scheme == std::string::npos ||
              (!config.url.starts_with("http://") && !config.url.starts_with("https://"))) {
            return core::fail(at.error("URL scheme must be 'http' or 'https'"));
          }
          if (const std::size_t host = scheme + 3; host == config.url.size() || config.url[host] == '/') {
            return core::fail(at.error("host is missing in URL"));
          }
          if (auto url = core::net::parse_url(config.url); !url) return core::fail(at.error("{}", url.error().message));
          if (config.refresh_interval.count() <= 0) {
            return core::fail(node.error("refresh_interval: expected more than 0"));
          }
          return {};
        });
    return built;
  }();
  return table;
}

std::unique_ptr<Discovery> make_http_discovery(const HttpConfig& config, const Context& context, Sink& sink) {
  return std::make_unique<HttpDiscovery>(config, context, sink);
}

}  // namespace collector::discovery

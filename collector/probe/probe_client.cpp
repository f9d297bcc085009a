// SPDX-License-Identifier: Apache-2.0
#include "collector/probe/probe_client.h"

#include <map>
#include <set>

#include "core/net/url.h"

namespace collector::probe {
namespace {

using core::Result;
using core::config::Node;
using core::config::Table;

// The host of the requests that stand for probes; nobody is ever asked.
constexpr std::string_view kNobody = "localhost";

// Sets `to` where it is empty.
relabel::RelabelConfig default_label(std::string from, const std::string& to) {
  relabel::RelabelConfig rule;
  rule.source_labels = {to, std::move(from)};
  rule.separator = ";";
  rule.regex = ";(.*)";
  rule.target_label = to;
  return rule;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

std::string decode(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
    if (text[i] == '%' && high >= 0 && low >= 0) {
      result += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      result += text[i] == '+' ? ' ' : text[i];
    }
  }
  return result;
}

std::map<std::string, std::string> parameters_of(const std::string& url) {
  std::map<std::string, std::string> parameters;
  const std::size_t question = url.find('?');
  std::string_view rest = question == std::string::npos ? "" : std::string_view(url).substr(question + 1);
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('&'), rest.size());
    const std::string_view pair = rest.substr(0, end);
    const std::size_t equals = std::min(pair.find('='), pair.size());
    parameters.emplace(decode(pair.substr(0, equals)), decode(pair.substr(std::min(equals + 1, pair.size()))));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return parameters;
}

class ProbeClient final : public core::net::HttpClient {
 public:
  ProbeClient(ProbeRunner& runner, LastFailures& failures) : runner_(runner), failures_(failures) {}

  core::net::TransferId send(core::net::Request request,
                             std::function<void(Result<core::net::Response>)> done) override {
    auto parameters = parameters_of(request.url);
    ProbeQuery query;
    query.module = parameters["module"];
    query.target = parameters["target"];
    query.hostname = parameters["hostname"];
    query.job = parameters["job"];
    query.timeout = request.timeout;
    return runner_.run(std::move(query),
                       [this, url = std::move(request.url), done = std::move(done)](const ProbeResultPtr& result) {
                         failures_.note(url, *result);
                         core::net::Response response;
                         response.status = 200;
                         response.headers = {{"Content-Type", "text/plain; version=0.0.4"}};
                         response.body = metrics_text(*result, Audience::kRing);
                         done(std::move(response));
                       });
  }
  void cancel(core::net::TransferId transfer) override { runner_.cancel(transfer); }

 private:
  ProbeRunner& runner_;
  LastFailures& failures_;
};

}  // namespace

const Table<ProbeJobConfig>& ProbeJobConfig::fields() {
  static const auto table = [] {
    Table<ProbeJobConfig> built("probe_job", "Targets that are probed alike, once an interval.");
    built.field("job_name", &ProbeJobConfig::job_name, {.help = "The job label of its series.", .required = true})
        .field(
            "module", &ProbeJobConfig::module,
            {.help = "How: one of modules, or http_2xx. The label __param_module of a target wins.", .required = true})
        .field("interval", &ProbeJobConfig::interval, {.help = "How often; 0: as scrape_interval in global."})
        .field("timeout", &ProbeJobConfig::timeout,
               {.help = "How long a probe may take; 0: as scrape_timeout in global. The module's own counts where it "
                        "is shorter."})
        .field("hostname", &ProbeJobConfig::hostname,
               {.help = "The name that http and tls targets are asked for; the label __param_hostname wins."})
        .field("static_configs", &ProbeJobConfig::static_configs,
               {.help = "Targets that are listed, as their prober takes them: a URL, host:port, a path."})
        .field(
            "relabel_configs", &ProbeJobConfig::relabel_configs,
            {.help = "Rules on the labels of targets. What they leave in __param_target is probed, else __address__; "
                     "__param_module and __param_hostname say how."})
        .field("metric_relabel_configs", &ProbeJobConfig::metric_relabel_configs,
               {.help = "Rules on the labels of samples."})
        .field("target_limit", &ProbeJobConfig::target_limit,
               {.help = "More targets than this in a job fail every one of them; 0: no limit."})
        .embed(&ProbeJobConfig::discovery, discovery::DiscoveryConfigs::fields())
        .check([](const ProbeJobConfig& job, const Node& node) -> Result<void> {
          if (job.job_name.empty()) return core::fail(node.error("job_name is empty"));
          if (job.module.empty()) return core::fail(node.error("module is empty"));
          return {};
        });
    return built;
  }();
  return table;
}

scrape::ScrapeConfig to_scrape_config(const ProbeJobConfig& job) {
  scrape::ScrapeConfig config;
  config.job_name = job.job_name;
  config.scrape_interval = job.interval;
  config.scrape_timeout = job.timeout;
  config.metrics_path = "/probe";
  config.params = {{"module", {job.module}}, {"job", {job.job_name}}};
  if (!job.hostname.empty()) config.params["hostname"] = {job.hostname};
  config.enable_compression = false;
  config.target_limit = job.target_limit;
  config.static_configs = job.static_configs;
  config.relabel_configs = job.relabel_configs;
  config.discovery = job.discovery;
  config.relabel_configs.push_back(default_label("__address__", "__param_target"));
  config.relabel_configs.push_back(default_label("__param_target", "instance"));
  config.relabel_configs.push_back(default_label("__param_module", "module"));
  // A target without anything to probe stays without an address, which is an error that names it.
  relabel::RelabelConfig nobody;
  nobody.source_labels = {"__param_target"};
  nobody.regex = "(.+)";
  nobody.target_label = "__address__";
  nobody.replacement = kNobody;
  config.relabel_configs.push_back(std::move(nobody));
  config.metric_relabel_configs = job.metric_relabel_configs;
  return config;
}

void LastFailures::note(const std::string& url, const ProbeResult& result) {
  const std::lock_guard lock(mutex_);
  if (!result.report.failed()) {
    failures_.erase(url);
    return;
  }
  constexpr std::size_t kDetailBytesMax = 300;
  const auto& failure = result.report.failure();
  failures_.insert_or_assign(
      url, Failure{result.verdict() == Verdict::kUnknown,
                   fmt::format("{}: {}", to_string(failure.reason), printable(failure.detail, kDetailBytesMax))});
}

std::map<std::string, LastFailures::Failure> LastFailures::of(const std::vector<std::string>& urls) const {
  std::map<std::string, Failure> found;
  const std::lock_guard lock(mutex_);
  for (const std::string& url : urls) {
    if (const auto known = failures_.find(url); known != failures_.end()) found.insert(*known);
  }
  return found;
}

void LastFailures::keep_only(const std::vector<std::string>& urls) {
  const std::set<std::string_view> kept(urls.begin(), urls.end());
  const std::lock_guard lock(mutex_);
  std::erase_if(failures_, [&kept](const auto& each) { return !kept.contains(each.first); });
}

std::unique_ptr<core::net::HttpClient> make_probe_client(ProbeRunner& runner, LastFailures& failures) {
  return std::make_unique<ProbeClient>(runner, failures);
}

}  // namespace collector::probe

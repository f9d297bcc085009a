// SPDX-License-Identifier: Apache-2.0
#include "agent/config/agent_config.h"

#include "agent/config/example.h"
#include "core/net/url.h"

namespace agent {
namespace {

using core::Result;
using core::config::Node;
using core::config::Table;

constexpr std::string_view kNotYet = "not yet part of this version";

// Tables and labels take about this much of the file for each series: with less there is no room for samples.
constexpr std::uint64_t kLeastBytesPerSeries = 256;

std::string print(core::config::ByteSize size) { return core::config::Codec<core::config::ByteSize>::print(size); }

Result<void> check_ring(const RingConfig& ring, const Node& node) {
  if (ring.size.bytes < core::ring::kLeastMappedRingBytes) {
    return core::fail(
        node.find("size").error("a ring has at least {}", print({.bytes = core::ring::kLeastMappedRingBytes})));
  }
  if (!ring.max_series) return {};
  if (*ring.max_series == 0) return core::fail(node.find("max_series").error("a ring holds at least one series"));
  const std::uint64_t most = ring.size.bytes / kLeastBytesPerSeries;
  if (*ring.max_series > most) {
    return core::fail(node.find("max_series")
                          .error("a ring of {} holds at most {} series, one for each {} bytes", print(ring.size), most,
                                 kLeastBytesPerSeries));
  }
  return {};
}

Result<void> check_queries(const ApiConfig& api, const Node& node) {
  const auto positive = [&](bool is, const char* key) -> Result<void> {
    if (is) return {};
    return core::fail(node.find(key).error("expected more than 0"));
  };
  if (auto ok = positive(api.query_timeout.count() > 0, "query_timeout"); !ok) return ok;
  // The watchdog takes rules that are not evaluated for longer as stuck.
  if (api.query_timeout > std::chrono::minutes(2)) {
    return core::fail(node.find("query_timeout").error("expected no more than 2m"));
  }
  if (auto ok = positive(api.query_max_samples > 0, "query_max_samples"); !ok) return ok;
  if (auto ok = positive(api.query_max_concurrency > 0, "query_max_concurrency"); !ok) return ok;
  // The HTTP server has 32 threads, and some of them answer other requests.
  if (constexpr std::uint32_t kMost = 24; api.query_max_concurrency > kMost) {
    return core::fail(node.find("query_max_concurrency").error("expected no more than {}", kMost));
  }
  return positive(api.query_lookback_delta.count() > 0, "query_lookback_delta");
}

Result<void> check_api(const ApiConfig& api, const Node& node) {
  if (api.external_url.empty()) return {};
  if (auto url = core::net::parse_url(api.external_url); !url) {
    return core::fail(node.find("external_url").error("{}", url.error().message));
  }
  if (api.external_url.ends_with('/')) {
    return core::fail(node.find("external_url").error("expected a URL without a trailing slash"));
  }
  return {};
}

}  // namespace

const Table<GlobalSection>& GlobalSection::fields() {
  static const auto table = [] {
    Table<GlobalSection> built("global",
                               "What holds for every job, rule group and receiver that does not say otherwise.");
    built.embed(&GlobalSection::scrape, collector::scrape::GlobalConfig::fields())
        .embed(&GlobalSection::notify, actions::notify::NotifyGlobalConfig::fields());
    return built;
  }();
  return table;
}

const Table<RulesSection>& RulesSection::fields() {
  static const auto table = [] {
    Table<RulesSection> built("rules", "How rules are evaluated, and how long a state must last to be told.");
    built.embed(&RulesSection::evaluation, rules::RulesConfig::fields())
        .field("notification_delay", &RulesSection::notification_delay,
               {.help = "Keeps receivers from alerts that come and go."});
    return built;
  }();
  return table;
}

const Table<RingConfig>& RingConfig::fields() {
  static const auto table =
      Table<RingConfig>("ring", "The time-series ring: how much the agent remembers, and never more.")
          .field("size", &RingConfig::size,
                 {.help = "Bytes of its file: tables, labels and samples. The oldest samples go first.",
                  .reloadable = false,
                  .example = "512MiB"})
          .field("max_series", &RingConfig::max_series,
                 {.help = "Series at once; default: one for each 512 bytes of size. Further ones are refused and "
                          "counted for their target.",
                  .reloadable = false})
          .field("lock_memory", &RingConfig::lock_memory,
                 {.help = "Keeps all of it in memory, so that nothing waits for the disk to read it.",
                  .reloadable = false})
          .field("huge_pages", &RingConfig::huge_pages,
                 {.help = "Asks for huge pages; the kernel may have none for files.", .reloadable = false})
          .field("folder", &RingConfig::folder,
                 {.help = "Of its file; default: the data folder. In one on tmpfs it costs less and wears no disk, "
                          "but is lost with the machine's next start.",
                  .reloadable = false})
          .check(check_ring);
  return table;
}

const Table<ApiConfig>& ApiConfig::fields() {
  static const auto table =
      Table<ApiConfig>("api", "The HTTP API, the page and /metrics.")
          .field(
              "listen", &ApiConfig::listen,
              {.help = "HOST:PORT to listen on; --listen overrides it. There is no login: whoever reaches the port can "
                       "read everything.",
               .reloadable = false})
          .field(
              "external_url", &ApiConfig::external_url,
              {.help = "Where people reach the page, for links in messages; default: http:// and the listen address.",
               .example = "https://watch.example.org"})
          .field("allow_remote_changes", &ApiConfig::allow_remote_changes,
                 {.help = "Whether requests that change something (approve, pause, reload) are taken from other hosts.",
                  .reloadable = false})
          .field("query_timeout", &ApiConfig::query_timeout,
                 {.help = "How long a query may take, those of rules too; a request may ask for less.",
                  .reloadable = false})
          .field("query_max_samples", &ApiConfig::query_max_samples,
                 {.help = "Samples that one query may hold in memory at once, 16 bytes each; a larger one fails.",
                  .reloadable = false})
          .field("query_max_concurrency", &ApiConfig::query_max_concurrency,
                 {.help = "Queries of the API that run at once; others wait, no longer than their timeout.",
                  .reloadable = false})
          .field("query_lookback_delta", &ApiConfig::query_lookback_delta,
                 {.help = "How old the newest sample of a series may be for a query to see it.", .reloadable = false})
          .refuse("auth", kNotYet)
          .refuse("tls", kNotYet)
          .check(check_queries)
          .check(check_api);
  return table;
}

const Table<LogConfig>& LogConfig::fields() {
  static const auto table =
      Table<LogConfig>("log", "What the agent writes to standard error.")
          .field("level", &LogConfig::level, {.help = "The least severe messages that are written."})
          .field("format", &LogConfig::format, {.help = "Lines for people (and journald), or one JSON object a line."});
  return table;
}

namespace {

// The sections that say what is done.
void add_actions(Table<AgentConfig>& built) {
  built
      .field("backups", &AgentConfig::backups,
             {.help = "What is backed up, where to and when, with restic.", .example = example::kBackups})
      .field("remediations", &AgentConfig::remediations,
             {.help = "What is done about an alert, and how far by itself.", .example = example::kRemediations})
      .field("remediation_budgets", &AgentConfig::remediation_budgets,
             {.help = "How much remediations that share a budget may touch at once."})
      .field("remediation_gates", &AgentConfig::remediation_gates,
             {.help = "Conditions that several remediations need, by name."})
      .field("remediation_storm", &AgentConfig::remediation_storm,
             {.help = "When so much happens at once that nothing is started any more."})
      .field("remediation_evidence", &AgentConfig::remediation_evidence,
             {.help = "How much of what remediations leave for people is kept."})
      .field(
          "drillable", &AgentConfig::drillable,
          {.help = "Components that drills may hurt, and what of them they may touch.", .example = example::kDrillable})
      .field("drills", &AgentConfig::drills,
             {.help = "Failures that are injected on purpose, and what must be seen of them.",
              .example = example::kDrills})
      .field("replace", &AgentConfig::replace, {.help = "Hosts that are replaced by new ones, one after another."})
      .field("protected", &AgentConfig::protection,
             {.help = "What no step stops, replaces or evicts, because validators sign there."});
}

}  // namespace

const Table<AgentConfig>& AgentConfig::fields() {
  static const auto table = [] {
    Table<AgentConfig> built(
        "configuration",
        "The configuration file. Sections that Prometheus or Alertmanager have, have their names and "
        "meaning here.");
    built
        .field("global", &AgentConfig::global,
               {.help = "Defaults for jobs, rules and receivers.", .example = example::kGlobal})
        .field("scrape_configs", &AgentConfig::scrape_configs,
               {.help = "The targets that are scraped, job by job.", .example = example::kScrapeConfigs})
        .field("scrape_config_files", &AgentConfig::scrape_config_files,
               {.help = "Files with further scrape_configs; * stands for any text in the last part of a path."})
        .field("modules", &AgentConfig::modules,
               {.help = "How things are probed, by name: blackbox_exporter's section, unchanged.",
                .example = example::kModules})
        .field("probes", &AgentConfig::probes,
               {.help = "What is probed from here, job by job.", .example = example::kProbes})
        .field(
            "certificate_files", &AgentConfig::certificate_files,
            {.help =
                 "Files with certificates in PEM, whose ends are watched once a minute as the job certificate_files; "
                 "* stands for any text in a part of a path."})
        .field("rule_files", &AgentConfig::rule_files,
               {.help = "Rule files; * stands for any text in the last part of a path. Relative to this file.",
                .example = example::kRuleFiles})
        .field("rules", &AgentConfig::rules, {.help = "How rules are evaluated."})
        .field("alerting", &AgentConfig::alerting,
               {.help = "Alertmanagers that are told every alert.", .example = example::kAlerting})
        .field("route", &AgentConfig::route,
               {.help = "Which alert goes to which receiver, as in Alertmanager.", .example = example::kRoute})
        .field("receivers", &AgentConfig::receivers, {.help = "Who can be told.", .example = example::kReceivers})
        .field("inhibit_rules", &AgentConfig::inhibit_rules, {.help = "Alerts that silence others while they fire."})
        .field("time_intervals", &AgentConfig::time_intervals, {.help = "Named times for routes."})
        .field("mute_time_intervals", &AgentConfig::mute_time_intervals, {.help = "The older name of time_intervals."})
        .field("host", &AgentConfig::host,
               {.help = "Metrics of this machine, with node_exporter's names; without this section there are none.",
                .example = example::kHost})
        .field("remote_write", &AgentConfig::remote_write,
               {.help = "Receivers of every sample: Prometheus, VictoriaMetrics, Mimir, Thanos.",
                .example = example::kRemoteWrite})
        .field("staking", &AgentConfig::staking,
               {.help = "The nodes of a staking operation: they are observed by their own interfaces.",
                .example = example::kStaking})
        .field("ring", &AgentConfig::ring, {.help = "How much is remembered."});
    add_actions(built);
    built.field("api", &AgentConfig::api, {.help = "The HTTP API and the page."})
        .field("log", &AgentConfig::log, {.help = "The log."});
    for (const char* const later :
         {"remote_read", "storage", "tracing", "otlp", "runtime", "templates", "failover", "coordination"}) {
      built.refuse(later, kNotYet);
    }
    return built;
  }();
  return table;
}

actions::notify::NotifyConfig AgentConfig::notify() const {
  return {.global = global.notify,
          .route = route,
          .receivers = receivers,
          .inhibit_rules = inhibit_rules,
          .time_intervals = time_intervals,
          .mute_time_intervals = mute_time_intervals};
}

std::vector<actions::notify::TimeIntervalConfig> AgentConfig::all_time_intervals() const {
  std::vector<actions::notify::TimeIntervalConfig> all = time_intervals;
  all.insert(all.end(), mute_time_intervals.begin(), mute_time_intervals.end());
  return all;
}

actions::remedy::Policy AgentConfig::policy() const {
  actions::remedy::Policy policy{.remediations = remediations,
                                 .budgets = remediation_budgets,
                                 .gates = remediation_gates,
                                 .storm = remediation_storm,
                                 .evidence = remediation_evidence,
                                 .intervals = {}};
  actions::replace::add_to_policy(replace, policy);
  return policy;
}

actions::drill::DrillPlan AgentConfig::drill_plan() const {
  actions::drill::DrillPlan plan{
      .drills = drills, .drillable = drillable, .signers = {}, .protection = protection, .policy = nullptr};
  const auto add = [&](const std::string& name, const std::vector<std::string>& urls) {
    plan.signers.insert(name);
    for (const std::string& url : urls) {
      if (!url.empty()) plan.signers.insert(collector::staking::address_of(url));
    }
  };
  for (const auto& each : staking.validator_clients) {
    add(each.name, {each.metrics, each.keymanager ? each.keymanager->url : std::string()});
  }
  for (const auto& each : staking.signers) add(each.name, {each.metrics, each.url});
  return plan;
}

}  // namespace agent

// SPDX-License-Identifier: Apache-2.0
#include "collector/scrape/scrape_config.h"

#include <algorithm>
#include <cstdlib>
#include <set>
#include <span>
#include <string_view>

namespace collector::scrape {
namespace {

using core::Errc;
using core::Result;
using core::config::Node;
using core::config::Table;
using relabel::NameValidation;

Result<void> refuse_native_histograms(bool scrape, bool convert, const Node& node) {
  if (!scrape && !convert) return {};
  return fail(Errc::kNotSupported, "{}",
              node.error("{}: true is not supported: native histograms are not stored",
                         scrape ? "scrape_native_histograms" : "convert_classic_histograms_to_nhcb")
                  .message);
}

// Sizes and label settings that `global` and a job share, by name and meaning.
template <class T>
Table<T>& add_shared_fields(Table<T>& table) {
  return table
      .field("scrape_protocols", &T::scrape_protocols,
             {.help = "The formats to ask for, most wanted first; PrometheusProto is left out of the request."})
      .field("body_size_limit", &T::body_size_limit,
             {.help = "A decompressed body of this size or more fails the scrape; 0: 128MiB."})
      .field("sample_limit", &T::sample_limit,
             {.help = "More samples than this, after metric relabelling, fail the scrape; 0: no limit."})
      .field("target_limit", &T::target_limit,
             {.help = "More targets than this in a job fail every one of them; 0: no limit."})
      .field("label_limit", &T::label_limit, {.help = "Most labels of a sample, its name included; 0: no limit."})
      .field("label_name_length_limit", &T::label_name_length_limit,
             {.help = "Most bytes of a label's name; 0: no limit."})
      .field("label_value_length_limit", &T::label_value_length_limit,
             {.help = "Most bytes of a label's value; 0: no limit."})
      .field("keep_dropped_targets", &T::keep_dropped_targets,
             {.help = "How many targets dropped by relabelling the API shows; 0: all."})
      .field("metric_name_validation_scheme", &T::metric_name_validation_scheme,
             {.help = "Whether names may be any UTF-8 (utf8) or only letters, digits and underscores (legacy)."})
      .field("metric_name_escaping_scheme", &T::metric_name_escaping_scheme,
             {.help = "How targets are asked to write names that are not plain."})
      .field("scrape_native_histograms", &T::scrape_native_histograms, {.help = "Only false is supported."})
      .field("convert_classic_histograms_to_nhcb", &T::convert_classic_histograms_to_nhcb,
             {.help = "Only false is supported."})
      .field("always_scrape_classic_histograms", &T::always_scrape_classic_histograms,
             {.help = "Classic histograms are always kept; this changes nothing."})
      .field("extra_scrape_metrics", &T::extra_scrape_metrics,
             {.help = "Adds scrape_timeout_seconds, scrape_sample_limit and scrape_body_size_bytes."})
      .refuse("scrape_failure_log_file", "failures are in the agent's log and in /api/v1/targets");
}

Result<void> check_job(const ScrapeConfig& job, const Node& node) {
  if (node.is_null()) return fail(node.error("empty or null scrape config section"));
  if (job.job_name.empty()) return fail(node.error("job_name is empty"));
  if (!core::ring::is_valid_utf8(job.job_name)) return fail(node.error("job_name is not valid UTF-8"));
  if (job.enable_zstd && !job.enable_compression) {
    return fail(node.find("enable_zstd").error("enable_zstd: expected enable_compression with it"));
  }
  for (const discovery::StaticConfig& group : job.static_configs) {
    for (const std::string& target : group.targets) {
      // With relabelling the address may still change; it is then checked when targets are made.
      if (job.relabel_configs.empty() && target.find('/') != std::string::npos) {
        return fail(node.error("\"{}\" is not a valid hostname", target));
      }
    }
  }
  return refuse_native_histograms(job.scrape_native_histograms.value_or(false),
                                  job.convert_classic_histograms_to_nhcb.value_or(false), node);
}

template <class T>
void inherit(T& value, const T& global) {
  if (value == T{}) value = global;
}

std::string protocol_list(const std::vector<Protocol>& protocols) {
  std::string text;
  for (const Protocol each : protocols) {
    text += (text.empty() ? "" : " ") + core::config::Codec<Protocol>::print(each);
  }
  return text;
}

Result<void> check_protocols(const ScrapeConfig& job) {
  const std::vector<Protocol>& protocols = *job.scrape_protocols;
  if (protocols.empty()) {
    return core::fail(Errc::kInvalid, "scrape_protocols cannot be empty for scrape config with job name \"{}\"",
                      job.job_name);
  }
  if (std::set<Protocol>(protocols.begin(), protocols.end()).size() != protocols.size()) {
    return core::fail(Errc::kInvalid,
                      "duplicated protocol in scrape_protocols, got [{}] for scrape config with job name \"{}\"",
                      protocol_list(protocols), job.job_name);
  }
  if (protocols == std::vector<Protocol>{Protocol::kPrometheusProto}) {
    return core::fail(Errc::kNotSupported, "scrape_protocols: PrometheusProto alone is not supported in job \"{}\"",
                      job.job_name);
  }
  if (job.fallback_scrape_protocol == Protocol::kPrometheusProto) {
    return core::fail(Errc::kNotSupported, "fallback_scrape_protocol: PrometheusProto is not supported in job \"{}\"",
                      job.job_name);
  }
  return {};
}

Result<void> inherit_interval(ScrapeConfig& job, const GlobalConfig& global) {
  inherit(job.scrape_interval, global.scrape_interval);
  if (job.scrape_timeout.count() == 0) {
    const auto timeout = global.scrape_timeout.value_or(
        std::min<std::chrono::milliseconds>(std::chrono::seconds(10), global.scrape_interval));
    job.scrape_timeout = std::min(timeout, job.scrape_interval);
  }
  if (job.scrape_timeout > job.scrape_interval) {
    return core::fail(Errc::kInvalid,
                      "scrape timeout greater than scrape interval for scrape config with job name \"{}\"",
                      job.job_name);
  }
  return {};
}

Result<void> inherit_names(ScrapeConfig& job, const GlobalConfig& global) {
  const bool own_legacy = job.metric_name_validation_scheme == NameValidation::kLegacy;
  if (!job.metric_name_validation_scheme) {
    job.metric_name_validation_scheme = global.metric_name_validation_scheme.value_or(NameValidation::kUtf8);
  }
  const bool legacy = job.metric_name_validation_scheme == NameValidation::kLegacy;
  if (!job.metric_name_escaping_scheme) {
    const Escaping fallback = legacy ? Escaping::kUnderscores : Escaping::kAllowUtf8;
    job.metric_name_escaping_scheme = own_legacy ? fallback : global.metric_name_escaping_scheme.value_or(fallback);
  }
  if (legacy && job.metric_name_escaping_scheme == Escaping::kAllowUtf8) {
    return core::fail(Errc::kInvalid, "utf8 metric names requested but validation scheme is not set to UTF8");
  }
  for (const auto& rules : {job.relabel_configs, job.metric_relabel_configs}) {
    if (const auto compiled = relabel::Rules::compile(rules, *job.metric_name_validation_scheme); !compiled) {
      return core::fail(compiled.error());
    }
  }
  return {};
}

Result<void> resolve(ScrapeConfig& job, const GlobalConfig& global) {
  if (auto done = inherit_interval(job, global); !done) return done;
  if (auto done = inherit_names(job, global); !done) return done;
  if (!job.scrape_protocols) {
    job.scrape_protocols = global.scrape_protocols.value_or(
        std::vector<Protocol>{Protocol::kOpenMetricsText100, Protocol::kOpenMetricsText001,
                              Protocol::kPrometheusText100, Protocol::kPrometheusText004});
  }
  inherit(job.body_size_limit, global.body_size_limit);
  inherit(job.sample_limit, global.sample_limit);
  inherit(job.target_limit, global.target_limit);
  inherit(job.label_limit, global.label_limit);
  inherit(job.label_name_length_limit, global.label_name_length_limit);
  inherit(job.label_value_length_limit, global.label_value_length_limit);
  inherit(job.keep_dropped_targets, global.keep_dropped_targets);
  if (!job.scrape_native_histograms) job.scrape_native_histograms = global.scrape_native_histograms;
  if (!job.convert_classic_histograms_to_nhcb) {
    job.convert_classic_histograms_to_nhcb = global.convert_classic_histograms_to_nhcb;
  }
  if (!job.always_scrape_classic_histograms) {
    job.always_scrape_classic_histograms = global.always_scrape_classic_histograms;
  }
  if (!job.extra_scrape_metrics) job.extra_scrape_metrics = global.extra_scrape_metrics;
  return check_protocols(job);
}

// Go's os.Expand, with the environment.
std::string expand_environment(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] != '$' || i + 1 == text.size()) {
      result += text[i++];
      continue;
    }
    const bool braced = text[i + 1] == '{';
    if (text[i + 1] == '$') {
      result += '$';
      i += 2;
      continue;
    }
    const std::size_t start = i + (braced ? 2 : 1);
    std::size_t end = start;
    while (end < text.size() && (std::isalnum(static_cast<unsigned char>(text[end])) != 0 || text[end] == '_')) ++end;
    if (end == start || (braced && (end == text.size() || text[end] != '}'))) {
      result += text[i++];
      continue;
    }
    const char* value = std::getenv(std::string(text.substr(start, end - start)).c_str());
    if (value != nullptr) result += value;
    i = end + (braced ? 1 : 0);
  }
  return result;
}

}  // namespace

core::ring::Labels GlobalConfig::expanded_external_labels() const {
  std::vector<core::ring::Label> pairs;
  for (const auto& [name, value] : external_labels) pairs.push_back({name, expand_environment(value)});
  return core::ring::Labels(std::move(pairs));
}

const Table<GlobalConfig>& GlobalConfig::fields() {
  static const auto table = [] {
    Table<GlobalConfig> built("global", "What holds for every job and rule group that does not say otherwise.");
    built.field("scrape_interval", &GlobalConfig::scrape_interval, {.help = "How often targets are scraped."})
        .field("scrape_timeout", &GlobalConfig::scrape_timeout,
               {.help = "How long a scrape may take: 10s, or the interval if that is shorter."})
        .field("evaluation_interval", &GlobalConfig::evaluation_interval, {.help = "How often rules are evaluated."})
        .field("rule_query_offset", &GlobalConfig::rule_query_offset,
               {.help = "How far in the past rules are evaluated, for data that arrives late."})
        .field("external_labels", &GlobalConfig::external_labels,
               {.help = "Labels added to everything that leaves the agent; $NAME is taken from the environment."});
    add_shared_fields(built)
        .refuse("query_log_file", "queries are not logged")
        .check([](const GlobalConfig& global, const Node& node) -> Result<void> {
          for (const auto& [name, value] : global.external_labels) {
            if (!core::ring::is_valid_utf8(name) || name.empty()) {
              return fail(node.error("{} is not a valid label name", core::ring::go_quote(name)));
            }
            if (!core::ring::is_valid_utf8(value)) {
              return fail(node.error("{} is not a valid label value", core::ring::go_quote(value)));
            }
          }
          if (global.scrape_interval.count() <= 0) return fail(node.error("scrape_interval: expected more than 0"));
          if (global.evaluation_interval.count() <= 0) {
            return fail(node.error("evaluation_interval: expected more than 0"));
          }
          if (global.scrape_timeout.value_or(std::chrono::milliseconds(0)) > global.scrape_interval) {
            return fail(node.error("global scrape timeout greater than scrape interval"));
          }
          return refuse_native_histograms(global.scrape_native_histograms, global.convert_classic_histograms_to_nhcb,
                                          node);
        });
    return built;
  }();
  return table;
}

const Table<ExpectConfig>& ExpectConfig::fields() {
  static const auto table =
      Table<ExpectConfig>("expect",
                          "Series that a job must have; one that is absent is told by "
                          "watchkeeper_expected_series_absent{job, instance, metric}.")
          .field(
              "series", &ExpectConfig::series,
              {.help = "A metric's name, or a selector; job and instance are those of the target.", .required = true})
          .field(
              "targets", &ExpectConfig::targets,
              {.help = "The instances that must have it, whether they are discovered or not; default: every target of "
                       "the job, those included that are down or that relabelling dropped."});
  return table;
}

const Table<ScrapeConfig>& ScrapeConfig::fields() {
  static const auto table = [] {
    Table<ScrapeConfig> built("scrape_config", "One job: targets that are scraped alike.");
    built.field("job_name", &ScrapeConfig::job_name, {.help = "The job label of its series.", .required = true})
        .field("scrape_interval", &ScrapeConfig::scrape_interval, {.help = "How often; 0: as in global."})
        .field("scrape_timeout", &ScrapeConfig::scrape_timeout,
               {.help = "How long a scrape may take; 0: as in global."})
        .field("metrics_path", &ScrapeConfig::metrics_path, {.help = "The path of the metrics."})
        .field("scheme", &ScrapeConfig::scheme, {.help = "The scheme of the URL."})
        .field("params", &ScrapeConfig::params, {.help = "Parameters of the URL's query."})
        .field("honor_labels", &ScrapeConfig::honor_labels,
               {.help = "Whether a target's own labels win over those given here; else they become exported_x."})
        .field("honor_timestamps", &ScrapeConfig::honor_timestamps,
               {.help = "Whether times that a target gives its samples are used."})
        .field("track_timestamps_staleness", &ScrapeConfig::track_timestamps_staleness,
               {.help = "Whether a series with times of its own ends when the target stops showing it."})
        .field("enable_compression", &ScrapeConfig::enable_compression, {.help = "Whether to ask for gzip."})
        .field("enable_zstd", &ScrapeConfig::enable_zstd,
               {.help = "Whether to ask for zstd before gzip, which the agent unpacks with less work; Prometheus does "
                        "not ask for it."})
        .field("strict_exposition", &ScrapeConfig::strict_exposition,
               {.help = "Text that Prometheus fails a scrape for is an error here too: CR LF line ends, unknown types, "
                        "exemplars. Otherwise it is taken, and counted in watchkeeper_scrape_tolerated_lines_total."})
        .field("fallback_scrape_protocol", &ScrapeConfig::fallback_scrape_protocol,
               {.help = "The format of a target that names none, or none that is known."})
        .field("static_configs", &ScrapeConfig::static_configs, {.help = "Targets that are listed."})
        .field("relabel_configs", &ScrapeConfig::relabel_configs, {.help = "Rules on the labels of targets."})
        .field("metric_relabel_configs", &ScrapeConfig::metric_relabel_configs,
               {.help = "Rules on the labels of samples."})
        .field("expect", &ScrapeConfig::expect, {.help = "Series that its targets must have."})
        .field("native_histogram_bucket_limit", &ScrapeConfig::native_histogram_bucket_limit,
               {.help = "Native histograms are not stored; this changes nothing."})
        .field("native_histogram_min_bucket_factor", &ScrapeConfig::native_histogram_min_bucket_factor,
               {.help = "Native histograms are not stored; this changes nothing."});
    add_shared_fields(built);
    built.embed(&ScrapeConfig::http, core::net::HttpClientConfig::fields());
    built.embed(&ScrapeConfig::discovery, discovery::DiscoveryConfigs::fields());
    return built.check(check_job);
  }();
  return table;
}

Result<std::vector<ScrapeConfig>> resolve_jobs(std::vector<ScrapeConfig> jobs, const GlobalConfig& global) {
  std::set<std::string> names;
  for (ScrapeConfig& job : jobs) {
    if (!names.insert(job.job_name).second) {
      return core::fail(Errc::kInvalid, "found multiple scrape configs with job name \"{}\"", job.job_name);
    }
    if (auto done = resolve(job, global); !done) {
      return core::fail(done.error());
    }
  }
  return jobs;
}

}  // namespace collector::scrape

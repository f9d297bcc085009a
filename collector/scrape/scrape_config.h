// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "collector/discovery/discovery_configs.h"
#include "collector/relabel/relabel.h"
#include "core/config/table.h"
#include "core/net/http_client_config.h"

namespace collector::scrape {

enum class Protocol {
  kOpenMetricsText100,
  kOpenMetricsText001,
  kPrometheusText100,
  kPrometheusText004,
  kPrometheusProto,  // known; never offered to a target
};

enum class Escaping { kAllowUtf8, kUnderscores, kDots, kValues };

enum class Scheme { kHttp, kHttps };

// Prometheus's `global` section, as far as it concerns collecting and evaluating.
struct GlobalConfig {
  std::chrono::milliseconds scrape_interval = std::chrono::minutes(1);
  std::optional<std::chrono::milliseconds> scrape_timeout;
  std::chrono::milliseconds evaluation_interval = std::chrono::minutes(1);
  std::chrono::milliseconds rule_query_offset{0};
  std::map<std::string, std::string> external_labels;
  std::optional<std::vector<Protocol>> scrape_protocols;
  core::config::ByteSize body_size_limit;
  std::uint64_t sample_limit = 0;
  std::uint64_t target_limit = 0;
  std::uint64_t label_limit = 0;
  std::uint64_t label_name_length_limit = 0;
  std::uint64_t label_value_length_limit = 0;
  std::uint64_t keep_dropped_targets = 0;
  std::optional<relabel::NameValidation> metric_name_validation_scheme;
  std::optional<Escaping> metric_name_escaping_scheme;
  bool scrape_native_histograms = false;
  bool convert_classic_histograms_to_nhcb = false;
  bool always_scrape_classic_histograms = false;
  bool extra_scrape_metrics = false;

  // external_labels with $NAME and ${NAME} replaced from the environment; "$$" is a dollar, an unset variable is empty.
  core::ring::Labels expanded_external_labels() const;

  bool operator==(const GlobalConfig&) const = default;
  static const core::config::Table<GlobalConfig>& fields();
};

// Series that a job's targets must have: what is absent is a series of its own, with the target's labels.
struct ExpectConfig {
  std::string series;                // a metric's name or a selector
  std::vector<std::string> targets;  // instances; empty: every target of the job, those included that were dropped

  bool operator==(const ExpectConfig&) const = default;
  static const core::config::Table<ExpectConfig>& fields();
};

// Prometheus's <scrape_config>: one job. What is optional here is taken from `global` by resolve_jobs().
struct ScrapeConfig {
  std::string job_name;
  std::chrono::milliseconds scrape_interval{0};
  std::chrono::milliseconds scrape_timeout{0};
  std::string metrics_path = "/metrics";
  Scheme scheme = Scheme::kHttp;
  std::map<std::string, std::vector<std::string>> params;
  bool honor_labels = false;
  bool honor_timestamps = true;
  bool track_timestamps_staleness = false;
  bool enable_compression = true;
  bool enable_zstd = false;  // not one of Prometheus's
  std::optional<std::vector<Protocol>> scrape_protocols;
  std::optional<Protocol> fallback_scrape_protocol;
  core::config::ByteSize body_size_limit;
  std::uint64_t sample_limit = 0;
  std::uint64_t target_limit = 0;
  std::uint64_t label_limit = 0;
  std::uint64_t label_name_length_limit = 0;
  std::uint64_t label_value_length_limit = 0;
  std::uint64_t keep_dropped_targets = 0;
  std::uint64_t native_histogram_bucket_limit = 0;
  double native_histogram_min_bucket_factor = 0;
  std::optional<relabel::NameValidation> metric_name_validation_scheme;
  std::optional<Escaping> metric_name_escaping_scheme;
  std::optional<bool> scrape_native_histograms;
  std::optional<bool> convert_classic_histograms_to_nhcb;
  std::optional<bool> always_scrape_classic_histograms;
  std::optional<bool> extra_scrape_metrics;
  bool strict_exposition = false;  // not one of Prometheus's
  std::vector<discovery::StaticConfig> static_configs;
  discovery::DiscoveryConfigs discovery;
  std::vector<relabel::RelabelConfig> relabel_configs;
  std::vector<relabel::RelabelConfig> metric_relabel_configs;
  std::vector<ExpectConfig> expect;
  core::net::HttpClientConfig http;

  bool operator==(const ScrapeConfig&) const = default;
  static const core::config::Table<ScrapeConfig>& fields();
};

// The jobs with everything they inherit filled in, in order. kInvalid in Prometheus's words: a job name given twice, a
// timeout above its interval, a wrong list of protocols, names against the job's validation scheme.
core::Result<std::vector<ScrapeConfig>> resolve_jobs(std::vector<ScrapeConfig> jobs, const GlobalConfig& global);

inline constexpr core::config::EnumName<Protocol> kProtocolNames[] = {
    {Protocol::kOpenMetricsText001, "OpenMetricsText0.0.1"}, {Protocol::kOpenMetricsText100, "OpenMetricsText1.0.0"},
    {Protocol::kPrometheusProto, "PrometheusProto"},         {Protocol::kPrometheusText004, "PrometheusText0.0.4"},
    {Protocol::kPrometheusText100, "PrometheusText1.0.0"},
};
inline constexpr core::config::EnumName<Escaping> kEscapingNames[] = {{Escaping::kAllowUtf8, "allow-utf-8"},
                                                                      {Escaping::kUnderscores, "underscores"},
                                                                      {Escaping::kDots, "dots"},
                                                                      {Escaping::kValues, "values"}};
inline constexpr core::config::EnumName<Scheme> kSchemeNames[] = {{Scheme::kHttp, "http"}, {Scheme::kHttps, "https"}};
inline constexpr core::config::EnumName<relabel::NameValidation> kNameValidationNames[] = {
    {relabel::NameValidation::kUtf8, "utf8"}, {relabel::NameValidation::kLegacy, "legacy"}};

}  // namespace collector::scrape

namespace core::config {

template <>
struct Codec<collector::scrape::Protocol> : EnumCodec<collector::scrape::Protocol, collector::scrape::kProtocolNames> {
};
template <>
struct Codec<collector::scrape::Escaping> : EnumCodec<collector::scrape::Escaping, collector::scrape::kEscapingNames> {
};
template <>
struct Codec<collector::scrape::Scheme> : EnumCodec<collector::scrape::Scheme, collector::scrape::kSchemeNames> {};
template <>
struct Codec<collector::relabel::NameValidation>
    : EnumCodec<collector::relabel::NameValidation, collector::scrape::kNameValidationNames> {};

}  // namespace core::config

// SPDX-License-Identifier: Apache-2.0
#include "collector/scrape/target.h"

#include <algorithm>

#include "core/check.h"
#include "core/time/duration.h"

namespace collector::scrape {
namespace {

using core::Errc;
using core::Result;
using core::ring::Labels;
using relabel::LabelBuilder;

constexpr std::string_view kAddress = "__address__";
constexpr std::string_view kScheme = "__scheme__";
constexpr std::string_view kPath = "__metrics_path__";
constexpr std::string_view kInterval = "__scrape_interval__";
constexpr std::string_view kTimeout = "__scrape_timeout__";
constexpr std::string_view kParam = "__param_";
constexpr std::string_view kMeta = "__meta_";
constexpr std::string_view kReserved = "__";

bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("-_.~").find(c) != std::string_view::npos;
}

// RFC 3986 percent-encoding of every byte that is neither unreserved nor in `kept`.
std::string percent_encode(std::string_view text, std::string_view kept) {
  std::string result;
  for (const char c : text) {
    if (is_unreserved(c) || kept.find(c) != std::string_view::npos) {
      result += c;
    } else {
      result += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return result;
}

std::string encode_query(std::string_view text) {
  std::string result = percent_encode(text, " ");
  std::replace(result.begin(), result.end(), ' ', '+');
  return result;
}

std::string build_url(const ScrapeConfig& job, const LabelBuilder& labels) {
  std::map<std::string, std::vector<std::string>> params = job.params;
  for (const auto& [name, value] : labels.pairs()) {
    if (!name.starts_with(kParam)) continue;
    // The label stands for the first value of a parameter; the others stay.
    std::vector<std::string>& values = params[name.substr(kParam.size())];
    if (values.empty()) values.emplace_back();
    values.front() = value;
  }
  const std::string_view path = labels.get(kPath);
  std::string url = fmt::format("{}://{}{}{}", labels.get(kScheme), labels.get(kAddress),
                                path.starts_with('/') ? "" : "/", percent_encode(path, "$&+,/:;=@"));
  char separator = '?';
  for (const auto& [name, values] : params) {
    for (const std::string& value : values) {
      url += separator + encode_query(name) + '=' + encode_query(value);
      separator = '&';
    }
  }
  return url;
}

Result<core::Millis> parse_positive(std::string_view what, std::string_view text) {
  const auto parsed = core::parse_duration(text);
  if (!parsed) return core::fail(Errc::kInvalid, "error parsing scrape {}: {}", what, parsed.error().message);
  if (parsed->count() == 0) return core::fail(Errc::kInvalid, "scrape {} cannot be 0", what);
  return *parsed;
}

void set_default(LabelBuilder& labels, std::string_view name, std::string_view value) {
  if (labels.get(name).empty()) labels.set(name, value);
}

LabelBuilder discovered_labels(const ScrapeConfig& job, std::string_view address,
                               const std::map<std::string, std::string>& group_labels) {
  LabelBuilder labels;
  for (const auto& [name, value] : group_labels) labels.set(name, value);
  labels.set(kAddress, address);
  const auto text = [](const std::optional<bool>& flag) { return flag.value_or(false) ? "true" : "false"; };
  set_default(labels, "job", job.job_name);
  set_default(labels, kInterval, core::format_duration(job.scrape_interval));
  set_default(labels, kTimeout, core::format_duration(job.scrape_timeout));
  set_default(labels, kPath, job.metrics_path);
  set_default(labels, kScheme, core::config::Codec<Scheme>::print(job.scheme));
  set_default(labels, "__convert_classic_histograms_to_nhcb__", text(job.convert_classic_histograms_to_nhcb));
  set_default(labels, "__always_scrape_classic_histograms__", text(job.always_scrape_classic_histograms));
  set_default(labels, "__scrape_native_histograms__", text(job.scrape_native_histograms));
  for (const auto& [name, values] : job.params) {
    if (!values.empty()) set_default(labels, std::string(kParam) + name, values.front());
  }
  return labels;
}

Result<void> check_values(const LabelBuilder& labels) {
  for (const auto& [name, value] : labels.pairs()) {
    if (!core::ring::is_valid_utf8(value)) {
      return core::fail(Errc::kInvalid, "invalid label value for {}: {}", core::ring::go_quote(name),
                        core::ring::go_quote(value));
    }
  }
  return {};
}

// FNV-1a 64 of the URL, on top of the labels' own.
std::uint64_t with_url(std::uint64_t hash, std::string_view url) {
  for (const char c : url) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return hash;
}

}  // namespace

std::uint64_t Target::hash() const { return with_url(identity.fingerprint(), url); }

std::uint64_t Target::timeline_identity() const {
  return std::max<std::uint64_t>(1, with_url(labels.fingerprint(), url));
}

Result<Target> build_target(const ScrapeConfig& job, const relabel::Rules& rules, std::string_view address,
                            const std::map<std::string, std::string>& group_labels, Labels& discovered) {
  LabelBuilder labels = discovered_labels(job, address, group_labels);
  discovered = labels.build();
  if (!rules.apply(labels)) return core::fail(Errc::kCancelled, "dropped by relabelling");
  const std::string final_address(labels.get(kAddress));
  if (final_address.empty()) return core::fail(Errc::kInvalid, "no address");
  if (final_address.find('/') != std::string::npos) {
    return core::fail(Errc::kInvalid, "\"{}\" is not a valid hostname", final_address);
  }
  if (!labels.get("__unix_socket__").empty()) {
    return core::fail(Errc::kNotSupported, "__unix_socket__: scraping over a Unix socket is not part of this version");
  }
  const std::string_view scheme = labels.get(kScheme);
  if (scheme != "http" && scheme != "https") {
    return core::fail(Errc::kInvalid, "unsupported scheme \"{}\": expected http or https", scheme);
  }
  Target target;
  const auto interval = parse_positive("interval", labels.get(kInterval));
  if (!interval) return core::fail(interval.error());
  const auto timeout = parse_positive("timeout", labels.get(kTimeout));
  if (!timeout) return core::fail(timeout.error());
  if (*timeout > *interval) {
    return core::fail(Errc::kInvalid, "scrape timeout cannot be greater than scrape interval (\"{}\" > \"{}\")",
                      labels.get(kTimeout), labels.get(kInterval));
  }
  target.interval = *interval;
  target.timeout = *timeout;
  for (const auto& pair : std::vector<core::ring::Label>(labels.pairs())) {
    if (pair.name.starts_with(kMeta)) labels.remove(pair.name);
  }
  set_default(labels, "instance", final_address);
  if (auto valid = check_values(labels); !valid) return core::fail(valid.error());
  target.discovered = discovered;
  target.url = build_url(job, labels);
  target.identity = labels.build();
  LabelBuilder visible(target.identity);
  for (const auto& pair : target.identity) {
    if (pair.name.starts_with(kReserved)) visible.remove(pair.name);
  }
  target.labels = visible.build();
  return target;
}

TargetList build_targets(const ScrapeConfig& job) {
  const auto rules = relabel::Rules::compile(
      job.relabel_configs, job.metric_name_validation_scheme.value_or(relabel::NameValidation::kUtf8));
  CHECK(rules.has_value(), "resolve_jobs() has compiled these rules before");
  TargetList list;
  for (std::size_t group = 0; group < job.static_configs.size(); ++group) {
    const StaticConfig& listed = job.static_configs[group];
    for (std::size_t i = 0; i < listed.targets.size(); ++i) {
      Labels discovered;
      auto target = build_target(job, *rules, listed.targets[i], listed.labels, discovered);
      if (target) {
        const auto same = [&](const Target& other) { return other.same_as(*target); };
        if (std::none_of(list.active.begin(), list.active.end(), same)) list.active.push_back(std::move(*target));
      } else if (target.error().code == Errc::kCancelled) {
        ++list.dropped_count;
        if (job.keep_dropped_targets == 0 || list.dropped.size() < job.keep_dropped_targets) {
          list.dropped.push_back(std::move(discovered));
        }
      } else {
        list.errors.push_back(fmt::format("instance {} in group {}: {}", i, group, target.error().message));
      }
    }
  }
  return list;
}

}  // namespace collector::scrape

// SPDX-License-Identifier: Apache-2.0
#include "collector/scrape/target.h"

#include <algorithm>
#include <unordered_map>

#include "core/check.h"
#include "core/time/duration.h"

namespace collector::scrape {
namespace {

using core::Errc;
using core::Result;
using core::ring::Labels;
using discovery::LabelMap;
using relabel::LabelBuilder;

constexpr std::string_view kAddress = "__address__";
constexpr std::string_view kScheme = "__scheme__";
constexpr std::string_view kPath = "__metrics_path__";
constexpr std::string_view kInterval = "__scrape_interval__";
constexpr std::string_view kTimeout = "__scrape_timeout__";
constexpr std::string_view kConvertHistograms = "__convert_classic_histograms_to_nhcb__";
constexpr std::string_view kClassicHistograms = "__always_scrape_classic_histograms__";
constexpr std::string_view kNativeHistograms = "__scrape_native_histograms__";
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
  // As Go's net/url prints it: a path that relabelling emptied stays empty.
  const std::string_view path = labels.get(kPath);
  std::string url = fmt::format("{}://{}{}{}", labels.get(kScheme), labels.get(kAddress),
                                path.empty() || path.starts_with('/') ? "" : "/", percent_encode(path, "$&+,/:;=@"));
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

// As Go's strconv.ParseBool. What these labels ask for is not done here, one way or the other; a value that is none
// means that somebody relabelled by mistake.
Result<void> check_flags(const LabelBuilder& labels) {
  constexpr std::pair<std::string_view, std::string_view> kFlags[] = {
      {kConvertHistograms, "convert classic histograms to nhcb"},
      {kClassicHistograms, "always scrape classic histograms"},
      {kNativeHistograms, "scrape native histograms"}};
  for (const auto& [name, what] : kFlags) {
    const std::string_view text = labels.get(name);
    constexpr std::string_view kBools[] = {"1", "t", "T", "TRUE",  "true",  "True",
                                           "0", "f", "F", "FALSE", "false", "False"};
    if (text.empty() || std::find(std::begin(kBools), std::end(kBools), text) != std::end(kBools)) continue;
    return core::fail(Errc::kInvalid, "error parsing {}: strconv.ParseBool: parsing {}: invalid syntax", what,
                      core::ring::go_quote(text));
  }
  return {};
}

void set_default(LabelBuilder& labels, std::string_view name, std::string_view value) {
  if (labels.get(name).empty()) labels.set(name, value);
}

LabelBuilder discovered_labels(const ScrapeConfig& job, const LabelMap& own_labels, const LabelMap& group_labels) {
  // Merged in order first: there may be a hundred of them, and a builder looks for the place of each.
  std::vector<core::ring::Label> merged;
  LabelMap all = own_labels;
  all.insert(group_labels.begin(), group_labels.end());
  for (const auto& [name, value] : all) merged.push_back({name, value});
  LabelBuilder labels{Labels(std::move(merged))};
  const auto text = [](const std::optional<bool>& flag) { return flag.value_or(false) ? "true" : "false"; };
  set_default(labels, "job", job.job_name);
  set_default(labels, kInterval, core::format_duration(job.scrape_interval));
  set_default(labels, kTimeout, core::format_duration(job.scrape_timeout));
  set_default(labels, kPath, job.metrics_path);
  set_default(labels, kScheme, core::config::Codec<Scheme>::print(job.scheme));
  set_default(labels, kConvertHistograms, text(job.convert_classic_histograms_to_nhcb));
  set_default(labels, kClassicHistograms, text(job.always_scrape_classic_histograms));
  set_default(labels, kNativeHistograms, text(job.scrape_native_histograms));
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

Result<Target> build_target(const ScrapeConfig& job, const relabel::Rules& rules, const LabelMap& own_labels,
                            const LabelMap& group_labels, Labels& discovered) {
  LabelBuilder labels = discovered_labels(job, own_labels, group_labels);
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
  if (auto flags = check_flags(labels); !flags) return core::fail(flags.error());
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

namespace {

// Fills a list with the targets of one group after the other.
class ListBuilder {
 public:
  ListBuilder(const ScrapeConfig& job, const relabel::Rules& rules) : job_(job), rules_(rules) {}

  void add(const discovery::TargetGroup& group) {
    for (std::size_t i = 0; i < group.targets.size(); ++i) add(group, i);
  }
  TargetList take() { return std::move(list_); }

 private:
  void add(const discovery::TargetGroup& group, std::size_t i) {
    Labels discovered;
    auto target = build_target(job_, rules_, group.targets[i], group.labels, discovered);
    if (target) {
      auto& alike = by_hash_[target->hash()];
      const auto same = [&](std::size_t other) { return list_.active[other].same_as(*target); };
      if (std::any_of(alike.begin(), alike.end(), same)) return;
      alike.push_back(list_.active.size());
      list_.active.push_back(std::move(*target));
    } else if (target.error().code == Errc::kCancelled) {
      ++list_.dropped_count;
      if (job_.keep_dropped_targets == 0 || list_.dropped.size() < job_.keep_dropped_targets) {
        list_.dropped.push_back(std::move(discovered));
      }
    } else {
      list_.errors.push_back(fmt::format("instance {} in group {}: {}", i, group.source, target.error().message));
    }
  }

  const ScrapeConfig& job_;
  const relabel::Rules& rules_;
  TargetList list_;
  std::unordered_map<std::uint64_t, std::vector<std::size_t>> by_hash_;
};

}  // namespace

TargetList build_targets(const ScrapeConfig& job, const discovery::TargetGroups& groups) {
  const auto rules = relabel::Rules::compile(
      job.relabel_configs, job.metric_name_validation_scheme.value_or(relabel::NameValidation::kUtf8));
  CHECK(rules.has_value(), "resolve_jobs() has compiled these rules before");
  ListBuilder list(job, *rules);
  for (std::size_t i = 0; i < job.static_configs.size(); ++i) {
    const discovery::StaticConfig& listed = job.static_configs[i];
    discovery::TargetGroup group{.source = std::to_string(i), .targets = {}, .labels = listed.labels};
    for (const std::string& target : listed.targets) group.targets.push_back({{std::string(kAddress), target}});
    list.add(group);
  }
  for (const auto& group : groups) list.add(*group);
  return list.take();
}

}  // namespace collector::scrape

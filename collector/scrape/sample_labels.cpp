// SPDX-License-Identifier: Apache-2.0
#include "collector/scrape/sample_labels.h"

#include <algorithm>

#include "core/check.h"

namespace collector::scrape {
namespace {

using core::Errc;
using core::Result;
using core::ring::Label;
using core::ring::Labels;
using relabel::LabelBuilder;

// How much of a name or value a limit's message repeats, as in Prometheus.
constexpr std::size_t kNamedBytesMax = 50;
// How much of a line's labels a message lists.
constexpr std::size_t kNamesShownMax = 512;

// Cut before a rune that would not fit whole.
std::string_view cut(std::string_view text) {
  if (text.size() <= kNamedBytesMax) return text;
  std::size_t size = kNamedBytesMax;
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80) --size;
  return text.substr(0, size);
}

bool carries(const std::vector<Label>& exposed, std::string_view name) {
  return std::any_of(exposed.begin(), exposed.end(), [&](const Label& label) { return label.name == name; });
}

tl::unexpected<core::Error> not_unique(std::string_view name) {
  return core::fail(Errc::kInvalid, "label name {} is not unique: invalid sample", core::ring::go_quote(name));
}

Result<void> check_unique(const std::vector<Label>& exposed) {
  // So many are compared pair by pair; with a thousand labels a line, as a target may show, that would take for ever.
  constexpr std::size_t kCompared = 24;
  if (exposed.size() > kCompared) {
    std::vector<std::string_view> names;
    names.reserve(exposed.size());
    for (const Label& label : exposed) names.push_back(label.name);
    std::sort(names.begin(), names.end());
    const auto twice = std::adjacent_find(names.begin(), names.end());
    if (twice != names.end()) return not_unique(*twice);
    return {};
  }
  for (std::size_t i = 1; i < exposed.size(); ++i) {
    for (std::size_t k = 0; k < i; ++k) {
      if (exposed[i].name == exposed[k].name) return not_unique(exposed[i].name);
    }
  }
  return {};
}

// The target's labels win; what they push aside is kept under exported_NAME, with as many exported_ as it takes to find
// a free name. Shortest names first, so that the outcome does not hang on the order of labels.
void overwrite(LabelBuilder& labels, const Labels& target) {
  std::vector<Label> pushed_aside;
  for (const Label& label : target) {
    const std::string existing(labels.get(label.name));
    if (!existing.empty()) pushed_aside.push_back({label.name, existing});
    labels.set(label.name, label.value);
  }
  std::stable_sort(pushed_aside.begin(), pushed_aside.end(),
                   [](const Label& a, const Label& b) { return a.name.size() < b.name.size(); });
  for (const Label& label : pushed_aside) {
    std::string name = "exported_" + label.name;
    while (!labels.get(name).empty()) name = "exported_" + name;
    labels.set(name, label.value);
  }
}

Result<void> check_names(const Labels& labels, relabel::NameValidation validation) {
  bool valid = relabel::is_valid_metric_name(labels.metric_name(), validation);
  for (const Label& label : labels) {
    valid = valid && relabel::is_valid_label_name(label.name, validation) && core::ring::is_valid_utf8(label.value);
  }
  if (valid) return {};
  std::string text;
  for (const Label& label : labels) {
    text += fmt::format("{}{}={}", text.empty() ? "" : ", ", cut(label.name), core::ring::go_quote(cut(label.value)));
    if (text.size() < kNamesShownMax) continue;
    text += ", ...";
    break;
  }
  return core::fail(Errc::kInvalid, "invalid metric name or label names: {{{}}}", text);
}

Result<void> check_limits(const Labels& labels, const ScrapeConfig& config) {
  const std::string_view metric = cut(labels.metric_name());
  if (config.label_limit > 0 && labels.size() > config.label_limit) {
    return core::fail(Errc::kInvalid, "label_limit exceeded (metric: {}, number of labels: {}, limit: {})", metric,
                      labels.size(), config.label_limit);
  }
  for (const Label& label : labels) {
    if (config.label_name_length_limit > 0 && label.name.size() > config.label_name_length_limit) {
      return core::fail(Errc::kInvalid,
                        "label_name_length_limit exceeded (metric: {}, label name: {}, length: {}, limit: {})", metric,
                        cut(label.name), label.name.size(), config.label_name_length_limit);
    }
    if (config.label_value_length_limit > 0 && label.value.size() > config.label_value_length_limit) {
      return core::fail(
          Errc::kInvalid,
          "label_value_length_limit exceeded (metric: {}, label name: {}, value: {}, length: {}, limit: {})", metric,
          cut(label.name), core::ring::go_quote(cut(label.value)), label.value.size(), config.label_value_length_limit);
    }
  }
  return {};
}

}  // namespace

std::shared_ptr<const Job> Job::make(ScrapeConfig config) {
  auto rules = relabel::Rules::compile(config.metric_relabel_configs,
                                       config.metric_name_validation_scheme.value_or(relabel::NameValidation::kUtf8));
  CHECK(rules.has_value(), "resolve_jobs() has compiled these rules before");
  return std::make_shared<const Job>(Job{std::move(config), std::move(*rules)});
}

Result<std::optional<Labels>> sample_labels(const Job& job, const Labels& target, const std::vector<Label>& exposed) {
  if (auto unique = check_unique(exposed); !unique) return core::fail(unique.error());
  LabelBuilder labels(exposed);
  if (job.config.honor_labels) {
    // An exposed empty value counts as carried: the series then has no such label.
    for (const Label& label : target) {
      if (!carries(exposed, label.name)) labels.set(label.name, label.value);
    }
  } else {
    overwrite(labels, target);
  }
  if (!job.metric_rules.apply(labels)) return std::optional<Labels>();
  Labels result = labels.build();
  if (result.empty()) return std::optional<Labels>();
  if (!result.has(core::ring::kMetricName)) {
    return core::fail(Errc::kInvalid, "missing metric name (__name__ label)");
  }
  const auto validation = job.config.metric_name_validation_scheme.value_or(relabel::NameValidation::kUtf8);
  if (auto valid = check_names(result, validation); !valid) return core::fail(valid.error());
  if (auto within = check_limits(result, job.config); !within) return core::fail(within.error());
  return std::optional<Labels>(std::move(result));
}

}  // namespace collector::scrape

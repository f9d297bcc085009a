// SPDX-License-Identifier: Apache-2.0
#include "agent/metrics/metric_text.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <unordered_map>
#include <vector>

#include "core/check.h"

namespace agent {
namespace {

prometheus::ClientMetric with_labels(const MetricLabels& labels) {
  prometheus::ClientMetric metric;
  for (const auto& [name, value] : labels) metric.label.push_back({name, value});
  return metric;
}

}  // namespace

struct MetricText::Families {
  std::vector<prometheus::MetricFamily> list;
  std::unordered_map<std::string, std::size_t> places;

  prometheus::MetricFamily& find(std::string_view name, std::string_view help, prometheus::MetricType type) {
    const auto [place, fresh] = places.emplace(name, list.size());
    if (fresh) {
      prometheus::MetricFamily& family = list.emplace_back();
      family.name = name;
      family.help = help;
      family.type = type;
    }
    prometheus::MetricFamily& family = list[place->second];
    CHECK(family.type == type && family.help == help, "one metric name with two meanings");
    return family;
  }
};

MetricText::MetricText() : families_(std::make_unique<Families>()) {}
MetricText::~MetricText() = default;

void MetricText::counter(std::string_view name, std::string_view help, double value, const MetricLabels& labels) {
  CHECK(name.ends_with("_total"), "a counter's name ends in _total");
  prometheus::ClientMetric metric = with_labels(labels);
  metric.counter.value = value;
  families_->find(name, help, prometheus::MetricType::Counter).metric.push_back(std::move(metric));
}

void MetricText::gauge(std::string_view name, std::string_view help, double value, const MetricLabels& labels) {
  prometheus::ClientMetric metric = with_labels(labels);
  metric.gauge.value = value;
  families_->find(name, help, prometheus::MetricType::Gauge).metric.push_back(std::move(metric));
}

std::string MetricText::str() const { return prometheus::TextSerializer().Serialize(families_->list); }

}  // namespace agent

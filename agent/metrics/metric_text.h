// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace agent {

using MetricLabels = std::map<std::string, std::string>;

// One answer of /metrics in the making: families are given value by value and printed in the Prometheus text format.
//
// Thread safety: confined to one thread.
// Invariants: a name has one type and one help text (CHECKed), a counter's name ends in _total.
class MetricText {
 public:
  MetricText();
  ~MetricText();
  MetricText(const MetricText&) = delete;
  MetricText& operator=(const MetricText&) = delete;

  void counter(std::string_view name, std::string_view help, double value, const MetricLabels& labels = {});
  void gauge(std::string_view name, std::string_view help, double value, const MetricLabels& labels = {});

  std::string str() const;

 private:
  struct Families;
  std::unique_ptr<Families> families_;
};

// The content type of str().
inline constexpr std::string_view kMetricContentType = "text/plain; version=0.0.4; charset=utf-8";

}  // namespace agent

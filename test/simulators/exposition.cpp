// SPDX-License-Identifier: Apache-2.0
#include "test/simulators/exposition.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

namespace simulators {

namespace {

constexpr std::array kBuckets = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0};

std::string label_text(const Labels& labels) {
  if (labels.empty()) return {};
  std::string text = "{";
  for (const auto& [name, value] : labels) {
    if (text.size() > 1) text += ",";
    text += fmt::format("{}=\"{}\"", name, value);
  }
  return text + "}";
}

// Every combination of a family's label values.
std::vector<Labels> combinations(const Family& family) {
  std::vector<Labels> all = {{}};
  for (const auto& [name, values] : family.labels) {
    std::vector<Labels> longer;
    for (const Labels& labels : all) {
      for (const std::string& value : values) {
        longer.push_back(labels);
        longer.back().emplace_back(name, value);
      }
    }
    all = std::move(longer);
  }
  return all;
}

// A rate per second of a counter that nobody wired to the chain, of its own for every series.
double rate_of(const Chain& chain, const std::string& series) { return std::pow(10, chain.noise(series, 0) * 3 - 1.5); }

// On a healthy node what counts trouble stands still; faults have metrics of their own that are wired.
bool counts_trouble(std::string_view series) {
  constexpr std::array<std::string_view, 8> kTrouble = {"fail",    "error",   "reorg",  "drop",
                                                        "invalid", "timeout", "missed", "reject"};
  return std::any_of(kTrouble.begin(), kTrouble.end(),
                     [&](std::string_view word) { return series.find(word) != std::string_view::npos; });
}

double counter_value(const Chain& chain, const std::string& series) {
  if (counts_trouble(series)) return 0;
  const double history = chain.noise(series, 1) * 1e5;  // it ran before we did
  return std::floor((history + chain.seconds()) * rate_of(chain, series));
}

double gauge_value(const Chain& chain, const std::string& series) {
  const double base = std::floor(std::pow(10, chain.noise(series, 2) * 5));
  return std::floor(base * (1 + 0.1 * chain.noise(series, chain.slot())));
}

// "beacon_head_slot" -> "Beacon head slot"
std::string words(std::string_view name) {
  std::string text(name);
  std::replace(text.begin(), text.end(), '_', ' ');
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z') text[0] = static_cast<char>(text[0] - 'a' + 'A');
  return text;
}

}  // namespace

std::string number_text(double value) {
  if (std::isnan(value)) return "NaN";
  if (value == std::floor(value) && std::abs(value) < 1e18) return fmt::format("{:.0f}", value);
  return fmt::format("{}", value);
}

void RustText::sample(std::string_view name, const Labels& labels, double value) {
  text_ += fmt::format("{}{} {}\n", name, label_text(labels), number_text(value));
}

void RustText::family(std::string_view name, std::string_view type, const Samples& samples) {
  text_ += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, words(name), name, type);
  for (const auto& [labels, value] : samples) sample(name, labels, value);
}

void RustText::histogram(const std::string& name, const Labels& labels, double observations, double mean,
                         bool open_metrics) {
  const auto total = [&] {
    sample(name + "_sum", labels, std::round(observations * mean * 1e6) / 1e6);
    sample(name + "_count", labels, observations);
  };
  if (open_metrics) total();
  for (const double bound : kBuckets) {
    Labels with_bound = labels;
    const bool whole = open_metrics && bound == std::floor(bound);
    with_bound.emplace_back("le", whole ? fmt::format("{:.1f}", bound) : number_text(bound));
    sample(name + "_bucket", with_bound, std::floor(observations * (1 - std::exp(-bound / mean))));
  }
  Labels last = labels;
  last.emplace_back("le", "+Inf");
  sample(name + "_bucket", last, observations);
  if (!open_metrics) total();
}

void RustText::catalog(std::string_view table) {
  for (const Family& family : parse_catalog(table)) {
    text_ += fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n", family.name, words(family.name), family.type);
    for (const Labels& labels : combinations(family)) {
      const std::string series = family.name + label_text(labels);
      if (family.type == "histogram") {
        const double mean = 0.002 * std::pow(10, chain_.noise(series, 3) * 2);
        histogram(family.name, labels, counter_value(chain_, series), mean, false);
      } else {
        sample(family.name, labels,
               family.type == "counter" ? counter_value(chain_, series) : gauge_value(chain_, series));
      }
    }
  }
}

void RustText::open_metrics(std::string_view table) {
  for (const Family& family : parse_catalog(table)) {
    text_ += fmt::format("# HELP {0} {1}.\n# TYPE {0} {2}\n", family.name, words(family.name), family.type);
    const bool in_bytes = family.name.ends_with("_bytes");
    if (in_bytes) text_ += fmt::format("# UNIT {} bytes\n", family.name);
    for (const Labels& labels : combinations(family)) {
      const std::string series = family.name + label_text(labels);
      if (family.type == "histogram") {
        histogram(family.name, labels, counter_value(chain_, series), 0.02, true);
      } else if (family.type == "counter") {
        sample(family.name + "_total", labels, counter_value(chain_, series));
      } else {
        sample(family.name, labels, gauge_value(chain_, series));
      }
    }
  }
  text_ += "# EOF\n";
}

void GethText::gauge(std::string_view name, double value) {
  families_.emplace_back(name, fmt::format("# TYPE {0} gauge\n{0} {1}\n\n", name, number_text(value)));
}

void GethText::info(std::string_view name, const Labels& labels) {
  std::string inside;
  for (const auto& [key, value] : labels) inside += fmt::format("{}{}=\"{}\"", inside.empty() ? "" : ", ", key, value);
  families_.emplace_back(name, fmt::format("# TYPE {0} gauge\n{0} {{{1}}} 1\n\n", name, inside));
}

void GethText::summary(const std::string& name, double count, double middle) {
  std::string text = fmt::format("# TYPE {0}_count counter\n{0}_count {1}\n\n# TYPE {0} summary\n", name, count);
  for (const auto& [quantile, factor] : {std::pair("0.5", 1.0), std::pair("0.75", 1.6), std::pair("0.95", 4.0),
                                         std::pair("0.99", 9.0), std::pair("0.999", 15.0), std::pair("0.9999", 15.5)}) {
    text += fmt::format("{} {{quantile=\"{}\"}} {}\n", name, quantile, number_text(std::floor(middle * factor)));
  }
  families_.emplace_back(name, text + "\n");
}

void GethText::catalog(std::string_view table) {
  for (const Family& family : parse_catalog(table)) {
    if (family.type == "Gauge" || family.type == "GaugeFloat64") {
      gauge(family.name, gauge_value(chain_, family.name));
    } else if (family.type == "Meter" || family.type == "Counter" || family.type == "CounterFloat64") {
      gauge(family.name, counter_value(chain_, family.name));
    } else {
      // A timer without samples since the last scrape is left out: absent, not zero.
      const bool idle = family.type == "ResettingTimer" && chain_.noise(family.name, chain_.slot()) < 0.1;
      if (!idle) summary(family.name, counter_value(chain_, family.name), 1e4 + 1e7 * chain_.noise(family.name, 4));
    }
  }
}

std::string GethText::take() {
  std::sort(families_.begin(), families_.end());
  std::string text;
  for (const auto& [name, lines] : families_) text += lines;
  return text;
}

void VaultText::family(const std::string& name, std::string_view type, const Samples& samples) {
  std::string text = fmt::format("# HELP {0} {0}\n# TYPE {0} {1}\n", name, type);
  for (const auto& [labels, value] : samples)
    text += fmt::format("{}{} {}\n", name, label_text(labels), number_text(value));
  families_.emplace_back(name, std::move(text));
}

void VaultText::catalog(std::string_view table) {
  for (const Family& one : parse_catalog(table)) {
    if (one.type == "gauge" || one.type == "counter") {
      const bool counts = one.type == "counter";
      family(one.name, one.type, {{{}, counts ? counter_value(chain_, one.name) : gauge_value(chain_, one.name)}});
      continue;
    }
    const double count = counter_value(chain_, one.name);
    const bool recent = chain_.noise(one.name, chain_.slot() / 8) < 0.7;
    const double middle = 0.01 + chain_.noise(one.name, 5);
    std::string text = fmt::format("# HELP {0} {0}\n# TYPE {0} summary\n", one.name);
    for (const auto& [quantile, factor] : {std::pair("0.5", 1.0), std::pair("0.9", 3.0), std::pair("0.99", 7.0)}) {
      text +=
          fmt::format("{}{{quantile=\"{}\"}} {}\n", one.name, quantile, recent ? number_text(middle * factor) : "NaN");
    }
    text += fmt::format("{0}_sum {1}\n{0}_count {2}\n", one.name, number_text(count * middle), number_text(count));
    families_.emplace_back(one.name, std::move(text));
  }
}

std::string VaultText::take() {
  std::sort(families_.begin(), families_.end());
  std::string text;
  for (const auto& [name, lines] : families_) text += lines;
  return text;
}

}  // namespace simulators

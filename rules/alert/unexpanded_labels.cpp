// SPDX-License-Identifier: Apache-2.0
#include "rules/alert/unexpanded_labels.h"

namespace rules {

void add_unexpanded_labels(std::vector<SeriesSample>& series, const std::map<std::string, std::string>& rule_labels) {
  for (SeriesSample& sample : series) {
    for (const auto& [name, text] : rule_labels) {
      if (!sample.labels.has(name)) sample.labels = sample.labels.with(name, text);
    }
  }
}

}  // namespace rules

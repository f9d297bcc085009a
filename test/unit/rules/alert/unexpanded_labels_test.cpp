// SPDX-License-Identifier: Apache-2.0
#include "rules/alert/unexpanded_labels.h"

#include <gtest/gtest.h>

namespace rules {
namespace {

TEST(UnexpandedLabels, OnlyWhatTheAlertLacksIsAdded) {
  std::vector<SeriesSample> series = {{{{"__name__", "ALERTS"}, {"alertname", "Down"}, {"instance", "a"}}, 1}};
  add_unexpanded_labels(series, {{"empty", "{{ $labels.none }}"}, {"instance", "{{ $value }}"}, {"nothing", ""}});
  EXPECT_EQ(series[0].labels.to_string(), R"(ALERTS{alertname="Down", empty="{{ $labels.none }}", instance="a"})");
}

}  // namespace
}  // namespace rules

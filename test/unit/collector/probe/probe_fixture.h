// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <optional>
#include <string>

#include "collector/probe/probe_runner.h"
#include "core/net/io_loop.h"

namespace collector::probe {

// Probes things on loopback, one at a time, on this thread.
class ProbeTest : public testing::Test {
 protected:
  static core::Result<Modules> parse(const std::string& text) {
    const auto node = core::config::Node::parse(text, "modules.yml");
    if (!node) return core::fail(node.error());
    return core::config::Codec<Modules>::read(*node);
  }

  // `module` is what stands after the name: {prober: tcp, ...}.
  ProbeResultPtr probe(const std::string& module, const std::string& target,
                       core::Duration timeout = std::chrono::seconds(5), const std::string& hostname = "") {
    auto modules = parse("m: " + module);
    EXPECT_TRUE(modules) << modules.error().message;
    if (!modules) return nullptr;
    runner_.configure(std::move(*modules));
    ProbeResultPtr result;
    ProbeQuery query;
    query.module = "m";
    query.target = target;
    query.hostname = hostname;
    query.timeout = timeout;
    query.traced = true;
    runner_.run(std::move(query), [&](ProbeResultPtr ended) {
      EXPECT_EQ(result, nullptr) << "called back twice";
      result = std::move(ended);
      loop_.stop();
    });
    EXPECT_EQ(result, nullptr) << "called back inside run()";
    const core::TimerId watchdog = loop_.schedule_after(clock_, timeout + std::chrono::seconds(10), [this] {
      ADD_FAILURE() << "a probe did not end by its deadline";
      loop_.stop();
    });
    loop_.run();
    loop_.cancel(watchdog);
    return result;
  }

  // What a probe failed of; "none" if it passed.
  static std::string reason(const ProbeResultPtr& result) {
    return result ? std::string(to_string(result->report.failure().reason)) : "no result";
  }
  // The value of a metric, with its first label's value if that is given; NaN if it is absent.
  static double value(const ProbeResultPtr& result, std::string_view name, std::string_view label = "") {
    for (const Metric& metric : result->report.metrics()) {
      if (metric.name == name && (label.empty() || (!metric.labels.empty() && metric.labels[0].second == label))) {
        return metric.value;
      }
    }
    return std::nan("");
  }
  static bool absent(const ProbeResultPtr& result, std::string_view name) { return std::isnan(value(result, name)); }

  core::SystemClock clock_;
  core::net::IoLoop loop_{clock_};
  ProbeRunner runner_{loop_, clock_};
};

}  // namespace collector::probe

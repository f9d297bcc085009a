// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "collector/discovery/discovery.h"
#include "collector/discovery/folder_watch.h"
#include "core/config/node.h"
#include "core/net/dns_client.h"
#include "core/net/http_client.h"
#include "core/net/io_loop.h"

namespace collector::discovery {

// Keeps what a discovery tells.
class NotingSink final : public Sink {
 public:
  bool update(std::vector<TargetGroup> changed) override {
    ++updates;
    if (refuses) {
      changed_now();
      return false;
    }
    for (TargetGroup& group : changed) {
      told.push_back(group.source);
      if (group.targets.empty()) {
        groups.erase(group.source);
      } else {
        groups[group.source] = std::move(group);
      }
    }
    changed_now();
    return true;
  }
  void refreshed() override {
    ++refreshes;
    changed_now();
  }
  void failed(const core::Error& error) override {
    errors.push_back(error.message);
    changed_now();
  }

  // "a:1 b:2": the addresses of all targets in the order of their groups.
  std::string addresses() const {
    std::string text;
    for (const auto& [source, group] : groups) {
      for (const LabelMap& target : group.targets) text += (text.empty() ? "" : " ") + target.at("__address__");
    }
    return text;
  }
  // A label of the only, or the i-th target, its group's counted in; "-" if absent.
  std::string label(const std::string& name, std::size_t i = 0) const {
    for (const auto& [source, group] : groups) {
      for (const LabelMap& target : group.targets) {
        if (i-- > 0) continue;
        if (const auto own = target.find(name); own != target.end()) return own->second;
        const auto shared = group.labels.find(name);
        return shared == group.labels.end() ? "-" : shared->second;
      }
    }
    return "no such target";
  }

  std::map<std::string, TargetGroup> groups;
  std::vector<std::string> told;  // sources, as they came
  std::vector<std::string> errors;
  bool refuses = false;  // as a set does that has too many
  int updates = 0;
  int refreshes = 0;
  std::function<void()> changed_now = [] {};
};

// Discoveries with real sockets, files and clocks, on a loop that runs until something holds.
class DiscoveryTest : public testing::Test {
 protected:
  // Runs the loop until `condition` holds, which is asked after everything that the sink hears and every 10 ms; fails
  // after 20 s.
  void run_until(const std::function<bool()>& condition) {
    sink.changed_now = [&] {
      if (condition()) loop.stop();
    };
    bool ended = false;
    std::function<void()> ask = [&] {
      if (ended) return;
      if (condition()) return loop.stop();
      loop.schedule_after(clock, std::chrono::milliseconds(10), ask);
    };
    loop.post(ask);
    const core::TimerId watchdog = loop.schedule_after(clock, std::chrono::seconds(20), [&] {
      std::string errors;
      for (const std::string& error : sink.errors) errors += "\n" + error;
      ADD_FAILURE() << "it did not come to hold in 20 s; targets: " << sink.addresses() << "; errors: " << errors;
      loop.stop();
    });
    loop.run();
    ended = true;
    loop.cancel(watchdog);
    sink.changed_now = [] {};
    drain();
  }

  // Lets what is scheduled for now see that it has ended.
  void drain() {
    loop.schedule_after(clock, std::chrono::milliseconds(15), [this] { loop.stop(); });
    loop.run();
  }

  template <class Config>
  static core::Result<Config> read(std::string_view yaml) {
    const auto node = core::config::Node::parse(yaml, "p.yml");
    if (!node) return core::fail(node.error());
    return Config::fields().read(*node);
  }
  template <class Config>
  static Config must_read(std::string_view yaml) {
    auto config = read<Config>(yaml);
    EXPECT_TRUE(config) << config.error().message;
    return config ? *config : Config{};
  }

  core::SystemClock clock;
  core::net::IoLoop loop{clock};
  std::unique_ptr<core::net::HttpClient> http = core::net::make_http_client(loop, clock);
  core::net::DnsClientOptions dns_options;
  std::unique_ptr<core::net::DnsClient> dns = core::net::make_dns_client(loop);
  std::unique_ptr<FolderWatches> folders = make_folder_watches(loop);
  std::map<std::string, std::string> environment;
  Context context{clock, loop, *http, *dns, *folders, [this](const char* name) {
                    const auto found = environment.find(name);
                    return found == environment.end() ? std::string() : found->second;
                  }};
  NotingSink sink;
};

}  // namespace collector::discovery

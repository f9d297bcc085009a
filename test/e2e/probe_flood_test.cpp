// SPDX-License-Identifier: Apache-2.0
// More probes asked for at once than /probe has threads for, of a target that never answers.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <thread>

#include <httplib.h>

#include "core/time/clock.h"
#include "test/e2e/agent_process.h"
#include "test/support/hostile_server.h"

namespace e2e {
namespace {

constexpr int kThreads = 60;  // docs/threads.md, HTTP API

TEST(ProbeFlood, IsRefusedBeyondItsThreadsAndNobodyElseWaits) {
  const auto work = test_support::fresh_folder("probe-flood");
  const auto hang = [](test_support::HostilePeer& peer) { peer.hang(); };
  const test_support::HostileServer silent({{"/", hang}}, hang, test_support::free_port());
  test_support::write_file(work / "agent.yml", "modules: {slow: {prober: http, timeout: 60s}}\nring: {size: 4MiB}\n");
  AgentProcess agent(work / "agent.yml", work / "data");
  ASSERT_TRUE(agent.ready()) << agent.process().log_text();
  const std::string path = "/probe?module=slow&target=http://127.0.0.1:" + std::to_string(silent.port());

  std::vector<std::unique_ptr<httplib::Client>> clients;
  std::vector<std::jthread> askers;
  for (int i = 0; i < kThreads; ++i) {
    clients.push_back(std::make_unique<httplib::Client>("127.0.0.1", agent.port()));
    clients.back()->set_read_timeout(std::chrono::seconds(60));
    askers.emplace_back([client = clients.back().get(), &path] { (void)client->Get(path.c_str()); });
  }
  const auto in_flight = [&] {
    const std::string text = test_support::http_get(agent.port(), "/metrics").body;
    const std::string name = "\nwatchkeeper_probes_in_flight ";
    const std::size_t at = text.find(name);
    return at == std::string::npos ? -1 : std::stoi(text.substr(at + name.size()));
  };
  ASSERT_TRUE(test_support::eventually(seconds(20), [&] { return in_flight() == kThreads; })) << in_flight();

  const core::SystemClock clock;
  const auto before = clock.steady_now();
  const auto refused = test_support::http_get(agent.port(), path);
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.body, "too many probes are under way for others\n");
  EXPECT_EQ(test_support::http_get(agent.port(), "/-/healthy").status, 200);
  EXPECT_TRUE(api_get(agent.port(), "/api/v1/query?query=vector(1)").is_object());
  EXPECT_LT(clock.steady_now() - before, seconds(10)) << "nobody waited for a probe's end";

  // Who hangs up gives his place back.
  for (const auto& client : clients) client->stop();
  askers.clear();
  ASSERT_TRUE(test_support::eventually(seconds(20), [&] { return in_flight() == 0; })) << in_flight();
  EXPECT_EQ(test_support::http_get(agent.port(), "/probe?module=slow&target=http://127.0.0.1:1").status, 200);
}

}  // namespace
}  // namespace e2e

// SPDX-License-Identifier: Apache-2.0
// The duties of an agent that is killed at random moments: every epoch is in the counts once, and a row of misses goes
// on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <mutex>
#include <random>

#include <httplib.h>

#include "core/time/clock.h"
#include "test/e2e/agent_process.h"
#include "test/unit/collector/staking/made_chain.h"

namespace e2e {
namespace {

using collector::staking::MadeChain;
using test_support::eventually;

// A beacon node of a made chain with slots of half a second.
class MadeNode {
 public:
  explicit MadeNode(MadeChain& chain) : chain_(chain) {
    const auto answer = [this](const httplib::Request& request, httplib::Response& response) {
      core::net::Request asked;
      asked.method = request.method;
      asked.url = "http://node" + request.target;
      asked.body = request.body;
      const std::lock_guard lock(mutex_);
      const auto told = chain_.answer_to(asked);
      response.status = told.status;
      response.set_content(told.body, "application/json");
    };
    server_.Get(".*", answer);
    server_.Post(".*", answer);
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::jthread([this] { server_.listen_after_bind(); });
  }
  ~MadeNode() { server_.stop(); }
  int port() const { return port_; }

 private:
  MadeChain& chain_;
  std::mutex mutex_;
  httplib::Server server_;
  int port_ = 0;
  std::jthread thread_;
};

class DutyKill : public testing::Test {
 protected:
  DutyKill() {
    // The first validator never votes.
    for (std::uint64_t epoch = 0; epoch < 100; ++epoch) {
      if (const auto slot = chain_.duty(1, epoch)) chain_.votes[{*slot, 1}] = {.cast = false};
    }
    test_support::write_file(work_ / "keys.yml", fmt::format("- {{pubkey: \"{}\", group: idle}}\n- {{pubkey: \"{}\", "
                                                             "group: busy}}\n",
                                                             collector::staking::to_string(MadeChain::key(1)),
                                                             collector::staking::to_string(MadeChain::key(2))));
    test_support::write_file(
        work_ / "agent.yml",
        fmt::format("ring: {{size: 4MiB}}\nstaking:\n  network: {{from_beacon_node: true}}\n  beacon_nodes:\n"
                    "  - {{name: bn, url: \"http://127.0.0.1:{}\", events: false}}\n"
                    "  validators: {{keys_file: keys.yml}}\n",
                    node_.port()));
    agent_ = std::make_unique<AgentProcess>(work_ / "agent.yml", work_ / "data");
  }

  // -1: there is none now.
  double value(const std::string& query) const {
    const json data = api_get(agent_->port(), "/api/v1/query?query=" + encode(query));
    if (!data.is_object() || data["result"].size() != 1) return -1;
    return std::stod(data["result"][0]["value"][1].get<std::string>());
  }
  double count(const std::string& name, const std::string& group) const {
    return value("watchkeeper_duties_" + name + "{group=\"" + group + "\"}");
  }
  // Epochs that are in the counts, less those that are over: the same for ever. All of one instant.
  double balance(const std::string& group) const {
    return value(
        fmt::format("watchkeeper_duties_attestations_total{{group=\"{0}\"}} + "
                    "watchkeeper_duties_unknown_attestations_total{{group=\"{0}\"}} - on() group_left() "
                    "watchkeeper_duties_judged_epoch + 1e6",
                    group));
  }
  double judged() const { return value("watchkeeper_duties_judged_epoch"); }

  const core::SystemClock clock_;
  const std::filesystem::path work_ = test_support::fresh_folder("duty-kill");
  MadeChain chain_{clock_, 64, 500};
  MadeNode node_{chain_};
  std::unique_ptr<AgentProcess> agent_;
};

TEST_F(DutyKill, NoEpochIsCountedTwiceOrNever) {
  ASSERT_TRUE(agent_->ready()) << agent_->process().log_text();
  ASSERT_TRUE(eventually(seconds(40), [&] { return judged() > 0 && balance("busy") > 0; }))
      << agent_->process().log_text();
  const double busy = balance("busy");
  const double idle = balance("idle");
  const double began = judged();

  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 dice(seed);
  for (int kills = 0; kills < 5; ++kills) {
    const double before = judged();
    // Somewhere in a slot, somewhere in an epoch.
    const int wait_ms = std::uniform_int_distribution<int>(0, 2500)(dice);
    const auto until = clock_.steady_now() + std::chrono::milliseconds(wait_ms);
    ASSERT_TRUE(eventually(seconds(10), [&] { return clock_.steady_now() >= until; }));
    agent_->process().signal(SIGKILL);
    ASSERT_EQ(agent_->process().wait(seconds(5)), 128 + SIGKILL);
    agent_->start();
    ASSERT_TRUE(agent_->ready()) << agent_->process().log_text();
    ASSERT_TRUE(eventually(seconds(40), [&] { return judged() > before; })) << agent_->process().log_text();
    EXPECT_TRUE(eventually(seconds(30), [&] { return balance("busy") == busy && balance("idle") == idle; }))
        << "after " << kills + 1 << " kills: " << balance("busy") - busy << ", " << balance("idle") - idle;
    EXPECT_EQ(count("missed_attestations_total", "busy"), 0);
  }
  EXPECT_GE(judged(), began + 5);
  // What nobody could judge between two kills does not end a row of misses.
  EXPECT_TRUE(eventually(seconds(10),
                         [&] {
                           const double missed = count("missed_attestations_total", "idle");
                           return missed >= 3 && missed == count("consecutive_missed_attestations_max", "idle");
                         }))
      << count("missed_attestations_total", "idle") << " and " << count("consecutive_missed_attestations_max", "idle");
}

}  // namespace
}  // namespace e2e
